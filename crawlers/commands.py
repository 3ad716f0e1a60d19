"""Commands to equipment over Modbus/TCP: read the properties that show its state, and run actions and read them back.

A connection lasts for one command, because a device may allow few connections and its crawler needs one. Commands to one device
run one after another.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from backend.core.commands import ActionResult, PropertyValue
from backend.core.errors import PermanentError, TransientError, UserError
from backend.inventory.model import CommandAction, CommandProperty, CommandTarget
from crawlers import registers

if TYPE_CHECKING:
    from pymodbus.client import AsyncModbusTcpClient

__all__ = ["ActionResult", "Commands", "PropertyValue"]

log = logging.getLogger(__name__)

TIMEOUT_S: Final = 2.0
"""Time-out of the connection and of each answer, in seconds."""
SETTLE_S: Final = 3.0
"""The time in seconds that a property may take to show the value that was written."""
READ_BACK_INTERVAL_S: Final = 0.1
_RETRYABLE: Final = frozenset({5, 6, 10, 11})  # not ready, busy, gateway: see EXCEPTIONS
_REGISTER_VALUES: Final = range(-(2**15), 2**16)


class Commands:
    """The equipment of commands.yaml. Methods raise

    - `UserError` for a target or an action that is not described, or a value that does not fit a register,
    - `TransientError` if the device does not answer or is busy. A write without an answer may have been done or not; read the
      properties to find out;
    - `PermanentError` if the device refuses the request.
    """

    def __init__(
        self, targets: Iterable[CommandTarget], timeout_s: float = TIMEOUT_S, settle_s: float = SETTLE_S
    ) -> None:
        self._targets: Mapping[str, CommandTarget] = {target.id: target for target in targets}
        self._timeout_s = timeout_s
        self._settle_s = settle_s
        self._locks: dict[tuple[str, int], asyncio.Lock] = {}

    @property
    def targets(self) -> Mapping[str, CommandTarget]:
        """The targets by id."""
        return self._targets

    async def read_properties(self, target: str) -> list[PropertyValue]:
        """Return all properties in the order of the description. A refused one has an error and does not affect the others."""
        described = self._target(target)
        async with self._connect(described) as connection:
            return [await _read_property(connection, p) for p in described.properties]

    async def run_action(self, target: str, action: str) -> ActionResult:
        """Write the value, then read back for up to `settle_s` until the properties of the register agree with it."""
        described = self._target(target)
        command = next((a for a in described.actions if a.name == action), None)
        if command is None:
            names = ", ".join(a.name for a in described.actions)
            raise UserError(f"{target} has no action {action!r}: there are {names or 'none'}")
        register, value = command.register, command.value
        if value not in _REGISTER_VALUES:
            raise UserError(f"{target}.{action}: {value} does not fit into a register")
        properties = [p for p in described.properties if p.register == register]
        async with self._connect(described) as connection:
            await connection.write(register, value & 0xFFFF)
            log.info(
                "command written target=%s action=%s register=%d value=%d", target, action, register, value
            )
            states, is_confirmed = await self._read_back(connection, properties, command)
        if is_confirmed is False:
            log.warning("command not confirmed target=%s action=%s properties=%s", target, action, states)
        return ActionResult(target, action, is_confirmed, tuple(states))

    async def _read_back(
        self, connection: _Connection, properties: Sequence[CommandProperty], action: CommandAction
    ) -> tuple[list[PropertyValue], bool | None]:
        if not properties:
            return [], None
        now = asyncio.get_running_loop().time
        deadline = now() + self._settle_s
        expected = [_expected_value(p, action.value) for p in properties]
        while True:
            states = [await _read_property(connection, p) for p in properties]
            is_confirmed = [state.value for state in states] == expected
            if is_confirmed or now() >= deadline:
                return states, is_confirmed
            await asyncio.sleep(READ_BACK_INTERVAL_S)

    def _target(self, target: str) -> CommandTarget:
        described = self._targets.get(target)
        if described is None:
            raise UserError(f"there is no equipment {target!r} in commands.yaml")
        return described

    @asynccontextmanager
    async def _connect(self, target: CommandTarget) -> AsyncIterator[_Connection]:
        from crawlers import modbus_link  # loads pymodbus, which only a command needs

        async with self._locks.setdefault((target.ip, target.port), asyncio.Lock()):
            client = modbus_link.create_client(target.ip, target.port, self._timeout_s, target.id)
            try:
                if not await client.connect():
                    raise TransientError(f"{target.id}: no connection to {target.ip}:{target.port}")
                yield _Connection(client, target)
            finally:
                client.close()


def _expected_value(described: CommandProperty, written: int) -> float:
    """Return the value of the property once its first register holds the written word. Further registers count as zero."""
    words = [written & 0xFFFF, *[0] * (registers.width(described.type) - 1)]
    return registers.decode(words, described.type, described.byteorder, described.wordorder)


async def _read_property(connection: _Connection, described: CommandProperty) -> PropertyValue:
    try:
        words = await connection.read(described.register, registers.width(described.type))
    except PermanentError as error:
        return PropertyValue(described.name, None, error=str(error))
    value = registers.decode(words, described.type, described.byteorder, described.wordorder)
    state = next((name for name, expected in described.values.items() if expected == value), None)
    return PropertyValue(described.name, value, state)


class _Connection:
    """An open connection to one unit."""

    def __init__(self, client: AsyncModbusTcpClient, target: CommandTarget) -> None:
        self._client = client
        self._target = target

    async def read(self, register: int, count: int) -> list[int]:
        answer = await self._send(
            f"register {register} cannot be read",
            self._client.read_holding_registers(register, count=count, device_id=self._target.unit_id),
        )
        if len(answer.registers) < count:
            raise PermanentError(f"{self._target.id}: register {register} is not in the answer")
        return list(answer.registers)

    async def write(self, register: int, word: int) -> None:
        await self._send(
            f"register {register} cannot be written",
            self._client.write_register(register, word, device_id=self._target.unit_id),
        )

    async def _send(self, failure: str, request: Any) -> Any:
        from pymodbus.exceptions import ModbusException

        from crawlers.modbus import EXCEPTIONS

        try:
            answer = await request
        except (ModbusException, OSError) as error:
            raise TransientError(f"{self._target.id}: {failure}: {error}") from error
        if answer.isError():
            code = answer.exception_code
            kind = TransientError if code in _RETRYABLE else PermanentError
            raise kind(f"{self._target.id}: {failure}: exception {code}: {EXCEPTIONS.get(code, 'unknown')}")
        return answer
