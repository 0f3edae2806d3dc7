#!/bin/sh
# Installs one set of requirements: `tools/install.sh base|dev|uv` into .venv, and each of
# `conformance|instructor|litellm` into an environment of its own, such as .venv-conformance.
# Works where Debian leaves out ensurepip (the system's pip installs into the environment) and where there is no
# system pip (the environment brings its own). Registry settings are the caller's: pip.conf or PIP_* variables.
set -eu
cd "$(dirname "$0")/.."
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

new_enough() {
    command -v "$1" >/dev/null 2>&1 && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

python=""
for candidate in "${PYTHON:-python3}" python3.13 python3.12 python3.11 python3; do
    if new_enough "$candidate"; then
        python="$candidate"
        break
    fi
done
if [ -z "$python" ]; then
    echo "Penstock needs Python 3.11 or newer; '${PYTHON:-python3}' is not. Install one, or name it: make PYTHON=/path/to/python3.11" >&2
    exit 1
fi

venv=.venv
case "${1:-}" in conformance | instructor | litellm) venv=".venv-$1" ;; esac

if "$python" -m pip --version >/dev/null 2>&1; then
    [ -x "$venv/bin/python" ] || "$python" -m venv --without-pip "$venv"
    pip() { "$python" -m pip --python "$venv/bin/python" "$@"; }
elif "$python" -c 'import ensurepip' 2>/dev/null; then
    [ -x "$venv/bin/pip" ] || "$python" -m venv "$venv"
    pip() { "$venv/bin/python" -m pip "$@"; }
else
    echo "$python has neither pip nor ensurepip. On Debian: apt-get install python3-pip" >&2
    exit 1
fi

case "${1:-}" in
base)
    pip install --quiet --require-hashes -r requirements/base.txt -r requirements/build.txt
    pip install --quiet --no-deps --no-build-isolation -e .
    ;;
dev) pip install --quiet --require-hashes -r requirements/dev.txt ;;
conformance | instructor | litellm) pip install --quiet --require-hashes -r "requirements/$1.txt" ;;
uv) pip install --quiet uv ;;
*)
    echo "usage: tools/install.sh base|dev|conformance|instructor|litellm|uv" >&2
    exit 2
    ;;
esac
