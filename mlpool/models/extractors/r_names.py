"""R's and lme4's extractors as functions of a model: ``AIC(m)``, ``sigma(m)``, ``getME(m, "X")``.

Each gives what a method or attribute of the model gives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import pandas as pd
import scipy.sparse as sp

from mlpool.argument_values import number
from mlpool.errors import OptionError, brief, nearest_names
from mlpool.families import Family
from mlpool.formula.model_frame import model_frame_of
from mlpool.keywords import PredictOptions, ResidualOptions, spell_out
from mlpool.models.argument_checks import (
    GroupCoefficients,
    check_mixed,
    check_model,
    group_coefficients,
)
from mlpool.models.extractors.random_effects import relative_factors
from mlpool.models.residuals import residuals_of
from mlpool.typing import FloatArray
from mlpool.uncertainty.fit_records import mixed_fit

if TYPE_CHECKING:
    from mlpool.models.fitted import FittedModel
    from mlpool.models.mixed_model import MixedModel
    from mlpool.typing import DataLike


def AIC(m: FittedModel, *others: Any, k: float = 2.0) -> Any:
    """Return Akaike's criterion, ``-2 log-likelihood + k parameters`` (R's ``AIC``).

    Parameters
    ----------
    m, *others : FittedModel
    k : float
        The price of a parameter.

    Returns
    -------
    float, or a DataFrame with columns df and AIC for several models

    See Also
    --------
    compare_performance : with weights and other criteria.
    """
    models = [check_model(one, "AIC()") for one in (m, *others)]
    price = number(k, "k")
    values = [-2 * one.loglik + price * one.loglik_df for one in models]
    return _of_several(models, "AIC", values)


def BIC(m: FittedModel, *others: Any) -> Any:
    """Return Schwarz's criterion, ``-2 log-likelihood + log(n) parameters`` (R's ``BIC``).

    Parameters
    ----------
    m, *others : FittedModel

    Returns
    -------
    float, or a DataFrame with columns df and BIC for several models
    """
    models = [check_model(one, "BIC()") for one in (m, *others)]
    return _of_several(models, "BIC", [one.bic for one in models])


def _of_several(models: list[Any], name: str, values: list[float]) -> Any:
    if len(models) == 1:
        return float(values[0])
    return pd.DataFrame({"df": [one.loglik_df for one in models], name: values})


def logLik(m: FittedModel) -> float:
    """Return the log-likelihood, of a REML fit the restricted one (R's ``logLik``)."""
    return float(check_model(m, "logLik()").loglik)


def sigma(m: FittedModel | GroupCoefficients) -> float:
    """Return the residual standard deviation (R's ``sigma``); of ``lm_list`` the pooled one."""
    own = group_coefficients(m)
    return float(check_model(m, "sigma()").sigma if own is None else own.sigma)


def nobs(m: FittedModel) -> int:
    """Return the number of rows used (R's ``nobs``)."""
    return int(check_model(m, "nobs()").nobs)


@spell_out(PredictOptions)
def predict(
    m: FittedModel, newdata: DataLike | None = None, **options: Unpack[PredictOptions]
) -> pd.Series:
    """Return predictions for new rows or the model's own (R's ``predict``).

    Parameters
    ----------
    m : FittedModel
    newdata : data frame, optional
    **options
        ``type=``, ``re_form=``, ``allow_new_levels=`` ... of the model's own ``predict``.
    """
    answer: Callable[..., pd.Series] = check_model(m, "predict()").predict
    return answer(newdata, **options)


def fitted(m: FittedModel) -> pd.Series:
    """Return fitted values on the data's own index (R's ``fitted``)."""
    result: pd.Series = check_model(m, "fitted()").fitted
    return result


@spell_out(ResidualOptions, like=residuals_of)
def resid(m: FittedModel, type: str | None = None, **options: Unpack[ResidualOptions]) -> pd.Series:
    """Return residuals (R's ``resid``): the model's ``residuals`` with the same options."""
    result: pd.Series = check_model(m, "resid()").residuals(type, **options)
    return result


@spell_out(ResidualOptions, like=residuals_of)
def residuals(
    m: FittedModel, type: str | None = None, **options: Unpack[ResidualOptions]
) -> pd.Series:
    """Return residuals (R's ``residuals``), as :func:`resid` does."""
    return resid(m, type, **options)


def deviance(m: FittedModel) -> float:
    """Return the deviance (R's ``deviance``).

    Residual sum of squares of ``lm``, residual deviance of ``glm``, -2 log-likelihood of ``lmer``
    (by maximum likelihood, at the estimates of a REML fit, too; ``m.criterion`` is lme4's
    ``REMLcrit``), and the deviance given the random effects of ``glmer``.
    """
    return float(check_model(m, "deviance()").deviance)


def df_residual(m: FittedModel) -> int:
    """Return rows less parameters (R's ``df.residual``)."""
    return int(check_model(m, "df_residual()").df_residual)


def model_frame(m: FittedModel) -> pd.DataFrame:
    """Return the variables of the formula on the rows used (R's ``model.frame``).

    Parameters
    ----------
    m : FittedModel

    Returns
    -------
    DataFrame
        Response, predictors, grouping factors and offsets, each called as the formula spells it
        (``log(y)``; of several columns ``poly(x, 2).1``), then ``(weights)`` and ``(offset)``.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lm("log(Reaction) ~ Days", mlpool.load_data("sleepstudy"))
    >>> list(mlpool.model_frame(m).columns)
    ['log(Reaction)', 'Days']
    """
    return model_frame_of(check_model(m, "model_frame()").design)


def terms(m: FittedModel) -> list[str]:
    """Return the labels of the fixed terms (R's ``attr(terms(m), "term.labels")``).

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lm("math ~ ses * gender", mlpool.load_data("hsb82"))
    >>> mlpool.terms(m)
    ['ses', 'gender', 'ses:gender']
    """
    fixed = check_model(m, "terms()").formula.fixed
    return [":".join(expression.text for expression in term) for term in fixed.terms]


def weights(m: FittedModel) -> pd.Series:
    """Return prior weights of the rows used, with a binomial's trials (R's ``weights``)."""
    model = check_model(m, "weights()")
    return pd.Series(model.prior_weights, index=model.design.index, name="weights")


def family(m: FittedModel) -> Family:
    """Return the family and link; of linear models the normal one (R's ``family``)."""
    found: Family | None = check_model(m, "family()").family
    return Family("gaussian", "identity") if found is None else found


def isSingular(m: FittedModel) -> bool:
    """Tell whether a random-effects covariance is singular (lme4's ``isSingular``)."""
    return bool(check_mixed(m, "isSingular()").is_singular)


def isREML(m: FittedModel) -> bool:
    """Tell whether a mixed model, or one of `gls`, was fitted by REML (lme4's ``isREML``)."""
    model = check_model(m, "isREML()")
    return bool(model.reml if model.kind == "gls" else check_mixed(m, "isREML()").reml)


def ngrps(m: FittedModel) -> dict[str, int]:
    """Return the number of levels of each grouping factor (lme4's ``ngrps``)."""
    return dict(check_mixed(m, "ngrps()").ngroups)


def getME(m: FittedModel, name: str) -> Any:
    """Return a part of a mixed model by lme4's name (``getME``).

    Parameters
    ----------
    m : FittedModel
        Of lmer or glmer.
    name : str
        ``X`` (n, p), ``Z`` (n, q; sparse), ``Zt``, ``Lambda`` (q, q; sparse), ``Lambdat``,
        ``theta``, ``beta``, ``fixef``, ``b`` (q,), ``y``, ``mu``, ``weights``,
        ``offset``, ``sigma``, ``flist``, ``cnms``, ``n``, ``p``, ``q``, ``n_rtrms``, ``REML``.

    Returns
    -------
    ndarray, sparse array, number or mapping

    Raises
    ------
    OptionError
        For other names.
    """
    model = check_mixed(m, "getME()")
    if not isinstance(name, str) or name not in _PARTS:
        raise OptionError(
            f"getME() has no part {brief(name)}; it has {', '.join(_PARTS)}."
            + (nearest_names(name, list(_PARTS)) if isinstance(name, str) else "")
        )
    return _PARTS[name](model)


def _z(m: FittedModel) -> Any:
    """Return Z: per term a block of columns, level after level, k columns each."""
    blocks = []
    for random in m.design.random:
        z, codes = random.z.dense(), np.asarray(random.codes).astype(np.int64)
        n, k = z.shape
        columns = codes[:, None] * k + np.arange(k)
        rows = np.repeat(np.arange(n), k)
        shape = (n, k * len(random.levels))
        blocks.append(sp.csr_array((z.ravel(), (rows, columns.ravel())), shape=shape))
    return sp.csr_array(sp.hstack(blocks))


def _lambda(m: MixedModel) -> Any:
    sizes = [random.z.shape[1] for random in m.design.random]
    factors = relative_factors(m.theta, sizes)
    repeated = [
        sp.kron(sp.eye_array(len(random.levels)), lam)
        for random, lam in zip(m.design.random, factors, strict=True)
    ]
    return sp.csr_array(sp.block_diag(repeated))


def _b(m: FittedModel) -> FloatArray:
    return np.concatenate([np.asarray(one).ravel() for one in mixed_fit(m).b])


def _flist(m: FittedModel) -> dict[str, object]:
    return {
        r.group: pd.Categorical.from_codes(np.asarray(r.codes, dtype=np.int64), pd.Index(r.levels))
        for r in m.design.random
    }


def _cnms(m: FittedModel) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for random in m.design.random:
        found.setdefault(random.group, []).extend(random.z.names)
    return found


_PARTS: dict[str, Callable[[Any], Any]] = {
    "X": lambda m: m.design.X.dense()[:, m.fit.kept],
    "Z": _z,
    "Zt": lambda m: _z(m).T.tocsr(),
    "Lambda": _lambda,
    "Lambdat": lambda m: _lambda(m).T.tocsr(),
    "theta": lambda m: m.theta,
    "beta": lambda m: np.array(m.fit.beta),
    "fixef": lambda m: m.fixef(),
    "b": _b,
    "y": lambda m: np.array(m.design.y),
    "mu": lambda m: m.fitted.to_numpy(),
    "weights": lambda m: m.prior_weights,
    "offset": lambda m: np.zeros(m.nobs) if m.design.offset is None else np.array(m.design.offset),
    "sigma": lambda m: m.sigma,
    "flist": _flist,
    "cnms": _cnms,
    "n": lambda m: m.nobs,
    "p": lambda m: len(m.fit.beta),
    "q": lambda m: len(_b(m)),
    "n_rtrms": lambda m: len(m.design.random),
    "REML": lambda m: m.reml,
}
