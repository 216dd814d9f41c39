"""The scores of a single-level model's rows: what its sandwich covariances are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlpool.engine.types import OlsFit
from mlpool.inference.sandwich.heteroscedastic import ScoreRows
from mlpool.uncertainty.fit_records import ols_fit

if TYPE_CHECKING:
    from mlpool.uncertainty.model_protocol import EstimatedModel


def score_rows(model: EstimatedModel) -> ScoreRows:
    """Return what sandwiches of an lm or glm need."""
    fit = ols_fit(model)
    columns = model.design.X.dense()
    if columns.shape[1] > len(fit.kept):
        columns = columns[:, fit.kept]
    if model.family is not None:
        eta = model.family.link_of(fit.fitted)
        assert isinstance(fit, OlsFit)  # of a glm, which has working residuals and weights
        assert fit.working_resid is not None
        return ScoreRows(
            X=columns,
            resid=fit.working_resid,
            bread=fit.vcov_unscaled,
            weights=fit.working_weights,
            mu_eta=model.family.derivative(eta),
        )
    return ScoreRows(
        X=columns,
        resid=model.design.y - fit.fitted,
        bread=fit.vcov_unscaled,
        weights=model.design.weights,
    )
