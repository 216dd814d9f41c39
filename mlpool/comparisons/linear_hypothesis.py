"""`linear_hypothesis`: joint tests of linear hypotheses written as text."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Unpack

import numpy as np
import pandas as pd

from mlpool.comparisons.tests_table import DIGITS, AnovaLayout, TestColumn
from mlpool.errors import OptionError
from mlpool.hypotheses.hypothesis_text import Hypotheses, read_hypotheses
from mlpool.hypotheses.joint_tests import METHOD_NAMES, JointInference, joint_inference
from mlpool.inference.small_sample.satterthwaite import FTest
from mlpool.keywords import HypothesisSpellings
from mlpool.models.argument_checks import backend_of, check_model
from mlpool.models.fitted import FittedModel
from mlpool.option_spellings import also_spelt, read_value
from mlpool.results import ResultFrame

if TYPE_CHECKING:
    from mlpool.typing import ClusterLike, VcovArgs, VcovLike

_COLUMNS = (
    TestColumn(name="Sum_Squares", header="Sum of Sq"),
    TestColumn(name="df", header="Df", role="df"),
    TestColumn(name="df_error", header="Res.Df", role="df"),
    TestColumn(name="F", header="F", role="test"),
    TestColumn(name="Chi2", header="Chisq", role="test"),
)


@also_spelt("ci_method", "vcov", "cluster", "vcov_args", "test", keywords=HypothesisSpellings)
def linear_hypothesis(
    model: FittedModel,
    hypotheses: object,
    rhs: object = None,
    *,
    test: str | None = None,
    vcov: VcovLike | None = None,
    cluster: ClusterLike | None = None,
    vcov_args: VcovArgs | None = None,
    ci_method: str | None = None,
    **spellings: Unpack[HypothesisSpellings],
) -> ResultFrame:
    """Test linear hypotheses together (car's ``linearHypothesis``).

    Parameters
    ----------
    model : FittedModel
    hypotheses : str, list of str, or matrix of shape (r, p)
        ``"ses = 0, genderF = 0"``, ``"2*ses - genderF = 1"``, ``["ses = genderF"]``; coefficients
        by R's names (``(Intercept)``, ``ses:genderF``, ``poly(x, 2)1``), in backquotes where a name
        would read as something else. ``"ses"`` is ``"ses = 0"``. Rows of a matrix that follow from
        others add no df (as in lmerTest's ``contestMD``).
    rhs : float or sequence of float, optional
        Values tested, with a matrix.
    test : {"F", "Chisq"}, optional
        By default F where the model has denominator df.
    vcov, cluster, vcov_args
        As in :func:`mlpool.model_parameters`.
    ci_method : str, optional
        Where denominator df come from; by default the residual df, Satterthwaite's for lmer. With a
        CR covariance ``"satterthwaite"`` is clubSandwich's HTZ test.
    **spellings
        Other names of options: ``ddf=``, ``cov_type=`` ... (see the table of options).

    Returns
    -------
    ResultFrame
        One row: Test, df, df_error, F or Chi2, p; linear models by least squares have Sum_Squares.
        ``metadata`` has the hypotheses (L, rhs, labels), ``estimate`` (the left sides less rhs) and
        ``vcov_estimate``.

    Raises
    ------
    FormulaError
        If a hypothesis cannot be read, is not linear, or names an unknown coefficient.
    OptionError
        If hypotheses contradict each other, texts repeat what others say, or for unknown options.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lm("math ~ ses + sector", mlpool.load_data("hsb82"))
    >>> print(linear_hypothesis(m, "ses = 3, sectorCatholic = 2"))
    Linear hypothesis test
    <BLANKLINE>
    Hypothesis:
    ses = 3
    sectorCatholic = 2
    <BLANKLINE>
    Model: math ~ ses + sector
    <BLANKLINE>
           Sum of Sq Df Res.Df      F Pr(>F)
    F test     22.68  2   7182 0.2817 0.7545
    """
    m = check_model(model, "linear_hypothesis()")
    if test is not None:
        read_value("test", test, ("F", "Chisq"))
    asked = read_hypotheses(hypotheses, m.names, rhs)
    how = joint_inference(m, vcov=vcov, cluster=cluster, vcov_args=vcov_args, ci_method=ci_method)
    if test == "F" and not how.is_f:
        raise OptionError(
            f"A {m.kind} of this kind has no denominator degrees of freedom; use test='Chisq'."
        )
    is_f = how.is_f and test != "Chisq"
    result = how.test(asked.L, asked.rhs) if is_f else _chi_square(how, asked)
    row = _row(m, how, result, is_f=is_f)
    p_name = "Pr(>F)" if is_f else "Pr(>Chisq)"
    columns = (*_COLUMNS, TestColumn(name="p", header=p_name, role="p"))
    return ResultFrame(
        data=pd.DataFrame([row]),
        layout=AnovaLayout(title=_title(m, asked, how, is_f=is_f), labels="Test", columns=columns),
        options=DIGITS,
        metadata={
            "kind": m.kind, "vcov": how.covariance, "method": how.method, "hypotheses": asked,
            "estimate": asked.L @ how.beta - asked.rhs,
            "vcov_estimate": asked.L @ how.vcov @ asked.L.T,
        },
        backend=backend_of(m),
    )  # fmt: skip


def _chi_square(how: JointInference, asked: Hypotheses) -> FTest:
    return replace(how, df=np.inf).wald(asked.L, asked.rhs)


def _row(m: FittedModel, how: JointInference, result: FTest, *, is_f: bool) -> dict[str, object]:
    if not is_f:
        chi2 = result.statistic * result.df_num
        return {"Test": "Chi-square test", "df": result.df_num, "Chi2": chi2, "p": result.p}
    row = {
        "Test": "F test", "df": result.df_num, "df_error": result.df_den,
        "F": result.statistic, "p": result.p,
    }  # fmt: skip
    if m.kind == "lm" and how.covariance is None and how.method == "residual":
        return {"Sum_Squares": result.statistic * result.df_num * m.sigma**2, **row}
    return row


def _title(m: FittedModel, asked: Hypotheses, how: JointInference, *, is_f: bool) -> str:
    lines = ["Linear hypothesis test", "", "Hypothesis:", *asked.labels, ""]
    lines.append(f"Model: {m.formula.text}")
    if how.covariance is not None:
        lines.append(f"Covariance: {how.covariance}")
    if is_f and how.covariance is not None and how.method == "satterthwaite":
        lines.append("Test: approximate Hotelling T2 (HTZ)")
    elif is_f and how.method != "residual":
        lines.append(f"Degrees of freedom: {METHOD_NAMES[how.method]}")
    return "\n".join([*lines, ""])
