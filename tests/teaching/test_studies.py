"""Studies of methods show what the lectures say about ignoring clusters."""

import numpy as np
import pytest

from mlpool import coverage_study, design_effect_study, type_one_error_study
from mlpool.errors import OptionError


@pytest.mark.slow
def test_type_one_errors_of_the_course_lecture() -> None:
    """Course A/03a: 20 groups of 30; OLS rejects a true null in most data sets, lmer in 5 %."""
    study = type_one_error_study(
        "w", n_sims=300, methods=["lm", "lmer"], n_clusters=20, n_per_cluster=30, icc=0.5,
        seed=2026,
    )  # fmt: skip
    shares = dict(zip(study["Method"], study["Rejected"], strict=True))
    assert shares["OLS, naive"] > 0.5
    assert 0.02 < shares["Mixed, residual df"] < 0.10


@pytest.mark.slow
def test_coverage_of_a_mean() -> None:
    """Hoff: the naive interval of a cluster sample covers too seldom, the mixed model's does."""
    study = coverage_study(
        "(Intercept)", n_sims=400, methods=["lm", "CR1", "satterthwaite"], n_clusters=15,
        n_per_cluster=10, icc=0.3, intercept=2.0, seed=1,
    )  # fmt: skip
    cover = dict(zip(study["Method"], study["Coverage"], strict=True))
    assert cover["OLS, naive"] < 0.8
    assert cover["Mixed, Satterthwaite"] == pytest.approx(0.95, abs=0.03)


@pytest.mark.slow
def test_iid_data_need_no_clusters() -> None:
    study = coverage_study("(Intercept)", n_sims=500, methods=["lm"], icc=0.0, seed=3)
    assert float(study["Coverage"].iloc[0]) == pytest.approx(0.95, abs=0.025)


def test_within_effect_has_too_wide_naive_intervals() -> None:
    """Leaving the groups out hides an effect inside them: larger standard errors, wider bounds."""
    study = coverage_study(
        "x", n_sims=40, methods=["lm", "fixed", "lmer"], n_clusters=10, n_per_cluster=10,
        slope=0.3, icc=0.8, seed=4,
    )  # fmt: skip
    width = dict(zip(study["Method"], study["Width"], strict=True))
    assert width["OLS, naive"] > 1.5 * width["Mixed, residual df"]
    assert width["OLS, cluster dummies"] == pytest.approx(width["Mixed, residual df"], rel=0.05)


def test_methods_of_one_model_share_its_fit() -> None:
    """Each method's intervals are those it has alone; a normal interval is 1.96 SE to each side."""
    design = {"n_clusters": 6, "n_per_cluster": 5, "icc": 0.3, "seed": 11}
    names = ["normal", "satterthwaite", "kenward", "CR2"]
    together = coverage_study("w", n_sims=3, methods=names, **design).metadata["intervals"]
    for name in names:
        alone = coverage_study("w", n_sims=3, methods=[name], **design).metadata["intervals"]
        own = together[together["Method"] == name].reset_index(drop=True)
        assert own.equals(alone)
    normal = together[together["Method"] == "normal"]
    half = (normal["CI_high"] - normal["CI_low"]) / 2
    assert np.allclose(half / normal["SE"], 1.959964, rtol=1e-6)
    wider = together[together["Method"] == "satterthwaite"]
    assert (wider["CI_low"].to_numpy() < normal["CI_low"].to_numpy()).all()


def test_replicates_do_not_depend_on_their_number() -> None:
    few = coverage_study(n_sims=3, methods=["lm"], n_clusters=5, n_per_cluster=4, seed=9)
    many = coverage_study(n_sims=6, methods=["lm"], n_clusters=5, n_per_cluster=4, seed=9)
    first = many.metadata["intervals"].iloc[:3]
    assert np.array_equal(few.metadata["intervals"]["p"], first["p"])


def test_design_effect_table() -> None:
    study = design_effect_study(
        icc=(0.0, 0.5), n_per_cluster=(1, 20), n_clusters=10, draws=20_000, seed=1
    )
    assert list(study["DEFF"]) == [1.0, 1.0, 1.0, 10.5]
    assert np.allclose(study["DEFF_observed"], study["DEFF"], rtol=0.05)
    assert list(study["N_effective"])[3] == pytest.approx(200 / 10.5)


def test_texts() -> None:
    study = coverage_study("x", n_sims=2, methods=["lm"], n_clusters=4, n_per_cluster=5, seed=1)
    lines = str(study).splitlines()
    assert lines[0] == "# Coverage of 95% intervals"
    assert lines[-1] == "Parameter: x (truth 0); 2 replicates."
    assert "%" in lines[4]
    assert study.to_markdown().startswith("Table: Coverage of 95% intervals\n")
    assert ">Coverage of 95% intervals</caption>" in study.to_html()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"methods": ["ols"]}, "There is no method 'ols'"),
        ({"methods": "lm"}, "methods must be a list"),
        ({"methods": []}, "methods must be a list"),
        ({"parameter": "z"}, "parameter"),
        ({"parameter": "w", "methods": ["fixed"]}, "drop 'fixed'"),
        ({"n_sims": 0}, "n_sims must be a whole number, 1 or more"),
        ({"family": "binomial"}, "family must be 'gaussian'"),
    ],
)
def test_what_cannot_be_studied(options: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        coverage_study(**options)  # type: ignore[arg-type]


def test_type_one_study_needs_a_true_null() -> None:
    with pytest.raises(OptionError, match=r"needs slope=0; got 0\.5"):
        type_one_error_study("x", slope=0.5)


def test_design_effect_mistakes() -> None:
    with pytest.raises(OptionError, match="whole number, 2 or more"):
        design_effect_study(draws=1)
    with pytest.raises(OptionError, match="below 1; got 1"):
        design_effect_study(icc=(1.0,))
