#!/bin/sh
# Follow the README and docs/tutorial/first-hour.md in a fresh clone: demo, first query, first notebook, a new device, an installation.
# The exit code is 0 if every step works as documented. Needs no root; leaves nothing behind.
set -eu
source=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
pids=""
cleanup() {
    # shellcheck disable=SC2086
    [ -z "$pids" ] || kill -TERM $pids 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$folder"
}
trap cleanup EXIT
step() { printf '\n== %s\n' "$1"; }
fail() { echo "FAILED: $1" >&2; exit 1; }

step "a fresh clone"
git clone -q "$source" "$folder/seduce"
cd "$folder/seduce"

step "make demo"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
url=http://127.0.0.1:$port
make demo ARGS="--days 0.1 --port $port" >"$folder/demo.log" 2>&1 &
pids=$!
waited=0
until grep -qs "live at" "$folder/demo.log"; do
    waited=$((waited + 1))
    [ $waited -lt 600 ] || { cat "$folder/demo.log"; fail "the demo is not live after ten minutes"; }
    kill -0 "$pids" 2>/dev/null || { cat "$folder/demo.log"; fail "the demo ended"; }
    sleep 1
done
curl -sf "$url/" | grep -q "<script" || fail "the page is not served"

step "the first query, and a token for the notebook"
cat >"$folder/ask.py" <<'PYTHON'
import json, re, sys
import httpx

url, log = sys.argv[1:]
text = open(log).read()
email, password = re.search(r"Log in as (\S+) with the password (\S+)", text).groups()
client = httpx.Client(base_url=url, timeout=30)
def ask(query, **variables):
    answer = client.post("/graphql", json={"query": query, "variables": variables}).json()
    assert "errors" not in answer, answer
    return answer["data"]
logged = ask("mutation($e: String!, $p: String!) { logIn(email: $e, password: $p) { __typename } }", e=email, p=password)
assert logged["logIn"]["__typename"] == "LoggedIn", logged
overview = ask("{ overview { consumption { value unit coverage } } }")["overview"]["consumption"]
assert overview["value"] > 0 and overview["coverage"] > 0.5, overview
made = ask('mutation { createToken(name: "newcomer", scopes: [READ, EXPORT], days: 1) { ... on NewToken { secret } } }')
print(made["createToken"]["secret"])
PYTHON
token=$(.venv/bin/python "$folder/ask.py" "$url" "$folder/demo.log") || fail "the first query"

step "the lines of the first notebook, with the Python client"
.venv/bin/pip install -q --disable-pip-version-check ./client 2>/dev/null || .venv/bin/pip install -q --disable-pip-version-check --no-deps --no-build-isolation ./client
SEDUCE_TOKEN=$token .venv/bin/python - "$url" <<'PYTHON' || fail "the client"
import os, sys
from seduce_client import connect

with connect(sys.argv[1], os.environ["SEDUCE_TOKEN"]) as seduce:
    names = [sensor.name for sensor in seduce.sensors()]
assert len(names) > 100, len(names)
PYTHON

step "a site description with a fault, and a device"
cp -r examples/datacenter "$folder/mine"
echo 'nonsense: {' >>"$folder/mine/racks.yaml"
if .venv/bin/seduce check "$folder/mine" 2>"$folder/faults"; then fail "a fault was not reported"; fi
grep -q "racks.yaml" "$folder/faults" || fail "the report does not name the file"
sed -i '$d' "$folder/mine/racks.yaml"
.venv/bin/seduce check "$folder/mine" >/dev/null || fail "the fixed description is refused"
SEDUCE_DESCRIPTION_DIR=$folder/mine .venv/bin/python -m crawlers.snmp --pdu pdu-Z1.10 --list | grep -q Z1.10 || fail "no device is listed"

step "an installation: a wheel in a new virtual environment, one process, a backup while it runs"
python3 -m venv "$folder/installed"
.venv/bin/pip install -q --disable-pip-version-check --require-hashes --no-deps -r requirements/dev.txt
.venv/bin/python -m build --no-isolation --wheel --outdir "$folder/dist" . >/dev/null
"$folder/installed/bin/pip" install -q --disable-pip-version-check --require-hashes --no-deps -r requirements/runtime.txt
"$folder/installed/bin/pip" install -q --disable-pip-version-check --no-deps "$folder"/dist/*.whl
cd "$folder"
cat >"$folder/env" <<SETTINGS
SEDUCE_DESCRIPTION_DIR=$folder/mine
SEDUCE_DATA_DIR=$folder/data
SEDUCE_PORT=0
SETTINGS
export SEDUCE_SETTINGS_FILE=$folder/env
"$folder/installed/bin/seduce" serve >"$folder/serve.log" 2>&1 &
pids="$pids $!"
waited=0
until grep -q "live at" "$folder/serve.log"; do
    waited=$((waited + 1))
    [ $waited -lt 120 ] || { cat "$folder/serve.log"; fail "the installed dashboard is not live"; }
    sleep 1
done
"$folder/installed/bin/seduce" config | grep -q SEDUCE_DATA_DIR || fail "config"
"$folder/installed/bin/seduce" reload --dry-run | grep -q "nothing differs" || fail "reload"
"$folder/installed/bin/seduce" backup "$folder/backup.tar" || fail "backup"
"$folder/installed/bin/seduce" restore --check "$folder/backup.tar" --data "$folder/other" || fail "restore --check"

printf '\nEvery step works as documented.\n'
