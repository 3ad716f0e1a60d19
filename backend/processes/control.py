"""The control socket of a running process: commands of the same account on the same machine, to the process that owns the data.

`control.sock` in the data folder, for its owner only (mode 0600): whoever may open it may as well stop the process. One JSON
object a line: the request `{"command": name, ...}`, then any number of `{"say": text}`, and at last `{"done": answer}` or
`{"error": text}`.
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
MAX_LINE: Final = 1 << 20

Say: TypeAlias = Callable[[str], None]
"""Tells the person at the other end how far it is."""

Command: TypeAlias = Callable[[Mapping[str, Any], Say], Awaitable[object]]
"""Takes the request and answers something that JSON can say; raises `SeduceError` for what the person can mend."""


@asynccontextmanager
async def listening(folder: Path, commands: Mapping[str, Command]) -> AsyncIterator[None]:
    """Answers commands while the block runs. Where the socket cannot be had the process does without, and says so."""
    talk = _Talk(commands)
    try:
        with _reachable(folder) as path:
            listener = _bind(path)
    except OSError as error:
        log.warning("no commands are taken at %s: %s", folder / NAME, error)
        yield
        return
    server = await asyncio.start_unix_server(talk, sock=listener, limit=MAX_LINE)
    try:
        yield
    finally:
        server.close()
        (folder / NAME).unlink(missing_ok=True)


@contextlib.contextmanager
def hanging_up(reload: Callable[[], Awaitable[object]]) -> Iterator[None]:
    """SIGHUP loads the description anew while the block runs; a faulty one is logged, and the old one stays."""
    loop = asyncio.get_running_loop()
    under_way: set[asyncio.Task[None]] = set()

    async def act() -> None:
        try:
            await reload()
        except SeduceError as error:
            log.error("the description was not loaded, the old one stays:\n%s", error)
        except Exception:
            log.exception("the description was not loaded, the old one stays")

    def begin() -> None:
        task = loop.create_task(act(), name="reload")
        under_way.add(task)
        task.add_done_callback(under_way.discard)

    try:
        loop.add_signal_handler(signal.SIGHUP, begin)
    except (ValueError, RuntimeError):  # not in the main thread: whoever runs us there has the signals
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)


def reload_command(reload: Callable[[bool], Awaitable[list[str]]]) -> Command:
    """`{"command": "reload", "dry_run": bool}`: answers what changes, or would, a line each."""

    async def command(request: Mapping[str, Any], _: Say) -> object:
        return await reload(bool(request.get("dry_run")))

    return command


def ask(folder: Path, request: Mapping[str, Any], say: Say) -> Any:
    """The answer of the process that runs over the folder. Raises `NobodyThere`, and `PermanentError` with what it answered."""
    with _connected(folder) as connection, connection.makefile("rwb") as stream:
        stream.write(json.dumps(request).encode() + b"\n")
        stream.flush()
        for line in stream:
            answer = json.loads(line)
            if "say" in answer:
                say(answer["say"])
            elif "error" in answer:
                raise PermanentError(answer["error"])
            else:
                return answer["done"]
    raise PermanentError(f"the process over {folder} ended before it had answered")


class NobodyThere(PermanentError):
    """No process runs over the folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"no running dashboard listens at {folder / NAME}")


class _Talk:
    """One connection: one command and its answer."""

    def __init__(self, commands: Mapping[str, Command]) -> None:
        self._commands = commands

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def tell(**message: object) -> None:
            writer.write(json.dumps(message).encode() + b"\n")

        try:
            tell(done=await self._answer(await reader.readline(), lambda text: tell(say=text)))
        except SeduceError as error:
            tell(error=str(error))
        except Exception as error:
            log.exception("a command failed")
            tell(error=f"{type(error).__name__}: {error}; the log says more")
        finally:
            with contextlib.suppress(ConnectionError):
                await writer.drain()
            writer.close()

    async def _answer(self, line: bytes, say: Say) -> object:
        try:
            request = json.loads(line)
            name = request["command"]
        except (ValueError, KeyError, TypeError):
            raise PermanentError('expected one line such as {"command": "reload"}') from None
        if name == "ping":
            return "here"
        command = self._commands.get(name)
        if command is None:
            known = ", ".join(sorted(self._commands))
            raise PermanentError(f"this process takes no command {name!r}; it takes {known or 'none'}")
        return await command(request, say)


@contextlib.contextmanager
def _reachable(folder: Path) -> Iterator[str]:
    """A short path to the socket: the system takes 107 bytes, and folders of data lie deep."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{opened}/{NAME}"
    finally:
        os.close(opened)


def _bind(path: str) -> socket.socket:
    """Raises OSError where another process listens there. What a killed process left is replaced."""
    with (
        socket.socket(socket.AF_UNIX) as probe,
        contextlib.suppress(FileNotFoundError, ConnectionRefusedError),
    ):
        probe.connect(path)
        raise OSError("another process listens there")
    Path(path).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        listener.bind(path)
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(before)
    return listener


@contextlib.contextmanager
def _connected(folder: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            with _reachable(folder) as path:
                connection.connect(path)
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            raise NobodyThere(folder) from None
        except PermissionError as error:
            raise PermanentError(
                f"{folder / NAME}: {error.strerror}: use the account that the dashboard runs as"
            ) from error
        yield connection
