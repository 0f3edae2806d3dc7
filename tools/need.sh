#!/bin/sh
# Makes sure that programs are there: installs their Debian packages as root, names the packages otherwise.
set -eu

missing=""
for program in "$@"; do
    [ "$program" = taskset ] && package=util-linux || package="$program"
    command -v "$program" >/dev/null 2>&1 || [ -x "/usr/sbin/$program" ] || missing="$missing $package"
done
[ -z "$missing" ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing$missing"
    apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    echo "missing:$missing. Install them with your system's package manager (Debian: apt-get install$missing)." >&2
    exit 1
fi
