"""`estimate_relation`, `estimate_expectation`, `estimate_link`, `estimate_prediction`."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

from mlpool.errors import (
    MlpoolWarning,
    NotSupportedError,
    OptionError,
    brief,
    check_option,
    nearest_names,
    user_level,
)
from mlpool.estimates.delta.delta_method import Request
from mlpool.estimates.delta.row_predictions import Drawn
from mlpool.estimates.predictions import predictions
from mlpool.estimates.request import ESTIMATES, read_request
from mlpool.keywords import EstimateSpellings, ExpectationOptions, PredictionOptions, spell_out
from mlpool.models.argument_checks import check_level, check_model
from mlpool.option_spellings import also_spelt
from mlpool.results import ResultFrame

if TYPE_CHECKING:
    from mlpool.models import FittedModel
    from mlpool.typing import ByLike, ClusterLike, DataLike, VcovArgs, VcovLike


@also_spelt("ci_method", "vcov", "cluster", "vcov_args", "predict", keywords=EstimateSpellings)
def estimate_relation(
    model: FittedModel,
    by: ByLike | None = None,
    data: DataLike | None = None,
    *,
    ci: float | None = 0.95,
    vcov: VcovLike | None = None,
    cluster: ClusterLike | None = None,
    vcov_args: VcovArgs | None = None,
    ci_method: str | None = None,
    include_random: bool | str | None = None,
    preserve_range: bool = True,
    length: int | None = 10,
    predict: str | None = None,
    estimate: str | None = None,
    **spellings: Unpack[EstimateSpellings],
) -> ResultFrame:
    """Return the predicted relation between predictors and outcome, for tables and plots.

    Parameters
    ----------
    model : FittedModel
    by : str, sequence of str or dict, optional
        Focal predictors, as in :func:`mlpool.estimate_means`; None: all predictors. A grouping
        factor of random effects gives one relation per group, random effects included.
    data : data frame, optional
        Predict these rows in place of a grid.
    ci : float or None
    vcov, cluster, vcov_args, ci_method, **spellings
        As in :func:`mlpool.model_parameters`.
    include_random : bool or str, optional
        Whether estimated random effects are in the predictions (a name: those of one grouping
        factor). Default: of the grouping factors in `by`; of rows of data, all, as R's ``predict``,
        unless a row's group is not in the model's data. Without them predictions are of a group
        whose random effects are zero; the table says which.
    preserve_range : bool
        Leave out what lies outside the data: combinations of levels that do not occur, and numbers
        beyond their range within a combination. Values that you give are kept.
    length : int or None
        Points of a numeric predictor.
    predict : {"response", "link"}, optional
    estimate : {"typical", ...}, optional
        Other predictors are held at their mean or first level ("typical"). R takes the other words
        without effect; here each warns that :func:`mlpool.estimate_means` makes such averages.

    Returns
    -------
    ResultFrame
        The focal columns, Predicted, SE, CI_low, CI_high.

    Raises
    ------
    OptionError
        For unknown predictors, levels, words and scales, or `by` and `data` together.

    Notes
    -----
    Intervals of generalised models are made on the link's scale and taken back. With random
    effects, errors are Henderson's (prediction error of ``x'beta + z'b``).

    References
    ----------
    Henderson (1975), Biometrics 31; R's ``modelbased``.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lm("math ~ ses + gender", mlpool.load_data("hsb82"))
    >>> print(mlpool.estimate_relation(m, by="ses = [minmax]"))
    Model-based Predictions
    <BLANKLINE>
    ses   | Predicted |   SE |         95% CI
    -----------------------------------------
    -3.76 |      1.73 | 0.39 | [ 0.97,  2.48]
    2.69  |     21.88 | 0.28 | [21.34, 22.42]
    <BLANKLINE>
    Variable predicted: math
    Predictors modulated: ses = [minmax]
    Predictors controlled: gender (M)
    """
    _say_estimate(estimate)
    return predictions(
        "estimate_relation", model, by, data, predict, "confidence",
        _request(model, ci, vcov, cluster, vcov_args, ci_method), include_random,
        preserve_range=preserve_range, length=length, on_data=False,
    )  # fmt: skip


def _say_estimate(estimate: str | None) -> None:
    """Warn of a word that R takes here without effect, so that its scripts run."""
    if estimate is None or check_option(estimate, ESTIMATES, argument="estimate") == "typical":
        return
    warnings.warn(
        f"estimate={brief(estimate)} has no effect in estimate_relation(), in R neither: other "
        "predictors are held at their mean or first level; estimate_means(m, by=..., "
        f"estimate={brief(estimate)}) averages over them.",
        MlpoolWarning,
        stacklevel=user_level(),
    )


@also_spelt("ci_method", "vcov", "cluster", "vcov_args", "predict")
@spell_out(ExpectationOptions, like=estimate_relation)
def estimate_expectation(
    model: FittedModel,
    by: ByLike | None = None,
    data: DataLike | None = None,
    **options: Unpack[ExpectationOptions],
) -> ResultFrame:
    """Return expected outcomes of the rows of the data, or of a grid.

    Parameters
    ----------
    model : FittedModel
    by : optional
        As in :func:`estimate_relation`; None: the rows of `data`, else of the model's own data,
        with residuals; of mixed models each row's random effects are included.
    data : data frame, optional
    **options
        As in :func:`estimate_relation`.

    Returns
    -------
    ResultFrame
        Predictors, Predicted, SE, CI_low, CI_high; Residuals for the model's own rows.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lm("Reaction ~ Days", mlpool.load_data("sleepstudy"))
    >>> round(float(mlpool.estimate_expectation(m)["Predicted"].iloc[0]), 3)
    251.405
    """
    return _by_name("estimate_expectation", model, by, data, "confidence", options)


@also_spelt("ci_method", "vcov", "cluster", "vcov_args", "predict")
@spell_out(ExpectationOptions, like=estimate_relation)
def estimate_link(
    model: FittedModel,
    by: ByLike | None = None,
    data: DataLike | None = None,
    **options: Unpack[ExpectationOptions],
) -> ResultFrame:
    """Return :func:`estimate_expectation` on the scale of the link (log odds, log means).

    Raises
    ------
    OptionError
        For another scale in `predict`; and as :func:`estimate_expectation`.
    """
    if options.get("predict") not in (None, "link"):
        raise OptionError(
            "estimate_link() predicts on the scale of the link, predict='link'; give "
            f"predict={brief(options['predict'])} to estimate_expectation()."
        )
    return _by_name("estimate_link", model, by, data, "confidence", {**options, "predict": "link"})


@also_spelt("ci_method", "vcov", "cluster", "vcov_args", "predict")
@spell_out(PredictionOptions, like=estimate_relation)
def estimate_prediction(
    model: FittedModel,
    by: ByLike | None = None,
    data: DataLike | None = None,
    **options: Unpack[PredictionOptions],
) -> ResultFrame:
    """Return predictions of single new outcomes, with prediction intervals.

    Parameters
    ----------
    model, by, data
        As in :func:`estimate_expectation`.
    **options
        As there; also ``iterations`` (2000) and ``seed`` of intervals of families other than the
        normal, which are quantiles of drawn outcomes.

    Returns
    -------
    ResultFrame
        SE and interval hold the residual variance, and of mixed models that of the random effects
        of a new group (of the known group where its effects are included) and the uncertainty of
        the coefficients.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lm("Reaction ~ Days", mlpool.load_data("sleepstudy"))
    >>> table = mlpool.estimate_prediction(m, by="Days = [0, 9]", seed=1)
    >>> table["SE"].round(2).to_list()
    [48.17, 48.17]
    """
    return _by_name("estimate_prediction", model, by, data, "prediction", options)


_OPTIONS = {
    "ci": 0.95, "vcov": None, "cluster": None, "vcov_args": None, "ci_method": None,
    "include_random": None, "preserve_range": True, "length": 10, "predict": None,
    "estimate": None, "iterations": 2000, "seed": None,
}  # fmt: skip


def _by_name(
    verb: str,
    model: FittedModel,
    by: ByLike | None,
    data: DataLike | None,
    interval: str,
    options: Mapping[str, Any],
) -> ResultFrame:
    check_model(model, f"{verb}()")
    if interval == "prediction" and model.kind == "gls":
        raise NotSupportedError(
            f"{verb}() does not know the variance of a new response of a model with a residual "
            "correlation or dispersion; estimate_expectation() has the intervals of means."
        )
    for name in options:
        if name not in _OPTIONS or (interval != "prediction" and name in ("iterations", "seed")):
            raise OptionError(
                f"{verb}() has no argument {brief(name)}.{nearest_names(name, _OPTIONS)}"
            )
    o = {**_OPTIONS, **options}
    request = _request(model, o["ci"], o["vcov"], o["cluster"], o["vcov_args"], o["ci_method"])
    return predictions(
        verb, model, by, data, o["predict"], interval, request,
        o["include_random"], preserve_range=o["preserve_range"], length=o["length"],
        on_data=True, drawn=Drawn(iterations=o["iterations"], seed=o["seed"]),
    )  # fmt: skip


def _request(model: FittedModel, ci: object, *rest: Any) -> Request:
    check_model(model, "estimate_relation()")
    return read_request(model, check_level(ci), *rest)
