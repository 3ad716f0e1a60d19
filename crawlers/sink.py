"""Sinks that deliver readings to the ingest endpoint in batches and in order, and keep them until they are acknowledged."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
import orjson

from backend.core.backoff import Backoff
from backend.core.errors import PermanentError, SpoolFull, TransientError
from backend.core.outage import Outage
from backend.core.ports import Sink, Spool
from backend.core.reading import Readings

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)


class BatchingSink:
    """Combines the readings of all devices within `window_s` into one push to `sink`.

    Readings that were not acknowledged are kept in order and pushed again. Above `max_rows` readings the oldest batches are
    dropped and counted in `dropped`.
    """

    def __init__(
        self,
        sink: Sink,
        window_s: float = 0.1,
        max_rows: int = 2_000_000,
        push_rows: int = 20_000,
        retry_s: float = 0.5,
        retry_limit_s: float = 10.0,
    ) -> None:
        self._sink = sink
        self._window_s = window_s
        self._max_rows = max_rows
        self._push_rows = push_rows
        self._current_push_rows = push_rows  # smaller after the sink had no room for that many
        self._backoff = Backoff(retry_s, retry_limit_s)
        self._batches: deque[Readings] = deque()
        self._first_number = 0  # running number of the oldest batch
        self._filled = asyncio.Event()
        self._outage = Outage(log, "pushes", level=logging.WARNING)
        self.waiting = 0
        self.pushed = 0
        self.dropped = 0

    def put(self, readings: Readings) -> None:
        """Add readings. Never waits."""
        if not len(readings):
            return
        self._batches.append(readings)
        self.waiting += len(readings)
        while self.waiting > self._max_rows and len(self._batches) > 1:
            dropped_rows = self._remove_oldest()
            if not self.dropped:
                log.error("memory full waiting=%d; the oldest readings are dropped", self.waiting)
            self.dropped += dropped_rows
        self._filled.set()

    async def run(self) -> None:
        """Deliver until cancelled, then try one last time."""
        try:
            while True:
                await self._filled.wait()
                await asyncio.sleep(self._window_s)
                while self._batches:
                    if not await self.deliver():
                        await asyncio.sleep(self._backoff.delay_s(self._outage.failures))
                self._filled.clear()
        except asyncio.CancelledError:
            while self._batches and await self.deliver():
                pass
            raise

    async def deliver(self) -> bool:
        """Push the oldest readings once. Returns False if the sink could not keep them now."""
        batches: list[Readings] = []
        rows = 0
        for batch in self._batches:
            if batches and rows + len(batch) > self._current_push_rows:
                break
            batches.append(batch)
            rows += len(batch)
        position = self._first_number + len(batches)
        try:
            await self._sink.push(Readings.concat(batches))
        except TransientError as error:
            self._outage.failed(error, waiting=self.waiting)
            if isinstance(error, SpoolFull):  # the whole push may never fit at once
                self._current_push_rows = max(1, rows // 2)
            return False
        except PermanentError as error:
            log.error("push rejected readings_dropped=%d: %s", rows, error)
            self.dropped += rows
        else:
            self.pushed += rows
        self._outage.recovered()
        self._current_push_rows = min(self._push_rows, 2 * self._current_push_rows)
        while self._batches and self._first_number < position:  # some may have been dropped during the push
            self._remove_oldest()
        return True

    def _remove_oldest(self) -> int:
        rows = len(self._batches.popleft())
        self._first_number += 1
        self.waiting -= rows
        return rows


class HttpSink:
    """Pushes readings as JSON columns to `<url>/ingest`: {"sensors": [...], "times": [ns, ...], "values": [...]}.

    `key` is the device key of this process, if the endpoint requires one. `path` is another route with the same format.
    """

    def __init__(self, url: str, key: str = "", timeout_s: float = 10.0, path: str = "/ingest") -> None:
        import httpx  # a crawler inside the dashboard's process needs no HTTP client

        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._url = url.rstrip("/").removesuffix("/ingest") + path
        self._client = httpx.AsyncClient(headers=headers, timeout=timeout_s, trust_env=False)
        self._logged_sensors: set[str] = set()

    async def push(self, readings: Readings) -> None:
        """Return when the endpoint has acknowledged the readings. A push that is too large is sent in two halves.

        Raises `TransientError`, or `PermanentError` if the endpoint rejects the push as a whole.
        """
        answer = await self._post(readings)
        if answer.status_code == 413 and len(readings) > 1:
            is_first_half = np.arange(len(readings)) < len(readings) // 2
            await self.push(readings.take(is_first_half))
            await self.push(readings.take(~is_first_half))
        elif answer.status_code in (400, 413, 422):
            raise PermanentError(f"{self._url}: {answer.status_code} {answer.text[:200]}")
        elif not answer.is_success:
            raise TransientError(f"{self._url}: {answer.status_code} {answer.text[:200]}")
        else:
            self._log_rejected_sensors(answer)

    async def _post(self, readings: Readings) -> httpx.Response:
        import httpx

        names = readings.names
        body = orjson.dumps(
            {
                "sensors": [names[code] for code in readings.codes.tolist()],
                "times": readings.times.tolist(),
                "values": readings.values.tolist(),
            }
        )
        try:
            return await self._client.post(self._url, content=body)
        except httpx.HTTPError as error:
            raise TransientError(f"{self._url}: {type(error).__name__}: {error}") from error

    def _log_rejected_sensors(self, answer: httpx.Response) -> None:
        """Log each sensor with a rejected reading once."""
        if b'"rejected":[]' in answer.content or not answer.content:
            return
        try:
            rejections = orjson.loads(answer.content).get("rejected", ())
        except (orjson.JSONDecodeError, AttributeError):
            return
        for rejection in rejections:
            if (sensor := rejection.get("sensor")) not in self._logged_sensors:
                self._logged_sensors.add(sensor)
                log.warning("readings rejected sensor=%s: %s", sensor, rejection.get("reason"))

    async def close(self) -> None:
        await self._client.aclose()


class FullSpoolPolicy(StrEnum):
    """The handling of new readings when the spool is full."""

    REFUSE = "refuse"  # new readings wait in memory while there is room
    DROP_OLDEST = "drop_oldest"


class SpooledSink:
    """A sink that acknowledges readings when they are in its own spool, and forwards them from there in order.

    It serves a crawler on a machine that may lose its network and its power. A backlog is forwarded with at most `rows_a_second`,
    so that the crawlers do not overload an endpoint that comes back. `dropped` counts readings that were deleted to make
    room for newer ones, or rejected by the endpoint.
    """

    def __init__(
        self,
        sink: Sink,
        spool: Spool,
        policy: FullSpoolPolicy = FullSpoolPolicy.REFUSE,
        push_rows: int = 2_000,
        rows_a_second: float = 20_000.0,
        retry_s: float = 0.5,
        retry_limit_s: float = 5.0,
    ) -> None:
        self._sink = sink
        self._spool = spool
        self._policy = policy
        self._push_rows = push_rows
        self._rows_a_second = rows_a_second
        self._backoff = Backoff(retry_s, retry_limit_s)
        self._outage = Outage(log, "ingest_endpoint", level=logging.WARNING)
        self._progress = asyncio.Condition()
        self.dropped = 0

    @property
    def depth(self) -> int:
        """The number of readings in the spool."""
        return self._spool.depth

    async def push(self, readings: Readings) -> None:
        """Return when the readings are on disk. Raises `SpoolFull` if the policy is to refuse."""
        while True:
            try:
                await self._spool.append(readings)
                return
            except SpoolFull:
                if self._policy is FullSpoolPolicy.REFUSE or not self._spool.depth:
                    raise
            await self._drop_oldest(len(readings))

    async def run(self) -> None:
        """Forward until cancelled."""
        while True:
            position, readings = await self._spool.peek(self._push_rows)
            while not await self._forward(readings):  # noqa: ASYNC110  nothing could set an event
                await asyncio.sleep(self._backoff.delay_s(self._outage.failures))
            await self._spool.remove_up_to(position)
            async with self._progress:
                self._progress.notify_all()
            if self._spool.depth:
                await asyncio.sleep(len(readings) / self._rows_a_second)

    async def wait_until_empty(self) -> None:
        """Return when the spool is empty. `run` must be running."""
        async with self._progress:
            await self._progress.wait_for(lambda: self._spool.depth == 0)

    async def _drop_oldest(self, rows: int) -> None:
        depth_before = self._spool.depth
        try:
            # The readings may just have been forwarded. Then there is room, and peek would wait for nothing.
            position, _ = await asyncio.wait_for(self._spool.peek(max(rows, self._push_rows)), 1.0)
        except TimeoutError:
            return
        await self._spool.remove_up_to(position)
        if not self.dropped:
            log.error("spool full waiting=%d; the oldest readings are dropped", self._spool.depth)
        self.dropped += depth_before - self._spool.depth

    async def _forward(self, readings: Readings) -> bool:
        try:
            await self._sink.push(readings)
        except TransientError as error:
            self._outage.failed(error, waiting=self._spool.depth)
            return False
        except PermanentError as error:
            log.error("push rejected readings_dropped=%d: %s", len(readings), error)
            self.dropped += len(readings)
        self._outage.recovered(waiting=self._spool.depth)
        return True
