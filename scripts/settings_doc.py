"""Write docs/settings.md from backend/settings.py, so that the page cannot lie."""

from __future__ import annotations

from pathlib import Path

from pydantic_core import PydanticUndefined

from backend.settings import Settings

PAGE = Path(__file__).resolve().parents[1] / "docs" / "settings.md"
HEAD = """# Settings

Each is an environment variable, or a line `SEDUCE_NAME=value` of the file that `SEDUCE_SETTINGS_FILE` names, where the
environment does not say otherwise. They are read once, at start; a wrong value stops the start and is told. `seduce config`
prints those in force, where each comes from, and names that are no setting; no secret is shown (`--all`: also defaults).
Only the description may change while a process runs: [how](how-to/change-the-description.md).

This page is written from the code by `python -m scripts.settings_doc`.

| variable | default | meaning |
|---|---|---|
"""


def page() -> str:
    rows = []
    for name, field in Settings.model_fields.items():
        assert field.default is not PydanticUndefined, f"{name} has no default"
        default = f"`{field.default}`" if str(field.default) else "(empty)"
        rows.append(f"| `SEDUCE_{name.upper()}` | {default} | {field.description} |")
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
