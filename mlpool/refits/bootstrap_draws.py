"""Bootstrap draws of a fitted model: the task, its replicates, what they are called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlpool.argument_values import whole_number
from mlpool.errors import OptionError, brief, check_option
from mlpool.inference.replicates import Replicates, read_jobs, run_replicates
from mlpool.models.extractors.parameter_names import parameter_names, parameter_values
from mlpool.refits.repeated_fits import Statistic, as_vector
from mlpool.refits.resampling import FromCases, make_task
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.models import FittedModel
    from mlpool.typing import ClusterLike, SeedLike

TYPES = ("parametric", "case", "residual")
_ALIASES = {"cluster": "case", "cases": "case", "residuals": "residual"}


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Replicates with their names.

    Attributes
    ----------
    names : tuple of str
        Of the parameters, or of the statistic's numbers.
    estimate : ndarray of shape (k,)
        Of the model itself.
    replicates : Replicates
    type : {"parametric", "case", "residual"}
    task : object
        What made them.
    is_statistic : bool
        Whether the numbers are those of the user's statistic.
    """

    names: tuple[str, ...]
    estimate: FloatArray
    replicates: Replicates
    type: str
    task: object
    is_statistic: bool = False

    @property
    def cluster(self) -> str:
        """Name of the clusters resampled; empty for rows and where none are."""
        return self.task.clusters.name if isinstance(self.task, FromCases) else ""

    @property
    def n_clusters(self) -> int:
        """Number of clusters (or rows) resampled; 0 where none are."""
        return self.task.clusters.n_clusters if isinstance(self.task, FromCases) else 0

    def notes(self) -> tuple[str, ...]:
        """Say what was resampled, what failed and why, and how many fits are singular."""
        made = self.replicates
        lines = [f"{self._what()}: {made.n} replicates."]
        if made.n_failed:
            reasons = "; ".join(f"{count} x {why.rstrip('.')}" for why, count in made.failures[:3])
            were = "replicate" if made.n_failed == 1 else "replicates"
            lines.append(f"{made.n_failed} {were} failed and do not count ({reasons}).")
        undefined = int(np.isnan(made.values).any(axis=1).sum())
        if made.n_singular:
            lines.append(
                f"Singular fits: {made.n_singular} of {made.n_used} replicates, with a variance of "
                "zero or a correlation of +-1."
            )
        if undefined:
            lines.append(
                f"Correlations are undefined in {undefined} of them, where a standard deviation is "
                "zero; their intervals leave these out."
                if not self.is_statistic
                else f"The statistic is missing in {undefined} replicates, which do not count."
            )
        return tuple(lines)

    def _what(self) -> str:
        if self.type == "parametric":
            return "Parametric bootstrap"
        if self.type == "residual":
            return "Residual bootstrap"
        if not self.cluster:
            return f"Case bootstrap of {self.n_clusters} rows"
        of = "" if self.cluster == "cluster" else f" of {self.cluster}"
        return f"Case bootstrap of {self.n_clusters} clusters{of}"


def draw_bootstrap(
    m: FittedModel,
    n: object,
    type_: object,
    *,
    cluster: ClusterLike | None = None,
    statistic: Statistic | None = None,
    seed: SeedLike | None = None,
    n_jobs: object = None,
    argument: str = "n",
) -> Drawn:
    """Draw replicates of a model's parameters or of a statistic.

    Raises
    ------
    OptionError
        For fewer than two replicates, an unknown type, or clusters without ``type="case"``.
    NotSupportedError
        For a combination that cannot be resampled.
    FitError
        If every replicate fails.
    """
    count = read_count(n, argument)
    name = _ALIASES.get(type_, type_) if isinstance(type_, str) else type_
    kind = check_option(name, TYPES, argument="type")
    if cluster is not None and kind != "case":
        raise OptionError(f"cluster= goes with type='case'; got type={brief(type_)}.")
    if statistic is not None and not callable(statistic):
        raise OptionError(
            f"statistic must be a function of a fitted model; got {brief(statistic)}."
        )
    jobs = read_jobs(n_jobs)
    names, estimate = tuple(parameter_names(m)), None
    if statistic is not None:
        names, estimate = _named(statistic(m))
    task = make_task(m, kind, cluster, statistic)
    replicates = run_replicates(task, count, seed, jobs)
    if estimate is None:
        estimate = parameter_values(m)
    if len(estimate) != replicates.values.shape[1]:
        raise OptionError(
            f"statistic= returned {len(estimate)} numbers of the model and "
            f"{replicates.values.shape[1]} of its replicates; it must always return as many."
        )
    return Drawn(
        names=names,
        estimate=estimate,
        replicates=replicates,
        type=kind,
        task=task,
        is_statistic=statistic is not None,
    )


def read_count(n: object, argument: str = "n") -> int:
    """Return the number of replicates.

    Raises
    ------
    OptionError
    """
    return whole_number(n, argument, least=2)


def _named(value: object) -> tuple[tuple[str, ...], FloatArray]:
    """Return the names and numbers of a statistic."""
    numbers = as_vector(value)
    if isinstance(value, pd.Series):
        return tuple(str(name) for name in value.index), numbers
    if isinstance(value, dict):
        return tuple(str(name) for name in value), numbers
    if len(numbers) == 1:
        return ("statistic",), numbers
    return tuple(f"statistic {i + 1}" for i in range(len(numbers))), numbers
