"""The commands that check and change the configuration."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from backend.cli.commands.options import DataFolder, command_settings


def check(folder: Annotated[Path, Parameter(name="DIR", help="Folder of the YAML files.")], /) -> int:
    """Check a site description: print a summary, or all its faults."""
    from backend.inventory.check import check as check_description

    code, text = check_description(folder)
    print(text, file=sys.stderr if code else sys.stdout)
    return code


def config(
    *,
    everything: Annotated[
        bool, Parameter(name="--all", help="Include settings with default values.")
    ] = False,
) -> int:
    """Print the settings in force and their sources. Secrets are not shown."""
    from backend.settings import effective

    for line in effective(everything):
        print(line)
    return 0


def device_key(name: Annotated[str, Parameter(help="Name of the key in the settings.")], /) -> int:
    """Create a key for a device that pushes readings."""
    from backend.ingest.keys import generate_key

    key, entry = generate_key(name)
    print(f"For the device, shown only once: {key}\nFor SEDUCE_DEVICE_KEYS or its file:  {entry}")
    return 0


def reload(
    *,
    dry_run: Annotated[bool, Parameter(help="Show the changes without applying them.")] = False,
    data: DataFolder = None,
) -> int:
    """Reload the site description of the running dashboard and print the changes."""
    from backend.processes.control import send_command

    request = {"command": "reload", "dry_run": dry_run}
    for line in send_command(command_settings(data).data_dir, request, print):
        print(line)
    return 0
