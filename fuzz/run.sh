#!/usr/bin/env bash
# Throws inputs at what reads strangers' bytes, and looks for those that take new branches:
#
#   fuzz/run.sh              a minute for each target
#   fuzz/run.sh 3600 config  an hour for one
#
# What breaks a target is kept in target/fuzz/TARGET, with the command that repeats it. Once it is mended, it goes
# into fuzz/corpora/TARGET, which every run of the tests feeds.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
shift || true
targets=("$@")
if [[ ${#targets[@]} -eq 0 ]]; then
    targets=(fuzz/corpora/*)
    targets=("${targets[@]##*/}")
fi

# As a test of the whole workspace, so that whatever is not our own is compiled for all tests once.
mkdir -p target/fuzz
RUSTC_WORKSPACE_WRAPPER=$PWD/fuzz/instrument.sh \
    cargo test --workspace --locked --no-run --test fuzz --message-format=json-render-diagnostics >target/fuzz/built
cp "$(sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' target/fuzz/built | tail -n 1)" target/fuzz/fuzz

# Long inputs are slow, and say no more than short ones.
longest() { case $1 in package) echo 262144 ;; config | descriptor) echo 16384 ;; *) echo 4096 ;; esac }

one() {
    local target=$1 folder=target/fuzz/$1
    mkdir -p "$folder/corpus"
    local arguments=(-max_total_time="$seconds" -max_len="$(longest "$target")" -timeout=30 -rss_limit_mb=4096
        -artifact_prefix="$folder/" -print_final_stats=1)
    [[ -e fuzz/dictionaries/$target ]] && arguments+=(-dict="fuzz/dictionaries/$target")
    if FUZZ_TARGET=$target target/fuzz/fuzz "${arguments[@]}" "$folder/corpus" "fuzz/corpora/$target" \
        >"$folder/log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$folder/log")
        echo "$target: ${runs:-?} inputs in ${seconds}s, nothing broke it"
    else
        tail -n 40 "$folder/log"
        echo "$target: broken; repeat it with FUZZ_TARGET=$target target/fuzz/fuzz FILE, one of:" "$folder"/*-*
        return 1
    fi
}
export -f one longest
export seconds

# As many at once as there are processors.
printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -I{} bash -c 'one {}'
