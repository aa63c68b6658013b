#include "memory.h"

#include "check.h"

enum { MIB = 1 << 20 };

static bool all_zero(const uint8_t *p, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (p[i] != 0) return false;
    return true;
}

/* Writing all of it shows AddressSanitizer that `size` bytes are ours, and makes the memory dirty,
 * so that zeros in a later block are the allocator's work. */
static void zeroed_and_aligned(size_t size, size_t align) {
    for (int round = 0; round < 3; round++) {
        uint8_t *p = fb_alloc_zeroed(size);
        CHECK(p != NULL);
        if (p == NULL) return;
        CHECK((uintptr_t)p % align == 0);
        CHECK(all_zero(p, size));
        memset(p, 0xA5, size);
        fb_free_zeroed(p);
    }
}

int main(void) {
    static const size_t small[] = {0, 1, 63, 64, 65, 4096, 100000, 4 * MIB - 1};
    for (size_t i = 0; i < sizeof small / sizeof *small; i++) zeroed_and_aligned(small[i], 64);
    zeroed_and_aligned(4 * MIB, 2 * MIB);
    zeroed_and_aligned(5 * MIB, 2 * MIB);
    /* Sizes whose bookkeeping would overflow, and one that is merely too large. */
    for (size_t less = 0; less <= 4 * MIB; less += less < 100 ? 1 : MIB / 2)
        CHECK(fb_alloc_zeroed(SIZE_MAX - less) == NULL);
    CHECK(fb_alloc_zeroed(SIZE_MAX / 2) == NULL);
    fb_free_zeroed(NULL);
    return check_report();
}
