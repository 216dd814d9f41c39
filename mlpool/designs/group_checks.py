"""What grouping factors of random effects must have: lme4's checks of the number of levels."""

from __future__ import annotations

from mlpool.errors import DataError, brief
from mlpool.formula.design import Design


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
        if levels * random.z.shape[1] >= n and random.z.shape[1] > 1:
            raise DataError(
                f"({random.bar.text}) has {levels * random.z.shape[1]} random effects for "
                f"{n} rows; there must be fewer."
            )
