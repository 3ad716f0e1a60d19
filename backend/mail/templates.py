"""Mail templates: `messages/NAME.subject.txt`, `NAME.txt` and `NAME.html`."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER: Final = Path(__file__).parent / "messages"


class MailTemplates:
    """Implements `Templates`. Values are escaped in HTML. A missing value is an error, not an empty text."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder

    @cached_property
    def _environment(self) -> Environment:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

        return Environment(
            loader=FileSystemLoader(self._folder),
            undefined=StrictUndefined,
            autoescape=select_autoescape(["html"]),
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def render(self, name: str, values: dict[str, str]) -> tuple[str, str, str]:
        """Return the subject, the plain text and the HTML of a mail."""
        subject, text, html = (
            self._environment.get_template(f"{name}.{kind}").render(values)
            for kind in ("subject.txt", "txt", "html")
        )
        return " ".join(subject.split()), text, html
