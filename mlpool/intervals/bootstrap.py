"""`bootstrap`: draws of a model's parameters, and intervals from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import pandas as pd

from mlpool.errors import OptionError, check_option
from mlpool.floating_point import usual_floats
from mlpool.inference.bootstrap_intervals import METHODS, interval
from mlpool.intervals.intervals_table import IntervalLayout
from mlpool.intervals.parameter_selection import interval_frame, read_level, read_parm
from mlpool.intervals.profile_plots import draw_bootstrap as draw_bootstrap_picture
from mlpool.keywords import ClusterSpellings
from mlpool.models.extractors.coefficients import require_kind
from mlpool.models.extractors.parameter_names import random_names
from mlpool.option_spellings import also_spelt
from mlpool.parameters.parameters_table import FIXED, RANDOM
from mlpool.refits.bootstrap_draws import Drawn, draw_bootstrap
from mlpool.refits.resampling import FromCases, influence_values
from mlpool.refits.simulate import KINDS
from mlpool.registry import verb
from mlpool.results import ResultFrame
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from plotnine import ggplot

    from mlpool.keywords import PlotOptions
    from mlpool.models import FittedModel
    from mlpool.typing import ClusterLike, SeedLike

_R_NAMES = {"perc": "percentile", "norm": "normal"}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Bootstrap:
    """Bootstrap draws of a model's parameters. Printing it gives a table of intervals.

    Attributes
    ----------
    draws : DataFrame of shape (n_used, k)
        One row per replicate that could be fitted: SDs and correlations of random effects, sigma,
        coefficients; or the numbers of the statistic.
    estimate : Series of shape (k,)
        Of the model itself.
    n : int
        Replicates asked for.
    n_failed, n_singular : int
        Replicates that could not be fitted (they are in no interval), and that have a variance of
        zero or a correlation of +-1 (they are).
    failures : tuple of (str, int)
        Why replicates failed, and how many did.
    type : {"parametric", "case", "residual"}
    notes : tuple of str
    """

    draws: pd.DataFrame
    estimate: pd.Series
    n: int
    n_failed: int
    n_singular: int
    failures: tuple[tuple[str, int], ...]
    type: str
    notes: tuple[str, ...]
    model: FittedModel
    drawn: Drawn

    def confint(
        self, parm: object = None, level: float = 0.95, method: str = "percentile"
    ) -> pd.DataFrame:
        """Return confidence intervals.

        Parameters
        ----------
        parm : str, int or list, optional
            Names or positions; ``"theta_"`` and ``"beta_"`` for random and fixed ones.
        level : float
        method : {"percentile", "basic", "normal", "bca"}
            As R's ``boot.ci``; ``"bca"`` needs ``type="case"``, whose clusters it leaves out one
            by one.

        Returns
        -------
        DataFrame (k, 2)
            Columns ``2.5 %`` and ``97.5 %``, as R's.

        Raises
        ------
        OptionError
            For an unknown method or parameter, or ``"bca"`` of another type.
        """
        keep = read_parm(self.model, list(self.draws.columns), parm)
        bounds = self._bounds(read_level(level), self._method(method))
        return interval_frame(list(self.draws.columns), bounds, level).iloc[keep]

    def table(self, level: float = 0.95, method: str = "percentile") -> ResultFrame:
        """Return a table of estimates, their bias, standard errors and intervals.

        Parameters
        ----------
        level, method
            As :meth:`confint`.
        """
        bounds = self._bounds(read_level(level), self._method(method))
        values = self.draws.to_numpy()
        estimate = self.estimate.to_numpy()
        frame = pd.DataFrame({
            "Parameter": list(self.draws.columns),
            "Coefficient": estimate,
            "Bias": np.nanmean(values, axis=0) - estimate,
            "SE": np.nanstd(values, axis=0, ddof=1),
            "CI": level,
            "CI_low": bounds[:, 0],
            "CI_high": bounds[:, 1],
        })  # fmt: skip
        groups = self._groups()
        if any(groups):
            frame["Effects"] = ["random" if g == RANDOM else "fixed" for g in groups]
        order = np.argsort([g == RANDOM for g in groups], kind="stable")
        frame = frame.iloc[order].reset_index(drop=True)
        how = self._method(method).replace("bca", "BCa")
        first = f"{self.notes[0][:-1]}, {how} intervals."
        layout = IntervalLayout(
            headings=tuple(groups[i] for i in order), level=level, footers=(first, *self.notes[1:])
        )
        return ResultFrame(
            data=frame,
            layout=layout,
            notes=self.notes,
            metadata={
                "kind": "bootstrap", "type": self.type, "n": self.n, "n_failed": self.n_failed,
                "n_singular": self.n_singular, "ci": level, "ci_method": method,
                "formula": self.model.formula.text,
            },
        )  # fmt: skip

    def plot(self, **options: Unpack[PlotOptions]) -> ggplot:
        """Return the draws' distributions with the intervals; see :func:`mlpool.plot`."""
        drawn: ggplot = verb("plot")(self, **options)
        return drawn

    def _ggplot(
        self,
        kind: str = "histogram",
        level: float = 0.95,
        method: str = "percentile",
        parameters: object = None,
    ) -> Any:
        check_option(kind, ("histogram", "density"), argument="kind")
        bounds = self.confint(parameters, level, method)
        shown = list(bounds.index)
        return draw_bootstrap_picture(self.draws[shown], self.estimate[shown], bounds, kind, level)

    def __repr__(self) -> str:
        """Return the table's text."""
        return repr(self.table())

    def _repr_html_(self) -> str:
        return self.table().to_html()

    def __getstate__(self) -> dict[str, object]:
        return dict(self.__dict__)

    def _groups(self) -> list[str]:
        """Return the heading that each parameter stands under."""
        names = list(self.draws.columns)
        random = len(random_names(self.model))
        if not random or self.drawn.is_statistic:
            return [""] * len(names)
        return [RANDOM] * random + [FIXED] * (len(names) - random)

    @staticmethod
    def _method(method: object) -> str:
        name = _R_NAMES.get(method, method) if isinstance(method, str) else method
        return check_option(name, METHODS, argument="method")

    def _bounds(self, level: float, method: str) -> FloatArray:
        influence = None
        if method == "bca":
            influence = self._influence()
        values = self.draws.to_numpy()
        return interval(values, self.estimate.to_numpy(), level, method, influence)

    def _influence(self) -> FloatArray:
        task = self.drawn.task
        if not isinstance(task, FromCases):
            raise OptionError(
                "method='bca' needs resampled cases, whose influence it takes into account: "
                "bootstrap(m, type='case'); percentile intervals go with every type."
            )
        return influence_values(self.model, task)


@also_spelt("cluster", keywords=ClusterSpellings)
@usual_floats
def bootstrap(
    m: FittedModel,
    n: int = 1000,
    type: str = "parametric",
    statistic: Callable[[object], object] | None = None,
    *,
    cluster: ClusterLike | None = None,
    seed: SeedLike | None = None,
    n_jobs: int | None = None,
    **spellings: Unpack[ClusterSpellings],
) -> Bootstrap:
    """Bootstrap a fitted model's parameters, or any statistic of it (lme4's ``bootMer``).

    Parameters
    ----------
    m : FittedModel
        Of any kind.
    n : int
        Replicates.
    type : {"parametric", "case", "residual"}
        ``"parametric"``: responses simulated from the model, random effects drawn anew.
        ``"case"`` (or ``"cluster"``): whole clusters with replacement; rows of models without
        random effects. ``"residual"``: resampled residuals of lm; of lmer residuals and random
        effects, inflated to their estimated covariances (Carpenter, Goldstein & Rasbash 2003).
    statistic : callable, optional
        Takes a fitted model and returns a number or several (array, Series, dict). By default
        all parameters: SDs and correlations, sigma, coefficients.
    cluster : str, Series or array, optional
        With ``"case"``: what is resampled. By default the outermost grouping factor, the clusters
        given when the model was fitted, or single rows.
    seed : int, SeedSequence or Generator, optional
        Replicate i draws from the seed's i-th child: the same result for any `n_jobs`.
    n_jobs : int, optional
        Processes; -1 for one per core. By default one per core on Linux when the work takes more
        than a second, else one: where processes are spawned (macOS, Windows) a script needs
        ``if __name__ == "__main__":`` to ask for more.
    **spellings
        ``clusters=``, another name of `cluster`.

    Returns
    -------
    Bootstrap
        With ``.draws``, ``.confint()``, ``.table()``, ``.plot()``.

    Raises
    ------
    OptionError
        For fewer than two replicates, unknown options, or clusters that cannot be chosen.
    NotSupportedError
        For residuals of generalised models.
    FitError
        If no replicate can be fitted.

    References
    ----------
    Davison & Hinkley (1997), Bootstrap Methods and their Application; van der Leeden, Meijer &
    Busing (2008), Resampling multilevel models.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lmer("Reaction ~ Days + (1 | Subject)", mlpool.load_data("sleepstudy"))
    >>> b = mlpool.bootstrap(m, 200, seed=1)
    >>> list(b.draws.columns)
    ['sd_(Intercept)|Subject', 'sigma', '(Intercept)', 'Days']
    >>> low, high = b.confint("Days").iloc[0]
    >>> bool(low < 10.47 < high)
    True
    """
    require_kind(m, (*KINDS, "gls"), "bootstrap()")
    drawn = draw_bootstrap(
        m, n, type, cluster=cluster, statistic=statistic, seed=seed, n_jobs=n_jobs
    )
    made = drawn.replicates
    return Bootstrap(
        draws=pd.DataFrame(made.values, columns=list(drawn.names)),
        estimate=pd.Series(drawn.estimate, index=list(drawn.names), name="Estimate"),
        n=made.n,
        n_failed=made.n_failed,
        n_singular=made.n_singular,
        failures=made.failures,
        type=drawn.type,
        notes=drawn.notes(),
        model=m,
        drawn=drawn,
    )
