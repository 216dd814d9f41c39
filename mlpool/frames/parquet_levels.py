"""Levels of enumerations in Parquet files, which only the schema beside the rows tells.

polars writes an Enum as text with a dictionary; its levels and their order stand in the Arrow
schema that Parquet files carry, as ``<bytes>;<text>`` after each other.
"""

from __future__ import annotations

import glob
from collections.abc import Mapping

_KEY = b"_PL_ENUM_VALUES2"
"""Where polars (1.30 and later) writes the levels."""
_MOST_FILES = 1000
"""Files whose schemas are read; of more the levels are in the alphabet's order."""

Levels = Mapping[str, tuple[str, ...]]


def enumerations(pattern: str) -> Levels:
    """Return the levels of the columns that every file of a pattern enumerates alike.

    Parameters
    ----------
    pattern : str
        As :func:`glob.glob` reads it.
    """
    try:
        from pyarrow import parquet
    except ImportError:
        return {}
    files = glob.glob(pattern, recursive=True)  # noqa: PTH207 - of any folder
    if len(files) > _MOST_FILES:
        return {}
    found = [_levels_of(parquet.read_schema(file)) for file in files]
    return {
        name: levels
        for name, levels in found[0].items()
        if all(other.get(name) == levels for other in found)
    }


def _levels_of(schema: object) -> dict[str, tuple[str, ...]]:
    levels = {}
    for name in schema.names:  # type: ignore[attr-defined] # pyarrow has no types
        packed = (schema.field(name).metadata or {}).get(_KEY)  # type: ignore[attr-defined] # same
        if packed:
            levels[name] = tuple(_unpacked(packed))
    return levels


def _unpacked(packed: bytes) -> list[str]:
    """Return the texts of ``1;a2;bc``: each after its length in bytes."""
    texts, at = [], 0
    while at < len(packed):
        start = packed.index(b";", at) + 1
        end = start + int(packed[at : start - 1])
        texts.append(packed[start:end].decode())
        at = end
    return texts


def replaced(levels: Levels) -> str:
    """Return DuckDB's projection that casts the columns to their enumerations."""
    casts = ", ".join(
        f"CAST({_name(name)} AS ENUM({', '.join(map(_text, texts))})) AS {_name(name)}"
        for name, texts in levels.items()
    )
    return f"* REPLACE ({casts})"


def _name(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _text(text: str) -> str:
    doubled = text.replace("'", "''")
    return f"'{doubled}'"
