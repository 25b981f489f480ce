#!/usr/bin/env bash
# What takes too long for every push: a copy of the checkout, a fresh virtual environment, then step after step, each
# whatever became of the others. Fails at the end where one has failed.
#
#   scripts/nightly.sh                          every step, for hours
#   scripts/nightly.sh sanitize-asan ledger     these alone
#   scripts/nightly.sh --list                   their names
#
# What the steps print and make lies in build/nightly afterwards. SEED is that of the fuzzer and of the identities, the day's
# date without one: what is found on some day is repeated by what they say at their end.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly steps=(importing identities sweeps fuzz sanitize-asan sanitize-tsan bounds ledger coverage tidy wheel)

importing() { python benchmarks/run.py --only importing; } # in at most 0.25 s, neither torch nor sympy with it
identities() { # the day's seed and twenty times the examples of a push
    BARREN_EXAMPLES=500 pytest -q -n logical tests/test_identities.py --hypothesis-seed="${SEED:-$(date -u +%Y%m%d)}"
}
sweeps() { python scripts/prove_sweeps.py; }
fuzz() { python scripts/fuzz.py --calls 1000000 --seed "${SEED:-$(date -u +%Y%m%d)}"; }
sanitize-asan() { python scripts/sanitize.py asan -n logical; }
sanitize-tsan() {
    [ -e /usr/lib/llvm-16/lib/libarcher.so ] || install clang-16 libomp-16-dev
    CXX=clang++-16 python scripts/sanitize.py tsan -n logical
}
bounds() { python scripts/check_bounds.py; }
ledger() { # every case; the script fails where the worst error of one is larger than it may be
    local status=0
    python scripts/make_ledger.py || status=$?
    cp scripts/ledger/results.json docs/exactness.md "$results"
    git diff --stat -- scripts/ledger docs # of another machine the digits may be others: shown, no mistake
    return $status
}
coverage() {
    local status=0
    bash scripts/coverage.sh || status=$?
    cp build/coverage/*.txt "$results" || true
    return $status
}
tidy() { bash scripts/tidy.sh; }
wheel() { python scripts/make_wheel.py --out "$results/dist"; }

install() { # install PACKAGE...: of Debian or Ubuntu
    local as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo -n)
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" apt-get install -y -qq "$@"
}
prepare() { # a clone, so that scripts that ask git find it, with the tracked files as they are here; the package and every tool
    git clone -q . "$work/tree"
    git ls-files -z | tar --null --files-from=- --create | tar --extract --directory="$work/tree"
    git -C "$work/tree" add --all
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install -q -c constraints.txt "$work/tree[all,test]" \
        clang-tidy cmake coverage gcovr ninja pybind11
}
header() { printf '\n== %s (%ss)\n' "$1" "$SECONDS"; }

wanted=("$@")
case "${1-}" in
    "") wanted=("${steps[@]}") ;;
    --list) printf '%s\n' "${steps[@]}"; exit ;;
esac
for name in "${wanted[@]}"; do
    [[ " ${steps[*]} " == *" $name "* ]] || { echo "no step $name; there are: ${steps[*]}" >&2; exit 2; }
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
results=$PWD/build/nightly
rm -rf "$results"
mkdir -p "$results"
export CI=true OMP_WAIT_POLICY=passive BARREN_CACHE=$work/cache

header "the package in a fresh environment"
prepare
cd "$work/tree"
export PATH=$work/venv/bin:$PATH

summary=() failed=0
for name in "${wanted[@]}"; do
    header "$name"
    start=$SECONDS
    set +e # a step ends at its first mistake, and the next one begins all the same
    (set -e; "$name") 2>&1 | tee "$results/$name.log"
    status=${PIPESTATUS[0]}
    set -e
    [ "$status" = 0 ] || failed=1
    summary+=("$(printf '%-15s %-6s %6ss' "$name" "$([ "$status" = 0 ] && echo passed || echo FAILED)" $((SECONDS - start)))")
done

header "summary"
printf '%s\n' "${summary[@]}" | tee "$results/summary.txt"
exit $failed
