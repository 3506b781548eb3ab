#!/usr/bin/env bash
# Builds target/python/order-report.wasm. Needs Python 3.10 or later and its venv; the rest is installed
# into target/python.
set -euo pipefail
cd "$(dirname "$0")"
target=${CARGO_TARGET_DIR:-$PWD/../../target}/python
component=$target/order-report.wasm
mkdir -p "$target"
if [[ -e $component && -z $(find . ../../wit -type f -not -path '*/__pycache__/*' -newer "$component") ]]; then
    exit
fi
if ! cmp -s requirements.txt "$target/requirements.txt"; then
    python3 -m venv --clear "$target/venv"
    "$target/venv/bin/pip" install --quiet --disable-pip-version-check -r requirements.txt
    cp requirements.txt "$target/requirements.txt"
fi
# The contract, with what this chore takes of it, as the tool wants to find it.
rm -rf "$target/wit"
mkdir -p "$target/wit/deps"
cp -r ../../wit "$target/wit/deps/chore-peer"
cp wit/*.wit "$target/wit/"
part=$target/order-report.part
site=$("$target/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
"$target/venv/bin/componentize-py" --quiet -d "$target/wit" -w order-report \
    componentize -p . -p "$site" order_report -o "$part"
mv "$part" "$component"
