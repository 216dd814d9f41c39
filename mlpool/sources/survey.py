"""The first query: rows, missing and infinite values, ranges, means and SDs of every variable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

import narwhals as nw
import numpy as np

from mlpool.errors import DataError, brief, check_option
from mlpool.sources.language.pushed_values import Pushed, PushedLabels, PushedNumbers
from mlpool.sources.lazy_rows import LazyRows
from mlpool.sources.queries import collected, distinct, totals
from mlpool.typing import FloatArray

INFINITE = float(np.finfo(np.float64).max)
CANCELLED = 1e-3
"""Share of the mean square that a variance must be to have lost no more than three digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """Mean, SD and range of a column on the rows used."""

    mean: float
    sd: float
    low: float
    high: float

    @property
    def centre(self) -> float:
        """The mean, rounded to a power of two below the SD so that small integers stay exact."""
        if not self.sd > 0.0:
            return self.mean
        unit = 2.0 ** np.floor(np.log2(self.sd))
        return float(np.round(self.mean / unit) * unit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a first look at the rows shows.

    Attributes
    ----------
    n_read, n, n_missing : int
        Rows there are, rows used, rows left out because of missing values.
    missing_by : dict
        Rows missing per variable.
    used : narwhals.LazyFrame
        The rows used.
    moments : dict
        Of every numeric variable by its text, one entry per column.
    sum_log_weights : float
    """

    n_read: int
    n: int
    n_missing: int
    missing_by: dict[str, int]
    used: LazyRows
    moments: dict[str, tuple[Moments, ...]] = field(default_factory=dict)
    sum_log_weights: float = 0.0

    @property
    def centres(self) -> dict[str, tuple[float, ...]]:
        """Where each numeric variable's columns are centred."""
        return {text: tuple(m.centre for m in each) for text, each in self.moments.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The variables of a model on scanned rows.

    Attributes
    ----------
    values : mapping from text to pushed value
        Expressions of the formula, in the order in which missing rows are noted.
    keys : mapping from name to narwhals.Expr
        Columns of grouping factors and clusters.
    float_keys : frozenset of str
        Keys that may be infinite.
    weights : narwhals.Expr or None
    offset : narwhals.Expr or None
        The offset handed over beside the formula.
    subset : narwhals.Expr or None
        1 where a row is wanted.
    """

    values: Mapping[str, Pushed]
    keys: Mapping[str, nw.Expr]
    float_keys: frozenset[str] = frozenset()
    weights: nw.Expr | None = None
    offset: nw.Expr | None = None
    subset: nw.Expr | None = None


def survey(rows: LazyRows, asked: Asked, na_action: str) -> Survey:
    """Ask for rows, missing values and moments.

    Raises
    ------
    DataError
        If no row is left, rows are missing and `na_action` is "fail", values are infinite or a
        weight is negative.
    """
    check_option(na_action, ("omit", "fail"), argument="na_action")
    known = _known(asked)
    inside = nw.lit(True) if asked.subset is None else (asked.subset == 1.0)
    wanted = inside if asked.weights is None else inside & _is_not_zero(asked.weights)
    has_all = reduce(lambda a, b: a & b, known.values())
    used = has_all & wanted
    numbers, weights = _numbers(asked), _argument(asked, "weights")
    infinite = {k: asked.keys[k] for k in sorted(asked.float_keys) if k not in numbers}
    # made first, so that aggregates are of columns: what is constant is no column to an engine
    flags = {"inside": inside, "wanted": wanted, "used": used}
    made = [expr.alias(name) for name, expr in flags.items()]
    made += [expr.alias(f"known{i}") for i, expr in enumerate(known.values())]
    made += [expr.alias(f"number{i}") for i, expr in enumerate(numbers.values())]
    made += [expr.alias(f"key{i}") for i, expr in enumerate(infinite.values())]
    queries = _queries(list(known), list(numbers), weights)
    queries |= _flags(asked)
    queries |= {f"infinite {k}": _infinite(f"key{i}") for i, k in enumerate(infinite)}
    found = totals(rows.select(*made), queries)
    found.setdefault("inside", found["rows"])
    found.setdefault("wanted", found["inside"])
    found["missing"] = found["wanted"] - found["used"]
    _check(found, known, na_action, [*numbers, *infinite])
    found |= _spreads(rows.select(*made), list(numbers), found)
    if asked.weights is not None and found[f"low {weights}"] < 0:
        raise DataError("weights must be positive; some are negative.")
    kept = rows if found["used"] == found["rows"] else rows.filter(used)
    return Survey(
        n_read=int(found["rows"]),
        n=int(found["used"]),
        n_missing=_whole(found["missing"]),
        missing_by={k: _whole(found[f"missing {k}"]) for k in known if found[f"missing {k}"] > 0},
        used=kept,
        moments=_moments(asked, found),
        sum_log_weights=0.0 if asked.weights is None else found["log weights"],
    )


def levels_used(rows: LazyRows, labels: PushedLabels) -> FloatArray:
    """Return which of a column's distinct values (m,) the rows used have."""
    column = labels.column.alias("key")
    found = collected(distinct(rows.select(column), ["key"]))["key"].to_list()
    present = set(found)
    return np.array([key in present for key in labels.keys], dtype=bool)


def _argument(asked: Asked, name: str) -> str:
    """Return a name for an argument's column that no variable of the formula has."""
    return f"{name}=" if name in asked.values or name in asked.keys else name


def _known(asked: Asked) -> dict[str, nw.Expr]:
    known = {name: value.known for name, value in asked.values.items()}
    known |= {name: ~key.is_null() for name, key in asked.keys.items() if name not in known}
    for name, number in (("weights", asked.weights), ("offset", asked.offset)):
        if number is not None:
            known[_argument(asked, name)] = ~number.is_null()
    return known


def _numbers(asked: Asked) -> dict[str, nw.Expr]:
    numbers = {
        _name(text, i, value): expr
        for text, value in asked.values.items()
        if isinstance(value, PushedNumbers)
        for i, expr in enumerate(value.exprs)
    }
    if asked.weights is not None:
        numbers[_argument(asked, "weights")] = asked.weights
    if asked.offset is not None:
        numbers[_argument(asked, "offset")] = asked.offset
    return numbers


def _name(text: str, place: int, value: PushedNumbers) -> str:
    return f"{text} {place + 1}" if len(value.exprs) > 1 else text


def _queries(known: list[str], numbers: list[str], weights: str) -> dict[str, nw.Expr]:
    inside, used = nw.col("inside"), nw.col("used")
    queries = {"rows": nw.len(), "used": _count(used)}
    for i, name in enumerate(known):
        queries[f"missing {name}"] = _count(~nw.col(f"known{i}") & inside)
    for i, name in enumerate(numbers):
        number = nw.col(f"number{i}")
        there = nw.when(used).then(number)
        queries |= {
            f"mean {name}": there.mean(), f"square {name}": (there * there).mean(),
            f"low {name}": there.min(), f"high {name}": there.max(),
            f"infinite {name}": _infinite(f"number{i}"),
        }  # fmt: skip
        if name == weights:
            queries["log weights"] = nw.when(used & (number > 0.0)).then(number.log()).sum()
    return queries


def _flags(asked: Asked) -> dict[str, nw.Expr]:
    """Return counts of the rows that are chosen, where it is not all of them."""
    counts = {} if asked.subset is None else {"inside": _count(nw.col("inside"))}
    return counts if asked.weights is None else {**counts, "wanted": _count(nw.col("wanted"))}


def _spreads(
    rows: LazyRows, numbers: Sequence[str], found: Mapping[str, float]
) -> dict[str, float]:
    """Return the SD of every number, by one more query of those that lie far from zero.

    A mean of squares is asked for in a third of the time that engines' SDs take.
    """
    spreads, n, asked = {}, found["used"], {}
    for i, name in enumerate(numbers):
        square = found[f"square {name}"]
        mean = found[f"mean {name}"]
        variance = square - mean * mean  # a power would raise where it overflows
        if variance > CANCELLED * square and np.isfinite(square):
            spreads[f"sd {name}"] = float(np.sqrt(variance * n / (n - 1.0)))
        elif n > 1:
            asked[f"sd {name}"] = nw.when(nw.col("used")).then(nw.col(f"number{i}")).std()
        else:
            spreads[f"sd {name}"] = 0.0
    return spreads | totals(rows, asked)


def _infinite(name: str) -> nw.Expr:
    """Return in how many of the rows wanted a number is infinite."""
    number = nw.col(name)
    return _count(((number > INFINITE) | (number < -INFINITE)) & nw.col("inside"))


def _moments(asked: Asked, found: Mapping[str, float]) -> dict[str, tuple[Moments, ...]]:
    def one(name: str) -> Moments:
        sd = found[f"sd {name}"]
        return Moments(
            mean=found[f"mean {name}"], sd=0.0 if np.isnan(sd) else sd,
            low=found[f"low {name}"], high=found[f"high {name}"],
        )  # fmt: skip

    made = {
        text: tuple(one(_name(text, i, value)) for i in range(len(value.exprs)))
        for text, value in asked.values.items()
        if isinstance(value, PushedNumbers)
    }
    if asked.weights is not None:
        weights = _argument(asked, "weights")
        made[weights] = (one(weights),)
    return made


def _check(
    found: Mapping[str, float],
    known: Mapping[str, nw.Expr],
    na_action: str,
    numbers: Sequence[str],
) -> None:
    if not found["rows"]:
        raise DataError("The data have no rows.")
    for name in numbers:
        if found[f"infinite {name}"] > 0:
            raise DataError(
                f"{brief(name)} is infinite in {int(found[f'infinite {name}'])} rows; set them "
                "missing or drop them."
            )
    missing = {name: _whole(found[f"missing {name}"]) for name in known}
    if found["missing"] > 0 and na_action == "fail":
        names = ", ".join(f"{k} ({v})" for k, v in missing.items() if v)
        raise DataError(
            f"{_whole(found['missing'])} rows have missing values ({names}) and na_action is "
            "'fail'."
        )
    if not found["inside"] > 0:
        raise DataError("subset leaves no rows.")
    if not found["wanted"] > 0:
        raise DataError(f"weights must be positive; all {_whole(found['inside'])} are zero.")
    if not found["used"] > 0:
        worst = max(missing, key=missing.__getitem__)
        raise DataError(f"No row is left: every row has a missing value (most in {brief(worst)}).")


def _is_not_zero(weights: nw.Expr) -> nw.Expr:
    return weights.is_null() | (weights != 0.0)


def _count(test: nw.Expr) -> nw.Expr:
    """Return in how many rows a test holds; unknown is no."""
    return nw.when(test).then(nw.lit(1.0)).otherwise(nw.lit(0.0)).sum()


def _whole(count: float) -> int:
    return 0 if np.isnan(count) else int(count)
