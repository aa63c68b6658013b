/* W-TinyLFU: what policy.c and the shadows use of it. Told at the top of tinylfu.c. */
#ifndef FB_CACHE_TINYLFU_H
#define FB_CACHE_TINYLFU_H

#include "policy.h"

/* A way to run the segments. */
typedef struct {
    uint8_t window; /* the window's share of maxsize, percent */
    int8_t lead;    /* a candidate's count must be above the victim's and this */
} fb_tinylfu_choice_t;

enum { FB_TINYLFU_CHOICES = 5, FB_TINYLFU_FIRST_CHOICE = 1 };
extern const fb_tinylfu_choice_t fb_tinylfu_choices[FB_TINYLFU_CHOICES];

/* Sets the bounds of the segments; entries follow bit by bit. */
void fb_tinylfu_choose(fb_policy_t *p, uint32_t choice);

/* Allocates the sketch. FB_OK or FB_NO_MEMORY. */
fb_status_t fb_tinylfu_init(fb_policy_t *p);
void fb_tinylfu_free(fb_policy_t *p);

/* Forgets all that was learnt. */
void fb_tinylfu_clear(fb_policy_t *p);

/* After a change of maxsize. */
void fb_tinylfu_resize(fb_policy_t *p);

/* As of fb_policy_reserve: doubles the sketch when there are more entries than it was made for, and
 * makes the shadows in time. */
fb_status_t fb_tinylfu_reserve(fb_policy_t *p);

/* Puts a new entry, in no list yet, into the window; `count` as in its meta. */
void fb_tinylfu_link(fb_policy_t *p, uint32_t slot, uint32_t count);

/* A request for a new entry, in no list yet. */
void fb_tinylfu_enter(fb_policy_t *p, uint32_t slot);

/* As fb_tinylfu_replace, in a shadow, which is told the count. */
uint32_t fb_tinylfu_replace_counted(fb_policy_t *p, uint64_t hash, uint32_t count, uint32_t *victim);

/* Writes the count of an entry that left into the sketch, which does not know all of it. */
void fb_tinylfu_remember(fb_policy_t *p, uint32_t slot);

/* Halves the counts of all entries. */
void fb_tinylfu_halve(fb_policy_t *p);

/* Takes the entry that has to go out of its list; NONE if none may. */
uint32_t fb_tinylfu_evict(fb_policy_t *p);

#endif
