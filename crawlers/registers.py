"""Encoding of numbers in 16-bit Modbus registers.

Modbus sends the high byte of a register first and does not define numbers of two registers. The site description gives two
orders, with the meaning of pymodbus' BinaryPayloadDecoder, for which existing descriptions were written:

- `byteorder` is the order of the two bytes in each register: `>` as Modbus sends them, `<` swapped.
- `wordorder` is the order of the registers: `>` high word first, `<` low word first.

The bytes A B C D of a 32-bit number (A is the highest) are sent as `AB CD` for `>` `>`, `CD AB` for `>` `<`, `BA DC` for `<` `>`
and `DC BA` for `<` `<`, which is plain little-endian. `<` is the default of both. A 16-bit number with byteorder `<` is swapped,
too. A `bool` is true if the register is not zero.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from backend.inventory.model import Order, RegisterType

_FORMATS: Final[dict[RegisterType, str]] = {
    "int16": ">h",
    "uint16": ">H",
    "int32": ">i",
    "uint32": ">I",
    "float32": ">f",
    "bool": ">H",
}


def width(kind: RegisterType) -> int:
    """Return the number of registers of a type."""
    return struct.calcsize(_FORMATS[kind]) // 2


def decode(registers: Sequence[int], kind: RegisterType, byteorder: Order, wordorder: Order) -> float:
    """Return the number in `width(kind)` registers, each from 0 to 65535."""
    words = registers if wordorder == ">" else reversed(registers)
    raw = b"".join(word.to_bytes(2, "big" if byteorder == ">" else "little") for word in words)
    number: float = struct.unpack(_FORMATS[kind], raw)[0]
    return float(number != 0) if kind == "bool" else float(number)


def encode(value: float, kind: RegisterType, byteorder: Order, wordorder: Order) -> list[int]:
    """Return the registers that `decode` to `value`. Raises struct.error if the type cannot hold it."""
    number = value if kind == "float32" else int(bool(value)) if kind == "bool" else int(value)
    raw = struct.pack(_FORMATS[kind], number)
    order = "big" if byteorder == ">" else "little"
    words = [int.from_bytes(raw[i : i + 2], order) for i in range(0, len(raw), 2)]  # type: ignore[arg-type]
    return words if wordorder == ">" else words[::-1]
