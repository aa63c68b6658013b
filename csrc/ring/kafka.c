/* MurmurHash2 [1] as Kafka's Java client has it, and the partition of a key.
 *
 * Idea. Four bytes at a time, little-endian, are mixed by multiplication and a shift and xored into
 * the state; one to three bytes left over are xored in as they are. The state starts as seed ^ length,
 * of which Java has the low 32 bits.
 *
 * Java's hash is a signed int; `& 0x7fffffff` takes the sign away, so nothing here need be signed.
 *
 * Complexity. O(length of the key).
 *
 * [1] A. Appleby, "MurmurHash2", 2008; Apache Kafka, clients, org.apache.kafka.common.utils.Utils.
 */
#include "kafka.h"

static const uint32_t SEED = 0x9747b28cu, BY = 0x5bd1e995u;

uint32_t fb_kafka_murmur2(const uint8_t *key, size_t len) {
    uint32_t h = SEED ^ (uint32_t)len;
    for (; len >= 4; key += 4, len -= 4) {
        uint32_t word = fb_read32(key) * BY;
        word ^= word >> 24;
        h = h * BY ^ word * BY;
    }
    if (len > 0) {
        uint32_t rest = 0;
        for (size_t i = 0; i < len; i++) rest |= (uint32_t)key[i] << 8 * i;
        h = (h ^ rest) * BY;
    }
    h ^= h >> 13;
    h *= BY;
    return h ^ h >> 15;
}

static uint64_t hash_bytes(const uint8_t *key, size_t len) { return fb_kafka_murmur2(key, len); }

static uint64_t hash_integer(uint64_t word, bool negative) {
    (void)negative;
    const uint64_t swapped = fb_swap64(word);
    uint8_t bytes[8];
    memcpy(bytes, &swapped, sizeof bytes);
    return fb_kafka_murmur2(bytes, sizeof bytes);
}

const fb_hasher_t fb_kafka_hasher = {hash_bytes, hash_integer};

void fb_kafka_partition_keys(fb_keys_cursor_t keys, uint32_t partitions, int32_t *out) {
    uint64_t hashes[FB_KEYS_SLICE];
    size_t m;
    while ((m = fb_keys_next_by(&keys, &fb_kafka_hasher, hashes, FB_KEYS_SLICE)) > 0) {
        for (size_t i = 0; i < m; i++) out[i] = (int32_t)fb_kafka_partition(hashes[i], partitions);
        out += m;
    }
}
