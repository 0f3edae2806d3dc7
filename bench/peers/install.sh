#!/bin/sh
# Installs the gateways to compare with, each into an environment of its own under .peers/: `bench/peers/install.sh`.
# What cannot be installed is named and left out. LITELLM_VERSION and PORTKEY_VERSION choose other versions.
set -eu
cd "$(dirname "$0")/../.."
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
litellm=${LITELLM_VERSION:-1.106.2}
portkey=${PORTKEY_VERSION:-1.15.2}
python=${PYTHON:-python3}
mkdir -p .peers

install_litellm() {
    [ "$(cat .peers/litellm/version 2>/dev/null)" = "$litellm" ] && return
    rm -rf .peers/litellm
    if "$python" -m pip --version >/dev/null 2>&1; then
        "$python" -m venv --without-pip .peers/litellm
        "$python" -m pip --python .peers/litellm/bin/python install --quiet "litellm[proxy]==$litellm"
    else
        "$python" -m venv .peers/litellm
        .peers/litellm/bin/python -m pip install --quiet "litellm[proxy]==$litellm"
    fi && echo "$litellm" >.peers/litellm/version
}

install_portkey() {
    [ "$(cat .peers/portkey/version 2>/dev/null)" = "$portkey" ] && return
    rm -rf .peers/portkey
    mkdir -p .peers/portkey
    # With a later @hono/node-server every stream is a 500: github.com/Portkey-AI/gateway/issues/1389, read 2026-11-21.
    printf '{"dependencies": {"@portkey-ai/gateway": "%s"}, "overrides": {"@hono/node-server": "1.14.1"}}\n' "$portkey" \
        >.peers/portkey/package.json
    npm install --prefix .peers/portkey --no-audit --no-fund --loglevel=error && echo "$portkey" >.peers/portkey/version
}

if (install_litellm) >.peers/litellm.log 2>&1; then
    echo "LiteLLM $litellm is installed"
else
    echo "LiteLLM $litellm cannot be installed here; it is left out. What pip said last:"
    tail -n 5 .peers/litellm.log | cut -c 1-300
fi

if ! command -v node >/dev/null 2>&1 || ! command -v npm >/dev/null 2>&1; then
    echo "Portkey needs node and npm, which are not here; it is left out (Debian: apt-get install npm)"
elif (install_portkey) >.peers/portkey.log 2>&1; then
    echo "Portkey $portkey is installed, on node $(node --version)"
else
    echo "Portkey $portkey cannot be installed here; it is left out. What npm said last:"
    tail -n 5 .peers/portkey.log | cut -c 1-300
fi
