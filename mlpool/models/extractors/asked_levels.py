"""Random effects of asked levels alone: ``ranef(m, levels={"item": ["a", "b"]})``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from mlpool.engine.lmm.several_factors import LazyCovariances
from mlpool.errors import DataError, OptionError, brief, nearest_names
from mlpool.formula.random_terms import RandomDesign
from mlpool.frames.level_labels import level_label
from mlpool.models.extractors.random_effects import (
    GroupFrames,
    GroupNotFoundError,
    gather_by_group,
)
from mlpool.typing import FloatArray, IntArray

AskedLevels: TypeAlias = Mapping[str, object]
"""Group -> a level, or several."""
Covariances: TypeAlias = tuple[FloatArray, ...] | Callable[[], tuple[FloatArray, ...]]
"""Var(b | y) of every term, or what makes them."""


def effects_of_levels(
    random: Sequence[RandomDesign],
    modes: tuple[FloatArray, ...],
    covariances: Covariances,
    asked: AskedLevels,
) -> GroupFrames:
    """Return the conditional modes and SDs of some levels, in the order asked.

    Parameters
    ----------
    random : sequence of RandomDesign
    modes : tuple of ndarray (n_levels, k_t)
    covariances : tuple of ndarray (n_levels, k_t, k_t), or a function that returns it
    asked : mapping from group to levels

    Raises
    ------
    OptionError
        If `asked` is no mapping.
    GroupNotFoundError, DataError
        If the model has no such group or level.
    """
    if not isinstance(asked, Mapping):
        raise OptionError(
            f"levels must be a dict such as {{{random[0].group!r}: [...]}}; got {brief(asked)}."
        )
    known = {r.group: r.levels for r in random}
    codes = {group: _codes(group, levels, known) for group, levels in asked.items()}
    # groups in the order asked; the terms of one group stay together as in the model
    terms = [t for group in codes for t, r in enumerate(random) if r.group == group]
    blocks = [_of_levels(covariances, t, codes[random[t].group]) for t in terms]
    sds = [np.sqrt(np.clip(np.einsum("jkk->jk", V), 0.0, None)) for V in blocks]
    chosen = [modes[t][codes[random[t].group]] for t in terms]
    groups = [random[t].group for t in terms]
    labels = [[known[group][code] for code in codes[group]] for group in groups]
    names = [random[t].z.names for t in terms]
    return GroupFrames(
        gather_by_group(chosen, groups, labels, names),
        GroupFrames(gather_by_group(sds, groups, labels, names)),
    )


def _of_levels(covariances: Covariances, term: int, levels: IntArray) -> FloatArray:
    if isinstance(covariances, LazyCovariances):
        return covariances.of_levels(term, levels)
    made = covariances() if callable(covariances) else covariances
    return made[term][levels]


def _codes(group: str, asked: object, known: Mapping[str, Sequence[str]]) -> IntArray:
    """Return where the asked levels stand."""
    if group not in known:
        raise GroupNotFoundError(
            f"There is no grouping factor {brief(group)}; this model has: {', '.join(known)}."
            + nearest_names(group, known)
        )
    several = np.atleast_1d(np.asarray(asked, dtype=object)).ravel()
    place = {label: i for i, label in enumerate(known[group])}
    for one in several:
        if level_label(one) not in place:
            raise DataError(
                f"The factor {group} has no level {brief(one)}."
                + nearest_names(level_label(one), known[group])
            )
    return np.array([place[level_label(one)] for one in several], dtype=np.int64)
