"""Groups are told apart whatever they are called and however they are stored.

Each set of labels replaces the plain names of the same groups, in each type that can hold it: every
verb has to give the plain frame's numbers, row by row.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import mlpool

pytestmark = pytest.mark.filterwarnings("ignore::mlpool.errors.MlpoolWarning")

GROUPS, SIZE = 8, 6
LABELS: dict[str, list[Any]] = {
    "colons": ["a:b", "a", "b:c", "b", ":", "a:b:c", "c", ""],
    "blanks": [" a", "a", "a ", "A", "a.b", "a b", "a\tb", "a\nb"],
    "missing words": ["", "nan", "NA", "None", "NaN", "null", "<NA>", "NaT"],
    "numbers as text": ["1", "1.0", "01", "1e0", "10", "9", " 1", "+1"],
    "numbers": [1.5, -1.5, 0.1 + 0.2, 0.3, 1e-300, 1e300, 7.0, 0.0],
    "small integers": [-128, 127, -100, 100, 0, 5, 6, 7],
    "long ids": [10**15 + k for k in (1, 2, 3)] + [2**60 + k for k in (0, 1, 2, 3, 4)],
    "long ids with 19 digits": [9_100_000_000_000_000_000 + k for k in range(8)],
    "unsigned": [2**63 + k for k in range(4)] + [2**64 - k for k in (1, 2, 3, 4)],
    "long floats": [1e16 + 2 * k for k in range(8)],
    "of several kinds": [1, "1", True, "TRUE", "True", 1.5, "1.5", b"1"],
    "bytes": [b"a", b"b", b"a:b", b"", b"1", b"2", b"\xff", b"nan"],
    "tuples": [(1, 2), (1,), ("a", "b"), ("a:b",), (1, 2, 3), ("1",), (), (None,)],
    "decimals": [Decimal(k) / 10 + Decimal(10) ** 17 for k in range(8)],
    "dollars": ["$a", "`a`", "a$b", "a'b", 'a"b', "a\\b", "ä", "日本"],
}
WAYS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda d: d,
    "pandas category": lambda d: d.assign(g=d["g"].astype("category")),
    "dict": lambda d: {c: d[c].to_numpy() for c in d},
    "records": lambda d: d.to_dict("records"),
    "polars": pl.from_pandas,
    "arrow": lambda d: pa.Table.from_pandas(d, preserve_index=False),
    "arrow dictionary": lambda d: _encoded(d),
    "polars category": lambda d: pl.from_pandas(d).with_columns(pl.col("g").cast(pl.Categorical)),
    "Int64": lambda d: d.assign(g=d["g"].astype("Int64")),
    "float": lambda d: d.assign(g=d["g"].astype(np.float64)),
    "int8": lambda d: d.assign(g=d["g"].astype(np.int8)),
    "text": lambda d: d.assign(g=d["g"].map(str)),
    "object": lambda d: d.assign(g=d["g"].astype(object)),
    "string": lambda d: d.assign(g=d["g"].astype("string")),
}
PLAIN = ("pandas", "dict", "records")
ONLY: dict[str, tuple[str, ...]] = {
    "small integers": ("int8", "Int64", "float", "polars", "arrow", "text", "pandas category"),
    "long ids": ("Int64", "polars", "arrow", "text", "object", "pandas category"),
    "long ids with 19 digits": ("Int64", "polars", "arrow", "text", "object"),
    "unsigned": ("polars", "arrow", "text", "object"),
    "long floats": ("polars", "arrow", "pandas category"),
    "numbers": ("polars", "arrow", "pandas category", "object"),
    "of several kinds": ("object",),
    "bytes": ("object",),
    "tuples": ("object",),
    "decimals": ("polars", "arrow", "object"),
}
TEXT = ("string", "polars", "arrow", "arrow dictionary", "polars category", "pandas category")
QUICK = {"pandas", "float", "Int64", "polars", "object", "arrow dictionary"}
CASES = [
    pytest.param(labels, way, marks=() if way in QUICK else (pytest.mark.slow,))
    for labels in LABELS
    for way in (*PLAIN, *ONLY.get(labels, TEXT))
]


def _encoded(d: pd.DataFrame) -> pa.Table:
    table = pa.Table.from_pandas(d, preserve_index=False)
    return table.set_column(
        table.column_names.index("g"), "g", table["g"].combine_chunks().dictionary_encode()
    )


def _column(values: list[Any]) -> pd.Series:
    kinds = {type(v) for v in values}
    if kinds == {int} or kinds == {float}:
        return pd.Series(np.array(values))
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return pd.Series(out)


def frame_of(labels: list[Any]) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    at = rng.permutation(np.repeat(np.arange(GROUPS), SIZE))
    d = pd.DataFrame({"x": rng.normal(size=at.size)})
    d["g"] = _column([labels[i] for i in at])
    d["h"] = [f"{'abc'[k]}" for k in rng.integers(0, 3, at.size)]
    d["y"] = d["x"] + rng.normal(size=GROUPS)[at] * 2 + rng.normal(size=at.size)
    return d


NAMES = [f"g{i}" for i in range(GROUPS)]


def one_row(data: Any, row: int) -> Any:
    if isinstance(data, dict):
        return {k: v[row : row + 1] for k, v in data.items()}
    if isinstance(data, pd.DataFrame):
        return data.iloc[[row]]
    return data[row : row + 1] if isinstance(data, (list, pl.DataFrame)) else data.slice(row, 1)


def sorted_values(frame: Any, column: str) -> np.ndarray:
    return np.sort(frame.to_pandas()[column].to_numpy(dtype=np.float64))


def answers(data: Any, tmp_path: Path) -> dict[str, Any]:
    """Return what every verb says, by row or sorted."""
    m = mlpool.lmer("y ~ x + (1 | g)", data)
    crossed = mlpool.lmer("y ~ x + (1 | g:h)", data)
    effects, totals = m.ranef()["g"], m.coef()["g"]
    assert effects.index.is_unique
    assert crossed.ranef()["g:h"].index.is_unique
    file = tmp_path / "m.mlpool"
    m.save(file)
    loaded = mlpool.load_model(file)
    fixed = mlpool.lm("y ~ x + factor(g)", data)
    found = {
        "rows": m.predict(),
        "new rows": m.predict(data),
        "one row": [m.predict(one_row(data, i)).iloc[0] for i in range(0, 40, 7)],
        "loaded": loaded.predict(data),
        "crossed": crossed.predict(),
        "crossed rows": crossed.predict(data),
        "crossed one": [crossed.predict(one_row(data, i)).iloc[0] for i in range(0, 40, 9)],
        "fixed": fixed.predict(data),
        "fixed one": [fixed.predict(one_row(data, i)).iloc[0] for i in range(0, 40, 9)],
        "ranef": np.sort(effects["(Intercept)"]),
        "coef": np.sort(totals["(Intercept)"]),
        "means": sorted_values(mlpool.estimate_means(fixed, "g"), "Mean"),
        "relation": sorted_values(mlpool.estimate_relation(m, ["x=[0]", "g"]), "Predicted"),
        "of its rows": sorted_values(
            mlpool.estimate_expectation(m, data=data, include_random=True), "Predicted"
        ),
        "group level": sorted_values(mlpool.estimate_grouplevel(m), "Coefficient"),
        "cluster": mlpool.lm("y ~ x", data, cluster="g").se,
        "pooling": sorted_values(mlpool.compare_pooling("y ~ x", data, "g").groups, "Partial"),
    }
    demeaned = mlpool.demean(data, "x", "g") if not isinstance(data, list) else None
    if demeaned is not None:
        found["demean"] = np.asarray(demeaned["x_within"])
    return {k: np.asarray(v, dtype=np.float64) for k, v in found.items()}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return answers(frame_of(NAMES), tmp_path_factory.mktemp("plain"))


@pytest.mark.parametrize(("labels", "way"), CASES)
def test_every_verb_tells_groups_apart(
    labels: str, way: str, plain: dict[str, Any], tmp_path: Path
) -> None:
    data = frame_of(LABELS[labels])
    before = data.copy(deep=True)
    found = answers(WAYS[way](data), tmp_path)
    pd.testing.assert_frame_equal(data, before)
    for name, values in found.items():
        # 1e-7: the optimiser stops where a step changes the deviance by less than it can resolve
        np.testing.assert_allclose(values, plain[name], rtol=1e-6, atol=1e-7, err_msg=name)


def test_a_missing_group_is_no_group() -> None:
    d = frame_of(["", "nan", "NA", "None", *NAMES[4:]])
    m = mlpool.lmer("y ~ x + (1 | g)", d)
    assert m.design.n == len(d)
    new = d.iloc[[0, 1]].assign(g=[None, np.nan])
    with pytest.raises(mlpool.DataError, match="missing"):
        m.predict(new)
    np.testing.assert_allclose(m.predict(new, allow_new_levels=True), m.predict(new, re_form=False))
    gone = d.assign(g=d["g"].where(d["g"] != "nan"))
    again = mlpool.lmer("y ~ x + (1 | g)", gone)
    assert again.design.n == len(d) - SIZE
    assert len(again.ranef()["g"]) == GROUPS - 1


@pytest.mark.parametrize("labels", ["long ids", "unsigned", "decimals", "of several kinds"])
def test_models_that_were_kept_fit_again(labels: str, tmp_path: Path) -> None:
    d = frame_of(LABELS[labels])
    d["g"] = d["g"].astype(object)
    d.loc[3, "g"] = None
    m = mlpool.lmer("y ~ x + (1 | g)", d)
    m.save(tmp_path / "m.mlpool", data=True)
    for kept in (mlpool.load_model(tmp_path / "m.mlpool"), pickle.loads(pickle.dumps(m))):
        again = mlpool.update(kept, ". ~ .")
        assert again.ranef()["g"].index.equals(m.ranef()["g"].index)
        np.testing.assert_allclose(again.ranef()["g"], m.ranef()["g"], rtol=1e-6)
        np.testing.assert_allclose(again.predict(d.drop(3)), m.predict(), rtol=1e-6)
        mlpool.standardize_parameters(kept, method="refit")


def test_new_data_in_other_storage() -> None:
    """Fewer levels, another order of levels, another type, another library."""
    d = frame_of(list(range(3, 3 + GROUPS)))
    m = mlpool.lmer("y ~ x + h + (1 | g) + (0 + x | g:h)", d)
    want = m.predict()
    others: list[Any] = [
        d.assign(g=d["g"].astype(str)),
        d.assign(g=d["g"].astype(np.float32)),
        d.assign(g=pd.Categorical(d["g"], categories=range(12, 0, -1))),
        d.assign(h=pd.Categorical(d["h"], categories=list("zcba"))),
        d.assign(g=d["g"].astype(str).astype("category"), h=d["h"].astype("string")),
        pl.from_pandas(d).with_columns(pl.col("h").cast(pl.Categorical)),
        pl.from_pandas(d).with_columns(pl.col("h").cast(pl.Enum(list("cab")))),
        pa.Table.from_pandas(d, preserve_index=False),
        {c: d[c].tolist() for c in d},
    ]
    for data in others:
        np.testing.assert_allclose(m.predict(data), want, rtol=1e-12)
        for row in (0, 11, 40):
            found = m.predict(one_row(data, row))
            np.testing.assert_allclose(found, want.iloc[[row]], rtol=1e-12)
