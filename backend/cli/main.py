"""The `seduce` command."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from backend import packaged
from backend.accounts.model import UserState
from backend.core.errors import SeduceError
from backend.core.logs import configure_logging
from backend.settings import Settings

if TYPE_CHECKING:
    from starlette.applications import Starlette

_USER_VERBS: Final = {
    "add": "add an authorized user",
    "list": "all users with their states",
    "promote": "make a user an administrator",
    "demote": "make an administrator a plain user",
    "authorize": "let a user in, whatever the state",
    "deauthorize": "take a user's rights",
    "password": "give a user a new password; ends all sessions",
    "delete": "delete a user with all that belongs to it",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, or 1 for what the user can mend and was told."""
    args = _parser().parse_args(argv)
    run = {
        "backup": _backup,
        "check": _check,
        "config": _config,
        "demo": _demo,
        "device-key": _device_key,
        "export": _export,
        "import": _import,
        "ingest": _ingest,
        "reload": _reload,
        "restore": _restore,
        "rollups": _rollups,
        "serve": _serve,
        "temperature-registerer": _registerer,
        "upgrade": _upgrade,
        "user": _user,
        "web": _web,
    }[args.command]
    try:
        return run(args)
    except KeyboardInterrupt:
        return 130
    except ValidationError as error:
        for fault in error.errors():
            name = "_".join(str(part) for part in fault["loc"]).upper()
            print(f"seduce: SEDUCE_{name}: {fault['msg']}, found {fault['input']!r}", file=sys.stderr)
    except SeduceError as error:
        print(f"seduce: {error}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="seduce", description="Where the watts and the degrees of a data centre go."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    check = commands.add_parser("check", help="read a description and print all its faults, or a summary")
    check.add_argument("folder", type=Path, metavar="DIR", help="the folder of the YAML files")
    commands.add_parser("serve", help="the dashboard in one process, crawlers included, as the settings say")
    commands.add_parser("web", help="page and API alone, over a store and a bus that other processes fill")
    commands.add_parser("ingest", help="the door for pushes alone: keeps, announces and stores readings")
    commands.add_parser(
        "temperature-registerer", help="the temperature cards' receiver, before the ingest door"
    )
    commands.add_parser("rollups", help="the periodic tasks alone")
    key = commands.add_parser("device-key", help="make a key for a device that pushes")
    key.add_argument("name", metavar="NAME", help="how the key is called in the settings")
    _add_user(commands.add_parser("user", help="add, list and change users"))
    demo = commands.add_parser("demo", help="a simulated data centre, live in the browser")
    demo.add_argument("--days", type=_days, default=7.0, help="days of history made at the first start (7)")
    demo.add_argument("--port", type=int, help="port of the page; 0 takes a free one (8081)")
    demo.add_argument("--data", type=Path, metavar="DIR", help="folder its data is kept in (var/demo)")
    demo.add_argument("--description", type=Path, metavar="DIR", help="another description to simulate")
    demo.add_argument("--seed", type=int, default=1, help="which weather, which jobs (1)")
    demo.add_argument(
        "--trouble",
        action="append",
        default=[],
        metavar="DEVICE=TROUBLE[@START][+LASTS][/EVERY]",
        help="what befalls a simulated device, in seconds after the start, such as pdu-Z1.10=mute@60+30/300; "
        "mute, slow, cut, garbage, wrong, reboot, drift or lie; may be given several times",
    )
    _add_import(
        commands.add_parser("import", help="readings from files into the store; the dashboard must not run")
    )
    _add_export(
        commands.add_parser("export", help="readings of the store as a file; the dashboard must not run")
    )
    _add_keeping(commands)
    return parser


def _add_keeping(commands: Any) -> None:
    backup = commands.add_parser(
        "backup", help="copy all that is kept, of one moment, while the dashboard runs or when it does not"
    )
    backup.add_argument("target", type=Path, metavar="DIR|FILE.tar", help="where to; must not be there yet")
    _add_data(backup)
    restore = commands.add_parser("restore", help="a backup into empty places; the dashboard must not run")
    restore.add_argument("source", type=Path, metavar="DIR|FILE.tar", help="what `seduce backup` made")
    restore.add_argument("--check", action="store_true", help="only compare every file with its checksum")
    _add_data(restore)
    reload = commands.add_parser(
        "reload", help="the running dashboard loads its description anew and says what changed"
    )
    reload.add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")
    _add_data(reload)
    upgrade = commands.add_parser(
        "upgrade", help="bring description, database and store to this version; the dashboard must not run"
    )
    upgrade.add_argument(
        "--check",
        action="store_true",
        help="say what is to be done, change nothing; 1 where there is something",
    )
    _add_data(upgrade)
    config = commands.add_parser(
        "config", help="the settings in force and where each comes from, without secrets"
    )
    config.add_argument("--all", action="store_true", help="also those that are as they come")


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="data folder of the process (SEDUCE_DATA_DIR, var)"
    )


def _add_import(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Files may be packed with gzip. An import that was cut short goes on where it stopped; "
        "a file that was imported is passed over."
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="what to read; - is the standard input")
    parser.add_argument(
        "--format",
        choices=["auto", "line", "csv", "arrow", "parquet"],
        default="auto",
        help="by name and content (auto)",
    )
    parser.add_argument(
        "--precision",
        choices=["s", "ms", "us", "ns"],
        help="what times count that are numbers (ns for line protocol)",
    )
    parser.add_argument("--again", action="store_true", help="import anew what was imported before")
    _add_places(parser)


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sensors", type=_names, default=(), metavar="A,B", help="only these sensors")
    parser.add_argument("--type", type=_names, default=(), metavar="T,U", help="only sensors of these types")
    parser.add_argument(
        "--from", dest="start", metavar="TIME", help="as 2026-11-01T00:00:00Z (the first reading)"
    )
    parser.add_argument("--to", dest="end", metavar="TIME", help="the first moment left out (none)")
    parser.add_argument(
        "--format", choices=["csv", "parquet", "arrow", "line"], help="by the file's name, else csv"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="packed where it ends in .gz (standard output)"
    )
    _add_places(parser)


def _add_places(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="folder of the databases (SEDUCE_DATA_DIR, var)"
    )
    parser.add_argument(
        "--description", type=Path, metavar="DIR", help="folder of the YAML files (SEDUCE_DESCRIPTION_DIR)"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def _add_user(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="WHAT")
    for verb, text in _USER_VERBS.items():
        # No short forms: `--password SECRET` must not pass for `--password-file`.
        one = verbs.add_parser(verb, help=text, allow_abbrev=False)
        if verb == "list":
            states = [state.value for state in UserState]
            one.add_argument("--state", choices=states, help="only those in this state")
            continue
        one.add_argument("email", metavar="EMAIL")
        if verb == "add":
            one.add_argument("--admin", action="store_true", help="as an administrator")
            one.add_argument("--name", default="", help="the user's name")
        if verb in ("add", "password"):
            # None on the command line itself: every user of the machine could read it there.
            source = one.add_mutually_exclusive_group()
            source.add_argument(
                "--password-file", metavar="FILE", help="read the password there; - is the standard input"
            )
            source.add_argument("--generate", action="store_true", help="make a password and print it")


def _names(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _days(text: str) -> float:
    days = float(text)
    if not 0 < days <= 366:
        raise argparse.ArgumentTypeError("more than 0 and at most 366")
    return days


def _check(args: argparse.Namespace) -> int:
    from backend.inventory.check import check

    code, text = check(args.folder)
    print(text, file=sys.stderr if code else sys.stdout)
    return code


def _demo(args: argparse.Namespace) -> int:
    from backend.cli.demo import Options, run
    from crawlers.simulators.fault_schedule import ScheduledFault

    chosen = {"port": args.port, "description_dir": args.description}
    if args.description is None and not Settings().description_dir.is_dir():
        chosen["description_dir"] = packaged.example()
    settings = Settings(
        data_dir=args.data or Path("var/demo"), **{k: v for k, v in chosen.items() if v is not None}
    )
    _log(settings)
    return run(
        settings, Options(args.days, args.seed, troubles=[ScheduledFault.parse(t) for t in args.trouble])
    )


def _serve(_: argparse.Namespace) -> int:
    from backend.processes.one_process import crawling, create_app

    return _listen_and_serve(lambda s: create_app(s, alongside=crawling), "The dashboard is live at")


def _web(_: argparse.Namespace) -> int:
    from backend.processes.one_process import create_web
    from backend.processes.shared import refuse_one_process_parts

    def create(settings: Settings) -> Starlette:
        refuse_one_process_parts(settings, "seduce web")
        return create_web(settings)

    return _listen_and_serve(create, "The dashboard is live at")


def _ingest(_: argparse.Namespace) -> int:
    from backend.processes.ingest import create_ingest

    return _listen_and_serve(create_ingest, "Readings are taken at", "ingest")


def _registerer(_: argparse.Namespace) -> int:
    from backend.processes.cards import create_registerer

    return _listen_and_serve(create_registerer, "Temperature cards are taken at", "cards")


def _rollups(_: argparse.Namespace) -> int:
    from backend.processes.ingest import run_rollups

    settings = Settings()
    _log(settings)
    return run_rollups(settings)


def _backup(args: argparse.Namespace) -> int:
    from backend.processes.backup import run_backup

    return run_backup(_placed(args), args.target)


def _restore(args: argparse.Namespace) -> int:
    from backend.cli.restore import run_restore

    return run_restore(_placed(args), args.source, args.check)


def _reload(args: argparse.Namespace) -> int:
    from backend.processes import control

    request = {"command": "reload", "dry_run": args.dry_run}
    for line in control.ask(_placed(args).data_dir, request, print):
        print(line)
    return 0


def _upgrade(args: argparse.Namespace) -> int:
    from backend.cli.upgrade import run_upgrade

    return run_upgrade(_placed(args), args.check)


def _config(args: argparse.Namespace) -> int:
    from backend.settings import effective

    for line in effective(args.all):
        print(line)
    return 0


def _user(args: argparse.Namespace) -> int:
    from backend.cli.user import run

    settings = Settings()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    return run(settings, args)


def _device_key(args: argparse.Namespace) -> int:
    from backend.ingest.keys import generate_key

    key, entry = generate_key(args.name)
    print(f"For the device, shown this once: {key}\nFor SEDUCE_DEVICE_KEYS or its file:  {entry}")
    return 0


def _listen_and_serve(create: Callable[[Settings], Starlette], greeting: str, process: str = "") -> int:
    from backend.processes.server import listen, serve

    settings = Settings()
    _log(settings)
    listener = listen(settings, process)
    host, port = listener.getsockname()
    if not process:
        settings = settings.model_copy(update={"port": port})  # mailed links name it
    return serve(create(settings), listener, f"{greeting} http://{host}:{port}", settings)


def _import(args: argparse.Namespace) -> int:
    from backend.cli.import_readings import Import, run_import
    from backend.formats.kinds import Format, Precision

    kind = None if args.format == "auto" else Format(args.format)
    precision = Precision(args.precision) if args.precision else None
    return run_import(_placed(args), Import(args.files, kind, precision, args.again, args.quiet))


def _export(args: argparse.Namespace) -> int:
    from backend.cli.export_readings import Export, run_export
    from backend.formats.kinds import Format
    from backend.queries.export import ExportRequest, time_of

    start, end = (
        time_of(f"--{name}", text) if text else None
        for name, text in (("from", args.start), ("to", args.end))
    )
    request = ExportRequest(args.sensors, args.type, start, end)
    kind = Format(args.format) if args.format else None
    return run_export(_placed(args), Export(request, kind, args.output, args.quiet))


def _placed(args: argparse.Namespace) -> Settings:
    chosen = {"data_dir": args.data, "description_dir": getattr(args, "description", None)}
    settings = Settings(**{name: value for name, value in chosen.items() if value is not None})
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    return settings


def _log(settings: Settings) -> None:
    configure_logging(settings.log_level, settings.log_format)


if __name__ == "__main__":
    sys.exit(main())
