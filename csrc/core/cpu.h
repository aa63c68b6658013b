/* Which instruction set to use: found once, at run time.
 *
 * A shipped binary runs on any x86-64, so wider code is compiled beside the plain code and chosen
 * by level. The levels form a ladder; a kernel that gains nothing from a rung uses the one below.
 *
 *   portable   plain C, what the compiler makes of it for the base architecture
 *   sse2       x86-64's guaranteed vectors, by intrinsics
 *   avx2       x86-64-v3 (AVX2, BMI1/2)
 *   avx512     x86-64-v4 (AVX-512 F, BW, CD, DQ, VL)
 *
 * The environment variable FASTBLOCKS_CPU, read once, lowers the level (tests run every rung and
 * compare the bits). All rungs give identical results.
 */
#ifndef FB_CORE_CPU_H
#define FB_CORE_CPU_H

#include "base.h"

enum { FB_CPU_PORTABLE = 0, FB_CPU_SSE2 = 1, FB_CPU_AVX2 = 2, FB_CPU_AVX512 = 3, FB_CPU_LEVELS = 4 };

#if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__)
#define FB_X86 1
#define FB_TARGET_AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt")))
#define FB_TARGET_AVX512 \
    __attribute__((target("avx2,bmi,bmi2,popcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl")))
#else
#define FB_X86 0
#endif

/* The highest level this CPU and operating system support. */
int fb_cpu_supported(void);

/* The level a name stands for, or -1. */
int fb_cpu_parse(const char *name);

/* The name of a level; NULL outside [0, FB_CPU_LEVELS). */
const char *fb_cpu_name(int level);

/* Finds the level in use and caches it; call fb_cpu_level instead. */
int fb_cpu_detect(void);

extern int fb_cpu_cached; /* -1 until first asked */

/* The level in use: what is supported, or less if FASTBLOCKS_CPU names less. */
FB_INLINE int fb_cpu_level(void) {
    int level = fb_atomic_load_int(&fb_cpu_cached);
    return FB_LIKELY(level >= 0) ? level : fb_cpu_detect();
}

/* Calls a function that is there as name_portable and, on x86-64, name_avx2. */
#if FB_X86
#define FB_DISPATCH(name, ...) \
    (fb_cpu_level() >= FB_CPU_AVX2 ? name##_avx2(__VA_ARGS__) : name##_portable(__VA_ARGS__))
#else
#define FB_DISPATCH(name, ...) name##_portable(__VA_ARGS__)
#endif

#endif
