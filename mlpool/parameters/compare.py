"""`compare_parameters`: the coefficients of several models side by side."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any, get_args

import pandas as pd

from mlpool.errors import OptionError, brief, check_option, nearest_names
from mlpool.models.argument_checks import check_level
from mlpool.option_spellings import also_spelt
from mlpool.parameters.argument_checks import KINDS, MIXED
from mlpool.parameters.parameters import model_parameters
from mlpool.parameters.parameters_table import FIXED, RANDOM, ParametersLayout, elements
from mlpool.parameters.row_selection import keep_rows
from mlpool.performance.model_rows import Footer, footer_rows, paper_notes
from mlpool.results import ResultFrame
from mlpool.tables import (
    Column,
    Note,
    RowGroup,
    TableOptions,
    TableSpec,
    glue,
    is_style,
    rows_below,
)
from mlpool.tables.cells import in_parentheses
from mlpool.tables.glue import STYLES
from mlpool.typing import Effects

if TYPE_CHECKING:
    from mlpool.models import FittedModel
    from mlpool.typing import ClusterLike, NamesLike, VcovArgs, VcovLike

_DEFAULT_STYLE = "ci"
PAPER = "paper"
PAPER_STYLE = "{estimate}{stars}\n({se})"
"""What a cell of a paper's table holds; the line break begins a row."""
_SHORTHANDS = {"minimal": "ci_p2", "short": "se_p", PAPER: PAPER_STYLE}
_SHOWN = ("Coefficient", "SE", "CI_low", "CI_high", "p")
_KEYS = ("Parameter", "Effects", "Group")


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareLayout:
    """How a comparison is printed.

    Attributes
    ----------
    models : tuple of str
        Names, in order.
    labels : tuple of str
        Printed name of each row.
    headers : tuple of str
        What each model's estimates are called.
    nobs : tuple of int
        Rows used by each model.
    effects : {"all", "fixed", "random"}
    footer : tuple of Footer
        Rows about whole models, of a paper's table, which has all effects in one grid.
    notes : tuple of Note
    """

    models: tuple[str, ...]
    labels: tuple[str, ...]
    headers: tuple[str, ...]
    nobs: tuple[int, ...]
    effects: str
    footer: tuple[Footer, ...] = ()
    notes: tuple[Note, ...] = ()

    def describe(self, data: pd.DataFrame, options: TableOptions) -> TableSpec:
        """Return the table: fixed effects with the number of observations, or one per effect."""
        style = _style(options.select)
        shown = [e for e in ("fixed", "random") if (data["Effects"] == e).any()]
        groups = tuple(self._group(data, options, style, effect) for effect in shown)
        if self.effects == "fixed" or self.footer:
            groups = (self._with_footer(groups or (self._group(data, options, style, "fixed"),)),)
        return TableSpec(groups=groups, notes=self.notes)

    def _group(
        self, data: pd.DataFrame, options: TableOptions, style: str, effect: str
    ) -> RowGroup:
        """Return one effect's rows; a model's cells are padded over all of its rows, as in R."""
        rows = [i for i, e in enumerate(data["Effects"]) if e == effect]
        labels = tuple(in_parentheses(label) for label in self.labels)
        columns = [Column(name="Parameter", header="Parameter", cells=labels, kind="label")]
        for name, header in zip(self.models, self.headers, strict=True):
            columns += _model_columns(data, options, style, name, header)
        chosen = [replace(c, cells=tuple(c.cells[i] for i in rows)) for c in columns]
        return RowGroup(columns=rows_below(chosen), heading=FIXED if effect == "fixed" else RANDOM)

    def _with_footer(self, groups: tuple[RowGroup, ...]) -> RowGroup:
        """Return the effects, a line between them, and below a line the rows of whole models."""
        counts = tuple(str(n) for n in self.nobs)
        footer = self.footer or (Footer(label="Observations", cells=counts),)
        columns = []
        for i, column in enumerate(groups[0].columns):
            above = [cell for group in groups for cell in group.columns[i].cells]
            columns.append(replace(column, cells=(*above, *self._below(i, groups[0], footer))))
        ends = accumulate(group.n_rows for group in groups)
        return RowGroup(columns=tuple(columns), rules=tuple(ends))

    def _below(self, i: int, group: RowGroup, footer: tuple[Footer, ...]) -> tuple[str, ...]:
        """Return a column's cells of the rows below; a model's stand in its first column."""
        if i == 0:
            return tuple(row.label for row in footer)
        model, other = divmod(i - 1, (len(group.columns) - 1) // len(self.models))
        return tuple("" if other else row.cells[model] for row in footer)


@also_spelt("vcov", "cluster", "vcov_args")
def compare_parameters(
    *models: FittedModel | Mapping[str, FittedModel],
    names: list[str] | tuple[str, ...] | None = None,
    ci: float | None = 0.95,
    effects: str = "fixed",
    vcov: VcovLike | None = None,
    vcov_args: VcovArgs | None = None,
    cluster: ClusterLike | None = None,
    exponentiate: bool | str = False,
    digits: int = 2,
    ci_digits: int | None = None,
    p_digits: int | str = 3,
    select: str | None = None,
    zap_small: bool = False,
    keep: str | list[str] | None = None,
    drop: str | list[str] | None = None,
    table_width: int | None = None,
    cov_type: VcovLike | None = None,
    cov_kwds: VcovArgs | None = None,
    clusters: ClusterLike | None = None,
    **named_models: FittedModel,
) -> ResultFrame:
    """Return the coefficients of several models side by side, as R's easystats prints them.

    Intervals are Wald intervals for every kind of model.

    Parameters
    ----------
    *models : FittedModel or dict
        Models called ``Model 1``, ``Model 2`` ..., or one dict from names to models.
    names : list of str, optional
        Names of all models, in order.
    ci : float or None
    effects : {"fixed", "all", "random"}
        ``"all"``: a second table with the random effects.
    vcov, vcov_args, cluster
        Robust standard errors of every model; see :func:`model_parameters`. Of mixed models
        those by clusters (``CR0`` .. ``CR3``), by default of the factor with the fewest levels.
    exponentiate : bool or "nongaussian"
    digits, ci_digits, p_digits, select, zap_small, table_width
        How to print. `select` is a style: ``"ci"`` (default), ``"se"``, ``"se_p"``, ``"ci_p"``,
        ``"se_p2"``, ``"ci_p2"``, ``"est"``, or a pattern of ``{estimate} {stars} {se} {ci} {ci_low}
        {ci_high} {p}``, a bar beginning a new column, a line break a row below. ``"paper"``: stars,
        standard errors below, and rows of random effects, observations, groups, R2, ICC, AIC, BIC.
    keep, drop : str or list of str, optional
        Regular expressions on raw names.
    cov_type, cov_kwds, clusters
        Other names of `vcov`, `vcov_args` and `cluster`.
    **named_models : FittedModel
        ``compare_parameters(ols=a, null=b)``.

    Returns
    -------
    ResultFrame
        Columns Parameter, Effects, Group, then ``Coefficient.<name>``, ``SE.<name>`` ... per model.

    Raises
    ------
    OptionError
        For something that is no model, names that do not fit, or an unknown option.

    Examples
    --------
    >>> import mlpool
    >>> data = mlpool.load_data("sleepstudy")
    >>> ols = mlpool.lm("Reaction ~ Days", data)
    >>> mixed = mlpool.lmer("Reaction ~ Days + (Days | Subject)", data)
    >>> print(mlpool.compare_parameters(ols=ols, mixed=mixed, select="se"))
    Parameter    |           ols |         mixed
    --------------------------------------------
    (Intercept)  | 251.41 (6.61) | 251.41 (6.82)
    Days         |  10.47 (1.24) |  10.47 (1.55)
    --------------------------------------------
    Observations |           180 |           180
    """
    check_option(effects, get_args(Effects), argument="effects")
    fits = _read_models(models, names, named_models)
    options = TableOptions().updated(
        digits=digits, ci_digits=ci_digits, p_digits=p_digits, select=select, zap_small=zap_small,
        table_width=table_width)  # fmt: skip
    _style(options.select)
    effects = "all" if select == PAPER and effects == "fixed" else effects
    tables = {
        name: model_parameters(
            m, ci=check_level(ci), ci_method="wald", vcov=vcov, vcov_args=vcov_args,
            cluster=cluster, exponentiate=exponentiate,
            effects=effects if m.kind in MIXED else "fixed",
        )
        for name, m in fits.items()
        if effects != "random" or m.kind in MIXED
    }  # fmt: skip
    if not tables:
        raise OptionError("effects='random' needs at least one mixed model.")
    frame, labels = _side_by_side(tables, residual_last=select == PAPER)
    frame, kept = keep_rows(frame, keep, drop)
    shown = {name: fits[name] for name in tables}
    layout = _layout_of(shown, tables, tuple(labels[i] for i in kept), effects, select == PAPER)
    layout.describe(frame, options)  # a wrong style is told here, not when it is printed
    metadata = {"models": tuple(shown), "nobs": layout.nobs, "ci": ci, "effects": effects}
    return ResultFrame(data=frame, layout=layout, options=options, metadata=metadata)


def _layout_of(
    models: Mapping[str, FittedModel],
    tables: Mapping[str, ResultFrame],
    labels: tuple[str, ...],
    effects: str,
    is_paper: bool,
) -> CompareLayout:
    return CompareLayout(
        models=tuple(models),
        labels=labels,
        headers=tuple(_header_of(table) for table in tables.values()),
        nobs=tuple(m.nobs for m in models.values()),
        effects=effects,
        footer=footer_rows(models) if is_paper else (),
        notes=paper_notes(models) if is_paper else (),
    )


def _read_models(
    models: tuple[object, ...], names: object, named_models: Mapping[str, object]
) -> dict[str, Any]:
    """Return name -> model.

    Raises
    ------
    OptionError
    """
    if len(models) == 1 and isinstance(models[0], Mapping):
        pairs = [(str(name), m) for name, m in models[0].items()]
    elif len(models) == 1 and isinstance(models[0], (list, tuple)):
        pairs = [(f"Model {i}", m) for i, m in enumerate(models[0], 1)]
    else:
        pairs = [(f"Model {i}", m) for i, m in enumerate(models, 1)]
    for name, m in named_models.items():
        if getattr(m, "kind", None) not in (*KINDS, "gls"):
            raise _no_model(name, m)
        pairs.append((name, m))
    if names is not None:
        pairs = [(str(name), m) for name, (_, m) in zip(_names(names, pairs), pairs, strict=True)]
    for name, m in pairs:
        if getattr(m, "kind", None) not in (*KINDS, "gls"):
            raise OptionError(f"compare_parameters() needs fitted models; {name} is {brief(m)}.")
    if not pairs:
        raise OptionError("compare_parameters() needs at least one model.")
    if len(dict(pairs)) < len(pairs):
        raise OptionError("the names of the models must differ.")
    return dict(pairs)


def _names(names: Any, pairs: list[tuple[str, Any]]) -> list[Any]:
    if isinstance(names, str) or not hasattr(names, "__len__") or len(names) != len(pairs):
        raise OptionError(
            f"names must be a list with one name for each of the {len(pairs)} models; "
            f"got {brief(names)}."
        )
    return list(names)


def _no_model(name: str, value: object) -> OptionError:
    shown = inspect.signature(compare_parameters).parameters
    options = [n for n, p in shown.items() if p.kind is p.KEYWORD_ONLY]
    hint = nearest_names(name, options)
    if hint:
        return OptionError(f"compare_parameters() has no argument {brief(name)}.{hint}")
    return OptionError(
        f"compare_parameters() takes fitted models by name; {name}= is {brief(value)}."
    )


def _style(select: NamesLike | None) -> str:
    """Return the style that `select` means.

    Raises
    ------
    OptionError
    """
    if select is None:
        return _DEFAULT_STYLE
    if isinstance(select, str) and (is_style(select) or select in _SHORTHANDS):
        return _SHORTHANDS.get(select, select)
    known = (*STYLES, *_SHORTHANDS)
    hint = nearest_names(select, known) if isinstance(select, str) else ""
    raise OptionError(
        f"select must be one of {known} or a pattern such as '{{estimate}} ({{se}})'; "
        f"got {brief(select)}.{hint}"
    )


def _side_by_side(
    tables: Mapping[str, ResultFrame], *, residual_last: bool
) -> tuple[pd.DataFrame, list[str]]:
    """Return one row per parameter, in order of first appearance, and the rows' printed names."""
    printed: dict[tuple[str, ...], str] = {}
    wide: dict[tuple[str, ...], dict[str, object]] = {}
    columns: list[str] = []
    for name, table in tables.items():
        assert isinstance(table.layout, ParametersLayout)
        numbers = [c for c in table.columns if c not in _KEYS]
        columns += [f"{c}.{name}" for c in numbers]
        for record, label in zip(table.data.to_dict("records"), table.layout.labels, strict=True):
            key = (record["Parameter"], record.get("Effects", "fixed"), record.get("Group", ""))
            printed.setdefault(key, label)
            wide.setdefault(key, {}).update({f"{c}.{name}": record[c] for c in numbers})
    # Python's sort is stable: within an effect, rows stay in order of first appearance.
    order = sorted(wide, key=lambda key: (key[1], residual_last and key[2] == "Residual"))
    rows = [dict(zip(_KEYS, key, strict=True)) | wide[key] for key in order]
    return pd.DataFrame(rows, columns=[*_KEYS, *columns]), [printed[key] for key in order]


def _model_columns(
    part: pd.DataFrame, options: TableOptions, style: str, name: str, header: str
) -> list[Column]:
    """Return one model's columns; several of them carry the model's name in brackets."""
    shown = [c for c in _SHOWN if f"{c}.{name}" in part.columns]
    own = pd.DataFrame({c: part[f"{c}.{name}"] for c in shown})
    columns = glue(elements(own, options, header), style)
    if len(columns) == 1:
        return [Column(name=name, header=name, cells=columns[0].cells)]
    return [
        Column(name=f"{c.header} ({name})", header=f"{c.header} ({name})", cells=c.cells)
        for c in columns
    ]


def _extended(column: Column, cell: str) -> Column:
    return replace(column, cells=(*column.cells, cell))


def _header_of(table: ResultFrame) -> str:
    assert isinstance(table.layout, ParametersLayout)
    return table.layout.coefficient
