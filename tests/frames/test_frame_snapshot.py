"""A fitted model keeps its data as they were: nothing done to the user's frame reaches it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool.frames import hold as hold_frame
from mlpool.frames import read_frame
from mlpool.frames.frame_snapshot import HeldFrame


def data() -> pd.DataFrame:
    frame = mlpool.load_data("sleepstudy").assign(w=1.0)
    frame["block"] = np.arange(180, dtype=np.int32) // 20
    frame["other"] = np.arange(180) % 18
    frame.loc[::3, "w"] = 2.0
    return frame


def fit(frame: Any) -> Any:
    return mlpool.lm("Reaction ~ Days", frame, weights="w")


def numbers(m: Any) -> dict[str, Any]:
    return {
        "HC1": m.vcov("HC1").to_numpy(),
        "CR1": m.vcov("CR1", cluster="block").to_numpy(),
        "resid": m.resid.to_numpy(),
        "working rows": m.design.X.dense(),
        "update": m.update(". ~ . + other").fixef().to_numpy(),
    }


EXPECTED = numbers(fit(data()))


def assert_unmoved(m: Any) -> None:
    for name, value in numbers(m).items():
        np.testing.assert_allclose(value, EXPECTED[name], rtol=1e-12, err_msg=name)


def set_column(d: Any) -> None:
    d["Days"] = d["Days"] * 2


def set_rows(d: Any) -> None:
    d.loc[d.index < 90, "Days"] = 0


def set_cell(d: Any) -> None:
    d.iloc[3, 0] = 1e6


def set_weights(d: Any) -> None:
    d.loc[:50, "w"] = 100.0


def set_clusters(d: Any) -> None:
    d.iloc[:, d.columns.get_loc("block")] = 1


CHANGES: dict[str, Callable[[Any], Any]] = {
    "set column": set_column,
    "set rows": set_rows,
    "set cell": set_cell,
    "set weights": set_weights,
    "set clusters": set_clusters,
    "sort": lambda d: d.sort_values("other", inplace=True),
    "sort anew": lambda d: d.sort_values("other", inplace=True, ignore_index=True),
    "drop rows": lambda d: d.drop(index=range(20), inplace=True),
    "insert": lambda d: d.insert(0, "first", 0),
    "pop": lambda d: d.pop("Days"),
    "rename": lambda d: d.rename(columns={"block": "b"}, inplace=True),
}


copies_on_write = pytest.mark.skipif(
    int(pd.__version__.partition(".")[0]) < 3, reason="pandas before 3 copies when it is asked to"
)


@copies_on_write
@pytest.mark.filterwarnings("ignore:The inplace keyword")
@pytest.mark.parametrize("change", CHANGES)
def test_a_pandas_frame_changed_after_the_fit(change: str) -> None:
    frame = data()
    m = fit(frame)
    CHANGES[change](frame)
    assert_unmoved(m)


def test_a_polars_frame_changed_after_the_fit() -> None:
    pl = pytest.importorskip("polars")
    frame = pl.from_pandas(data().astype({"Subject": str}))
    m = fit(frame)
    frame[0, "Days"] = 99
    frame.insert_column(0, pl.Series("first", np.zeros(180)))
    frame.drop_in_place("Reaction")
    assert_unmoved(m)


def as_dict(frame: pd.DataFrame) -> dict[str, Any]:
    return {name: column.to_numpy().copy() for name, column in frame.items()}


@pytest.mark.parametrize("column", ["Days", "Reaction", "w"])
def test_arrays_of_a_dict_changed_after_the_fit(column: str) -> None:
    arrays = as_dict(data())
    m = fit(arrays)
    arrays[column][:] = arrays[column][::-1].copy()
    np.testing.assert_allclose(m.vcov("HC1"), EXPECTED["HC1"], rtol=1e-12)
    np.testing.assert_allclose(m.resid, EXPECTED["resid"], rtol=1e-12)
    np.testing.assert_allclose(m.update().fixef(), m.fixef(), rtol=1e-12)
    with pytest.raises(mlpool.DataError, match=rf"changed after the model.*'{column}' differs"):
        m.vcov("CR1", cluster="block")
    with pytest.raises(mlpool.DataError, match="fit again, or give an array"):
        m.update(". ~ . + other")
    np.testing.assert_allclose(m.vcov("CR1", cluster=data()["block"]), EXPECTED["CR1"], rtol=1e-12)


def test_a_dict_left_alone_still_answers() -> None:
    arrays = as_dict(data())
    m = fit(arrays)
    arrays["new"] = np.ones(180)
    assert_unmoved(m)


@pytest.mark.filterwarnings("ignore:The inplace keyword")
@pytest.mark.parametrize(
    "change", ["set column", "set rows", "set cell", "sort", "drop rows", "pop"]
)
def test_pandas_without_copy_on_write(change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlpool.frames.frame_snapshot._copies_on_write", lambda: False)
    frame = data()
    m = fit(frame)
    assert_unmoved(m)
    m = fit(frame)
    CHANGES[change](frame)
    np.testing.assert_allclose(m.vcov("HC1"), EXPECTED["HC1"], rtol=1e-12)
    with pytest.raises(mlpool.DataError, match="changed after the model was fitted"):
        m.vcov("CR1", cluster="block")


@pytest.mark.filterwarnings("ignore::mlpool.FewClustersWarning")
def test_arrays_beside_the_data_are_copied() -> None:
    frame = data()
    clusters, weights = frame["block"].to_numpy().copy(), frame["w"].to_numpy().copy()
    rows = np.ones(180, dtype=bool)
    rows[::7] = False
    m = mlpool.lm(
        "Reaction ~ Days", frame, weights=weights, cluster=clusters, vcov="CR1", subset=rows
    )
    expected = m.vcov("CR0", cluster="block").to_numpy(), m.vcov("HC1").to_numpy()
    codes = [codes.copy() for codes in m.vcov_choice.clusters]
    clusters[:], weights[:], rows[:] = 0, 9.0, True
    np.testing.assert_array_equal(m.vcov_choice.clusters, codes)
    np.testing.assert_array_equal(m.vcov("CR0", cluster="block"), expected[0])
    np.testing.assert_array_equal(m.vcov("HC1"), expected[1])


@copies_on_write
def test_holding_copies_nothing_where_the_frame_itself_copies_on_write() -> None:
    frame = data()
    held = hold_frame(read_frame(frame), ["Days"])
    assert isinstance(held, HeldFrame)
    assert np.shares_memory(held.column("Days").values, frame["Days"].to_numpy())
    assert hold_frame(held, ["w"]) is held


def test_columns_that_were_renamed_to_text_are_held() -> None:
    frame = pd.DataFrame({0: [1.0, 2.0, 4.0], 1: [1.0, 2.0, 3.0]})
    m = mlpool.lm("`0` ~ `1`", frame)
    frame.iloc[:, :] = 0.0
    assert m.design.X.dense()[:, 1].tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow", "dict"])
def test_a_pickled_model_keeps_the_used_columns_only(kind: str) -> None:
    frame: Any = data().assign(secret="x" * 50)
    if kind == "polars":
        frame = pytest.importorskip("polars").from_pandas(frame.astype({"Subject": str}))
    elif kind == "pyarrow":
        frame = pytest.importorskip("pyarrow").Table.from_pandas(frame, preserve_index=False)
    elif kind == "dict":
        frame = as_dict(frame)
    m = fit(frame)
    text = pickle.dumps(m)
    assert b"x" * 50 not in text
    again = pickle.loads(text)
    assert type(again.design.frame.native).__module__ == type(m.design.frame.native).__module__
    np.testing.assert_allclose(again.vcov("HC1"), EXPECTED["HC1"], rtol=1e-12)
    np.testing.assert_allclose(again.update().fixef(), m.fixef(), rtol=1e-12)
    with pytest.raises(mlpool.ColumnNotFoundError, match="keeps only the columns that it used"):
        again.vcov("CR1", cluster="block")


def test_a_pickled_model_leaves_what_can_be_made_again() -> None:
    m = mlpool.lmer("Reaction ~ Days + (Days | Subject)", data())
    small = len(pickle.dumps(m))
    assert len(m.fitted) == len(m.vcov("CR2", cluster="Subject")) * 90
    assert len(pickle.dumps(m)) < small + 1000
    linear = fit(data())
    again = pickle.loads(pickle.dumps(linear))
    assert again.fit.raw is None
    np.testing.assert_allclose(again.statsmodels.params, linear.statsmodels.params)


def test_what_a_model_gives_out_is_the_users_to_change() -> None:
    matrix = np.diag([4.0, 9.0])
    m = mlpool.lm("Reaction ~ Days", data(), vcov=matrix)
    matrix[:] = 0.0
    table, beta = m.vcov(), m.fixef()
    assert table.to_numpy().tolist() == [[4.0, 0.0], [0.0, 9.0]]
    table.iloc[0, 0], beta.iloc[0] = 0.0, 0.0
    assert m.vcov().iloc[0, 0] == 4.0
    assert m.fixef().iloc[0] != 0.0
    mixed = mlpool.lmer("Reaction ~ Days + (1 | Subject)", data())
    given = mixed.ranef()["Subject"]
    before = given.copy()
    given.iloc[:, 0] = 0.0
    pd.testing.assert_frame_equal(mixed.ranef()["Subject"], before)
