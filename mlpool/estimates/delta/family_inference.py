"""Contrasts of every family of answers: the same weights at every value of ``by``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlpool.estimates.delta.averages import BLOCK_NUMBERS, Answers
from mlpool.estimates.delta.comparison_weights import Comparison
from mlpool.estimates.delta.delta_method import Inference, Request, infer, joined
from mlpool.hypotheses.linear_combinations import contrast_inference
from mlpool.typing import FloatArray, IntArray

if TYPE_CHECKING:
    from mlpool.models import FittedModel


def infer_families(
    model: FittedModel, answers: Answers, compared: Comparison, request: Request
) -> Inference:
    """Return the contrasts of every family, families one after the other."""
    W = compared.weights
    c, k = W.shape
    p = answers.jacobian.shape[1]
    value, J = answers.value.reshape(-1, k), answers.jacobian.reshape(-1, k, p)
    size = np.zeros_like(value) if answers.size is None else answers.size.reshape(-1, k)
    families = max(1, BLOCK_NUMBERS // max(1, c * p))
    rows = max(1, BLOCK_NUMBERS // max(1, p))
    parts = []
    for first in range(0, len(value), families):
        own = slice(first, first + families)
        # several families at once have all their rows; a family too large comes in parts
        for row in range(0, c, rows if families == 1 else c):
            chosen = W[row : row + rows] if families == 1 else W
            part = Answers(
                value=_weighted(chosen, value[own, :, None])[..., 0].ravel(),
                jacobian=_weighted(chosen, J[own]).reshape(-1, p),
                size=_weighted(np.abs(chosen), size[own, :, None])[..., 0].ravel(),
            )
            parts.append(infer(model, part, request, zap=True))
    return joined(parts)


def _weighted(W: FloatArray, values: FloatArray) -> FloatArray:
    """Return W times every family's values (f, k, m); missing only where one missing has weight."""
    missing = np.isnan(values).any(axis=2)
    out = W @ np.where(np.isnan(values), 0.0, values)
    out[(missing.astype(float) @ np.abs(W).T) > 0.0] = np.nan
    return out


def weighted_answers(answers: Answers, compared: Comparison) -> Answers:
    """Return every family's contrasts as answers that further contrasts can be made of."""
    W = compared.weights
    k, p = W.shape[1], answers.jacobian.shape[1]
    size = np.zeros(len(answers.value)) if answers.size is None else answers.size
    return Answers(
        value=_weighted(W, answers.value.reshape(-1, k, 1))[..., 0].ravel(),
        jacobian=_weighted(W, answers.jacobian.reshape(-1, k, p)).reshape(-1, p),
        size=_weighted(np.abs(W), size.reshape(-1, k, 1))[..., 0].ravel(),
    )


def correlations(
    model: FittedModel, answers: Answers, compared: Comparison, request: Request, rows: IntArray
) -> FloatArray:
    """Return the correlations of some rows of the table of all families' contrasts (r, r)."""
    c, k = compared.weights.shape
    J = answers.jacobian.reshape(-1, k, answers.jacobian.shape[1])
    L = np.stack([_weighted(compared.weights[[i % c]], J[[i // c]])[0, 0] for i in rows])
    V = contrast_inference(
        model, L, vcov=request.vcov, cluster=request.cluster, vcov_args=request.vcov_args,
        ci_method=request.ci_method,
    ).vcov  # fmt: skip
    sd = np.sqrt(np.diag(V))
    return np.asarray(V / np.outer(sd, sd))
