"""`seduce demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from backend.cli.commands.options import server_settings


def demo(
    *,
    days: Annotated[
        float,
        Parameter(
            help="Days of history to generate at the first start (default: 7).",
            validator=Number(gt=0, lte=366),
        ),
    ] = 7.0,
    port: Annotated[
        int | None, Parameter(help="Port of the page; 0 takes a free one (default: 8081).")
    ] = None,
    data: Annotated[
        Path | None, Parameter(metavar="DIR", help="Folder for its data (default: var/demo).")
    ] = None,
    description: Annotated[
        Path | None, Parameter(metavar="DIR", help="Folder of another site description to simulate.")
    ] = None,
    seed: Annotated[int, Parameter(help="Seed of the simulated weather and load (default: 1).")] = 1,
    trouble: Annotated[
        tuple[str, ...],
        Parameter(
            metavar="DEVICE=FAULT[@START][+DURATION][/INTERVAL]",
            help="Fault to inject, with times in seconds after the start, such as pdu-Z1.10=mute@60+30/300. "
            "FAULT is mute (no response), slow (late response), cut (truncated packet), garbage (random bytes), "
            "wrong (wrong type), reboot (no response, then reset counters), drift (growing error) or "
            "lie (impossible value). Repeatable.",
        ),
    ] = (),
) -> int:
    """Run a simulated data centre, live in the browser."""
    from backend import packaged
    from backend.cli.demo import Options, run
    from backend.settings import Settings
    from crawlers.simulators.fault_schedule import ScheduledFault

    if description is None and not Settings().description_dir.is_dir():
        description = packaged.example()
    settings = server_settings(data_dir=data or Path("var/demo"), port=port, description_dir=description)
    return run(settings, Options(days, seed, fault_schedule=[ScheduledFault.parse(text) for text in trouble]))
