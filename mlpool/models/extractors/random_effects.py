"""Random effects as a user reads them: `VarCorr`, `ranef`, `coef`.

Computed from an ``LmmFit`` record and the design that names its rows and columns.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack

import numpy as np
import pandas as pd

from mlpool.argument_values import whole_number
from mlpool.errors import DataError, brief, check_option, nearest_names
from mlpool.models.extractors.varcorr_block import VarCorrBlock
from mlpool.registry import verb
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from plotnine import ggplot

    from mlpool.formula.random_terms import RandomDesign
    from mlpool.keywords import PlotOptions


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VarCorr:
    """Variances and correlations of the random effects, printed as lme4 prints them.

    It is read like a dict: ``VarCorr(m)["school"]`` is one term, with its covariance matrix, ``sd``
    and ``cor``; ``len()``, ``in`` and ``for`` go by the labels of terms.

    Attributes
    ----------
    blocks : tuple of VarCorrBlock
        One per term, in lme4's order.
    sigma : float or None
        Residual standard deviation; None for families without one.
    """

    blocks: tuple[VarCorrBlock, ...]
    sigma: float | None

    @property
    def labels(self) -> tuple[str, ...]:
        """Group of each block; a repeated one gets ``.1``, ``.2`` as in ``as.data.frame``."""
        return unique_labels([block.group for block in self.blocks])

    def keys(self) -> tuple[str, ...]:
        """Labels of the terms."""
        return self.labels

    def values(self) -> tuple[VarCorrBlock, ...]:
        """Terms, in the order of their labels."""
        return self.blocks

    def items(self) -> tuple[tuple[str, VarCorrBlock], ...]:
        """Labels with their terms."""
        return tuple(zip(self.labels, self.blocks, strict=True))

    def __getitem__(self, label: str | int) -> VarCorrBlock:
        """Return one term, R's ``VarCorr(m)$school``; also by its place.

        Raises
        ------
        DataError
            If there is no such term.
        """
        if isinstance(label, int | np.integer) and -len(self) <= label < len(self):
            return self.blocks[label]
        if not isinstance(label, str) or label not in self.labels:
            raise DataError(
                f"VarCorr has no term {brief(label)}; its terms are {', '.join(self.labels)}."
            )
        return self.blocks[self.labels.index(label)]

    def __len__(self) -> int:
        """Return the number of terms."""
        return len(self.blocks)

    def __iter__(self) -> Iterator[str]:
        """Go over the labels of terms."""
        return iter(self.labels)

    def __contains__(self, label: object) -> bool:
        """Tell whether there is such a term."""
        return label in self.labels

    @property
    def sd(self) -> pd.Series:
        """Standard deviations by term and column; the last is the residual's, if there is one."""
        items = [((g, n), s) for g, b in self.items() for n, s in zip(b.names, b.sd, strict=True)]
        if self.sigma is not None:
            items.append((("Residual", ""), self.sigma))
        keys, values = zip(*items, strict=True)
        return pd.Series(values, pd.MultiIndex.from_tuples(keys), dtype=float, name="Std.Dev.")

    @property
    def cor(self) -> dict[str, pd.DataFrame]:
        """Correlations of each term, by name."""
        return {label: block.correlation for label, block in self.items()}

    def print(self, comp: str | Sequence[str] = "Std.Dev.", digits: int | None = None) -> None:
        """Print as lme4's ``print(VarCorr(m), comp = )`` does.

        Parameters
        ----------
        comp : "Std.Dev.", "Variance" or both
        digits : int, optional
            Significant digits, 5 as in R.

        Raises
        ------
        OptionError
            For another component.
        """
        shown = [comp] if isinstance(comp, str) else list(comp)
        for one in shown:
            check_option(one, ("Std.Dev.", "Variance"), argument="comp")
        given = (
            {} if digits is None else {"digits": whole_number(digits, "digits", least=1, most=22)}
        )
        sys.stdout.write(verb("varcorr_text")(self, comp=shown, **given) + "\n")

    def to_frame(self) -> pd.DataFrame:
        """Return ``as.data.frame(VarCorr(m))``: columns grp, var1, var2, vcov, sdcor."""
        rows: list[tuple[str, str | None, str | None, float, float]] = []
        for label, block in zip(self.labels, self.blocks, strict=True):
            rows += _variance_rows(label, block) + _covariance_rows(label, block)
        if self.sigma is not None:
            rows.append(("Residual", None, None, self.sigma**2, self.sigma))
        return pd.DataFrame(rows, columns=["grp", "var1", "var2", "vcov", "sdcor"])

    def __str__(self) -> str:
        """Return the text of ``print(VarCorr(m))``."""
        text: str = verb("varcorr_text")(self)
        return text

    __repr__ = __str__


def unique_labels(groups: Sequence[str]) -> tuple[str, ...]:
    """Return `groups` with ``.1``, ``.2`` after repeated names (R's ``make.unique``)."""
    seen: dict[str, int] = {}
    labels = []
    for group in groups:
        count = seen.get(group, 0)
        labels.append(group if count == 0 else f"{group}.{count}")
        seen[group] = count + 1
    return tuple(labels)


def relative_factors(theta: FloatArray, sizes: Sequence[int]) -> list[FloatArray]:
    """Return each term's lower-triangular relative factor lambda from the stacked `theta`.

    Parameters
    ----------
    theta : ndarray of shape (k,)
        Lower triangles column by column, term after term (lme4's order).
    sizes : sequence of int
        Number of columns of each term.
    """
    factors, start = [], 0
    for size in sizes:
        lam = np.zeros((size, size))
        count = size * (size + 1) // 2
        rows, cols = np.triu_indices(size)
        lam[cols, rows] = theta[start : start + count]
        factors.append(lam)
        start += count
    return factors


def make_varcorr(theta: FloatArray, sigma: float, random: Sequence[RandomDesign]) -> VarCorr:
    """Return ``sigma^2 lambda lambda'`` of every term (Bates et al. 2015, eq. 4)."""
    blocks = []
    for lam, term in zip(
        relative_factors(theta, [len(r.z.names) for r in random]), random, strict=True
    ):
        vcov = sigma**2 * (lam @ lam.T)
        sd = np.sqrt(np.diag(vcov))
        with np.errstate(divide="ignore", invalid="ignore"):
            cor = vcov / np.outer(sd, sd)
        np.fill_diagonal(cor, 1.0)
        blocks.append(
            VarCorrBlock(
                group=term.group, names=term.z.names, sd=sd, cor=cor, vcov=vcov,
                structure=term.structure,
            )
        )  # fmt: skip
    return VarCorr(blocks=tuple(blocks), sigma=sigma)


class GroupFrames(Mapping[str, pd.DataFrame]):
    """A mapping from grouping factor to a DataFrame of levels x terms.

    Attributes
    ----------
    cond_sd : GroupFrames or None
        Conditional standard deviations in the same shape (``ranef`` only).
    """

    def __init__(self, frames: dict[str, pd.DataFrame], cond_sd: GroupFrames | None = None) -> None:
        self._frames = frames
        self.cond_sd = cond_sd

    @property
    def sd(self) -> GroupFrames:
        """Conditional standard deviations, which ``ranef`` comes with."""
        assert self.cond_sd is not None
        return self.cond_sd

    def __getitem__(self, group: str | int) -> pd.DataFrame:
        """Return the frame of `group`, or of its place; a wrong name offers the near ones."""
        if isinstance(group, int | np.integer) and -len(self) <= group < len(self):
            group = list(self._frames)[group]
        if not isinstance(group, str) or group not in self._frames:
            known = ", ".join(self._frames)
            raise GroupNotFoundError(
                f"There is no grouping factor {brief(group)}; this model has: {known}."
                + (nearest_names(group, self._frames) if isinstance(group, str) else "")
            )
        return self._frames[group].copy()

    def plot(self, **options: Unpack[PlotOptions]) -> ggplot:
        """Return :func:`mlpool.plot` of these effects, lme4's ``dotplot(ranef(m))``."""
        drawn: ggplot = verb("plot")(self, **options)
        return drawn

    def __contains__(self, group: object) -> bool:
        """Tell whether `group` is a grouping factor of the model."""
        return group in self._frames

    def __iter__(self) -> Iterator[str]:
        """Iterate over the grouping factors."""
        return iter(self._frames)

    def __len__(self) -> int:
        """Return the number of grouping factors."""
        return len(self._frames)

    def __eq__(self, other: object) -> bool:
        """Tell whether both are the same object, as models and their tables compare."""
        return self is other

    __hash__ = object.__hash__

    def __str__(self) -> str:
        """Return R's list-like text: ``$school`` and the frame below it."""
        return "\n".join(f"${name}\n{frame}\n" for name, frame in self._frames.items())

    __repr__ = __str__


class GroupNotFoundError(DataError, KeyError):
    """A name is not among the model's grouping factors."""


def gather_by_group(
    values: Sequence[FloatArray],
    groups: Sequence[str],
    levels: Sequence[Sequence[str]],
    names: Sequence[tuple[str, ...]],
) -> dict[str, pd.DataFrame]:
    """Return per-term arrays (n_levels, k) as one frame per grouping factor, terms side by side."""
    frames: dict[str, pd.DataFrame] = {}
    for array, group, labels, columns in zip(values, groups, levels, names, strict=True):
        index = pd.Index(tuple(labels), name=group)
        frame = pd.DataFrame(np.asarray(array), index=index, columns=list(columns))
        if group in frames:
            taken = set(frames[group].columns)
            frame = frame.rename(columns=lambda c: f"{c}.1" if c in taken else c)  # noqa: B023
            frame = pd.concat([frames[group], frame], axis=1)
        frames[group] = frame
    return frames


def add_fixed(frames: dict[str, pd.DataFrame], beta: pd.Series) -> dict[str, pd.DataFrame]:
    """Return ``coef``: random plus fixed effects per level, columns as in lme4."""
    result = {}
    for group, frame in frames.items():
        columns = list(beta.index) + [c for c in frame.columns if c not in beta.index]
        total = pd.DataFrame(0.0, index=frame.index, columns=columns)
        for name in columns:
            total[name] = float(beta.get(name, 0.0))
            if name in frame.columns:
                total[name] += frame[name]
        result[group] = total
    return result


def _variance_rows(
    label: str, block: VarCorrBlock
) -> list[tuple[str, str | None, str | None, float, float]]:
    return [
        (label, name, None, float(block.vcov[i, i]), float(block.sd[i]))
        for i, name in enumerate(block.names)
    ]


def _covariance_rows(
    label: str, block: VarCorrBlock
) -> list[tuple[str, str | None, str | None, float, float]]:
    k = len(block.names)
    return [
        (label, block.names[j], block.names[i], float(block.vcov[i, j]), float(block.cor[i, j]))
        for j in range(k)
        for i in range(j + 1, k)
    ]
