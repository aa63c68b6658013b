/* stand-in */
#ifndef FB_CACHE_POLICY_H
#define FB_CACHE_POLICY_H
#include "base.h"
typedef enum { FB_POLICY_W_TINYLFU, FB_POLICY_LRU, FB_POLICY_S3_FIFO, FB_POLICY_SIEVE } fb_policy_kind_t;
#define FB_POLICY_NONE UINT32_MAX
typedef struct { uint64_t hash; uint32_t prev, next; uint32_t meta; uint32_t user; } fb_policy_entry_t;
typedef struct { fb_policy_entry_t *entries; uint64_t *weights; uint32_t n_slots; uint64_t maxsize, weight; uint32_t n_entries;
  uint32_t head, tail, free, fresh, latest; fb_policy_kind_t kind; } fb_policy_t;
fb_status_t fb_policy_init(fb_policy_t *p, fb_policy_kind_t kind, uint64_t maxsize, bool weighted, uint64_t seed);
void fb_policy_free(fb_policy_t *p);
fb_status_t fb_policy_reserve(fb_policy_t *p);
uint32_t fb_policy_enter(fb_policy_t *p, uint64_t hash, uint64_t weight);
static inline void fb_policy_unlink(fb_policy_t *p, uint32_t s) {
  fb_policy_entry_t *e = p->entries + s;
  if (e->prev != FB_POLICY_NONE) p->entries[e->prev].next = e->next; else p->head = e->next;
  if (e->next != FB_POLICY_NONE) p->entries[e->next].prev = e->prev; else p->tail = e->prev;
}
static inline void fb_policy_push(fb_policy_t *p, uint32_t s) {
  fb_policy_entry_t *e = p->entries + s;
  e->prev = FB_POLICY_NONE; e->next = p->head;
  if (p->head != FB_POLICY_NONE) p->entries[p->head].prev = s; else p->tail = s;
  p->head = s;
}
FB_INLINE void fb_policy_hit(fb_policy_t *p, uint32_t slot) { if (p->head != slot) { fb_policy_unlink(p, slot); fb_policy_push(p, slot); } }
void fb_policy_leave(fb_policy_t *p, uint32_t slot);
uint32_t fb_policy_victim(fb_policy_t *p);
void fb_policy_release_slot(fb_policy_t *p, uint32_t slot);
void fb_policy_reweigh(fb_policy_t *p, uint32_t slot, uint64_t weight);
fb_status_t fb_policy_resize(fb_policy_t *p, uint64_t maxsize);
uint32_t fb_policy_next_victim(fb_policy_t *p); /* whom victim would take now, or NONE if empty */
void fb_policy_clear(fb_policy_t *p);
FB_INLINE bool fb_policy_occupied(const fb_policy_t *p, uint32_t slot) { return p->entries[slot].meta != 0; }
void fb_policy_order(const fb_policy_t *p, uint32_t *slots);
uint64_t fb_policy_bytes(const fb_policy_t *p);
#endif
