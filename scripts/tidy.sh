#!/usr/bin/env bash
# clang-tidy on the core and its bindings, by .clang-tidy: silent and 0 where it finds nothing.
#
# Takes clang-tidy, cmake, ninja, pybind11 and the Python on the PATH. The standard library's threads are built in, since
# Clang does not see the omp.h of GCC.
set -euo pipefail
cd "$(dirname "$0")/.."

build=build/tidy
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_EXPORT_COMPILE_COMMANDS=ON -DBARREN_OPENMP=OFF \
    -DBARREN_BUILD_TESTS=ON -DSKBUILD_PROJECT_VERSION=0 -DPython_EXECUTABLE="$(command -v python)" \
    -Dpybind11_DIR="$(python -m pybind11 --cmakedir)" > /dev/null
git ls-files 'cpp/*.cpp' | grep -v -e neon.cpp |
    xargs -P "$(nproc)" -n 2 clang-tidy --quiet -p "$build" --extra-arg=-Wno-unknown-warning-option
