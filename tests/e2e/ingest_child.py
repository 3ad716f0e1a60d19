"""The door, the spool, the drain and the store as one process of its own: `ingest_child.py FOLDER LISTENER_FD`."""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path

from starlette.types import Receive, Scope, Send

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import uvicorn

from backend.bus.memory import MemoryBus
from backend.core.asgi import App, send_json
from backend.core.ports import SensorTags
from backend.ingest.endpoints.readings import readings_endpoint
from backend.ingest.service import Ingest
from backend.ingest.spool import SqliteSpool
from backend.store.duckdb.store import DuckDBStore
from tests.support.path_dispatcher import PathDispatcher

SENSORS = tuple(f"s{i}" for i in range(40))


def depth_page(ingest: Ingest) -> App:
    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        await send_json(send, 200, str(ingest.depth).encode())

    return page


async def main(folder: Path, fd: int) -> None:
    store = DuckDBStore(folder / "series.duckdb")
    await store.open()
    spool = SqliteSpool(folder / "spool.db", 1 << 28)
    await spool.open()
    known = {name: SensorTags("room", "wattmeter", "W") for name in SENSORS}
    ingest = Ingest(spool, store, MemoryBus(), known)
    drain = asyncio.create_task(ingest.run_drain())
    app = PathDispatcher({"/ingest": readings_endpoint(ingest.accept_columns)}, depth_page(ingest))
    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off")
    assert not drain.done()
    # Nothing is closed on purpose: whatever ends this process, the files must be fit to be opened again.
    await uvicorn.Server(config).serve(sockets=[socket.socket(fileno=fd)])


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
