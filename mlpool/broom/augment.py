"""``augment``: the rows of the data with what the model says of each, as broom calls it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlpool.frames import read_frame
from mlpool.models import FittedModel, GeneralizedLinearMixedModel, model_frame, predict
from mlpool.models.argument_checks import check_model
from mlpool.typing import FloatArray
from mlpool.uncertainty.fit_records import ols_fit
from mlpool.uncertainty.influence import cooks_distance, leverages

if TYPE_CHECKING:
    from mlpool.keywords import PredictOptions
    from mlpool.typing import DataLike


def augment(m: FittedModel, newdata: DataLike | None = None) -> pd.DataFrame:
    """Return the model's rows with fitted values, residuals and influence (broom's ``augment``).

    Parameters
    ----------
    m : FittedModel
    newdata : data frame, optional
        Other rows: they get ``.fitted`` and, of mixed models, ``.fixed``. Groups that are not in
        the model's data have random effects of zero.

    Returns
    -------
    DataFrame
        The columns of :func:`model_frame`, then ``.fitted`` (on the link's scale, as R has it),
        ``.resid`` (of generalised models deviance residuals), ``.hat`` and ``.cooksd``. Without
        random effects ``.sigma`` (without that row) and ``.std.resid``; with them ``.fixed`` (the
        population's), ``.mu`` (the mean), ``.offset`` and ``.weights``. Models with a residual
        structure have ``.fitted``, ``.resid`` and, with random effects, ``.fixed``, as nlme's.

    Raises
    ------
    OptionError
        For something that is no model.
    NotSupportedError
        For leverages of more than 10,000 random effects of several factors.

    See Also
    --------
    estimate_expectation : with intervals, also for new rows.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lm("Reaction ~ Days", mlpool.load_data("sleepstudy"))
    >>> mlpool.augment(m)[["Reaction", "Days", ".fitted", ".hat"]].head(2).round(3)
       Reaction  Days  .fitted   .hat
    0   249.560     0  251.405  0.019
    1   258.705     1  261.872  0.014
    """
    check_model(m, "augment()")
    if newdata is not None:
        return _of_new_rows(m, newdata)
    if m.kind == "gls":
        return model_frame(m).assign(**_of_residual_structure(m))
    hat = leverages(m)
    columns = {
        ".fitted": _linear_predictor(m),
        ".resid": m.residuals().to_numpy(),
        ".hat": hat,
        ".cooksd": cooks_distance(m),
    }
    frame = model_frame(m)
    return frame.assign(**columns, **(_of_mixed(m) if m.is_mixed else _left_out(m, hat)))


def _of_new_rows(m: FittedModel, newdata: DataLike) -> pd.DataFrame:
    frame = read_frame(newdata).data.to_pandas()
    scale: PredictOptions = {} if m.family is None else {"type": "link"}
    whole: PredictOptions = {**scale, "allow_new_levels": True} if m.is_mixed else scale
    columns = {".fitted": predict(m, newdata, **whole).to_numpy()}
    if m.is_mixed:
        alone: PredictOptions = {**scale, "re_form": False}
        columns[".fixed"] = predict(m, newdata, **alone).to_numpy()
    return frame.assign(**columns)


def _linear_predictor(m: FittedModel) -> FloatArray:
    eta = m.fitted if m.family is None else m.family.link_of(m.fitted.to_numpy())
    return np.asarray(eta, dtype=np.float64)


def _left_out(m: FittedModel, hat: FloatArray) -> dict[str, FloatArray]:
    """Return ``.sigma`` and ``.std.resid`` of deviance residuals d with leverages h.

    ``sqrt((sum d^2 - d_i^2 / (1 - h_i)) / (n - p - 1))`` and ``d_i / sqrt(phi (1 - h_i))``
    (Belsley, Kuh & Welsch 1980, section 2.1; Davison & Snell 1991).
    """
    d = m.residuals("deviance").to_numpy()
    scale = m.sigma**2 if m.kind == "lm" else ols_fit(m).dispersion
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.sqrt((d @ d - d**2 / (1.0 - hat)) / (m.df_residual - 1))
        return {".sigma": left, ".std.resid": d / np.sqrt(scale * (1.0 - hat))}


def _of_residual_structure(m: FittedModel) -> dict[str, FloatArray]:
    """Return broom.mixed's columns of nlme's models: no influence, which nlme does not have."""
    columns = {".fitted": np.asarray(m.fitted), ".resid": np.asarray(m.resid)}
    if m.is_mixed:
        columns[".fixed"] = np.asarray(predict(m, re_form=False))
    return columns


def _of_mixed(m: FittedModel) -> dict[str, object]:
    if isinstance(m, GeneralizedLinearMixedModel):
        alone = m.predict(type="link", re_form=False)
    else:
        alone = predict(m, re_form=False)
    offset = m.design.offset
    return {
        ".fixed": alone.to_numpy(),
        ".mu": m.fitted.to_numpy(),
        ".offset": np.zeros(m.nobs) if offset is None else np.array(offset),
        ".weights": np.array(m.prior_weights),
    }
