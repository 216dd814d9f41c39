"""How groups differ: the random effects' standard deviations and correlations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlpool.models import GeneralizedLinearMixedModel
from mlpool.models.extractors.varcorr_block import VarCorrBlock
from mlpool.models.mixed_model import has_effects
from mlpool.reporting.words import listed
from mlpool.tables.cells import format_number

if TYPE_CHECKING:
    from mlpool.models import FittedModel


def random_sentences(m: FittedModel, digits: int) -> str:
    """Say the SDs and correlations of every term, and the residual SD; empty without groups."""
    if not has_effects(m):
        return ""
    varcorr = m.varcorr()
    texts = [_block(block, m.ngroups[block.group], digits) for block in varcorr.blocks]
    text = " ".join(texts)
    if m.family is not None:
        text = f"On the {m.family.link} scale, {text[0].lower()}{text[1:]}"
    if varcorr.sigma is not None:
        name = "residual SD" if m.family is None else "square root of the dispersion"
        text += f" The {name} is {format_number(varcorr.sigma, digits)}."
    elif isinstance(m, GeneralizedLinearMixedModel) and m.family.is_negative_binomial:
        text += f" Theta of the negative binomial is {format_number(m.dispersion, digits)}."
    return text


def _block(block: VarCorrBlock, n_levels: int, digits: int) -> str:
    sds = [format_number(float(sd), digits) for sd in block.sd]
    if block.structure is not None and block.structure.is_homogeneous:
        return (
            f"Between the {n_levels} levels of {block.group} the coefficients of "
            f"{listed(list(block.names))} have an SD of {sds[0]}{_correlations(block, digits)}."
        )
    first, *others = [_name(name) for name in block.names]
    parts = [f"{first} has an SD of {sds[0]}"]
    parts += [f"{name} one of {sd}" for name, sd in zip(others, sds[1:], strict=True)]
    return (
        f"Between the {n_levels} levels of {block.group} {listed(parts)}"
        f"{_correlations(block, digits)}."
    )


def _name(name: str) -> str:
    return "the intercept" if name == "(Intercept)" else f"the coefficient of {name}"


def _correlations(block: VarCorrBlock, digits: int) -> str:
    k = len(block.names)
    if block.structure is not None and np.isfinite(block.rho):
        rho = format_number(block.rho, digits, zap_small=True)
        beside = " between neighbours" if block.structure.kind == "ar1" else ""
        return "" if block.structure.kind == "diag" else f", with a correlation of {rho}{beside}"
    pairs = [(i, j) for i in range(k) for j in range(i) if np.isfinite(block.cor[i, j])]
    if not pairs:
        return ""
    values = [format_number(float(block.cor[i, j]), digits, zap_small=True) for i, j in pairs]
    if k == 2:
        return f", with a correlation of {values[0]}"
    named = [
        f"{value} of {block.names[j]} and {block.names[i]}"
        for value, (i, j) in zip(values, pairs, strict=True)
    ]
    return f", with correlations {listed(named)}"
