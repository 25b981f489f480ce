#!/usr/bin/env bash
# Which lines the tests run: of the package by coverage.py, children of tests included; of the core by gcov, from its own
# tests under every instruction set of this machine and from the tests in Python, with a build of its own.
#
#   scripts/coverage.sh [arguments of pytest]     without any: the whole suite, by as many processes as there are cores
#
# Takes the Python on the PATH, which must have the package's dependencies (".[all,test]"), cmake, coverage, gcovr, ninja and
# pybind11; the installed barren is not used. Reports are build/coverage/python.txt and cpp.txt, where a line of a
# template counts once, whatever it is compiled for; cpp-instances.txt has it once for each. Fails where a test fails, or
# below 95 % of lines in Python, or 90 % in C++.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly least_python=95 least_cpp=90
out=$PWD/build/coverage
rm -rf "$out"
mkdir -p "$out/package"

cmake -S . -B "$out/core" -G Ninja -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS="--coverage -O1" -DBARREN_BUILD_TESTS=ON \
    -DSKBUILD_PROJECT_VERSION="$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)" \
    -DPython_EXECUTABLE="$(command -v python)" -Dpybind11_DIR="$(python -m pybind11 --cmakedir)" > "$out/cmake.log"
cmake --build "$out/core" > "$out/build.log" || { cat "$out/build.log"; exit 1; }
# The package as it lies here, by links, with the extension of this build.
cp -rs "$PWD/python/barren" "$out/package/"
rm -f "$out"/package/barren/_core*.so
cp "$out"/core/_core*.so "$out/package/barren/"
export PYTHONPATH=$out/package COVERAGE_FILE=$out/data OMP_WAIT_POLICY=passive BARREN_CACHE=$out/cache

for kernel in $(python -c 'from barren import _core; print(*_core.available_kernels())'); do
    BARREN_KERNEL=$kernel "$out/core/core_tests"
done
[ $# -gt 0 ] || set -- -n logical
passed=0
python -m coverage run -m pytest -p no:cacheprovider "$@" || passed=$?

python -m coverage combine -q
report() { # report NAME COMMAND...: the table as a file, its last line, and whether the share suffices
    local name=$1 status=0
    shift
    "$@" > "$out/$name.txt" 2> "$out/$name.log" || status=$?
    printf '%s: %s\n' "$name" "$(grep '^TOTAL' "$out/$name.txt")"
    return $status
}
low=0
report python python -m coverage report --show-missing --sort=cover --fail-under=$least_python || low=1
gcovr=(python -m gcovr --root . --filter cpp/ "$out/core" --sort uncovered-percent
    --gcov-ignore-parse-errors=negative_hits.warn_once_per_file     # counts that threads raised at once
    --gcov-ignore-parse-errors=suspicious_hits.warn_once_per_file)
report cpp "${gcovr[@]}" --merge-lines --fail-under-line $least_cpp || low=1
report cpp-instances "${gcovr[@]}" || low=1
[ "$low" = 0 ] || echo "below $least_python % (Python) or $least_cpp % (C++): see build/coverage/*.txt" >&2
exit $((passed != 0 ? passed : low))
