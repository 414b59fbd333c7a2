"""TensorBoard's event files, as far as numbers go.

A file is a sequence of records (length, checksum of the length, data, checksum of the data), each the Protocol Buffers
encoding of an `Event` message.

Sources: in TensorFlow's source, tensorflow/core/lib/io/record_writer.h for records and the masking of checksums,
tensorflow/core/util/event.proto and tensorflow/core/framework/summary.proto for the numbers of the fields; and
protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path

__all__ = ["EventFile", "crc32c"]


class EventFile:
    """A new event file in a folder, which is made if need be.

    >>> import tempfile
    >>> file = train.events.EventFile(tempfile.mkdtemp())
    >>> file.scalars(1, {"loss": 0.5})
    >>> file.close()
    """

    def __init__(self, folder: str | os.PathLike) -> None:
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        now = time.time()
        # TensorBoard reads the files of a folder in the order of their names.
        name = f"events.out.tfevents.{int(now):010d}.{socket.gethostname()}.{os.getpid()}.{time.monotonic_ns()}"
        self._file = (folder / name).open("xb")
        self._write(_double(1, now) + _bytes(3, b"brain.Event:2"))

    def scalars(self, step: int, numbers: Mapping[str, float]) -> None:
        """Add numbers by name at a step."""
        # A `Summary` holds values; a value has a tag (1) and a number (2).
        values = (_bytes(1, _bytes(1, tag.encode()) + _float(2, number)) for tag, number in numbers.items())
        self._write(_double(1, time.time()) + _integer(2, step) + _bytes(5, b"".join(values)))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, data: bytes) -> None:
        length = struct.pack("<Q", len(data))
        self._file.write(length + _masked(length) + data + _masked(data))
        self._file.flush()


def _masked(data: bytes) -> bytes:
    """The checksum of a part of a record: rotated and shifted, since data may themselves hold checksums."""
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def crc32c(data: bytes) -> int:
    """The cyclic redundancy check with Castagnoli's polynomial.   Source: RFC 3720, section 12.1.

    >>> hex(train.events.crc32c(b"123456789"))
    '0xe3069283'
    """
    crc, table = 0xFFFFFFFF, _table()
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


@cache
def _table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)  # the polynomial, lowest bit first
        table.append(byte)
    return table


# Fields of Protocol Buffers: the number and the kind (0 varint, 1 eight bytes, 2 a length and bytes, 5 four bytes).


def _varint(value: int) -> bytes:
    value &= 2**64 - 1
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def _integer(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _double(field: int, value: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _float(field: int, value: float) -> bytes:
    return _varint(field << 3 | 5) + struct.pack("<f", value)
