/* Bits of two numbers in turn, as curves through squares number these. */
#ifndef FB_GEO_INTERLEAVE_H
#define FB_GEO_INTERLEAVE_H

#include "base.h"

/* Bit i of x, of 32, to bit 2 i. */
FB_INLINE uint64_t fb_spread_bits(uint64_t x) {
    x = (x | x << 16) & 0x0000ffff0000ffffull;
    x = (x | x << 8) & 0x00ff00ff00ff00ffull;
    x = (x | x << 4) & 0x0f0f0f0f0f0f0f0full;
    x = (x | x << 2) & 0x3333333333333333ull;
    return (x | x << 1) & 0x5555555555555555ull;
}

/* Bit 2 i of x to bit i. */
FB_INLINE uint64_t fb_gather_bits(uint64_t x) {
    x &= 0x5555555555555555ull;
    x = (x | x >> 1) & 0x3333333333333333ull;
    x = (x | x >> 2) & 0x0f0f0f0f0f0f0f0full;
    x = (x | x >> 4) & 0x00ff00ff00ff00ffull;
    x = (x | x >> 8) & 0x0000ffff0000ffffull;
    return (x | x >> 16) & 0x00000000ffffffffull;
}

#endif
