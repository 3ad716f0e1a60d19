"""What a crawler tells of its devices, once a second, to a board in its own process or behind the ingest door."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Protocol

import httpx

from backend.core.clock import Clock
from backend.core.errors import TransientError
from backend.core.health import DeviceHealth, encode
from crawlers.loop import Crawler

EVERY_S: Final = 1.0


class Board(Protocol):
    """The part of the port `HealthBoard` that crawlers need."""

    async def report(self, devices: Sequence[DeviceHealth]) -> None: ...


class Kept(Protocol):
    """What stands behind the crawler's own sink: readings that wait there, and that were given up."""

    @property
    def depth(self) -> int: ...

    @property
    def dropped(self) -> int: ...


def health_of(crawler: Crawler, called: str, now_ns: int, kept: Kept | None = None) -> list[DeviceHealth]:
    """How the crawler's devices fare now."""
    sink, sensors = crawler.sink, crawler.sensors
    return [
        DeviceHealth(
            name=name,
            method=health.method,
            crawler=called,
            sensors=tuple(sensors[name]),
            period_s=health.period_s,
            state=health.state,
            reported_ns=now_ns,
            polls=health.polls,
            failures=health.failures,
            failures_in_a_row=health.failures_in_a_row,
            ticks_skipped=health.ticks_skipped,
            error_rate=health.error_rate,
            missing=health.missing,
            last_attempt_ns=health.last_attempt_ns,
            last_success_ns=health.last_success_ns,
            next_attempt_ns=health.next_attempt_ns,
            latency_s=health.last_latency_s,
            last_error=health.last_error[:500],
            waiting=sink.waiting + (kept.depth if kept else 0),
            dropped=sink.dropped + (kept.dropped if kept else 0),
        )
        for name, health in crawler.health.items()
    ]


async def report_for_ever(
    crawler: Crawler,
    called: str,
    board: Board,
    clock: Clock,
    kept: Kept | None = None,
    every_s: float = EVERY_S,
) -> None:
    """Until cancelled. A report that does not arrive is left out: the next one says all."""
    while True:
        with suppress(TransientError):  # whoever lost the door or the board has logged it
            await board.report(health_of(crawler, called, clock.now_ns(), kept))
        await asyncio.sleep(every_s)


class HttpBoard:
    """Reports to `<url>/ingest/health`."""

    def __init__(self, url: str, key: str = "", timeout_s: float = 5.0) -> None:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._url = url.rstrip("/").removesuffix("/ingest") + "/ingest/health"
        self._client = httpx.AsyncClient(headers=headers, timeout=timeout_s, trust_env=False)

    async def report(self, devices: Sequence[DeviceHealth]) -> None:
        """Raises `TransientError` where the report was not taken."""
        try:
            answer = await self._client.post(self._url, content=encode(devices))
        except httpx.HTTPError as error:
            raise TransientError(f"{self._url}: {type(error).__name__}: {error}") from error
        if not answer.is_success:
            raise TransientError(f"{self._url}: {answer.status_code} {answer.text[:200]}")

    async def close(self) -> None:
        await self._client.aclose()
