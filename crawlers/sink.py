"""From the devices to the ingest door: batched, in order, and forgotten only once acknowledged."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from enum import StrEnum

import httpx
import numpy as np
import orjson

from backend.core.backoff import Backoff
from backend.core.errors import PermanentError, SpoolFull, TransientError
from backend.core.outage import Outage
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
        self._most = push_rows  # less after a sink was too full for so many
        self._backoff = Backoff(retry_s, retry_limit_s)
        self._kept: deque[Readings] = deque()
        self._first = 0  # running number of the oldest batch kept
        self._filled = asyncio.Event()
        self._outage = Outage(log, "pushes", level=logging.WARNING)
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
                log.error("readings are dropped, oldest first: %d wait in memory", self.waiting)
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
                        await asyncio.sleep(self._backoff.delay_s(self._outage.failures))
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
            if batches and rows + len(batch) > self._most:
                break
            batches.append(batch)
            rows += len(batch)
        mark = self._first + len(batches)
        try:
            await self._sink.push(Readings.concat(batches))
        except TransientError as error:
            self._outage.failed(error, waiting=self.waiting)
            if isinstance(error, SpoolFull):  # what piled up may be more than fits at once
                self._most = max(1, rows // 2)
            return False
        except PermanentError as error:
            log.error("the ingest door refused %d readings, they are dropped: %s", rows, error)
            self.dropped += rows
        else:
            self.pushed += rows
        self._outage.recovered()
        self._most = min(self._push_rows, 2 * self._most)
        while self._kept and self._first < mark:  # some may have been dropped meanwhile
            self._forget_oldest()
        return True

    def _forget_oldest(self) -> int:
        rows = len(self._kept.popleft())
        self._first += 1
        self.waiting -= rows
        return rows


class HttpSink:
    """Pushes readings as JSON columns to `<url>/ingest`: {"sensors": [...], "times": [ns, ...], "values": [...]}.

    `key` is this process's device key, if the door asks for one; `path` another route that takes the same.
    """

    def __init__(self, url: str, key: str = "", timeout_s: float = 10.0, path: str = "/ingest") -> None:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._url = url.rstrip("/").removesuffix("/ingest") + path
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


class Policy(StrEnum):
    """What a full spool does."""

    REFUSE = "refuse"  # new readings wait in memory, as long as there is room
    DROP_OLDEST = "drop_oldest"


class SpooledSink:
    """A sink that acknowledges when the readings are in a spool of its own, and forwards them from there, in order.

    For a crawler on a machine that may lose both its network and its power. After a loss what waits is forwarded at no more than
    `rows_a_second`, so that a door that comes back is not flooded by all crawlers at once. `dropped` counts readings that had to
    go for newer ones, and those that the door called wrong.
    """

    def __init__(
        self,
        sink: Sink,
        spool: Spool,
        policy: Policy = Policy.REFUSE,
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
        self._settled = asyncio.Condition()
        self.dropped = 0

    @property
    def depth(self) -> int:
        """Readings in the spool."""
        return self._spool.depth

    async def push(self, readings: Readings) -> None:
        """Returns when the readings are on disk. Raises `SpoolFull` where the policy is to refuse."""
        while True:
            try:
                await self._spool.append(readings)
                return
            except SpoolFull:
                if self._policy is Policy.REFUSE or not self._spool.depth:
                    raise
            await self._drop_oldest(len(readings))

    async def run(self) -> None:
        """Forward until cancelled."""
        while True:
            mark, readings = await self._spool.peek(self._push_rows)
            while not await self._forwarded(readings):  # noqa: ASYNC110  nobody could set an event
                await asyncio.sleep(self._backoff.delay_s(self._outage.failures))
            await self._spool.forget(mark)
            async with self._settled:
                self._settled.notify_all()
            if self._spool.depth:
                await asyncio.sleep(len(readings) / self._rows_a_second)

    async def settled(self) -> None:
        """Returns when the spool is empty; `run` must be running."""
        async with self._settled:
            await self._settled.wait_for(lambda: self._spool.depth == 0)

    async def _drop_oldest(self, rows: int) -> None:
        before = self._spool.depth
        try:
            # What is there may just have been forwarded: then there is room, and nothing to wait for.
            mark, _ = await asyncio.wait_for(self._spool.peek(max(rows, self._push_rows)), 1.0)
        except TimeoutError:
            return
        await self._spool.forget(mark)
        if not self.dropped:
            log.error("the spool is full: the oldest readings are dropped for new ones")
        self.dropped += before - self._spool.depth

    async def _forwarded(self, readings: Readings) -> bool:
        try:
            await self._sink.push(readings)
        except TransientError as error:
            self._outage.failed(error, waiting=self._spool.depth)
            return False
        except PermanentError as error:
            log.error("the ingest door refused %d readings, they are dropped: %s", len(readings), error)
            self.dropped += len(readings)
        self._outage.recovered(waiting=self._spool.depth)
        return True
