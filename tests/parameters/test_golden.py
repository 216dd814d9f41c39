"""Printed tables, character by character: R's own texts and the tables of the lectures.

Blanks at line ends aside, as the reference texts were stored.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlpool import compare_parameters, model_parameters

SNAPSHOTS = Path(__file__).parents[1] / "snapshots"
Fitted = Callable[[str], Any]

SLEEP: dict[str, dict[str, Any]] = {
    "lmer_sleep_model_parameters_default": {},
    "lmer_sleep_model_parameters_fixed": {"effects": "fixed"},
    "lmer_sleep_model_parameters_random": {"effects": "random"},
    "lmer_sleep_model_parameters_kenward": {"ci_method": "kenward"},
    "lmer_sleep_model_parameters_satterthwaite": {"ci_method": "satterthwaite"},
    "lmer_sleep_model_parameters_ci_random_FALSE": {"ci_random": False},
}

COURSE: dict[str, tuple[str, dict[str, Any]]] = {
    "lm_heck_model_parameters": ("lm1", {}),
    "lm_heck_model_parameters_HC3": ("lm1", {"vcov": "HC3"}),
    "lm_heck_model_parameters_vcovCL": (
        "lm1",
        {"vcov": "vcovCL", "vcov_args": {"cluster": "school"}},
    ),
    "lm_heck_model_parameters_interaction": ("lm2", {}),
    "lmer_heck_null_model_parameters": ("m0", {}),
    "lmer_heck_model_parameters": ("m1", {}),
    "lmer_heck_model_parameters_fixed": ("m1", {"effects": "fixed"}),
    "lmer_heck_model_parameters_satterthwaite": ("m1", {"ci_method": "satterthwaite"}),
    "lmer_popular_model_parameters": ("p1", {"effects": "fixed", "ci_method": "satterthwaite"}),
}

LECTURES: dict[str, tuple[str, dict[str, Any], str]] = {
    "complete pooling": (
        "lecture_lm",
        {},
        """\
Parameter   | Coefficient |   SE |         95% CI | t(6868) |      p
--------------------------------------------------------------------
(Intercept) |       58.13 | 0.14 | [57.86, 58.41] |  418.09 | < .001
ses         |        4.23 | 0.13 | [ 3.98,  4.47] |   33.68 | < .001
gender [F]  |       -1.06 | 0.20 | [-1.45, -0.68] |   -5.42 | < .001""",
    ),
    "complete pooling, robust": (
        "lecture_lm",
        {"vcov": "vcovCL", "cluster": "school"},
        """\
Parameter   | Coefficient |   SE |         95% CI | t(6868) |      p
--------------------------------------------------------------------
(Intercept) |       58.13 | 0.17 | [57.81, 58.46] |  351.72 | < .001
ses         |        4.23 | 0.15 | [ 3.93,  4.52] |   28.27 | < .001
gender [F]  |       -1.06 | 0.21 | [-1.48, -0.65] |   -5.04 | < .001""",
    ),
    "null model": (
        "lecture_null",
        {},
        """\
# Fixed Effects

Parameter   | Coefficient |   SE |         95% CI | t(6868) |      p
--------------------------------------------------------------------
(Intercept) |       57.67 | 0.19 | [57.31, 58.04] |  306.34 | < .001

# Random Effects

Parameter              | Coefficient
------------------------------------
SD (Intercept: school) |        3.26
SD (Residual)          |        8.16""",
    ),
    "simulated groups": (
        "se_partial",
        {},
        """\
# Fixed Effects

Parameter   | Coefficient |   SE |             95% CI | t(197) |      p
-----------------------------------------------------------------------
(Intercept) |     1628.98 | 4.72 | [1619.68, 1638.28] | 345.41 | < .001

# Random Effects

Parameter              | Coefficient
------------------------------------
SD (Intercept: groups) |       19.14
SD (Residual)          |       28.03""",
    ),
}


def lines(text: str) -> list[str]:
    """Return the lines without blanks at their ends."""
    return [line.rstrip() for line in text.rstrip("\n").split("\n")]


def snapshot(name: str) -> str:
    return (SNAPSHOTS / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SLEEP)
def test_sleepstudy(name: str, sleep_model: Any) -> None:
    assert lines(str(model_parameters(sleep_model, **SLEEP[name]))) == lines(snapshot(name))


def test_profile_intervals(sleep_model: Any) -> None:
    """As R's text, but for the last digit of bounds: R interpolates them, we solve for them.

    The correlation's upper bound, 0.68502, is printed as 0.68 by R's splines (0.68499).
    """
    ours = lines(str(model_parameters(sleep_model, ci_method="profile")))
    golden = lines(snapshot("lmer_sleep_model_parameters_profile"))
    assert [re.sub(r"\d", "0", line) for line in ours] == [
        re.sub(r"\d", "0", line) for line in golden
    ]
    for line, expected in zip(ours, golden, strict=True):
        numbers = [float(x) for x in re.findall(r"-?\d+\.\d+", line)]
        assert numbers == pytest.approx(
            [float(x) for x in re.findall(r"-?\d+\.\d+", expected)], abs=0.0101
        ), line


def test_sleepstudy_markdown(sleep_model: Any) -> None:
    table = model_parameters(sleep_model, effects="fixed")
    assert lines(table.to_markdown()) == lines(snapshot("print_md_lmer_sleep"))


def test_bundled_texts_are_those_of_r(shared: Path) -> None:
    for path in SNAPSHOTS.glob("*sleep*.txt"):
        golden = shared / "golden" / path.name
        assert path.read_text(encoding="utf-8") == golden.read_text(encoding="utf-8"), path.name


@pytest.mark.parametrize("name", COURSE)
def test_course_data(name: str, shared: Path, fitted: Fitted) -> None:
    model, options = COURSE[name]
    golden = (shared / "golden" / f"{name}.txt").read_text(encoding="utf-8")
    assert lines(str(model_parameters(fitted(model), **options))) == lines(golden)


@pytest.mark.parametrize("name", LECTURES)
def test_lecture_tables(name: str, fitted: Fitted) -> None:
    model, options, text = LECTURES[name]
    assert lines(str(model_parameters(fitted(model), **options))) == lines(text)


def test_cluster_as_series_and_array_give_the_lecture_table(
    fitted: Fitted, dataset: Callable[[str], Any]
) -> None:
    school = dataset("heck")["school"]
    text = LECTURES["complete pooling, robust"][2]
    for cluster in ("school", school, school.to_numpy()):
        table = model_parameters(fitted("lecture_lm"), vcov="vcovCL", cluster=cluster)
        assert lines(str(table)) == lines(text)


def test_random_intercepts_by_satterthwaite(fitted: Fitted, dataset: Callable[[str], Any]) -> None:
    import mlpool

    heck = dataset("heck").assign(public=lambda d: d["public"].astype("category"))
    m = mlpool.lmer("math ~ ses + public + (1 | school)", heck)
    printed = lines(str(model_parameters(m, ci_method="satterthwaite", effects="fixed")))
    assert printed[2:] == lines(
        """\
Parameter   | Coefficient |   SE |         95% CI |      t |      df |      p
-----------------------------------------------------------------------------
(Intercept) |       57.63 | 0.26 | [57.13, 58.13] | 225.69 |  381.82 | < .001
ses         |        3.87 | 0.14 | [ 3.61,  4.14] |  28.33 | 3928.37 | < .001
public [1]  |       -0.05 | 0.30 | [-0.64,  0.54] |  -0.16 |  385.94 | 0.871"""
    )
    info = lines(str(model_parameters(m, include_info=True)))[-4:]
    assert info == [
        "Model: math ~ ses + public (6871 Observations)",
        "Sigma: 7.925 (df = 6866)",
        "RMSE : 7.810",
        "Conditional R2: 0.167; Marginal R2: 0.121",
    ]
    assert model_parameters(m, summary=True).layout == model_parameters(m, include_info=True).layout


# --- compare_parameters ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "models", "options"),
    [
        ("compare_parameters_heck", ("lm1", "m0", "m1"), {}),
        ("compare_parameters_heck_se_p", ("lm1", "m1"), {"select": "se_p"}),
    ],
)
def test_comparisons(
    name: str, models: tuple[str, ...], options: dict[str, Any], shared: Path, fitted: Fitted
) -> None:
    golden = (shared / "golden" / f"{name}.txt").read_text(encoding="utf-8")
    table = compare_parameters(**{m: fitted(m) for m in models}, **options)
    assert lines(str(table)) == lines(golden)


def test_lecture_comparison(fitted: Fitted, dataset: Callable[[str], Any]) -> None:
    import mlpool

    ols = mlpool.lm("math ~ 1", dataset("heck"))
    table = compare_parameters(fit_ols=ols, fit_null=fitted("lecture_null"), select="se")
    assert lines(str(table)) == lines(
        """\
Parameter    |      fit_ols |     fit_null
------------------------------------------
(Intercept)  | 57.73 (0.11) | 57.67 (0.19)
------------------------------------------
Observations |         6871 |         6871"""
    )


def test_random_effects_side_by_side(fitted: Fitted, dataset: Callable[[str], Any]) -> None:
    """A singular fit's correlation is printed as -1.00; absent rows are blank."""
    import mlpool

    with pytest.warns(mlpool.SingularFitWarning):
        singular = mlpool.lmer("math ~ ses + (ses | school)", dataset("heck"))
    models = {"m0": fitted("m0"), "m1": fitted("m1"), "m2": singular}
    text = str(compare_parameters(models, effects="all"))
    assert lines(text.partition("# Random Effects\n\n")[2]) == lines(
        """\
Parameter                   |    m0 |    m1 |    m2
---------------------------------------------------
SD (Intercept: school)      |  3.26 |  1.86 |  1.79
SD (Residual)               |  8.16 |  7.93 |  7.91
SD (ses: school)            |       |       |  0.88
Cor (Intercept~ses: school) |       |       | -1.00"""
    )


def test_random_effects_of_sleepstudy(
    sleep_model: Any, sleep_intercepts: Any, shared: Path
) -> None:
    """R's text with the empty brackets of random effects taken out."""
    golden = (shared / "golden" / "compare_parameters_sleep_random.txt").read_text(encoding="utf-8")
    fixed, _, random = golden.replace(" (, )", "").partition("# Random Effects\n")
    text = str(compare_parameters(s1=sleep_intercepts, s2=sleep_model, effects="all"))
    ours, _, our_random = text.partition("# Random Effects\n")
    assert lines(ours) == lines(fixed)
    cells = [[c.strip() for c in line.split("|")] for line in lines(our_random) if "|" in line]
    expected = [[c.strip() for c in line.split("|")] for line in lines(random) if "|" in line]
    assert cells == expected
