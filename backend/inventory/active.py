"""The site description in force in a process, and its replacement while the process runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeAlias

from backend.core.errors import UserError
from backend.inventory.difference import difference
from backend.inventory.model import Inventory

log = logging.getLogger("seduce.description")

Subscriber: TypeAlias = Callable[[Inventory, Inventory], Awaitable[None]]
"""Moves one part of the process from the old description to the new one. A rollback calls it with the two swapped."""

Preview: TypeAlias = Callable[[Inventory], Awaitable[Iterable[str]]]
"""Return the effects that a description would have, one line each. Changes nothing."""


class ActiveDescription:
    """Holds the description in force and passes each change on to its subscribers, in the order of their registration.

    `load` reads the description from its files. It is None where the description does not come from files.
    """

    def __init__(self, inventory: Inventory, load: Callable[[], Inventory] | None = None) -> None:
        self.inventory = inventory
        self._load = load
        self._subscribers: list[Subscriber] = []
        self._previews: list[Preview] = []
        self._reload_lock = asyncio.Lock()

    def on_update(self, subscriber: Subscriber) -> None:
        self._subscribers.append(subscriber)

    def add_preview(self, preview: Preview) -> None:
        self._previews.append(preview)

    async def reload(self, dry_run: bool = False) -> list[str]:
        """Read the files and put the new description in force. Return the changes and their effects, one line each.

        A dry run changes nothing. Raises `DescriptionError` with all faults; the old description then stays in force.
        """
        if self._load is None:
            raise UserError(
                "the site description of this process does not come from a folder, so it cannot be reloaded: "
                "restart the process with the new site description"
            )
        async with self._reload_lock:
            new = await asyncio.to_thread(self._load)
            changes = difference(self.inventory, new)
            lines = list(changes.lines())
            if not changes:
                return lines
            for preview in self._previews:
                lines += await preview(new)
            if not dry_run:
                await self._put_in_force(new)
                log.info("site description reloaded changes=%s", "; ".join(x for x in lines if x[0] != " "))
            return lines

    async def _put_in_force(self, new: Inventory) -> None:
        """Update all subscribers. If one fails, return it and those before it to the old description, and raise."""
        old, updated = self.inventory, []
        self.inventory = new
        try:
            for subscriber in self._subscribers:
                updated.append(subscriber)
                await subscriber(old, new)
        except BaseException:
            self.inventory = old
            for subscriber in reversed(updated):
                try:
                    await subscriber(new, old)
                except Exception:
                    log.exception("site description rollback failed")
            raise
