"""Folders, patterns and files with faults: the right answer or one sentence."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool.cli.run import main

pytest.importorskip("narwhals", minversion="2.0")
pytest.importorskip("duckdb")
pa = pytest.importorskip("pyarrow")

FORMULA = "y ~ x + s + (1 | g)"


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """Return rows whose last level of `s` is in their second half only."""
    rng = np.random.default_rng(1)
    d = pd.DataFrame({"x": rng.normal(size=300), "g": np.repeat(np.arange(30), 10), "s": "early"})
    d.loc[280:, "s"] = "late"
    d["y"] = 1.0 + d["x"] + rng.normal(size=30)[d["g"]] + rng.normal(size=300)
    return d


def in_parts(folder: Path, *parts: pd.DataFrame) -> Path:
    for i, part in enumerate(parts):
        part.to_parquet(folder / f"{i}.parquet", index=False)
    return folder


def fixef(data: object) -> list[float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mlpool.lmer(FORMULA, data).fixef().tolist()  # type: ignore[arg-type]


def sentence_of(data: object, formula: str = FORMULA) -> str:
    with warnings.catch_warnings(), pytest.raises(mlpool.MlpoolError) as caught:
        warnings.simplefilter("ignore")
        mlpool.lmer(formula, data)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_level_of_the_second_file_is_a_level(tmp_path: Path, rows: pd.DataFrame) -> None:
    folder = in_parts(tmp_path, rows[:150], rows[150:])
    want = fixef(rows)
    for data in (folder, str(folder / "*.parquet"), mlpool.scan(folder / "*.parquet")):
        np.testing.assert_allclose(fixef(data), want, rtol=1e-10)


def test_the_command_line_takes_folders_and_patterns(
    tmp_path: Path, rows: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = in_parts(tmp_path, rows[:150], rows[150:])
    rows.to_parquet(tmp_path.parent / "whole.parquet")
    printed = []
    for name in (tmp_path.parent / "whole.parquet", folder, folder / "*.parquet"):
        assert main(["fit", FORMULA, str(name)]) == 0
        printed.append(capsys.readouterr().out)
    assert "late" in printed[0]
    assert printed[1] == printed[2] == printed[0]


def test_types_and_columns_that_differ_between_files(tmp_path: Path, rows: pd.DataFrame) -> None:
    first, last = rows[:150], rows[150:]
    folder = in_parts(tmp_path, first.assign(x=first["x"].round().astype(int)), last)
    together = pd.concat([first.assign(x=first["x"].round()), last])
    np.testing.assert_allclose(fixef(folder), fixef(together), rtol=1e-10)
    in_parts(tmp_path, first.assign(x="none"), last)
    assert "'x' is text" in sentence_of(folder)
    in_parts(tmp_path, first.drop(columns="x"), last)
    with pytest.warns(UserWarning, match="150"):
        assert mlpool.lmer(FORMULA, folder).n_missing == 150
    assert "There is no column 'z'" in sentence_of(folder, "y ~ z + (1 | g)")


def test_missing_values_of_both_kinds(tmp_path: Path, rows: pd.DataFrame) -> None:
    x = rows["x"].tolist()
    x[3], x[5] = float("nan"), None
    table = pa.table({**{c: pa.array(rows[c]) for c in "ygs"}, "x": pa.array(x)})
    pytest.importorskip("pyarrow.parquet").write_table(table, tmp_path / "rows.parquet")
    want = fixef(rows.drop(index=[3, 5]))
    np.testing.assert_allclose(fixef(mlpool.scan(tmp_path / "rows.parquet")), want, rtol=1e-10)


@pytest.mark.parametrize("n_gone", [1, 2])
def test_files_that_disappear(
    tmp_path: Path, rows: pd.DataFrame, n_gone: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All files before the first query, or one of two between the first and the second."""
    from mlpool.sources import build

    source = mlpool.scan(in_parts(tmp_path, rows[:150], rows[150:]))
    if n_gone == 2:
        for i in range(2):
            (tmp_path / f"{i}.parquet").unlink()
        assert "cannot be queried: IO Error" in sentence_of(source)
        return
    kept = build.total_sums

    def after_one_is_gone(pushed: build.PushedRows) -> object:
        (tmp_path / "0.parquet").unlink()
        return kept(pushed)

    monkeypatch.setattr(build, "total_sums", after_one_is_gone)
    assert "changed between two queries: 300 were used at first, then 150" in sentence_of(source)


def test_a_quote_that_is_never_closed(tmp_path: Path) -> None:
    broken = tmp_path / "rows.csv"
    broken.write_text('y,x,g\n1,2,1\n2,"3,1\n3,4,2\n')
    sentence_of(mlpool.scan(broken), "y ~ x + (1 | g)")


def test_memory_limits_go_to_the_engine(tmp_path: Path, rows: pd.DataFrame) -> None:
    folder = in_parts(tmp_path, rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        m = mlpool.lmer(FORMULA, folder, control={"memory_limit": "300MB"})
    assert m.control.memory_limit == "300MB"
    with pytest.raises(mlpool.OptionError, match="memory_limit must be a size"):
        mlpool.lmer(FORMULA, folder, control={"memory_limit": "lots"})
    with pytest.raises(mlpool.OptionError, match=r"mlpool\.scan\(path\)"):
        mlpool.lmer(FORMULA, rows, control={"memory_limit": "300MB"})


def test_poolings_are_compared_in_memory(tmp_path: Path, rows: pd.DataFrame) -> None:
    with pytest.raises(mlpool.NotSupportedError, match="needs the rows in memory"):
        mlpool.compare_pooling(FORMULA, in_parts(tmp_path, rows))
