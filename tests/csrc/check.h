/* What the C tests share: CHECK, a seeded generator, and heap copies of exactly the size asked for,
 * so that AddressSanitizer sees any read or write beyond them. */
#ifndef FB_TESTS_CHECK_H
#define FB_TESTS_CHECK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned long checks_made, checks_failed;

/* Counts, and prints the first failures; goes on, so that one run shows them all. */
#define CHECK(condition) check_that((condition), #condition, __FILE__, __LINE__)

static inline void check_that(bool holds, const char *text, const char *file, int line) {
    checks_made++;
    if (holds) return;
    if (checks_failed++ < 20) printf("%s:%d: failed: %s\n", file, line, text);
}

/* What main returns: 0 if every check held. */
static inline int check_report(void) {
    printf("%lu checks, %lu failed\n", checks_made, checks_failed);
    return checks_failed != 0;
}

/* splitmix64: the same numbers on every platform. */
static inline uint64_t next_random(uint64_t *state) {
    uint64_t z = *state += 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

static inline void *exact_alloc(size_t size) {
    void *p = malloc(size);
    if (p == NULL) abort(); /* malloc(0) is not NULL on the platforms that run these tests */
    return p;
}

static inline void *exact_copy(const void *from, size_t size) {
    void *p = exact_alloc(size);
    if (size > 0) memcpy(p, from, size);
    return p;
}

#endif
