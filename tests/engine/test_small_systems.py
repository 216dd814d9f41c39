"""LAPACK's answers without SciPy's checks: against NumPy's, and what is refused."""

import numpy as np
import pytest
import scipy.linalg

from mlpool.engine.optimizer import local_minima
from mlpool.engine.small_systems import cholesky, least_squares, solve_lower, triangle_of
from mlpool.engine.theta import FreeTemplate

RTOL = 1e-12  # three digits above rounding, for matrices of condition below 1e3


def lower(p: int) -> np.ndarray:
    rng = np.random.default_rng(p)
    return np.tril(rng.normal(size=(p, p)), -1) + np.diag(rng.uniform(1.0, 2.0, p))


@pytest.mark.parametrize("p", [1, 2, 5])
@pytest.mark.parametrize("shape", [(), (3,)])
def test_solve_lower_is_the_inverse_times_the_right_hand_side(p, shape):
    L, b = lower(p), np.random.default_rng(0).normal(size=(p, *shape))
    given = L.copy(), b.copy()
    np.testing.assert_allclose(solve_lower(L, b), np.linalg.solve(L, b), rtol=RTOL, atol=RTOL)
    assert np.array_equal(L, given[0])
    assert np.array_equal(b, given[1])


def test_a_matrix_of_no_columns_has_an_empty_solution():
    assert solve_lower(np.empty((0, 0)), np.eye(0)).shape == (0, 0)
    assert least_squares(np.empty((3, 0)), np.ones(3)).shape == (0,)


def test_a_zero_on_the_diagonal_is_refused():
    with pytest.raises(np.linalg.LinAlgError, match="entry 2"):
        solve_lower(np.diag([1.0, 0.0]), np.ones(2))


@pytest.mark.parametrize("rank", [2, 3])
def test_least_squares_is_the_shortest_solution(rank):
    A = np.random.default_rng(1).normal(size=(8, 3))
    if rank == 2:
        A[:, 2] = 0.0
    b = np.random.default_rng(2).normal(size=8)
    found = least_squares(A, b)
    np.testing.assert_allclose(found, np.linalg.pinv(A) @ b, rtol=RTOL, atol=RTOL)
    assert np.array_equal(found, scipy.linalg.lstsq(A, b, lapack_driver="gelsy")[0])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_least_squares_refuses_numbers_that_are_not_finite(bad):
    with pytest.raises(ValueError, match="finite"):
        least_squares(np.ones((2, 1)), np.array([1.0, bad]))


@pytest.mark.parametrize("k", [1, 2, 4])
def test_the_triangle_of_a_factor_has_the_same_product(k):
    factor = np.random.default_rng(k).normal(size=(k, k))
    L = triangle_of(factor)
    assert np.array_equal(L, np.tril(L))
    np.testing.assert_allclose(L @ L.T, factor @ factor.T, rtol=RTOL, atol=RTOL)


@pytest.mark.parametrize("p", [1, 4])
def test_cholesky_is_numpys(p):
    S = lower(p) @ lower(p).T
    np.testing.assert_allclose(cholesky(S), np.linalg.cholesky(S), rtol=RTOL, atol=RTOL)


def test_cholesky_refuses_what_is_not_positive_definite():
    with pytest.raises(np.linalg.LinAlgError, match="positive definite"):
        cholesky(np.diag([1.0, -1.0]))


@pytest.mark.parametrize("sizes", [(1,), (2,), (2, 1)])
def test_points_that_lie_apart_are_those_of_one_comparison_after_another(sizes):
    template, rng = FreeTemplate(sizes), np.random.default_rng(4)
    points = rng.normal(size=(60, template.k)) * rng.choice([0.1, 3.0], size=(60, 1))
    values, end = rng.normal(size=60), np.ones(template.k)
    places = local_minima._place(template, points)
    seen, kept = [local_minima._place(template, end[None])[0]], []
    for i in np.argsort(values):
        if min(np.abs(places[i] - other).max() for other in seen) > local_minima.APART:
            kept.append(int(i))
            seen.append(places[i])
    found = local_minima._apart(template, points, values, end)
    assert found.tolist() == kept[: local_minima.FOLLOWED]
