"""One InfluxDB server, through influxdb-client. Everything here blocks: call it from a thread.

Lines go to /api/v2/write, which servers have from 1.8 on, and to /write before. Queries are InfluxQL over /query,
which 1.x and 2.x answer alike; values in them are bound parameters.
"""

from __future__ import annotations

import gzip
import json
import re
import threading
import time
from collections.abc import Sequence
from typing import Any, Final

import orjson
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.domain.bucket_retention_rules import BucketRetentionRules
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError, NewConnectionError, TimeoutError

from backend.core.errors import PermanentError, SeduceError, TransientError
from backend.store.influxdb.address import Address
from backend.store.influxdb.influxql import Statement, identifier

LINES_PER_REQUEST: Final = 5_000

_DELAYS_S: Final = (0.1, 0.4)
"""Waits before the second and the third try. The caller retries what fails after that."""

_CONNECT_S: Final = 5.0
_WITNESS: Final = "; SHOW DATABASES"
_WITNESS_SEEN: Final = b"name,tags,name\ndatabases,"
_TRANSIENT = re.compile(r"timeout|interrupted|shutting down|closed|unavailable|max-concurrent", re.IGNORECASE)


class Server:
    """The database that `address` names, created if it does not exist. Methods connect on first use."""

    def __init__(self, address: Address, *, timeout_s: float) -> None:
        self.address = address
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._client: Any = None
        self._write_api: Any = None

    def connect(self) -> None:
        with self._lock:
            if self._client is None:
                client = self._new_client()
                try:
                    version = self._version(client)
                    self._make_database(client, version)
                except BaseException:
                    client.close()
                    raise
                # Servers before 1.8 know /write only.
                self._write_api = client.write_api(write_options=SYNCHRONOUS) if version >= (1, 8) else None
                self._client = client

    def close(self) -> None:
        with self._lock:
            if self._client is not None:
                self._client.close()
            self._client = self._write_api = None

    def write(self, lines: Sequence[str], precision: str) -> None:
        """Write lines with times in `precision` (s, ns), some thousand per request.

        A later request may fail after earlier ones succeeded.
        """
        self.connect()
        for at in range(0, len(lines), LINES_PER_REQUEST):
            self._write("\n".join(lines[at : at + LINES_PER_REQUEST]).encode(), precision)

    def read(self, statement: Statement) -> bytes:
        """Return the CSV rows of one SELECT or SHOW, times in ns; b"" if there are none."""
        self.connect()
        text = self._query(self._client, (statement[0] + _WITNESS, statement[1]), "application/csv")
        # In CSV an error is an empty answer, or one that ends early. Then the statement after it has not run.
        rows, _, witness = text.rpartition(b"\n\n")
        if not witness.startswith(_WITNESS_SEEN):
            self.run(statement)
            raise TransientError(f"{self._label} ended the answer to a query early")
        return rows + b"\n" if rows else b""

    def run(self, statement: Statement) -> list[Any]:
        """Run statements and return their results from JSON. Raise the error that the server reports for any of them."""
        self.connect()
        return self._results(self._client, statement)

    # -- inside ----------------------------------------------------------------------------------------------------

    @property
    def _label(self) -> str:
        return f"InfluxDB at {self.address.base}"

    def _new_client(self) -> Any:
        make: Any = InfluxDBClient
        address, basic = self.address, self.address.user is not None and self.address.token is None
        return make(
            address.base,
            token=f"{address.user}:{address.password or ''}" if basic else address.token or "",
            auth_basic=basic,
            org=address.org or "-",  # 1.8 requires the parameter and ignores it
            enable_gzip=True,
            timeout=(round(_CONNECT_S * 1e3), round(self._timeout_s * 1e3)),
        )

    def _version(self, client: Any) -> tuple[int, int]:
        """Return major and minor version of the server.

        (2, 0) for a build without a number that has the set-up route of 2.x, else (1, 0).
        """
        response = self._call(client, "/ping", "GET")
        version = re.match(r"v?(\d+)\.(\d+)", response.headers.get("X-Influxdb-Version", ""))
        if version:
            return int(version[1]), int(version[2])
        if "X-Influxdb-Version" not in response.headers:
            raise PermanentError(f"{self.address.base} is not an InfluxDB server")
        try:
            self._call(client, "/api/v2/setup", "GET")
        except PermanentError:
            return 1, 0
        return 2, 0

    def _make_database(self, client: Any, version: tuple[int, int]) -> None:
        name, org = self.address.database, self.address.org
        if version >= (2, 0) and (not org or not self.address.token):
            raise PermanentError(f"{self._label} is version 2 or later: its URL needs org=... and token=...")
        databases = self._results(client, ("SHOW DATABASES", {}))[0].get("series", [{}])[0].get("values", [])
        if [name] in databases:
            return
        if version < (2, 0):
            self._results(client, (f"CREATE DATABASE {identifier(name)}", {}))
            return
        rules: Any = BucketRetentionRules
        forever = rules(type="expire", every_seconds=0)
        self._retry(
            lambda: client.buckets_api().create_bucket(bucket_name=name, org=org, retention_rules=forever)
        )

    def _write(self, body: bytes, precision: str) -> None:
        address = self.address
        if self._write_api is not None:
            write = self._write_api.write
            self._retry(lambda: write(address.database, address.org or "-", body, write_precision=precision))
            return
        self._call(
            self._client,
            "/write",
            "POST",
            query_params=[("db", address.database), ("precision", precision)],
            header_params={"Content-Type": "text/plain; charset=utf-8", "Content-Encoding": "gzip"},
            body=gzip.compress(body, 1),
        )

    def _results(self, client: Any, statement: Statement) -> list[Any]:
        results: list[Any] = orjson.loads(self._query(client, statement, "application/json")).get(
            "results", []
        )
        for result in results:
            if "error" in result:
                kind = TransientError if _TRANSIENT.search(result["error"]) else PermanentError
                raise kind(f"{self._label} refused a query: {result['error']}")
        return results

    def _query(self, client: Any, statement: Statement, accept: str) -> bytes:
        form = {
            "db": self.address.database,
            "q": statement[0],
            "params": json.dumps(statement[1]),
            "epoch": "ns",
        }
        header = {"Content-Type": "application/x-www-form-urlencoded", "Accept": accept}
        response = self._call(client, "/query", "POST", post_params=form, header_params=header)
        body: bytes = response.data
        return body

    def _call(self, client: Any, path: str, method: str, **what: Any) -> Any:
        def call() -> Any:
            response = client.api_client.call_api(
                path, method, _preload_content=False, _return_http_data_only=True, **what
            )
            response.data  # noqa: B018 (reads to the end, so that a broken answer is an error of this call)
            return response

        return self._retry(call)

    def _retry(self, call: Any) -> Any:
        for delay in (*_DELAYS_S, None):
            try:
                return call()
            except (ApiException, HTTPError, OSError) as error:
                translated = self._translate_error(error)
                # A server that refuses connections, or times out, will not answer half a second later.
                is_final = isinstance(translated, PermanentError) or isinstance(
                    error, NewConnectionError | TimeoutError
                )
                if is_final or delay is None:
                    raise translated from error
            time.sleep(delay)
        raise AssertionError("unreachable")

    def _translate_error(self, error: Exception) -> SeduceError:
        if not isinstance(error, ApiException) or not error.status:
            return TransientError(f"{self._label} cannot be reached: {error}")
        kind = TransientError if error.status in (408, 429) or error.status >= 500 else PermanentError
        return kind(f"{self._label} answered {error.status}: {_error_text(error)}")


def _error_text(error: ApiException) -> str:
    """Return the server's error text: 1.x sends it as `error`, 2.x as `message`."""
    body = error.body.decode(errors="replace") if isinstance(error.body, bytes) else str(error.body or "")
    try:
        body_json = json.loads(body)
        return str(body_json.get("message") or body_json["error"])
    except (ValueError, KeyError, AttributeError):
        return body.strip()[:300] or str(error.reason)
