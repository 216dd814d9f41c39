"""R's ``hatvalues`` of a model, by the data's own row labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from mlpool.models.argument_checks import check_model
from mlpool.uncertainty import influence

if TYPE_CHECKING:
    from mlpool.models.fitted import FittedModel


def hatvalues(m: FittedModel) -> pd.Series:
    """Return each row's leverage (R's ``hatvalues``), for mixed models at the estimated theta.

    Parameters
    ----------
    m : FittedModel

    Raises
    ------
    OptionError
        For something that is no model.
    NotSupportedError
        For more than 10,000 random effects of several factors.

    See Also
    --------
    check_outliers : the rows with a large Cook's distance, in a sentence.
    """
    model = check_model(m, "hatvalues()")
    return pd.Series(influence.leverages(model), index=model.design.index, name="hat")
