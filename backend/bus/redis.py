"""The live bus between processes, on Redis pub/sub.

One connection of a process listens, however many subscribers it has, and one publishes. Redis keeps nothing: what is
published while a listener is away is gone for it. It is told so (`Subscription.gaps`) when its connection was lost and is back,
when the numbers of a publisher's messages jump, and when a publisher begins anew.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import redis.asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import RedisError

from backend.bus.memory import MemoryBus, MemorySubscription
from backend.bus.wire import Decoder, encode
from backend.core.background import start_background_task
from backend.core.backoff import Backoff
from backend.core.cancelling import end
from backend.core.errors import PermanentError, TransientError
from backend.core.outage import Outage
from backend.core.reading import Readings

log = logging.getLogger(__name__)

CHANNEL: Final = "seduce:readings"

_ANSWER_S = 1.0
"""How long a publish may take before Redis counts as away."""
_PAUSE_S = 0.5
"""After a failed publish none is tried for so long: pushes come by the hundred a second."""
_FIRST_S = 2.0
"""How long a subscriber waits for the first connection before it goes on without."""
_BACKOFF: Final = Backoff(first_s=0.1, limit_s=5.0)
_QUIET_S = 5.0
"""After which a listener asks whether the connection still is one, and for how long it waits for the answer."""


class RedisBus:
    """The port `Bus` for publishers and subscribers of many processes. `url` is redis://[user:password@]host:port/db.

    Installations that share a server are told apart by the number of the database. Subscribing works while Redis is away; the
    gap is told when it is back. Raises `PermanentError` for a URL that cannot be.
    """

    def __init__(self, url: str) -> None:
        options: dict[str, Any] = {"socket_connect_timeout": _ANSWER_S, "socket_keepalive": True}
        try:
            # Once more at once: after a restart of Redis the first use finds a connection that is none any more.
            self._publisher = aioredis.Redis.from_url(
                url, socket_timeout=_ANSWER_S, retry=Retry(NoBackoff(), 1), **options
            )
            self._listener = aioredis.Redis.from_url(url, retry=Retry(NoBackoff(), 0), **options)
        except ValueError as cause:
            raise PermanentError(f"the URL of the live bus cannot be read: {cause}") from cause
        arguments = self._publisher.connection_pool.connection_kwargs
        self._channel = f"{CHANNEL}:{arguments.get('db') or 0}"
        self._where = f"Redis at {arguments.get('host', 'localhost')}:{arguments.get('port', 6379)}"
        self._local = MemoryBus()
        self._decoder = Decoder()
        self._me = secrets.randbits(63)
        self._sent = 0
        self._not_before = 0.0
        self._heard: dict[int, int] = {}  # publisher -> number of its newest message
        self._listening: asyncio.Task[None] | None = None
        self._connected = asyncio.Event()
        self._outage = Outage(log, "live_bus", server=self._where)
        self._garbage = False

    @property
    def connected(self) -> bool:
        """Whether published readings are heard just now; True before anybody asked."""
        return self._listening is None or self._connected.is_set()

    @property
    def subscribers(self) -> int:
        return self._local.subscribers

    async def publish(self, readings: Readings) -> None:
        """Returns when Redis has it, without waiting for any listener. Raises `TransientError` within a second or two, and
        then without trying for half a second."""
        if not len(readings):
            return
        now = asyncio.get_running_loop().time
        # Counted before it is sent: what is lost leaves a hole in the numbers, which listeners see.
        self._sent += 1
        if now() < self._not_before:
            raise TransientError(f"{self._where} does not answer")
        try:
            await self._publisher.publish(self._channel, encode(readings, self._me, self._sent))
        except (RedisError, OSError, TimeoutError) as error:
            self._not_before = now() + _PAUSE_S
            raise TransientError(f"{self._where}: {error or type(error).__name__}") from error

    @asynccontextmanager
    async def subscribe(self, sensors: frozenset[str] | None = None) -> AsyncIterator[MemorySubscription]:
        if self._listening is None:
            self._listening = start_background_task(self._listen(), "live bus")
        if not self._connected.is_set() and not self._outage.is_open:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._connected.wait(), _FIRST_S)
        async with self._local.subscribe(sensors) as subscription:
            yield subscription

    async def close(self) -> None:
        """Ends both connections."""
        task, self._listening = self._listening, None
        if task is not None:
            await end([task])
        self._connected.clear()
        await self._listener.aclose()
        await self._publisher.aclose()

    async def _listen(self) -> None:
        while True:
            try:
                await self._follow()
            except (RedisError, OSError, TimeoutError) as error:
                self._connected.clear()
                self._outage.failed(str(error) or type(error).__name__)
            await asyncio.sleep(_BACKOFF.delay_s(self._outage.failures))

    async def _follow(self) -> None:
        """Hand on what is published, until the connection fails."""
        async with self._listener.pubsub() as channel:
            await channel.subscribe(self._channel)
            asked = False
            while True:
                message = await channel.get_message(timeout=_QUIET_S)
                if message is None:
                    if asked:
                        raise Disconnected("it falls silent")
                    await channel.ping()
                    asked = True
                    continue
                asked = False
                if message["type"] == "subscribe":
                    self._back()
                elif message["type"] == "message":
                    self._take(message["data"])

    def _back(self) -> None:
        self._connected.set()
        if self._outage.is_open:
            self._outage.recovered()
            self._heard.clear()
            self._local.tell_gap()

    def _take(self, data: bytes) -> None:
        try:
            message = self._decoder.decode(data)
        except ValueError as error:
            if not self._garbage:
                log.warning("something else is published on %s: %s", self._channel, error)
            self._garbage = True
            return
        before = self._heard.get(message.publisher)
        if before is None:
            missed = bool(self._heard)  # one that ended may have taken something with it
            if missed and len(self._heard) > 64:
                self._heard.clear()
        else:
            missed = message.number > before + 1
        self._heard[message.publisher] = max(message.number, before or 0)
        if missed:
            self._local.tell_gap()
        self._local.offer(message.readings)
