"""A pymodbus client that takes whatever a device sends.

pymodbus raises inside the event loop's callback where a frame cannot be decoded, which the loop prints as a traceback, and waits
for its time-out where the connection breaks while it waits for an answer. Here both end the waiting request at once, with a
`ModbusException`.
"""

from __future__ import annotations

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException, ModbusIOException


def client(ip: str, port: int, timeout_s: float, name: str) -> AsyncModbusTcpClient:
    """Not connected yet. It does not connect again or repeat a request by itself: the caller decides when to."""
    made = AsyncModbusTcpClient(ip, port=port, timeout=timeout_s, retries=0, reconnect_delay=0, name=name)
    context = made.ctx
    take, lost = context.datagram_received, context.callback_disconnected

    def fail(error: ModbusException) -> None:
        # Without a request under way nobody would ever look at the failure.
        if context._lock.locked() and not context.response_future.done():
            context.response_future.set_exception(error)

    def received(data: bytes, address: tuple[object, ...] | None = None) -> None:
        try:
            take(data, address)
        except Exception as error:
            fail(ModbusIOException(f"unreadable answer: {error}"))
            made.close()

    def disconnected(error: Exception | None) -> None:
        lost(error)
        fail(ConnectionException("the connection broke"))

    context.datagram_received = received  # type: ignore[method-assign, assignment]
    context.callback_disconnected = disconnected  # type: ignore[method-assign, assignment]
    return made
