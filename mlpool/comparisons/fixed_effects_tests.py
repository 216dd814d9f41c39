"""`anova(small, big, ddf=)`: F tests that the fixed effects of one mixed model are another's."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlpool.comparisons.models_table import listed_models
from mlpool.comparisons.terms_table import Table
from mlpool.comparisons.tests_table import AnovaLayout, TestColumn
from mlpool.errors import NotSupportedError, OptionError, brief
from mlpool.hypotheses.joint_tests import METHOD_NAMES, joint_inference, untestable
from mlpool.hypotheses.nested_models import fixed_is_within, joint_triangle, variance_is_within
from mlpool.sources.design import PushedDesign

if TYPE_CHECKING:
    from mlpool.inference.small_sample.satterthwaite import FTest
    from mlpool.models import FittedModel
    from mlpool.typing import FloatArray

_COLUMNS = (
    TestColumn(name="df", header="NumDF", role="df"),
    TestColumn(name="df_error", header="DenDF"),
    TestColumn(name="F", header="F value", role="test"),
    TestColumn(name="p", header="Pr(>F)", role="p"),
)


def fixed_effects_table(models: Mapping[str, FittedModel], method: str) -> Table:
    """Test each model's fixed effects within the next larger one's (pbkrtest's ``KRmodcomp``).

    Parameters
    ----------
    models : dict of LinearMixedModel
    method : {"satterthwaite", "kenward"}

    Raises
    ------
    OptionError
        For other methods, and for Kenward-Roger of fits by ML.
    NotSupportedError
        For models that are not lmer's.

    Notes
    -----
    ``X_big beta`` lies within the columns of X_small where ``L beta = 0`` with ``L = Q'X_big``, Q
    an orthonormal basis of what is left of X_big after X_small (Halekoh & Hojsgaard 2014,
    section 2.4). Satterthwaite's df of several rows depend on their scale: this one has no units.
    """
    if method not in ("satterthwaite", "kenward"):
        raise OptionError(
            "ddf of several models must be 'Satterthwaite' or 'Kenward-Roger'; likelihood-ratio "
            "tests need none."
        )
    other = [name for name, m in models.items() if m.kind != "lmer"]
    if other:
        raise NotSupportedError(
            f"ddf= tests fixed effects of lmer() models, and {brief(other[0])} is none; leave it "
            "out for likelihood-ratio tests."
        )
    chosen = sorted(models.items(), key=lambda item: len(item[1].names))
    tests, notes = [untestable()], []
    for small, big in pairwise(chosen):
        reason = _why_no_test(small, big)
        notes += [f"{reason}: no test."] if reason else []
        tests.append(untestable() if reason else _test(small[1], big[1], method))
    data = pd.DataFrame(
        {
            "Name": [str(i + 1) for i in range(len(chosen))],
            "df": [t.df_num or np.nan for t in tests],
            "df_error": [t.df_den for t in tests],
            "F": [t.statistic for t in tests],
            "p": [t.p for t in tests],
        }
    )
    title = listed_models(f"F tests of fixed effects with {METHOD_NAMES[method]}", chosen)
    layout = AnovaLayout(title=title, labels="Name", columns=_COLUMNS, footers=tuple(notes))
    return Table(data=data, layout=layout, method=method)


def _why_no_test(small: tuple[str, FittedModel], big: tuple[str, FittedModel]) -> str | None:
    (first, a), (second, b) = small, big
    if not (variance_is_within(a, b) and variance_is_within(b, a)):
        return f"{first} and {second} differ in their random effects"
    if len(a.names) == len(b.names) or not fixed_is_within(a, b):
        return f"The fixed effects of {first} are not within those of {second}"
    return None


def _test(small: FittedModel, big: FittedModel, method: str) -> FTest:
    return joint_inference(big, ci_method=method).test(_restriction(small, big))


def _restriction(small: FittedModel, big: FittedModel) -> FloatArray:
    """Return L (r, p_big) with ``L beta = 0`` where `big` predicts as `small` can."""
    if isinstance(big.design, PushedDesign):  # nested by the names of their columns
        names = set(small.names)
        return np.eye(len(big.names))[[name not in names for name in big.names]]
    p, q = len(small.names), len(big.names)
    R = joint_triangle(small, big)
    sizes = np.linalg.norm(R[:, p:], axis=0)
    # In units of each column, so that those of the predictors do not decide.
    basis = np.linalg.svd(R[p:, p:] / sizes)[0][:, : q - p]
    return np.asarray(basis.T @ R[p:, p:])
