"""The one writer of raw readings: judges, keeps durably, announces, and drains to the store."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import orjson

from backend.core.background import start_background_task
from backend.core.clock import Clock, SystemClock
from backend.core.errors import TransientError, UserError
from backend.core.measure import Timing
from backend.core.outage import Outage, Outages
from backend.core.ports import Bus, PushResult, Rejection, SensorTags, Spool, WriteResult
from backend.core.reading import Readings
from backend.ingest import lenient_json as tolerant
from backend.ingest.drain import Destination, Drain
from backend.ingest.validate import SensorIndex, Verdict, judge_cards, judge_columns, judge_readings

log = logging.getLogger(__name__)

OnWritten: TypeAlias = Callable[[Readings, WriteResult], Awaitable[None]]
"""Told of all rows of a write and of the late ones among them, before they leave the spool."""

SetAside: TypeAlias = Callable[[Readings, str], Awaitable[None]]
"""Keeps rows that the store will never take, with the reason."""

STRANGER: Final = SensorTags(location="room exterior", sensor_type="temperature", unit="celsius")
"""What is kept beside a probe that a card pushes and the description does not know."""

MAX_STRANGERS: Final = 1000
_ANNOUNCE_PARTS: Final = 4096


@dataclass(slots=True)
class Counters:
    """Since the start. `rejected` by reason; `late` rows were not newer than what their sensor had."""

    accepted: int = 0
    drained: int = 0
    late: int = 0
    set_aside: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    store_writes: Timing = field(default_factory=Timing)


class Ingest:
    """Accepts readings at the door and carries them to the store.

    `known` are the described sensors. Entry points return when the readings are durable and raise `TransientError`
    (`SpoolFull`) where they cannot be kept now: the caller keeps them and comes back.
    Also the port `Sink`, for crawlers in this process, and `CardReceiver`.
    """

    def __init__(
        self,
        spool: Spool,
        store: Destination,
        bus: Bus,
        known: Mapping[str, SensorTags],
        *,
        clock: Clock | None = None,
        on_written: Sequence[OnWritten] = (),
        set_aside: SetAside | None = None,
    ) -> None:
        self.counters = Counters()
        self._spool = spool
        self._bus = bus
        self._clock = clock or SystemClock()
        self._sensor_index = SensorIndex(known)
        self._known = dict(known)
        self._tags = dict(known)
        self._strangers: set[str] = set()
        self._refused = Outages(log, "validation", "sensor", level=logging.WARNING, max_open=MAX_STRANGERS)
        self._to_announce: list[Readings] = []
        self._announcing: asyncio.Task[None] | None = None
        self._bus_outage = Outage(log, "live_bus")
        self._drain = Drain(spool, store, self._tags_of, self.counters, on_written, set_aside)

    def update_description(self, known: Mapping[str, SensorTags]) -> None:
        """Other sensors are described from now on.

        Those of the description before are let in once more until the next change: what was read of them is on its way.
        """
        self._sensor_index = SensorIndex([*known, *self._known])
        self._tags = {**self._tags, **known}
        self._known = dict(known)
        self._strangers.difference_update(known)

    @property
    def depth(self) -> int:
        """Readings accepted and not yet in the store."""
        return self._spool.depth

    async def accept(self, readings: Readings) -> None:
        """Keep readings that are already judged, then announce them."""
        if not len(readings):
            return
        await self._spool.append(readings)
        self.counters.accepted += len(readings)
        self._to_announce.append(readings)
        if self._announcing is None:
            self._announcing = start_background_task(self._announce(), "live readings")
        elif len(self._to_announce) > _ANNOUNCE_PARTS:  # the bus is slow
            self._to_announce = [Readings.concat(self._to_announce).newest()]

    async def push(self, readings: Readings) -> None:
        """The port `Sink`: what can never be taken is logged and dropped, the rest is durable on return."""
        await self._take(judge_readings(self._sensor_index, readings, self._clock.now_ns()))

    async def accept_columns(self, body: bytes) -> PushResult:
        """A crawler's push as JSON columns. Raises UserError where the body is no such thing."""
        return await self._take(judge_columns(self._sensor_index, _columns_of(body), self._clock.now_ns()))

    async def accept_relayed(self, body: bytes) -> PushResult:
        """As `accept_columns`, of another process that received cards: probes the description does not know are let in."""
        push = _columns_of(body)
        return await self._take(judge_columns(self._sensor_index, push, self._clock.now_ns(), self._admit))

    async def accept_cards(self, body: bytes) -> PushResult:
        """A temperature card's push. Raises UserError where the body holds no element at all."""
        elements = tolerant.elements(body)
        if elements is None:
            raise UserError('expected an array of {"sensor": "28:b8:...", "v": 21.4}')
        return await self._take(judge_cards(self._sensor_index, elements, self._clock.now_ns(), self._admit))

    async def run_drain(self) -> None:
        """Carries readings from the spool to the store until cancelled."""
        await self._drain.run()

    async def settled(self) -> None:
        """Returns when all that was accepted so far is in the store; `run_drain` must be running."""
        await self._drain.settled()

    async def import_history(
        self, readings: Readings, tags: Mapping[str, SensorTags] | None = None
    ) -> WriteResult:
        """Write old readings straight to the store, without spool and bus. Errors are the store's.

        `tags` are kept beside sensors that the description does not know.
        """
        return await self._drain.write(readings, {**(tags or {}), **self._known})

    async def _take(self, verdict: Verdict) -> PushResult:
        readings, rejected = verdict.readings, verdict.rejected
        if rejected:
            self._note_rejected(rejected)
        await self.accept(readings)
        if self._refused.is_any_open:
            self._note_recovered(readings)
        return PushResult(len(readings), rejected)

    def _admit(self, name: str) -> bool:
        """Bounds how many series the cards can bring into being."""
        if name not in self._strangers:
            if len(self._strangers) >= MAX_STRANGERS:
                return False
            self._strangers.add(name)
            log.info("a card pushes %s, which the description does not know", name)
        return True

    def _tags_of(self, names: Sequence[str]) -> Mapping[str, SensorTags]:
        tags = self._tags
        for name in names:
            if name not in tags:
                tags[name] = STRANGER
        return tags

    def _note_rejected(self, rejected: Sequence[Rejection]) -> None:
        for r in rejected:
            self.counters.rejected[str(r.reason)] += 1
            self._refused.failed(r.sensor, r.reason)

    def _note_recovered(self, readings: Readings) -> None:
        for code in set(readings.codes.tolist()):
            self._refused.recovered(readings.names[code])

    async def _announce(self) -> None:
        """One message to the bus for all that became durable together; whoever accepts does not wait for it."""
        try:
            while self._to_announce:
                parts, self._to_announce = self._to_announce, []
                await self._publish(Readings.concat(parts))
        finally:
            self._announcing = None

    async def _publish(self, batch: Readings) -> None:
        try:
            await self._bus.publish(batch)
        except TransientError as error:
            self._bus_outage.failed(error)
        else:
            self._bus_outage.recovered()


def _columns_of(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            return tolerant.loads(body)
        except ValueError as error:
            raise UserError(f"the body is not JSON: {error}") from error
