"""From the devices to the ingest door: batched, in order, and forgotten only once acknowledged."""

from __future__ import annotations

import asyncio
import logging
from collections import deque

import httpx
import numpy as np
import orjson

from backend.core.errors import PermanentError, TransientError
from backend.core.ports import Sink, Spool
from backend.core.reading import Readings

log = logging.getLogger(__name__)


class BatchingSink:
    """Gathers what all devices read within `window_s` into one push to `sink`.

    What was not acknowledged is kept, in order, up to `max_rows` readings, and pushed again. Over that the oldest go and
    are counted in `dropped`.
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
        self._retry_s = retry_s
        self._retry_limit_s = retry_limit_s
        self._kept: deque[Readings] = deque()
        self._first = 0  # running number of the oldest batch kept
        self._filled = asyncio.Event()
        self._failures = 0
        self.waiting = 0
        self.pushed = 0
        self.dropped = 0

    def put(self, readings: Readings) -> None:
        """Take readings over; never waits."""
        if not len(readings):
            return
        self._kept.append(readings)
        self.waiting += len(readings)
        while self.waiting > self._max_rows and len(self._kept) > 1:
            lost = self._forget_oldest()
            if not self.dropped:
                log.error("readings are dropped, oldest first: %d wait for the ingest door", self.waiting)
            self.dropped += lost
        self._filled.set()

    async def run(self) -> None:
        """Deliver until cancelled, then try once more."""
        try:
            while True:
                await self._filled.wait()
                await asyncio.sleep(self._window_s)
                while self._kept:
                    if not await self.deliver():
                        await asyncio.sleep(self._retry_delay())
                self._filled.clear()
        except asyncio.CancelledError:
            while self._kept and await self.deliver():
                pass
            raise

    async def deliver(self) -> bool:
        """Push the oldest readings once. False where the sink could not take them now."""
        batches: list[Readings] = []
        rows = 0
        for batch in self._kept:
            if batches and rows + len(batch) > self._push_rows:
                break
            batches.append(batch)
            rows += len(batch)
        mark = self._first + len(batches)
        try:
            await self._sink.push(Readings.concat(batches))
        except TransientError as error:
            self._failures += 1
            if self._failures == 1:
                log.warning("the ingest door is lost, readings are kept: %s", error)
            return False
        except PermanentError as error:
            log.error("the ingest door refused %d readings, they are dropped: %s", rows, error)
            self.dropped += rows
        else:
            self.pushed += rows
        if self._failures:
            log.warning("the ingest door is back after %d tries", self._failures)
        self._failures = 0
        while self._kept and self._first < mark:  # some may have been dropped meanwhile
            self._forget_oldest()
        return True

    def _forget_oldest(self) -> int:
        rows = len(self._kept.popleft())
        self._first += 1
        self.waiting -= rows
        return rows

    def _retry_delay(self) -> float:
        return min(self._retry_limit_s, self._retry_s * 2.0 ** min(self._failures - 1, 20))


class HttpSink:
    """Pushes readings as JSON columns to `<url>/ingest`: {"sensors": [...], "times": [ns, ...], "values": [...]}."""

    def __init__(self, url: str, key: str = "", timeout_s: float = 10.0) -> None:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._url = url.rstrip("/").removesuffix("/ingest") + "/ingest"
        self._client = httpx.AsyncClient(headers=headers, timeout=timeout_s, trust_env=False)
        self._rejected: set[str] = set()

    async def push(self, readings: Readings) -> None:
        """Returns when the door has acknowledged; what it finds too large goes in two halves.

        Raises `PermanentError` where it says that the batch itself is wrong.
        """
        answer = await self._post(readings)
        if answer.status_code == 413 and len(readings) > 1:
            half = np.arange(len(readings)) < len(readings) // 2
            await self.push(readings.take(half))
            await self.push(readings.take(~half))
        elif answer.status_code in (400, 413, 422):
            raise PermanentError(f"{self._url}: {answer.status_code} {answer.text[:200]}")
        elif not answer.is_success:
            raise TransientError(f"{self._url}: {answer.status_code} {answer.text[:200]}")
        else:
            self._note_rejected(answer)

    async def _post(self, readings: Readings) -> httpx.Response:
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

    def _note_rejected(self, answer: httpx.Response) -> None:
        """The door took the batch but not every reading in it: say so once a sensor."""
        if b'"rejected":[]' in answer.content or not answer.content:
            return
        try:
            said = orjson.loads(answer.content).get("rejected", ())
        except (orjson.JSONDecodeError, AttributeError):
            return
        for one in said:
            if (sensor := one.get("sensor")) not in self._rejected:
                self._rejected.add(sensor)
                log.warning("the ingest door rejects readings of %s: %s", sensor, one.get("reason"))

    async def close(self) -> None:
        await self._client.aclose()


class SpooledSink:
    """A sink that acknowledges when the readings are in a spool of its own, and forwards them from there.

    For a crawler on a machine that may lose both its network and its power.
    """

    def __init__(self, sink: Sink, spool: Spool, push_rows: int = 20_000, retry_s: float = 1.0) -> None:
        self._sink = sink
        self._spool = spool
        self._push_rows = push_rows
        self._retry_s = retry_s
        self._lost = False

    async def push(self, readings: Readings) -> None:
        await self._spool.append(readings)

    async def run(self) -> None:
        """Forward, in order, until cancelled."""
        while True:
            mark, readings = await self._spool.peek(self._push_rows)
            while not await self._forwarded(readings):  # noqa: ASYNC110  nobody could set an event
                await asyncio.sleep(self._retry_s)
            await self._spool.forget(mark)

    async def _forwarded(self, readings: Readings) -> bool:
        try:
            await self._sink.push(readings)
        except TransientError as error:
            if not self._lost:
                log.warning("the ingest door is lost, readings stay in the spool: %s", error)
            self._lost = True
            return False
        except PermanentError as error:
            log.error("the ingest door refused %d readings, they are dropped: %s", len(readings), error)
        if self._lost:
            log.warning("the ingest door is back, %d readings wait in the spool", self._spool.depth)
        self._lost = False
        return True
