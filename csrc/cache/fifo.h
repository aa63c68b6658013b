/* The FIFO policies, SIEVE and S3-FIFO: what policy.c uses of them. Told at the top of fifo.c. */
#ifndef FB_CACHE_FIFO_H
#define FB_CACHE_FIFO_H

#include "policy.h"

/* Takes the entry that has to go out of its list; NONE if none may. */
uint32_t fb_sieve_evict(fb_policy_t *p);
uint32_t fb_s3_fifo_evict(fb_policy_t *p);

/* Before an entry leaves its list on the caller's account. */
void fb_sieve_leave(fb_policy_t *p, uint32_t slot);

/* S3-FIFO: allocates the ghosts; makes room for those of one more entry (as of fb_policy_reserve); forgets. */
fb_status_t fb_s3_fifo_init(fb_policy_t *p);
fb_status_t fb_s3_fifo_reserve(fb_policy_t *p);
void fb_s3_fifo_clear(fb_policy_t *p);
void fb_s3_fifo_free(fb_policy_t *p);

/* Puts a new entry, in no list yet, into the small list, or into the main one if it is a ghost. */
void fb_s3_fifo_link(fb_policy_t *p, uint32_t slot);

size_t fb_s3_fifo_bytes(const fb_policy_t *p);

#endif
