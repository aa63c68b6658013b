/* Python's objects in the slots of a cache: keys compared, values taken out and let go. */
#ifndef FB_PYCACHE_H
#define FB_PYCACHE_H

#include <Python.h>

#include "cache/cache.h"

/* ---- keys ---------------------------------------------------------------------------------- */

/* The value of an int above 0 of one digit; 0 if it is another one. Of those that are keys, nearly all. */
FB_INLINE int fb_py_natural(PyObject *number, Py_ssize_t *value) {
#if PY_VERSION_HEX >= 0x030C0000
    if (((PyLongObject *)number)->long_value.lv_tag != 1 << _PyLong_NON_SIZE_BITS) return 0;
    *value = (Py_ssize_t)((PyLongObject *)number)->long_value.ob_digit[0];
#else
    if (Py_SIZE(number) != 1) return 0;
    *value = (Py_ssize_t)((PyLongObject *)number)->ob_digit[0];
#endif
    return 1;
}

/* The value of an int of one digit; 0 if it has more. */
FB_INLINE int fb_py_small(PyObject *number, Py_ssize_t *value) {
#if PY_VERSION_HEX >= 0x030C0000
    if (!PyUnstable_Long_IsCompact((PyLongObject *)number)) return 0;
    *value = PyUnstable_Long_CompactValue((PyLongObject *)number);
#else
    const Py_ssize_t size = Py_SIZE(number);
    if (size < -1 || size > 1) return 0;
    *value = size == 0 ? 0 : size * (Py_ssize_t)((PyLongObject *)number)->ob_digit[0];
#endif
    return 1;
}

/* Whether fb_py_equal can tell if a key equals another of its type. */
FB_INLINE int fb_py_plain(PyObject *key) { return PyLong_CheckExact(key) || PyUnicode_CheckExact(key); }

/* hash(key), without a call if that is plain; -1 with an error. */
FB_INLINE Py_hash_t fb_py_hash(PyObject *key) {
    Py_ssize_t value;
    if (PyLong_CheckExact(key)) {
        if (FB_LIKELY(fb_py_natural(key, &value))) return value; /* without a product to wait for */
        if (fb_py_small(key, &value)) return value == -1 ? -2 : value;
    }
#ifndef Py_GIL_DISABLED
    if (PyUnicode_CheckExact(key) && ((PyASCIIObject *)key)->hash != -1) return ((PyASCIIObject *)key)->hash;
#endif
    return PyObject_Hash(key);
}

/* Whether two keys of equal hash are equal: 1, 0, or -1 if that has to be asked through Python. */
FB_INLINE int fb_py_equal(PyObject *a, PyObject *b) {
    Py_ssize_t x, y; /* first, since whether equal ints are one object is mispredicted */
    if (PyLong_CheckExact(a) && PyLong_CheckExact(b)) {
        if (FB_LIKELY(fb_py_natural(a, &x) && fb_py_natural(b, &y))) return x == y;
        if (fb_py_small(a, &x) && fb_py_small(b, &y)) return x == y;
    }
    if (a == b) return 1;
    if (PyUnicode_CheckExact(a) && PyUnicode_CheckExact(b)) {
        const Py_ssize_t n = PyUnicode_GET_LENGTH(a);
        const int kind = (int)PyUnicode_KIND(a);
        return n == PyUnicode_GET_LENGTH(b) && kind == (int)PyUnicode_KIND(b) &&
               memcmp(PyUnicode_DATA(a), PyUnicode_DATA(b), (size_t)(n * kind)) == 0;
    }
    return -1;
}

/* ---- slots --------------------------------------------------------------------------------- */

/* Entry i has its key in item 2i of a list and its value in item 2i + 1; None where there is no entry. A
 * list, so that the garbage collector sees them. */
#define FB_PY_KEY(items, slot) (((PyListObject *)(items))->ob_item[2 * (size_t)(slot)])
#define FB_PY_VALUE(items, slot) (((PyListObject *)(items))->ob_item[2 * (size_t)(slot) + 1])

/* Puts an object where None is, which is not let go of: it is immortal, or has other references. */
static inline void fb_py_put(PyObject **at, PyObject *object) {
    PyObject *none = *at;
    Py_INCREF(object);
    *at = object;
    Py_DECREF(none);
}
#define FB_PY_PUT_KEY(items, slot, key) fb_py_put(&FB_PY_KEY(items, slot), key)
#define FB_PY_PUT_VALUE(items, slot, value) fb_py_put(&FB_PY_VALUE(items, slot), value)

/* Entries of a dict, without a call. */
#define FB_PY_DICT_SIZE(dict) (((PyDictObject *)(dict))->ma_used)

/* Before 3.12, making a container may run the garbage collector, and so anything, this cache included. Where
 * that may not be, between these two. */
static inline int fb_py_pause_gc(void) {
#if PY_VERSION_HEX < 0x030C0000
    return PyGC_Disable();
#else
    return 0;
#endif
}

static inline void fb_py_resume_gc(int was) {
    if (was) PyGC_Enable();
}

/* A list of the items of `items`, which is left empty, and room for n_slots entries; NULL with an error. */
static PyObject *fb_py_slots(PyObject *items, uint32_t n_slots) {
    const Py_ssize_t n = PyList_GET_SIZE(items);
    const int gc = fb_py_pause_gc();
    PyObject *larger = PyList_New(2 * (Py_ssize_t)n_slots);
    fb_py_resume_gc(gc);
    if (larger == NULL) return NULL;
    PyObject **to = ((PyListObject *)larger)->ob_item;
    if (n > 0) memcpy(to, ((PyListObject *)items)->ob_item, (size_t)n * sizeof *to);
    for (Py_ssize_t i = n; i < PyList_GET_SIZE(larger); i++) {
        Py_INCREF(Py_None);
        to[i] = Py_None;
    }
    Py_SET_SIZE((PyVarObject *)items, 0);
    return larger;
}

/* The int of a slot, or None. If there is no memory for one, it is looked for among the keys of `tagged`. */
static PyObject *fb_py_number(PyObject *tagged, uint32_t slot) {
    PyObject *number = PyLong_FromUnsignedLong(slot), *tags;
    if (FB_LIKELY(number != NULL)) return number;
    PyErr_Clear();
    for (Py_ssize_t at = 0; PyDict_Next(tagged, &at, &number, &tags);)
        if (PyLong_AsUnsignedLong(number) == slot) return Py_NewRef(number);
    return Py_NewRef(Py_None);
}

enum { FB_PY_MOVED = 2 };

/* Finds a key with hash h: 1 and its slot; 0 if it is not there; FB_PY_MOVED if asking keys whether they are
 * equal has changed the cache, as *moves tells, so that the search has to begin again; -1 with an error. */
static inline int fb_py_find(fb_cache_t *c, PyObject *items, const uint64_t *moves, PyObject *key,
                             uint64_t h, uint32_t *slot) {
    uint32_t at = fb_cache_begin(c, h), found = fb_cache_next(c, h, &at);
    if (found == FB_CACHE_NONE) fb_cache_miss(c, h, at);
    for (; found != FB_CACHE_NONE; found = fb_cache_next(c, h, &at)) {
        PyObject *other = FB_PY_KEY(items, found);
        int equal = fb_py_equal(other, key);
        if (FB_UNLIKELY(equal < 0)) {
            const uint64_t before = *moves;
            Py_INCREF(other);
            equal = PyObject_RichCompareBool(other, key, Py_EQ);
            Py_DECREF(other);
            if (equal < 0) return -1;
            if (*moves != before) return FB_PY_MOVED;
        }
        if (equal) {
            *slot = found;
            return 1;
        }
    }
    return 0;
}

/* The same without Python: 1, 0, or -1 if it takes Python to tell; then nothing has changed. */
FB_INLINE int fb_py_search(fb_cache_t *c, PyObject *items, PyObject *key, uint64_t h, uint32_t *slot) {
    uint32_t at = fb_cache_begin(c, h);
    *slot = fb_cache_next(c, h, &at);
    if (*slot != FB_CACHE_NONE) return fb_py_equal(FB_PY_KEY(items, *slot), key) == 1 ? 1 : -1;
    fb_cache_miss(c, h, at);
    return 0;
}

/* A request, where entries have no times: as fb_py_search, but it is the value that is found. */
FB_INLINE int fb_py_get(fb_cache_t *c, PyObject *items, PyObject *key, uint64_t h, PyObject **value) {
    uint32_t slot;
    const int found = fb_py_search(c, items, key, h, &slot);
    if (found == 1) {
        fb_policy_hit(&c->policy, slot);
        *value = FB_PY_VALUE(items, slot);
    }
    return found;
}

/* ---- what was removed ---------------------------------------------------------------------- */

typedef enum { FB_PY_EXPLICIT, FB_PY_REPLACED, FB_PY_SIZE, FB_PY_EXPIRED } fb_py_cause_t;

typedef struct {
    PyObject *key, *value;
    fb_py_cause_t cause;
} fb_py_removal_t;

/* Removals of one operation, kept until the cache is whole again: letting go of an object may run any code. */
typedef struct {
    fb_py_removal_t few[3], *all;
    size_t n, room;
} fb_py_removals_t;

static inline void fb_py_removals_init(fb_py_removals_t *r) {
    r->n = 0;
    r->room = 3;
    r->all = r->few;
}

/* Room for n more: 0, or -1 with an error. */
static inline int fb_py_removals_reserve(fb_py_removals_t *r, size_t n) {
    if (FB_LIKELY(n <= r->room - r->n)) return 0;
    const size_t room = r->n + n > 2 * r->room ? r->n + n : 2 * r->room;
    fb_py_removal_t *more = (fb_py_removal_t *)PyMem_Malloc(room * sizeof *more);
    if (more == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(more, r->all, r->n * sizeof *more);
    if (r->all != r->few) PyMem_Free(r->all);
    r->all = more;
    r->room = room;
    return 0;
}

/* Takes the key and value of a slot. */
static inline void fb_py_removals_take(fb_py_removals_t *r, PyObject *items, uint32_t slot, fb_py_cause_t cause) {
    r->all[r->n++] = (fb_py_removal_t){FB_PY_KEY(items, slot), FB_PY_VALUE(items, slot), cause};
    Py_INCREF(Py_None);
    Py_INCREF(Py_None);
    FB_PY_KEY(items, slot) = FB_PY_VALUE(items, slot) = Py_None;
}

/* Takes the value of a slot, and puts another there. */
static inline void fb_py_removals_replace(fb_py_removals_t *r, PyObject *items, uint32_t slot, PyObject *value) {
    r->all[r->n++] = (fb_py_removal_t){FB_PY_KEY(items, slot), FB_PY_VALUE(items, slot), FB_PY_REPLACED};
    Py_INCREF(FB_PY_KEY(items, slot));
    Py_INCREF(value);
    FB_PY_VALUE(items, slot) = value;
}

static inline void fb_py_removals_free(fb_py_removals_t *r) {
    for (size_t i = 0; i < r->n; i++) {
        Py_DECREF(r->all[i].key);
        Py_DECREF(r->all[i].value);
    }
    if (r->all != r->few) PyMem_Free(r->all);
}

/* ---- setting, where nothing is to be asked or told --------------------------------------------- */

/* Sets the value of a key with hash h in a cache without weights, times and tags. 1, and what is to be let go of
 * is in *key_out and *value_out (or NULL). 0: nothing has changed, and it has to be done with more care: the cache
 * has to grow or is to shrink, or it takes Python to tell whether keys are equal. */
static inline int fb_py_set(fb_cache_t *c, PyObject *items, uint64_t *entered, uint64_t *evicted, PyObject *key,
                            PyObject *value, uint64_t h, PyObject **key_out, PyObject **value_out) {
    fb_policy_t *p = &c->policy;
    uint32_t slot, victim;
    const int found = fb_cache_missed(c, h) ? 0 : fb_py_search(c, items, key, h, &slot);
    if (FB_UNLIKELY(found < 0)) return 0;
    if (found) {
        fb_policy_hit(p, slot);
        fb_policy_reweigh(p, slot, 1);
        *value_out = FB_PY_VALUE(items, slot);
        FB_PY_VALUE(items, slot) = Py_NewRef(value);
        return 1;
    }
    if (!fb_cache_roomy(c) || p->weight > p->maxsize) return 0;
    slot = fb_cache_replace(c, h, &victim);
    PyObject *none = FB_PY_KEY(items, slot);
    FB_PY_KEY(items, slot) = Py_NewRef(key);
    FB_PY_VALUE(items, slot) = Py_NewRef(value);
    *entered += 1;
    if (FB_LIKELY(victim != FB_CACHE_NONE)) { /* the places of the two are exchanged, None's with them */
        *key_out = FB_PY_KEY(items, victim);
        *value_out = FB_PY_VALUE(items, victim);
        FB_PY_KEY(items, victim) = FB_PY_VALUE(items, victim) = none;
        *evicted += 1;
    } else {
        Py_DECREF(none); /* which is immortal, or has other references */
        Py_DECREF(none);
    }
    return 1;
}

#endif
