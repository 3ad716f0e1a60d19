"""A pymodbus client that reports invalid frames and lost connections at once.

For a frame that it cannot decode, pymodbus raises in a callback of the event loop, which prints a traceback. If the connection
breaks during a request, it waits for the time-out. Here both end the request at once with a `ModbusException`.
"""

from __future__ import annotations

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException, ModbusIOException


def create_client(ip: str, port: int, timeout_s: float, name: str) -> AsyncModbusTcpClient:
    """Return a client that is not connected yet. It never reconnects or retries by itself; the caller decides that."""
    client = AsyncModbusTcpClient(ip, port=port, timeout=timeout_s, retries=0, reconnect_delay=0, name=name)
    context = client.ctx
    receive, handle_disconnect = context.datagram_received, context.callback_disconnected

    def fail(error: ModbusException) -> None:
        # Without a request under way nothing would retrieve the exception.
        if context._lock.locked() and not context.response_future.done():
            context.response_future.set_exception(error)

    def on_data(data: bytes, address: tuple[object, ...] | None = None) -> None:
        try:
            receive(data, address)
        except Exception as error:
            fail(ModbusIOException(f"unreadable answer: {error}"))
            client.close()

    def on_disconnect(error: Exception | None) -> None:
        handle_disconnect(error)
        fail(ConnectionException("the connection broke"))

    context.datagram_received = on_data  # type: ignore[method-assign, assignment]
    context.callback_disconnected = on_disconnect  # type: ignore[method-assign, assignment]
    return client
