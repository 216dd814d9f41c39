"""Where a model file lands (permissions, links, devices), and what records say of their arrays."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import numpy as np
import pytest

import mlpool
from mlpool.files.registry import RECORDS, fits, hints_of, saved_fields
from mlpool.typing import BoolArray, Entries, FloatArray, IntArray

posix = pytest.mark.skipif(os.name != "posix", reason="permissions and pipes as POSIX has them")


@pytest.fixture(scope="module")
def model() -> Any:
    return mlpool.lm("Reaction ~ Days", mlpool.load_data("sleepstudy"))


@pytest.fixture
def umask() -> Iterator[Callable[[int], int]]:
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@posix
@pytest.mark.parametrize("mask", [0o022, 0o002, 0o077])
def test_new_files_have_the_permissions_of_the_process(
    mask: int, model: Any, umask: Callable[[int], int], tmp_path: Path
) -> None:
    umask(mask)
    assert mode_of(model.save(tmp_path / "m")) == 0o666 & ~mask


@posix
@pytest.mark.parametrize("mode", [0o664, 0o600, 0o640, 0o755])
def test_a_replaced_file_keeps_its_permissions(
    mode: int, model: Any, umask: Callable[[int], int], tmp_path: Path
) -> None:
    path = tmp_path / "m"
    path.touch()
    path.chmod(mode)
    assert mode_of(model.save(path)) == mode
    assert mlpool.load_model(path).names == model.names


@posix
@pytest.mark.parametrize("is_there", [True, False])
def test_links_are_followed(is_there: bool, model: Any, tmp_path: Path) -> None:
    target, first, second = tmp_path / "a" / "target", tmp_path / "first", tmp_path / "second"
    target.parent.mkdir()
    if is_there:
        target.write_bytes(b"old")
    first.symlink_to("a/target")
    second.symlink_to(first)
    model.save(second)
    assert first.is_symlink() and second.is_symlink() and not target.is_symlink()
    assert mlpool.load_model(target).names == model.names
    assert [p.name for p in target.parent.iterdir()] == ["target"]


@posix
def test_pipes_devices_and_folders_are_refused(model: Any, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "to_null").symlink_to("/dev/null")
    for name in ("pipe", "to_null"):
        with pytest.raises(mlpool.ModelFileError, match="it is a device or a pipe"):
            model.save(tmp_path / name)
        with pytest.raises(mlpool.ModelFileError, match="it is a device or a pipe"):
            mlpool.load_model(tmp_path / name)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    with pytest.raises(mlpool.ModelFileError, match="it is a folder"):
        model.save(tmp_path)


@posix
@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root may write everywhere")
def test_a_protected_file_stays(model: Any, tmp_path: Path) -> None:
    path = tmp_path / "m"
    path.write_bytes(b"mine")
    path.chmod(0o444)
    with pytest.raises(mlpool.ModelFileError, match="write-protected"):
        model.save(path)
    assert path.read_bytes() == b"mine"


def test_names_as_long_as_the_system_allows(model: Any, tmp_path: Path) -> None:
    path = tmp_path / ("a" * 250)
    assert mlpool.load_model(str(model.save(path))).names == model.names
    assert mlpool.load_model(os.fsencode(path)).names == model.names
    with pytest.raises(mlpool.ModelFileError, match="cannot be written to") as caught:
        model.save(tmp_path / ("a" * 5000))
    assert len(str(caught.value)) < 500


KNOWN = (bool, int, float, str, NoneType)
CONTAINERS = (Union, UnionType, list, tuple, dict, Sequence)


def unread(hint: Any) -> list[Any]:
    """Return the parts of an annotation that model files cannot check a value against."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return [] if any(isinstance(one, Entries) for one in arguments[1:]) else [hint]
    if origin is Literal or hint in KNOWN or hint is Ellipsis or hint is Any:
        return []
    if origin in CONTAINERS or str(origin).endswith("Mapping'>"):
        return [part for one in arguments for part in unread(one)]
    if str(origin).endswith("Callable'>"):
        return []
    return [] if isinstance(hint, type) and not issubclass(hint, np.ndarray) else [hint]


@pytest.mark.parametrize("name", RECORDS)
def test_every_array_of_a_record_says_what_it_holds(name: str) -> None:
    hints = hints_of(RECORDS[name])
    found = {one.name: unread(hints[one.name]) for one in saved_fields(RECORDS[name])}
    assert {field: parts for field, parts in found.items() if parts} == {}


def test_what_an_array_holds_is_checked() -> None:
    @dataclass
    class Record:
        x: Any = None

    hints = {"float": FloatArray, "int": IntArray, "bool": BoolArray}
    arrays = {"float": np.ones(2), "int": np.ones(2, dtype=np.int16), "bool": np.ones(2, bool)}
    table = {(h, a): fits(arrays[a], hints[h]) for h in hints for a in arrays}
    assert [key for key, ok in table.items() if ok] == [
        ("float", "float"), ("float", "int"), ("int", "int"), ("bool", "bool"),
    ]  # fmt: skip
    assert not fits([1.0], FloatArray) and not fits(Record(), FloatArray)
    assert fits((np.ones(2),), tuple[FloatArray, ...]) and fits(None, FloatArray | None)
