/* A short cut in front of a Python function f(key, seed=0) -> 64-bit hash.
 *
 * Cython's general argument parsing costs more than hashing a short key. The function made here
 * answers the usual call, one positional key of a common kind, by itself and passes everything else
 * on to the Cython function, which parses and raises as always. */
#ifndef FB_FASTCALL_H
#define FB_FASTCALL_H

#include "pykeys.h"

static PyObject *fb_fastcall_general; /* the Cython function; lives as long as the module */

static PyObject *fb_fastcall_hash(PyObject *self, PyObject *const *args, Py_ssize_t n_args,
                                  PyObject *names) {
    (void)self;
    if (FB_LIKELY(n_args == 1 && names == NULL)) {
        uint64_t h;
        int known = fb_py_hash_common(args[0], 0, &h);
        if (FB_LIKELY(known > 0)) return PyLong_FromUnsignedLongLong(h);
        if (known < 0) return NULL;
    }
    return PyObject_Vectorcall(fb_fastcall_general, args, (size_t)n_args, names);
}

/* A function with the name, signature and docstring of `general`, a built-in function. */
static PyObject *fb_fastcall_make(PyObject *general, PyObject *module_name) {
    static PyMethodDef def;
    const PyMethodDef *like = ((PyCFunctionObject *)general)->m_ml;
    def.ml_name = like->ml_name;
    def.ml_doc = like->ml_doc;
    def.ml_flags = METH_FASTCALL | METH_KEYWORDS;
    def.ml_meth = (PyCFunction)(void (*)(void))fb_fastcall_hash;
    Py_INCREF(general);
    fb_fastcall_general = general;
    return PyCFunction_NewEx(&def, NULL, module_name);
}

#endif
