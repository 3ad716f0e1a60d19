"""Between rows and plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from sqlalchemy import CursorResult, Executable, Select, select
from sqlalchemy.ext.asyncio import AsyncSession


def columns(table: type[Any], kind: type[Any]) -> list[Any]:
    """The table's columns that have the names of the dataclass's fields, in their order."""
    return [getattr(table, f.name) for f in fields(kind)]


def pick(table: type[Any], kind: type[Any]) -> Select[Any]:
    return select(*columns(table, kind))


def values(one: Any) -> dict[str, Any]:
    return {f.name: getattr(one, f.name) for f in fields(one)}


class Table:
    """What the tables' classes share."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def _rows(self, statement: Executable) -> list[Mapping[str, Any]]:
        return [dict(row) for row in (await self._session.execute(statement)).mappings()]

    async def _row(self, statement: Executable) -> Mapping[str, Any] | None:
        return next(iter(await self._rows(statement)), None)

    async def _change(self, statement: Executable) -> int:
        """How many rows it changed."""
        result = await self._session.execute(statement)
        assert isinstance(result, CursorResult)
        return int(result.rowcount)
