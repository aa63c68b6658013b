/* The partition that Kafka's Java client gives to a key: murmur2 of the key's bytes, without the sign,
 * modulo the number of partitions (org.apache.kafka.common.utils.Utils.murmur2, BuiltInPartitioner).
 */
#ifndef FB_RING_KAFKA_H
#define FB_RING_KAFKA_H

#include "keys.h"

/* MurmurHash2, 32 bits, with Kafka's seed. O(len). */
uint32_t fb_kafka_murmur2(const uint8_t *key, size_t len);

/* The same as a hash of keys; an integer is its 8 bytes, big-endian, in two's complement, as Java's
 * LongSerializer writes it. */
extern const fb_hasher_t fb_kafka_hasher;

/* The partition, of `partitions` (1 .. 2^31 - 1), for a hash. */
static inline uint32_t fb_kafka_partition(uint64_t h, uint32_t partitions) {
    return ((uint32_t)h & 0x7fffffffu) % partitions;
}

/* out[i] = the partition of key i; hashes among the keys were made with fb_kafka_hasher. */
void fb_kafka_partition_keys(fb_keys_cursor_t keys, uint32_t partitions, int32_t *out);

#endif
