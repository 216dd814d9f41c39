"""Covariance of the variance parameters that the data tell apart.

Information is measured beside what the same data would say if the fixed effects were known: with
``K`` that information and ``H`` the one there is, the directions ``u`` of ``H u = lambda K u``
(``u'K u = 1``) do not depend on how the parameters are written, so neither units, zeros nor the
order of the rows move them, and lambda is a share of one. Where the fixed effects take (nearly)
everything up, lambda is rounding: such a direction is left out, as a Moore-Penrose inverse leaves
out a zero. A direction that K does not see changes no covariance, and nothing that depends on it.
"""

from __future__ import annotations

import numpy as np

from mlpool.typing import FloatArray

_UNSEEN = 1e-10
"""Eigenvalues of K, scaled to a unit diagonal, that are the rounding of zero."""
_NOTHING_LEFT = 1e-6
"""Share of the information with known fixed effects that is none: differences of sums of products
of sums are good to ten digits, so what is smaller has not four of its own."""


def identified_inverse(information: FloatArray, known: FloatArray) -> FloatArray:
    """Return the inverse of `information` over the directions that are identified.

    Parameters
    ----------
    information : ndarray of shape (k, k)
    known : ndarray of shape (k, k)
        Positive semi-definite: the expected information if the fixed effects were known.

    Returns
    -------
    ndarray of shape (k, k)
    """
    length = np.sqrt(np.maximum(np.diag(known), 0.0))
    inverse = np.divide(1.0, length, out=np.zeros_like(length), where=length > 0.0)
    values, vectors = np.linalg.eigh(known * np.outer(inverse, inverse))
    seen = values > _UNSEEN
    U = inverse[:, None] * vectors[:, seen] / np.sqrt(values[seen])
    share, turns = np.linalg.eigh(U.T @ information @ U)
    kept = share > _NOTHING_LEFT
    D = U @ turns[:, kept]
    return np.asarray((D / share[kept]) @ D.T)
