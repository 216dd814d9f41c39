"""lme4's ``rePCA``: how many directions the random effects of a grouping factor vary in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.linalg import block_diag

from mlpool.models.argument_checks import check_mixed
from mlpool.models.extractors.random_effects import relative_factors

if TYPE_CHECKING:
    from mlpool.models.fitted import FittedModel


def rePCA(m: FittedModel) -> pd.DataFrame:
    """Return principal components of the random effects' covariance (lme4's ``rePCA``).

    A component without a share of the variance is a direction that the data do not support: the
    model is singular, and a simpler one says the same.

    Parameters
    ----------
    m : FittedModel
        Of lmer or glmer.

    Returns
    -------
    DataFrame
        One row per group and component, largest first: Group, Component, SD (in residual standard
        deviations, as lme4), Proportion and Cumulative of the group's variance, then the
        component's loadings by term, the largest of each positive; missing for other groups' terms.

    Raises
    ------
    NotSupportedError
        For models without random effects.

    See Also
    --------
    check_singularity : the verdict in a sentence.

    References
    ----------
    Bates, Kliegl, Vasishth & Baayen (2015), Parsimonious mixed models, arXiv:1506.04967.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lmer("Reaction ~ Days + (Days | Subject)", mlpool.load_data("sleepstudy"))
    >>> mlpool.rePCA(m).round(3)
         Group  Component     SD  Proportion  Cumulative  (Intercept)   Days
    0  Subject          1  0.967       0.946       0.946        1.000  0.017
    1  Subject          2  0.231       0.054       1.000       -0.017  1.000
    """
    model = check_mixed(m, "rePCA()")
    terms = model.design.random
    factors = relative_factors(model.fit.theta, [len(t.z.names) for t in terms])
    tables = []
    for group in dict.fromkeys(t.group for t in terms):
        own = [i for i, t in enumerate(terms) if t.group == group]
        names = [name for i in own for name in terms[i].z.names]
        rotation, sd, _ = np.linalg.svd(block_diag(*(factors[i] for i in own)))
        largest = rotation[np.abs(rotation).argmax(axis=0), np.arange(len(sd))]
        share = sd**2 / np.sum(sd**2) if np.any(sd > 0.0) else np.full(len(sd), np.nan)
        table = {
            "Group": group, "Component": np.arange(1, len(sd) + 1), "SD": sd,
            "Proportion": share, "Cumulative": np.cumsum(share),
        }  # fmt: skip
        loadings = pd.DataFrame((rotation * np.sign(largest)).T, columns=names)
        tables.append(pd.concat([pd.DataFrame(table), loadings], axis=1))
    return pd.concat(tables, ignore_index=True)
