#include "policy.h"
#include <stdlib.h>
fb_status_t fb_policy_init(fb_policy_t *p, fb_policy_kind_t kind, uint64_t maxsize, bool weighted, uint64_t seed) {
  (void)seed; memset(p, 0, sizeof *p); p->kind = kind; p->maxsize = maxsize; p->head = p->tail = p->free = p->latest = FB_POLICY_NONE;
  if (weighted) { p->weights = malloc(8); if (!p->weights) return FB_NO_MEMORY; }
  return FB_OK; }
void fb_policy_free(fb_policy_t *p) { free(p->entries); free(p->weights); p->entries = NULL; p->weights = NULL; }
fb_status_t fb_policy_reserve(fb_policy_t *p) {
  if (p->free != FB_POLICY_NONE || p->fresh < p->n_slots) return FB_OK;
  uint64_t n = p->n_slots < 8 ? 8 : (uint64_t)p->n_slots * 2;
  if (!p->weights && n > p->maxsize + 1) n = p->maxsize + 1;
  void *e = realloc(p->entries, n * sizeof *p->entries); if (!e) return FB_NO_MEMORY; p->entries = e; memset(p->entries + p->n_slots, 0, (n - p->n_slots) * sizeof *p->entries);
  if (p->weights) { void *w = realloc(p->weights, n * 8); if (!w) return FB_NO_MEMORY; p->weights = w; }
  p->n_slots = (uint32_t)n; return FB_OK; }
uint32_t fb_policy_enter(fb_policy_t *p, uint64_t hash, uint64_t weight) {
  uint32_t s = p->free; if (s != FB_POLICY_NONE) p->free = p->entries[s].next; else s = p->fresh++;
  p->entries[s].hash = hash; p->entries[s].meta = 1; p->entries[s].user = 0; fb_policy_push(p, s); if (p->weights) p->weights[s] = weight; p->weight += weight; p->n_entries++; p->latest = s; return s; }
void fb_policy_release_slot(fb_policy_t *p, uint32_t s) { p->entries[s].next = p->free; p->entries[s].meta = 0; p->free = s; }
static void out(fb_policy_t *p, uint32_t s) { fb_policy_unlink(p, s); p->weight -= p->weights ? p->weights[s] : 1; p->n_entries--; }
void fb_policy_leave(fb_policy_t *p, uint32_t s) { out(p, s); fb_policy_release_slot(p, s); }
uint32_t fb_policy_next_victim(fb_policy_t *p) { return p->tail; }
uint32_t fb_policy_victim(fb_policy_t *p) { if (p->weight <= p->maxsize) return FB_POLICY_NONE; uint32_t s = p->tail; if (s == p->latest && p->entries[s].prev != FB_POLICY_NONE) s = p->entries[s].prev; out(p, s); p->entries[s].meta = 0; return s; }
void fb_policy_reweigh(fb_policy_t *p, uint32_t s, uint64_t w) { if (p->weights) { p->weight += w - p->weights[s]; p->weights[s] = w; } p->latest = s; }
fb_status_t fb_policy_resize(fb_policy_t *p, uint64_t maxsize) { p->maxsize = maxsize; p->latest = FB_POLICY_NONE; return FB_OK; }
void fb_policy_clear(fb_policy_t *p) { p->head = p->tail = p->free = p->latest = FB_POLICY_NONE; p->fresh = 0; p->weight = 0; p->n_entries = 0; for (uint32_t i = 0; i < p->n_slots; i++) p->entries[i].meta = 0; }
uint64_t fb_policy_bytes(const fb_policy_t *p) { return (uint64_t)p->n_slots * (p->weights ? 32u : 24u); }
void fb_policy_order(const fb_policy_t *p, uint32_t *slots) { uint32_t n = 0; for (uint32_t s = p->tail; s != FB_POLICY_NONE; s = p->entries[s].prev) slots[n++] = s; }
