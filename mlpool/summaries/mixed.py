"""``print``, ``summary`` and ``VarCorr`` of ``lmer`` as lme4 (and lmerTest) print them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlpool.argument_values import flag
from mlpool.hypotheses.linear_combinations import contrast_inference
from mlpool.inference.wald import wald
from mlpool.summaries.r_matrices import coefficient_text, matrix_text, vector_text
from mlpool.summaries.r_numbers import abbreviate, format_numbers, format_one
from mlpool.summaries.residuals import quantile_text
from mlpool.summaries.summary_text import Summary
from mlpool.typing import FloatArray
from mlpool.uncertainty.covariance import robust_source
from mlpool.uncertainty.small_sample import denominator_df

if TYPE_CHECKING:
    from mlpool.models import FittedModel, LinearMixedModel, MixedModel
    from mlpool.models.extractors.random_effects import VarCorr
    from mlpool.models.extractors.varcorr_block import VarCorrBlock

_DIGITS = 4
BOTH = ("Variance", "Std.Dev.")
"""What summaries show of random effects."""
_MOST_CORRELATIONS = 20
"""lme4 leaves the correlations of more fixed effects than this out."""


def print_mixed(m: LinearMixedModel) -> str:
    """Return lme4's ``print(m)``."""
    lines = [*_title(m, ""), criterion_line(m, summary=False)]
    lines += ["Random effects:", varcorr_text(m.varcorr(), digits=_DIGITS), size_line(m)]
    lines += [
        "Fixed Effects:",
        vector_text(m.names, format_numbers(list(m.fixef()), _DIGITS), gap=2),
    ]
    return "\n".join(lines + warning_lines(m, summary=False))


def summarise_mixed(
    m: LinearMixedModel, ddf: str | None = None, correlation: bool | None = None
) -> Summary:
    """Return lme4's ``summary(m)``; with `ddf` lmerTest's, with df and p-values.

    Parameters
    ----------
    m : LinearMixedModel
    ddf : {None, "satterthwaite", "kenward"}
    correlation : bool, optional
        Whether to print the correlations of the fixed effects; None: up to 20 of them.
    """
    table, header, note = _table(m, ddf)
    lines = [*_title(m, note), "", criterion_line(m, summary=True), "", "Scaled residuals: "]
    lines += [
        quantile_text(m, _DIGITS),
        "",
        "Random effects:",
    ]
    lines += [varcorr_text(m.varcorr(), digits=_DIGITS, comp=BOTH), size_line(m), ""]
    lines += [
        "Fixed effects:",
        coefficient_text(
            table, m.names, header, digits=_DIGITS, n_estimates=3 if ddf else 2, has_p=bool(ddf)
        ),
    ]
    p = len(m.names)
    correlation = None if correlation is None else flag(correlation, "correlation")
    if p > 1 and (correlation or (correlation is None and p <= _MOST_CORRELATIONS)):
        lines += ["", "Correlation of Fixed Effects:", correlation_text(m)]
    if m.vcov_choice is not None:
        lines += ["", f"Standard errors: {robust_source(m.vcov_choice)}"]
    said = warning_lines(m, summary=True)
    return Summary(
        text="\n".join(lines + said) + "\n" * bool(said),
        coefficients=pd.DataFrame(table, index=m.names, columns=header),
        sigma=m.sigma,
        varcor=m.varcorr(),
        ngrps=dict(m.ngroups),
    )


def varcorr_text(varcorr: VarCorr, digits: int = 5, *, comp: Sequence[str] = ("Std.Dev.",)) -> str:
    """Return the random-effects block: Groups, Name, [Variance,] Std.Dev., Corr."""
    blocks = [_printed(b) for b in varcorr.blocks]
    sds = np.concatenate([b.sd for b in blocks])
    all_sds = np.append(sds, varcorr.sigma) if varcorr.sigma is not None else sds
    groups = list(varcorr.labels)
    labels = [
        g if i == 0 else "" for b, g in zip(blocks, groups, strict=True) for i in range(len(b.sd))
    ]
    names = [n for b in blocks for n in b.names]
    if varcorr.sigma is not None:
        labels.append("Residual")
        names.append("")
    columns = [labels, names]
    header = ["Groups", "Name"]
    for name, values in (("Variance", all_sds**2), ("Std.Dev.", all_sds)):
        if name in comp:
            columns.append(format_numbers(list(values), digits))
            header.append(name)
    widest = max(2 if _one_correlation(b) else len(b.sd) for b in blocks)
    if widest > 1:
        corr = _correlations(blocks, max(2, digits - 2), widest, len(labels))
        columns += corr
        header += ["Corr"] + [""] * (widest - 2)
    cells = [list(row) for row in zip(*columns, strict=True)]
    return matrix_text(cells, header, [""] * len(cells), right=False)


def _one_correlation(block: VarCorrBlock) -> bool:
    """Tell whether a term has one correlation for all pairs of effects."""
    return block.structure is not None and block.structure.kind != "diag"


def _printed(block: VarCorrBlock) -> VarCorrBlock:
    """Return a term as R prints it: effects that share their SD have one line."""
    if block.structure is None or not block.structure.is_homogeneous:
        return block
    return replace(block, sd=block.sd[:1], names=block.names[:1])


def _correlations(blocks: Any, digits: int, widest: int, rows: int) -> list[list[str]]:
    columns = [[""] * rows for _ in range(widest - 1)]
    at = 0
    for block in blocks:
        if _one_correlation(block):
            columns[0][at] = f"{block.rho:.{digits}f} ({block.structure.name})"
        for i in range(len(block.sd) if block.structure is None else 0):
            for j in range(i):
                value = block.cor[i, j]
                columns[j][at + i] = "NaN" if np.isnan(value) else f"{value:.{digits}f}"
        at += len(block.sd)
    for column in columns:
        width = max(len(c) for c in column)
        column[:] = [c.rjust(width) if c else c for c in column]
    return columns


def _title(m: FittedModel, note: str) -> list[str]:
    how = "REML" if m.reml else "maximum likelihood "
    kind = "lmerModLmerTest" if note else "lmerMod"
    return [f"Linear mixed model fit by {how}{note} ['{kind}']", *model_lines(m)]


def model_lines(m: FittedModel) -> list[str]:
    """Return the lines of formula and data."""
    lines = [f"Formula: {m.formula.text}", "   Data: data"]
    if m.design.weights is not None:
        lines.append("Weights: weights")
    if m.design.offset is not None and not m.formula.offsets:
        lines.append(" Offset: offset")
    if m.design.frame.n_rows != m.design.n and m.n_missing == 0:
        lines.append(" Subset: subset")
    return lines


def criterion_line(m: MixedModel, *, summary: bool) -> str:
    """Return the REML criterion, or the criteria of a fit by maximum likelihood."""
    if m.reml:
        value = format_one(round(m.criterion, 1) if summary else m.criterion, 7)
        return f"REML criterion at convergence: {value}"
    values = [m.aic, m.bic, m.loglik, m.criterion]
    names = ["AIC", "BIC", "logLik", "deviance", "df.resid"]
    cells = format_numbers([round(v, 1 if summary else 4) for v in values], 7)
    return vector_text(names, [c.strip() for c in cells] + [str(m.df_residual)])


def size_line(m: FittedModel) -> str:
    """Return the line of numbers of rows and groups."""
    groups = "; ".join(f"{g}, {k}" for g, k in m.ngroups.items())
    return f"Number of obs: {m.nobs}, groups:  {groups}"


def _table(m: LinearMixedModel, ddf: str | None) -> tuple[FloatArray, list[str], str]:
    b, se = m.fixef().to_numpy(), m.se.to_numpy()
    if ddf is None:
        return np.column_stack([b, se, b / se]), ["Estimate", "Std. Error", "t value"], ""
    df, se, note = denominator_df(m, ddf)
    if m.vcov_choice is not None:
        parts = contrast_inference(m, np.eye(len(b)), ci_method=ddf)
        df, se = parts.df, parts.se
    w = wald(b, se, df)
    header = ["Estimate", "Std. Error", "df", "t value", "Pr(>|t|)"]
    return np.column_stack([b, se, df, w.statistic, w.p]), header, f". t-tests use {note} method"


def correlation_text(m: FittedModel) -> str:
    """Return the lower triangle of the fixed effects' correlations."""
    vcov = m.vcov().to_numpy()
    sd = np.sqrt(np.diag(vcov))
    cor = np.round(vcov / np.outer(sd, sd), 3)
    p = len(sd)
    texts = [f"{v:.3f}" for v in cor.ravel()]
    width = max(map(len, texts))
    cells = [
        [texts[i * p + j].rjust(width) if j < i else "" for j in range(p - 1)] for i in range(1, p)
    ]
    return matrix_text(cells, abbreviate(m.names, 6)[:-1], abbreviate(m.names, 11)[1:], right=False)


def warning_lines(m: FittedModel, *, summary: bool) -> list[str]:
    """Return what R prints about a fit below its text."""
    lines = []
    if m.aliased:
        noun = "column / coefficient" if len(m.aliased) == 1 else "columns / coefficients"
        lines.append(
            "fit warnings:\nfixed-effect model matrix is rank deficient so dropping "
            f"{len(m.aliased)} {noun}"
        )
    if m.is_singular:
        line = "optimizer (nloptwrap) convergence code: 0 (OK)"
        if not summary:
            return [*lines, f"{line} ; 0 optimizer warnings; 1 lme4 warnings "]
        lines += [line, "boundary (singular) fit: see help('isSingular')"]
    return lines
