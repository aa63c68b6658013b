"""``make fuzz``: libFuzzer (by atheris) on every target, each in a process of its own.

    python tests/fuzz/run.py [--seconds 60] [--keep] [NAME ...]

The seconds are shared by the targets. libFuzzer changes inputs by what new code they reach in the
pure-Python implementation and in what native and pure share; the native one must agree. Inputs
gather in build/fuzz/inputs, from run to run; what breaks the contract is told, and stands in
build/fuzz/findings. ``--keep`` copies one short input for each thing that may become of one to
tests/fuzz/corpus, which the test-suite runs.
"""

import argparse
import hashlib
import pathlib
import random
import subprocess
import sys
import types

ROOT = pathlib.Path(__file__).parent.parent.parent
CORPUS = ROOT / "tests/fuzz/corpus"
INPUTS, FINDINGS = ROOT / "build/fuzz/inputs", ROOT / "build/fuzz/findings"
NOISE = ("#", "INFO", "WARNING", "stat::")  # of libFuzzer's lines
LONGEST = 2048  # bytes of a kept input

if "tests" not in sys.modules:  # ours, even if an installed package calls itself so
    sys.modules["tests"] = types.ModuleType("tests")
    sys.modules["tests"].__path__ = [str(ROOT / "tests")]
    sys.path.insert(0, str(ROOT))


def fuzz(name, options):
    """Fuzz one target in this process, which libFuzzer ends."""
    import atheris

    with atheris.instrument_imports(include=["fastblocks"]):
        import fastblocks.pure  # noqa: F401
        from tests.fuzz.targets import targets

    target = targets()[name]
    own = INPUTS / name
    own.mkdir(parents=True, exist_ok=True)
    FINDINGS.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds:
        (own / hashlib.sha1(seed).hexdigest()).write_bytes(seed)

    def check(data):
        target.check(data)

    def mutate(data, size, seed):
        rng = random.Random(seed)
        changed = target.mutate(data, rng, lambda part, _: atheris.Mutate(part, max(len(part), 64)))
        return changed[:size]

    kept = [str(CORPUS / name)] if (CORPUS / name).is_dir() else []
    longest = max(map(len, target.seeds)) * 2 + 64
    options = [
        f"-artifact_prefix={FINDINGS}/{name}-",
        f"-max_len={longest}",
        "-timeout=30",
        *options,
    ]
    atheris.Setup([sys.argv[0], *options, str(own), *kept], check, custom_mutator=mutate)
    atheris.Fuzz()


def keep(names):
    """Replace the kept corpus by one short input for each thing that may become of one."""
    from tests.fuzz.targets import targets

    for name in names:
        chosen = {}
        inputs = {
            path.read_bytes() for place in (INPUTS, CORPUS) for path in (place / name).glob("*")
        }
        for data in sorted(inputs, key=lambda data: (len(data), data)):
            if len(data) <= LONGEST:
                chosen.setdefault(targets()[name].check(data), data)
        (CORPUS / name).mkdir(parents=True, exist_ok=True)
        for path in (CORPUS / name).glob("*"):
            path.unlink()
        for data in chosen.values():
            (CORPUS / name / hashlib.sha1(data).hexdigest()[:12]).write_bytes(data)


def main():
    parser = argparse.ArgumentParser(description="Fuzz everything that reads bytes or text.")
    parser.add_argument("--seconds", type=int, default=60, help="in all (default: 60)")
    parser.add_argument("--keep", action="store_true", help="renew tests/fuzz/corpus; fuzz nothing")
    parser.add_argument("--one", metavar="SECONDS", type=int, help=argparse.SUPPRESS)
    parser.add_argument("names", nargs="*", metavar="NAME", help="targets; all if not given")
    options = parser.parse_args()
    if options.one is not None:
        fuzz(options.names[0], [f"-max_total_time={options.one}", "-print_final_stats=1"])
    from tests.fuzz.targets import targets

    names = options.names or list(targets())
    for name in names:
        if name not in targets():
            parser.error(f"NAME must be one of {', '.join(targets())}, not {name}")
    if options.keep:
        keep(names)
        return 0
    failed = []
    for name in names:
        seconds = max(options.seconds // len(names), 1)
        command = [sys.executable, __file__, "--one", str(seconds), name]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 100)
            code, output = done.returncode, done.stdout + done.stderr
        except subprocess.TimeoutExpired as error:
            code, output = -1, f"did not end\n{error.stderr!r}"
        runs = [
            line.split()[-1] for line in output.splitlines() if "number_of_executed_units" in line
        ]
        print("FAIL " if code else "ok   ", name, *(f"{n} inputs" for n in runs), flush=True)
        if code:
            failed.append(name)
            told = [line for line in output.splitlines() if not line.startswith(NOISE)]
            print(*told[-60:], sep="\n")
    print(f"{len(names) - len(failed)} passed, {len(failed)} failed", *failed)
    return int(bool(failed))


if __name__ == "__main__":
    raise SystemExit(main())
