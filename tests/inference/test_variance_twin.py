"""Information and small-sample df of random unbalanced designs against n x n matrices."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

import mlpool
from mlpool.designs.engine_data import as_lmm_data
from mlpool.inference.small_sample.information import variance_information
from mlpool.inference.small_sample.kenward_roger import kenward_roger_of
from mlpool.inference.small_sample.kernels import DiagonalLessProduct, inner, multiply, trace
from mlpool.inference.small_sample.satterthwaite import satterthwaite_df
from tests.inference import dense

STRUCTURES = {
    "intercept": "(1 | a)",
    "slope": "(x | a)",
    "three effects": "(x + z | a)",
    "five effects": "(0 + f | a)",
    "independent": "(x + z || a)",
    "two crossed": "(1 | a) + (1 | b)",
    "crossed slopes": "(x | a) + (z | b)",
    "independent slopes and a factor": "(x || a) + (1 | b)",
    "nested and crossed": "(1 | a / c) + (1 | b)",
    "nested slope": "(x | a / c)",
    "two terms of the smaller factor": "(1 | a) + (1 | b) + (0 + x | b)",
    "three factors with slopes": "(x | a) + (z || b) + (1 | c)",
    "wide term of a smaller factor": "(1 | a) + (x | b) + (1 | c)",
    "wide term of the smallest factor": "(x | a) + (1 | b) + (x + z | c)",
    "factor apart in a smaller factor": "(f || b) + (1 | a)",
}


def _data(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    n = 90
    a, b = rng.integers(0, 11, n), rng.integers(0, 5, n)
    d = {
        "a": a.astype(str), "b": b.astype(str), "c": rng.integers(0, 3, n).astype(str),
        "x": rng.normal(3.0, 1.0, n), "z": rng.normal(size=n),
        "f": np.array(list("uvwst"))[rng.integers(0, 5, n)], "w": rng.uniform(0.3, 3.0, n),
    }  # fmt: skip
    d["y"] = (
        1 + 0.4 * d["x"] + rng.normal(size=11)[a] + 0.7 * rng.normal(size=5)[b]
        + 0.4 * rng.normal(size=11)[a] * d["z"] + rng.normal(size=n)
    )  # fmt: skip
    return d


def _case(structure: str, seed: int, reml: bool = True, theta_scale: float | None = None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        m = mlpool.lmer(f"y ~ x + z + {STRUCTURES[structure]}", _data(seed), weights="w", REML=reml)
    data = as_lmm_data(m.design)
    rng = np.random.default_rng(seed + 100)
    theta = m.fit.theta if theta_scale is None else theta_scale * rng.uniform(0.2, 1, len(m.theta))
    return data, _at(data, m.fit, theta)


def _at(data, fit, theta):
    """The fit with beta and its covariance at other variance parameters."""
    moved = replace(fit, theta=theta)
    V = _covariance(data, moved)[0]
    X, y = _rows(data)
    Phi = np.linalg.inv(X.T @ np.linalg.solve(V, X))
    beta = Phi @ (X.T @ np.linalg.solve(V, y))
    return replace(moved, beta=beta, vcov_unscaled=Phi / fit.sigma**2)


def _rows(data):
    root = np.sqrt(data.weights)
    return root[:, None] * data.X.rows(0, data.n), root * data.y


def _covariance(data, fit):
    parts = dense.covariance_derivatives(data)
    phi = dense.covariance_parameters(data, fit)
    return sum(v * part for v, part in zip(phi, parts, strict=True)), parts


def _twin(data, fit):
    """P_i, Q_ij, expected and observed information by their definitions."""
    V, parts = _covariance(data, fit)
    X, y = _rows(data)
    inverse = np.linalg.inv(V)
    VX = inverse @ X
    Phi = np.linalg.inv(X.T @ VX)
    P = inverse - VX @ Phi @ VX.T
    k = len(parts)
    first = np.array([-VX.T @ part @ VX for part in parts])
    second = np.array([[VX.T @ a @ inverse @ b @ VX for b in parts] for a in parts])
    Pa = [P @ a for a in parts]
    Va = [inverse @ a for a in parts]
    tr_P = np.array([[np.sum(Pa[i] * Pa[j].T) for j in range(k)] for i in range(k)])
    tr_V = np.array([[np.sum(Va[i] * Va[j].T) for j in range(k)] for i in range(k)])
    Py = P @ y
    quad = np.array([[Py @ a @ P @ b @ Py for b in parts] for a in parts])
    base = tr_P if fit.reml else tr_V
    trace_1 = np.array([np.trace(Q) for Q in (Pa if fit.reml else Va)])
    gradient = trace_1 - np.array([Py @ a @ Py for a in parts])
    return {
        "P": first, "Q": second, "expected_reml": 0.5 * tr_P, "expected_ml": 0.5 * tr_V,
        "observed": quad - 0.5 * base, "gradient": gradient, "Phi": Phi,
    }  # fmt: skip


def _assert_close(got, want, rtol):
    scale = max(1.0, np.abs(want).max())  # the gradient is zero at the optimum
    np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol * scale)


@pytest.mark.parametrize("reml", [True, False], ids=["REML", "ML"])
@pytest.mark.parametrize("structure", STRUCTURES)
def test_information_by_definition(structure: str, reml: bool) -> None:
    data, fit = _case(structure, seed=len(structure), reml=reml)
    info, twin = variance_information(data, fit), _twin(data, fit)
    for name, want in twin.items():
        _assert_close(getattr(info, name), want, 1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [0.0, 1e-4, 30.0])
@pytest.mark.parametrize("structure", STRUCTURES)
def test_information_at_the_boundary_and_far_from_it(structure: str, scale: float) -> None:
    """Without random effects, nearly without, and where they are all of the variance."""
    data, fit = _case(structure, seed=3, theta_scale=scale)
    info, twin = variance_information(data, fit), _twin(data, fit)
    for name, want in twin.items():
        _assert_close(getattr(info, name), want, 1e-5 if scale > 1 else 1e-8)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_degrees_of_freedom_by_definition(structure: str) -> None:
    data, fit = _case(structure, seed=17)
    info, twin = variance_information(data, fit), _twin(data, fit)
    swapped = replace(
        info, P=twin["P"], Q=twin["Q"], expected_reml=twin["expected_reml"],
        expected_ml=twin["expected_ml"], observed=twin["observed"], gradient=twin["gradient"],
    )  # fmt: skip
    np.testing.assert_allclose(satterthwaite_df(info), satterthwaite_df(swapped), rtol=1e-6)
    ours, theirs = kenward_roger_of(info), kenward_roger_of(swapped)
    np.testing.assert_allclose(ours.df, theirs.df, rtol=1e-6)
    np.testing.assert_allclose(ours.vcov, theirs.vcov, rtol=1e-7)


def test_kernels_are_their_matrices() -> None:
    rng = np.random.default_rng(0)
    J, Q = 7, 3
    grams: dict = {}
    Y = [rng.normal(size=(J, Q)) for _ in range(2)]
    d = [rng.normal(size=J) for _ in range(2)]
    blocks = [DiagonalLessProduct(d[i], Y[i], Y[1 - i], grams) for i in range(2)]
    full = [np.diag(d[i]) - Y[i] @ Y[1 - i].T for i in range(2)]
    H = rng.normal(size=(J, 2))
    for block, matrix in zip(blocks, full, strict=True):
        np.testing.assert_allclose(multiply(block, H), matrix @ H)
        assert trace(block) == pytest.approx(np.trace(matrix))
        for other, its in zip(blocks, full, strict=True):
            assert inner(block, other) == pytest.approx(np.sum(matrix * its))
    np.testing.assert_allclose(multiply(d[0], H), np.diag(d[0]) @ H)
    assert inner(d[0], d[1]) == pytest.approx(d[0] @ d[1])
    assert inner(full[0], full[1]) == pytest.approx(np.sum(full[0] * full[1]))
    assert trace(full[0]) == pytest.approx(np.trace(full[0]))
