"""The minimiser: boundaries, saddles, both kinds of curvature, limits and interruptions."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize as scipy_minimise

import mlpool
from mlpool.engine.lmm.fit import prepare
from mlpool.engine.optimizer.newton import minimise, trust_step
from mlpool.engine.theta import FreeTemplate, Template, lower_factor, lower_form
from mlpool.engine.types import Control
from mlpool.errors import FitError
from tests.engine.designs import TERMS, n_theta, random_data

CONTROL = Control()


class Quartic:
    """Deviance sum (theta^2 - target)^2: zero is a maximum where the target is positive."""

    n = 10

    def __init__(self, target):
        self.target = np.asarray(target, dtype=float)
        self.template = FreeTemplate((1,) * self.target.size)
        self.scale = np.ones(self.target.size)

    def evaluate(self, theta):
        gap = theta**2 - self.target
        return float(np.sum(gap**2)), 4 * theta * gap

    def hessian(self, theta):
        return np.diag(12 * theta**2 - 4 * self.target)


def test_a_false_boundary_is_left():
    found = minimise(Quartic([0.25, 1.0]), np.zeros(2), CONTROL)
    assert found.converged
    assert np.abs(found.end) == pytest.approx([0.5, 1.0], abs=1e-6)


def test_a_true_boundary_is_exactly_zero():
    found = minimise(Quartic([-0.5, 1.0]), np.ones(2) * 0.4, CONTROL)
    assert found.converged
    assert found.end[0] == 0.0
    assert found.end[1] == pytest.approx(1.0, abs=1e-6)
    assert found.gradient[0] == 0.0


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("terms", TERMS.values(), ids=TERMS.keys())
def test_every_start_leads_to_the_same_criterion(terms, reml):
    objective = prepare(random_data(12, terms), reml=reml, control=CONTROL).working()
    n_theta = objective.template.k
    found = []
    for size in (0.0, 0.01, 0.3, 1.0, 10.0):
        row, col = objective.template.positions()
        start = np.where(row == col, size, 0.0)
        found.append(minimise(objective, start, CONTROL))
        assert found[-1].converged
        assert found[-1].evaluations <= 30, n_theta
    best = min(f.criterion for f in found)
    assert [f.criterion for f in found] == pytest.approx([best] * len(found), abs=1e-6)


@pytest.mark.parametrize("terms", TERMS.values(), ids=TERMS.keys())
def test_a_general_minimiser_finds_nothing_better(terms):
    objective = prepare(random_data(13, terms), reml=True, control=CONTROL)
    found = minimise(objective.working(), objective.to_working(objective.start()[0]), CONTROL)
    general = scipy_minimise(
        objective.evaluate,
        objective.start()[0],
        jac=True,
        method="L-BFGS-B",
        bounds=[(None if b < 0 else 0, None) for b in objective.lower],
    )
    assert found.criterion <= general.fun + 1e-9
    assert found.criterion == pytest.approx(general.fun, abs=1e-3)


def test_the_record_tells_the_story():
    objective = prepare(random_data(1, ([0, 1],)), reml=True, control=CONTROL).working()
    start = np.array([0.5, 0.0, 0.0, 0.5])
    found = minimise(objective, start, CONTROL)
    assert found.evaluations == len(found.log)
    assert found.log[0][0] == (0.5, 0.0, 0.0, 0.5)
    assert found.criterion == min(value for _, value in found.log)
    assert found.method == "trust-region Newton"


def test_a_limit_on_evaluations_is_kept_and_reported():
    objective = prepare(random_data(1, ([0, 1],)), reml=True, control=CONTROL).working()
    start = np.array([3.0, 0.0, 0.0, 3.0])
    found = minimise(objective, start, Control(max_evaluations=3))
    assert found.evaluations == 3
    assert not found.converged
    assert found.message == "stopped after 3 evaluations"


def test_a_start_without_a_deviance_is_refused():
    class Nowhere(Quartic):
        def evaluate(self, theta):
            return float("nan"), theta

    with pytest.raises(FitError, match=r"not finite at the starting values \(0\.5\)"):
        minimise(Nowhere([1.0]), np.array([0.5]), CONTROL)


def test_steps_to_where_no_deviance_exists_are_taken_back():
    class Cliff(Quartic):
        def evaluate(self, theta):
            if theta[0] > 0.8:
                raise np.linalg.LinAlgError
            return super().evaluate(theta)

    found = minimise(Cliff([0.5]), np.array([0.05]), CONTROL)
    assert found.end == pytest.approx([np.sqrt(0.5)], abs=1e-6)


def test_an_interruption_says_how_to_go_on():
    class Impatient(Quartic):
        calls = 0

        def evaluate(self, theta):
            self.calls += 1
            if self.calls == 3:
                raise KeyboardInterrupt
            return super().evaluate(theta)

    with pytest.raises(KeyboardInterrupt, match=r"after 2 evaluations.*control=\{\"start\": \("):
        minimise(Impatient([4.0]), np.array([0.5]), CONTROL)

    class Immediate(Quartic):
        def evaluate(self, theta):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="before the first evaluation"):
        minimise(Immediate([4.0]), np.array([0.5]), CONTROL)


def test_progress_is_shown_when_asked_and_silent_otherwise(capsys):
    pytest.importorskip("tqdm")
    minimise(Quartic([1.0]), np.array([0.5]), CONTROL)
    assert capsys.readouterr().err == ""
    minimise(Quartic([1.0]), np.array([0.5]), Control(progress=True))
    assert "evaluations" in capsys.readouterr().err


def test_progress_without_tqdm_is_silent(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    minimise(Quartic([1.0]), np.array([0.5]), Control(progress=True))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("B", "g"),
    [
        (np.diag([2.0, 3.0]), [1.0, -2.0]),
        (np.diag([2.0, -3.0]), [1.0, 0.5]),
        (np.diag([-1.0, 4.0]), [0.0, 1.0]),
        (np.array([[1.0, 2.0], [2.0, 1.0]]), [0.3, 0.1]),
    ],
    ids=["inside", "indefinite", "hard case", "saddle"],
)
def test_trust_steps_are_the_best_of_the_disc(B, g):
    g = np.array(g)
    step, smallest = trust_step(g, B, 0.5)
    assert np.linalg.norm(step) <= 0.5 * (1 + 1e-6)
    assert smallest == pytest.approx(np.linalg.eigvalsh(B)[0])
    angle, length = np.meshgrid(np.linspace(0, 2 * np.pi, 721), np.linspace(0, 0.5, 101))
    grid = np.stack([length * np.cos(angle), length * np.sin(angle)])
    model = np.tensordot(g, grid, 1) + 0.5 * np.einsum("aij,ab,bij->ij", grid, B, grid)
    assert g @ step + 0.5 * step @ B @ step <= model.min() + 1e-9


def test_template_round_trip_and_signs():
    template = Template((2, 1, 3))
    theta = np.arange(1.0, 11.0)
    assert template.k == theta.size == n_theta(([0, 1], [2], [0, 1, 2]))
    assert template.pack(template.matrices(theta)).tolist() == theta.tolist()
    assert template.lower.tolist() == [0, -np.inf, 0, 0, 0, -np.inf, -np.inf, 0, -np.inf, 0]
    flipped = theta * np.array([-1, -1, 1, -1, 1, 1, 1, -1, -1, 1])
    assert template.canonical(flipped).tolist() == theta.tolist()
    Lam = template.block_diagonal(theta)
    row, col = template.positions()
    assert Lam[row, col].tolist() == theta.tolist()
    assert Lam[2, 0] == 0


@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_lower_factor_of_any_rank(rank):
    root = np.random.default_rng(rank).normal(size=(3, rank)) * [[1e-6], [1.0], [1e6]]
    Sigma = root @ root.T
    L = lower_factor(Sigma)
    scale = np.sqrt(np.outer(np.diag(Sigma), np.diag(Sigma)))
    assert (L @ L.T - Sigma) == pytest.approx(
        np.zeros((3, 3)), abs=1e-12 * scale.max(initial=0.0) + 1e-300
    )
    assert np.all(np.diag(L) >= 0)
    assert np.all(np.triu(L, 1) == 0)
    assert int(np.sum(np.diag(L) > 0)) == rank


def test_free_template_knows_the_directions_that_change_nothing():
    template = FreeTemplate((3, 1))
    theta = np.random.default_rng(0).normal(size=10)
    assert template.pack(template.matrices(theta)).tolist() == theta.tolist()
    N = template.directions(theta)
    assert N.shape == (10, 7)
    assert pytest.approx(np.eye(7)) == N.T @ N
    lam = template.matrices(theta)[0]
    for turn in ([0, 1, 0], [0, 0, 2], [3, 0, 1]):
        A = np.cross(np.eye(3), turn)
        assert N.T @ template.pack([lam @ A, np.zeros((1, 1))]) == pytest.approx(np.zeros(7))


def test_free_template_snaps_small_singular_values():
    template = FreeTemplate((2,))
    near = np.array([1.0, 2.0, 0.5, 1.0 + 1e-7])
    assert template.snapped(np.array([1.0, 0.0, 0.0, 0.5]), 1e-4) is None
    snapped = template.snapped(near, 1e-4)
    assert np.linalg.matrix_rank(template.matrices(snapped)[0]) == 1
    assert snapped == pytest.approx(near, abs=1e-6)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_lower_form_keeps_the_covariance(rank):
    factor = np.random.default_rng(rank).normal(size=(3, 3))
    factor[:, rank:] = 0.0
    L = lower_form(factor)
    assert pytest.approx(factor @ factor.T, abs=1e-12) == L @ L.T
    assert np.all(np.triu(L, 1) == 0)
    assert np.all(np.diag(L) >= 0)


@pytest.mark.filterwarnings("ignore::mlpool.errors.MlpoolWarning")  # it says what is so large
@pytest.mark.parametrize("start", [(1.0, 1.0), (1e3, 0.05), (0.05, 1e6), (1e6, 1e-3)])
def test_a_search_finds_terms_of_very_different_sizes(start: tuple[float, float]) -> None:
    """Curvatures 1e12 apart, whatever the units it began with: the step must not be rounding."""
    rng = np.random.default_rng(4)
    d = pd.DataFrame({"g": np.arange(96) % 16, "h": np.arange(96) // 12, "x": rng.normal(size=96)})
    d["y"] = (
        d["x"] + rng.normal(size=16)[d["g"]] + 3e5 * rng.normal(size=8)[d["h"]]
        + rng.normal(size=96)
    )  # fmt: skip
    usual = mlpool.lmer("y ~ x + (1 | g) + (1 | h)", d)
    m = mlpool.lmer("y ~ x + (1 | g) + (1 | h)", d, control={"start": start})
    assert m.optimum.converged
    assert m.optimum.evaluations < 100
    assert m.theta[1] > 1e5
    np.testing.assert_allclose(m.theta, usual.theta, rtol=1e-6)
    assert m.criterion == pytest.approx(usual.criterion, abs=1e-6)
