/* Python object -> 64-bit hash, the part that must be inlined into every block's scalar methods:
 * str, bytes and int. Other kinds of key, and every error, go through fastblocks/_core/keys.pyx. */
#ifndef FB_PYKEYS_H
#define FB_PYKEYS_H

#include <Python.h>

#include "keys.h"
#include "xxh3.h"

/* Hashes a str, bytes, or an int that fits int64. Returns 1 if *h was set, 0 if `key` is
 * for the slow path, -1 with an exception set (a str that has no UTF-8 form). */
FB_INLINE int fb_py_hash_common(PyObject *key, uint64_t seed, uint64_t *h) {
    if (FB_LIKELY(PyUnicode_Check(key))) {
        Py_ssize_t len;
        const char *utf8;
        if (FB_LIKELY(PyUnicode_IS_COMPACT_ASCII(key))) {
            utf8 = (const char *)((PyASCIIObject *)key + 1);
            len = PyUnicode_GET_LENGTH(key);
        } else {
            utf8 = PyUnicode_AsUTF8AndSize(key, &len); /* kept by the str: made once */
            if (utf8 == NULL) return -1;
        }
        *h = fb_xxh3_64(utf8, (size_t)len, seed);
        return 1;
    }
    if (PyBytes_Check(key)) {
        *h = fb_xxh3_64(PyBytes_AS_STRING(key), (size_t)PyBytes_GET_SIZE(key), seed);
        return 1;
    }
    if (PyLong_Check(key)) {
        int overflow;
        long long value = PyLong_AsLongLongAndOverflow(key, &overflow);
        if (overflow) return 0;
        *h = fb_xxh3_64_u64((uint64_t)value, seed);
        return 1;
    }
    return 0;
}

/* The same by another hash. */
static inline int fb_py_hash_by(PyObject *key, const fb_hasher_t *hasher, uint64_t *h) {
    if (PyUnicode_Check(key)) {
        Py_ssize_t len;
        const char *utf8 = PyUnicode_AsUTF8AndSize(key, &len);
        if (utf8 == NULL) return -1;
        *h = hasher->bytes((const uint8_t *)utf8, (size_t)len);
        return 1;
    }
    if (PyBytes_Check(key)) {
        const uint8_t *data = (const uint8_t *)PyBytes_AS_STRING(key);
        *h = hasher->bytes(data, (size_t)PyBytes_GET_SIZE(key));
        return 1;
    }
    if (PyLong_Check(key)) {
        int overflow;
        long long value = PyLong_AsLongLongAndOverflow(key, &overflow);
        if (overflow) return 0;
        *h = hasher->integer((uint64_t)value, value < 0);
        return 1;
    }
    return 0;
}

/* Whether an int is in [0, 2**64); then its value. Raises nothing. */
FB_INLINE int fb_py_uint64(PyObject *number, uint64_t *value) {
    int overflow; /* below 2**63 this is quicker than the other */
    const long long small = PyLong_AsLongLongAndOverflow(number, &overflow);
    *value = (uint64_t)small;
    if (FB_LIKELY(small >= 0)) return 1;
    if (overflow <= 0) return 0;
    *value = PyLong_AsUnsignedLongLong(number);
    if (FB_UNLIKELY(*value == UINT64_MAX) && PyErr_Occurred()) {
        PyErr_Clear();
        return 0;
    }
    return 1;
}

/* A new reference to list[i], or NULL (no exception) if the list has meanwhile become shorter. */
FB_INLINE PyObject *fb_py_list_item(PyObject *list, Py_ssize_t i) {
#ifdef Py_GIL_DISABLED
    PyObject *item = PyList_GetItemRef(list, i);
    if (item == NULL) PyErr_Clear();
    return item;
#else
    if (i >= PyList_GET_SIZE(list)) return NULL;
    PyObject *item = PyList_GET_ITEM(list, i);
    Py_INCREF(item);
    return item;
#endif
}

/* Asks for the memory of list[i] ahead of its use; harmless if there is no such item. */
FB_INLINE void fb_py_list_prefetch(PyObject *list, Py_ssize_t i) {
#ifndef Py_GIL_DISABLED
    if (i < PyList_GET_SIZE(list)) FB_PREFETCH(PyList_GET_ITEM(list, i));
#else
    (void)list;
    (void)i;
#endif
}

/* True where the GIL makes a short piece of C code atomic among Python threads. */
#ifdef Py_GIL_DISABLED
#define FB_HAVE_GIL 0
#else
#define FB_HAVE_GIL 1
#endif

#endif
