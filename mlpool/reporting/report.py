"""`report`: a fitted model in words."""

from __future__ import annotations

import html
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

from mlpool.errors import MlpoolError, MlpoolWarning, OptionError, brief
from mlpool.floating_point import usual_floats
from mlpool.hypotheses.linear_combinations import Covariance, chosen_covariance, read_covariance
from mlpool.keywords import InferenceSpellings
from mlpool.models.argument_checks import check_level, check_model
from mlpool.option_spellings import also_spelt
from mlpool.parameters import model_parameters
from mlpool.reporting.cautions import cautions
from mlpool.reporting.coefficients import coefficient_sentences
from mlpool.reporting.explained_variance import explained_sentences
from mlpool.reporting.model import heading, method_sentences, model_sentences
from mlpool.reporting.random import random_sentences
from mlpool.reporting.residuals import parameter_sentences
from mlpool.reporting.standardized import standardized_parameters
from mlpool.results import ResultFrame

if TYPE_CHECKING:
    from mlpool.models import FittedModel
    from mlpool.typing import ClusterLike, VcovArgs, VcovLike


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Report:
    """A model in words; printing it gives plain text.

    Attributes
    ----------
    model, explained, method, random : str
        Sentences on what was fitted to which rows, how much it explains, how intervals and p-values
        were made, how groups differ and residuals depend on each other (empty without either).
    heading : str
        What the coefficients are: ``Fixed effects, as log-odds``.
    coefficients : tuple of str
        One sentence per coefficient.
    cautions : tuple of str
        What a reader should know; often none.
    table : ResultFrame
        The :func:`mlpool.model_parameters` that the numbers come from.
    """

    model: str
    explained: str
    method: str
    heading: str
    coefficients: tuple[str, ...]
    random: str
    cautions: tuple[str, ...]
    table: ResultFrame

    def __str__(self) -> str:
        return self._text(bullet="  - ")

    __repr__ = __str__

    def to_markdown(self) -> str:
        """Return Markdown: coefficients and cautions as lists, the formula as code."""
        return self._text(bullet="- ", clean=_escaped)

    def _repr_html_(self) -> str:
        parts = []
        for lead, items in self._paragraphs():
            parts.append(f"<p>{html.escape(lead)}</p>")
            if items:
                rows = "".join(f"<li>{html.escape(item)}</li>" for item in items)
                parts.append(f"<ul>{rows}</ul>")
        return "".join(parts)

    def _text(self, bullet: str, clean: Any = str) -> str:
        parts = []
        for lead, items in self._paragraphs():
            lines = "".join(f"\n{bullet}{clean(item)}" for item in items)
            gap = "\n" if lines and bullet == "- " else ""
            parts.append(f"{clean(lead)}{gap}{lines}")
        return "\n\n".join(parts)

    def _paragraphs(self) -> list[tuple[str, tuple[str, ...]]]:
        """Return (paragraph, items of the list below it)."""
        first = " ".join(s for s in (self.model, self.explained, self.method) if s)
        out: list[tuple[str, tuple[str, ...]]] = [(first, ())]
        if self.coefficients:
            out.append((f"{self.heading}:", self.coefficients))
        if self.random:
            out.append((self.random, ()))
        if self.cautions:
            out.append(("Please note:", self.cautions))
        return out


@also_spelt("ci_method", "vcov", "cluster", "vcov_args", keywords=InferenceSpellings)
@usual_floats
def report(  # noqa: PLR0913 - options of model_parameters, all by keyword
    m: FittedModel,
    *,
    ci: float = 0.95,
    ci_method: str | None = None,
    vcov: VcovLike | None = None,
    vcov_args: VcovArgs | None = None,
    cluster: ClusterLike | None = None,
    standardize: bool | None = None,
    digits: int = 2,
    **spellings: Unpack[InferenceSpellings],
) -> Report:
    """Describe a fitted model in words, with the numbers of its tables and their methods.

    Parameters
    ----------
    m : FittedModel
    ci : float
        Confidence level.
    ci_method, vcov, vcov_args, cluster
        As in :func:`mlpool.model_parameters`; the report names them.
    standardize : bool, optional
        Standardized coefficients, too, from a second fit to z-scores; by default of linear models.
    digits : int
        Decimals of estimates and intervals.
    **spellings
        Other names of options: ``ddf=``, ``cov_type=`` ... (see the table of options).

    Returns
    -------
    Report
        ``print(report(m))``, ``report(m).to_markdown()``, or its parts.

    Raises
    ------
    OptionError, NotSupportedError
        For something that is no model, and as :func:`mlpool.model_parameters`.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lm("Reaction ~ Days", mlpool.load_data("sleepstudy"))
    >>> print(mlpool.report(m).explained)
    It explains a share of 0.29 of the variance (R2; adjusted 0.28; F(1, 178) = 71.46, p < .001).
    """
    check_model(m, "report()")
    level = check_level(ci)
    if level is None:
        raise OptionError("report() needs a level for its intervals, such as ci=0.95.")
    if standardize is not None and not isinstance(standardize, bool):
        raise OptionError(f"standardize must be True, False or None; got {brief(standardize)}.")
    covariance = read_covariance(m, vcov, cluster, vcov_args)
    options: dict[str, Any] = {
        "ci": level, "ci_method": ci_method, "vcov": vcov, "vcov_args": vcov_args,
        "cluster": cluster, "effects": "fixed",
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MlpoolWarning)  # the cautions say what warnings would
        table = model_parameters(m, digits=digits, **options)
        choice = chosen_covariance(m, covariance)
        again = _standardized(m, options, standardize, covariance)
        method = str(table.metadata["ci_method"])
        return Report(
            model=model_sentences(m),
            explained=explained_sentences(m, choice, digits),
            method=method_sentences(m, method, choice),
            heading=heading(m),
            coefficients=coefficient_sentences(m, table, again, digits),
            random=" ".join(
                s for s in (random_sentences(m, digits), parameter_sentences(m, digits)) if s
            ),
            cautions=cautions(m, method, choice),
            table=table,
        )


def _standardized(
    m: FittedModel, options: dict[str, object], wanted: bool | None, covariance: Covariance
) -> ResultFrame | None:
    """Return the table of the model of z-scores; None where it is not wanted or not to be had."""
    is_linear = m.kind in ("lm", "lmer")
    if not (is_linear if wanted is None else wanted):
        return None
    try:
        return standardized_parameters(m, options)
    except MlpoolError:
        if wanted:
            raise
        return None


def _escaped(text: str) -> str:
    """Return text whose stars, bars and underscores mean themselves in Markdown."""
    head, mark, rest = text.partition("(formula: ")
    if mark:
        formula, _, tail = rest.partition("; ")
        return f"{_escaped(head)}(formula: `{formula}`; {_escaped(tail)}"
    for char in "\\*_|<>~":
        text = text.replace(char, f"\\{char}")
    return text
