"""The examples run, on bundled data and on the lecture's, and print the lecture's numbers."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def lecture() -> ModuleType:
    path = ROOT / "examples" / "lecture_pooling.py"
    spec = importlib.util.spec_from_file_location("lecture_pooling", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_lecture_on_bundled_data(lecture: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    lecture.main([])
    out = capsys.readouterr().out
    assert "One slope for all 160 schools" in out
    assert "160 tests: about 8 fall below .05 by chance alone" in out
    assert out.count("# Fixed Effects") == 3


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::mlpool.SingularFitWarning")  # as in R: "boundary (singular)"
def test_lecture_on_its_own_data(
    lecture: ModuleType, shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lecture.main(["--data", str(shared / "data" / "heck2011.csv")])
    out = capsys.readouterr().out
    for row in (
        "(Intercept) |       58.13 | 0.14 | [57.86, 58.41] |  418.09 | < .001",
        "gender [F]  |       -1.06 | 0.20 | [-1.45, -0.68] |   -5.42 | < .001",
        "(Intercept) |       58.13 | 0.17 | [57.81, 58.46] |  351.72 | < .001",
        "gender [F]  |       -1.06 | 0.21 | [-1.48, -0.65] |   -5.04 | < .001",
        "SE of genderF: 0.20 -> 0.21",
        "SE of ses: 0.13 -> 0.15",
        "3.19, SE 0.16, 95% CI [2.88, 3.50], t(6451) = 20.22",
        "419 tests: about 21 fall below .05 by chance alone; 68 do here.",
        "Grand mean: 57.674",
    ):
        assert row in out, row


@pytest.mark.slow
def test_shrinkage_and_slopes_are_the_lecture_s(lecture: ModuleType, shared: Path) -> None:
    import mlpool

    dat = lecture.read_schools(str(shared / "data" / "heck2011.csv"))
    table = lecture.shrinkage_table(dat, mlpool.lmer("math ~ 1 + (1 | school)", dat))
    smallest = "178 1 12 22 36 38 48 50 51 79 84 89 96 99 104 115 117 119 127 138"
    assert list(table.index) == smallest.split()
    for school, before, after in (
        ("178", 66.0778, 63.0319),
        ("1", 58.9968, 58.5437),
        ("36", 51.7470, 53.7776),
        ("138", 57.0531, 57.2659),
    ):
        row = table.loc[school]
        np.testing.assert_allclose([row["unpooled"], row["pooled"]], [before, after], atol=5e-4)

    slopes = lecture.slopes_by_school(mlpool.lm("math ~ ses * school", dat))
    printed = pd.read_csv(shared / "spec" / "heck2011_slopes_by_school.csv", dtype=str)
    column = next(c for c in printed.columns if c.lower() == "slope")
    expected = pd.to_numeric(printed[column]).to_numpy()
    # Two decimals are printed, and three significant digits where they would be zeros.
    np.testing.assert_allclose(slopes["Slope"], expected, atol=0.0051)
