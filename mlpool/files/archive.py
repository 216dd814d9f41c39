"""The archive of a model file: one JSON text and numbered arrays, written whole and read warily."""

from __future__ import annotations

import json
import math
import os
import re
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from mlpool.errors import ModelFileError

RECORD = "model.json"
_ARRAY = re.compile(r"arrays/(0|[1-9][0-9]{0,6})\.npy")
_NPY_MAGIC = b"\x93NUMPY\x01\x00"
_DATE = (1980, 1, 1, 0, 0, 0)
"""Of every member, so that one model always gives the same bytes."""
_MOST_RECORD_BYTES = 200_000_000
"""JSON takes several times its size while it is read."""

Array = np.ndarray[Any, np.dtype[Any]]


def write_archive(path: Path, record: dict[str, Any], arrays: Sequence[Array]) -> None:
    """Write a model file; what stood at `path` stays until the new file is whole.

    Raises
    ------
    ModelFileError
        If the file cannot be written.
    """
    described = [{"dtype": a.dtype.str, "shape": list(a.shape)} for a in arrays]
    text = json.dumps({**record, "arrays": described}, allow_nan=False, ensure_ascii=False)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w") as archive:
                _add(archive, RECORD, text.encode("utf-8"))
                for number, array in enumerate(arrays):
                    _add(archive, f"arrays/{number}.npy", _to_npy(array))
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ModelFileError(
            f"The model cannot be written to {str(path)!r}: {error.strerror or error}."
        ) from None


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name, date_time=_DATE)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    archive.writestr(info, content)


def _to_npy(array: Array) -> bytes:
    out = BytesIO()
    np.lib.format.write_array(out, array, version=(1, 0), allow_pickle=False)
    return out.getvalue()


def read_archive(path: Path, max_bytes: float) -> tuple[dict[str, Any], list[Array]]:
    """Read a model file's record and arrays.

    Members other than these, too large ones and arrays of anything but numbers are refused before
    they are unpacked; nothing is written to disk.

    Raises
    ------
    ModelFileError
        If the file is not one, is damaged, or would unpack to more than `max_bytes`.
    """
    if not path.exists():
        raise ModelFileError("there is no such file.")
    if path.is_dir():
        raise ModelFileError("it is a folder; name the model's file.")
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(archive, max_bytes)
            record = _parse(_content(archive, members[RECORD]))
            return record, _read_arrays(archive, members, record)
    except zipfile.BadZipFile as error:
        if "CRC" in str(error):
            raise damaged("a checksum does not fit") from None
        raise ModelFileError(
            "it is no model file of mlpool: not a zip archive, or one that was cut short."
        ) from None
    except ModelFileError:
        raise
    except (OSError, EOFError, zlib.error, NotImplementedError, RuntimeError) as error:
        raise damaged(f"it cannot be unpacked ({error})") from None
    except (ValueError, IndexError, OverflowError, KeyError) as error:
        # zipfile reads the archive's own tables with struct and slices
        raise damaged(f"its table of contents cannot be read ({error})") from None


def damaged(how: str) -> ModelFileError:
    """Return the error of a file that is a model file, but not as it was written."""
    return ModelFileError(f"the model file is damaged or was not made by mlpool: {how}.")


def _members(archive: zipfile.ZipFile, max_bytes: float) -> dict[str, zipfile.ZipInfo]:
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.filename
        if name in members:
            raise damaged(f"it holds {name!r} twice")
        members[name] = info
    if RECORD not in members:
        raise ModelFileError(f"it is no model file of mlpool: the archive has no {RECORD}.")
    for name, info in members.items():
        if name != RECORD and not _ARRAY.fullmatch(name):
            raise damaged(f"it holds {name!r}, which model files do not have")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise damaged(f"{name!r} is compressed in a way that model files are not")
        if info.flag_bits & 1:
            raise damaged(f"{name!r} is encrypted")
    total = sum(info.file_size for info in members.values())
    if total > max_bytes or members[RECORD].file_size > min(_MOST_RECORD_BYTES, max_bytes):
        raise ModelFileError(
            f"the file would unpack to {_size(total)}, and max_bytes allows {_size(max_bytes)} "
            f"({_size(_MOST_RECORD_BYTES)} for {RECORD}); raise it if you trust the file."
        )
    return members


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with archive.open(info) as member:
        content = member.read(info.file_size + 1)
    if len(content) != info.file_size:
        raise damaged(f"{info.filename!r} is cut short")
    return content


def _parse(content: bytes) -> dict[str, Any]:
    try:
        record = json.loads(content.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise damaged(f"{RECORD} cannot be read") from None
    if not isinstance(record, dict):
        raise damaged(f"{RECORD} holds no record")
    return record


def _no_constant(text: str) -> Any:
    raise ValueError(text)


def _read_arrays(
    archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], record: dict[str, Any]
) -> list[Array]:
    described = record.get("arrays")
    if not isinstance(described, list):
        raise damaged("its list of arrays is missing")
    for name in members:
        if name != RECORD and int(name[len("arrays/") : -len(".npy")]) >= len(described):
            raise damaged(f"{name!r} is not in its list of arrays")
    arrays = []
    for number, expected in enumerate(described):
        info = members.get(f"arrays/{number}.npy")
        if info is None:
            raise damaged(f"array {number} is missing")
        array = _from_npy(_content(archive, info), number)
        if expected != {"dtype": array.dtype.str, "shape": list(array.shape)}:
            raise damaged(f"array {number} is not of the type and shape that its record names")
        arrays.append(array)
    return arrays


def _from_npy(content: bytes, number: int) -> Array:
    """Return the numbers of a .npy text; unlike np.load, memory is taken only for what is there."""
    stream = BytesIO(content)
    if content[:8] != _NPY_MAGIC:
        raise damaged(f"array {number} is not in version 1.0 of NumPy's format")
    stream.seek(len(_NPY_MAGIC))
    try:
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    except Exception:
        # NumPy parses the header as a Python literal: whatever that raises, it is no header
        raise damaged(f"array {number} has no readable header") from None
    if dtype.hasobject:
        raise damaged(f"array {number} holds Python objects, which are never loaded")
    if dtype.kind not in "fiub" or dtype.itemsize > 8 or is_fortran:
        raise damaged(f"array {number} does not hold plain numbers")
    count = math.prod(shape)
    if min(shape, default=0) < 0 or count * dtype.itemsize != len(content) - stream.tell():
        raise damaged(f"array {number} does not have the {count} values that its header names")
    values = np.frombuffer(content, dtype=dtype, count=count, offset=stream.tell())
    return values.reshape(shape).astype(dtype.newbyteorder("="))
