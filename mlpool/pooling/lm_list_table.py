"""The table of every group's own regression, and what it is asked for by name."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from scipy.special import stdtr, stdtrit

from mlpool.argument_values import flag
from mlpool.argument_values import level as read_level
from mlpool.engine.pooling.cluster_regressions import OwnRegressions
from mlpool.errors import OptionError
from mlpool.estimates.estimates_table import EstimatesLayout
from mlpool.families import Family
from mlpool.results import ResultFrame
from mlpool.typing import FloatArray


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LmList(ResultFrame):
    """Every group's own coefficients: a table with a row per group and coefficient.

    Attributes
    ----------
    group : str
    family : Family or None
        None: least squares.
    fits : OwnRegressions
    names : tuple of str
        Coefficients, by R's names.
    levels : tuple of str
        Groups.
    pool : bool
        Whether standard errors have the residual SD of all groups.
    """

    group: str = ""
    family: Family | None = None
    fits: OwnRegressions = field(repr=False)
    names: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    pool: bool = True

    def coef(self) -> pd.DataFrame:
        """Return the coefficients, a row per group (R's ``coef``)."""
        return self._by_group(self.fits.coef)

    @property
    def se(self) -> pd.DataFrame:
        """Standard errors, a row per group."""
        return self._by_group(self._errors(self.pool))

    @property
    def sigma(self) -> float:
        """Residual SD of all groups together (lme4's ``sigma``); 1 for families without one."""
        return self.fits.pooled_sd if self._has_scale else 1.0

    @property
    def df_residual(self) -> int:
        """Residual degrees of freedom of all groups together."""
        return self.fits.pooled_df

    @property
    def nobs(self) -> int:
        """Rows used."""
        return int(self.fits.n.sum())

    def confint(self, level: float = 0.95, *, pool: bool | None = None) -> pd.DataFrame:
        """Return the intervals of every group's coefficients.

        Parameters
        ----------
        level : float
        pool : bool, optional
            Whether with the residual SD of all groups; by default as the table. lme4's ``confint``
            pools only where it is told to, although its ``summary`` does.

        Returns
        -------
        DataFrame
            Rows by group and coefficient; columns ``2.5 %`` and ``97.5 %``.

        Raises
        ------
        OptionError
            If `level` is not between 0 and 1, or a family has no residual SD to pool.
        """
        wanted = self.pool if pool is None else read_pool(pool, self.family)
        found = read_level(level, "level")
        half = _quantile(self._df(wanted), found)[:, None] * self._errors(wanted)
        index = pd.MultiIndex.from_product([self.levels, self.names], names=[self.group, None])
        tails = (50.0 * (1.0 - found), 50.0 * (1.0 + found))
        bounds = {f"{t:.3g} %": (self.fits.coef + s * half).ravel()
                  for t, s in zip(tails, (-1.0, 1.0), strict=True)}  # fmt: skip
        return pd.DataFrame(bounds, index=index)

    @property
    def _has_scale(self) -> bool:
        return self.family is None or self.family.has_dispersion

    def _by_group(self, values: FloatArray) -> pd.DataFrame:
        index = pd.Index(self.levels, name=self.group)
        return pd.DataFrame(values.copy(), index=index, columns=list(self.names))

    def _errors(self, pool: bool) -> FloatArray:
        if self._has_scale:
            return self.fits.se(pool=pool)
        return np.asarray(np.sqrt(np.einsum("jaa->ja", self.fits.vcov_unscaled)))

    def _df(self, pool: bool) -> FloatArray:
        """Return the df of every group's tests (J,): pooled, its own, or infinite."""
        if not self._has_scale:
            return np.full(len(self.levels), np.inf)
        own = np.where(self.fits.df_residual > 0, self.fits.df_residual, np.nan)
        return np.full(len(own), float(self.df_residual)) if pool else own


def read_pool(pool: object, family: Family | None) -> bool:
    """Return whether the residual SD is pooled.

    Raises
    ------
    OptionError
        If the family has none.
    """
    has_scale = family is None or family.has_dispersion
    if pool is None:
        return has_scale
    if flag(pool, "pool") and not has_scale:
        raise OptionError(f"pool=True needs a residual SD, which {family} does not have.")
    return bool(pool)


def _quantile(df: FloatArray, level: float) -> FloatArray:
    return np.asarray(stdtrit(df, 0.5 * (1.0 + level)))


def with_table(made: LmList, *, ci: float, response: str, lost: str) -> LmList:
    """Return the fits with their rows and how they are printed.

    Parameters
    ----------
    made : LmList
        Without rows.
    ci : float
    response : str
    lost : str
        What is said of groups without some coefficients.
    """
    J, p = made.fits.coef.shape
    df, coef, se = made._df(made.pool), made.fits.coef, made._errors(made.pool)
    half = _quantile(df, ci)[:, None] * se
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = coef / se
    symbol = "t" if made._has_scale else "z"
    frame = pd.DataFrame({
        "Group": made.group, "Level": np.repeat(np.array(made.levels, dtype=object), p),
        "n": np.repeat(made.fits.n, p), "Parameter": list(made.names) * J,
        "Coefficient": coef.ravel(), "SE": se.ravel(), "CI_low": (coef - half).ravel(),
        "CI_high": (coef + half).ravel(), symbol: ratio.ravel(), "df": np.repeat(df, p),
        "p": 2.0 * stdtr(df[:, None], -np.abs(ratio)).ravel(),
    })  # fmt: skip
    layout = EstimatesLayout(
        title="", labels=("Level", "n", "Parameter"), value="Coefficient", statistic=symbol,
        level=ci, shows_p=True, footers=_footers(made, lost),
    )  # fmt: skip
    metadata = {
        "kind": "lm_list", "type": "total", "ci": ci, "group": made.group,
        "response": response,
    }  # fmt: skip
    return replace(made, data=frame, layout=layout, metadata=metadata)


def _footers(made: LmList, lost: str) -> tuple[str, ...]:
    rows = f"{made.nobs} rows in {len(made.levels)} groups ({made.group})."
    if made.pool:
        rows += f" Residual SD {made.sigma:.4g} on {made.df_residual} df, of all groups together."
    return (rows, lost) if lost else (rows,)
