"""Health reports of a crawler's devices, once a second, to a board in its own process or behind the ingest endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Protocol

from backend.core.clock import Clock
from backend.core.errors import TransientError
from backend.core.health import DeviceHealth, encode
from crawlers.loop import Crawler

REPORT_INTERVAL_S: Final = 1.0


class Board(Protocol):
    """The part of the port `HealthBoard` that crawlers need."""

    async def report(self, devices: Sequence[DeviceHealth]) -> None: ...


class Backlog(Protocol):
    """The spool behind a crawler's sink: the number of readings waiting in it, and of those it dropped."""

    @property
    def depth(self) -> int: ...

    @property
    def dropped(self) -> int: ...


def device_health(
    crawler: Crawler, crawler_name: str, now_ns: int, backlog: Backlog | None = None
) -> list[DeviceHealth]:
    """Return the current health of the crawler's devices."""
    sink, sensors = crawler.sink, crawler.sensors
    return [
        DeviceHealth(
            name=name,
            method=health.method,
            crawler=crawler_name,
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
            waiting=sink.waiting + (backlog.depth if backlog else 0),
            dropped=sink.dropped + (backlog.dropped if backlog else 0),
        )
        for name, health in crawler.health.items()
    ]


async def report_loop(
    crawler: Crawler,
    crawler_name: str,
    board: Board,
    clock: Clock,
    backlog: Backlog | None = None,
    interval_s: float = REPORT_INTERVAL_S,
) -> None:
    """Report until cancelled. A report that fails is not repeated, because the next one replaces it."""
    while True:
        with suppress(TransientError):  # the sink logs outages of the endpoint
            await board.report(device_health(crawler, crawler_name, clock.now_ns(), backlog))
        await asyncio.sleep(interval_s)


class HttpBoard:
    """Sends reports to `<url>/ingest/health`."""

    def __init__(self, url: str, key: str = "", timeout_s: float = 5.0) -> None:
        import httpx  # a crawler inside the dashboard's process needs no HTTP client

        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._url = url.rstrip("/").removesuffix("/ingest") + "/ingest/health"
        self._client = httpx.AsyncClient(headers=headers, timeout=timeout_s, trust_env=False)

    async def report(self, devices: Sequence[DeviceHealth]) -> None:
        """Send one report. Raises `TransientError` if it was not accepted."""
        import httpx

        try:
            answer = await self._client.post(self._url, content=encode(devices))
        except httpx.HTTPError as error:
            raise TransientError(f"{self._url}: {type(error).__name__}: {error}") from error
        if not answer.is_success:
            raise TransientError(f"{self._url}: {answer.status_code} {answer.text[:200]}")

    async def close(self) -> None:
        await self._client.aclose()
