"""R's printed texts, character by character, of bundled and of course data."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

import mlpool

FOLDER = Path(__file__).parent / "r"


def _sleep(**columns):
    d = mlpool.load_data("sleepstudy")
    return d.assign(D2=2 * d["Days"], w=1 + np.arange(1, 181) % 3, **columns)


def _with_gap():
    d = _sleep()
    days = d["Days"].astype(float)
    days.iloc[2] = np.nan
    return d.assign(Days=days)


def _cbpp(formula, family, **options):
    return mlpool.glmer(formula, mlpool.load_data("cbpp"), family=family, **options)


_HERDS = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
MODELS = {
    "dbar_ml": lambda: mlpool.lmer("Reaction ~ Days + (Days || Subject)", _sleep(), REML=False),
    "crossed": lambda: mlpool.lmer(
        "diameter ~ 1 + (1 | plate) + (1 | sample)", mlpool.load_data("Penicillin")
    ),
    "nested": lambda: mlpool.lmer("strength ~ 1 + (1 | batch/cask)", mlpool.load_data("Pastes")),
    "glm": lambda: mlpool.glm(
        "cbind(incidence, size - incidence) ~ period", mlpool.load_data("cbpp"), family="binomial"
    ),
    "lm": lambda: mlpool.lm("Reaction ~ Days", _sleep()),
    "lm_aliased": lambda: mlpool.lm("Reaction ~ Days + D2", _sleep()),
    "lm_no_intercept": lambda: mlpool.lm("Reaction ~ 0 + Days", _sleep()),
    "lm_weighted_missing": lambda: mlpool.lm("Reaction ~ Days", _with_gap(), weights="w"),
    "many_columns": lambda: mlpool.lm("angle ~ recipe * temp", mlpool.load_data("cake")),
    "glmer_agq": lambda: _cbpp(_HERDS, "binomial", nAGQ=10),
    "glmer_quick_cloglog": lambda: _cbpp(_HERDS, "binomial(cloglog)", nAGQ=0),
    "glmer_poisson_offset": lambda: _cbpp(
        "incidence ~ period + offset(log(size)) + (1 | herd)", "poisson"
    ),
    "glmer_probit_slopes": lambda: mlpool.glmer(
        "I(Reaction > 290) ~ Days + (Days | Subject)", _sleep(), family="binomial(probit)"
    ),
}


def _model(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        return MODELS[name]()


def comparable(text: str) -> list[str]:
    """Return lines without what a Python call cannot have: R's call and data name."""
    lines = text.rstrip("\n").split("\n")
    out = []
    for line in lines:
        if line.startswith(("   Data:", "lm(", "glm(", "Call:", "    data =")):
            continue
        out.append(line.rstrip())
    while out and not out[-1]:
        out.pop()
    return out


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda p: p.stem)
def test_text_of_bundled_data(path):
    what, _, name = path.stem.partition("_")
    m = _model(name)
    text = repr(m) if what == "print" else str(m.summary())
    assert comparable(text) == comparable(path.read_text())


GOLDEN = {
    "lm_heck_summary": lambda f: f("lm2").summary(),
    "lmer_heck_print": lambda f: repr(f("m1")),
    "lmer_sleep_print": lambda f: repr(f("s2")),
    "lmer_sleep_summary_lme4": lambda f: f("s2").summary(),
    "lmer_sleep_summary_lmerTest": lambda f: f("s2").summary(ddf="satterthwaite"),
    "lmer_popular_summary_lmerTest": lambda f: f("p1").summary(ddf="satterthwaite"),
    "VarCorr_sleep": lambda f: mlpool.VarCorr(f("s2")),
}


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_golden_text(name, shared, fitted):
    expected = (shared / "golden" / f"{name}.txt").read_text()
    expected = expected.replace("extraversion |      class)", "extraversion | class)")
    got = str(GOLDEN[name](fitted))
    assert comparable(got) == comparable(expected)


def test_stack_exchange_lecture(shared, fitted):
    """The two summaries that the lecture prints, line by line."""
    lecture = next((shared / "lectures").glob("004_*.txt")).read_text().split("\n")
    printed = {line.rstrip() for line in lecture} | {"Residuals:", "Coefficients:"}
    for name in ("se_complete", "se_partial"):
        lines = comparable(str(fitted(name).summary()))
        missing = [v for v in lines if v and v != "---" and v not in printed]
        assert missing == []


def test_ranef_and_coef_show_the_golden_numbers(shared, fitted):
    for name, frame in (
        ("ranef_sleep_head", mlpool.ranef(fitted("s2"))["Subject"].head(6)),
        ("coef_sleep_head", mlpool.coef(fitted("s2"))["Subject"].head(6)),
    ):
        lines = (shared / "golden" / f"{name}.txt").read_text().rstrip().split("\n")[1:]
        expected = np.array([[float(v) for v in line.split()] for line in lines])
        assert list(frame.index) == [line.split()[0] for line in lines]
        np.testing.assert_allclose(frame.to_numpy(), expected[:, 1:], rtol=0, atol=5.1e-5)


def test_summary_records_and_options():
    s = mlpool.lm("Reaction ~ Days", _sleep()).summary()
    assert list(s.coefficients.columns) == ["Estimate", "Std. Error", "t value", "Pr(>|t|)"]
    assert s.r_squared == pytest.approx(0.2864714, abs=1e-6)
    with pytest.raises(mlpool.OptionError, match="has no argument 'ddff'"):
        _model("crossed").summary(ddff="x")
    with pytest.raises(mlpool.OptionError, match="ddf must be one of"):
        _model("crossed").summary(ddf="satter")


def test_display_of_arm():
    text = mlpool.display(_model("nested"))
    assert "coef.est coef.se" in text
    assert "number of obs: 60, groups: cask:batch, 30; batch, 10" in text


@pytest.mark.parametrize(
    ("formula", "dic", "deviance"),
    [
        ("Reaction ~ Days + (Days | Subject)", "1760.3", "1751.9"),
        ("Reaction ~ Days + (1 | Subject)", "1801.7", "1794.1"),
    ],
)
def test_display_prints_the_deviance_of_the_ml_fit(formula: str, dic: str, deviance: str) -> None:
    """arm 1.13-1."""
    text = mlpool.display(mlpool.lmer(formula, mlpool.load_data("sleepstudy")))
    assert f"DIC = {dic}\ndeviance = {deviance} " in text


def test_display_is_shown_as_it_is_printed() -> None:
    text = mlpool.display(mlpool.lm("Reaction ~ Days", mlpool.load_data("sleepstudy")))
    assert repr(text) == str(text)
    assert isinstance(text, str)
    assert len(repr(text).splitlines()) > 4
