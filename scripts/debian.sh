#!/bin/sh
# Makes sure Debian packages are there: scripts/debian.sh COMMAND:PACKAGE ...
#
# What is missing is installed through apt where that is allowed (root, or sudo without a password). Else it is named, with
# what to type, and the script still succeeds: whatever needs it is skipped with that reason. With CI set, that is a failure.
set -eu
PATH="$PATH:/usr/sbin:/sbin" # where servers stand; not everybody's PATH has it

missing=""
for pair in "$@"; do
    command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair#*:}"
done
[ -n "$missing" ] || exit 0

give_up() {
    echo "Missing:$missing ($1)." >&2
    echo "To have it: apt-get install$missing" >&2
    [ -z "${CI:-}" ] || exit 1
    exit 0
}

command -v apt-get >/dev/null 2>&1 || give_up "and this system has no apt-get"
if [ "$(id -u)" = 0 ]; then
    sudo=""
elif sudo -n true 2>/dev/null; then
    sudo="sudo"
else
    give_up "and installing it needs root"
fi

echo "Installing:$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# A server that starts by itself after its installation is not ours to leave running.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | $sudo tee $policy >/dev/null && $sudo chmod +x $policy
    trap 'rm -f "$log"; $sudo rm -f '$policy EXIT
fi
# shellcheck disable=SC2086
if ! { $sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    give_up "apt-get failed"
fi
