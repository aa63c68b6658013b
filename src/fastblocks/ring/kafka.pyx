"""The partitions of Kafka's Java client."""

from libc.stdint cimport int32_t, uint32_t

from fastblocks._core import check

from fastblocks._core.arrays cimport data_of, delivered
from fastblocks._core.cpu cimport fb_cpu_level
from fastblocks._core.keys cimport (
    RELEASE_GIL_FROM, KeyBatch, fb_hasher_t, fb_keys_cursor_t, hash_key_by, key_batch,
)

cdef extern from "ring/kafka.h" nogil:
    const fb_hasher_t fb_kafka_hasher
    uint32_t fb_kafka_partition(unsigned long long h, uint32_t partitions)
    void fb_kafka_partition_keys(fb_keys_cursor_t keys, uint32_t partitions, int32_t *out)


cdef class KafkaPartitioner:
    """KafkaPartitioner(partitions)\n--\n\n\
    The partition that Kafka's Java client gives to a key: the one its records are in.

    For whoever must know where the record of a key is or will be, without asking a broker: to split work
    as the partitions are split, to read only the partition of a key, or to write where Java writes.

    Parameters
    ----------
    partitions : int
        Of the topic: 1 to ``2**31 - 1``.

    Raises
    ------
    TypeError
        If it is no int.
    ValueError
        If it is out of range.

    Notes
    -----
    The partition is ``(murmur2(key) & 0x7fffffff) % partitions``, as by the producer of the Java client
    for keys that are not null, if no other partitioner was configured [1]_.

    Keys are what the serialiser makes of them: ``str`` stands for its UTF-8 bytes (``StringSerializer``),
    ``bytes``, ``bytearray`` and ``memoryview`` for themselves, and an ``int`` in ``[-2**63, 2**64)`` for
    8 bytes, big-endian, in two's complement (``LongSerializer``). For ``IntegerSerializer`` pass the
    4 bytes: ``key.to_bytes(4, "big", signed=True)``.

    An object never changes, and any number of threads may use it.

    References
    ----------
    .. [1] Apache Kafka, ``org.apache.kafka.common.utils.Utils.murmur2`` and
       ``org.apache.kafka.clients.producer.internals.BuiltInPartitioner``.

    Examples
    --------
    >>> from fastblocks import KafkaPartitioner
    >>> topic = KafkaPartitioner(12)
    >>> topic.get("order-17")
    9
    >>> topic.get_many(["order-17", "order-18", "order-19"]).tolist()
    [9, 11, 3]
    """

    cdef uint32_t n
    cdef object __weakref__

    def __cinit__(self, partitions):
        self.n = check.integer("partitions", partitions, 1, 2**31 - 1)

    def get(self, key):
        """Return the partition of a key.

        Parameters
        ----------
        key : str, bytes, bytearray, memoryview or int

        Returns
        -------
        int
            In ``[0, partitions)``.

        Raises
        ------
        TypeError, OverflowError, UnicodeEncodeError
            If it is no key.
        """
        return fb_kafka_partition(hash_key_by(key, &fb_kafka_hasher), self.n)

    def get_many(self, keys, out=None):
        """Return the partition of every key of a batch.

        Parameters
        ----------
        keys : array or iterable of keys, shape (n,)
            A NumPy array of integers, ``S`` or ``U`` strings; an Arrow array or chunked array of
            integers, strings or binary (anything with ``__arrow_c_array__`` or
            ``__arrow_c_stream__``); a pandas Series; or any iterable of keys. Integers of every width
            stand for 8 bytes.
        out : ndarray of int32, shape (n,), optional
            Where to write the answers; C-contiguous and writable.

        Returns
        -------
        ndarray of int32, shape (n,)

        Raises
        ------
        TypeError, OverflowError, UnicodeEncodeError
            If `keys` is not such a batch, or holds something that is no key.
        ValueError
            If `keys` has a null or is not 1-D, or `out` does not fit; it is unchanged then.
        """
        cdef KeyBatch batch = key_batch(keys, 0, False, &fb_kafka_hasher)
        result = batch.result_array(out, "int32")
        cdef int32_t *answers = <int32_t *>data_of(result)
        if batch.n < RELEASE_GIL_FROM:
            fb_kafka_partition_keys(batch.cursor(), self.n, answers)
        else:
            with nogil:
                fb_kafka_partition_keys(batch.cursor(), self.n, answers)
        return delivered(result, out)

    @property
    def partitions(self):
        """Number of partitions of the topic."""
        return self.n

    def __eq__(self, other):
        if not isinstance(other, KafkaPartitioner):
            return NotImplemented
        return self.n == (<KafkaPartitioner>other).n

    def __hash__(self):
        return hash((KafkaPartitioner, self.n))

    def __repr__(self):
        return f"{type(self).__name__}({self.n})"

    def __reduce__(self):
        return type(self), (self.n,), getattr(self, "__dict__", None) or None


fb_cpu_level()
