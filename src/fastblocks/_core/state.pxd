# Serialised objects: header in front, payload behind (csrc/core/state.h).

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "state.h" nogil:
    enum:
        FB_STATE_HEADER
    uint32_t FB_STATE_FOURCC(char a, char b, char c, char d)
    ctypedef struct fb_state_t:
        uint32_t kind
        uint16_t version
        bint live
        uint64_t payload_bytes
        uint64_t params[11]
    void fb_state_set_live(uint8_t *data)

# A new bytes object with room for `state`'s header and payload; fill the payload at
# payload_of(it), then seal it.
cdef bytes new_state(const fb_state_t *state)
cdef uint8_t *payload_of(bytes data) noexcept
cdef int seal_state(const fb_state_t *state, bytes data) except -1

# Checks a serialised object, expected to be of state.kind and state.version, and fills *state.
# `what` opens the message of the ValueError.
cdef int read_state(
    const uint8_t *data, size_t size, bint verify, fb_state_t *state, str what
) except -1

# True if the parameter words from `first` on are zero, as unused ones are.
cdef bint params_end_at(const fb_state_t *state, int first) noexcept nogil

# A double as a parameter word, and back.
cdef uint64_t word_of_double(double x) noexcept nogil
cdef double double_of_word(uint64_t word) noexcept nogil
