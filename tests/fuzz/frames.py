"""The same rows in any storage, order of columns and index: the same numbers, or one sentence."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

import mlpool
from tests.fuzz.runner import Failure, run

NUMBERS: dict[str, Callable[[pd.Series], Any]] = {
    "float64": lambda s: s.astype("float64"),
    "int64": lambda s: s.astype("int64"),
    "int32": lambda s: s.astype("int32"),
    "int16": lambda s: s.astype("int16"),
    "int8": lambda s: s.astype("int8"),
    "uint8": lambda s: s.astype("uint8"),
    "uint64": lambda s: s.astype("uint64"),
    "float32": lambda s: s.astype("float32"),
    "float16": lambda s: s.astype("float16"),
    "Int8": lambda s: s.astype("Int8"),
    "UInt32": lambda s: s.astype("UInt32"),
    "Int64": lambda s: s.astype("Int64"),
    "Float32": lambda s: s.astype("Float32"),
    "Float64": lambda s: s.astype("Float64"),
    "object": lambda s: s.astype(object),
    "object floats": lambda s: pd.Series([float(v) for v in s], index=s.index, dtype=object),
    "object mixed": lambda s: pd.Series(
        [[int, float, np.int8, np.float32][i % 4](v) for i, v in enumerate(s)],
        index=s.index,
        dtype=object,
    ),
    "Decimal": lambda s: pd.Series([Decimal(int(v)) for v in s], index=s.index, dtype=object),
    "Sparse": lambda s: s.astype(pd.SparseDtype("float64")),
    "Sparse int": lambda s: s.astype(pd.SparseDtype("int64", 0)),
    "int64[pyarrow]": lambda s: s.astype("int64[pyarrow]"),
    "uint8[pyarrow]": lambda s: s.astype("uint8[pyarrow]"),
    "double[pyarrow]": lambda s: s.astype("double[pyarrow]"),
    "longdouble": lambda s: s.astype("longdouble"),
    "big-endian": lambda s: pd.Series(s.to_numpy().astype(">i4"), index=s.index),
}
LABELS: dict[str, Callable[[pd.Series], Any]] = {
    "object": lambda s: s.astype(object),
    "string": lambda s: s.astype("string"),
    "string[pyarrow]": lambda s: s.astype("string[pyarrow]"),
    "category": lambda s: s.astype("category"),
    "unused": lambda s: pd.Series(pd.Categorical(s, sorted([*set(s), "zz", "zzz"])), index=s.index),
    "dictionary": lambda s: s.astype(_dictionary()),
}


def _dictionary() -> Any:
    import pyarrow as pa

    return pd.ArrowDtype(pa.dictionary(pa.int8(), pa.string()))


KINDS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda d: d,
    "columns turned": lambda d: d[d.columns[::-1]],
    "odd index": lambda d: d.set_axis(pd.Index([f"r{i % 3}" for i in range(len(d))]), axis=0),
    "dates index": lambda d: d.set_axis(
        pd.date_range("2020", periods=len(d), tz="Europe/Berlin"), axis=0
    ),
    "MultiIndex rows": lambda d: d.set_axis(
        pd.MultiIndex.from_arrays([range(len(d)), ["a"] * len(d)]), axis=0
    ),
    "more columns": lambda d: d.assign(
        when=pd.Timestamp("2020-01-01", tz="UTC"),
        took=pd.Timedelta("1h"),
        c=1j,
        deep=[[1]] * len(d),
        p=pd.Period("2020-01"),
        i=pd.Interval(0, 1),
        empty=np.nan,
        none=None,
    ),
    "fragmented": lambda d: pd.concat([d[[c]] for c in d.columns], axis=1),
    "read-only": lambda d: _read_only(d),
    "dict of lists": lambda d: {c: list(d[c]) for c in d.columns},
    "dict of series": lambda d: {c: d[c] for c in d.columns},
    "dict of arrays": lambda d: {c: d[c].to_numpy() for c in d.columns},
    "records": lambda d: d.astype(object).to_dict("records"),
    "polars": lambda d: _polars(d),
    "polars lazy": lambda d: _polars(d).lazy(),
    "arrow": lambda d: _arrow(d),
    "arrow chunks": lambda d: _chunks(d),
}


def _read_only(d: pd.DataFrame) -> pd.DataFrame:
    made = {}
    for name in d.columns:
        values = d[name].to_numpy()
        if values.dtype.kind in "iuf":
            values = values.copy()
            values.flags.writeable = False
        made[name] = values
    return pd.DataFrame(made, index=d.index)


def _polars(d: pd.DataFrame) -> Any:
    import polars as pl

    return pl.DataFrame({c: values_of(d[c]) for c in d.columns})


def _arrow(d: pd.DataFrame) -> Any:
    import pyarrow as pa

    return pa.table({c: values_of(d[c]) for c in d.columns})


def values_of(column: pd.Series) -> list[Any]:
    """Return Python's values, of one type."""
    values = column.tolist()
    if column.name in ("f", "g") or {type(v) for v in values} <= {int}:
        return values
    return [float(v) for v in values]


def _chunks(d: pd.DataFrame) -> Any:
    import pyarrow as pa

    table = _arrow(d)
    return pa.concat_tables([table.slice(0, 7), table.slice(7, 0), table.slice(7)])


FORMULAS = {
    "lm": ("y ~ a * f + b", {}),
    "diff": ("y ~ I(a - b) + I(a * b) + log(a + 1)", {}),
    "poly": ("y ~ poly(a, 2) + factor(b)", {}),
    "glm": ("k ~ a + f", {"family": "poisson"}),
    "lmer": ("y ~ a + (1 | g)", {}),
    "slope": ("y ~ a + f + (a | g)", {}),
    "codes": ("y ~ a + (1 | b)", {}),
    "glmer": ("k ~ a + (1 | g)", {"family": "poisson"}),
    "wls": ("y ~ a + f", {"weights": "b"}),
    "cr": ("y ~ a", {"cluster": "g"}),
    "text": ("y ~ ifelse(f == 'u', a, b)", {}),
}


def plain(rng: random.Random) -> pd.DataFrame:
    draw = np.random.default_rng(rng.randrange(2**32))
    n = 60
    g = draw.integers(0, 8, n)
    names = rng.choice(
        [
            [*"abcdefgh"],
            [str(10**16 + i) for i in range(8)],
            ["é", "", " ", "a:b", "NA", "nan", "None", "1.0"],
        ]
    )
    a, b = draw.integers(0, 11, n), draw.integers(1, 6, n)
    return pd.DataFrame(
        {
            "y": np.round(8 + a * 0.3 + draw.normal(size=8)[g] * 2 + draw.normal(size=n) * 2),
            "a": a, "b": b, "k": draw.poisson(2 + a * 0.2),
            "f": np.array([*"uvw"], dtype=object)[draw.permutation(np.arange(n) % 3)],
            "g": np.array(names, dtype=object)[g],
        }
    ).astype({"y": "int64"})  # fmt: skip


def changed(d: pd.DataFrame, rng: random.Random, said: list[str]) -> Any:
    """Return the same rows stored otherwise."""
    made = d.copy()
    for name in ("y", "a", "b", "k"):
        if rng.random() < 0.5:
            how = rng.choice([*NUMBERS])
            if name == "y" and how.lower().startswith("u"):
                continue
            made[name] = NUMBERS[how](d[name])
            said.append(f"{name} {how}")
    for name in "fg":
        if rng.random() < 0.5:
            how = rng.choice([*LABELS])
            made[name] = LABELS[how](d[name])
            said.append(f"{name} {how}")
    kind = rng.choice([*KINDS])
    said.append(kind)
    return KINDS[kind](made)


def in_memory(rows: Any) -> Any:
    return rows.collect() if hasattr(rows, "collect") else rows


def answers(m: Any, rows: Any) -> dict[str, np.ndarray]:
    """Return numbers that storage must not touch."""
    found = {
        "fixef": np.asarray(m.fixef(), dtype=float),
        "se": np.asarray(m.se, dtype=float),
        "loglik": np.array([m.loglik]),
        "fitted": np.asarray(m.fitted, dtype=float),
        # a lazy frame has lazy predictions, of its own engine
        "predict": np.asarray(m.predict(in_memory(rows)), dtype=float),
    }
    if m.is_mixed:
        for i, b in enumerate(m.fit.b):
            found[f"b{i}"] = np.asarray(b)
    return found  # fmt: skip


def attempt(seed: int) -> None:
    """Fit the plain rows and the changed ones; compare; predict single rows."""
    rng = random.Random(seed)
    d, said = plain(rng), []
    formula, options = FORMULAS[rng.choice([*FORMULAS])]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            want = mlpool.fit(formula, d, **options)
        except mlpool.MlpoolError:
            return
    other = changed(d, rng, said)
    what = f"{formula} {options} of {said}"
    m = run(lambda: mlpool.fit(formula, other, **options), what)
    if isinstance(m, Exception):
        raise Failure(f"{what}: refused: {str(m)[:200]}")
    if list(m.names) != list(want.names):
        raise Failure(f"{what}: names {m.names} for {want.names}")
    got = run(lambda: answers(m, other), what)
    if isinstance(got, Exception):
        raise Failure(f"{what}: refused later: {str(got)[:200]}")
    for name, value in answers(want, d).items():
        if value.shape != got[name].shape or not np.allclose(
            value, got[name], rtol=1e-6, atol=1e-7
        ):
            raise Failure(f"{what}: {name} differs")
    i = rng.randrange(len(d))
    row = other[i : i + 1] if isinstance(other, pd.DataFrame) else d[i : i + 1]
    one = run(lambda: np.asarray(m.predict(row), dtype=float), what)
    if isinstance(one, Exception) or not np.allclose(one, got["predict"][i], rtol=1e-9, atol=1e-9):
        raise Failure(f"{what}: predict of row {i} alone is {one}")
