#include "state.h"

#include "check.h"
#include "xxh3.h"

enum { KIND = FB_STATE_FOURCC('T', 'E', 'S', 'T'), VERSION = 3, LIFE_AT = 14, PAYLOAD = 53 };
enum { TOTAL = FB_STATE_HEADER + PAYLOAD };

/* A sealed object with a random payload, in a heap block of its size. */
static uint8_t *sealed_object(size_t payload_bytes, fb_state_t *state) {
    uint64_t random = payload_bytes;
    uint8_t *bytes = exact_alloc(FB_STATE_HEADER + payload_bytes);
    for (size_t i = 0; i < payload_bytes; i++)
        bytes[FB_STATE_HEADER + i] = (uint8_t)next_random(&random);
    *state = (fb_state_t){.kind = KIND, .version = VERSION, .payload_bytes = payload_bytes};
    for (size_t i = 0; i < FB_STATE_PARAMS_MAX; i++) state->params[i] = next_random(&random);
    fb_state_write(state, bytes + FB_STATE_HEADER, bytes);
    return bytes;
}

static fb_status_t read_into(fb_state_t *state, const uint8_t *bytes, size_t len, bool verify) {
    memset(state, 0x77, sizeof *state); /* whatever is not filled shows */
    state->kind = KIND;
    state->version = VERSION;
    return fb_state_read(bytes, len, verify, state);
}

static fb_status_t status_of(const uint8_t *bytes, size_t len, bool verify) {
    fb_state_t ignored;
    return read_into(&ignored, bytes, len, verify);
}

/* Reads a copy in a heap block of exactly len bytes. */
static fb_status_t status_of_copy(const uint8_t *bytes, size_t len, bool verify) {
    uint8_t *copy = exact_copy(bytes, len);
    fb_status_t status = status_of(copy, len, verify);
    free(copy);
    return status;
}

static void check_reads_as(const fb_state_t *want, const uint8_t *bytes, bool live) {
    fb_state_t got;
    for (int verify = 0; verify < 2; verify++) {
        CHECK(read_into(&got, bytes, FB_STATE_HEADER + want->payload_bytes, verify) == FB_OK);
        CHECK(got.payload_bytes == want->payload_bytes);
        CHECK(got.live == live);
        CHECK(memcmp(got.params, want->params, sizeof got.params) == 0);
    }
}

static void round_trip(void) {
    for (size_t payload_bytes = 0; payload_bytes < 400; payload_bytes += 1 + payload_bytes / 3) {
        fb_state_t state;
        uint8_t *bytes = sealed_object(payload_bytes, &state);
        check_reads_as(&state, bytes, false);
        fb_state_set_live(bytes);
        check_reads_as(&state, bytes, true);
        free(bytes);
    }
    fb_state_t empty = {.kind = KIND, .version = VERSION};
    uint8_t header[FB_STATE_HEADER];
    fb_state_write(&empty, NULL, header);
    check_reads_as(&empty, header, false);
}

static void odd_addresses(void) {
    fb_state_t state;
    uint8_t *bytes = sealed_object(PAYLOAD, &state);
    for (size_t shift = 1; shift < 4; shift++) {
        for (int live = 0; live < 2; live++) {
            uint8_t *shifted = exact_alloc(shift + TOTAL);
            if (live) fb_state_set_live(bytes);
            memcpy(shifted + shift, bytes, TOTAL);
            check_reads_as(&state, shifted + shift, live);
            shifted[shift + LIFE_AT] ^= 1;
            CHECK(status_of(shifted + shift, TOTAL, true) == FB_STATE_CHECKSUM);
            free(shifted);
        }
        fb_state_write(&state, bytes + FB_STATE_HEADER, bytes);
    }
    free(bytes);
}

/* No byte of the header may take any other value: sealed or live, verified or not. */
static void header_damage(void) {
    fb_state_t state;
    uint8_t *bytes = sealed_object(PAYLOAD, &state);
    for (int live = 0; live < 2; live++) {
        if (live) fb_state_set_live(bytes);
        for (size_t i = 0; i < FB_STATE_HEADER; i++) {
            for (unsigned change = 1; change < 256; change++) {
                bytes[i] ^= (uint8_t)change;
                fb_status_t status = status_of(bytes, TOTAL, false);
                CHECK(status == (i < 8 ? FB_STATE_FOREIGN : FB_STATE_CHECKSUM));
                CHECK(status_of(bytes, TOTAL, true) == status);
                bytes[i] ^= (uint8_t)change;
            }
        }
        check_reads_as(&state, bytes, live);
    }
    free(bytes);
}

/* The payload is checked while the state is sealed, and free to change once it is live. */
static void payload_damage(void) {
    fb_state_t state;
    uint8_t *bytes = sealed_object(PAYLOAD, &state);
    for (int live = 0; live < 2; live++) {
        if (live) fb_state_set_live(bytes);
        for (size_t i = FB_STATE_HEADER; i < TOTAL; i++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                bytes[i] ^= (uint8_t)(1u << bit);
                CHECK(status_of(bytes, TOTAL, true) == (live ? FB_OK : FB_STATE_CHECKSUM));
                CHECK(status_of(bytes, TOTAL, false) == FB_OK);
                bytes[i] ^= (uint8_t)(1u << bit);
            }
        }
    }
    free(bytes);
}

static void wrong_length(void) {
    fb_state_t state;
    uint8_t *bytes = sealed_object(PAYLOAD, &state);
    for (int live = 0; live < 2; live++) {
        if (live) fb_state_set_live(bytes);
        for (size_t len = 0; len < TOTAL; len++) {
            fb_status_t want = len < 8 ? FB_STATE_FOREIGN : FB_STATE_SHORT;
            CHECK(status_of_copy(bytes, len, true) == want);
            CHECK(status_of_copy(bytes, len, false) == want);
        }
        uint8_t longer[TOTAL + 1] = {0};
        memcpy(longer, bytes, TOTAL);
        CHECK(status_of(longer, TOTAL + 1, true) == FB_STATE_LONG);
        CHECK(status_of(longer, TOTAL + 1, false) == FB_STATE_LONG);
    }
    CHECK(status_of(NULL, 0, true) == FB_STATE_FOREIGN);
    free(bytes);
}

static void other_class_or_version(void) {
    fb_state_t state, expected = {.kind = FB_STATE_FOURCC('T', 'E', 'S', 'S'), .version = VERSION};
    uint8_t *bytes = sealed_object(PAYLOAD, &state);
    CHECK(fb_state_read(bytes, TOTAL, true, &expected) == FB_STATE_KIND);
    expected = (fb_state_t){.kind = KIND, .version = VERSION + 1};
    CHECK(fb_state_read(bytes, TOTAL, true, &expected) == FB_STATE_VERSION);
    CHECK(memcmp(bytes + 8, "TEST", 4) == 0);
    free(bytes);
}

/* Gives a header whose fields were changed the checksum of an honest one, as a forger would. */
static void forge_sum(uint8_t *header) {
    uint8_t copy[120];
    memcpy(copy, header, sizeof copy);
    memset(copy + LIFE_AT, 0, 2);
    fb_write64(header + 120, fb_xxh3_64(copy, sizeof copy, 0));
}

/* Random bytes; random bytes behind an honest magic; honest objects with a few bytes changed, and
 * the same with the checksum forged. Only the last can be accepted, and then the length holds. */
static void random_bytes(void) {
    uint64_t random = 2;
    fb_state_t state;
    uint8_t *honest = sealed_object(PAYLOAD, &state);
    for (int round = 0; round < 200000; round++) {
        const int how = round % 4;
        const size_t len = next_random(&random) % 8 ? TOTAL : next_random(&random) % (2 * TOTAL);
        uint8_t *bytes = exact_alloc(len);
        for (size_t i = 0; i < len; i++) bytes[i] = (uint8_t)next_random(&random);
        if (how >= 1) memcpy(bytes, honest, len < 8 ? len : 8);
        if (how >= 2) {
            memcpy(bytes, honest, len < TOTAL ? len : TOTAL);
            for (uint64_t n = 1 + next_random(&random) % 3; n > 0 && len > 0; n--)
                bytes[next_random(&random) % len] ^= (uint8_t)(1 + next_random(&random) % 255);
        }
        if (how == 3 && len >= FB_STATE_HEADER) forge_sum(bytes);
        fb_state_t got;
        const bool verify = next_random(&random) & 1;
        fb_status_t status = read_into(&got, bytes, len, verify);
        if (status == FB_OK) {
            CHECK(how >= 2);
            CHECK(got.payload_bytes == len - FB_STATE_HEADER);
            CHECK(how == 3 || !verify || memcmp(bytes, honest, TOTAL) == 0);
        }
        free(bytes);
    }
    free(honest);
}

int main(void) {
    round_trip();
    odd_addresses();
    header_damage();
    payload_damage();
    wrong_length();
    other_class_or_version();
    random_bytes();
    return check_report();
}
