/* Ground floor: the few compiler- and platform-specific things everything else is written with.
 *
 * Little-endian hosts only: serialised state is memory laid down as it is, so a big-endian build
 * would write files nobody else can read. It is refused here, once.
 */
#ifndef FB_CORE_BASE_H
#define FB_CORE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "fastblocks needs a little-endian target"
#endif

#if defined(__GNUC__) || defined(__clang__)
#define FB_INLINE static inline __attribute__((always_inline))
#define FB_LIKELY(x) __builtin_expect(!!(x), 1)
#define FB_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define FB_PREFETCH(p) __builtin_prefetch((p), 0, 3)
#define FB_PREFETCH_WRITE(p) __builtin_prefetch((p), 1, 3)
#else
#include <intrin.h>
#include <windows.h>
#define FB_INLINE static __forceinline
#define FB_LIKELY(x) (x)
#define FB_UNLIKELY(x) (x)
#define FB_PREFETCH(p) ((void)(p))
#define FB_PREFETCH_WRITE(p) ((void)(p))
#endif

/* What a C function that can fail returns. The binding turns each into one exception, in one
 * place (fastblocks/_core/status.pyx). */
typedef enum {
    FB_OK = 0,
    FB_NO_MEMORY,      /* an allocation failed */
    FB_OUT_OF_RANGE,   /* a parameter cannot be met by this structure */
    FB_FULL,           /* no room for another key; nothing has changed */
    FB_NOT_BUILT,      /* a structure of fixed contents: every attempt to build it failed */
    FB_STATE_SHORT,    /* serialised state: fewer bytes than the header promises */
    FB_STATE_LONG,     /* serialised state: more bytes than the header promises */
    FB_STATE_FOREIGN,  /* serialised state: not written by fastblocks */
    FB_STATE_KIND,     /* serialised state: of another class */
    FB_STATE_VERSION,  /* serialised state: of a version this build does not read */
    FB_STATE_CHECKSUM, /* serialised state: checksum differs, the bytes were changed */
    FB_STATE_PARAMS    /* serialised state: parameters contradict each other */
} fb_status_t;

FB_INLINE uint32_t fb_read32(const void *p) {
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

FB_INLINE uint64_t fb_read64(const void *p) {
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

FB_INLINE void fb_write64(void *p, uint64_t v) { memcpy(p, &v, sizeof v); }

/* The bits of a double, and the double of some bits. */
FB_INLINE uint64_t fb_bits_of(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

FB_INLINE double fb_of_bits(uint64_t bits) {
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Of two numbers; if one is nan it is b. */
FB_INLINE double fb_min(double a, double b) { return a < b ? a : b; }
FB_INLINE double fb_max(double a, double b) { return a > b ? a : b; }

FB_INLINE uint64_t fb_rotl64(uint64_t x, unsigned r) { return (x << r) | (x >> (64 - r)); }

FB_INLINE uint32_t fb_swap32(uint32_t x) {
    return (x << 24) | ((x & 0xff00u) << 8) | ((x >> 8) & 0xff00u) | (x >> 24);
}

FB_INLINE uint64_t fb_swap64(uint64_t x) {
    return ((uint64_t)fb_swap32((uint32_t)x) << 32) | fb_swap32((uint32_t)(x >> 32));
}

/* The 128-bit product of a and b: low half returned, high half in *hi. */
FB_INLINE uint64_t fb_mul128(uint64_t a, uint64_t b, uint64_t *hi) {
#if defined(__SIZEOF_INT128__)
    __extension__ typedef unsigned __int128 u128;
    u128 p = (u128)a * b;
    *hi = (uint64_t)(p >> 64);
    return (uint64_t)p;
#elif defined(_M_X64)
    return _umul128(a, b, hi);
#else
    uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
    uint64_t p00 = a0 * b0, p01 = a0 * b1, p10 = a1 * b0, p11 = a1 * b1;
    uint64_t mid = (p00 >> 32) + (uint32_t)p01 + (uint32_t)p10;
    *hi = p11 + (p01 >> 32) + (p10 >> 32) + (mid >> 32);
    return (mid << 32) | (uint32_t)p00;
#endif
}

/* floor((hi * 2^64 + lo) / d); hi < d, so that it fits. */
FB_INLINE uint64_t fb_div128(uint64_t hi, uint64_t lo, uint64_t d) {
#if defined(__SIZEOF_INT128__)
    __extension__ typedef unsigned __int128 u128;
    return hi == 0 ? lo / d : (uint64_t)(((u128)hi << 64 | lo) / d);
#else
    uint64_t q = 0;
    for (int i = 0; i < 64; i++) { /* long division, a bit at a time */
        const bool carry = hi >> 63;
        hi = hi << 1 | lo >> 63;
        lo <<= 1;
        q <<= 1;
        if (carry || hi >= d) {
            hi -= d;
            q |= 1;
        }
    }
    return q;
#endif
}

/* floor(h * n / 2^64): maps a uniform 64-bit hash to [0, n) without a division. */
FB_INLINE uint64_t fb_reduce64(uint64_t h, uint64_t n) {
    uint64_t hi;
    (void)fb_mul128(h, n, &hi);
    return hi;
}

/* Number of zero bits above the highest set bit, and below the lowest; x is not 0. */
FB_INLINE unsigned fb_leading_zeros64(uint64_t x) {
#if defined(__GNUC__) || defined(__clang__)
    return (unsigned)__builtin_clzll(x);
#else
    unsigned long at;
    _BitScanReverse64(&at, x);
    return 63 - (unsigned)at;
#endif
}

FB_INLINE unsigned fb_trailing_zeros64(uint64_t x) {
#if defined(__GNUC__) || defined(__clang__)
    return (unsigned)__builtin_ctzll(x);
#else
    unsigned long at;
    _BitScanForward64(&at, x);
    return (unsigned)at;
#endif
}

FB_INLINE unsigned fb_popcount64(uint64_t x) {
#if defined(__GNUC__) || defined(__clang__)
    return (unsigned)__builtin_popcountll(x);
#else
    x -= (x >> 1) & 0x5555555555555555ull;
    x = (x & 0x3333333333333333ull) + ((x >> 2) & 0x3333333333333333ull);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0full;
    return (unsigned)((x * 0x0101010101010101ull) >> 56);
#endif
}

/* Relaxed atomics on plain words. Relaxed is enough wherever they are used: each word is independent
 * (a set bit, a counter); where order matters, acquire and release (publish is both) or a fence stand. */
#if defined(__GNUC__) || defined(__clang__)
FB_INLINE uint64_t fb_atomic_load64(const uint64_t *p) {
    return __atomic_load_n(p, __ATOMIC_RELAXED);
}
FB_INLINE void fb_atomic_store64(uint64_t *p, uint64_t v) {
    __atomic_store_n(p, v, __ATOMIC_RELAXED);
}
FB_INLINE void fb_atomic_add64(uint64_t *p, uint64_t v) {
    __atomic_fetch_add(p, v, __ATOMIC_RELAXED);
}
FB_INLINE void fb_atomic_or64(uint64_t *p, uint64_t v) {
    (void)__atomic_fetch_or(p, v, __ATOMIC_RELAXED);
}
FB_INLINE void fb_atomic_and64(uint64_t *p, uint64_t v) {
    (void)__atomic_fetch_and(p, v, __ATOMIC_RELAXED);
}
FB_INLINE uint64_t fb_atomic_acquire64(const uint64_t *p) {
    return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}
FB_INLINE void fb_atomic_release64(uint64_t *p, uint64_t v) {
    __atomic_store_n(p, v, __ATOMIC_RELEASE);
}
FB_INLINE bool fb_atomic_replace64(uint64_t *p, uint64_t *expected, uint64_t v) {
    return __atomic_compare_exchange_n(p, expected, v, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}
FB_INLINE bool fb_atomic_publish64(uint64_t *p, uint64_t expected, uint64_t v) {
    return __atomic_compare_exchange_n(p, &expected, v, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}
FB_INLINE uint8_t fb_atomic_load8(const uint8_t *p) { return __atomic_load_n(p, __ATOMIC_RELAXED); }
FB_INLINE void fb_atomic_store8(uint8_t *p, uint8_t v) { __atomic_store_n(p, v, __ATOMIC_RELAXED); }
FB_INLINE bool fb_atomic_replace8(uint8_t *p, uint8_t *expected, uint8_t v) {
    return __atomic_compare_exchange_n(p, expected, v, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}
FB_INLINE uint32_t fb_atomic_load32(const uint32_t *p) {
    return __atomic_load_n(p, __ATOMIC_RELAXED);
}
FB_INLINE void fb_atomic_store32(uint32_t *p, uint32_t v) {
    __atomic_store_n(p, v, __ATOMIC_RELAXED);
}
FB_INLINE uint16_t fb_atomic_load16(const uint16_t *p) {
    return __atomic_load_n(p, __ATOMIC_RELAXED);
}
FB_INLINE void fb_atomic_store16(uint16_t *p, uint16_t v) {
    __atomic_store_n(p, v, __ATOMIC_RELAXED);
}
FB_INLINE int fb_atomic_load_int(const int *p) { return __atomic_load_n(p, __ATOMIC_RELAXED); }
FB_INLINE void fb_atomic_store_int(int *p, int v) { __atomic_store_n(p, v, __ATOMIC_RELAXED); }
FB_INLINE void fb_atomic_order(void) { /* acquire and release */
#if !defined(__SANITIZE_THREAD__)
    __atomic_thread_fence(__ATOMIC_ACQ_REL);
#endif
}
FB_INLINE void fb_atomic_fence(void) {
#if !defined(__SANITIZE_THREAD__) /* which knows no fences */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}
#else
FB_INLINE uint64_t fb_atomic_load64(const uint64_t *p) { return *(const volatile uint64_t *)p; }
FB_INLINE void fb_atomic_store64(uint64_t *p, uint64_t v) { *(volatile uint64_t *)p = v; }
FB_INLINE void fb_atomic_add64(uint64_t *p, uint64_t v) {
    (void)_InterlockedExchangeAdd64((volatile long long *)p, (long long)v);
}
FB_INLINE void fb_atomic_or64(uint64_t *p, uint64_t v) {
    (void)_InterlockedOr64((volatile long long *)p, (long long)v);
}
FB_INLINE void fb_atomic_and64(uint64_t *p, uint64_t v) {
    (void)_InterlockedAnd64((volatile long long *)p, (long long)v);
}
FB_INLINE uint64_t fb_atomic_acquire64(const uint64_t *p) {
    uint64_t v = *(const volatile uint64_t *)p;
    MemoryBarrier();
    return v;
}
FB_INLINE void fb_atomic_release64(uint64_t *p, uint64_t v) {
    MemoryBarrier();
    *(volatile uint64_t *)p = v;
}
FB_INLINE bool fb_atomic_replace64(uint64_t *p, uint64_t *expected, uint64_t v) {
    uint64_t found = (uint64_t)_InterlockedCompareExchange64((volatile long long *)p, (long long)v,
                                                             (long long)*expected);
    bool done = found == *expected;
    *expected = found;
    return done;
}
FB_INLINE bool fb_atomic_publish64(uint64_t *p, uint64_t expected, uint64_t v) {
    return fb_atomic_replace64(p, &expected, v); /* a full barrier here */
}
FB_INLINE uint8_t fb_atomic_load8(const uint8_t *p) { return *(const volatile uint8_t *)p; }
FB_INLINE void fb_atomic_store8(uint8_t *p, uint8_t v) { *(volatile uint8_t *)p = v; }
FB_INLINE bool fb_atomic_replace8(uint8_t *p, uint8_t *expected, uint8_t v) {
    uint8_t found = (uint8_t)_InterlockedCompareExchange8((volatile char *)p, (char)v,
                                                          (char)*expected);
    bool done = found == *expected;
    *expected = found;
    return done;
}
FB_INLINE uint32_t fb_atomic_load32(const uint32_t *p) { return *(const volatile uint32_t *)p; }
FB_INLINE void fb_atomic_store32(uint32_t *p, uint32_t v) { *(volatile uint32_t *)p = v; }
FB_INLINE uint16_t fb_atomic_load16(const uint16_t *p) { return *(const volatile uint16_t *)p; }
FB_INLINE void fb_atomic_store16(uint16_t *p, uint16_t v) { *(volatile uint16_t *)p = v; }
FB_INLINE int fb_atomic_load_int(const int *p) { return *(const volatile int *)p; }
FB_INLINE void fb_atomic_store_int(int *p, int v) { *(volatile int *)p = v; }
FB_INLINE void fb_atomic_order(void) { MemoryBarrier(); }
FB_INLINE void fb_atomic_fence(void) { MemoryBarrier(); }
#endif

/* 64 bits at any address, with acquire. Of bytes that another thread is changing, each is as it was before
 * or after. The aligned word that the first byte lies in and the next word must be readable. */
#if defined(__GNUC__) && defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
typedef uint64_t fb_unaligned64_t __attribute__((aligned(1), may_alias));
FB_INLINE uint64_t fb_acquire_unaligned64(const uint8_t *p) {
    uint64_t v = *(const volatile fb_unaligned64_t *)p; /* loads keep their order on this machine */
    __atomic_signal_fence(__ATOMIC_ACQUIRE);
    return v;
}
#else
FB_INLINE uint64_t fb_acquire_unaligned64(const uint8_t *p) {
    const size_t past = (uintptr_t)p % 8;
    const uint64_t *word = (const uint64_t *)(const void *)(p - past);
    return fb_atomic_acquire64(word) >> 8 * past |
           fb_atomic_acquire64(word + 1) << 1 << (63 - 8 * past);
}
#endif

#endif
