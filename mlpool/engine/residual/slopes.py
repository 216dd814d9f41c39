"""How covariances move with their parameters, on the patterns of blocks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mlpool.engine.residual.correlations import STEP
from mlpool.engine.residual.criterion import ResidualCriterion
from mlpool.typing import FloatArray


def moved_columns(criterion: ResidualCriterion, psi: FloatArray) -> Iterator[FloatArray]:
    """Give ``L^-1 H_i H^-1 X`` (k + 1, B, m, p) of every batch of blocks, with H = L L'.

    ``H_i`` are the derivatives by psi and, last, by the logarithm of sigma^2: H itself. Steps along
    the imaginary axis give them exactly (Squire & Trapp 1998, SIAM Review 40, 110-112).
    """
    p = criterion.p
    slopes = [criterion.covariances(psi + 1j * STEP * unit) for unit in np.eye(len(psi))]
    for b, (batch, H) in enumerate(criterion.covariances(psi)):
        inverse = np.linalg.inv(np.linalg.cholesky(H))[batch.pattern]
        U = inverse.swapaxes(1, 2) @ (inverse @ batch.stack[:, :, :p])
        moves = [slope[b][1].imag / STEP for slope in slopes] + [H]
        yield np.array([inverse @ (move[batch.pattern] @ U) for move in moves])
