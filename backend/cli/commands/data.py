"""The commands that move readings in and out, and that back up, restore and upgrade a deployment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from backend.cli.commands.options import DataFolder, DescriptionFolder, Quiet, command_settings


def _split_names(_: type, tokens: Any) -> tuple[str, ...]:
    return tuple(name.strip() for name in tokens[0].value.split(",") if name.strip())


def _refuse_options(_: type, files: Any) -> None:
    """Raise ValueError for a token that looks like an option; a single hyphen is the standard input."""
    for file in files:
        if file.startswith("-") and file != "-":
            raise ValueError(f"unknown option: {file}")


def _comma_separated(metavar: str, text: str) -> Parameter:
    return Parameter(converter=_split_names, n_tokens=1, accepts_keys=False, metavar=metavar, help=text)


def import_(
    files: Annotated[
        tuple[str, ...],
        Parameter(
            name="FILE",
            help="Files to read; - is the standard input.",
            allow_leading_hyphen=True,
            validator=_refuse_options,
        ),
    ],
    /,
    *,
    format: Annotated[
        Literal["auto", "line", "csv", "arrow", "parquet"],
        Parameter(help="Format of the files; auto decides by name and content."),
    ] = "auto",
    precision: Annotated[
        Literal["s", "ms", "us", "ns"] | None,
        Parameter(help="Unit of times that are numbers (ns for line protocol)."),
    ] = None,
    reimport: Annotated[
        bool, Parameter(name="--again", help="Import files that were imported before.")
    ] = False,
    data: DataFolder = None,
    description: DescriptionFolder = None,
    quiet: Quiet = False,
) -> int:
    """Import readings from files into the store; stop the dashboard first.

    Files may be compressed with gzip. An interrupted import continues where it stopped. A file that was imported before is
    skipped.
    """
    from backend.cli.import_readings import Import, run_import
    from backend.formats.file_formats import Format, Precision

    request = Import(
        files,
        None if format == "auto" else Format(format),
        Precision(precision) if precision else None,
        reimport,
        quiet,
    )
    return run_import(command_settings(data, description), request)


def export(
    *,
    sensors: Annotated[tuple[str, ...], _comma_separated("A,B", "Export only these sensors.")] = (),
    type: Annotated[tuple[str, ...], _comma_separated("T,U", "Export only sensors of these types.")] = (),
    start: Annotated[
        str | None,
        Parameter(
            name="--from",
            metavar="TIME",
            help="Start, such as 2026-11-01T00:00:00Z (default: the first reading).",
        ),
    ] = None,
    end: Annotated[
        str | None,
        Parameter(
            name="--to", metavar="TIME", help="End; readings at this time are excluded (default: none)."
        ),
    ] = None,
    format: Annotated[
        Literal["csv", "parquet", "arrow", "line"] | None,
        Parameter(help="Format of the file (default: by its name, else csv)."),
    ] = None,
    output: Annotated[
        Path | None,
        Parameter(
            name=["--output", "-o"],
            metavar="FILE",
            help="File to write; .gz compresses it (default: the standard output).",
        ),
    ] = None,
    data: DataFolder = None,
    description: DescriptionFolder = None,
    quiet: Quiet = False,
) -> int:
    """Export readings of the store to a file; stop the dashboard first."""
    from backend.cli.export_readings import Export, run_export
    from backend.formats.file_formats import Format
    from backend.queries.export import ExportRequest, time_of

    start_ns = time_of("--from", start) if start else None
    end_ns = time_of("--to", end) if end else None
    request = ExportRequest(sensors, type, start_ns, end_ns)
    kind = Format(format) if format else None
    return run_export(command_settings(data, description), Export(request, kind, output, quiet))


def backup(
    target: Annotated[
        Path, Parameter(name="TARGET", help="Folder or .tar file to create; it must not exist yet.")
    ],
    /,
    *,
    data: DataFolder = None,
) -> int:
    """Make a consistent backup. The dashboard may be running."""
    from backend.cli.backup import run_backup

    return run_backup(command_settings(data), target)


def restore(
    source: Annotated[Path, Parameter(name="SOURCE", help="Folder or .tar file of `seduce backup`.")],
    /,
    *,
    check: Annotated[bool, Parameter(help="Only compare every file with its checksum.")] = False,
    data: DataFolder = None,
) -> int:
    """Restore a backup into an empty deployment; stop the dashboard first."""
    from backend.cli.restore import run_restore

    return run_restore(command_settings(data), source, check)


def upgrade(
    *,
    check: Annotated[
        bool,
        Parameter(help="Show the changes without applying them (exit code 1 if any)."),
    ] = False,
    data: DataFolder = None,
) -> int:
    """Upgrade description, database and store to this version; stop the dashboard first."""
    from backend.cli.upgrade import run_upgrade

    return run_upgrade(command_settings(data), check)
