cdef extern from "base.h" nogil:
    ctypedef enum fb_status_t:
        FB_OK
        FB_NO_MEMORY
        FB_OUT_OF_RANGE
        FB_FULL
        FB_NOT_BUILT
        FB_STATE_SHORT
        FB_STATE_LONG
        FB_STATE_FOREIGN
        FB_STATE_KIND
        FB_STATE_VERSION
        FB_STATE_CHECKSUM
        FB_STATE_PARAMS

# Raises the exception that `status` stands for, if it is an error; `what` opens the message.
cdef int check_status(fb_status_t status, str what) except -1
