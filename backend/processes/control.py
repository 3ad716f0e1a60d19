"""The control socket of a running process: commands from the same account on the same machine.

The socket is `control.sock` in the data folder, readable by its owner only (mode 0600): who can open it could as well stop
the process. Messages are JSON objects, one per line: a request `{"command": name, ...}`, then any number of
`{"say": text}` with progress, and finally `{"done": answer}` or `{"error": text}`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

from backend.core.errors import PermanentError, SeduceError

log = logging.getLogger("seduce.control")

NAME: Final = "control.sock"
MAX_LINE_BYTES: Final = 1 << 20

Progress: TypeAlias = Callable[[str], None]
"""Shows a line of progress to the user of a command."""

Command: TypeAlias = Callable[[Mapping[str, Any], Progress], Awaitable[object]]
"""Takes a request and returns an answer that JSON can represent. Raises `SeduceError` for an error the user can fix."""


@asynccontextmanager
async def listen(folder: Path, commands: Mapping[str, Command]) -> AsyncIterator[None]:
    """Serve commands while the block runs. If the socket cannot be created, log it and run the block without."""
    connection = _Connection(commands)
    try:
        with _short_path(folder) as path:
            listener = _bind(path)
    except OSError as error:
        log.warning("control socket unavailable path=%s error=%s", folder / NAME, error)
        yield
        return
    server = await asyncio.start_unix_server(connection, sock=listener, limit=MAX_LINE_BYTES)
    try:
        yield
    finally:
        server.close()
        (folder / NAME).unlink(missing_ok=True)


@contextlib.contextmanager
def reload_on_sighup(reload: Callable[[], Awaitable[object]]) -> Iterator[None]:
    """Reload the site description on SIGHUP while the block runs. If it is faulty, log that and keep the previous one."""
    loop = asyncio.get_running_loop()
    reloads: set[asyncio.Task[None]] = set()

    async def run() -> None:
        try:
            await reload()
        except SeduceError as error:
            log.error("site description not reloaded; the previous one stays active:\n%s", error)
        except Exception:
            log.exception("site description not reloaded; the previous one stays active")

    def start() -> None:
        task = loop.create_task(run(), name="reload")
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    try:
        loop.add_signal_handler(signal.SIGHUP, start)
    except (ValueError, RuntimeError):  # not in the main thread, which alone can handle signals
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)


def reload_command(reload: Callable[[bool], Awaitable[list[str]]]) -> Command:
    """Return the command `{"command": "reload", "dry_run": bool}`. It answers the changes, one line each."""

    async def command(request: Mapping[str, Any], _: Progress) -> object:
        return await reload(bool(request.get("dry_run")))

    return command


def send_command(folder: Path, request: Mapping[str, Any], progress: Progress) -> Any:
    """Send a command to the process that uses the data folder, and return its answer.

    Raises `NotRunning` if there is no such process, and `PermanentError` with the error it answers.
    """
    with _connect(folder) as connection, connection.makefile("rwb") as stream:
        stream.write(json.dumps(request).encode() + b"\n")
        stream.flush()
        for line in stream:
            answer = json.loads(line)
            if "say" in answer:
                progress(answer["say"])
            elif "error" in answer:
                raise PermanentError(answer["error"])
            else:
                return answer["done"]
    raise PermanentError(f"the process that uses {folder} exited before it replied; see its log")


def is_running(folder: Path) -> bool:
    """Return whether a process that uses the data folder answers on its control socket."""
    try:
        send_command(folder, {"command": "ping"}, lambda _: None)
    except NotRunning:
        return False
    return True


class NotRunning(PermanentError):
    """No process uses the data folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"no dashboard is running (no control socket at {folder / NAME})")


class _Connection:
    """Handles one connection: one command and its answer."""

    def __init__(self, commands: Mapping[str, Command]) -> None:
        self._commands = commands

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def send(**message: object) -> None:
            writer.write(json.dumps(message).encode() + b"\n")

        try:
            send(done=await self._run(await reader.readline(), lambda text: send(say=text)))
        except SeduceError as error:
            send(error=str(error))
        except Exception as error:
            log.exception("control command failed")
            send(error=f"{type(error).__name__}: {error}; see the log of the process")
        finally:
            with contextlib.suppress(ConnectionError):
                await writer.drain()
            writer.close()

    async def _run(self, line: bytes, progress: Progress) -> object:
        try:
            request = json.loads(line)
            name = request["command"]
        except (ValueError, KeyError, TypeError):
            raise PermanentError('expected one line such as {"command": "reload"}') from None
        if name == "ping":
            return "here"
        command = self._commands.get(name)
        if command is None:
            names = ", ".join(sorted(self._commands)) or "none"
            raise PermanentError(f"unknown command {name!r}; this process has: {names}")
        return await command(request, progress)


@contextlib.contextmanager
def _short_path(folder: Path) -> Iterator[str]:
    """Yield a short path of the socket: a socket address holds 107 bytes, and data folders can be nested deeply."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{NAME}"
    finally:
        os.close(descriptor)


def _bind(path: str) -> socket.socket:
    """Return the bound socket, in place of one that a killed process left.

    Raises OSError if another process listens there.
    """
    with (
        socket.socket(socket.AF_UNIX) as probe,
        contextlib.suppress(FileNotFoundError, ConnectionRefusedError),
    ):
        probe.connect(path)
        raise OSError("another process listens there")
    Path(path).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    previous_mask = os.umask(0o177)
    try:
        listener.bind(path)
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(previous_mask)
    return listener


@contextlib.contextmanager
def _connect(folder: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            with _short_path(folder) as path:
                connection.connect(path)
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            raise NotRunning(folder) from None
        except PermissionError as error:
            raise PermanentError(
                f"{folder / NAME}: {error.strerror}: use the account that the dashboard runs as"
            ) from error
        yield connection
