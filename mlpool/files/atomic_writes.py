"""Files that are written whole or not at all: what stood at a path stays until the new one is."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from mlpool.errors import OptionError, brief

MOST_SHOWN = 200
"""Characters of a path in a sentence; longer ones are cut."""


def as_path(path: Any, what: str) -> Path:
    """Return a path given as text or as a path object.

    Raises
    ------
    OptionError
        If `path` is something else, or empty, or holds a null byte.
    """
    try:
        text = os.fsdecode(path)
    except TypeError:
        raise OptionError(
            f"{what} needs the path of a file, such as 'model.mlpool'; got {brief(path)}."
        ) from None
    if not text or "\0" in text:
        raise OptionError(f"{what} needs the path of a file; got {brief(text)}.")
    return Path(text)


def shown(path: Path) -> str:
    """Return a path as sentences name it."""
    text = str(path)
    return repr(text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}...")


def is_special(path: Path) -> bool:
    """Return whether a path is a device, a pipe or a socket."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file beside its place and move it there once it is whole.

    Links are followed; the file keeps the permissions of the one it replaces, and a new one gets
    those that the process gives to its files (umask).

    Parameters
    ----------
    path : Path
    write : callable
        Takes the open file.

    Raises
    ------
    OSError
        If the file cannot be written, or `path` is a folder, a device or a pipe.
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(21, "it is a folder; name a file in it", str(path))
    if is_special(target):
        raise OSError(22, "it is a device or a pipe, not a file", str(path))
    before = target.stat() if target.exists() else None
    if before is not None and not os.access(target, os.W_OK):
        raise PermissionError(13, "the file there is write-protected", str(path))
    # a name of its own length: beside a name of 255 characters a longer one could not be made
    beside = target.parent / f".mlpool-{secrets.token_hex(8)}"
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(beside, flags, 0o666), "wb") as file:
            write(file)
        if before is not None:
            _keep(beside, before)
        beside.replace(target)
    except BaseException as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename, error.filename2 = str(path), None  # the name that the user knows
        raise


def _keep(path: Path, before: os.stat_result) -> None:
    """Give a file the owner, where that is allowed, and the permissions of another."""
    if hasattr(os, "chown"):
        with suppress(OSError):
            os.chown(path, before.st_uid, before.st_gid)
    path.chmod(stat.S_IMODE(before.st_mode))
