"""The ingest service: validates readings, spools them, publishes them on the live bus and drains them to the store."""

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
from backend.ingest import lenient_json
from backend.ingest.drain import Destination, Drain
from backend.ingest.validate import (
    SensorIndex,
    ValidationResult,
    validate_cards,
    validate_columns,
    validate_readings,
)

log = logging.getLogger(__name__)

OnWritten: TypeAlias = Callable[[Readings, WriteResult], Awaitable[None]]
"""Called with all rows of a write and its result, before the rows leave the spool."""

SetAside: TypeAlias = Callable[[Readings, str], Awaitable[None]]
"""Keeps rows that the store will never accept, with the reason."""

UNKNOWN_PROBE_TAGS: Final = SensorTags(location="room exterior", sensor_type="temperature", unit="celsius")
"""The tags of a probe that a card pushes and that the site description does not contain."""

MAX_UNKNOWN_PROBES: Final = 1000
_MAX_OPEN_REJECTIONS: Final = 1000
_MAX_UNPUBLISHED_PARTS: Final = 4096


@dataclass(slots=True)
class IngestCounters:
    """Counts since the start. `rejected` is by reason; `late` rows were not newer than what their sensor had."""

    accepted: int = 0
    drained: int = 0
    late: int = 0
    set_aside: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    store_writes: Timing = field(default_factory=Timing)


class Ingest:
    """The only writer of raw readings. Also the ports `Sink`, for crawlers in this process, and `CardReceiver`.

    The `accept…` methods and `push` return when the readings are durable. They raise `TransientError` (or `SpoolFull`) if
    the readings cannot be kept now: the caller keeps them and retries later.
    """

    def __init__(
        self,
        spool: Spool,
        store: Destination,
        bus: Bus,
        sensor_tags: Mapping[str, SensorTags],
        *,
        clock: Clock | None = None,
        on_written: Sequence[OnWritten] = (),
        set_aside: SetAside | None = None,
    ) -> None:
        """`sensor_tags` holds the tags of every sensor of the site description, by name."""
        self.counters = IngestCounters()
        self._spool = spool
        self._bus = bus
        self._clock = clock or SystemClock()
        self._sensor_index = SensorIndex(sensor_tags)
        self._described_tags = dict(sensor_tags)
        self._all_tags = dict(sensor_tags)
        """The tags of described sensors, of those of earlier descriptions and of unknown probes."""
        self._unknown_probes: set[str] = set()
        self._rejections = Outages(
            log, "validation", "sensor", level=logging.WARNING, max_open=_MAX_OPEN_REJECTIONS
        )
        self._unpublished: list[Readings] = []
        self._publishing: asyncio.Task[None] | None = None
        self._bus_outage = Outage(log, "live_bus")
        self._drain = Drain(spool, store, self._tags_of, self.counters, on_written, set_aside)

    def update_description(self, sensor_tags: Mapping[str, SensorTags]) -> None:
        """Accept the sensors of another description from now on.

        Sensors of the previous description are accepted until the next update, because their readings may be under way.
        """
        self._sensor_index = SensorIndex([*sensor_tags, *self._described_tags])
        self._all_tags = {**self._all_tags, **sensor_tags}
        self._described_tags = dict(sensor_tags)
        self._unknown_probes.difference_update(sensor_tags)

    @property
    def depth(self) -> int:
        """The number of readings that are accepted and not yet in the store."""
        return self._spool.depth

    async def accept(self, readings: Readings) -> None:
        """Keep readings that are already validated, then publish them."""
        if not len(readings):
            return
        await self._spool.append(readings)
        self.counters.accepted += len(readings)
        self._unpublished.append(readings)
        if self._publishing is None:
            self._publishing = start_background_task(self._publish_all(), "live readings")
        elif len(self._unpublished) > _MAX_UNPUBLISHED_PARTS:  # the bus is slow
            self._unpublished = [Readings.concat(self._unpublished).newest()]

    async def push(self, readings: Readings) -> None:
        """Keep readings made in this process. Invalid ones are logged and dropped."""
        await self._keep(validate_readings(self._sensor_index, readings, self._clock.now_ns()))

    async def accept_columns(self, body: bytes) -> PushResult:
        """Keep a crawler's push of JSON columns. Raises `UserError` if the body is not one."""
        return await self._keep(
            validate_columns(self._sensor_index, _parse_columns(body), self._clock.now_ns())
        )

    async def accept_relayed(self, body: bytes) -> PushResult:
        """Keep a push of a process that receives cards. As `accept_columns`, and unknown probes are accepted."""
        push, now_ns = _parse_columns(body), self._clock.now_ns()
        return await self._keep(validate_columns(self._sensor_index, push, now_ns, self._admit_unknown_probe))

    async def accept_cards(self, body: bytes) -> PushResult:
        """Keep a temperature card's push. Raises `UserError` if the body holds no element at all."""
        elements = lenient_json.elements(body)
        if elements is None:
            raise UserError('expected an array of {"sensor": "28:b8:...", "v": 21.4}')
        now_ns = self._clock.now_ns()
        return await self._keep(
            validate_cards(self._sensor_index, elements, now_ns, self._admit_unknown_probe)
        )

    async def run_drain(self) -> None:
        """Move readings from the spool to the store until cancelled."""
        await self._drain.run()

    async def wait_until_drained(self) -> None:
        """Return when everything accepted so far is in the store. `run_drain` must be running."""
        await self._drain.wait_until_empty()

    async def import_history(
        self, readings: Readings, tags: Mapping[str, SensorTags] | None = None
    ) -> WriteResult:
        """Write old readings straight to the store, without spool and bus. Raises the errors of the store.

        `tags` are stored with sensors that the site description does not contain.
        """
        return await self._drain.write(readings, {**(tags or {}), **self._described_tags})

    async def _keep(self, result: ValidationResult) -> PushResult:
        readings, rejected = result.readings, result.rejected
        if rejected:
            self._count_rejections(rejected)
        await self.accept(readings)
        if self._rejections.is_any_open:
            self._log_recovered_sensors(readings)
        return PushResult(len(readings), rejected)

    def _admit_unknown_probe(self, name: str) -> bool:
        """Return whether there is room for the probe. Bounds the number of series that cards can create."""
        if name not in self._unknown_probes:
            if len(self._unknown_probes) >= MAX_UNKNOWN_PROBES:
                return False
            self._unknown_probes.add(name)
            log.info("unknown probe accepted sensor=%s; add it to the site description", name)
        return True

    def _tags_of(self, names: Sequence[str]) -> Mapping[str, SensorTags]:
        tags = self._all_tags
        for name in names:
            if name not in tags:
                tags[name] = UNKNOWN_PROBE_TAGS
        return tags

    def _count_rejections(self, rejected: Sequence[Rejection]) -> None:
        for rejection in rejected:
            self.counters.rejected[str(rejection.reason)] += 1
            self._rejections.failed(rejection.sensor, rejection.reason)

    def _log_recovered_sensors(self, readings: Readings) -> None:
        for code in set(readings.codes.tolist()):
            self._rejections.recovered(readings.names[code])

    async def _publish_all(self) -> None:
        """Publish one message for all readings that became durable together. `accept` does not wait for it."""
        try:
            while self._unpublished:
                parts, self._unpublished = self._unpublished, []
                await self._publish(Readings.concat(parts))
        finally:
            self._publishing = None

    async def _publish(self, batch: Readings) -> None:
        try:
            await self._bus.publish(batch)
        except TransientError as error:
            self._bus_outage.failed(error)
        else:
            self._bus_outage.recovered()


def _parse_columns(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            return lenient_json.loads(body)
        except ValueError as error:
            raise UserError(f"the body is not JSON: {error}") from error
