"""Fits to new responses and resampled clusters, from sums made once, against whole fits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import mlpool
from mlpool.designs.engine_data import as_lmm_data
from mlpool.engine.lmm.repeated_fits import ClusterResamples, new_responses
from mlpool.engine.types import ArrayRows, Control
from mlpool.errors import FitError

pytestmark = pytest.mark.filterwarnings("ignore::mlpool.errors.MlpoolWarning")

MODELS = {
    "intercept": ("Reaction ~ Days + (1 | Subject)", "sleepstudy"),
    "slope": ("Reaction ~ Days + (Days | Subject)", "sleepstudy"),
    "slope alone, no intercept": ("Reaction ~ 0 + Days + (0 + Days | Subject)", "sleepstudy"),
    "two terms": ("Reaction ~ Days + (Days || Subject)", "sleepstudy"),
    "crossed": ("diameter ~ 1 + (1 | plate) + (1 | sample)", "Penicillin"),
    "nested": ("strength ~ 1 + (1 | batch/cask)", "Pastes"),
    "chain and core": (
        "angle ~ recipe * temp + (1 | recipe:replicate) + (temp | replicate)", "cake"
    ),
}  # fmt: skip


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_new_responses_are_whole_fits(name: str, is_weighted: bool, reml: bool) -> None:
    formula, data = MODELS[name]
    frame = mlpool.load_data(data)
    rng = np.random.default_rng(5)
    weights = rng.uniform(0.5, 2.0, len(frame)) if is_weighted else None
    offset = rng.normal(size=len(frame)) if is_weighted else None
    m = mlpool.lmer(formula, frame, weights=weights, offset=offset, reml=reml)
    again = new_responses(as_lmm_data(m.design), m.theta, reml=reml, control=m.control)
    for y in m.simulate(3, seed=1).to_numpy().T:
        found, whole = again.fit(y), m.fit_record(replace(m.design, y=y))
        # theta is found to the square root of the criterion's rounding
        np.testing.assert_allclose(found.theta, whole.theta, atol=2e-6)
        np.testing.assert_allclose(found.beta, whole.beta, rtol=1e-6)
        assert found.sigma == pytest.approx(whole.sigma, rel=1e-7)
        assert found.is_singular == any(d.code == "singular" for d in whole.diagnostics)


def _resampled(m: Any, picked: np.ndarray) -> Any:
    """The rows of the clusters picked, each copy a cluster of its own."""
    data = as_lmm_data(m.design)
    codes = np.asarray(data.terms[0].codes)
    rows = np.concatenate([np.flatnonzero(codes == j) for j in picked])
    copies = np.concatenate([np.full((codes == j).sum(), i) for i, j in enumerate(picked)])
    return replace(
        data,
        y=data.y[rows],
        X=ArrayRows(data.X.rows(0, data.n)[rows]),
        terms=tuple(
            replace(t, z=ArrayRows(t.z.rows(0, data.n)[rows]), codes=copies, n_levels=len(picked))
            for t in data.terms
        ),
        weights=None if data.weights is None else data.weights[rows],
    )


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("name", ["intercept", "slope", "two terms"])
def test_resampled_clusters_are_whole_fits(name: str, is_weighted: bool) -> None:
    from mlpool.engine.lmm.fit import fit_lmm

    formula, data = MODELS[name]
    frame = mlpool.load_data(data).iloc[:-7]  # clusters of different sizes
    rng = np.random.default_rng(5)
    weights = rng.uniform(0.5, 2.0, len(frame)) if is_weighted else None
    m = mlpool.lmer(formula, frame, weights=weights)
    again = ClusterResamples(as_lmm_data(m.design), m.theta, reml=True, control=m.control)
    for _ in range(3):
        picked = rng.integers(0, 18, 18)
        found, whole = again.fit(picked), fit_lmm(_resampled(m, picked))
        np.testing.assert_allclose(found.theta, whole.theta, atol=2e-6)
        np.testing.assert_allclose(found.beta, whole.beta, rtol=1e-6)
        assert found.sigma == pytest.approx(whole.sigma, rel=1e-7)


def test_a_resample_may_lose_a_column() -> None:
    frame = mlpool.load_data("sleepstudy")
    frame["special"] = (frame["Subject"] == "308").astype(float)
    m = mlpool.lmer("Reaction ~ Days + special + (1 | Subject)", frame)
    again = ClusterResamples(as_lmm_data(m.design), m.theta, reml=True, control=m.control)
    with pytest.raises(FitError, match="leaves a coefficient without variation"):
        again.fit(np.arange(1, 18))
    nearly = frame.assign(special=frame["special"] + 1e-7 * frame["Days"])
    m = mlpool.lmer("Reaction ~ Days + special + (1 | Subject)", nearly)
    again = ClusterResamples(as_lmm_data(m.design), m.theta, reml=True, control=m.control)
    with pytest.raises(FitError, match="leaves a coefficient without variation"):
        again.fit(np.arange(1, 18))


def test_a_search_that_does_not_end_is_a_failure() -> None:
    m = mlpool.lmer("Reaction ~ Days + (Days | Subject)", mlpool.load_data("sleepstudy"))
    data, control = as_lmm_data(m.design), Control(max_evaluations=1)
    again = new_responses(data, m.theta, reml=True, control=control)
    with pytest.raises(FitError, match="stopped after 1 evaluations"):
        again.fit(m.simulate(1, seed=1)["sim_1"].to_numpy())
