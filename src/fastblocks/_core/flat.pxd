# Objects whose whole state is one flat run of bytes, the payload, that C code works on: in memory
# of their own or in a mapped file. Copies, pickles, bytes, files and maps are done here for all.
#
# A class derives from Flat; its __cinit__ takes any arguments and makes the smallest valid object, so
# that __new__ alone is safe and subclasses may have an __init__ of their own; its __init__ calls
# `begin_init`, checks the arguments, and calls `allocate`. Three methods tell what the payload means:
# `describe`, `adopt` and `attach`.

from fastblocks._core.state cimport fb_state_t


cdef class Flat:
    cdef void *payload         # aligned to 64 bytes
    cdef size_t size           # of the payload
    cdef bint owned            # ours: no other process can write to it
    cdef bint writable
    cdef Py_ssize_t writers    # running writers that do not hold the GIL; changed under the GIL
    cdef bint made             # its contents are there: __init__ may not run again
    cdef object whole          # lock of the operations on the whole object
    cdef object mapping        # the mmap that the payload lies in, if it is not owned
    cdef Py_buffer view        # of the mapping
    cdef object __weakref__

    # For the derived class to implement: -----------------------------------------------------

    # Writes kind, version and parameters into *state, which is zeroed.
    cdef int describe(self, fb_state_t *state) except -1

    # Takes over checked parameters; False if they contradict each other or state.payload_bytes.
    cdef bint adopt(self, const fb_state_t *state) except -1

    # Told that `payload` lies elsewhere now.
    cdef int attach(self) except -1

    # For the derived class to use: -----------------------------------------------------------

    # Raises if the object has been made already: others may be using its memory.
    cdef int begin_init(self) except -1

    # Gives the object `size` zero bytes of its own as payload.
    cdef int allocate(self, size_t size) except -1

    # Become what serialised bytes, or a file, hold.
    cdef int load(self, object data) except -1
    cdef int map(self, object path, object mode, bint verify) except -1

    # Raise if the payload is mapped read-only.
    cdef int check_writable(self, str method) except -1

    cdef void release(self) noexcept

    # Around a change that runs without the GIL.
    cdef void begin_writing(self) noexcept
    cdef void end_writing(self) noexcept
