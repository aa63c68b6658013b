/* The nearest of many, by distance (or its square), then by id: a few are kept in order, which takes few branches that
 * cannot be foreseen, more in a heap. */
#ifndef FB_GEO_NEAREST_H
#define FB_GEO_NEAREST_H

#include <math.h>

#include "base.h"

FB_INLINE bool fb_closer(double square, int64_t id, double than, int64_t than_id) {
    return square < than || (square == than && id < than_id);
}

enum { FB_FEW = 16 }; /* kept in order */

/* A heap with the furthest on top. */
FB_INLINE void fb_heap_push(int64_t *ids, double *squares, size_t at, int64_t id, double square) {
    while (at && fb_closer(squares[(at - 1) / 2], ids[(at - 1) / 2], square, id)) {
        squares[at] = squares[(at - 1) / 2];
        ids[at] = ids[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    squares[at] = square;
    ids[at] = id;
}

/* Another one in the place of the furthest of n. */
FB_INLINE void fb_heap_replace(int64_t *ids, double *squares, size_t n, int64_t id, double square) {
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && fb_closer(squares[child], ids[child], squares[child + 1], ids[child + 1])) child++;
        if (!fb_closer(square, id, squares[child], ids[child])) break;
        squares[at] = squares[child];
        ids[at] = ids[child];
    }
    squares[at] = square;
    ids[at] = id;
}

/* Offers one to the n of at most k that are nearest so far: how many there are then. */
FB_INLINE size_t fb_near_add(int64_t *ids, double *squares, size_t n, size_t k, int64_t id, double square) {
    if (k > FB_FEW) {
        if (n < k) {
            fb_heap_push(ids, squares, n, id, square);
        } else if (fb_closer(square, id, squares[0], ids[0])) {
            fb_heap_replace(ids, squares, n, id, square);
        }
    } else if (n < k || fb_closer(square, id, squares[k - 1], ids[k - 1])) {
        size_t at = n < k ? n : k - 1;
        for (; at && fb_closer(square, id, squares[at - 1], ids[at - 1]); at--) {
            squares[at] = squares[at - 1];
            ids[at] = ids[at - 1];
        }
        squares[at] = square;
        ids[at] = id;
    }
    return n < k ? n + 1 : n;
}

/* Of k, the furthest. */
FB_INLINE double fb_near_furthest(const double *squares, size_t k) { return squares[k > FB_FEW ? 0 : k - 1]; }

/* Orders them, nearest first; k - n places are padded. */
FB_INLINE void fb_near_sort(int64_t *ids, double *distances, size_t n, size_t k) {
    for (size_t i = n; i < k; i++) {
        ids[i] = -1;
        distances[i] = INFINITY;
    }
    for (size_t end = k > FB_FEW ? n : 0; end-- > 1;) {
        const int64_t id = ids[end];
        const double distance = distances[end];
        ids[end] = ids[0];
        distances[end] = distances[0];
        fb_heap_replace(ids, distances, end, id, distance);
    }
}

/* The same for squares, which become distances. */
FB_INLINE void fb_near_finish(int64_t *ids, double *squares, size_t n, size_t k) {
    fb_near_sort(ids, squares, n, k);
    for (size_t i = 0; i < n; i++) squares[i] = sqrt(squares[i]);
}

/* The largest number whose square root is not above `most`. */
FB_INLINE double fb_square_bound(double most) {
    double bound = most * most;
    if (most == INFINITY) return most;
    while (sqrt(bound) > most) bound = nextafter(bound, 0.0);
    for (double next; sqrt(next = nextafter(bound, INFINITY)) <= most;) bound = next;
    return bound;
}

#endif
