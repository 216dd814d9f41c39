"""Random models, a few of each kind; ``python -m tests.fuzz.run`` tries thousands."""

from __future__ import annotations

import numpy as np
import pytest

from tests.fuzz import dense
from tests.fuzz.designs import KINDS, make_study
from tests.fuzz.lmm import far
from tests.fuzz.run import FACTS, failures

SEEDS = {
    "lm": range(20, 26),
    "glm": range(20, 26),
    "lmer": (20, 21, 22, 24, 25, 26),
    "glmer": range(20, 23),
}


@pytest.mark.parametrize(("kind", "seed"), [(k, s) for k in KINDS for s in SEEDS[k]])
def test_a_random_model_holds(kind: str, seed: int) -> None:
    assert not failures(seed, kind)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_many_random_models_hold(kind: str) -> None:
    assert not [text for seed in range(100, 160) for text in failures(seed, kind)]


@pytest.mark.parametrize(
    ("kind", "seed"),
    [
        ("lmer", 1002),  # groups 5000 residual SDs apart, a slope that clusters hardly show
        ("lmer", 20038),  # several factors 5e5 residual SDs apart
        ("lmer", 1120),  # two of them, one with slopes without variance
        ("lmer", 1243),  # three terms, all far above the residuals
        ("lmer", 5007),  # the same by ML
        ("lmer", 1101),  # groups 6000 residual SDs apart: digits of the singular flag
        ("lmer", 1163),  # a factor that is both fixed and random
        ("lmer", 6007),  # one factor's slopes in place of another's intercepts
        ("lmer", 60006),  # a factor fixed and random: zero was where rounding had put a mean
        ("lmer", 60010),  # two factors that share one contrast: a ridge
        ("lmer", 70062),  # a valley where one term takes another's part
        ("lmer", 70109),  # a variance of zero beside slopes: conditional SDs of 5e-9
        ("lmer", 70156),  # three groups and three random columns: a ridge
        ("lmer", 70219),  # three factors thousands of residual SDs apart: df of 0.6 for 6.4
        ("lmer", 70244),  # 18 rows and four slopes: Kenward-Roger's SE moved with the unit
        ("glmer", 70229),  # nothing varies: fitted values differ by their rounding
        ("glm", 70205),  # complete separation of a probit
        ("glm", 5040),  # a square root's other branch beside the profile
    ],
)
def test_what_failed_once_holds(kind: str, seed: int) -> None:
    assert not failures(seed, kind)


def test_every_kind_is_held_to_facts() -> None:
    assert set(FACTS) == set(KINDS)


def test_studies_are_the_same_for_the_same_seed() -> None:
    one, two = make_study(3), make_study(3)
    assert one.formula == two.formula
    assert one.data.equals(two.data)


def test_the_facts_see_a_wrong_number() -> None:
    assert far([1.0, 2.0], [1.0, 2.0], 1e-6) == 0.0
    assert far([1.0, 2.1], [1.0, 2.0], 1e-6) > 1.0
    assert far([np.nan], [1.0], 1e-6) > 1.0
    assert far([1.0], [1.0, 2.0], 1e-6) > 1.0


def test_long_arithmetic_solves() -> None:
    A = np.random.default_rng(1).normal(size=(9, 4)).astype(dense.LONG)
    Q, R = dense.orthonormal(A)
    assert np.abs((Q @ R - A).astype(float)).max() < 1e-17
    assert np.abs((Q.T @ Q - np.eye(4)).astype(float)).max() < 1e-17
    L = dense.cholesky(A.T @ A)
    assert np.abs((dense.solve_lower(L, A.T @ A) - L.T).astype(float)).max() < 1e-16
