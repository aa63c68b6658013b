/* Descendants and compact sets of H3 cells.
 *
 * The descendants of a hexagon at a resolution are its 7^m ways to fill m digits: laid out for the
 * last digit first, they are the block before, copied six times with one more digit set. Those of a
 * pentagon are the ones of the pentagon in its centre and of five hexagons.
 *
 * Compacting walks over the sorted cells with a stack. Seven cells (six in a pentagon) on its top
 * that are the children of one cell become that cell, which may then complete the next family. In
 * sorted order a family is complete when its last child comes, so each is looked at once. Sorting
 * is by radix, a byte at a time, skipping bytes that are the same in all ids: cells of one
 * resolution differ in few. Both are O(n).
 */
#include "h3_index.h"

static uint64_t power7(int n) {
    uint64_t p = 1;
    while (n-- > 0) p *= 7;
    return p;
}

uint64_t fb_h3_children_size(uint64_t cell, int res) {
    const uint64_t all = power7(res - fb_h3_res(cell));
    return fb_h3_is_pentagon(cell) ? 1 + 5 * ((all - 1) / 6) : all;
}

/* The descendants of a cell none of which is missing; `first` is the one in the centre. */
static uint64_t *whole_family(uint64_t first, int levels, int res, uint64_t *children) {
    size_t n = 1;
    unsigned shift = 3u * (unsigned)(FB_H3_MAX_RES - res);
    children[0] = first;
    for (; levels > 0; levels--, shift += 3) {
        const uint64_t step = 1ull << shift;
        for (uint64_t d = 1; d < 7; d++) {
            uint64_t *to = children + d * n;
            for (size_t i = 0; i < n; i++) to[i] = children[i] + d * step;
        }
        n *= 7;
    }
    return children + n;
}

uint64_t *fb_h3_children(uint64_t cell, int res, uint64_t *children) {
    const int from = fb_h3_res(cell);
    const uint64_t center = fb_h3_center_child(cell, res);
    if (!fb_h3_is_pentagon(cell)) return whole_family(center, res - from, res, children);
    *children++ = center; /* then, from the innermost pentagon out, its five hexagons */
    for (int r = res; r > from; r--) {
        const uint64_t step = 1ull << 3 * (FB_H3_MAX_RES - r);
        for (uint64_t d = 2; d < 7; d++)
            children = whole_family(center + d * step, res - r, res, children);
    }
    return children;
}

size_t fb_h3_parents(const uint64_t *cells, size_t n, int res, uint64_t *parents) {
    for (size_t i = 0; i < n; i++) {
        const int own = fb_h3_res(cells[i]), to = res < 0 ? own - 1 : res;
        if (FB_UNLIKELY(to < 0 || to > own)) return i;
        parents[i] = fb_h3_parent(cells[i], to);
    }
    return n;
}

/* The resolution of the children of a cell, or -1 if there is no such. */
FB_INLINE int res_of_children(uint64_t cell, int res) {
    const int own = fb_h3_res(cell), to = res < 0 ? own + 1 : res;
    return to > FB_H3_MAX_RES || to < own ? -1 : to;
}

size_t fb_h3_center_children(const uint64_t *cells, size_t n, int res, uint64_t *children) {
    for (size_t i = 0; i < n; i++) {
        const int to = res_of_children(cells[i], res);
        if (FB_UNLIKELY(to < 0)) return i;
        children[i] = fb_h3_center_child(cells[i], to);
    }
    return n;
}

size_t fb_h3_children_sizes(const uint64_t *cells, size_t n, int res, uint64_t *sizes) {
    for (size_t i = 0; i < n; i++) {
        const int to = res_of_children(cells[i], res);
        if (FB_UNLIKELY(to < 0)) return i;
        sizes[i] = fb_h3_children_size(cells[i], to);
    }
    return n;
}

size_t fb_h3_children_offsets(const uint64_t *cells, size_t n, int res, int64_t *offsets) {
    int64_t at = 0;
    for (size_t i = 0; i < n; i++) {
        const int to = res_of_children(cells[i], res);
        if (FB_UNLIKELY(to < 0)) return i;
        offsets[i] = at;
        const int64_t more = (int64_t)fb_h3_children_size(cells[i], to);
        at = at > INT64_MAX - more ? INT64_MAX : at + more;
    }
    offsets[n] = at;
    return n;
}

void fb_h3_children_of_all(const uint64_t *cells, size_t n, int res, uint64_t *children) {
    for (size_t i = 0; i < n; i++)
        children = fb_h3_children(cells[i], res_of_children(cells[i], res), children);
}

void fb_h3_validities(const uint64_t *cells, size_t n, uint8_t *valid) {
    for (size_t i = 0; i < n; i++) valid[i] = fb_h3_is_valid(cells[i]);
}

void fb_h3_resolutions(const uint64_t *cells, size_t n, uint8_t *resolutions) {
    for (size_t i = 0; i < n; i++) resolutions[i] = (uint8_t)fb_h3_res(cells[i]);
}

void fb_h3_base_cells(const uint64_t *cells, size_t n, uint8_t *base_cells) {
    for (size_t i = 0; i < n; i++) base_cells[i] = (uint8_t)fb_h3_base_cell(cells[i]);
}

void fb_h3_pentagon_cells(const uint64_t *cells, size_t n, uint8_t *pentagons) {
    for (size_t i = 0; i < n; i++) pentagons[i] = fb_h3_is_pentagon(cells[i]);
}

/* ---- texts -------------------------------------------------------------------------------- */

static int digit_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse(const char *text, size_t width, uint64_t *id) {
    size_t end = width, at = 0;
    while (end > 0 && text[end - 1] == 0) end--;
    if (end >= 2 && text[0] == '0' && (text[1] | 0x20) == 'x') at = 2;
    if (at == end || end - at > 16) return false;
    *id = 0;
    for (; at < end; at++) {
        const int value = digit_value(text[at]);
        if (value < 0) return false;
        *id = *id << 4 | (uint64_t)value;
    }
    return true;
}

size_t fb_h3_parse(const char *texts, size_t width, size_t n, uint64_t *ids) {
    for (size_t i = 0; i < n; i++)
        if (!parse(texts + i * width, width, &ids[i])) return i;
    return n;
}

void fb_h3_format(const uint64_t *ids, size_t n, char *texts) {
    for (size_t i = 0; i < n; i++, texts += FB_H3_TEXT) {
        const unsigned length = 16 - fb_leading_zeros64(ids[i] | 1) / 4;
        memset(texts, 0, FB_H3_TEXT);
        for (unsigned c = 0; c < length; c++)
            texts[c] = "0123456789abcdef"[ids[i] >> 4 * (length - 1 - c) & 15];
    }
}

/* ---- compact sets ------------------------------------------------------------------------- */

static bool is_sorted(const uint64_t *ids, size_t n) {
    for (size_t i = 1; i < n; i++)
        if (ids[i - 1] > ids[i]) return false;
    return true;
}

static void insertion_sort(uint64_t *ids, size_t n) {
    for (size_t i = 1; i < n; i++) {
        const uint64_t id = ids[i];
        size_t j = i;
        for (; j > 0 && ids[j - 1] > id; j--) ids[j] = ids[j - 1];
        ids[j] = id;
    }
}

void fb_h3_sort(uint64_t *ids, size_t n, uint64_t *spare) {
    if (is_sorted(ids, n)) return;
    if (n < 48) {
        insertion_sort(ids, n);
        return;
    }
    uint64_t differing = 0;
    for (size_t i = 1; i < n; i++) differing |= ids[i] ^ ids[0];
    uint64_t *from = ids, *to = spare;
    for (unsigned shift = 0; shift < 64; shift += 8) {
        if ((differing >> shift & 255) == 0) continue;
        size_t starts[256] = {0}, at = 0;
        for (size_t i = 0; i < n; i++) starts[from[i] >> shift & 255]++;
        for (size_t b = 0; b < 256; b++) {
            const size_t count = starts[b];
            starts[b] = at;
            at += count;
        }
        for (size_t i = 0; i < n; i++) to[starts[from[i] >> shift & 255]++] = from[i];
        uint64_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != ids) memcpy(ids, from, n * sizeof *ids);
}

/* Whether the top of the stack, `last`, and those below it are all children of one cell. */
FB_INLINE bool completes_family(const uint64_t *stack, size_t n, int res, size_t *size) {
    const unsigned shift = 3u * (unsigned)(FB_H3_MAX_RES - res);
    const uint64_t last = stack[n - 1];
    if ((last >> shift & 7) != 6) return false;
    *size = fb_h3_is_pentagon(fb_h3_parent(last, res - 1)) ? 6 : 7;
    if (n < *size) return false;
    /* Ids that are finer or coarser have another resolution in their bits, and never fit. */
    const uint64_t *family = stack + n - *size;
    if (family[0] != last - (6ull << shift)) return false;
    for (size_t i = 1; i < *size; i++)
        if (family[i] != last - ((uint64_t)(*size - 1 - i) << shift)) return false;
    return true;
}

size_t fb_h3_first_other_res(const uint64_t *cells, size_t n) {
    for (size_t i = 1; i < n; i++)
        if (fb_h3_res(cells[i]) != fb_h3_res(cells[0])) return i;
    return n;
}

size_t fb_h3_compact(uint64_t *cells, size_t n, uint64_t *spare, size_t *repeated) {
    if (n == 0) return 0;
    fb_h3_sort(cells, n, spare);
    for (size_t i = 1; i < n; i++)
        if (cells[i] == cells[i - 1]) {
            *repeated = i;
            return SIZE_MAX;
        }
    const int res = fb_h3_res(cells[0]);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        cells[kept++] = cells[i];
        size_t size;
        for (int r = res; r > 0 && completes_family(cells, kept, r, &size); r--) {
            const uint64_t parent = fb_h3_parent(cells[kept - 1], r - 1);
            kept -= size - 1;
            cells[kept - 1] = parent;
        }
    }
    return kept;
}
