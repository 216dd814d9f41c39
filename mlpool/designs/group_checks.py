"""What grouping factors of random effects must have: lme4's checks of the number of levels."""

from __future__ import annotations

from mlpool.errors import DataError, NotSupportedError, brief
from mlpool.formula.design import Design
from mlpool.frames import Frame


def check_structured(design: Design, engine: str, solver: str | None) -> None:
    """Refuse other engines, and times that are text, where terms have few parameters.

    Raises
    ------
    DataError, NotSupportedError
    """
    _check_text(design)
    labels = [r.bar.label for r in design.random if r.structure is not None]
    if labels and (engine == "statsmodels" or solver == "iterative"):
        who, what = "The iterative solver fits", "control={'solver': ...}"
        if engine == "statsmodels":
            who, what = "statsmodels fits", "engine="
        raise NotSupportedError(
            f"{who} no covariance structures such as {labels[0]}; leave {what} out."
        )


def _check_text(design: Design) -> None:
    """Refuse an autoregression over text, whose levels stand in the alphabet's order."""
    for random in design.random:
        if random.structure is None or random.structure.kind != "ar1":
            continue
        (time,) = random.bar.terms.terms[0]
        name = time.columns[0]
        if isinstance(design.frame, Frame) and design.frame.column(name).is_text:
            raise DataError(
                f"{brief(name)} is text, whose order {random.bar.label} cannot know; make it a "
                "category with its levels in order (mlpool.factor)."
            )


def check_groups(design: Design) -> None:
    """Apply lme4's checks of the number of levels.

    Raises
    ------
    DataError
        For one level, as many levels as rows, or as many random effects as rows.
    """
    for random in design.random:
        levels, n = len(random.levels), design.n
        if levels < 2:
            raise DataError(
                f"The grouping factor {brief(random.group)} has one level only; a variance "
                "between groups needs two or more."
            )
        if levels >= n:
            raise DataError(
                f"The grouping factor {brief(random.group)} has as many levels ({levels}) as "
                "there are rows; "
                "each group needs more than one row for its variance to be told from the residual."
            )
        is_tied = random.structure is not None and random.structure.kind != "diag"
        if levels * random.z.shape[1] >= n and random.z.shape[1] > 1 and not is_tied:
            raise DataError(
                f"{random.bar.label} has {levels * random.z.shape[1]} random effects for "
                f"{n} rows; there must be fewer."
            )
