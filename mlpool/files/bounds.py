"""What a model file may ask for, decided before anything is unpacked, parsed or allocated."""

from __future__ import annotations

import math
import re
import zipfile
from typing import Any

import numpy as np

from mlpool.errors import ModelFileError

_HEADER = re.compile(
    rb"\{'descr': '([<>|][fiub][1248])', 'fortran_order': (False|True), "
    rb"'shape': \(((?:\d{1,15}(?:, |,?(?=\))))*)\), \} *\n"
)
"""A header as NumPy writes it; numbers of at most 15 digits, so that products stay exact."""
_MOST_DIMENSIONS = 8
_MOST_COUNT = 2**58

_DEFLATE_RATIO = 1032
"""One byte of deflate's output unpacks to at most this many (its format's limit)."""
_RECORD_SHARE = 4
"""The record, whose values are small objects, may take a quarter of what the file may."""
_BYTES_OF_OPENING, _BYTES_OF_VALUE = 250, 40
"""What a list or an object and one of its values take in memory once parsed by CPython."""
_BLOCK = 1 << 17


def damaged(how: str) -> ModelFileError:
    """Return the error of a file that is a model file, but not as it was written."""
    return ModelFileError(f"the model file is damaged or was not made by mlpool: {how}.")


def check_sizes(members: dict[str, zipfile.ZipInfo], max_bytes: float) -> None:
    """Refuse members that together unpack to too much, or to more than they can.

    Raises
    ------
    ModelFileError
    """
    total = sum(info.file_size for info in members.values())
    if total > max_bytes:
        raise too_large(f"the file would unpack to {size_text(total)}", max_bytes)
    for name, info in members.items():
        is_plain = info.compress_type == zipfile.ZIP_STORED
        most = info.compress_size * (1 if is_plain else _DEFLATE_RATIO)
        if info.file_size > most:
            raise damaged(f"{name!r} cannot be as large as it says")


def check_record(content: bytes, max_bytes: float) -> None:
    """Refuse a record that would take too much memory once it is parsed.

    Every opening bracket becomes a list or a mapping, every comma another value.

    Raises
    ------
    ModelFileError
    """
    allowed = max_bytes / _RECORD_SHARE
    needed, start, in_text = len(content), 0, False
    while start < len(content) and needed <= allowed:
        stop = _end_of_block(content, start)
        bare, in_text = _outside_texts(content[start:stop], in_text)
        openings = bare.count(b"[") + bare.count(b"{")
        needed += _BYTES_OF_OPENING * openings + _BYTES_OF_VALUE * bare.count(b",")
        start = stop
    if needed > allowed:
        raise too_large(f"its record would take more than {size_text(allowed)} to read", max_bytes)


def _end_of_block(content: bytes, start: int) -> int:
    """Return where a block ends that takes no backslash from what it escapes."""
    stop = min(start + _BLOCK, len(content))
    block = content[start:stop]
    return stop + (len(block) - len(block.rstrip(b"\\"))) % 2


def _outside_texts(block: bytes, in_text: bool) -> tuple[bytes, bool]:
    """Return what of a block stands outside JSON's texts, and whether it ends inside one."""
    parts = block.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
    return b"".join(parts[int(in_text) :: 2]), in_text ^ (len(parts) % 2 == 0)


def too_large(what: str, max_bytes: float) -> ModelFileError:
    """Return the error of a file that asks for more than is allowed."""
    return ModelFileError(
        f"{what}, and max_bytes allows {size_text(max_bytes)}; raise it if you trust the file."
    )


def size_text(count: float) -> str:
    """Return a number of bytes in the unit that suits it.

    Examples
    --------
    >>> size_text(2e9), size_text(1_500_000)
    ('2.0 GB', '1.5 MB')
    """
    # bytes of a giga- and a megabyte
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def read_header(content: bytearray, number: int) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Return shape, type and where the numbers start in a text of NumPy's format 1.0.

    Raises
    ------
    ModelFileError
        Unless the header is one that mlpool writes and its numbers are all there.
    """
    if bytes(content[:8]) != b"\x93NUMPY\x01\x00":
        raise damaged(f"array {number} is not in version 1.0 of NumPy's format")
    start = 10 + int.from_bytes(content[8:10], "little")
    found = _HEADER.fullmatch(bytes(content[10:start]))
    if found is None:
        raise damaged(_why_no_header(bytes(content[10:start]), number))
    dtype = np.dtype(found[1].decode())
    shape = tuple(int(one) for one in found[3].replace(b" ", b"").split(b",") if one)
    count = math.prod(shape)
    largest = math.prod(max(one, 1) for one in shape)
    if found[2] == b"True" or len(shape) > _MOST_DIMENSIONS:
        raise damaged(f"array {number} does not hold plain numbers")
    if largest > _MOST_COUNT or count * dtype.itemsize != len(content) - start:
        raise damaged(f"array {number} does not have the {count} values that its header names")
    return shape, dtype, start


def _why_no_header(text: bytes, number: int) -> str:
    if re.match(rb"\{'descr': '\|O", text):
        return f"array {number} holds Python objects, which are never loaded"
    if re.match(rb"\{'descr': ['\[]", text):
        return f"array {number} does not hold plain numbers"
    return f"array {number} has no readable header"
