"""Conversion between database rows and dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from sqlalchemy import CursorResult, Executable, Select, select
from sqlalchemy.ext.asyncio import AsyncSession


def columns(table: type[Any], kind: type[Any]) -> list[Any]:
    """Return the table's columns that have the names of the dataclass's fields, in the order of the fields."""
    return [getattr(table, f.name) for f in fields(kind)]


def pick(table: type[Any], kind: type[Any]) -> Select[Any]:
    """Return a query for the columns of a dataclass."""
    return select(*columns(table, kind))


def values(item: Any) -> dict[str, Any]:
    return {f.name: getattr(item, f.name) for f in fields(item)}


class Table:
    """Base of the table classes: runs statements in the session of a unit of work."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def _rows(self, statement: Executable) -> list[Mapping[str, Any]]:
        return [dict(row) for row in (await self._session.execute(statement)).mappings()]

    async def _row(self, statement: Executable) -> Mapping[str, Any] | None:
        return next(iter(await self._rows(statement)), None)

    async def _change(self, statement: Executable) -> int:
        """Run a statement. Returns the number of changed rows."""
        result = await self._session.execute(statement)
        assert isinstance(result, CursorResult)
        return int(result.rowcount)
