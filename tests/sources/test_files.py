"""Folders, patterns and files with faults: the right answer or one sentence."""

from __future__ import annotations

import importlib
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


def printed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert main(["fit", *arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("formula", "options"),
    [
        (FORMULA, []),
        ("y ~ x + s", ["--cluster", "g", "--subset", "x < 2"]),
        ("late ~ x2", ["--family", "binomial", "--exponentiate"]),
        ("late ~ x2 + (1 | g)", ["--family", "binomial"]),
    ],
)
def test_the_command_line_scans_when_asked_and_large_files_unasked(
    formula: str,
    options: list[str],
    tmp_path: Path,
    rows: pd.DataFrame,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    late = (rows["y"] > rows["y"].mean()).astype(int)
    rows.assign(late=late, x2=rows["x"].round()).to_parquet(tmp_path / "rows.parquet")
    module = importlib.import_module("mlpool.sources.scan")
    asked, kept = [], module._scan_files
    monkeypatch.setattr(module, "_scan_files", lambda path: asked.append(path) or kept(path))
    arguments = [formula, str(tmp_path / "rows.parquet"), *options]
    want = printed(arguments, capsys)
    assert not asked
    assert printed([*arguments, "--scan"], capsys) == want
    assert len(asked) == 1
    monkeypatch.setattr(module, "SHARE", 0.0)
    assert printed(arguments, capsys) == want
    assert len(asked) == 2


def test_what_cannot_be_scanned_in_a_shell(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "y ~ x", "-", "--scan"]) == 1
    assert "standard input is read once" in capsys.readouterr().err
    assert main(["fit", "y ~ x", "nowhere.parquet", "--scan"]) == 1
    assert "There is no file 'nowhere.parquet'" in capsys.readouterr().err
    scanned = printed(["math ~ ses + (1 | school)", "hsb82", "--scan"], capsys)
    assert scanned == printed(["math ~ ses + (1 | school)", "hsb82"], capsys)


@pytest.mark.parametrize("verb", ["lm", "glm", "lmer", "glmer", "compare_pooling"])
def test_every_verb_of_fits_scans_large_files_unasked(
    verb: str, tmp_path: Path, rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rows.parquet"
    rows.assign(n=rows["g"] % 4).to_parquet(path)
    formula = ("n ~ s" if verb.startswith("glm") else "y ~ x") + ("" if verb[-1] == "m" else
                                                                 " + (1 | g)")  # fmt: skip
    options = {"family": "poisson"} if verb.startswith("glm") else {}
    fit = getattr(mlpool, verb)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        want = fit(formula, path, **options)
        monkeypatch.setattr(importlib.import_module("mlpool.sources.scan"), "SHARE", 0.0)
        if verb == "compare_pooling":
            with pytest.raises(mlpool.NotSupportedError, match="needs the rows in memory"):
                fit(formula, path)
            return
        m = fit(formula, path, **options)
    assert type(m.design) is not type(want.design)
    np.testing.assert_allclose(m.fixef(), want.fixef(), rtol=1e-6, atol=1e-9)


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
    with pytest.raises(mlpool.DataError, match="a quote is never closed"):
        mlpool.scan(broken)


def test_text_files_that_cannot_be_taken_apart(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    for text, says in (
        ("", "is it empty"), ("y,x,g\n", "have no rows"), ("y,x,g\n1,2\n3,4,5,6\n", "names of col"),
        ('y,x,g\n1,2,1\n2,3,1\n1,"2,3\n', "a quote is never closed|cannot be"),
    ):  # fmt: skip
        path.write_text(text)
        with pytest.raises(mlpool.DataError, match=says) as caught:
            mlpool.lm("y ~ x", mlpool.scan(path))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", ["the end", "the head of a page", "half is gone", "all is gone"])
def test_parquet_files_that_are_damaged(tmp_path: Path, rows: pd.DataFrame, damage: str) -> None:
    path = tmp_path / "rows.parquet"
    rows.to_parquet(path, index=False)
    whole = bytearray(path.read_bytes())
    if damage == "the end":
        whole[-20:-8] = b"\xff" * 12
    elif damage == "the head of a page":
        whole[4:60] = b"\xff" * 56
    else:
        whole = whole[: len(whole) // 2 if damage.startswith("half") else 0]
    path.write_bytes(bytes(whole))
    with pytest.raises(mlpool.DataError, match=r"cannot be scanned|cannot answer") as caught:
        mlpool.lmer(FORMULA, mlpool.scan(path))
    assert "\n" not in str(caught.value)


def test_keys_of_two_types_are_text_and_keys_beyond_floats_stay_apart(
    tmp_path: Path, rows: pd.DataFrame
) -> None:
    first, last = rows[:150], rows[150:]
    folder = in_parts(tmp_path, first, last.assign(g=last["g"].astype(str)))
    np.testing.assert_allclose(fixef(folder), fixef(rows), rtol=1e-9)
    long = rows.assign(g=2**53 + 1 + rows["g"])
    folder = in_parts(tmp_path, long[:150], long[150:])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert mlpool.lmer(FORMULA, folder).ngroups == {"g": 30}


def test_columns_whose_names_are_queries(tmp_path: Path, rows: pd.DataFrame) -> None:
    named = {"x": "x; drop table rows", "g": 'g" or 1=1 --'}
    rows.rename(columns=named).to_parquet(tmp_path / "rows.parquet")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        m = mlpool.lmer(
            'y ~ `x; drop table rows` + s + (1 | `g" or 1=1 --`)',
            mlpool.scan(tmp_path / "rows.parquet"),
        )
    np.testing.assert_allclose(m.fixef(), fixef(rows), rtol=1e-9)
    assert len(m.predict().df()) == len(rows)


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
