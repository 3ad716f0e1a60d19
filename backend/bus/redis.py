"""The live bus between processes, on Redis pub/sub.

A process has one connection to publish and one to receive, however many subscribers it has. Redis stores nothing, so a process
misses what is published while it is disconnected. Subscribers see this as a gap (`Subscription.gaps`). A gap is reported after a
reconnection, when the message numbers of a publisher jump, and when a new publisher appears.
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
from backend.core.cancelling import cancel_all
from backend.core.errors import PermanentError, TransientError
from backend.core.outage import Outage
from backend.core.reading import Readings

log = logging.getLogger(__name__)

CHANNEL: Final = "seduce:readings"

_TIMEOUT_S: Final = 1.0
"""Time-out of a publish, in seconds."""
_PAUSE_S: Final = 0.5
"""After a failed publish, further ones fail at once for this time, because there may be hundreds per second."""
_FIRST_CONNECTION_S: Final = 2.0
"""The time that the first subscriber waits for the connection before it continues without."""
_BACKOFF: Final = Backoff(first_s=0.1, limit_s=5.0)
_MAX_PUBLISHERS: Final = 64
_PING_AFTER_S: Final = 5.0
"""After this time without a message the connection is checked by a ping. The answer may take as long."""


class RedisBus:
    """The port `Bus` for publishers and subscribers of many processes. `url` is redis://[user:password@]host:port/db.

    Installations that share a server use different database numbers. Subscribing works while Redis is down; subscribers
    get a gap when it is back. Raises `PermanentError` for an invalid URL.
    """

    def __init__(self, url: str) -> None:
        options: dict[str, Any] = {"socket_connect_timeout": _TIMEOUT_S, "socket_keepalive": True}
        try:
            # One immediate retry: after a restart of Redis the first command uses a connection that is closed.
            self._publisher = aioredis.Redis.from_url(
                url, socket_timeout=_TIMEOUT_S, retry=Retry(NoBackoff(), 1), **options
            )
            self._listener = aioredis.Redis.from_url(url, retry=Retry(NoBackoff(), 0), **options)
        except ValueError as cause:
            raise PermanentError(f"SEDUCE_BUS_URL is invalid: {cause}") from cause
        arguments = self._publisher.connection_pool.connection_kwargs
        self._channel = f"{CHANNEL}:{arguments.get('db') or 0}"
        self._server = f"Redis at {arguments.get('host', 'localhost')}:{arguments.get('port', 6379)}"
        self._local = MemoryBus()
        self._decoder = Decoder()
        self._publisher_id = secrets.randbits(63)
        self._sent = 0
        self._not_before = 0.0
        self._newest_numbers: dict[int, int] = {}  # publisher -> number of its newest message
        self._listening: asyncio.Task[None] | None = None
        self._connected = asyncio.Event()
        self._outage = Outage(log, "live_bus", server=self._server)
        self._has_logged_garbage = False

    @property
    def connected(self) -> bool:
        """Return whether published readings are received now. True before the first subscription."""
        return self._listening is None or self._connected.is_set()

    @property
    def subscribers(self) -> int:
        return self._local.subscribers

    async def publish(self, readings: Readings) -> None:
        """Return when Redis has the message, without waiting for any subscriber.

        Raises `TransientError` within two seconds, and then at once for half a second.
        """
        if not len(readings):
            return
        now = asyncio.get_running_loop().time
        # Counted before it is sent, so that a lost message leaves a hole in the numbers that subscribers detect.
        self._sent += 1
        if now() < self._not_before:
            raise TransientError(f"{self._server} does not answer")
        try:
            await self._publisher.publish(self._channel, encode(readings, self._publisher_id, self._sent))
        except (RedisError, OSError, TimeoutError) as error:
            self._not_before = now() + _PAUSE_S
            raise TransientError(f"{self._server}: {error or type(error).__name__}") from error

    @asynccontextmanager
    async def subscribe(self, sensors: frozenset[str] | None = None) -> AsyncIterator[MemorySubscription]:
        if self._listening is None:
            self._listening = start_background_task(self._listen(), "live bus")
        if not self._connected.is_set() and not self._outage.is_open:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._connected.wait(), _FIRST_CONNECTION_S)
        async with self._local.subscribe(sensors) as subscription:
            yield subscription

    async def close(self) -> None:
        """Close both connections."""
        task, self._listening = self._listening, None
        if task is not None:
            await cancel_all([task])
        self._connected.clear()
        await self._listener.aclose()
        await self._publisher.aclose()

    async def _listen(self) -> None:
        while True:
            try:
                await self._receive()
            except (RedisError, OSError, TimeoutError) as error:
                self._connected.clear()
                self._outage.failed(str(error) or type(error).__name__)
            await asyncio.sleep(_BACKOFF.delay_s(self._outage.failures))

    async def _receive(self) -> None:
        """Pass published messages to the subscribers until the connection fails."""
        async with self._listener.pubsub() as channel:
            await channel.subscribe(self._channel)
            is_ping_sent = False
            while True:
                message = await channel.get_message(timeout=_PING_AFTER_S)
                if message is None:
                    if is_ping_sent:
                        raise Disconnected("no answer to a ping")
                    await channel.ping()
                    is_ping_sent = True
                    continue
                is_ping_sent = False
                if message["type"] == "subscribe":
                    self._mark_connected()
                elif message["type"] == "message":
                    self._handle_message(message["data"])

    def _mark_connected(self) -> None:
        self._connected.set()
        if self._outage.is_open:
            self._outage.recovered()
            self._newest_numbers.clear()
            self._local.signal_gap()

    def _handle_message(self, data: bytes) -> None:
        try:
            message = self._decoder.decode(data)
        except ValueError as error:
            if not self._has_logged_garbage:
                log.warning("unknown message channel=%s: %s", self._channel, error)
            self._has_logged_garbage = True
            return
        previous = self._newest_numbers.get(message.publisher)
        if previous is None:
            has_gap = bool(self._newest_numbers)  # a publisher that was replaced may have lost messages
            if has_gap and len(self._newest_numbers) > _MAX_PUBLISHERS:
                self._newest_numbers.clear()
        else:
            has_gap = message.number > previous + 1
        self._newest_numbers[message.publisher] = max(message.number, previous or 0)
        if has_gap:
            self._local.signal_gap()
        self._local.offer(message.readings)
