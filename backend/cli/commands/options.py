"""Options that several commands share, and the settings they lead to."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from cyclopts import Parameter

if TYPE_CHECKING:
    from backend.settings import Settings

DataFolder: TypeAlias = Annotated[
    Path | None,
    Parameter(name="--data", metavar="DIR", help="Data folder of the dashboard (SEDUCE_DATA_DIR, else var)."),
]
DescriptionFolder: TypeAlias = Annotated[
    Path | None,
    Parameter(
        name="--description", metavar="DIR", help="Folder of the site description (SEDUCE_DESCRIPTION_DIR)."
    ),
]
Quiet: TypeAlias = Annotated[bool, Parameter(name="--quiet", help="Show no progress bar.")]


def command_settings(data: Path | None = None, description: Path | None = None) -> Settings:
    """Return the settings of a command that ends by itself, and log warnings to the standard error."""
    from backend.settings import Settings

    folders: dict[str, Any] = {"data_dir": data, "description_dir": description}
    settings = Settings(**{name: path for name, path in folders.items() if path is not None})
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    return settings


def server_settings(**values: Any) -> Settings:
    """Return the settings of a process that serves, and log as they say. `values` replace settings by name."""
    from backend.core.logs import configure_logging
    from backend.settings import Settings

    settings = Settings(**{name: value for name, value in values.items() if value is not None})
    configure_logging(settings.log_level, settings.log_format)
    return settings
