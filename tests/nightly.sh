#!/usr/bin/env bash
# The tests that take long: peers that die again and again, and whatever else has a command for hours.
#
# How long each takes, in its own measure, comes from the environment; the seeds are printed, and
# `CHORE_SEED=...` with the same number of rounds repeats a job's chances.
#
#   CHORE_ROUNDS   power cuts to recover from, and half as many programs that are killed (1000)
#   CHORE_MINUTES  how long the whole may take: what has not begun by then is left out (60)
set -uo pipefail
cd "$(dirname "$0")/.."

rounds=${CHORE_ROUNDS:-1000}
minutes=${CHORE_MINUTES:-60}
logs=${CHORE_LOGS:-target/nightly/$(date -u +%Y%m%dT%H%M%SZ)}
begun=$SECONDS
summary=()
failed=0
mkdir -p "$logs"

# How many seconds are left.
left() { echo $((minutes * 60 - (SECONDS - begun))); }

# job NAME COMMAND...: runs it to its end, but not beyond the time of the whole.
job() {
    local name=$1 log="$logs/$1.log" since=$SECONDS said seconds
    shift
    seconds=$(left)
    if ((seconds < 10)); then
        summary+=("left out  $name: no time is left")
        return
    fi
    printf '\n== %s\n' "$name"
    timeout --kill-after=30 "$seconds" "$@" >"$log" 2>&1
    local code=$?
    # Seeds, what was done, and what went wrong.
    said=$(grep -E 'CHORE_SEED=|settled of|panicked at' "$log" | tail -n 4)
    echo "$said"
    case $code in
        0) summary+=("passed    $name: $((SECONDS - since)) s") ;;
        124 | 137) summary+=("cut off   $name: after $((SECONDS - since)) s, nothing was found wrong") ;;
        *)
            summary+=("FAILED    $name: $((SECONDS - since)) s, see $log")
            failed=1
            ;;
    esac
    [[ -z $said ]] || summary+=("$(sed 's/^/            /' <<<"$said")")
}

# job NAME FILTER...: tests of the program of all integration tests.
tests() {
    local name=$1
    shift
    job "$name" cargo test --workspace --locked --test all -- --nocapture "$@"
}

power_cuts() { CHORE_ROUNDS=$rounds tests power-cuts crash::a_power_cut; }
kills() { CHORE_ROUNDS=$(((rounds + 1) / 2)) tests kills crash::programs; }
faults() { tests faults bad_satellites:: broken_disk:: closing::; }

# Hostile guests that take their time: each alone at the end of a peer, and an `open` of a minute.
zoo() { tests zoo zoo:: --ignored; }

# Each target for its share of what is left.
fuzz() {
    local targets=(fuzz/corpora/*) at_once
    at_once=$(nproc)
    job fuzz fuzz/run.sh $((($(left) - 120) * at_once / (${#targets[@]} + at_once - 1)))
}

# All, or those that are named.
for name in "${@:-power_cuts kills faults zoo fuzz}"; do
    for job in $name; do "$job"; done
done

printf '\n== summary\n'
printf '%s\n' "${summary[@]}"
exit "$failed"
