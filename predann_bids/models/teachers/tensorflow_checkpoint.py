"""Read the variables of a TensorFlow checkpoint without TensorFlow, and without executing anything in it.

A checkpoint has an index and a file of data. The index is a sorted table of the format of LevelDB: blocks of entries
whose keys share prefixes, an index block that points to them, and a footer that points to the index block. Each entry
maps the name of a variable to a protocol buffer (`BundleEntryProto`) with its type, shape, offset and size in the data.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from predann_bids.arrays import Singles
from predann_bids.errors import UnusableData

MAGIC = 0xDB4775248B80FB57
FOOTER = 48  # bytes
FLOAT = 1  # DT_FLOAT
TYPE, SHAPE, SHARD, OFFSET, SIZE = 1, 2, 3, 4, 5  # fields of BundleEntryProto
VARINT, EIGHT_BYTES, BYTES, FOUR_BYTES = 0, 1, 2, 5  # ways in which a protocol buffer writes a value


def read_variables(index: bytes, data: bytes, name: str) -> dict[str, Singles]:
    """Read all float32 variables of a checkpoint of one shard.

    Parameters
    ----------
    index, data : bytes
        Content of the two files.
    name : str
        What the checkpoint is called in messages.

    Returns
    -------
    dict of str to ndarray

    Raises
    ------
    UnusableData
        It is no such checkpoint, or it is damaged.
    """
    try:
        entries = {key.decode(): _Entry.of(value) for key, value in _table(index) if key}
        return {key: entry.read(data) for key, entry in entries.items() if entry.kind == FLOAT}
    except (ValueError, IndexError, struct.error) as error:
        raise UnusableData(f"{name} is no TensorFlow checkpoint of one shard, or it is damaged: {error}.") from error


@dataclass(frozen=True)
class _Entry:
    kind: int
    shape: tuple[int, ...]
    offset: int
    size: int

    @classmethod
    def of(cls, message: bytes) -> _Entry:
        values: dict[int, Any] = {TYPE: 0, SHAPE: b"", SHARD: 0, OFFSET: 0, SIZE: 0}
        values |= dict(_fields(message))
        if values[SHARD]:
            raise ValueError("it has several shards")
        dims = (dict(_fields(dim)).get(1, 0) for _, dim in _fields(values[SHAPE]))
        return cls(values[TYPE], tuple(dims), values[OFFSET], values[SIZE])

    def read(self, data: bytes) -> Singles:
        if self.offset + self.size > len(data):
            raise ValueError("data are missing at its end")
        part = data[self.offset : self.offset + self.size]
        return np.frombuffer(part, dtype="<f4").reshape(self.shape).astype(np.float32)


def _table(index: bytes) -> Iterator[tuple[bytes, bytes]]:
    if len(index) < FOOTER or struct.unpack("<Q", index[-8:])[0] != MAGIC:
        raise ValueError("its index has another format")
    footer, place = index[-FOOTER:], 0
    for _ in range(2):  # where the block of metadata lies, which is not needed
        _, place = _varint(footer, place)
    for _, handle in _block(index, *_handle(footer, place)):
        yield from _block(index, *_handle(handle, 0))


def _handle(data: bytes, place: int) -> tuple[int, int]:
    offset, place = _varint(data, place)
    size, _ = _varint(data, place)
    return offset, size


def _block(index: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the entries of a block; each key is written without what it shares with the one before."""
    if index[offset + size]:
        raise ValueError("its index is compressed")
    block = index[offset : offset + size]
    end = size - 4 - 4 * struct.unpack("<I", block[-4:])[0]  # restart points and their number come last
    place, key = 0, b""
    while place < end:
        shared, place = _varint(block, place)
        own, place = _varint(block, place)
        length, place = _varint(block, place)
        key = key[:shared] + block[place : place + own]
        place += own
        yield key, block[place : place + length]
        place += length


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Yield number and value of the fields of a protocol buffer."""
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        value: Any
        if tag & 7 == VARINT:
            value, place = _varint(message, place)
        elif tag & 7 == BYTES:
            length, place = _varint(message, place)
            value, place = message[place : place + length], place + length
        elif tag & 7 in (EIGHT_BYTES, FOUR_BYTES):
            length = 8 if tag & 7 == EIGHT_BYTES else 4
            value, place = message[place : place + length], place + length
        else:
            raise ValueError("an entry of its index has another format")
        yield tag >> 3, value


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """Read a number whose bytes hold seven bits each, the lowest first; also return where the next one begins."""
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place


def named(variables: Mapping[str, Singles], name: str, shape: tuple[int, ...]) -> Singles:
    """Return a variable, and refuse another shape.

    Raises
    ------
    UnusableData
        There is none of this name and shape.
    """
    found = variables.get(name)
    if found is None or found.shape != shape:
        state = "is missing" if found is None else f"has the shape {found.shape}"
        raise UnusableData(f"The variable '{name}' {state}: expected one of shape {shape}. Give another checkpoint.")
    return found
