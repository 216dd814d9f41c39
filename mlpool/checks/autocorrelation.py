"""`check_autocorrelation`: whether residuals of neighbouring rows are alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlpool.argument_values import generator, whole_number
from mlpool.checks.result import (
    ALPHA,
    NO_RESIDUALS,
    Check,
    cannot_tell,
    check_is_model,
    is_linear,
    leaves_residuals,
    p_text,
)
from mlpool.floating_point import usual_floats
from mlpool.inference.simulation import ResponseModel, draw_effects
from mlpool.models import family as family_of
from mlpool.models.residuals import residuals_at
from mlpool.refits.simulate import response_model
from mlpool.typing import FloatArray
from mlpool.uncertainty.influence import smoother_of, unit_residuals, working_data, working_weights

if TYPE_CHECKING:
    from mlpool.models import FittedModel
    from mlpool.typing import SeedLike

_CELLS_AT_ONCE = 4_000_000


@usual_floats
def check_autocorrelation(m: FittedModel, *, nsim: int = 1000, seed: SeedLike | None = 1) -> Check:
    """Test whether residuals of neighbouring rows are correlated (Durbin & Watson).

    The statistic is of R's ``residuals(m)``: plain ones of linear models, deviance residuals of
    generalised ones, normalized ones of models with a residual structure, which should be white.
    Its distribution under independence is simulated from the model: errors are drawn (of linear
    models the residuals, with replacement; of generalised ones responses from their family at the
    fitted means), random effects are drawn anew, both pass through the model's own fit to first
    order, ``(I - H)(Z b* + e*)``, and the statistic is that of the same kind of residuals. The
    p-value is two-sided.

    Groups that stand together, and shrunken estimates of their effects, make residuals of
    neighbouring rows alike or unlike without any dependence over time; drawn residuals have as
    much of both, so that independent rows are called dependent as often as the level says. One step
    is too coarse, and called dependent too often, where effects are large beside what a group tells
    of them: of 0/1 outcomes in groups of three with effects of an SD of 2, 12 % instead of 5 %.

    Parameters
    ----------
    m : FittedModel
        Its rows in the order of time.
    nsim : int
        Number of draws.
    seed : int, SeedSequence or Generator, optional

    Returns
    -------
    Check
        True if autocorrelated; `statistic` is Durbin and Watson's.

    Raises
    ------
    OptionError
        For something that is no model, or an impossible number of draws.
    NotSupportedError
        For more than 10,000 random effects of several factors, and for weights that have no
        distribution.

    References
    ----------
    Durbin & Watson (1950), Biometrika 37, 409-428; Fox (2016), Applied Regression Analysis, 16;
    Davison & Hinkley (1997), Bootstrap Methods and their Application, 4.2 (simulated p-values).

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lmer("Reaction ~ Days + (Days | Subject)", mlpool.load_data("sleepstudy"))
    >>> round(check_autocorrelation(m).statistic, 3)
    1.858
    """
    check_is_model(m, "check_autocorrelation()")
    count, rng = whole_number(nsim, "nsim", least=2), generator(seed)
    if not leaves_residuals(m):
        text = cannot_tell("Autocorrelation of residuals", NO_RESIDUALS)
        return Check(sentence=text, holds=None, statistic_name="DW", model=m)
    observed = np.asarray(m.residuals(_kind(m)), dtype=np.float64)
    statistic = float(_durbin_watson(observed[:, None])[0])
    draws = _drawn(m, count, rng)
    above = float(np.mean(statistic < draws))
    p = 2.0 * min(above, 1.0 - above)
    found = p < ALPHA
    text = (
        f"OK: Residuals appear to be independent and not autocorrelated ({p_text(p)})."
        if not found
        else f"Warning: Autocorrelated residuals detected ({p_text(p)})."
    )
    return Check(
        sentence=text, holds=found, statistic=statistic, p_value=p, statistic_name="DW", model=m
    )


def _kind(m: FittedModel) -> str:
    """Return the kind of R's ``residuals(m)``; nbinom1 has no deviance residuals."""
    if m.kind == "gls":
        return "normalized"
    if m.family is None:
        return "response"
    return "pearson" if m.family.name == "nbinom1" else "deviance"


def _durbin_watson(columns: FloatArray) -> FloatArray:
    """Return sum of squared differences over sum of squares of every column (n, k)."""
    return np.asarray((np.diff(columns, axis=0) ** 2).sum(axis=0) / (columns**2).sum(axis=0))


# --- the statistic under independence -----------------------------------------------------------


def _drawn(m: FittedModel, nsim: int, rng: np.random.Generator) -> FloatArray:
    """Return the statistic of `nsim` sets of residuals of independent rows."""
    make = _Linear(m) if is_linear(m) else _Generalized(m)
    at_once = max(1, _CELLS_AT_ONCE // m.design.n)
    return np.concatenate(
        [
            _durbin_watson(make.residuals(min(at_once, nsim - start), rng))
            for start in range(0, nsim, at_once)
        ]
    )


class _Drawn:
    """Residuals of responses drawn from a model, H and theta as estimated.

    Rows are scaled by the square root of their working weights, where the fit is least squares.
    """

    def __init__(self, m: FittedModel) -> None:
        self._hat = smoother_of(m)
        self._root = np.sqrt(working_weights(m))
        # of models with a residual structure the rows are freed of it, like their residuals
        self._terms, self._factors = working_data(m).terms, response_model(m).factors

    def _effects(self, k: int, rng: np.random.Generator) -> FloatArray:
        """Return Z b* of random effects drawn anew, rows scaled (n, k)."""
        out = np.zeros((len(self._root), k))
        for term, factor in zip(self._terms, self._factors, strict=True):
            z = term.z.rows(0, len(out))
            for j in range(k):
                b = draw_effects(factor, term.n_levels, rng)
                out[:, j] += np.einsum("ik,ik->i", z, b[term.codes])
        return np.asarray(self._root[:, None] * out)


class _Linear(_Drawn):
    """Errors are residuals drawn with replacement, so that they need not be normal."""

    def __init__(self, m: FittedModel) -> None:
        super().__init__(m)
        e = unit_residuals(m)
        # Residuals are shorter than errors, whose size beside Z b* matters.
        self._errors = e * (float(m.sigma) / np.sqrt(float(np.mean(e**2))))

    def residuals(self, k: int, rng: np.random.Generator) -> FloatArray:
        """Return k sets of residuals (n, k)."""
        drawn = rng.choice(self._errors, size=(len(self._errors), k))
        if self._terms:
            drawn = drawn + self._effects(k, rng)
        return np.asarray(self._hat.residuals(drawn) / self._root[:, None])


class _Generalized(_Drawn):
    """Responses are drawn at the fitted means, and fitted values move from there as in one step."""

    def __init__(self, m: FittedModel) -> None:
        super().__init__(m)
        self._m = m
        self._source: ResponseModel = response_model(m, keep_effects=True)
        self._mu = np.asarray(m.fitted, dtype=np.float64)

    def residuals(self, k: int, rng: np.random.Generator) -> FloatArray:
        """Return k sets of residuals (n, k)."""
        m, eta, family = self._m, self._source.eta, family_of(self._m)
        y = np.column_stack([self._source.draw(rng) for _ in range(k)])
        slope = family.derivative(eta)[:, None]
        e = self._root[:, None] * (y - self._mu[:, None]) / slope
        effects = self._effects(k, rng) if self._terms else 0.0
        moved = e - self._hat.residuals(e + effects)
        with np.errstate(divide="ignore", invalid="ignore"):
            shift = np.where(self._root[:, None] > 0.0, moved / self._root[:, None], 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            drawn = residuals_at(m, _kind(m), y.T, family.inverse(eta + shift.T)).T
        # A step may leave the range of means of links such as the identity: those rows stay.
        stayed = residuals_at(m, _kind(m), y.T, self._mu).T
        return np.asarray(np.where(np.isfinite(drawn), drawn, stayed))
