"""Commands to equipment over Modbus/TCP: reading what shows its state, and acting on it with a look at what came of it.

A connection lasts for one command, so that a device that bears few is left to its crawler; commands to one device go one
after another.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

from backend.core.commands import ActionResult, PropertyValue
from backend.core.errors import PermanentError, TransientError, UserError
from backend.inventory.model import CommandAction, CommandProperty, CommandTarget
from crawlers import modbus_link, registers
from crawlers.modbus import EXCEPTIONS

__all__ = ["ActionResult", "Commands", "PropertyValue"]

log = logging.getLogger(__name__)

TIMEOUT_S: Final = 2.0
"""Of the connection, and of each answer."""
SETTLE_S: Final = 3.0
"""How long a property may take to show what was written."""
LOOK_S: Final = 0.1
_TRY_AGAIN: Final = frozenset({5, 6, 10, 11})  # not ready, busy, gateway: see EXCEPTIONS
_WORD: Final = range(-(2**15), 2**16)


class Commands:
    """The equipment of commands.yaml. Raises

    - `UserError` for a target or an action that is not described, or a value that no register holds,
    - `TransientError` where the device does not answer or is busy: after a write that was not answered nobody knows whether
      it was done, and reading the properties tells;
    - `PermanentError` where it refuses.
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
        """Targets by id."""
        return self._targets

    async def read_properties(self, target: str) -> list[PropertyValue]:
        """All properties in the order of the description. One that is refused has an error and costs the others nothing."""
        described = self._target(target)
        async with self._line(described) as line:
            return [await _property(line, shown) for shown in described.properties]

    async def run_action(self, target: str, action: str) -> ActionResult:
        """Write, then read back until the properties that show the register agree, for `settle_s` at most."""
        described = self._target(target)
        chosen = next((a for a in described.actions if a.name == action), None)
        if chosen is None:
            known = ", ".join(a.name for a in described.actions)
            raise UserError(f"{target} has no action {action!r}: there are {known or 'none'}")
        if chosen.value not in _WORD:
            raise UserError(f"{target}.{action}: no register holds {chosen.value}")
        shows = [p for p in described.properties if p.register == chosen.register]
        async with self._line(described) as line:
            await line.write(chosen.register, chosen.value & 0xFFFF)
            log.info("%s: %s: %d written to register %d", target, action, chosen.value, chosen.register)
            shown, agree = await self._read_back(line, shows, chosen)
        if agree is False:
            log.warning("%s: %s was acknowledged, but is not shown: %s", target, action, shown)
        return ActionResult(target, action, agree, tuple(shown))

    async def _read_back(
        self, line: _Line, shows: Sequence[CommandProperty], action: CommandAction
    ) -> tuple[list[PropertyValue], bool | None]:
        if not shows:
            return [], None
        now = asyncio.get_running_loop().time
        until = now() + self._settle_s
        while True:
            shown = [await _property(line, one) for one in shows]
            agree = all(v.value == _expected(p, action.value) for p, v in zip(shows, shown, strict=True))
            if agree or now() >= until:
                return shown, agree
            await asyncio.sleep(LOOK_S)

    def _target(self, target: str) -> CommandTarget:
        described = self._targets.get(target)
        if described is None:
            raise UserError(f"there is no equipment {target!r} in commands.yaml")
        return described

    @asynccontextmanager
    async def _line(self, target: CommandTarget) -> AsyncIterator[_Line]:
        async with self._locks.setdefault((target.ip, target.port), asyncio.Lock()):
            client = modbus_link.client(target.ip, target.port, self._timeout_s, target.id)
            try:
                if not await client.connect():
                    raise TransientError(f"{target.id}: no connection to {target.ip}:{target.port}")
                yield _Line(client, target)
            finally:
                client.close()


def _expected(shown: CommandProperty, written: int) -> float:
    """What a property reads once the word is in its first register: of a wider one only the first is known."""
    words = [written & 0xFFFF, *[0] * (registers.width(shown.type) - 1)]
    return registers.decode(words, shown.type, shown.byteorder, shown.wordorder)


async def _property(line: _Line, shown: CommandProperty) -> PropertyValue:
    try:
        words = await line.read(shown.register, registers.width(shown.type))
    except PermanentError as error:
        return PropertyValue(shown.name, None, error=str(error))
    value = registers.decode(words, shown.type, shown.byteorder, shown.wordorder)
    state = next((name for name, expected in shown.values.items() if expected == value), None)
    return PropertyValue(shown.name, value, state)


class _Line:
    """An open connection to one unit."""

    def __init__(self, client: AsyncModbusTcpClient, target: CommandTarget) -> None:
        self._client = client
        self._target = target

    async def read(self, register: int, count: int) -> list[int]:
        answer = await self._ask(
            f"register {register} cannot be read",
            self._client.read_holding_registers(register, count=count, device_id=self._target.unit_id),
        )
        if len(answer.registers) < count:
            raise PermanentError(f"{self._target.id}: register {register} is not in the answer")
        return list(answer.registers)

    async def write(self, register: int, word: int) -> None:
        await self._ask(
            f"register {register} cannot be written",
            self._client.write_register(register, word, device_id=self._target.unit_id),
        )

    async def _ask(self, what: str, request: Any) -> Any:
        try:
            answer = await request
        except (ModbusException, OSError) as error:
            raise TransientError(f"{self._target.id}: {what}: {error}") from error
        if answer.isError():
            code = answer.exception_code
            kind = TransientError if code in _TRY_AGAIN else PermanentError
            raise kind(f"{self._target.id}: {what}: exception {code}: {EXCEPTIONS.get(code, 'unknown')}")
        return answer
