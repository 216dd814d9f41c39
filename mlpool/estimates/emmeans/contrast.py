"""`contrast`: contrasts of a table of means, as R's ``contrast(emmeans(...))``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, overload

import numpy as np
import pandas as pd

from mlpool.argument_values import is_text
from mlpool.argument_values import names as given_names
from mlpool.errors import NotSupportedError, OptionError, brief, check_option, nearest_names
from mlpool.estimates.delta.averages import Answers
from mlpool.estimates.delta.comparison_weights import Comparison, make_comparison
from mlpool.estimates.delta.delta_method import Inference
from mlpool.estimates.delta.family_inference import correlations, infer_families, weighted_answers
from mlpool.estimates.delta.multiplicity import adjusted, families_of, p_adjust_note, read_p_adjust
from mlpool.estimates.emmeans.linear_estimates import LinearEstimates
from mlpool.estimates.estimates_table import (
    EstimatesLayout,
    beside,
    grid_columns,
    inference_columns,
)
from mlpool.estimates.grids.emmeans_formulas import COMPARISONS
from mlpool.estimates.notes import missing_notes, scale_footer
from mlpool.estimates.pairwise import SimpleContrasts
from mlpool.estimates.request import metadata_of, notes_on, robust_lines
from mlpool.estimates.scale.links import TYPES
from mlpool.estimates.scale.ratios import Ratios, ratios_on
from mlpool.frames.levels import level_label
from mlpool.models.argument_checks import check_level
from mlpool.results import ResultFrame
from mlpool.tables import names_note
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.typing import ByLike, NamesLike

ADJUST = {
    "pairwise": "tukey", "revpairwise": "tukey", "reference": "dunnettx",
    "revreference": "dunnettx", "sequential": "mvt", "meandev": "fdr", "meanotherdev": "fdr",
}  # fmt: skip
"""emmeans' defaults by comparison, in our words; none for the others."""


@overload
def contrast(  # type: ignore[overload-overlap] # "each" is a text, too, and looked at first
    means: ResultFrame,
    method: object = "eff",
    *,
    interaction: NamesLike | bool | None = None,
    by: ByLike | None = None,
    simple: Literal["each"],
    adjust: str | None = None,
    type: str | None = None,
    level: float | None = None,
) -> SimpleContrasts: ...
@overload
def contrast(
    means: ResultFrame,
    method: object = "eff",
    *,
    interaction: NamesLike | bool | None = None,
    by: ByLike | None = None,
    simple: Sequence[str] | None = None,
    adjust: str | None = None,
    type: str | None = None,
    level: float | None = None,
) -> ResultFrame: ...
def contrast(
    means: ResultFrame,
    method: object = "eff",
    *,
    interaction: NamesLike | bool | None = None,
    by: ByLike | None = None,
    simple: NamesLike | None = None,
    adjust: str | None = None,
    type: str | None = None,
    level: float | None = None,
) -> ResultFrame | SimpleContrasts:
    """Return contrasts of a table of means, slopes or contrasts, as emmeans' ``contrast`` does.

    Parameters
    ----------
    means : ResultFrame
        Of :func:`emmeans`, :func:`emtrends`, :func:`regrid`, :func:`contrast`,
        :func:`estimate_means` or :func:`estimate_slopes`.
    method : str, dict or matrix
        ``"eff"`` (minus the mean of all), ``"del.eff"``, ``"pairwise"`` (earlier minus later),
        ``"revpairwise"``, ``"trt.vs.ctrl"`` (minus the first), ``"consec"``, ``"poly"``; or
        weights: ``{"A vs B, C": [1, -.5, -.5]}``.
    interaction : str, list of str or bool, optional
        Contrasts of contrasts: a method for every variable, or one for all (True: `method`).
    by : str or sequence of str, optional
        Within which columns; those after the bar of :func:`emmeans` unless named; ``[]`` for none.
    simple : str or list of str, optional
        The reverse of `by`: contrasts of these at every combination of the others; ``"each"``:
        of every variable in turn.
    adjust : str, optional
        As ``p_adjust=`` of :func:`estimate_contrasts`; default as emmeans: Tukey's for pairs,
        ``"dunnettx"`` against a control, ``"mvt"`` for neighbours, ``"fdr"`` for deviations,
        ``"none"`` for interactions, polynomials and weights.
    type : {"link", "response"}, optional
        ``"response"``: ratios, of odds with a logit link; as the table of means unless given.
        Contrasts on other links' scales stay there, as in R.
    level : float, optional
        Confidence level; that of the means unless given.

    Returns
    -------
    ResultFrame
        Level1 and Level2 (Contrast for weights; ``f_pairwise``, ``g_consec`` for interactions),
        the columns of `by`, Difference or Ratio, SE, CI_low, CI_high, t or z, df, p. Intervals are
        adjusted with the p-values, families are within `by`.

    Raises
    ------
    OptionError
        For something that is no such table, unknown methods and columns.
    NotSupportedError
        If the values of `by` have different levels within them (nested factors).

    See Also
    --------
    pairs : the pairwise ones.
    estimate_contrasts : of a model at once.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lm("angle ~ recipe * temperature", mlpool.load_data("cake"))
    >>> cells = mlpool.emmeans(m, "~ recipe * temperature", at={"temperature": ["175", "225"]})
    >>> mlpool.contrast(cells, interaction="pairwise")["Difference"].round(3).to_list()
    [2.467, 1.867, -0.6]
    """
    found = linear_of(means, "contrast()")
    if simple is not None:

        def within(groups: list[str]) -> ResultFrame:
            return contrast(means, method, by=groups, adjust=adjust, type=type, level=level)

        return _simple(within, found, simple, by, interaction)
    groups = _groups(found, by)
    compared, columns = _comparison(found, groups, method, interaction)
    default = ADJUST.get(compared.name, "none")
    adjustment = read_p_adjust(adjust or default)
    if adjustment == "tukey" and compared.name not in ("pairwise", "revpairwise"):
        raise OptionError("adjust='tukey' is for pairwise comparisons; others have 'mvt'.")
    ci = found.request.ci if level is None else check_level(level)
    found = replace(found, request=replace(found.request, ci=ci))
    return _Made(found, groups, compared, columns, adjustment, _ratios(found, compared, type)).table


def _simple(
    within: Callable[[list[str]], ResultFrame],
    found: LinearEstimates,
    simple: NamesLike,
    by: ByLike | None,
    interaction: object,
) -> ResultFrame | SimpleContrasts:
    """Return the contrasts of some variables within all others, or of each."""
    if by is not None or interaction is not None:
        raise OptionError("simple= says what is compared, and within what: give no by= beside it.")
    columns = [str(c) for c in found.grid.columns]
    if is_text(simple, "each"):
        return SimpleContrasts({name: within(_others(columns, [name])) for name in columns})
    chosen = given_names(simple, "simple")
    names = [check_option(name, columns, argument="simple") for name in chosen]
    return within(_others(columns, names))


def _others(columns: Sequence[str], names: Sequence[str]) -> list[str]:
    return [c for c in columns if c not in names]


@dataclass(frozen=True, slots=True)
class _Made:
    """Contrasts before they are a table."""

    found: LinearEstimates
    groups: tuple[str, ...]
    compared: Comparison
    columns: dict[str, tuple[str, ...]]
    adjustment: str
    ratios: Ratios | None

    @property
    def table(self) -> ResultFrame:
        """The rows with their layout."""
        order = _family_order(self.found.grid, self.groups)
        answers = in_order(self.found.answers(), order)
        result, n = self._result(answers)
        firsts = self.found.grid.iloc[order[:: self.compared.weights.shape[1]]][list(self.groups)]
        by = firsts.iloc[np.repeat(np.arange(n), len(self.compared.weights))]
        value = "Ratio" if self.ratios else "Difference"
        labels: dict[str, object] = {k: list(v) * n for k, v in self.columns.items()}
        labels |= grid_columns(by.reset_index(drop=True))
        data, own = beside(labels, inference_columns(result, value, p=True))
        model, request = self.found.model, self.found.request
        layout = EstimatesLayout(
            title="Contrasts", labels=tuple(labels), value=value, statistic=result.symbol,
            level=request.ci, shows_p=True, names=own,
            footers=(*self._footers(), *missing_notes(model, result.estimate, "contrasts"),
                     *names_note(own)),
        )  # fmt: skip
        linear = replace(
            self.found, grid=data[list(labels)],
            given=weighted_answers(answers, self.compared), groups=self.groups,
        )  # fmt: skip
        facts = {"by": self.groups, "contrast": tuple(self.columns), "p_adjust": self.adjustment,
                 "scale": self.found.scale.name, "names": own, "value": value,
                 "linear": linear}  # fmt: skip
        return ResultFrame(
            data=data, layout=layout, notes=notes_on(model, request, result),
            metadata=metadata_of(model, "estimate_contrasts", request, result) | facts,
        )  # fmt: skip

    def _result(self, answers: Answers) -> tuple[Inference, int]:
        """Return the contrasts with their uncertainty, and the number of families."""
        found, compared = self.found, self.compared
        n = len(answers.value) // compared.weights.shape[1]
        result = infer_families(found.model, answers, compared, found.request)
        families = families_of(np.ones((n, compared.weights.shape[1]), bool), compared, True)
        result = adjusted(
            result, families, self.adjustment, True, found.request.ci,
            lambda rows: correlations(found.model, answers, compared, found.request, rows),
        )  # fmt: skip
        return (self.ratios.of(result) if self.ratios else result), n

    def _footers(self) -> tuple[str, ...]:
        model = self.found.model
        lines = [f"Variable predicted: {model.design.response_name}"]
        if self.found.trend:
            lines = [f"Slopes of {self.found.trend}"]
        scale = replace(self.found.scale, predict="link")
        return (
            *lines, p_adjust_note(self.adjustment),
            *((self.ratios.note,) if self.ratios else scale_footer(scale, "Contrasts")),
            *robust_lines(model, self.found.request),
        )  # fmt: skip


def linear_of(table: object, verb: str) -> LinearEstimates:
    """Return what a table of means remembers of the model.

    Raises
    ------
    OptionError
        If it remembers nothing, or is none.
    """
    found = table.metadata.get("linear") if isinstance(table, ResultFrame) else None
    if not isinstance(found, LinearEstimates):
        raise OptionError(
            f"{verb} takes a table of means: {verb[:-1]}mlpool.emmeans(m, '~ f')); "
            f"got {brief(table)}."
        )
    return found


def in_order(answers: Answers, order: Sequence[int]) -> Answers:
    """Return the answers in another order."""
    rows = list(order)
    size = None if answers.size is None else answers.size[rows]
    return Answers(value=answers.value[rows], jacobian=answers.jacobian[rows], size=size)


def _groups(found: LinearEstimates, by: ByLike | None) -> tuple[str, ...]:
    if by is None:
        return found.groups
    names = [by] if isinstance(by, str) else list(by)
    known = [str(c) for c in found.grid.columns]
    for name in names:
        if name not in known:
            raise OptionError(
                f"by={brief(name)} is no column of the means, which are of {', '.join(known)}."
                f"{nearest_names(name, known)}"
            )
    return tuple(names)


def _family_order(grid: pd.DataFrame, groups: Sequence[str]) -> list[int]:
    """Return the rows of the grid, those with the same values of `groups` together.

    Raises
    ------
    NotSupportedError
        If they do not all have the same levels.
    """
    if not groups:
        return list(range(len(grid)))
    keys = [tuple(level_label(v) for v in row) for row in grid[list(groups)].to_numpy()]
    rows: dict[tuple[str, ...], list[int]] = {}
    for i, key in enumerate(keys):
        rows.setdefault(key, []).append(i)
    others = grid.drop(columns=list(groups))
    found = {tuple(map(str, others.iloc[own].to_numpy().ravel())) for own in rows.values()}
    if len(found) > 1:
        raise NotSupportedError(
            "not every value of by= has the same levels within it; name them with the model: "
            "pairs(m, '~ f | g')."
        )
    return [i for own in rows.values() for i in own]


def _comparison(
    found: LinearEstimates,
    groups: tuple[str, ...],
    method: object,
    interaction: NamesLike | bool | None,
) -> tuple[Comparison, dict[str, tuple[str, ...]]]:
    """Return the weights of one family and what its rows are called, by column."""
    names = [str(c) for c in found.grid.columns if c not in groups]
    first = found.grid.iloc[_family_order(found.grid, groups)]
    n = len(first[list(groups)].drop_duplicates()) if groups else 1
    size = len(first) // max(1, n)
    inside = first.iloc[:size][names]
    if interaction is None or interaction is False:
        labels = [", ".join(level_label(v) for v in row) for row in inside.to_numpy()]
        made = make_comparison(read_method(method), labels)
        if made.second:
            return made, {"Level1": made.first, "Level2": made.second}
        return made, {"Contrast": made.first}
    return _crossed(inside, names, method if interaction is True else interaction)


def _crossed(
    inside: pd.DataFrame, names: list[str], methods: object
) -> tuple[Comparison, dict[str, tuple[str, ...]]]:
    """Return contrasts of contrasts: the products of those of every variable."""
    given = list(methods) if isinstance(methods, (list, tuple)) else [methods]
    if len(given) not in (1, len(names)):
        raise OptionError(
            f"interaction= needs one method, or one for each of {', '.join(names)}; got "
            f"{len(given)}."
        )
    given = given * len(names) if len(given) == 1 else given
    parts = []
    for name, method in zip(names, given, strict=True):
        levels = list(dict.fromkeys(level_label(v) for v in inside[name]))
        parts.append(make_comparison(read_method(method), levels))
    if np.prod([p.weights.shape[1] for p in parts]) != len(inside):
        raise NotSupportedError("interaction= needs the means of all combinations of the levels.")
    # the first variable varies fastest
    weights: FloatArray = np.ones((1, 1))
    for part in parts:
        weights = np.asarray(np.kron(part.weights, weights))
    counts = [len(p.weights) for p in parts]
    places = np.unravel_index(np.arange(len(weights)), counts, order="F")
    columns = {
        f"{name}_{method if isinstance(method, str) else 'custom'}": tuple(
            _label(part, int(i)) for i in place
        )
        for name, method, part, place in zip(names, given, parts, places, strict=True)
    }
    return Comparison(name="interaction", first=(), second=(), weights=weights), columns


def _label(part: Comparison, i: int) -> str:
    return f"{part.first[i]} - {part.second[i]}" if part.second else part.first[i]


def read_method(method: object) -> object:
    """Return emmeans' word for a comparison in :func:`estimate_contrasts`' words.

    Raises
    ------
    OptionError
        For unknown words.
    """
    if not isinstance(method, str):
        return method
    if method not in COMPARISONS:
        raise OptionError(
            f"method must be one of {', '.join(COMPARISONS)}, a dict of weights or a matrix; got "
            f"{brief(method)}.{nearest_names(method, COMPARISONS)}"
        )
    return COMPARISONS[method]


def _ratios(found: LinearEstimates, compared: Comparison, type: str | None) -> Ratios | None:
    """Return the ratios that ``type="response"`` means; None where contrasts stay differences."""
    wanted = "response" if found.scale.is_response else "link"
    if type is not None:
        wanted = TYPES[check_option(type, TYPES, argument="type")]
    # a share of the contrast's largest weight: weights have no unit
    sums = np.abs(compared.weights.sum(axis=1)) <= 1e-6 * np.abs(compared.weights).max(axis=1)
    if wanted == "link" or not sums.all() or found.trend:
        return None
    return ratios_on(found.model, found.scale)
