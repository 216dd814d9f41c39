"""The inverse over what is identified knows nothing of how parameters are written."""

from __future__ import annotations

import numpy as np
import pytest

from mlpool.inference.identified import identified_inverse


def _pair(rank: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(20, 5))
    known = A.T @ A
    root = np.linalg.cholesky(known)
    Q = np.linalg.qr(rng.normal(size=(5, 5)))[0][:, :rank]
    share = rng.uniform(0.2, 1.0, rank)
    return root @ (Q * share) @ Q.T @ root.T, known


def test_it_is_the_inverse_where_there_is_one() -> None:
    information, known = _pair(5)
    found = identified_inverse(information, known)
    np.testing.assert_allclose(found @ information, np.eye(5), atol=1e-10)


@pytest.mark.parametrize("rank", [1, 3, 5])
def test_other_parameters_have_the_same_covariance(rank: int) -> None:
    information, known = _pair(rank)
    T = np.diag(10.0 ** np.array([-6, 3, 0, 5, -2])) @ np.linalg.qr(known)[0]
    found = identified_inverse(T @ information @ T.T, T @ known @ T.T)
    np.testing.assert_allclose(T.T @ found @ T, identified_inverse(information, known), rtol=1e-6)


@pytest.mark.parametrize("rank", [1, 3])
def test_it_is_a_generalised_inverse(rank: int) -> None:
    information, known = _pair(rank)
    found = identified_inverse(information, known)
    np.testing.assert_allclose(information @ found @ information, information, atol=1e-9)
    np.testing.assert_allclose(found @ information @ found, found, atol=1e-9)
    assert np.linalg.matrix_rank(found) == rank


def test_a_parameter_that_moves_nothing_has_no_part() -> None:
    information, known = _pair(5)
    wide = np.zeros((6, 6))
    wide[:5, :5] = known
    inside = np.zeros((6, 6))
    inside[:5, :5], inside[5, 5] = information, 3.0  # a variance at its boundary
    found = identified_inverse(inside, wide)
    np.testing.assert_allclose(found[:5, :5], np.linalg.inv(information), rtol=1e-9)
    assert not found[5].any()
