"""`get_variance`: the variance components of a mixed model, by insight's names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from mlpool.floating_point import usual_floats
from mlpool.models.argument_checks import check_mixed
from mlpool.models.extractors.varcorr_block import VarCorrBlock
from mlpool.performance.variance_components import variance_parts
from mlpool.tables.cells import format_numbers

if TYPE_CHECKING:
    from mlpool.models import FittedModel, MixedModel


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class VarianceComponents(Mapping[str, object]):
    """Variance components; ``v["var.random"]`` and ``v.var_random`` are the same.

    Attributes
    ----------
    var_fixed, var_random, var_residual, var_distribution, var_dispersion : float
    var_intercept : Series
        Random-intercept variance per grouping factor.
    var_slope : Series
        Random-slope variances, named ``group.column``.
    cor_slope_intercept : Series
        Correlations of slopes and intercept; named by the group (``group.column`` if it has several
        slopes).
    cor_slopes : Series
        Correlations among slopes, named ``group.column-column``.
    """

    var_fixed: float
    var_random: float
    var_residual: float
    var_distribution: float
    var_dispersion: float
    var_intercept: pd.Series
    var_slope: pd.Series
    cor_slope_intercept: pd.Series
    cor_slopes: pd.Series

    def __getitem__(self, name: str) -> Any:
        """Return a component by insight's name (``var.random``).

        Raises
        ------
        KeyError
            If the model has no such component.
        """
        if name not in _NAMES or name not in set(self):
            raise KeyError(f"{name!r} is not among {', '.join(self)}")
        return getattr(self, _NAMES[name])

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the components that the model has."""
        for name, attribute in _NAMES.items():
            value = getattr(self, attribute)
            if not isinstance(value, pd.Series) or len(value):
                yield name

    def __len__(self) -> int:
        return len(list(iter(self)))

    def to_pandas(self) -> pd.DataFrame:
        """Return columns Component, Name (of a group or slope, else empty) and Value."""
        rows: list[tuple[str, str, float]] = []
        for name in self:
            value = self[name]
            if isinstance(value, pd.Series):
                rows += [(name, str(label), float(v)) for label, v in value.items()]
            else:
                rows.append((name, "", float(value)))
        return pd.DataFrame(rows, columns=["Component", "Name", "Value"])

    def __str__(self) -> str:
        frame = self.to_pandas()
        labels = (frame["Component"] + " " + frame["Name"]).str.strip()
        cells = format_numbers(frame["Value"], 3)
        left, right = max(map(len, labels)), max(map(len, cells))
        return "\n".join(
            f"{a.ljust(left)} {b.rjust(right)}" for a, b in zip(labels, cells, strict=True)
        )

    __repr__ = __str__


_NAMES = {
    "var.fixed": "var_fixed",
    "var.random": "var_random",
    "var.residual": "var_residual",
    "var.distribution": "var_distribution",
    "var.dispersion": "var_dispersion",
    "var.intercept": "var_intercept",
    "var.slope": "var_slope",
    "cor.slope_intercept": "cor_slope_intercept",
    "cor.slopes": "cor_slopes",
}


@usual_floats
def get_variance(m: FittedModel) -> VarianceComponents:
    """Return the variance components of a mixed model (insight's ``get_variance``).

    ``var.fixed`` is the variance of X beta, ``var.random`` the mean of z' G z over the rows
    (Johnson 2014), so that random slopes count with the values that their predictors have.

    Parameters
    ----------
    m : FittedModel
        With random effects. A singular one, too: its zero variances are results.

    Raises
    ------
    NotSupportedError
        For models without random effects, and families whose variance on the link scale is unknown.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lmer("Reaction ~ Days + (1 | Subject)", mlpool.load_data("sleepstudy"))
    >>> v = get_variance(m)
    >>> float(round(v["var.random"] / (v["var.random"] + v.var_residual), 3))
    0.589
    """
    m = check_mixed(m, "get_variance()")
    parts = variance_parts(m)
    intercepts: dict[str, float] = {}
    slopes: dict[str, float] = {}
    with_intercept: dict[str, float] = {}
    among: dict[str, float] = {}
    for block in m.varcorr().blocks:
        intercepts |= _intercepts(block)
        slopes |= _slopes(block)
        with_intercept |= _intercept_correlations(block)
        among |= _slope_correlations(block)
    return VarianceComponents(
        var_fixed=parts.fixed,
        var_random=parts.random,
        var_residual=parts.residual,
        var_distribution=parts.distribution,
        var_dispersion=parts.dispersion,
        var_intercept=_series(intercepts),
        var_slope=_series(slopes),
        cor_slope_intercept=_series(with_intercept),
        cor_slopes=_series(among),
    )


def intercept_variances(m: MixedModel) -> dict[str, float]:
    """Return the random-intercept variance of each grouping factor that has one."""
    found: dict[str, float] = {}
    for block in m.varcorr().blocks:
        found |= _intercepts(block)
    return found


def has_slopes(m: FittedModel) -> bool:
    """Return whether a random term has more than an intercept."""
    return any(r.z.names != ("(Intercept)",) for r in m.design.random)


def _intercepts(block: VarCorrBlock) -> dict[str, float]:
    if block.names[0] != "(Intercept)":
        return {}
    return {block.group: float(block.vcov[0, 0])}


def _slope_positions(block: VarCorrBlock) -> list[int]:
    return [i for i, name in enumerate(block.names) if name != "(Intercept)"]


def _slopes(block: VarCorrBlock) -> dict[str, float]:
    return {
        f"{block.group}.{block.names[i]}": float(block.vcov[i, i]) for i in _slope_positions(block)
    }


def _intercept_correlations(block: VarCorrBlock) -> dict[str, float]:
    positions = _slope_positions(block)
    if len(positions) == len(block.names):
        return {}
    only_one = len(positions) == 1
    return {
        block.group if only_one else f"{block.group}.{block.names[i]}": float(block.cor[i, 0])
        for i in positions
    }


def _slope_correlations(block: VarCorrBlock) -> dict[str, float]:
    positions = _slope_positions(block)
    return {
        f"{block.group}.{block.names[a]}-{block.names[b]}": float(block.cor[a, b])
        for n, a in enumerate(positions)
        for b in positions[n + 1 :]
    }


def _series(values: dict[str, float]) -> pd.Series:
    return pd.Series(values, dtype=float)
