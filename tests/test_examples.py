"""The lectures run, print the lectures' numbers, and match their notebooks."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

plotnine = pytest.importorskip("plotnine")
pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parents[1] / "examples"
LECTURES = sorted(
    p.stem for p in FOLDER.glob("*.py") if p.read_text(encoding="utf-8").startswith("# %%")
)

PRINTED = {
    "pooling_approaches": (
        "7185 students in 160 schools",
        "160 tests, 8 expected below .05 by chance",
        "A    3  95.0    0.43  80.71",
        "B  100  72.0    0.96  71.92",
        "grand mean 12.637; the formula is coef() in all schools: True",
    ),
    "unbalanced_anova": (
        "mean of 661 students: 482.64",
        "mean of 20 school means: 482.78",
        "variance of the school means: 3,697.7",
        "(Intercept) |     482.757 | 13.673 | [454.159, 511.355] |   35.306 | < .001",
        "SD (Intercept: idschool) |      59.647",
        "SD (Residual)            |      73.756",
        "log-likelihood -3,807.4, AIC 7,620.9, BIC 7,634.3",
        "idschool | sd__(Intercept) |   59.647",
        "Residual | sd__Observation |   73.756",
        "square root of the estimated residual variance: 73.8",
        "    5036 41 484.25 132.68 11.52",
        "    5049 16 485.51 339.99 18.44",
        "    5271 22 479.34 247.27 15.72",
        "    5036 41 484.25 3690.40        5.07",
        "    5198 18 520.70 3859.93        4.84",
        "    5275 37 510.69 3704.74        5.05",
        "precision-weighted mean 482.757, SE 13.673",
        "the model's intercept   482.757, SE 13.673",
    ),
    "eb_and_means_as_outcomes": (
        "    5036 41 484.25 132.68 3690.40    0.96 484.20",
        "    5110 41 619.35 132.68 3690.40    0.96 614.44",
        "    5275 37 510.69 147.02 3704.74    0.96 509.58",
        # lmerTest's values for the bundled schools; the lecture's children are not public.
        "sector [Catholic] |       2.805 | 0.439 | [ 1.938,  3.672] |  6.388 | 153.50 | < .001",
        "sector [Catholic] |       1.225 | 0.306 | [ 0.621,  1.830] |  4.008 | 149.62 | < .001",
    ),
    "gelman_hill_chapter_12": (
        "ratio 0.19",
        "worth 5.30 measurements",
        "ICC   0.159",
        "(Intercept), a, b, c, a:c, b:c",
        "160 dummies for 160 schools",
        "agrees with coef() to 1e-5 in all 160 groups: True",
        "its dummies are ranef(): True",
    ),
    "cluster_sampling": ("correlation of two units of a group 0.30, ICC 0.30",),
    "pooling_and_standard_errors": (
        "8.864905 for all 20 groups: True",
        "(Intercept) 1628.976      2.383   683.6   <2e-16 ***",
        "Residual standard error: 33.7 on 199 degrees of freedom",
        "REML criterion at convergence: 1929.7",
        " groups   (Intercept) 366.2    19.14   ",
        "(Intercept) 1628.976      4.716   345.4",
        "(Intercept) |     1628.98 | 4.72 | [1619.68, 1638.28] | 345.41 | < .001",
        "ols          2.400100",
        "mixed        4.716022",
        "nopool       1.982253",
    ),
    # lmerTest's and lme4's values for the bundled data
    "growth_curves": (
        " Subject  (Intercept) 2.13433       ",
        "          age11       0.22643  0.503",
        "(Intercept)          |       24.97 | 0.49 | [23.97, 25.97] |    51.38 | < .001",
        "Sex [Female]         |       -2.32 | 0.76 | [-3.89, -0.75] |    -3.05 | 0.005 ",
        "age11 × Sex [Female] |       -0.30 | 0.13 | [-0.58, -0.03] |    -2.26 | 0.033 ",
        "Cor (Intercept~age11: Subject) |        0.21",
    ),
    "binary_and_counts": (
        "ses               |       1.93 | 0.10 | [1.75, 2.13] |  13.20 | < .001",
        "SD (Intercept: school) |        0.56",
        "    Adjusted ICC: 0.087",
        "  Conditional R2: 0.161",
        "period [4]  |       0.21 | 0.09 | [0.09, 0.48] | -3.70 | < .001",
        "with rows  treated -0.59, SE 0.09",
    ),
}
"""Lines of the lectures that each script prints on its own data."""

FIGURES = {
    "cluster_sampling": 6,
    "pooling_approaches": 5,
    "eb_and_means_as_outcomes": 2,
    "gelman_hill_chapter_12": 3,
    "pooling_and_standard_errors": 1,
    "unbalanced_anova": 1,
    "growth_curves": 3,
    "binary_and_counts": 2,
}
"""How many pictures each notebook shows."""

ON_THE_LECTURES_DATA = {
    ("pooling_and_standard_errors", "stackexchange_pooling.csv"): PRINTED[
        "pooling_and_standard_errors"
    ],
    ("pooling_approaches", "heck2011.csv"): (
        "(Intercept) |       58.13 | 0.14 | [57.86, 58.41] |  418.09 | < .001",
        "ses         |        4.23 | 0.13 | [ 3.98,  4.47] |   33.68 | < .001",
        "gender [F]  |       -1.06 | 0.20 | [-1.45, -0.68] |   -5.42 | < .001",
        "(Intercept) |       58.13 | 0.17 | [57.81, 58.46] |  351.72 | < .001",
        "ses         |        4.23 | 0.15 | [ 3.93,  4.52] |   28.27 | < .001",
        "gender [F]  |       -1.06 | 0.21 | [-1.48, -0.65] |   -5.04 | < .001",
        "SE of ses: 0.13 -> 0.15",
        "SE of genderF: 0.20 -> 0.21",
        "Slope |   SE |       95% CI | t(6451) |      p",
        "3.19  | 0.16 | [2.88, 3.50] |   20.22 | < .001",
        "school |     Slope |   SE |          95% CI |   t(6033) |      p",
        "5      |      7.64 | 3.90 | [ -0.01, 15.28] |      1.96 |  0.050",
        "Marginal effects estimated for ses",
        "Type of slope was dY/dX",
        "419 tests, 21 expected below .05 by chance",
        "none   68 below .05",
        "holm    4 below .05",
        "fdr    10 below .05",
        "SD (Intercept: school) |        3.26",
        "SD (Residual)          |        8.16",
        "178     11  66.0778  0.6376   63.0319",
        "1       12  58.9968  0.6574   58.5437",
        "36      12  51.7470  0.6574   53.7776",
        "grand mean 57.674; the formula is coef() in all schools: True",
    ),
    ("gelman_hill_chapter_12", "heck2011.csv"): (
        "57.67423",
        "1           0.86945",
        "2           4.02528",
        "3          -7.49862 ",
        "1          58.54368",
        "6          60.08809",
        "419 dummies for 419 schools",
    ),
}


class ShowValues(ast.NodeTransformer):
    """Hand the value of every bare expression to ``show_``, as a notebook does with a cell's."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr:
        call = ast.Call(ast.Name("show_", ast.Load()), [node.value], [])
        return ast.copy_location(ast.Expr(call), node)


def execute(path: Path, show: Callable[[object], object]) -> None:
    """Run a script's cells."""
    tree = ShowValues().visit(ast.parse(path.read_text(encoding="utf-8"), str(path)))
    code = compile(ast.fix_missing_locations(tree), str(path), "exec")
    exec(code, {"__name__": "__main__", "__file__": str(path), "show_": show})


@pytest.fixture(scope="module")
def shown() -> dict[str, list[Any]]:
    """The plots that a script's cells end in, by its name."""
    return {}


@pytest.fixture(scope="module")
def run(shown: dict[str, list[Any]]) -> Iterator[Callable[..., str]]:
    """``run(name, *arguments)``: what a script prints, run at most once."""
    before = sys.argv, plotnine.options.figure_size, plotnine.options.dpi

    @cache
    def run_once(name: str, *arguments: str) -> str:
        path = FOLDER / f"{name}.py"
        sys.argv = [str(path), *arguments]
        values: list[Any] = []
        with contextlib.redirect_stdout(io.StringIO()) as out:
            execute(path, values.append)
        shown[name] = [v for v in values if isinstance(v, plotnine.ggplot)]
        return out.getvalue()

    yield run_once
    sys.argv, plotnine.options.figure_size, plotnine.options.dpi = before


def test_one_command_runs_a_lecture_in_a_process_of_its_own(tmp_path: Path) -> None:
    path = FOLDER / "pooling_and_standard_errors.py"
    done = subprocess.run(
        [sys.executable, str(path)], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(FOLDER.parent), "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "SE: 4.716022" in done.stdout


@pytest.mark.parametrize("name", PRINTED)
def test_script_prints_the_lecture_s_numbers(name: str, run: Callable[..., str]) -> None:
    lines = run(name).split("\n")
    assert [line for line in PRINTED[name] if line not in lines] == []


@pytest.mark.parametrize(("name", "file"), ON_THE_LECTURES_DATA)
def test_script_on_the_lecture_s_data(
    name: str, file: str, run: Callable[..., str], shared: Path
) -> None:
    lines = run(name, "--data", str(shared / "data" / file)).split("\n")
    assert [line for line in ON_THE_LECTURES_DATA[name, file] if line not in lines] == []


# --- notebooks ----------------------------------------------------------------------------------


def read_notebook(name: str) -> list[dict]:
    return json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]


def cells_of(script: str) -> list[str]:
    """The cells of a percent-format script as a notebook stores them."""
    cells = []
    for part in re.split(r"^# %%", script, flags=re.MULTILINE)[1:]:
        head, _, body = part.partition("\n")
        if head.strip() == "[markdown]":
            body = re.sub(r"^# ?", "", body, flags=re.MULTILINE)
        cells.append(body.strip("\n"))
    return cells


NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


@pytest.mark.parametrize("name", LECTURES)
def test_notebook_has_the_script_s_cells_and_output(name: str, run: Callable[..., str]) -> None:
    """To renew it: python examples/make_notebooks.py."""
    cells = read_notebook(name)
    script = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
    assert ["".join(c["source"]) for c in cells] == cells_of(script)
    outputs = [o for c in cells for o in c.get("outputs", ())]
    printed = "".join("".join(o["text"]) for o in outputs if o["output_type"] == "stream")
    now = run(name)
    assert NUMBER.sub("#", printed) == NUMBER.sub("#", now)
    before, after = ([float(v) for v in NUMBER.findall(text)] for text in (printed, now))
    # Other processors and versions may round the last printed digit differently.
    assert after == pytest.approx(before, rel=2e-3, abs=0.011)


@pytest.mark.parametrize("name", LECTURES)
def test_notebook_is_small_and_shows_its_figures(name: str) -> None:
    assert (FOLDER / f"{name}.ipynb").stat().st_size < 400_000
    outputs = [o for c in read_notebook(name) for o in c.get("outputs", ())]
    assert sum("image/png" in o.get("data", ()) for o in outputs) == FIGURES[name]
    assert {o["output_type"] for o in outputs} <= {"stream", "execute_result"}


@pytest.mark.filterwarnings("ignore")  # of the libraries that draw
@pytest.mark.parametrize("name", LECTURES)
def test_figures_of_the_cells_are_drawn(
    name: str, run: Callable[..., str], shown: dict[str, list[Any]]
) -> None:
    run(name)
    assert len(shown[name]) == FIGURES[name]
    for plot in shown[name]:
        with io.BytesIO() as target:
            plot.save(target, format="png", dpi=30, verbose=False)
            assert target.tell() > 1_000


def test_every_lecture_has_a_test() -> None:
    assert set(LECTURES) == set(PRINTED)
