#!/bin/sh
# Builds the C unit tests with sanitizers and runs each under every dispatch level of this CPU.
#
#   tests/csrc/run.sh           ASan and UBSan; then a strict -O3 build, not run; every source must
#                               be part of a test
#   tests/csrc/run.sh thread    the threads tests under TSan
#
# The compiler is $CC (default cc). Exit status 1 if anything failed.
set -u
cd "$(dirname "$0")/../.." || exit 2
cc=${CC:-cc}
mode=${1:-all}
case $mode in all | thread) ;; *) echo "usage: $0 [thread]" >&2 && exit 2 ;; esac
out=build/csrc/$mode
strict="-std=c11 -Wall -Wextra -Wconversion -Werror -Icsrc -Icsrc/core"
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
passed=0 failed=0
limit=
command -v timeout >/dev/null && limit="timeout 120"

# step <name> <command...>: one line of result; the output only if it failed.
step() {
    name=$1
    shift
    if "$@" >"$out/log" 2>&1; then
        passed=$((passed + 1))
        echo "ok    $name: $(tail -n 1 "$out/log")"
    else
        failed=$((failed + 1))
        echo "FAIL  $name"
        sed 's/^/      /' "$out/log" | head -n 60
    fi
}

# each_source <command>: runs it for every source, as $1, some at a time; $2 is a name without slashes.
each_source() {
    for source in csrc/*/*.c; do
        echo "$source" "$(echo "${source%.c}" | tr / _)"
    done | xargs -n 2 -P "$jobs" sh -c "$1" sh
}

compile_library() {
    each_source "$cc $strict $sanitize -c \"\$1\" -o $out/lib_\$2.o" || return 1
    ar rcs "$out/library.a" "$out"/lib_*.o # of which the linker takes what a test needs, and tells it
}

# check_linked: fails if there is a source that no test needs.
check_linked() {
    each_source "grep -q lib_\$2[.]o $out/linked || { echo no test calls \$1; exit 1; }" || return 1
    echo "all of them"
}

# compile_strict <compiler>: the sources as they ship, optimised, since some warnings need that.
compile_strict() {
    each_source "$1 $strict -O3 -c \"\$1\" -o $out/strict_\$2.o" && echo "no warnings"
}

# build_and_run <test> <level...>
build_and_run() {
    test=$1
    shift
    if ! $cc $strict $sanitize "tests/csrc/$test.c" "$out/library.a" -lm -pthread -Wl,-t,-t \
        -o "$out/$test" >"$out/build.log" 2>&1; then
        step "$test, build" sh -c "cat '$out/build.log'; exit 1"
        return
    fi
    cat "$out/build.log" >>"$out/linked"
    for level in "$@"; do
        step "$test $level" env FASTBLOCKS_CPU="$level" $limit "$out/$test"
    done
}

rm -rf "$out" && mkdir -p "$out" || exit 2
sanitize="-D_GNU_SOURCE -g -O1 -fno-sanitize-recover=all -fno-omit-frame-pointer"
case $mode in
all)
    # Sizes no system can give must come back as NULL, as they do without the sanitizer.
    export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1
    export UBSAN_OPTIONS=print_stacktrace=1
    sanitize="$sanitize -fsanitize=address,undefined"
    compile_library || exit 1
    $cc $strict $sanitize tests/csrc/test_cpu.c "$out/library.a" -lm -o "$out/test_cpu" || exit 1
    levels=$("$out/test_cpu" --levels) || exit 1
    for source in tests/csrc/test_*.c; do
        build_and_run "$(basename "$source" .c)" $levels
    done
    step "sources under test" check_linked
    step "compile -O3 with $cc" compile_strict "$cc"
    if command -v clang >/dev/null; then step "compile -O3 with clang" compile_strict clang; fi
    ;;
thread)
    # Portable only: vector loads and stores of a block race formally with the atomic ones of its
    # words. They do no harm, since any mixture of old and new words is a state in between.
    export TSAN_OPTIONS=halt_on_error=1
    sanitize="$sanitize -fsanitize=thread"
    compile_library || exit 1
    for source in tests/csrc/test_*_threads.c; do
        build_and_run "$(basename "$source" .c)" portable
    done
    ;;
esac
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
