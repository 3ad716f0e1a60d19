#!/bin/sh
# Fuzzes the plain routes of a server that runs, by its own OpenAPI document: scripts/fuzz_api.sh [URL] [SECONDS].
# Pushes are part of it: give it a demo, not a server whose readings you care for. What needs rights is reached with a
# token in SEDUCE_TOKEN.
set -eu
url=${1:-http://127.0.0.1:8081}
checks=not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,response_headers_conformance
exec "$(dirname "$0")/../.venv/bin/schemathesis" run "$url/openapi.json" --checks "$checks" --max-examples 100000 \
    --max-time "${2:-600}" --continue-on-failure ${SEDUCE_TOKEN:+-H "Authorization: Bearer $SEDUCE_TOKEN"}
