"""The periodic tasks: a name and a call each. What they do is the services' business."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from backend.accounts.postman import Postman
from backend.core.clock import Clock
from backend.core.ports import TimeSeriesStore
from backend.rollups.engine import RollupEngine
from backend.rollups.retention import Keep
from workers.unresponsive import Unresponsive

Task: TypeAlias = Callable[[], Awaitable[object]]

HEAL_LIMIT = 10_000
"""Dirty spans that one run of healing takes on, so that stepping gets its turn."""


def bind(
    rollups: RollupEngine,
    store: TimeSeriesStore,
    clock: Clock,
    keep: Keep,
    unresponsive: Unresponsive,
    postman: Postman,
) -> Mapping[str, Task]:
    """The tasks over these services, by the names of the schedule."""

    async def roll_up() -> object:
        return await rollups.step()

    async def heal() -> object:
        return await rollups.heal(HEAL_LIMIT)

    async def retain() -> None:
        await rollups.retain(keep)

    async def learn_periods() -> object:
        return await rollups.learn()

    async def maintain() -> None:
        await store.maintain(clock.now_ns())

    return {
        "roll_up": roll_up,
        "heal": heal,
        "learn_periods": learn_periods,
        "retain": retain,
        "maintain": maintain,
        "detect_unresponsive_temperature_sensors": unresponsive.detect,
        "send_confirmation_email": postman.send_confirmations,
        "send_authorization_email": postman.send_authorizations,
    }
