#!/usr/bin/env bash
# Everything that must hold: formatting, lints, structure, unit, integration and documentation tests.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; }

step "wasm target"
rustup target add wasm32-wasip2

step "formatting"
cargo fmt --all --check

step "lints, warnings as errors"
cargo clippy --workspace --all-targets --locked -- -D warnings

# What only exists for wasm is linted there. By name, because the host does not build for it.
guests=()
for manifest in chores/*/Cargo.toml tests/guests/*/Cargo.toml; do
    guests+=(-p "$(sed -n 's/^name = "\(.*\)"/\1/p' "$manifest" | head -n 1)")
done
cargo clippy --target wasm32-wasip2 --locked -p chore-sdk "${guests[@]}" -- -D warnings

step "chores and guests, built for wasm"
cargo build --profile chore --target wasm32-wasip2 --locked "${guests[@]}"

step "the program"
cargo build --locked -p chore-host --bin chore

step "chores in other languages"
missing=()
python3 -c 'import ensurepip, venv' || missing+=(python3-venv)
node --version && npm --version || missing+=(nodejs npm)
# What the panel is tested in.
chromium --version || missing+=(chromium)
if [[ ${#missing[@]} -gt 0 ]]; then
    apt-get update && apt-get install --yes "${missing[@]}"
fi
for manifest in chores/*/pyproject.toml; do
    folder=$(dirname "$manifest")
    (cd "$folder" && python3 -m unittest)
    CARGO_TARGET_DIR=$PWD/target target/debug/chore build "$folder"
done
for manifest in chores/*/package.json; do
    folder=$(dirname "$manifest")
    (cd "$folder" && node --test)
    "$folder/build.sh"
done

step "tests: structure, unit, integration, documentation"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
cargo test --workspace --locked 2>&1 | tee "$log"
awk '/^test result:/ { passed += $4; failed += $6 } END { print passed " passed, " failed " failed" }' "$log"

step "fuzzing, a minute for each target"
fuzz/run.sh 60
