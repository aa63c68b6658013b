"""C status codes become exceptions here and nowhere else."""

from fastblocks._core import errors

cdef dict NAMES = {
    <int>FB_NO_MEMORY: "NO_MEMORY",
    <int>FB_OUT_OF_RANGE: "OUT_OF_RANGE",
    <int>FB_FULL: "FULL",
    <int>FB_NOT_BUILT: "NOT_BUILT",
    <int>FB_STATE_SHORT: "STATE_SHORT",
    <int>FB_STATE_LONG: "STATE_LONG",
    <int>FB_STATE_FOREIGN: "STATE_FOREIGN",
    <int>FB_STATE_KIND: "STATE_KIND",
    <int>FB_STATE_VERSION: "STATE_VERSION",
    <int>FB_STATE_CHECKSUM: "STATE_CHECKSUM",
    <int>FB_STATE_PARAMS: "STATE_PARAMS",
}


cdef int check_status(fb_status_t status, str what) except -1:
    if status == FB_OK:
        return 0
    raise errors.status(NAMES[<int>status], what)
