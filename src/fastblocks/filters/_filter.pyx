"""What filters of keys have in common."""

from fastblocks._core.arrays cimport data_of, delivered
from fastblocks._core.cpu cimport fb_cpu_level
from fastblocks._core.keys cimport RELEASE_GIL_FROM, KeyBatch, key_batch


cdef class KeyFilter(Flat):
    def contains(self, key):
        """Return whether the filter may hold `key`; the same as ``key in filter``.

        Parameters
        ----------
        key : str, bytes, bytearray, memoryview or int

        Returns
        -------
        bool
            False: `key` is certainly not in. True: it is, or this is a false positive.

        Raises
        ------
        TypeError, OverflowError, UnicodeEncodeError
            If `key` is no key.
        """
        return key in self

    def contains_many(self, keys, out=None):
        """Return, for each key of a batch, whether the filter may hold it.

        Parameters
        ----------
        keys : array or iterable of keys, shape (n,)
            A 1-D NumPy array of integers, ``S`` or ``U`` strings; an Arrow array or chunked array
            of integers, strings or binary (anything with ``__arrow_c_array__`` or
            ``__arrow_c_stream__``); a pandas Series; or any iterable of keys, for which 8 bytes a
            key are held for the time of the call.
        out : ndarray of bool, shape (n,), optional
            Where to write the answers; C-contiguous and writable.

        Returns
        -------
        ndarray of bool, shape (n,)
            ``out`` if given.

        Raises
        ------
        TypeError, OverflowError, UnicodeEncodeError
            If `keys` is not such a batch, or holds something that is no key.
        ValueError
            If `keys` has a null or is not 1-D, or `out` does not fit. `out` is unchanged after any
            error.

        Notes
        -----
        O(n). Arrays are read in place; from 512 keys on, the work is done without the GIL.
        """
        cdef KeyBatch batch = key_batch(keys, self._seed)
        result = batch.result_array(out, "bool")
        cdef cbool *answers = <cbool *>data_of(result)
        cdef int64_t now = self.now()
        if batch.n < RELEASE_GIL_FROM:
            self.find(now, batch.cursor(), answers)
        else:
            with nogil:
                self.find(now, batch.cursor(), answers)
        return delivered(result, out)

    @property
    def seed(self):
        """The seed of the hash."""
        return self._seed

    cdef type family(self):
        return type(self)

    cdef int64_t now(self) except? -1:
        return 0

    cdef void find(self, int64_t now, fb_keys_cursor_t keys, cbool *answers) noexcept nogil:
        pass


cdef class MutableFilter(KeyFilter):
    def update(self, *others):
        """Add every key of each of `others`, as ``set.update`` does.

        Parameters
        ----------
        *others : filter of this class, array or iterable of keys
            A filter is merged (see `merge`); anything else is a batch as for `add_many`.

        Raises
        ------
        TypeError, OverflowError, ValueError, io.UnsupportedOperation, FilterFullError
            As `merge` and `add_many`. Those of `others` before the bad one have been added.
        """
        cdef type family = self.family()
        for other in others:
            if isinstance(other, family):
                self.merge(other)
            else:
                self.add_many(other)

    def __or__(self, other):
        cdef type family = self.family()
        if not isinstance(other, family):
            return NotImplemented
        self.check_same(other, family)
        result = self.copy()
        result.merge(other)
        return result

    def __ior__(self, other):
        if not isinstance(other, self.family()):
            return NotImplemented
        self.merge(other)
        return self


fb_cpu_level()
