#!/bin/sh
# Known faults in what is installed: pip-audit and npm audit. Where their services cannot be reached, that is said and the check goes on;
# bandit's rules are part of ruff (the list S in pyproject.toml).
set -u
cd "$(dirname "$0")/.."
# Neither is given longer than this: a check must end where a network swallows what it is sent.
limit=60
failed=0

# $1: who looks; $2: what its output says when it could not look; the rest: the command. A finding fails, silence of the network does not.
look() {
    who=$1 away=$2
    shift 2
    if said=$(timeout "$limit" "$@" 2>&1); then
        echo "$who: nothing found"
    elif [ $? -eq 124 ] || printf '%s' "$said" | grep -Eqi "$away"; then
        echo "$who: NOT LOOKED, its service cannot be reached from here:"
        printf '%s\n' "$said" | grep -Ei "$away" | tail -n 1 | cut -c 1-200
    else
        printf '%s\n' "$said"
        failed=1
    fi
}

look pip-audit 'ConnectionError|ServiceError|Max retries|HTTPError|Name or service|timed out|Connection refused|Traceback' \
    .venv/bin/python -m pip_audit --progress-spinner off --disable-pip --require-hashes -r requirements/runtime.txt
look 'npm audit' 'ENOTFOUND|ECONNREFUSED|ETIMEDOUT|ECONNRESET|EAI_AGAIN|endpoint returned an error|NOT_IMPLEMENTED|E40[0-9]|E50[0-9]|audit endpoint' \
    scripts/npm.sh audit --omit=dev
exit "$failed"
