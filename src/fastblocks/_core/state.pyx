"""Serialised objects: header in front, payload behind."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.string cimport memcpy

from fastblocks._core.cpu cimport fb_cpu_level
from fastblocks._core.status cimport check_status, fb_status_t

cdef extern from "state.h" nogil:
    void fb_state_write(const fb_state_t *state, const void *payload, uint8_t *header)
    fb_status_t fb_state_read(const uint8_t *data, size_t size, bint verify, fb_state_t *state)


cdef bytes new_state(const fb_state_t *state):
    return PyBytes_FromStringAndSize(NULL, <Py_ssize_t>(FB_STATE_HEADER + state.payload_bytes))


cdef uint8_t *payload_of(bytes data) noexcept:
    return <uint8_t *>PyBytes_AS_STRING(data) + FB_STATE_HEADER


cdef int seal_state(const fb_state_t *state, bytes data) except -1:
    cdef uint8_t *header = <uint8_t *>PyBytes_AS_STRING(data)
    with nogil:
        fb_state_write(state, header + FB_STATE_HEADER, header)
    return 0


cdef int read_state(
    const uint8_t *data, size_t size, bint verify, fb_state_t *state, str what
) except -1:
    cdef fb_status_t status
    with nogil:
        status = fb_state_read(data, size, verify, state)
    return check_status(status, what)


cdef bint params_end_at(const fb_state_t *state, int first) noexcept nogil:
    cdef int i
    for i in range(first, 11):
        if state.params[i] != 0:
            return False
    return True


cdef uint64_t word_of_double(double x) noexcept nogil:
    cdef uint64_t word
    memcpy(&word, &x, sizeof(word))
    return word


cdef double double_of_word(uint64_t word) noexcept nogil:
    cdef double x
    memcpy(&x, &word, sizeof(x))
    return x


fb_cpu_level()
