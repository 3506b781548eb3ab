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

step "chores, built for wasm"
cargo build --profile chore --target wasm32-wasip2 --locked -p order-sender

step "tests"
cargo test --workspace --locked
