"""What is bundled: the manifest of names, files, checksums, columns, sources and licences."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Literal

from mlpool.errors import OptionError, brief, nearest_names

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnNote:
    """One column of a bundled data set.

    Attributes
    ----------
    name : str
    kind : {"numeric", "factor", "ordered"}
    description : str
        Meaning and unit, and the name in the source if it differs.
    levels : tuple of str
        R's level order; empty for numbers.
    """

    name: str
    kind: Literal["numeric", "factor", "ordered"]
    description: str
    levels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetInfo:
    """A line of the manifest.

    Attributes
    ----------
    name : str
        Name as the source spells it (``sleepstudy``, ``Penicillin``).
    file : str
        File inside ``mlpool/datasets/data``.
    sha256 : str
        Checksum of that file.
    rows : int
    description, source, licence : str
    columns : tuple of ColumnNote
    """

    name: str
    file: str
    sha256: str
    rows: int
    description: str
    source: str
    licence: str
    columns: tuple[ColumnNote, ...]

    @property
    def path(self) -> Traversable:
        """The packaged file."""
        return data_folder() / self.file


def data_folder() -> Traversable:
    """Return the folder of the packaged data files and their manifest."""
    return files("mlpool.datasets") / "data"


@cache
def _manifest() -> dict[str, DatasetInfo]:
    """Read the manifest once: lower-case name -> record."""
    raw = json.loads((data_folder() / "manifest.json").read_text(encoding="utf-8"))
    return {entry["name"].lower(): _dataset_from(entry) for entry in raw}


def _dataset_from(entry: dict[str, object]) -> DatasetInfo:
    columns = entry.pop("columns")
    assert isinstance(columns, list)  # our own file, checked by a test
    notes = tuple(ColumnNote(**{**c, "levels": tuple(c.get("levels", ()))}) for c in columns)
    return DatasetInfo(**entry, columns=notes)  # type: ignore[arg-type]  # JSON has no types


def dataset_names() -> tuple[str, ...]:
    """Return the names of the bundled data sets.

    Examples
    --------
    >>> "sleepstudy" in dataset_names()
    True
    """
    return tuple(info.name for info in _manifest().values())


def dataset_info(name: str) -> DatasetInfo:
    """Return the manifest's record of one data set; upper and lower case do not matter.

    Raises
    ------
    OptionError
        If no data set has that name; the nearest names are offered.
    """
    info = _manifest().get(str(name).strip().lower())
    if info is None:
        hint = nearest_names(name, dataset_names())
        raise OptionError(
            f"There is no bundled data set {brief(name)}.{hint} "
            f"mlpool.datasets() lists them: {', '.join(dataset_names())}."
        )
    return info
