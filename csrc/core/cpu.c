#include "cpu.h"

#include <stdlib.h>

/* The only process-wide state of the C core. Two threads that race to fill it write the same. */
int fb_cpu_cached = -1;

static const char *const names[FB_CPU_LEVELS] = {"portable", "sse2", "avx2", "avx512"};

int fb_cpu_supported(void) {
#if FB_X86
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi") ||
        !__builtin_cpu_supports("bmi2") || !__builtin_cpu_supports("popcnt"))
        return FB_CPU_SSE2;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512cd") || !__builtin_cpu_supports("avx512dq") ||
        !__builtin_cpu_supports("avx512vl"))
        return FB_CPU_AVX2;
    return FB_CPU_AVX512;
#else
    return FB_CPU_PORTABLE;
#endif
}

int fb_cpu_parse(const char *name) {
    for (int level = 0; level < FB_CPU_LEVELS; level++)
        if (strcmp(name, names[level]) == 0) return level;
    return -1;
}

const char *fb_cpu_name(int level) {
    return level >= 0 && level < FB_CPU_LEVELS ? names[level] : NULL;
}

int fb_cpu_detect(void) {
    int level = fb_cpu_supported();
    const char *wanted = getenv("FASTBLOCKS_CPU");
    if (wanted != NULL) {
        int named = fb_cpu_parse(wanted);
        if (named >= 0 && named < level) level = named;
    }
    fb_atomic_store_int(&fb_cpu_cached, level);
    return level;
}
