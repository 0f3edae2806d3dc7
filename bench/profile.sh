#!/bin/sh
# Where the time goes: `bench/profile.sh PID [SECONDS]` writes var/profile.svg (a flame graph) of a running gateway.
# py-spy is no dependency of Penstock: python3 -m pip --python .venv/bin/python install py-spy
# It needs root, or kernel.yama.ptrace_scope=0. Load the gateway meanwhile, for example with wrk and bench/chat.lua.
set -eu
pid=${1:?usage: bench/profile.sh PID [SECONDS]}
cd "$(dirname "$0")/.."
mkdir -p var
exec .venv/bin/py-spy record --pid "$pid" --duration "${2:-15}" --rate 500 --native --output var/profile.svg
