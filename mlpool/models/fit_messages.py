"""What is said about a fit: one sentence each, at the user's own line."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from mlpool.designs.row_summaries import fact, same_by_counts
from mlpool.engine.glm.mean_range import is_on_the_edge
from mlpool.engine.types import OlsFit
from mlpool.errors import (
    ConvergenceWarning,
    FitError,
    MissingDataWarning,
    MlpoolWarning,
    RankDeficiencyWarning,
    ScalingWarning,
    SingularFitWarning,
    brief,
    user_level,
)
from mlpool.families import COUNTS, Family
from mlpool.formula.design import Design
from mlpool.sources.design import PushedDesign
from mlpool.typing import FloatArray
from mlpool.uncertainty.covariance import VcovChoice
from mlpool.uncertainty.covariance_warnings import say_few_clusters

if TYPE_CHECKING:
    from mlpool.engine.types import Diagnostic
    from mlpool.models.fitted import FittedModel

ORDERED = "ordered"
"""Key of a pandas frame's ``attrs``: columns whose order is meant, as ``load_data`` sets it."""

SEPARATION_SE = 50.0
"""Standard error of a typical row's predictor, on a link scale that has no unit (logits, probits,
logarithms), that no identified direction of the coefficients has."""
_MOST = 0.5
"""Share of a coefficient's variance along flat directions from which it runs to infinity; an
intercept far from the data has a large variance of its own."""
_SEPARABLE = ("logit", "probit", "cloglog", "cauchit", "log")
"""Links that put a mean of zero (or one) at infinity; others keep coefficients finite."""
_SEPARATION_ROWS = 1 << 16
WHOLE = 1e-3
"""Distance to a whole number of successes that R lets pass (``binomial()$initialize``)."""


_SLOPING = "the deviance still slopes where the search ended"
"""What is said of a gradient that is not zero."""


def say_what_was_left_out(design: Design, *, is_mixed: bool, is_linear: bool) -> None:
    """Warn of rows with missing values and of a constant response.

    Raises
    ------
    FitError
        If the response of a mixed model is constant.
    """
    if design.n_missing:
        names = ", ".join(f"{k}: {v}" for k, v in design.missing_by.items() if v)
        warnings.warn(
            f"{design.n_missing} of {design.n_read} rows were left out because of missing values "
            f"({names}).",
            MissingDataWarning,
            stacklevel=user_level(),
        )
    _say_polynomials(design)
    if is_linear and _is_constant(design):
        text = f"The response {brief(design.response_name)} is constant"
        if is_mixed:
            raise FitError(f"{text}; there is no variance to explain.")
        warnings.warn(f"{text}.", RankDeficiencyWarning, stacklevel=user_level())


def _is_constant(design: Design) -> bool:
    """Tell whether every response is the same."""
    if isinstance(design, PushedDesign):
        return design.has_constant_response
    return bool((design.y == design.y[0]).all())


def _say_polynomials(design: Design) -> None:
    """Warn of ordered categories that nobody asked to be coded as polynomials.

    pandas orders what ``cut``, ``qcut`` and ``read_stata`` give, R does not. Categories of bundled
    data were ordered by R's own authors.
    """
    meant = {
        *design.encoding.contrasts,
        *getattr(design.frame.native, "attrs", {}).get(ORDERED, ()),
    }
    matrices = [design.X, *(r.z for r in design.random)]
    parts = [p for m in matrices for c in m.columns for p in c.parts]
    texts = dict.fromkeys(
        p.text for p in parts
        if p.kind == "ordered" and not p.function and p.variable not in meant
        and p.label.startswith((".", "^"))
    )  # fmt: skip
    if texts:
        first = next(iter(texts))
        warnings.warn(
            f"Ordered categories ({', '.join(texts)}) enter as polynomials: .L is the linear, .Q "
            f"the quadratic trend over the levels, as of R's ordered factors. Write "
            f"factor({first}, ordered = FALSE) for differences from the first level, or "
            f"ordered({first}) to say that trends are meant.",
            MlpoolWarning,
            stacklevel=user_level(),
        )


def say_what_was_found(
    messages: list[tuple[str, type[Warning]]], choice: VcovChoice | None
) -> None:
    """Warn of findings, and of few clusters behind robust standard errors."""
    for text, category in messages:
        warnings.warn(text, category, stacklevel=user_level())
    if choice is not None:
        say_few_clusters(choice)


def is_separated(design: Design, record: OlsFit, family: Family | None) -> bool:
    """Tell whether coefficients of a GLM run to infinity."""
    return bool(separated_columns(design, _with_vcov(record), family))


def say_broken_weights(design: Design, family: Family) -> None:
    """Warn of weights of 0/1 responses that are not whole, as R does of ``#successes``."""
    weights = design.weights
    if family.name != "binomial" or weights is None:
        return
    hits = weights * design.y * (1.0 if design.trials is None else design.trials)
    if np.any(np.abs(hits - np.rint(hits)) > WHOLE * np.maximum(1.0, hits)):
        warnings.warn(
            "weights= give some binomial responses a number of successes that is not whole (R warns"
            " of non-integer #successes): they multiply log-likelihoods, and standard errors of "
            "survey weights need vcov='HC1' or cluster=.",
            MlpoolWarning,
            stacklevel=user_level(),
        )


def fit_messages(
    design: Design, record: Any, family: Family | None = None
) -> list[tuple[str, type[Warning]]]:
    """Return what a user should know about a fit: aliased columns, then the worst finding."""
    found: list[tuple[str, type[Warning]]] = []
    kept = set(int(i) for i in record.kept)
    dropped = [n for i, n in enumerate(design.X.names) if i not in kept]
    if dropped:
        shown = ", ".join(dropped[:5]) + (", ..." if len(dropped) > 5 else "")
        noun = "column" if len(dropped) == 1 else "columns"
        found.append(
            (
                f"The fixed effects are rank deficient: dropped {len(dropped)} {noun} that "
                f"others determine ({shown}).",
                RankDeficiencyWarning,
            )
        )
    with_vcov = _with_vcov(record) if isinstance(record, OlsFit) else record
    separated = separated_columns(design, with_vcov, family)
    if separated:
        found.append((_separation_text(design, with_vcov, separated), ConvergenceWarning))
        return found
    if isinstance(record, OlsFit) and family is not None:
        found += _iterations_text(record, family)
    diagnostics = getattr(record, "diagnostics", ())
    for d in diagnostics[:1]:
        if d.code == "singular":
            found.append((_singular_text(d), SingularFitWarning))
        elif d.code == "poisson_limit":
            found.append((f"{d.hint[0].upper()}{d.hint[1:]}.", ConvergenceWarning))
        elif d.code == "boundary":
            found.append((d.hint, SingularFitWarning))
        elif d.code == "monte_carlo":
            found.append((_probes_text(d), ConvergenceWarning))
        elif d.code in ("scale", "nearly_unidentified"):
            found.append((d.hint, ScalingWarning))
        else:
            found.append(
                (
                    f"The fit did not converge: {d.hint or _SLOPING}; see m.optimum and control=.",
                    ConvergenceWarning,
                )
            )
    return found


def _iterations_text(record: OlsFit, family: Family) -> list[tuple[str, type[Warning]]]:
    """Say that a GLM's iterations did not converge, or ended on the edge of the family's range."""
    if not record.converged:
        text = (
            "The iterations of the GLM did not converge; a coefficient may be infinite (outcomes "
            "that a predictor separates completely)."
        )
    elif is_on_the_edge(family, record.fitted):
        text = (
            f"Some means of the {family} model lie on the edge of the family's range (R's "
            "'algorithm stopped at boundary value'): the estimate is the best there is, but its "
            "standard errors are not to be trusted."
        )
    else:
        return []
    return [(text, ConvergenceWarning)]


def separated_columns(design: Design, record: Any, family: Family | None) -> list[str]:
    """Return the coefficients that run to infinity, by their enormous standard errors.

    Where a predictor tells outcomes apart completely the likelihood is flat towards infinity: in
    that direction a typical row's predictor has a standard error far beyond what any link can tell
    apart. The direction decides, not the coefficient: an intercept far from the data (calendar
    years) has a large standard error in the best of models.
    """
    vcov = getattr(record, "vcov_conditional", None)
    if vcov is None or not _can_separate(family):
        return []
    n = min(design.n, _SEPARATION_ROWS)
    columns = design.X.rows(0, n)[:, record.kept]
    share = _flat_share(columns, vcov)
    if share is None:
        return []
    spread = columns.std(axis=0)
    # A column of ones, or one that varies further down, counts with its own size.
    spread = np.where(spread > 0, spread, np.abs(columns).max(axis=0, initial=0.0))
    errors = np.sqrt(np.abs(np.diag(vcov))) * spread
    names = [design.X.names[i] for i in record.kept]
    runs = ~(errors < SEPARATION_SE) & ~(share < _MOST)
    return [name for name, is_flat in zip(names, runs, strict=True) if is_flat]


def _can_separate(family: Family | None) -> bool:
    """Whether means of zero or one are possible responses, and infinitely far on the link."""
    return family is not None and family.kin in ("binomial", *COUNTS) and family.link in _SEPARABLE


def _flat_share(columns: FloatArray, vcov: FloatArray) -> FloatArray | None:
    """Return the share (p,) of each coefficient's variance along flat directions, None without any.

    The eigenvalues of R V R', with R'R the mean square of the rows, are the variances of
    ``x'beta`` along directions of unit mean square: they know neither units nor origins. Of a flat
    one they are beyond all bounds.
    """
    if not vcov.size:
        return None
    root = np.linalg.qr(columns, mode="r") / np.sqrt(len(columns))
    variances = root @ vcov @ root.T
    if not np.all(np.isfinite(variances)):
        return np.ones(len(vcov))
    values, vectors = np.linalg.eigh((variances + variances.T) / 2)
    flat = ~(values < SEPARATION_SE**2)
    if not flat.any():
        return None
    # kept columns are independent, of any units: NumPy's cut-off is rounding
    parts = np.linalg.lstsq(root, vectors, rcond=None)[0] ** 2 * np.abs(values)
    return np.asarray(parts[:, flat].sum(axis=1) / parts.sum(axis=1))


@same_by_counts
@fact("glm", "glmer")
def separated_coefficients(m: FittedModel) -> tuple[str, ...]:
    """Return the coefficients of a fitted model that run to infinity."""
    record = _with_vcov(m.fit) if m.kind == "glm" else m.fit
    return tuple(separated_columns(m.design, record, m.family))


@same_by_counts
@fact("glm", "glmer")
def separation(m: FittedModel) -> str:
    """Return how far outcomes are separated: "", "quasi-complete" or "complete"."""
    if not separated_coefficients(m):
        return ""
    return _how_far(m.design, _with_vcov(m.fit) if m.kind == "glm" else m.fit)


def _how_far(design: Design, record: Any) -> str:
    """Return "complete" if every row's predictor runs to infinity (Albert & Anderson 1984).

    Rows on the border between outcomes keep a finite predictor, known to a few units: there are
    some outcomes that the columns do not tell apart.
    """
    n = min(design.n, _SEPARATION_ROWS)
    columns = design.X.rows(0, n)[:, record.kept]
    variances = np.einsum("ij,jk,ik->i", columns, record.vcov_conditional, columns)
    return "quasi-complete" if np.any(variances < SEPARATION_SE**2) else "complete"


def _with_vcov(record: Any) -> Any:
    """Return a GLM's record as that of a mixed model: with its covariance and its columns."""
    vcov = record.vcov_unscaled * record.dispersion
    return SimpleNamespace(vcov_conditional=vcov, kept=record.kept)


def _separation_text(design: Design, record: object, names: list[str]) -> str:
    shown = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
    verb = "runs" if len(names) == 1 else "run"
    noun = "coefficient" if len(names) == 1 else "coefficients"
    how = _how_far(design, record)
    which = "outcomes" if how == "complete" else "some outcomes"
    return (
        f"The {noun} {shown} {verb} to infinity: {how} separation, because {which} of "
        f"{brief(design.response_name)} can be told apart by these columns without error. "
        "Drop or merge "
        "them (a level with one outcome only, say); numbers shown are where the search stopped."
    )


def _probes_text(d: Diagnostic) -> str:
    return (
        f"The iterative solver's Monte Carlo error is {d.value:.2g} times what was asked for; "
        "control={'solver': 'cholesky'} has none, where a dense block fits in memory."
    )


def _singular_text(d: Diagnostic) -> str:
    smallest = f"smallest diagonal of theta {d.value:.2g}"
    if d.hint:
        return f"boundary (singular) fit by lme4's rule ({smallest}), but {d.hint}."
    return (
        "boundary (singular) fit: a random-effects variance is zero or a correlation is +-1 "
        f"({smallest}); a simpler random part may do."
    )
