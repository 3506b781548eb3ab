#!/usr/bin/env bash
# Installs what drives the browser into target/panel. Needs Node.js 20 or later and npm.
set -euo pipefail
cd "$(dirname "$0")"
target=${CARGO_TARGET_DIR:-$PWD/../../target}/panel
mkdir -p "$target"
if ! cmp -s package-lock.json "$target/installed.json"; then
    cp package.json package-lock.json "$target/"
    npm ci --prefix "$target" --silent --no-audit --no-fund
    cp package-lock.json "$target/installed.json"
fi
