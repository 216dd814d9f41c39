"""Predictions of rows with their errors: of means, of groups, of single new outcomes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlpool.errors import DataError, NotSupportedError, OptionError, brief
from mlpool.estimates.delta.averages import Answers, predicted_blocks, with_groups
from mlpool.estimates.delta.delta_method import Inference, Request, infer_blocks, taken_back
from mlpool.estimates.group_coefficients import prediction_variance
from mlpool.estimates.scale.links import Scale
from mlpool.frames import read_frame
from mlpool.hypotheses.estimability import not_estimable
from mlpool.inference.simulation import ResponseModel
from mlpool.models import MixedModel
from mlpool.models import family as family_of
from mlpool.models.prediction import random_variance
from mlpool.typing import FloatArray, IntArray
from mlpool.uncertainty.fit_records import mixed_fit

if TYPE_CHECKING:
    from mlpool.models import FittedModel
    from mlpool.typing import DataLike, SeedLike

Terms = dict[int, tuple[FloatArray, IntArray]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Draws behind prediction intervals of families other than the normal."""

    iterations: int = 2000
    seed: SeedLike | None = None

    def __post_init__(self) -> None:
        """Check the number.

        Raises
        ------
        OptionError
            If it is not a whole number of at least 100.
        """
        is_whole = isinstance(self.iterations, int) and not isinstance(self.iterations, bool)
        if not is_whole or self.iterations < 100:
            raise OptionError(
                f"iterations must be a whole number of at least 100; got {brief(self.iterations)}."
            )


def predict_frame(
    model: FittedModel,
    frame: pd.DataFrame,
    request: Request,
    scale: Scale,
    groups: tuple[str, ...],
    interval: str,
    drawn: Drawn,
) -> Inference:
    """Return the predictions of rows.

    Parameters
    ----------
    frame : DataFrame
        Predictors; grouping factors too if `groups` names them.
    groups : tuple of str
        Grouping factors whose random effects are included.
    interval : {"confidence", "prediction"}
    """
    base = infer_blocks(model, frame, lambda part: _linear(model, part), request, zap=False)
    terms = _terms(model, frame, groups)
    if terms:
        base = _with_random(model, frame, base, terms, request)
    if interval == "prediction":
        return _outcomes(model, frame, base, terms, scale, request, drawn)
    return taken_back(base, scale)


def _linear(model: FittedModel, frame: pd.DataFrame) -> Answers:
    blocks = list(predicted_blocks(model, frame))
    if not blocks:
        raise DataError("The data have no rows to predict.")
    value = np.concatenate([eta for _, _, eta in blocks])
    jacobian = np.vstack([X for _, X, _ in blocks])
    if model.aliased:
        unknown = not_estimable(model, model.design.new(frame, random=False).X)
        value[unknown], jacobian[unknown] = np.nan, np.nan
    return Answers(value=value, jacobian=jacobian)


def groups_of_rows(
    model: FittedModel, data: DataLike | None, request: Request
) -> tuple[tuple[str, ...], str]:
    """Return the grouping factors whose effects rows of data have, else none and the reason.

    As R's ``predict``: predictions of rows are of their groups. Rows of groups that are not in the
    model's data, and standard errors that are not the model's own, are of the population.
    """
    known = tuple(dict.fromkeys(r.group for r in model.design.random))
    if not known:
        return (), ""
    if request.vcov is not None or request.cluster is not None:
        return (), "vcov= and cluster= are of the fixed effects"
    if data is None:
        return known, ""
    needed = {c for columns in group_columns(model).values() for c in columns}
    absent = sorted(needed - set(read_frame(data).columns))
    if absent:
        return (), f"the data have no column {absent[0]}"
    new = model.design.new(data, allow_new_levels=True)
    for random, (_, codes) in zip(model.design.random, new.random, strict=True):
        if (codes < 0).any():
            return (), f"some rows' {random.group} is not in the model's data"
    return known, ""


def group_columns(model: FittedModel) -> dict[str, tuple[str, ...]]:
    """Return the columns that tell the groups of every grouping factor apart, by its name.

    The name cannot be taken apart at its colons: columns may have some, too.
    """
    return {
        r.group: tuple(dict.fromkeys(c for part in r.bar.group for c in part.columns))
        for r in model.design.random
    }


def _terms(model: FittedModel, frame: pd.DataFrame, groups: tuple[str, ...]) -> Terms:
    """Return z and codes of the terms whose effects are included.

    Raises
    ------
    OptionError
        For a level that was not in the data.
    """
    if not groups:
        return {}
    chosen = [i for i, r in enumerate(model.design.random) if r.group in groups]
    new = model.design.new(with_groups(model, frame), allow_new_levels=True)
    for i in chosen:
        if (new.random[i][1] < 0).any():
            place = int(np.argmax(new.random[i][1] < 0))
            group = model.design.random[i].group
            named = group_columns(model)[group]
            label = ":".join(str(frame[n].iloc[place]) for n in named if n in frame)
            raise OptionError(
                f"{group} = {brief(label)} was not in the data, so its random effects are unknown; "
                "take include_random=False."
            )
    return {i: new.random[i] for i in chosen}


def _with_random(
    model: FittedModel, frame: pd.DataFrame, base: Inference, terms: Terms, request: Request
) -> Inference:
    """Add the random effects, and their part of the error."""
    if request.vcov is not None or request.cluster is not None:
        raise NotSupportedError(
            "vcov= and cluster= are for population-level predictions; predictions that include "
            "random effects have the model's own errors."
        )
    eta = base.estimate.copy()
    for i, (z, codes) in terms.items():
        eta += np.einsum("ik,ik->i", z, np.asarray(mixed_fit(model).b[i])[codes])
    variance = _variance(model, frame, terms)
    return _again(base, eta, np.sqrt(variance))


def _variance(model: FittedModel, frame: pd.DataFrame, terms: Terms) -> FloatArray:
    out = np.empty(len(frame))
    for part, X, _ in predicted_blocks(model, frame):
        own = {i: (z[part], codes[part]) for i, (z, codes) in terms.items()}
        out[part] = prediction_variance(model, X, own)
    return out


def _again(base: Inference, estimate: FloatArray, se: FloatArray) -> Inference:
    """Return the same inference around other estimates with other errors."""
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(se > 0, estimate / se, np.nan)
    half = base.critical * se
    return replace(
        base, estimate=estimate, se=se, statistic=statistic,
        low=estimate - half, high=estimate + half,
    )  # fmt: skip


def _outcomes(
    model: FittedModel,
    frame: pd.DataFrame,
    base: Inference,
    terms: Terms,
    scale: Scale,
    request: Request,
    drawn: Drawn,
) -> Inference:
    """Return predictions of single new outcomes."""
    variance = base.se**2
    if isinstance(model, MixedModel):
        new_groups = random_variance(model, with_groups(model, frame), known=terms)
        variance = variance + new_groups
    is_normal = model.family is None or (
        model.family.name == "gaussian" and model.family.link == "identity"
    )
    if is_normal:
        outcomes = _again(base, base.estimate, np.sqrt(variance + model.sigma**2))
        return taken_back(outcomes, scale)
    if scale.name == "link":
        raise OptionError(
            "single outcomes are on the scale of the response; estimate_link() has the link's."
        )
    rng = np.random.default_rng(drawn.seed)
    draws = np.empty((drawn.iterations, len(frame)))
    sd = np.sqrt(np.maximum(variance, 0.0))
    for i in range(drawn.iterations):
        eta = base.estimate + sd * rng.standard_normal(len(frame))
        outcome = ResponseModel(eta=eta, family=model.family, dispersion=_dispersion(model))
        draws[i] = outcome.draw(rng)
    level = request.ci if request.ci is not None else 0.95
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return replace(
        base,
        estimate=np.asarray(family_of(model).inverse(base.estimate)),
        se=draws.std(axis=0, ddof=1),
        low=low,
        high=high,
    )


def _dispersion(model: FittedModel) -> float:
    return float(model.sigma**2) if family_of(model).has_dispersion else 1.0
