# Objects whose whole state is one flat run of bytes, the payload, that C code works on: in memory
# of their own or in a mapped file. Copies, pickles, bytes, files and maps are done here for all.
#
# A class derives from Flat; its __cinit__ takes any arguments and makes the smallest valid object, so
# that __new__ alone is safe and subclasses may have an __init__ of their own; its __init__ calls
# `begin_init`, checks the arguments, and calls `allocate`. A few methods tell what the payload means:
# `parameters`, `describe`, `adopt`, `attach` and, where its contents can contradict each other, `admit`.
# A class that keeps its data in other places too gathers them into one payload: `gathered`, `gather`.
#
# Parameters (the words of the header) never change while an object lives. What changes is in the
# payload, or a mapped file would not have it.
#
# Two protocols keep threads apart. Where C code changes the payload by atomic operations that do not
# lose each other's changes, any number may write at once: a scalar method may use plain stores if
# `alone()`, a batch stands between `begin_writing` and `end_writing`. Where a change takes several
# steps, writers exclude each other: a scalar method does its work at once if `alone()`, and
# `with self.whole` if not; a batch does all of it `with self.whole` and between `begin_writing` and
# `end_writing`. Readers take no lock in either case; C code makes that safe.

from fastblocks._core.keys cimport FB_HAVE_GIL
from fastblocks._core.state cimport fb_state_t

# Who may write to a mapped file.
cdef enum:
    MANY_WRITERS  # any number of processes at once
    ONE_WRITER    # one process at a time: it holds a lock on the file for as long as it has it open
    NO_WRITER     # nobody: the object cannot change


cdef class Flat:
    cdef void *payload         # aligned to 64 bytes
    cdef size_t size           # of the payload
    cdef bint owned            # ours: no other process can write to it
    cdef bint writable
    cdef Py_ssize_t writers    # running writers that do not hold the GIL; changed under the GIL
    cdef bint made             # its contents are there: __init__ may not run again
    cdef int file_use          # MANY_WRITERS, ONE_WRITER or NO_WRITER; set by __cinit__
    cdef object whole          # lock of the operations on the whole object
    cdef object mapping        # the mmap that the payload lies in, if it is not owned
    cdef Py_buffer view        # of the mapping
    cdef object __weakref__

    # For the derived class to implement: -----------------------------------------------------

    # (name, value) of the arguments of the constructor that objects must share to be combined.
    cdef tuple parameters(self)

    # Writes kind, version and parameters into *state, which is zeroed.
    cdef int describe(self, fb_state_t *state) except -1

    # Takes over checked parameters; False if they contradict each other or state.payload_bytes.
    cdef bint adopt(self, const fb_state_t *state) except -1

    # Told that `payload` lies elsewhere now. Its contents are all zero, or yet to be admitted.
    cdef int attach(self) except -1

    # After copying, loading or mapping: looks at the payload's contents; False if they contradict each
    # other, and using them could go wrong. By default there is nothing to look at.
    cdef bint admit(self) except -1

    # Bytes that the serialised payload takes, and those bytes. By default: the payload as it is.
    cdef size_t gathered(self) except? 0xC7A3
    cdef int gather(self, void *into) except -1

    # For the derived class to use: -----------------------------------------------------------

    # True if this thread may change the payload at once: it holds the GIL, and no writer runs without.
    cdef inline bint alone(self) noexcept:
        return FB_HAVE_GIL and self.writers == 0 and self.writable

    # Raises unless `other` is a `cls` with equal parameters.
    cdef int check_same(self, object other, type cls) except -1

    # Name and values of the first parameter in which two objects of one class differ, or None.
    cdef tuple differing(self, Flat other)

    # Raises if the object has been made already: others may be using its memory.
    cdef int begin_init(self) except -1

    # Gives the object `size` zero bytes of its own as payload.
    cdef int allocate(self, size_t size) except -1

    # Become what serialised bytes, or a file, hold.
    cdef int load(self, object data) except -1
    cdef int settle(self, str what) except -1
    cdef int map(self, object path, object mode, bint verify) except -1

    # Raise if the payload is mapped read-only.
    cdef int check_writable(self, str method) except -1

    cdef void release(self) noexcept

    # Around a change that runs without the GIL.
    cdef void begin_writing(self) noexcept
    cdef void end_writing(self) noexcept


# A new object of a class, by `__new__`: of a subclass too, whose `__new__` may be its own.
cdef Flat fresh(type cls)
