/* Radix sort of 64-bit words by their high halves. */
#ifndef FB_GEO_SORT_H
#define FB_GEO_SORT_H

#include "base.h"

/* Sorts words by their high halves, words whose high halves are equal staying in order; `spare` holds
 * as many. */
static inline void fb_sort_words(uint64_t *words, uint64_t *spare, size_t n) {
    enum { BITS = 11, BUCKETS = 1 << BITS, PASSES = 3, FEW = 64 };
    if (n < FEW) {
        for (size_t i = 1; i < n; i++) {
            const uint64_t word = words[i];
            size_t j = i;
            for (; j && words[j - 1] >> 32 > word >> 32; j--) words[j] = words[j - 1];
            words[j] = word;
        }
        return;
    }
    uint32_t counts[PASSES][BUCKETS];
    uint64_t *from = words, *into = spare;
    memset(counts, 0, sizeof(counts));
    for (size_t i = 0; i < n; i++) {
        const uint32_t key = (uint32_t)(words[i] >> 32);
        for (unsigned pass = 0; pass < PASSES; pass++) {
            counts[pass][key >> BITS * pass & (BUCKETS - 1)]++;
        }
    }
    for (unsigned pass = 0; pass < PASSES; pass++) {
        uint32_t *count = counts[pass], sum = 0;
        const unsigned shift = 32 + BITS * pass;
        if (count[from[0] >> shift & (BUCKETS - 1)] == n) continue;
        for (size_t b = 0; b < BUCKETS; b++) {
            const uint32_t here = count[b];
            count[b] = sum;
            sum += here;
        }
        for (size_t i = 0; i < n; i++) into[count[from[i] >> shift & (BUCKETS - 1)]++] = from[i];
        uint64_t *swap = from;
        from = into;
        into = swap;
    }
    if (from != words) memcpy(words, from, n * sizeof(*words));
}

#endif
