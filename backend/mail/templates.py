"""The mails' words: `words/NAME.subject.txt`, `NAME.txt` and `NAME.html`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

FOLDER: Final = Path(__file__).parent / "messages"


class MailTemplates:
    """The port `Templates`. What users have written is escaped in HTML, and a missing value is an error, not a blank."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(folder),
            undefined=StrictUndefined,
            autoescape=select_autoescape(["html"]),
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def render(self, name: str, values: dict[str, str]) -> tuple[str, str, str]:
        subject, text, html = (
            self._environment.get_template(f"{name}.{kind}").render(values)
            for kind in ("subject.txt", "txt", "html")
        )
        return " ".join(subject.split()), text, html
