"""The archive of a model file: one JSON text and numbered arrays, written whole and read warily."""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from collections.abc import Sequence
from io import BufferedIOBase, BytesIO
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from mlpool.errors import ModelFileError
from mlpool.files.atomic_writes import is_special, shown, write_whole
from mlpool.files.bounds import check_record, check_sizes, damaged, read_header

RECORD = "model.json"
_ARRAY = re.compile(r"arrays/(0|[1-9][0-9]{0,6})\.npy")
_DATE = (1980, 1, 1, 0, 0, 0)
"""Of every member, so that one model always gives the same bytes."""

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

    def fill(file: BinaryIO) -> None:
        with zipfile.ZipFile(file, "w") as archive:
            _add(archive, RECORD, text.encode("utf-8", "surrogatepass"))
            for number, array in enumerate(arrays):
                _add(archive, f"arrays/{number}.npy", _to_npy(array))

    try:
        write_whole(path, fill)
    except OSError as error:
        raise ModelFileError(
            f"The model cannot be written to {shown(path)}: {error.strerror or error}."
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
    _check_place(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(archive, max_bytes)
            record = _parse(bytes(_content(archive, members[RECORD])), max_bytes)
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


def _check_place(path: Path) -> None:
    try:
        is_there, is_folder = path.exists(), path.is_dir()
    except OSError as error:
        raise ModelFileError(f"it cannot be read: {error.strerror or error}.") from None
    if not is_there:
        raise ModelFileError("there is no such file.")
    if is_folder:
        raise ModelFileError("it is a folder; name the model's file.")
    if is_special(path):
        raise ModelFileError("it is a device or a pipe; model files are read from disk.")


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
    check_sizes(members, max_bytes)
    return members


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytearray:
    content, filled = bytearray(info.file_size), 0
    with archive.open(info) as member, memoryview(content) as view:
        read_into = cast(BufferedIOBase, member).readinto
        while filled < len(content) and (count := read_into(view[filled:])):
            filled += count
        if filled < len(content) or member.read(1):
            raise damaged(f"{info.filename!r} is cut short")
    return content


def _parse(content: bytes, max_bytes: float) -> dict[str, Any]:
    check_record(content, max_bytes)
    try:
        record = json.loads(content.decode("utf-8", "surrogatepass"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise damaged(f"{RECORD} cannot be read") from None
    if not isinstance(record, dict):
        raise damaged(f"{RECORD} holds no record")
    return record


def _no_constant(text: str) -> Any:
    raise ValueError(text)


def _read_arrays(
    archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], record: dict[str, object]
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


def _from_npy(content: bytearray, number: int) -> Array:
    """Return the numbers of a .npy text, in the memory that it was read into."""
    shape, dtype, start = read_header(content, number)
    values = (
        np.frombuffer(content, dtype=dtype, offset=start)
        if len(content) > start
        else (np.empty(0, dtype=dtype))
    )
    return values.reshape(shape).astype(dtype.newbyteorder("="), copy=False)
