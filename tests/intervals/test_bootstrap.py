"""Bootstrap: every replicate against a fit a user could make, and the intervals against R."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool import bootstrap, bootstrap_parameters
from mlpool.errors import FitError, NotSupportedError, OptionError
from mlpool.inference.bootstrap_intervals import interval
from mlpool.inference.replicates import child, run_replicates, seed_sequence
from mlpool.models.extractors.parameter_names import parameter_values
from mlpool.refits.resampling import FromCases, Parametric, Residuals, make_task
from mlpool.refits.row_resampling import Clusters

pytestmark = pytest.mark.filterwarnings("ignore::mlpool.errors.MlpoolWarning")

BINOMIAL = "cbind(incidence, size - incidence) ~ period"


def _model(name: str) -> Any:
    sleep, cbpp = mlpool.load_data("sleepstudy"), mlpool.load_data("cbpp")
    rng = np.random.default_rng(3)
    w, shift = rng.uniform(0.5, 2, 180), rng.normal(size=180)
    match name:
        case "lm":
            return mlpool.lm("Reaction ~ Days", sleep, weights=w, offset=shift)
        case "glm":
            return mlpool.glm(BINOMIAL, cbpp, family="binomial")
        case "lmer":
            return mlpool.lmer("Reaction ~ Days + (Days | Subject)", sleep, weights=w)
        case "nested":
            return mlpool.lmer("strength ~ 1 + (1 | batch/cask)", mlpool.load_data("Pastes"))
        case "crossed":
            return mlpool.lmer(
                "diameter ~ 1 + (1 | plate) + (1 | sample)", mlpool.load_data("Penicillin")
            )
    return mlpool.glmer(f"{BINOMIAL} + (1 | herd)", cbpp, family="binomial")


# --- one replicate ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lm", "glm", "lmer", "nested", "crossed", "glmer"])
def test_a_parametric_replicate_is_a_refit_to_a_simulated_response(name: str) -> None:
    m = _model(name)
    b = bootstrap(m, 3, seed=11, n_jobs=1)
    root = seed_sequence(11)
    for i in range(3):
        again = m.refit(m.simulate(1, seed=child(root, i)))
        # Poisson and binomial fits end at a relative change of the deviance
        np.testing.assert_allclose(b.draws.iloc[i], parameter_values(again), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", ["lm", "glm"])
def test_a_case_replicate_is_a_fit_to_resampled_rows(name: str) -> None:
    m = _model(name)
    frame = m.design.frame.native
    b = bootstrap(m, 4, "case", seed=2, n_jobs=1)
    root = seed_sequence(2)
    for i in range(4):
        rows = child(root, i).integers(0, m.nobs, m.nobs)
        taken = frame.iloc[rows].reset_index(drop=True)
        options: dict[str, Any] = {"family": "binomial"} if name == "glm" else {}
        if name == "lm":
            options = {"weights": m.design.weights[rows], "offset": m.design.offset[rows]}
        again = m.update(data=taken, **options)
        np.testing.assert_allclose(b.draws.iloc[i], again.fixef(), rtol=1e-6)


def _copies(frame: pd.DataFrame, clusters: np.ndarray, picked: np.ndarray, names: list[str]) -> Any:
    """Stack the clusters picked; the columns `names` get a mark of the copy."""
    parts = []
    for i, j in enumerate(picked):
        part = frame[clusters == j].copy()
        for name in names:
            part[name] = part[name].astype(str) + f"#{i}"
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize(
    ("name", "cluster", "relabelled"),
    [
        ("nested", None, ["batch"]),
        ("crossed", "plate", ["plate"]),
        ("glmer", None, ["herd"]),
        ("lm", "Subject", []),
        ("glm", "herd", []),
    ],
)
def test_a_case_replicate_is_a_fit_to_resampled_clusters(
    name: str, cluster: str | None, relabelled: list[str]
) -> None:
    m = _model(name)
    frame = m.design.frame.native.copy()
    if name == "lm":
        m = mlpool.lm("Reaction ~ Days", frame)
    task = make_task(m, "case", cluster, None)
    assert isinstance(task, FromCases)
    codes, J = task.clusters.codes, task.clusters.n_clusters
    rng = np.random.default_rng(1)
    for _ in range(2):
        picked = rng.integers(0, J, J)
        again = m.update(data=_copies(frame, codes, picked, relabelled))
        found, _ = task.of(picked)
        np.testing.assert_allclose(found, parameter_values(again), rtol=2e-5, atol=2e-6)


def test_clusters_of_the_fit_are_the_default() -> None:
    m = mlpool.lm("Reaction ~ Days", mlpool.load_data("sleepstudy"), cluster="Subject")
    assert "Case bootstrap of 18 clusters of Subject" in bootstrap(m, 20, "case", seed=1).notes[0]
    own = bootstrap(m, 20, "case", cluster=np.arange(180) % 9, seed=1)
    assert own.notes[0] == "Case bootstrap of 9 clusters: 20 replicates."


@pytest.mark.parametrize("name", ["lm", "lmer"])
def test_residuals_have_the_estimated_variances(name: str) -> None:
    m = _model(name)
    draw, rng = Residuals(m), np.random.default_rng(1)
    mean = np.mean([draw(rng) for _ in range(1500)], axis=0)
    fixed = m.predict(re_form=False) if name == "lmer" else m.fitted
    assert np.abs(mean - fixed).max() < 6.0
    if name == "lmer":
        for effects, block in zip(draw._effects, m.varcorr().blocks, strict=True):
            np.testing.assert_allclose(effects.T @ effects / len(effects), block.vcov, rtol=1e-8)
        assert np.mean(draw._e**2) == pytest.approx(m.sigma**2)


@pytest.mark.parametrize("unit", [1e-9, 1e9])
def test_resampled_slopes_do_not_depend_on_a_unit(unit: float) -> None:
    """Responses drawn with the same seed are the same (slopes of large predictors were zero)."""
    data = mlpool.load_data("sleepstudy")
    drawn = [
        Residuals(mlpool.lmer("Reaction ~ Days + (Days | Subject)", d))(np.random.default_rng(2))
        for d in (data, data.assign(Days=data["Days"] * unit))
    ]
    np.testing.assert_allclose(drawn[1], drawn[0], rtol=1e-6)


def test_residuals_of_a_singular_fit_have_no_effects_there() -> None:
    m = mlpool.lmer("Yield ~ 1 + (1 | Batch)", mlpool.load_data("Dyestuff2"))
    assert m.is_singular
    assert np.all(Residuals(m)._effects[0] == 0.0)


# --- many ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("type_", ["parametric", "case", "residual"])
def test_standard_errors_of_a_linear_mixed_model(type_: str) -> None:
    m = mlpool.lmer("Reaction ~ Days + (Days | Subject)", mlpool.load_data("sleepstudy"))
    b = bootstrap(m, 400, type_, seed=1, n_jobs=1)
    se = b.draws[["(Intercept)", "Days"]].std()
    np.testing.assert_allclose(se, m.se, rtol=0.12)


def test_the_number_of_processes_changes_nothing() -> None:
    m = mlpool.lmer("Reaction ~ Days + (1 | Subject)", mlpool.load_data("sleepstudy"))
    one, two, auto = (bootstrap(m, 40, seed=5, n_jobs=j).draws for j in (1, 2, None))
    pd.testing.assert_frame_equal(one, two)
    pd.testing.assert_frame_equal(one, auto)
    assert not bootstrap(m, 40, seed=6, n_jobs=1).draws.equals(one)
    root = np.random.SeedSequence(5)
    pd.testing.assert_frame_equal(bootstrap(m, 40, seed=root, n_jobs=1).draws, one)
    generator = np.random.default_rng(5)
    first, second = (bootstrap(m, 5, seed=generator, n_jobs=1).draws for _ in range(2))
    assert not first.equals(second)


@pytest.mark.slow
def test_spawned_processes() -> None:
    m = mlpool.lm("Reaction ~ Days", mlpool.load_data("sleepstudy"))
    task = make_task(m, "parametric", None, None)
    one = run_replicates(task, 8, 1, 1)
    two = run_replicates(task, 8, 1, 2, start_method="spawn")
    np.testing.assert_array_equal(one.values, two.values)
    statistic = make_task(m, "parametric", None, lambda f: f.sigma)
    with pytest.raises(OptionError, match="function at the top level of a module"):
        run_replicates(statistic, 8, 1, 2, start_method="spawn")


class _Task:
    """A replicate of a task that fails, dies or interrupts."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __call__(self, rng: np.random.Generator) -> tuple[np.ndarray, bool]:
        u = rng.uniform()
        if self.what == "die":
            os._exit(1)
        if self.what == "interrupt":
            raise KeyboardInterrupt
        if self.what == "fail" and u < 0.25:
            raise FitError("too small.")
        if self.what == "fail" and u < 0.35:
            raise np.linalg.LinAlgError
        if self.what == "fail" and u < 0.40:
            return np.array([np.inf]), False
        if self.what == "bug":
            raise ZeroDivisionError
        return np.array([u]), u > 0.9


@pytest.mark.parametrize("jobs", [1, 2])
def test_failures_are_counted_with_their_reasons(jobs: int) -> None:
    found = run_replicates(_Task("fail"), 200, 1, jobs)
    assert found.n_used + found.n_failed == 200
    assert (found.values[:, 0] >= 0.4).all()
    assert found.n_singular == (found.values[:, 0] > 0.9).sum()
    assert [why for why, _ in found.failures] == [
        "too small.", "The equations of the fit were singular.", "An estimate was not finite."
    ]  # fmt: skip
    assert sum(count for _, count in found.failures) == found.n_failed


def test_bugs_interrupts_and_deaths_are_not_failures_of_replicates() -> None:
    for jobs in (1, 2):
        with pytest.raises(ZeroDivisionError):
            run_replicates(_Task("bug"), 20, 1, jobs)
        with pytest.raises(KeyboardInterrupt):
            run_replicates(_Task("interrupt"), 20, 1, jobs)
    with pytest.raises(FitError, match="process of the bootstrap died"):
        run_replicates(_Task("die"), 20, 1, 2)


def test_ctrl_c_stops_all_processes(monkeypatch: pytest.MonkeyPatch, ctrl_c: None) -> None:
    """The signal reaches the parent while it waits; no process is left behind."""
    import multiprocessing

    m = mlpool.lmer("Reaction ~ Days + (Days | Subject)", mlpool.load_data("sleepstudy"))
    from mlpool.inference import replicates

    def interrupting(self: Any, *_: Any) -> Any:
        return lambda _: os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(replicates.Progress, "__enter__", interrupting)
    with pytest.raises(KeyboardInterrupt):
        bootstrap(m, 2000, seed=1, n_jobs=2)
    assert not multiprocessing.active_children()


def test_failed_replicates_are_said() -> None:
    m = _model("glm")
    b = bootstrap(m, 200, "case", seed=2, n_jobs=1)
    assert b.n_failed == 2
    assert len(b.draws) == 198
    text = "2 replicates failed and do not count (2 x A predictor separates the outcomes"
    assert text in str(b)


def test_singular_replicates_and_undefined_correlations_are_said() -> None:
    cake = mlpool.load_data("cake")
    m = mlpool.lmer("angle ~ temp + (temp | replicate)", cake)
    b = bootstrap(m, 40, seed=1, n_jobs=1)
    assert b.n_singular > 0
    assert f"Singular fits: {b.n_singular} of 40 replicates" in str(b)
    few = bootstrap(
        mlpool.lmer("Yield ~ 1 + (1 | Batch)", mlpool.load_data("Dyestuff2")), 60, seed=1
    )
    assert few.n_singular > 20
    assert few.confint(0).iloc[0, 0] == 0.0


def test_undefined_correlations_leave_the_others_alone() -> None:
    draws = np.column_stack([np.arange(99.0), np.r_[np.full(50, np.nan), np.arange(49.0)]])
    estimate = np.array([49.0, 24.0])
    both = interval(draws, estimate, 0.9, "percentile")
    np.testing.assert_allclose(both[0], [4.0, 94.0])
    np.testing.assert_allclose(
        both[1], interval(draws[50:, 1:], estimate[1:], 0.9, "percentile")[0]
    )


# --- intervals ----------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["0.95", "0.8"])
@pytest.mark.parametrize("method", ["normal", "basic", "percentile", "bca"])
def test_intervals_as_boot_ci(method: str, level: str) -> None:
    """R: boot.ci() of 999 draws (r/boot_ci.R); the draws are rounded to 15 digits there."""
    reference = json.loads((Path(__file__).parent / "r" / "boot_ci.json").read_text())
    draws, estimate = np.array(reference["draws"]), np.array(reference["estimate"])
    influence = np.array(reference["influence"])
    found = interval(draws, estimate, float(level), method, influence)
    expected = [row[method] for row in reference["intervals"][level]]
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_confint_of_draws() -> None:
    m = _model("lmer")
    b = bootstrap(m, 120, "case", seed=1, n_jobs=1)
    whole = b.confint()
    assert list(whole.columns) == ["2.5 %", "97.5 %"]
    assert list(whole.index)[:2] == ["sd_(Intercept)|Subject", "cor_Days.(Intercept)|Subject"]
    assert list(b.confint("beta_").index) == ["(Intercept)", "Days"]
    assert list(b.confint(["sigma", 0]).index) == ["sigma", "sd_(Intercept)|Subject"]
    assert list(b.confint(level=0.9, method="perc").columns) == ["5 %", "95 %"]
    bca = b.confint("theta_", method="bca")
    assert (bca["2.5 %"] < b.estimate[:4]).all()
    assert (bca["97.5 %"] > b.estimate[:4]).all()


def test_bca_of_least_squares_uses_scores() -> None:
    m = mlpool.lm("Reaction ~ Days", mlpool.load_data("sleepstudy"))
    b = bootstrap(m, 999, "case", cluster="Subject", seed=1, n_jobs=1)
    bca, plain = b.confint(method="bca"), b.confint()
    assert np.abs((bca - plain) / plain).to_numpy().max() < 0.1
    jackknife = [
        m.update(data=m.design.frame.native.query(f"Subject != '{s}'")).fixef()
        for s in m.design.frame.native["Subject"].unique()
    ]
    from mlpool.refits.resampling import influence_values

    found = influence_values(m, b.drawn.task)
    direct = 18 * (m.fixef().to_numpy() - np.array(jackknife))
    # the scores' first order against fits without a cluster of 18
    assert np.corrcoef(found[:, 1], direct[:, 1])[0, 1] > 0.99


def test_statistic() -> None:
    m = mlpool.lmer("Reaction ~ Days + (1 | Subject)", mlpool.load_data("sleepstudy"))

    def ratio(fitted: Any) -> dict[str, float]:
        return {"icc": float(mlpool.icc(fitted)["ICC_adjusted"].iloc[0])}

    for type_ in ("parametric", "case", "residual"):
        b = bootstrap(m, 12, type_, ratio, seed=1)
        assert list(b.draws.columns) == ["icc"]
        assert b.draws["icc"].between(0.05, 0.95).all()
    number = bootstrap(m, 3, statistic=lambda f: f.sigma, seed=1)
    assert list(number.draws.columns) == ["statistic"]
    several = bootstrap(m, 3, statistic=lambda f: f.fixef(), seed=1)
    parameters = bootstrap(m, 3, seed=1)
    np.testing.assert_allclose(several.draws, parameters.draws[["(Intercept)", "Days"]], rtol=1e-6)
    plain = bootstrap(m, 3, statistic=lambda f: [1.0, 2.0])
    assert plain.draws.columns.tolist() == ["statistic 1", "statistic 2"]
    assert "Random Effects" not in str(several)


def test_print_and_table() -> None:
    m = mlpool.lmer("Reaction ~ Days + (1 | Subject)", mlpool.load_data("sleepstudy"))
    b = bootstrap(m, 30, seed=1, n_jobs=1)
    text = str(b)
    assert text.startswith("# Fixed Effects\n\nParameter   | Coefficient |")
    assert "# Random Effects" in text
    assert text.endswith("Parametric bootstrap: 30 replicates, percentile intervals.")
    assert "BCa intervals" in str(bootstrap(m, 30, "case", seed=1).table(method="bca"))
    table = b.table()
    assert list(table.columns) == [
        "Parameter", "Coefficient", "Bias", "SE", "CI", "CI_low", "CI_high", "Effects"
    ]  # fmt: skip
    assert "<table" in b._repr_html_()


# --- easystats ----------------------------------------------------------------------------------


def test_bootstrap_parameters_is_the_table_of_model_parameters() -> None:
    m = mlpool.lmer("Reaction ~ Days + (1 | Subject)", mlpool.load_data("sleepstudy"))
    own = bootstrap_parameters(m, 100, seed=1)
    table = mlpool.model_parameters(
        m, bootstrap=True, iterations=100, seed=1, effects="fixed"
    ).data.drop(columns="Effects")
    pd.testing.assert_frame_equal(own.data, table)
    b = bootstrap(m, 100, seed=1)
    pd.testing.assert_frame_equal(bootstrap_parameters(b).data, own.data)
    mean = bootstrap_parameters(b, centrality="mean")
    np.testing.assert_allclose(mean["Coefficient"], b.draws[["(Intercept)", "Days"]].mean())
    ratios = mlpool.model_parameters(
        _model("glmer"), bootstrap=True, iterations=20, seed=1, exponentiate=True
    )
    assert (ratios.data["CI_low"] > 0).all()


# --- mistakes -----------------------------------------------------------------------------------

SENTENCES: dict[str, tuple[dict[str, Any], str]] = {
    "none": ({"n": 0}, "n must be a whole number, 2 or more; got 0"),
    "fraction": ({"n": 10.5}, "n must be a whole number, 2 or more; got 10.5"),
    "type": ({"type": "paramteric"}, "type must be one of .* Did you mean 'parametric'"),
    "cluster": ({"cluster": "Subject"}, "cluster= goes with type='case'"),
    "seed": ({"seed": "one"}, "seed must be a whole number such as 1"),
    "jobs": ({"n_jobs": 0}, "n_jobs must be a number of processes"),
    "statistic": ({"statistic": "icc"}, "statistic must be a function of a fitted model"),
    "text": ({"statistic": lambda f: "a"}, "statistic= must return a number or several numbers"),
    "one": ({"type": "case", "cluster": np.zeros(180)}, "needs two or more; cluster has 1"),
}


@pytest.mark.parametrize("what", SENTENCES)
def test_mistakes(what: str) -> None:
    m = mlpool.lmer("Reaction ~ Days + (1 | Subject)", mlpool.load_data("sleepstudy"))
    options, sentence = SENTENCES[what]
    with pytest.raises(OptionError, match=sentence):
        bootstrap(m, **{"n": 3, **options})


def test_statistic_of_changing_length() -> None:
    m = mlpool.lm("Reaction ~ Days", mlpool.load_data("sleepstudy"))
    with pytest.raises(OptionError, match="must always return as many"):
        bootstrap(m, 3, statistic=lambda f: [1.0] * (2 if f is m else 3), seed=1)


def test_what_cannot_be_resampled() -> None:
    with pytest.raises(NotSupportedError, match="type='residual' is for linear models"):
        bootstrap(_model("glm"), 3, "residual")
    with pytest.raises(OptionError, match="are crossed: say which clusters are resampled"):
        bootstrap(_model("crossed"), 3, "case")
    with pytest.raises(NotSupportedError, match=r"bootstrap\(\)"):
        bootstrap("model", 3)


def test_mistakes_about_intervals() -> None:
    b = bootstrap(_model("lm"), 20, seed=1)
    with pytest.raises(OptionError, match="method='bca' needs resampled cases"):
        b.confint(method="bca")
    with pytest.raises(OptionError, match="method must be one of"):
        b.confint(method="exact")
    with pytest.raises(OptionError, match="level must lie between 0 and 1"):
        b.confint(level=95)
    with pytest.raises(OptionError, match=r"parm must name parameters .* Did you mean 'Days'"):
        b.confint("days")
    with pytest.raises(OptionError, match="draws of a statistic"):
        bootstrap_parameters(bootstrap(_model("lm"), 5, statistic=lambda f: f.sigma))
    with pytest.raises(OptionError, match="centrality must be one of"):
        bootstrap_parameters(b, centrality="mode")


def test_parametric_draws_need_a_distribution() -> None:
    m = _model("glm")
    assert Parametric(m)(np.random.default_rng(1)).shape == (56,)
    weighted = replace(m, design=replace(m.design, weights=np.full(56, 0.5)))
    with pytest.raises(NotSupportedError, match="no distribution to simulate"):
        Parametric(weighted)


def test_clusters_are_rows_by_default() -> None:
    clusters = Clusters.of(_model("lm"), None)
    rows, copies = clusters.rows(np.array([3, 3, 0]))
    assert (rows.tolist(), copies.tolist()) == ([3, 3, 0], [0, 1, 2])
