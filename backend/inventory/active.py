"""The description in force in a process, and how another takes its place while the process runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeAlias

from backend.core.errors import UserError
from backend.inventory.difference import difference
from backend.inventory.model import Inventory

log = logging.getLogger("seduce.description")

Follower: TypeAlias = Callable[[Inventory, Inventory], Awaitable[None]]
"""Makes a part of the process follow a change from the old description to the new one. It can be called the other way round."""

Preview: TypeAlias = Callable[[Inventory], Awaitable[Iterable[str]]]
"""Says what a description would set off, a line each; changes nothing."""


class Described:
    """Holds the description; parts that keep something made from it register a follower, in the order of the changes.

    `load` reads the description anew; None where it did not come from files.
    """

    def __init__(self, inventory: Inventory, load: Callable[[], Inventory] | None = None) -> None:
        self.inventory = inventory
        self._load = load
        self._followers: list[Follower] = []
        self._previews: list[Preview] = []
        self._one_at_a_time = asyncio.Lock()

    def follow(self, follower: Follower) -> None:
        self._followers.append(follower)

    def foresee(self, preview: Preview) -> None:
        self._previews.append(preview)

    async def reload(self, dry_run: bool = False) -> list[str]:
        """Read the files and follow them, or only say what would change. Returns that, a line each.

        Raises `DescriptionError` with all faults, and then everything stays as it is.
        """
        if self._load is None:
            raise UserError(
                "the description of this process did not come from a folder: it cannot be loaded anew"
            )
        async with self._one_at_a_time:
            new = await asyncio.to_thread(self._load)
            found = difference(self.inventory, new)
            lines = list(found.lines())
            if not found:
                return lines
            for preview in self._previews:
                lines += await preview(new)
            if not dry_run:
                await self._take(new)
                log.info("the description was loaded anew: %s", "; ".join(x for x in lines if x[0] != " "))
            return lines

    async def _take(self, new: Inventory) -> None:
        """All followers, or none: where one fails those before it go back."""
        old, done = self.inventory, []
        self.inventory = new
        try:
            for follower in self._followers:
                done.append(follower)
                await follower(old, new)
        except BaseException:
            self.inventory = old
            for follower in reversed(done):
                try:
                    await follower(new, old)
                except Exception:
                    log.exception("a part does not go back to the old description")
            raise
