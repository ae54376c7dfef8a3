"""Builds the extension module. The metadata is in pyproject.toml.

Switches, taken from the environment:

CTHREADING_PARK      futex or pthread: how threads sleep (default: futex on Linux, pthread elsewhere)
CTHREADING_SANITIZE  a list for -fsanitize=, such as address,undefined
CTHREADING_DEBUG     1: assertions, debug information, no optimization
CTHREADING_WERROR    1: compiler warnings are errors
CTHREADING_DELAYS    1: threads pause at random where others may come between, for tests
CTHREADING_COVERAGE  1: count which lines run, for gcov
"""

import os
import platform
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup

BACKENDS = {"futex": "PARK_BACKEND_FUTEX", "pthread": "PARK_BACKEND_PTHREAD"}

macros: list[tuple[str, str | None]] = []
compile_args = ["-std=c11", "-Wall", "-Wextra", "-Wno-missing-field-initializers", "-fvisibility=hidden"]
link_args = ["-pthread"]
extra_sources: list[str] = []

# glibc allocates the thread-local data of a shared object when a thread first uses it, and ends the process if there is
# no memory. For those that want little, and at once, there is some room in each thread.
if sys.platform == "linux" and platform.libc_ver()[0] == "glibc":
    compile_args.append("-ftls-model=initial-exec")

backend = os.environ.get("CTHREADING_PARK", "")
if backend:
    if backend not in BACKENDS:
        raise SystemExit(f"CTHREADING_PARK is {backend!r}; it can be {' or '.join(BACKENDS)}")
    macros.append((BACKENDS[backend], "1"))

# src/park does not include Python.h, which would tell.
if sysconfig.get_config_var("Py_GIL_DISABLED"):
    macros.append(("PARK_FREE_THREADED", "1"))

if os.environ.get("CTHREADING_DELAYS") == "1":
    macros.append(("CTHREADING_DELAYS", "1"))

if os.environ.get("CTHREADING_DEBUG") == "1":
    compile_args += ["-O0", "-g3", "-UNDEBUG"]
else:
    compile_args += ["-O3", "-fno-semantic-interposition"]

sanitizers = os.environ.get("CTHREADING_SANITIZE", "")
if sanitizers:
    compile_args += [f"-fsanitize={sanitizers}", "-fno-omit-frame-pointer", "-g"]
    link_args += [f"-fsanitize={sanitizers}"]

if os.environ.get("CTHREADING_COVERAGE") == "1":
    compile_args += ["--coverage", "-O0", "-fprofile-update=atomic"]
    link_args += ["--coverage"]
    extra_sources.append("tests/coverage_flush.c")

if os.environ.get("CTHREADING_WERROR") == "1":
    compile_args += ["-Werror"]

source = Path("src")

# What is built with other switches is kept apart: setuptools would take it for up to date.
switches = {name: os.environ.get(f"CTHREADING_{name}") for name in ("PARK", "SANITIZE", "DEBUG", "DELAYS", "COVERAGE")}
build_folder = Path("build", *(f"{name.lower()}-{value}" for name, value in switches.items() if value))

setup(
    options={"build": {"build_base": str(build_folder)}},
    ext_modules=[
        Extension(
            "cthreading._core",
            sources=sorted(str(path) for path in source.rglob("*.c")) + extra_sources,
            depends=sorted(str(path) for path in source.rglob("*.h")),
            include_dirs=[str(source)],
            define_macros=macros,
            extra_compile_args=compile_args,
            extra_link_args=link_args,
        )
    ],
)
