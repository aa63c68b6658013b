#include "ring/kafka.h"

#include "check.h"

/* Of the Java client's own test, and a few lengths more. */
static void vectors(void) {
    static const struct {
        const char *key;
        int32_t hash;
    } java[] = {
        {"21", -973932308},
        {"foobar", -790332482},
        {"a-little-bit-long-string", -985981536},
        {"a-little-bit-longer-string", -1486304829},
        {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
        {"abc", 479470107},
    };
    for (size_t i = 0; i < sizeof java / sizeof *java; i++) {
        const size_t len = strlen(java[i].key);
        uint8_t *key = exact_copy(java[i].key, len);
        CHECK(fb_kafka_murmur2(key, len) == (uint32_t)java[i].hash);
        CHECK(fb_kafka_hasher.bytes(key, len) == (uint32_t)java[i].hash);
        free(key);
    }
}

/* Byte by byte, as the Java code reads. */
static uint32_t plain_murmur2(const uint8_t *key, size_t len) {
    const uint32_t by = 0x5bd1e995u;
    uint32_t h = 0x9747b28cu ^ (uint32_t)len;
    for (size_t i = 0; i + 4 <= len; i += 4) {
        uint32_t k = 0;
        for (size_t j = 0; j < 4; j++) k += (uint32_t)key[i + j] << 8 * j;
        k *= by;
        k ^= k >> 24;
        k *= by;
        h *= by;
        h ^= k;
    }
    const size_t end = len & ~(size_t)3;
    switch (len % 4) {
        case 3: h ^= (uint32_t)key[end + 2] << 16; /* fall through */
        case 2: h ^= (uint32_t)key[end + 1] << 8;  /* fall through */
        case 1: h = (h ^ key[end]) * by;
    }
    h ^= h >> 13;
    h *= by;
    h ^= h >> 15;
    return h;
}

static void every_length(void) {
    uint64_t random = 1;
    for (size_t len = 0; len < 200; len++) {
        uint8_t *key = exact_alloc(len);
        for (size_t i = 0; i < len; i++) key[i] = (uint8_t)next_random(&random);
        CHECK(fb_kafka_murmur2(key, len) == plain_murmur2(key, len));
        free(key);
    }
}

static void integers_are_big_endian(void) {
    static const uint8_t minus_two[8] = {255, 255, 255, 255, 255, 255, 255, 254};
    static const uint8_t large[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    CHECK(fb_kafka_hasher.integer((uint64_t)-2, true) == fb_kafka_murmur2(minus_two, 8));
    CHECK(fb_kafka_hasher.integer((uint64_t)-2, false) == fb_kafka_murmur2(minus_two, 8));
    CHECK(fb_kafka_hasher.integer(0x0102030405060708u, false) == fb_kafka_murmur2(large, 8));
}

static void batches(void) {
    static const uint32_t partitions[] = {1, 2, 12, 1000, 0x7fffffffu};
    int64_t keys[600];
    for (size_t i = 0; i < 600; i++) keys[i] = (int64_t)i - 300;
    const fb_keys_part_t part = {.layout = FB_KEYS_INT64, .n = 600, .data = keys};
    int32_t *out = exact_alloc(600 * sizeof *out);
    for (size_t p = 0; p < sizeof partitions / sizeof *partitions; p++) {
        fb_kafka_partition_keys((fb_keys_cursor_t){&part, 1, 0, 0}, partitions[p], out);
        for (size_t i = 0; i < 600; i++) {
            const uint64_t h = fb_kafka_hasher.integer((uint64_t)keys[i], keys[i] < 0);
            CHECK(out[i] >= 0 && (uint32_t)out[i] < partitions[p]);
            CHECK((uint32_t)out[i] == fb_kafka_partition(h, partitions[p]));
        }
    }
    free(out);
    CHECK(fb_kafka_partition(0xffffffffu, 10) == 0x7fffffffu % 10);
    CHECK(fb_kafka_partition(0x80000005u, 10) == 5);
}

int main(void) {
    vectors();
    every_length();
    integers_are_big_endian();
    batches();
    return check_report();
}
