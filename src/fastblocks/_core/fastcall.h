/* A short cut in front of a Python function.
 *
 * Cython's general argument parsing costs more than hashing a short key. The function made here
 * answers the usual call, positional arguments of common kinds, by itself and passes everything else
 * on to the Cython function, which parses and raises as always. */
#ifndef FB_FASTCALL_H
#define FB_FASTCALL_H

#include "pykeys.h"

static PyObject *fb_fastcall_general; /* the Cython function; lives as long as the module */

typedef PyObject *fb_fastcall_t(PyObject *self, PyObject *const *args, Py_ssize_t n_args,
                                PyObject *names);

static PyObject *fb_fastcall_pass_on(PyObject *const *args, Py_ssize_t n_args, PyObject *names) {
    return PyObject_Vectorcall(fb_fastcall_general, args, (size_t)n_args, names);
}

/* f(key, seed=0) -> 64-bit hash */
static inline PyObject *fb_fastcall_hash(PyObject *self, PyObject *const *args, Py_ssize_t n_args,
                                  PyObject *names) {
    (void)self;
    if (FB_LIKELY(n_args == 1 && names == NULL)) {
        uint64_t h;
        int known = fb_py_hash_common(args[0], 0, &h);
        if (FB_LIKELY(known > 0)) return PyLong_FromUnsignedLongLong(h);
        if (known < 0) return NULL;
    }
    return fb_fastcall_pass_on(args, n_args, names);
}

/* `shortcut` as a function with the name, signature and docstring of `general`, a built-in function;
 * one per module. */
static PyObject *fb_fastcall_make(PyObject *general, PyObject *module_name, fb_fastcall_t *shortcut) {
    static PyMethodDef def;
    const PyMethodDef *like = ((PyCFunctionObject *)general)->m_ml;
    def.ml_name = like->ml_name;
    def.ml_doc = like->ml_doc;
    def.ml_flags = METH_FASTCALL | METH_KEYWORDS;
    def.ml_meth = (PyCFunction)(void (*)(void))shortcut;
    Py_INCREF(general);
    fb_fastcall_general = general;
    return PyCFunction_NewEx(&def, NULL, module_name);
}

#endif
