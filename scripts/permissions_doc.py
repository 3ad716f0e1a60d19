"""Write docs/permissions.md from the GraphQL schema and the table of routes, so that the page is always true."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from backend.core.rights import Right
from backend.graphql.schema import build_schema
from backend.rest.permissions import ROUTES

PAGE = Path(__file__).resolve().parents[1] / "docs" / "permissions.md"
HEAD = """# Permissions

Every GraphQL field and every route needs one right. [Security](security.md) says who has each right. A GraphQL field declares its
right beside its resolver, in `backend/graphql/fields`; routes have theirs in `backend/rest/permissions.py`. A root field or a
route without a right keeps the program from starting. A field of another type needs the rights of the fields above it.

This page is written from the code by `python -m scripts.permissions_doc`.
"""
RIGHTS = (Right.ANYONE, Right.READ, Right.EXPORT, Right.ACCOUNT, Right.ADMIN, Right.DEVICE, Right.LOCAL)


def _table(heading: str, column: str, rights: Iterable[tuple[str, Right]]) -> list[str]:
    rows = sorted(rights, key=lambda row: RIGHTS.index(row[1]))  # stable: names keep their order
    body = [f"| `{name}` | {right} |" for name, right in rows]
    return ["", f"## {heading}", "", f"| {column} | right |", "|---|---|", *body]


def page() -> str:
    """Return the page."""
    rules = sorted(build_schema().field_rules.items())
    fields = [(name, field.right) for name, field in rules if field.right is not None]
    routes = sorted((path or "/ (files of the web page)", right) for path, right in ROUTES.items())
    lines = [*_table("GraphQL fields", "field", fields), *_table("Routes", "path", routes)]
    return HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
