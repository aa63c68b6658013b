/* MD5, as RFC 1321 tells it: the input, a one bit, zeros and the length in bits, in blocks of 64 bytes;
 * each is mixed into four words in 64 steps. The steps come in four rounds of 16, which differ in the
 * function of three words, in the order in which they read the block, and in their rotations. */
#include "ring/md5.h"

/* floor(2^32 * |sin(i + 1)|) */
static const uint32_t SINES[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};

FB_INLINE uint32_t rotl32(uint32_t x, unsigned r) { return (x << r) | (x >> (32 - r)); }

#define STEP(a, b, c, d, f, at, r, i) \
    a = b + rotl32(a + (f) + fb_read32(block + 4 * (size_t)(at)) + SINES[i], r)

/* Four steps of a round, after which every word has been renewed once. */
#define STEPS(F, at, r0, r1, r2, r3, i)                        \
    do {                                                       \
        STEP(a, b, c, d, F(b, c, d), at(i), r0, i);            \
        STEP(d, a, b, c, F(a, b, c), at(i + 1), r1, i + 1);    \
        STEP(c, d, a, b, F(d, a, b), at(i + 2), r2, i + 2);    \
        STEP(b, c, d, a, F(c, d, a), at(i + 3), r3, i + 3);    \
    } while (0)

#define ROUND(F, at, r0, r1, r2, r3, first)           \
    do {                                              \
        STEPS(F, at, r0, r1, r2, r3, (first));        \
        STEPS(F, at, r0, r1, r2, r3, (first) + 4);    \
        STEPS(F, at, r0, r1, r2, r3, (first) + 8);    \
        STEPS(F, at, r0, r1, r2, r3, (first) + 12);   \
    } while (0)

#define F1(x, y, z) ((z) ^ ((x) & ((y) ^ (z))))
#define F2(x, y, z) ((y) ^ ((z) & ((x) ^ (y))))
#define F3(x, y, z) ((x) ^ (y) ^ (z))
#define F4(x, y, z) ((y) ^ ((x) | ~(z)))
#define AT1(i) (i)
#define AT2(i) ((5 * (i) + 1) % 16)
#define AT3(i) ((3 * (i) + 5) % 16)
#define AT4(i) ((7 * (i)) % 16)

static void mix(uint32_t state[4], const uint8_t *block) {
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    ROUND(F1, AT1, 7, 12, 17, 22, 0);
    ROUND(F2, AT2, 5, 9, 14, 20, 16);
    ROUND(F3, AT3, 4, 11, 16, 23, 32);
    ROUND(F4, AT4, 6, 10, 15, 21, 48);
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
}

void fb_md5(const void *data, size_t len, uint32_t digest[4]) {
    const uint8_t *p = (const uint8_t *)data;
    uint8_t last[128] = {0};
    size_t left = len;
    digest[0] = 0x67452301;
    digest[1] = 0xefcdab89;
    digest[2] = 0x98badcfe;
    digest[3] = 0x10325476;
    for (; left >= 64; left -= 64, p += 64) mix(digest, p);
    if (left > 0) memcpy(last, p, left);
    last[left] = 0x80;
    const size_t end = left < 56 ? 64 : 128;
    fb_write64(last + end - 8, (uint64_t)len << 3);
    for (size_t at = 0; at < end; at += 64) mix(digest, last + at);
}
