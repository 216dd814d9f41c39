"""arm's ``display()``: estimates and errors with two decimals, and little else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlpool.argument_values import whole_number
from mlpool.designs.row_summaries import fact, same_by_counts
from mlpool.floating_point import usual_floats
from mlpool.models import MixedModel
from mlpool.models.argument_checks import check_model
from mlpool.refits.reduced_models import by_ml
from mlpool.summaries.r_matrices import matrix_text
from mlpool.uncertainty.fit_records import ols_fit

if TYPE_CHECKING:
    from mlpool.models import FittedModel


class Text(str):
    """Text that prompts and notebooks show as it is printed, lines and all."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


@usual_floats
def display(m: FittedModel, digits: int = 2) -> Text:
    """Return the text of arm's ``display(m)`` (Gelman & Hill 2007).

    Of a REML fit, `deviance` is that of the fit by maximum likelihood to the same rows and
    ``DIC = 2 deviance - REML criterion``, as in arm.

    Parameters
    ----------
    m : FittedModel
    digits : int
        Decimals.
    """
    check_model(m, "display()")
    digits = whole_number(digits, "digits", least=0, most=15)
    cells = [[f"{b:.{digits}f}", f"{s:.{digits}f}"] for b, s in zip(m.fixef(), m.se, strict=True)]
    lines = [m.call, matrix_text(cells, ["coef.est", "coef.se"], m.names, right=True)]
    if isinstance(m, MixedModel):
        lines += _mixed_lines(m, digits)
    elif m.kind == "lm":
        total = ols_fit(m).null_deviance
        r2 = 1 - ols_fit(m).rss / total if total > 0 else float("nan")
        lines += [
            "---",
            f"n = {m.nobs}, k = {len(m.names)}",
            f"residual sd = {m.sigma:.{digits}f}, R-Squared = {r2:.2f}",
        ]
    else:
        null = ols_fit(m).null_deviance
        lines += [
            "---",
            f"  n = {m.nobs}, k = {len(m.names)}",
            f"  residual deviance = {m.deviance:.1f}, null deviance = {null:.1f} "
            f"(difference = {null - m.deviance:.1f})",
        ]
    return Text("\n".join(lines))


def _mixed_lines(m: MixedModel, digits: int) -> list[str]:
    varcorr = m.varcorr()
    rows = []
    for block in varcorr.blocks:
        for i, name in enumerate(block.names):
            cor = [f"{block.cor[i, j]:.{digits}f}" for j in range(i)]
            rows.append(
                [block.group if i == 0 else "", name, f"{block.sd[i]:.{digits}f}", " ".join(cor)]
            )
    if varcorr.sigma is not None:
        rows.append(["Residual", "", f"{varcorr.sigma:.{digits}f}", ""])
    has_cor = any(r[3] for r in rows)
    header = ["Groups", "Name", "Std.Dev."] + (["Corr"] if has_cor else [])
    cells = [r if has_cor else r[:3] for r in rows]
    groups = "; ".join(f"{g}, {k}" for g, k in m.ngroups.items())
    deviance = display_deviance(m)
    dic = 2 * deviance - m.criterion if m.reml else deviance
    return [
        "",
        "Error terms:",
        matrix_text(cells, header, [""] * len(cells), right=False),
        "---",
        f"number of obs: {m.nobs}, groups: {groups}",
        f"AIC = {m.aic:.1f}, DIC = {dic:.1f}",
        f"deviance = {deviance:.1f} ",
    ]


@same_by_counts
@fact("lmer", "glmer")
def display_deviance(m: FittedModel) -> float:
    """Return the deviance that display() prints: of a linear mixed model, that of its ML fit."""
    return float(by_ml(m).deviance)
