#!/bin/sh
# Installs the Vercel AI SDK beside this file, as its lock says. Without node it says so, and its tests are skipped.
set -eu
cd "$(dirname "$0")"
if ! command -v node >/dev/null 2>&1 || ! command -v npm >/dev/null 2>&1; then
    echo "The Vercel AI SDK needs node and npm, which are not here; its tests are skipped (Debian: apt-get install npm)"
elif [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
    npm ci --no-audit --no-fund --loglevel=error
    touch node_modules/.package-lock.json
fi
