"""Tables that a path names: CSV of any country, Parquet, Stata, SPSS, Excel."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mlpool.errors import DataError, MlpoolWarning, brief, user_level
from mlpool.frames.levels import LARGEST_EXACT

_MISSING_WORDS = ("NA", "")
"""What R writes for a missing value; the word None is a level like any other."""

_SEPARATORS = (",", ";", "\t", "|")

_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
"""Bytes at the start of a file that say its encoding."""

_CHUNK = 1 << 20
"""Characters that are decoded at once."""
_SPSS = "read_spss"

_BY_SUFFIX: dict[str, tuple[str, str]] = {
    ".parquet": ("read_parquet", "pyarrow"),
    ".feather": ("read_feather", "pyarrow"),
    ".arrow": ("read_feather", "pyarrow"),
    ".dta": ("read_stata", ""),
    ".sav": (_SPSS, "pyreadstat"),
    ".zsav": (_SPSS, "pyreadstat"),
    ".sas7bdat": ("read_sas", ""),
    ".xpt": ("read_sas", ""),
    ".xlsx": ("read_excel", "openpyxl"),
    ".xls": ("read_excel", "xlrd"),
    ".ods": ("read_excel", "odfpy"),
}
"""Suffix -> function of pandas and the package that it needs."""

_R_FILES = (".rds", ".rda", ".rdata")


def read_path(path: str | Path) -> pd.DataFrame:
    """Return the table that a file holds.

    Raises
    ------
    DataError
        If there is none, or it cannot be read; the sentence names the call that can.
    """
    shown = str(path) if len(str(path)) <= 200 else f"{str(path)[:60]}..."
    if "://" in str(path):
        raise DataError(
            f"{brief(shown)} is an address, not a file; read it first: "
            f"pandas.read_csv({brief(shown)})."
        )
    try:
        is_folder, size = Path(path).is_dir(), Path(path).stat().st_size
    except (OSError, ValueError):
        raise DataError(f"There is no file {brief(shown)}.") from None
    if is_folder:
        raise DataError(f"{brief(shown)} is a folder; name a CSV or Parquet file.")
    if size == 0:
        raise DataError(f"The file {brief(shown)} is empty.")
    suffix = Path(path).suffix.lower()
    if suffix in _R_FILES:
        raise DataError(
            f"{brief(shown)} is a file of R's own; write it as a table in R: write.csv(d, 'd.csv')."
        )
    if suffix in _BY_SUFFIX:
        return _read_with_pandas(Path(path), shown, *_BY_SUFFIX[suffix])
    return _read_csv(Path(path), shown)


def _read_with_pandas(path: Path, shown: str, function: str, needs: str) -> pd.DataFrame:
    read: Callable[..., Any] = getattr(pd, function)
    # labels of Stata's values come in an order that says nothing: they are plain factors
    options = {"order_categoricals": False} if function == "read_stata" else {}
    try:
        table = pd.DataFrame(read(path, **options))
        return _by_codes(table, path) if function == _SPSS else table
    except ImportError:
        raise DataError(
            f"Reading {brief(shown)} needs {needs}: pip install {needs}; or read it first "
            "and give the "
            f"frame, as in mlpool.fit(..., pandas.{function}({brief(shown)}))."
        ) from None
    except Exception as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"The file {brief(shown)} cannot be read as a table by pandas.{function}: {first}"
        ) from None


def _by_codes(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return SPSS's value labels in the order of their codes (haven's), not the alphabet's."""
    import pyreadstat

    codes, said = pyreadstat.read_sav(str(path), apply_value_formats=False)
    for name, labels in said.variable_value_labels.items():
        if not isinstance(table[name].dtype, pd.CategoricalDtype):
            continue
        values = sorted({*labels, *codes[name].dropna()})
        # values without a label keep their number; two values with one label are one category
        order = list(dict.fromkeys(labels.get(v, v) for v in values))
        table[name] = table[name].cat.set_categories(order)
    return table


def _read_csv(path: Path, shown: str) -> pd.DataFrame:
    try:
        encoding = _encoding(path, shown)
        sep = "\t" if ".tsv" in path.suffixes else _separator(path, encoding)
        table = _parse(path, sep, encoding)
        if sep != ",":
            table = _with_commas(table, path, sep, encoding)
        return _with_long_ids(table, path, sep, encoding)
    except pd.errors.EmptyDataError:
        raise DataError(f"The file {brief(shown)} is empty.") from None
    except UnicodeError:
        raise DataError(
            f"The file {brief(shown)} is not UTF-8; say its encoding and give the frame, as in "
            f"mlpool.fit(..., pandas.read_csv({brief(shown)}, encoding='latin-1'))."
        ) from None
    except (pd.errors.ParserError, OSError, ValueError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"The file {brief(shown)} cannot be read as a table: {first}") from None


def _parse(path: Path, sep: str, encoding: str, **options: Any) -> pd.DataFrame:
    table: pd.DataFrame = pd.read_csv(
        path, sep=sep, encoding=encoding, keep_default_na=False, na_values=list(_MISSING_WORDS),
        **options,
    )  # fmt: skip
    return table


def _is_packed(path: Path) -> bool:
    return path.suffix.lower() in (".gz", ".bz2", ".zip", ".xz", ".zst", ".tar")


def _encoding(path: Path, shown: str) -> str:
    """Return the encoding that a file's first bytes say, or that its bytes are read as.

    Warns
    -----
    MlpoolWarning
        For bytes that are no UTF-8: Windows-1252 is the commonest of the others, and a guess.
    """
    if _is_packed(path):
        return "utf-8-sig"
    with path.open("rb") as file:
        start = file.read(3)
    marked = next((name for mark, name in _MARKS.items() if start.startswith(mark)), None)
    if marked is not None:
        return marked
    for encoding in ("utf-8-sig", "cp1252"):
        if not _decodes(path, encoding):
            continue
        if encoding == "cp1252":
            warnings.warn(
                f"The file {brief(shown)} is not UTF-8 and was read as Windows-1252 (Latin-1); if "
                "names or labels look wrong, say the encoding and give the frame, as in "
                f"mlpool.fit(..., pandas.read_csv({brief(shown)}, encoding='mac-roman')).",
                MlpoolWarning,
                stacklevel=user_level(),
            )
        return encoding
    return "utf-8-sig"  # pandas says what is wrong


def _decodes(path: Path, encoding: str) -> bool:
    try:
        with path.open(encoding=encoding, newline="") as file:
            while file.read(_CHUNK):
                pass
    except UnicodeError:
        return False
    return True


def _separator(path: Path, encoding: str) -> str:
    """Return the separator of the header; a comma where there is none."""
    if _is_packed(path):
        return ","
    with path.open(encoding=encoding, newline="") as file:
        header = file.readline()
    parts = {sep: len(next(csv.reader([header], delimiter=sep), [])) for sep in _SEPARATORS}
    return max(_SEPARATORS, key=lambda sep: parts[sep])


def _with_commas(table: pd.DataFrame, path: Path, sep: str, encoding: str) -> pd.DataFrame:
    """Return the table read with decimal commas, where that makes numbers of what was text."""
    text = [c for c in table.columns if not pd.api.types.is_numeric_dtype(table[c])]
    if not any(table[c].astype(str).str.fullmatch(r"-?\d+,\d+").any() for c in text):
        return table
    other = _parse(path, sep, encoding, decimal=",")
    return other if _n_numbers(other) > _n_numbers(table) else table


def _n_numbers(table: pd.DataFrame) -> int:
    return sum(pd.api.types.is_numeric_dtype(kind) for kind in table.dtypes)


def _with_long_ids(table: pd.DataFrame, path: Path, sep: str, encoding: str) -> pd.DataFrame:
    """Return the table with whole numbers that floats cannot tell apart as whole numbers.

    pandas makes floats of whole numbers as soon as one is missing.
    """
    long = [
        c for c in table.columns
        if table[c].dtype == np.float64 and (table[c].abs() > LARGEST_EXACT).any()
    ]  # fmt: skip
    if not long:
        return table
    text = _parse(path, sep, encoding, usecols=long, dtype=str)
    for name in long:
        known = text[name].dropna().str.strip()
        if known.str.fullmatch(r"[+-]?\d+").all():
            values = np.empty(len(table), dtype=object)
            values[text[name].notna().to_numpy()] = [int(v) for v in known]
            table[name] = values
    return table
