"""Do the parts of a loaded model fit each other? Sizes and codes, checked once after loading."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from mlpool.designs.engine_data import n_covariance
from mlpool.designs.least_squares import AbsorbedOls
from mlpool.designs.row_summaries import facts_of
from mlpool.engine.glmm.types import GlmmFit
from mlpool.engine.residual.types import CorrelationKind
from mlpool.errors import NotSupportedError
from mlpool.files.bounds import damaged
from mlpool.formula.contrast_coding import Contrasts
from mlpool.formula.design import Design
from mlpool.formula.design_matrix import DesignMatrix, FactorPart
from mlpool.models.residual_covariance import ResidualModel
from mlpool.sources.absent_rows import AbsentRows
from mlpool.uncertainty.fit_records import glmm_fit, linear_fit, mixed_fit

if TYPE_CHECKING:
    from mlpool.models import FittedModel

DISPERSIONS = ("strata", "linear", "power", "constpower")
"""Kinds of dispersion terms."""

KINDS = ("boolean", "factor")
"""Kinds of variables with levels."""


def check_model(m: FittedModel) -> None:
    """Raise a sentence unless a model's sizes fit.

    Raises
    ------
    ModelFileError
        Naming the part that does not.
    """
    _check_design(m.design)
    _check_fit(m)
    if m.kind != "gls" and m.is_mixed != (m.kind in ("lmer", "glmer")):
        raise damaged(f"its formula is not that of a model of kind {m.kind}")
    if (m.family is None) != (m.kind in ("lm", "lmer", "gls")):
        raise damaged(f"its family is not that of a model of kind {m.kind}")
    if m.is_mixed:
        _check_random(m)
    if isinstance(m, ResidualModel):
        _check_residual(m)
    _check_choice(m)
    _check_facts(m)


def _is(ok: bool, what: str) -> None:
    if not ok:
        raise damaged(f"{what} does not fit the rest of the model")


def _has_shape(array: Any, *shape: int) -> bool:
    return tuple(array.shape) == shape


def _check_design(design: Design) -> None:
    n = _rows_of(design.y)
    for name in ("trials", "weights", "offset"):
        array = getattr(design, name)
        _is(array is None or _has_shape(array, n), f"its part '{name}'")
    _is(len(design.index) == n, "its part 'index'")
    kept = design.kept
    _is(kept is None or _has_shape(kept, design.n_read), "its part 'kept'")
    if isinstance(kept, np.ndarray):
        _is(int(kept.sum()) == n, "its part 'kept'")
    _is(kept is not None or design.n_read == n, "its part 'n_read'")
    _is(design.frame.n_rows == design.n_read, "its part 'frame'")
    _check_matrix(design.X, n, "its part 'X'")
    for random in design.random:
        _check_matrix(random.z, n, f"the columns of {random.bar.label}")
        _check_codes(random.codes, n, len(random.levels), f"the levels of {random.group!r}")
    for codes, levels, name in design.cluster:
        _check_codes(codes, n, len(levels), f"the cluster {name!r}")


def _rows_of(y: Any) -> int:
    _is(len(y.shape) == 1, "its part 'y'")
    return int(y.shape[0])


def _check_matrix(matrix: DesignMatrix, n: int, what: str) -> None:
    width = int(matrix.intercept)
    for parts in matrix.terms:
        _is(bool(parts), what)
        width += math.prod(part.width for part in parts)
        for part in parts:
            _check_part(part, n, what)
    _is(matrix.n == n and width == len(matrix.columns), what)


def _check_part(part: Any, n: int, what: str) -> None:
    if not isinstance(part, FactorPart):
        _is(all(_has_shape(array, n) for array in part.arrays), what)
        return
    coding = part.coding
    if isinstance(coding, Contrasts):
        _is(coding.matrix.ndim == 2, what)
        levels = coding.matrix.shape[0]
    else:
        levels = coding.n_levels
        _is(-1 <= coding.left_out < levels, what)
    _check_codes(part.codes, n, levels, what)


def _check_codes(codes: Any, n: int, n_levels: int, what: str) -> None:
    _is(_has_shape(codes, n), what)
    if not isinstance(codes, AbsentRows) and n:
        _is(int(codes.min()) >= 0 and int(codes.max()) < n_levels, what)


def _check_fit(m: FittedModel) -> None:
    fit, width = m.fit, m.design.X.shape[1]
    if isinstance(fit, AbsorbedOls):
        _check_absorbed(fit)
        p = fit.at.column.size
    else:
        p = fit.beta.size
        _is(_has_shape(fit.beta, p) and _has_shape(fit.kept, p), "its part 'beta'")
        kept = fit.kept
        _is(p == 0 or (int(kept.min()) >= 0 and int(kept.max()) < width), "the list of columns")
        vcov = glmm_fit(m).vcov_conditional if m.kind == "glmer" else linear_fit(m).vcov_unscaled
        _is(_has_shape(vcov, p, p), "the covariance of the coefficients")
    _is(p <= width and fit.n >= 1, "its part 'n'")
    for name in ("fitted", "fitted_fixed", "scale", "working_weights", "working_resid"):
        array = getattr(fit, name, None)
        _is(array is None or _has_shape(array, m.design.n), f"its part '{name}'")


def _check_absorbed(fit: Any) -> None:
    one, at = fit.solution, fit.at
    what = "the absorbed factor"
    _is(one.effects.ndim == 2 and one.beta.ndim == 1, what)
    (n_levels, q), p, count = one.effects.shape, one.beta.size, at.column.size
    _is(_has_shape(one.A_inverse, n_levels, q, q), what)
    _is(_has_shape(one.P, n_levels, q, p), what)
    _is(_has_shape(one.Phi, p, p), what)
    limits = ((at.common, p), (at.column, q), (at.plus, n_levels), (at.minus, n_levels))
    for array, limit in limits:
        _is(_has_shape(array, count), what)
        _is(count == 0 or (int(array.min()) >= -1 and int(array.max()) < limit), what)


def _check_random(m: FittedModel) -> None:
    fit, random = mixed_fit(m), m.design.random
    sizes = [(len(r.levels), r.z.shape[1]) for r in random]
    _is(fit.theta.ndim == 1, "theta")
    _is(fit.theta.size == sum(k * (k + 1) // 2 for _, k in sizes), "theta")
    held = fit.cond_cov() if callable(fit.cond_cov) else fit.cond_cov
    _is(len(fit.b) == len(sizes) == len(held), "the random effects")
    for b, covariances, (count, k) in zip(fit.b, held, sizes, strict=True):
        _is(_has_shape(b, count, k), "the random effects")
        _is(_has_shape(covariances, count, k, k), "the random effects")
    if isinstance(fit, GlmmFit):
        found = fit.inference()
        _is(_has_shape(found.vcov, fit.beta.size, fit.beta.size), "the second derivatives")
        _is(found.hessian.ndim == 2, "the second derivatives")
        _check_scores(fit, [count for count, _ in sizes], n_covariance(m.design))


def _check_scores(fit: GlmmFit, counts: list[int], n_parameters: int) -> None:
    """Check the levels' scores of a model that was saved with its rows."""
    try:
        scores = fit.scores()
    except NotSupportedError:  # left out with the rows
        return
    width = n_parameters + fit.beta.size
    for one in scores:
        _is(0 <= one.term < len(counts), "the scores of the levels")
        _is(one.values.ndim == 2 and one.values.shape[1] >= width, "the scores of the levels")
        _is(one.values.shape[0] == counts[one.term], "the scores of the levels")


def _check_residual(m: ResidualModel) -> None:
    """Check the parameters of a residual covariance and what they are called."""
    fit, facts, term = m.fit, facts_of(m), m.structure.correlation
    what = "the residual structure"
    _is(term is None or term.kind in get_args(CorrelationKind), what)
    _is(
        all(
            one.kind in DISPERSIONS and (one.columns or one.of_fitted)
            for one in m.structure.dispersion
        ),
        what,
    )
    for name in ("correlation", "variance", "parameters"):
        _is(getattr(fit, name).ndim == 1, what)
    names = facts.get("residual_names")
    if names is not None:
        _is(len(names.correlation) == fit.correlation.size, what)
        _is(len(names.variance) == fit.variance.size, what)
        _is(names.kind == ("" if term is None else term.kind), what)
        _is(names.n_points >= (2 if names.kind == "cs" else 0), what)
    p, k = fit.beta.size, fit.parameters.size + 1
    if "kenward_roger_vcov" in facts:
        _is(_has_shape(facts["kenward_roger_vcov"], p, p), "the covariance of the coefficients")
    if "information_of_residuals" in facts:
        info = facts["information_of_residuals"]
        sizes = [(info.beta, (p,)), (info.Phi, (p, p)), (info.C, (k, k)), (info.dPhi, (k, p, p))]
        _is(all(_has_shape(array, *shape) for array, shape in sizes), "the information")
        _is(info.scale.values.shape == info.scale.se.shape, "the information")
        rows = sum(r.z.shape[1] * (r.z.shape[1] + 1) // 2 for r in m.design.random) + 1
        _is(_has_shape(info.scale.se, rows + fit.correlation.size + fit.variance.size), "the scale")


def _check_choice(m: FittedModel) -> None:
    choice = m.vcov_choice
    if choice is None:
        return
    p = len(m.fit.kept)
    _is(choice.matrix is None or _has_shape(choice.matrix, p, p), "the covariance given")
    _is(len(choice.clusters) == len(choice.n_clusters), "the clusters")
    for codes, count in zip(choice.clusters, choice.n_clusters, strict=True):
        _check_codes(codes, m.design.n, count, "the clusters")


def _check_facts(m: FittedModel) -> None:
    p, facts = len(m.fit.kept), facts_of(m)
    if "fitted_vcov" in facts:
        _is(_has_shape(facts["fitted_vcov"], p, p), "the robust covariance")
    if "usual_profile_intervals" in facts:
        _is(_has_shape(facts["usual_profile_intervals"], p, 2), "the profile intervals")
    if "residual_lines" in facts:
        _is(len(facts["residual_lines"][0]) == len(facts["residual_lines"][1]), "the residuals")
    if "design_moments" in facts:
        found = facts["design_moments"]
        _is(_has_shape(found.cov_X, p, p), "the moments of the design")
        sizes = [(r.z.shape[1],) * 2 for r in m.design.random]
        _is([zz.shape for zz in found.mean_zz] == sizes, "the moments of the design")
    for name, one in facts.get("variable_summaries", {}).items():
        _is(one.name == name, "the variables")
        counted = len(one.quantiles) == 7 if one.kind == "numeric" else one.kind in KINDS
        _is(
            counted and (one.is_group or one.kind == "numeric" or bool(one.levels)), "the variables"
        )
    if "information" in facts:
        found = facts["information"]
        _is(found.P.ndim == 3, "the information")
        k = found.P.shape[0]
        _is(_has_shape(found.beta, p) and _has_shape(found.Phi, p, p), "the information")
        _is(_has_shape(found.P, k, p, p) and _has_shape(found.Q, k, k, p, p), "the information")
        for name in ("expected_reml", "expected_ml", "observed"):
            _is(_has_shape(getattr(found, name), k, k), "the information")
        _is(_has_shape(found.gradient, k), "the information")
        _is(found.basis is None or _has_shape(found.basis, p, p), "the information")
        sizes = [lam.shape for lam in found.lams]
        for maps in (found.slopes, found.turns):
            _is(maps is None or [T.shape for T in maps] == sizes, "the information")
