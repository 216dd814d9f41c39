"""What a model holds in place of levels and effects that nobody has asked for yet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import overload

import numpy as np
from numpy.typing import DTypeLike

from mlpool.sources.absent_rows import AbsentRows
from mlpool.sources.clusters.effects import ScannedClusters, many_levels, refuse_many
from mlpool.sources.lazy_rows import LazyRows, Native
from mlpool.typing import FloatArray, IntArray


class AskedLevels(Sequence[str]):
    """Labels of levels: how many is known, which is asked when they are looked at.

    Parameters
    ----------
    group : str
    count : int
    clusters : ScannedClusters, optional
        None once the model left the session that fitted it, with more levels than it took along.
    """

    def __init__(self, group: str, count: int, clusters: ScannedClusters | None = None) -> None:
        self._group, self._count, self._clusters = group, count, clusters
        self._found: tuple[str, ...] | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, by a query the first time.

        Raises
        ------
        NotSupportedError
            If there are too many to be brought.
        """
        if self._found is None:
            if self._clusters is None:
                refuse_many(self._group, self._count)
            self._found = self._clusters.levels()
        return self._found

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[str]: ...
    def __getitem__(self, place: int | slice) -> str | Sequence[str]:
        return self.labels[place]

    def __iter__(self) -> Iterator[str]:
        return iter(self.labels)

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        """Take the labels along, unless they are too many: connections do not travel."""
        if self._clusters is None or self._clusters.are_many:
            return AskedLevels, (self._group, self._count)
        return tuple, (self.labels,)


class AskedEffects:
    """Conditional modes and variances of a random intercept, asked for when they are looked at.

    Parameters
    ----------
    clusters : ScannedClusters
    combination : ndarray of shape (k,)
        The residuals as a combination of the distinct columns.
    theta, sigma : float
    """

    def __init__(
        self, clusters: ScannedClusters, combination: FloatArray, theta: float, sigma: float
    ) -> None:
        self.clusters = clusters
        self._at = (combination, theta, sigma)

    @property
    def shape(self) -> tuple[int, int]:
        """Levels, and one column."""
        return self.clusters.count, 1

    @property
    def lazy(self) -> LazyRows:
        """A row per cluster: its key, mode and conditional SD."""
        return self.clusters.effects(*self._at)

    @cached_property
    def _found(self) -> tuple[FloatArray, FloatArray]:
        return self.clusters.modes(self.lazy)

    def modes(self) -> FloatArray:
        """Return the modes (levels, 1)."""
        return self._found[0][:, None]

    def __call__(self) -> tuple[FloatArray, ...]:
        """Return the conditional variances, (levels, 1, 1)."""
        return (self._found[1][:, None, None],)

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        """Take the variances along, unless they are too many."""
        if self.clusters.are_many:
            return tuple, ((_absent(self.clusters, 3),),)
        return tuple, (self(),)


class AskedModes:
    """The modes (levels, 1) of effects that are asked for: an array when it is used as one."""

    def __init__(self, effects: AskedEffects) -> None:
        self.effects = effects
        self.shape = effects.shape

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, place: int | slice | IntArray) -> FloatArray:
        return np.asarray(self.effects.modes()[place])

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> FloatArray:
        return np.asarray(self.effects.modes(), dtype=dtype)

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        """Take the modes along, unless they are too many."""
        if self.effects.clusters.are_many:
            missing = _absent(self.effects.clusters, 2)
            return AbsentRows, (missing.shape, missing.sentence)
        return np.asarray, (self.effects.modes(),)


def _absent(clusters: ScannedClusters, dimensions: int) -> AbsentRows:
    """Return what stands for effects that are too many to travel."""
    shape = (clusters.count, *(1,) * (dimensions - 1))
    return AbsentRows(shape, many_levels(clusters.bar.group_name, clusters.count))


def looked_at(value: object) -> object:
    """Return levels and modes that are asked for as what they are; anything else as it is."""
    if isinstance(value, AskedLevels):
        return value.labels
    return np.asarray(value) if isinstance(value, AskedModes) else value


def asked_modes(effects: AskedEffects) -> Native:
    """Return modes that are an array to those who look at them."""
    return AskedModes(effects)


def effects_elsewhere(b: tuple[object, ...]) -> LazyRows | None:
    """Return the effects of a model as a lazy frame where they are too many for memory, else None.

    Parameters
    ----------
    b : tuple
        The modes of every term.
    """
    asked = asked_effects(b[0]) if len(b) == 1 else None
    return asked.lazy if asked is not None and asked.clusters.are_many else None


def asked_effects(modes: object) -> AskedEffects | None:
    """Return what modes are asked from; None for arrays."""
    return modes.effects if isinstance(modes, AskedModes) else None
