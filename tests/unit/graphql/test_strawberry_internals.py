"""Only one module uses Strawberry's private API, so that an upgrade of Strawberry needs a check of one file."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[3] / "backend" / "graphql"
ALLOWED = FOLDER / "execution" / "strawberry_internals.py"
PRIVATE = re.compile(
    r"from strawberry\.(?:schema\.(?!config)|http\.exceptions|subscriptions|types\.(?:execution|field|unset))"
    r"|strawberry-definition|(?<!self)\._schema\b"
)


def test_only_one_module_uses_strawberrys_private_api() -> None:
    users = [path for path in FOLDER.rglob("*.py") if PRIVATE.search(path.read_text(encoding="utf-8"))]
    assert users == [ALLOWED]
