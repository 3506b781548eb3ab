#!/usr/bin/env bash
# Builds target/javascript/archive-cleaner.wasm. Needs Node.js 20 or later and npm; the rest is installed
# into target/javascript.
set -euo pipefail
cd "$(dirname "$0")"
target=${CARGO_TARGET_DIR:-$PWD/../../target}/javascript
component=$target/archive-cleaner.wasm
mkdir -p "$target"
if [[ -e $component && -z $(find . ../../wit -type f -newer "$component") ]]; then
    exit
fi
if ! cmp -s package-lock.json "$target/installed.json"; then
    cp package.json package-lock.json "$target/"
    npm ci --prefix "$target" --silent --no-audit --no-fund
    cp package-lock.json "$target/installed.json"
fi
# The contract, with what this chore takes of it, as the tool wants to find it.
rm -rf "$target/wit"
mkdir -p "$target/wit/deps"
cp -r ../../wit "$target/wit/deps/chore-peer"
cp wit/*.wit "$target/wit/"
part=$target/archive-cleaner.part
"$target/node_modules/.bin/componentize-js" archive_cleaner.js -w "$target/wit" -n archive-cleaner \
    --disable http fetch-event -o "$part"
mv "$part" "$component"
