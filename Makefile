# The two commands are `make profile` and `make test`; `make help` lists the rest. CMake
# does the building: this file adds what comes before (the Debian packages that are
# missing) and after (running what was built).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
.PHONY: help setup build profile test bench tidy install wheel clean

TARGET ?= cases/
PROFILER ?=
ARGS ?=
PYTHON ?=
PRF_PYTHONS ?=
PREFIX ?= /usr/local
DESTDIR ?=
JOBS ?= $(shell nproc)

# Recipes run under the -e of a shell, so a failed line ends its target.
SYSTEM_PYTHON := $(firstword $(wildcard /usr/bin/python3) python3)
CONFIGURE := $(if $(PRF_PYTHONS),-DPRF_PYTHONS='$(PRF_PYTHONS)') -DCMAKE_INSTALL_PREFIX='$(PREFIX)'
RUN := build/release/bin/pyprofiler-run $(if $(PYTHON),--python '$(PYTHON)')
BENCH_VENV := build/bench-venv

# What is needed, as `package: how to see that it is there`. A check, not dpkg, decides:
# a cmake from elsewhere is as good as Debian's.
define NEEDED_TO_BUILD
build-essential: cc -E -x c -include stdio.h /dev/null
cmake: cmake --version
ninja-build: ninja --version
pkg-config: pkg-config --version
python3-dev: test -n "$(PRF_PYTHONS)" || pkg-config --exists python3-embed
libgit2-dev: pkg-config --exists libgit2
libsqlite3-dev: pkg-config --exists sqlite3
libjansson-dev: pkg-config --exists jansson
libzstd-dev: pkg-config --exists libzstd
libgraphviz-dev: pkg-config --exists libgvc
valgrind: test -x "$$(command -v valgrind)" && cc -E -x c -include valgrind/callgrind.h /dev/null
endef
define NEEDED_TO_TEST
libcmocka-dev: pkg-config --exists cmocka
python3-pytest: $(SYSTEM_PYTHON) -c "import pytest"
python3-venv: $(SYSTEM_PYTHON) -c "import ensurepip"
python3-ipython: $(SYSTEM_PYTHON) -c "import IPython"
git: git --version
graphviz: dot -V
endef
define NEEDED_TO_INSTALL
go-md2man: command -v go-md2man
endef
define NEEDED_TO_WHEEL
python3-venv: $(SYSTEM_PYTHON) -c "import ensurepip"
endef
define NEEDED_TO_TIDY
clang-tidy: clang-tidy --version
endef

# $(call setup,LIST): install what LIST needs and the machine lacks. Nothing is run, and
# no network used, when all is there.
define setup
missing=()
while IFS=: read -r package check; do
    [ -z "$$package" ] || eval "$$check" >/dev/null 2>&1 </dev/null || missing+=("$$package")
done <<'NEEDED'
$(1)
NEEDED
if [ $${#missing[@]} -gt 0 ]; then
    as_root=
    if ! command -v apt-get >/dev/null; then
        echo "make: missing: $${missing[*]} (Debian's names); install them with this system's package manager" >&2
        exit 1
    elif [ "$$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "make: missing: $${missing[*]}; as root: apt-get install $${missing[*]}" >&2
            exit 1
        fi
        as_root="sudo"
    fi
    echo "make: installing $${missing[*]}"
    $$as_root apt-get update -q || true # a source of another program may be down
    $$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$${missing[@]}"
fi
endef

# $(call build,PRESET): configure, with Ninja where a fresh tree can choose, and build.
define build
if command -v ninja >/dev/null && [ ! -e build/$(1)/CMakeCache.txt ]; then
    export CMAKE_GENERATOR=Ninja
fi
cmake --preset $(1) $(CONFIGURE) --log-level=NOTICE
cmake --build --preset $(1) --parallel $(JOBS)
endef

help:
	@cat <<'TEXT'
	make profile   build, profile the cases of this repository, report
	               TARGET=path.py::Class::case  PROFILER=call  ARGS='--top-k 10'  PYTHON=python3.12
	make test      build, run all tests, and those in C once more under sanitizers
	make setup     install the Debian packages that building and testing need
	make build     build into build/release
	make install   PREFIX=/usr/local  DESTDIR=
	make wheel     PYTHON=python3.12  what pip installs, and its sources, into build/dist (the tools come from PyPI)
	make bench     measure ourselves against the other profilers (these come from PyPI)
	make tidy      clang-tidy over our sources
	make clean     remove build/
	PRF_PYTHONS='3.11;3.12'  Pythons to build for; all that are found, when not given
	TEXT

setup:
	@$(call setup,$(NEEDED_TO_BUILD)
	$(NEEDED_TO_TEST))

build:
	@$(call setup,$(NEEDED_TO_BUILD))
	$(call build,release)

profile: build
	@$(RUN) $(TARGET) $(PROFILER) $(ARGS)

test:
	@$(call setup,$(NEEDED_TO_BUILD)
	$(NEEDED_TO_TEST))
	$(call build,dev)
	$(call build,asan)
	rc=0
	ctest --preset dev --parallel $(JOBS) 2>&1 | tee build/dev/test.log || rc=1
	ctest --preset asan --parallel $(JOBS) 2>&1 | tee build/asan/test.log || rc=1
	# Both runs in one line of ctest's form, so that the last line tells it all.
	awk '/tests failed out of/ { for (i = 2; i <= NF; i++) { if ($$i == "tests" && $$(i + 1) == "failed") { failed += $$(i - 1) } } total += $$NF }
	    END { printf "%d%% tests passed, %d tests failed out of %d (dev and asan)\n", total ? 100 * (total - failed) / total : 0, failed, total }' \
	    build/dev/test.log build/asan/test.log
	exit $$rc

bench:
	@$(call setup,$(NEEDED_TO_BUILD)
	$(NEEDED_TO_TEST))
	$(call build,bench)
	mapfile -t pythons < build/bench/pythons.txt
	# The peers in an environment of each Python; the programs come with the first.
	venvs=()
	for python in "$${pythons[@]}"; do
	    venv=$(BENCH_VENV)/$$($$python -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])')
	    [ -x $$venv/bin/python ] || $$python -m venv $$venv
	    $$venv/bin/python -m pip install -q -r tests/bench/peers.txt
	    venvs+=($$PWD/$$venv/bin/python)
	done
	programs=$$($${venvs[0]} -c 'import pyperformance as p; print(p.__path__[0])')/data-files/benchmarks
	rc=0
	$(SYSTEM_PYTHON) tests/bench/bench_process.py --run build/bench/bin/pyprofiler-run "$${pythons[@]}" || rc=1
	$(SYSTEM_PYTHON) tests/bench/bench_import.py "$${pythons[@]}" || rc=1
	$(SYSTEM_PYTHON) tests/bench/bench_stopwatch.py --run build/bench/bin/pyprofiler-run "$${pythons[@]}" || rc=1
	$(SYSTEM_PYTHON) tests/bench/bench_memory_time.py --build build/bench --pyperformance "$$programs" "$${venvs[@]}" || rc=1
	$(SYSTEM_PYTHON) tests/bench/bench_passthrough.py --build build/bench --pyperformance "$$programs" "$${venvs[@]}" || rc=1
	build/bench/bin/bench_store || rc=1
	$(SYSTEM_PYTHON) tests/bench/bench_compare.py --run build/bench/bin/pyprofiler-run "$${pythons[0]}" || rc=1
	$(SYSTEM_PYTHON) tests/bench/bench_checkout.py --program build/bench/bin/checkout || rc=1
	build/bench/bin/bench_search || rc=1
	$(SYSTEM_PYTHON) tests/bench/bench_compare_run.py --run build/bench/bin/pyprofiler-run "$${pythons[0]}" || rc=1
	$(SYSTEM_PYTHON) tests/bench/bench_call.py --build build/bench --pyperformance "$$programs" "$${venvs[@]}" || rc=1
	$(SYSTEM_PYTHON) tests/bench/bench_tracer.py --build build/bench --pyperformance "$$programs" "$${venvs[@]}" || rc=1
	$(SYSTEM_PYTHON) tests/bench/bench_trace_save.py --run build/bench/bin/pyprofiler-run "$${venvs[@]}" || rc=1
	$(SYSTEM_PYTHON) tests/bench/bench_callgraph.py --build build/bench --pyperformance "$$programs" "$${venvs[@]}" || rc=1
	$(SYSTEM_PYTHON) tests/bench/bench_tracemalloc.py --build build/bench --pyperformance "$$programs" "$${venvs[@]}" || rc=1
	$(SYSTEM_PYTHON) tests/bench/bench_line.py --build build/bench --pyperformance "$$programs" "$${venvs[@]}" || rc=1
	$(SYSTEM_PYTHON) tests/bench/bench_sampling.py --build build/bench --pyperformance "$$programs" "$${venvs[@]}" || rc=1
	$(SYSTEM_PYTHON) tests/bench/bench_pieces.py --build build/bench "$${venvs[@]}" || rc=1
	$(SYSTEM_PYTHON) tests/bench/bench_instructions.py --run build/bench/bin/pyprofiler-run "$${venvs[@]}" || rc=1
	$(SYSTEM_PYTHON) tests/bench/bench_memory_line.py --build build/bench --pyperformance "$$programs" "$${venvs[@]}" || rc=1
	exit $$rc

tidy:
	@$(call setup,$(NEEDED_TO_BUILD)
	$(NEEDED_TO_TEST)
	$(NEEDED_TO_TIDY))
	$(call build,dev)
	$(SYSTEM_PYTHON) -c 'import json; print(*sorted({e["file"] for e in json.load(open("build/dev/compile_commands.json"))}), sep="\n")' |
	    xargs -P $(JOBS) -n 4 clang-tidy -p build/dev --quiet

install:
	@$(call setup,$(NEEDED_TO_BUILD)
	$(NEEDED_TO_INSTALL))
	$(call build,release)
	DESTDIR='$(DESTDIR)' cmake --install build/release --strip

# The sources first, then a wheel from them, for one Python.
wheel:
	@$(call setup,$(NEEDED_TO_BUILD)
	$(NEEDED_TO_WHEEL))
	python=$(or $(PYTHON),$(SYSTEM_PYTHON))
	venv=build/wheel-venv-$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
	[ -x $$venv/bin/python ] || $$python -m venv $$venv
	$$venv/bin/python -m pip install -q build
	$$venv/bin/python -m build --outdir build/dist .

clean:
	@rm -rf build
