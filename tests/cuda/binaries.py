"""What kernels take of a multiprocessor, as their binaries say: the numbers of `cuobjdump --dump-resource-usage`."""

from __future__ import annotations

import struct
from dataclasses import dataclass

__all__ = ["Resources", "resources"]

REGISTERS, FRAME = 0x2F, 0x11
"""Attributes of `.nv.info`, which nobody documents; `test_compiles.py` sees them follow kernels of known size."""
VALUES_WITH_SIZE = 0x04


@dataclass
class Resources:
    """registers : of a thread. stack : bytes of a thread in local memory, which registers that are spilled go to."""

    registers: int = 0
    stack: int = 0


def resources(binary: bytes) -> dict[str, Resources]:
    """What each function of a cubin takes, by its name."""
    sections = _sections(binary)
    start, size, names = sections[".symtab"]
    symbols = [_text(binary, names, struct.unpack_from("<I", binary, start + at)[0]) for at in range(0, size, 24)]
    found: dict[str, Resources] = {}
    at, size, _ = sections[".nv.info"]
    end = at + size
    while at < end:
        form, attribute, length = struct.unpack_from("<BBH", binary, at)
        at += 4
        if form != VALUES_WITH_SIZE:
            continue
        if attribute in (REGISTERS, FRAME):
            symbol, value = struct.unpack_from("<II", binary, at)
            used = found.setdefault(symbols[symbol], Resources())
            setattr(used, "registers" if attribute == REGISTERS else "stack", value)
        at += length
    return {name: used for name, used in found.items() if used.registers}


def _sections(binary: bytes) -> dict[str, tuple[int, int, int]]:
    """By name: where a section of the ELF file starts, its size, and where the names start that its symbols have."""
    (table,) = struct.unpack_from("<Q", binary, 0x28)
    length, count, names = struct.unpack_from("<HHH", binary, 0x3A)
    headers = [struct.unpack_from("<IIQQQQIIQQ", binary, table + i * length) for i in range(count)]
    return {
        _text(binary, headers[names][4], header[0]): (header[4], header[5], headers[header[6] % count][4])
        for header in headers
    }


def _text(binary: bytes, start: int, offset: int) -> str:
    return binary[start + offset : binary.index(b"\0", start + offset)].decode()
