#include "cpu.h"

#include "check.h"

/* The level found anew under a value of FASTBLOCKS_CPU; NULL: unset. */
static int level_under(const char *value) {
    if (value == NULL)
        unsetenv("FASTBLOCKS_CPU");
    else
        setenv("FASTBLOCKS_CPU", value, 1);
    fb_cpu_cached = -1;
    return fb_cpu_level();
}

static void names(void) {
    for (int level = 0; level < FB_CPU_LEVELS; level++) {
        CHECK(fb_cpu_name(level) != NULL);
        CHECK(fb_cpu_parse(fb_cpu_name(level)) == level);
    }
    CHECK(fb_cpu_name(-1) == NULL);
    CHECK(fb_cpu_name(FB_CPU_LEVELS) == NULL);
    CHECK(fb_cpu_parse("") == -1);
    CHECK(fb_cpu_parse("AVX2") == -1);
    CHECK(fb_cpu_parse("avx") == -1);
    CHECK(fb_cpu_parse("avx2 ") == -1);
}

/* The variable lowers the level, never raises it, and what it does not name it does not change. */
static void environment(void) {
    const int supported = fb_cpu_supported();
    CHECK(supported >= 0 && supported < FB_CPU_LEVELS);
    CHECK(level_under(NULL) == supported);
    CHECK(level_under("") == supported);
    CHECK(level_under("quantum") == supported);
    for (int level = 0; level < FB_CPU_LEVELS; level++)
        CHECK(level_under(fb_cpu_name(level)) == (level < supported ? level : supported));
}

static void read_once(void) {
    const int level = level_under("portable");
    setenv("FASTBLOCKS_CPU", "avx512", 1);
    CHECK(fb_cpu_level() == level);
}

/* With --levels: the names of the levels to run the other tests under, lowest first. */
int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--levels") == 0) {
        for (int level = 0; level <= fb_cpu_supported(); level++) puts(fb_cpu_name(level));
        return 0;
    }
    const char *wanted = getenv("FASTBLOCKS_CPU");
    if (wanted != NULL) CHECK(fb_cpu_level() == fb_cpu_parse(wanted));
    names();
    environment();
    read_once();
    return check_report();
}
