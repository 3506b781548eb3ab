#!/usr/bin/env bash
# Compiles our own crates so that the fuzzer sees which branches an input takes; all others as ever.
set -euo pipefail
rustc=$1
shift
case " $* " in
*" --crate-name chore_host "* | *" --crate-name chore_proto "* | *" --crate-name chore_fuzz "* | *" --crate-name fuzz "*)
    exec "$rustc" "$@" --cfg fuzzing -Copt-level=1 -Cdebug-assertions=on -Coverflow-checks=on \
        -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
        -Cllvm-args=-sanitizer-coverage-trace-compares
    ;;
esac
exec "$rustc" "$@"
