#include "state.h"

#include "xxh3.h"

enum { AT_KIND = 8, AT_VERSION = 12, AT_LIFE = 14, AT_BYTES = 16, AT_SUM = 24, AT_PARAMS = 32,
       AT_HEADER_SUM = 120 };

enum { LIFE_SEALED = 0x0000, LIFE_LIVE = 0xC53A };

static const uint8_t magic[8] = {'f', 'a', 's', 't', 'b', 'l', 'k', 's'};

static uint64_t header_sum(const uint8_t *header) {
    uint8_t copy[AT_HEADER_SUM];
    memcpy(copy, header, sizeof copy);
    memset(copy + AT_LIFE, 0, 2);
    return fb_xxh3_64(copy, sizeof copy, 0);
}

void fb_state_write(const fb_state_t *state, const void *payload,
                    uint8_t header[FB_STATE_HEADER]) {
    memset(header, 0, FB_STATE_HEADER);
    memcpy(header, magic, sizeof magic);
    memcpy(header + AT_KIND, &state->kind, sizeof state->kind);
    memcpy(header + AT_VERSION, &state->version, sizeof state->version);
    fb_write64(header + AT_BYTES, state->payload_bytes);
    fb_write64(header + AT_SUM, fb_xxh3_64(payload, (size_t)state->payload_bytes, 0));
    memcpy(header + AT_PARAMS, state->params, sizeof state->params);
    fb_write64(header + AT_HEADER_SUM, header_sum(header));
}

/* A mapped file is aligned and may change under us; a buffer at an odd address is no mapping. */
static uint16_t life_of(const uint8_t *bytes) {
    const uint8_t *at = bytes + AT_LIFE;
    if ((uintptr_t)at % sizeof(uint16_t) == 0)
        return fb_atomic_load16((const uint16_t *)(const void *)at);
    return (uint16_t)(at[0] | at[1] << 8);
}

fb_status_t fb_state_read(const uint8_t *bytes, size_t len, bool verify, fb_state_t *state) {
    if (len < sizeof magic || memcmp(bytes, magic, sizeof magic) != 0) return FB_STATE_FOREIGN;
    if (len < FB_STATE_HEADER) return FB_STATE_SHORT;
    if (header_sum(bytes) != fb_read64(bytes + AT_HEADER_SUM)) return FB_STATE_CHECKSUM;
    if (fb_read32(bytes + AT_KIND) != state->kind) return FB_STATE_KIND;
    if ((uint16_t)fb_read32(bytes + AT_VERSION) != state->version) return FB_STATE_VERSION;
    uint16_t life = life_of(bytes);
    if (life != LIFE_SEALED && life != LIFE_LIVE) return FB_STATE_CHECKSUM;
    state->payload_bytes = fb_read64(bytes + AT_BYTES);
    if (len - FB_STATE_HEADER < state->payload_bytes) return FB_STATE_SHORT;
    if (len - FB_STATE_HEADER > state->payload_bytes) return FB_STATE_LONG;
    if (verify && life == LIFE_SEALED) {
        uint64_t sum = fb_xxh3_64(bytes + FB_STATE_HEADER, (size_t)state->payload_bytes, 0);
        /* Looked at again: another process may have begun to write while the sum was taken. */
        if (sum != fb_read64(bytes + AT_SUM)) {
            fb_atomic_fence();
            life = life_of(bytes);
            if (life != LIFE_LIVE) return FB_STATE_CHECKSUM;
        }
    }
    state->live = life == LIFE_LIVE;
    memcpy(state->params, bytes + AT_PARAMS, sizeof state->params);
    return FB_OK;
}

void fb_state_set_live(uint8_t *bytes) {
    fb_atomic_store16((uint16_t *)(void *)(bytes + AT_LIFE), LIFE_LIVE);
    fb_atomic_fence(); /* who sees a changed payload sees LIVE too */
}
