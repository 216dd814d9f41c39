"""`center` and `standardize`: columns about their mean, in units of their standard deviation."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlpool.argument_values import number
from mlpool.errors import DataError, MlpoolWarning, OptionError, brief
from mlpool.frames import Frame, read_frame, with_columns
from mlpool.transform.columns import Groups, as_names, numbers, numeric_names, read_groups
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.typing import ByLike, DataLike, NamesLike

MAD_TO_SD = 1.4826
"""Makes the median absolute deviation of normal data their SD; R's mad() has these digits."""


_ROUNDING = 1e-14
"""A spread this small beside the mean is rounding error of a constant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """What was taken off and what was divided by, per row or for all rows.

    Attributes
    ----------
    center, scale : ndarray of shape () or (n,)
    """

    center: FloatArray
    scale: FloatArray


def center(
    data: DataLike,
    select: NamesLike | None = None,
    by: ByLike | None = None,
    *,
    robust: bool = False,
    reference: float | None = None,
    append: bool | str = False,
) -> Any:
    """Return the data with columns minus their mean (datawizard's ``center``).

    Parameters
    ----------
    data : data frame, dict, path, Series or array
    select : str or list of str, optional
        Columns; every numeric one by default.
    by : str or list of str, optional
        Centre within groups.
    robust : bool
        About the median.
    reference : float, optional
        A value to take off instead.
    append : bool or str
        Keep the columns and add new ones with this suffix (True: ``_c``).

    Returns
    -------
    Same kind of frame
        A copy; missing values stay missing and are skipped. pandas frames keep the centres in
        ``.attrs["center"]`` (without `by`).

    Raises
    ------
    ColumnNotFoundError, DataError, OptionError

    Examples
    --------
    >>> center({"x": [1.0, 2.0, 6.0]})
    {'x': array([-2., -1.,  3.])}
    """
    _check_flags(robust=robust)
    fixed = None if reference is None else np.array(_number(reference, "reference"))

    def make(values: FloatArray, groups: Groups | None) -> Scaling:
        middle = _statistic(values, groups, median if robust else mean)
        return Scaling(center=middle if fixed is None else fixed, scale=np.array(1.0))

    return _transform(data, select, by, make, "_c" if append is True else append)


def standardize(
    data: DataLike,
    select: NamesLike | None = None,
    by: ByLike | None = None,
    *,
    robust: bool = False,
    two_sd: bool = False,
    append: bool | str = False,
) -> Any:
    """Return columns as z-scores, or a model refitted to them (datawizard's ``standardize``).

    Parameters
    ----------
    data : data frame, dict, path, Series, array or fitted model
        A model is fitted again with its numeric predictors (and the response of a linear model)
        standardized over the rows it uses.
    select : str or list of str, optional
        Columns; every numeric one by default.
    by : str or list of str, optional
        Standardize within groups.
    robust : bool
        Median and median absolute deviation (times 1.4826) for mean and SD.
    two_sd : bool
        Divide by two SDs (Gelman 2008), so that slopes compare with those of 0/1 predictors.
    append : bool or str
        Keep the columns and add new ones with this suffix (True: ``_z``).

    Returns
    -------
    Same kind of frame, or FittedModel
        The SD has n - 1; missing values are skipped and stay missing. A column (or group) without
        spread is only centred, with a warning. pandas frames keep what was taken off and divided
        by in ``.attrs["center"]`` and ``.attrs["scale"]`` (without `by`).

    Raises
    ------
    ColumnNotFoundError, DataError, OptionError

    References
    ----------
    Gelman (2008), Statistics in Medicine 27, 2865-2873 (two SDs).

    Examples
    --------
    >>> standardize({"x": [1.0, 2.0, 3.0]})
    {'x': array([-1.,  0.,  1.])}
    """
    _check_flags(robust=robust, two_sd=two_sd)
    if hasattr(data, "standardized"):
        if select is not None or by is not None or append:
            raise OptionError("standardize() of a model takes robust= and two_sd= only.")
        return data.standardized(robust=robust, two_sd=two_sd)
    factor = 2.0 if two_sd else 1.0

    def make(values: FloatArray, groups: Groups | None) -> Scaling:
        middle = _statistic(values, groups, median if robust else mean)
        spread = _statistic(values, groups, mad if robust else sd)
        return Scaling(center=middle, scale=factor * spread)

    return _transform(data, select, by, make, "_z" if append is True else append)


def mean(values: FloatArray, weights: FloatArray | None = None) -> float:
    """Return the (weighted) mean."""
    return float(np.average(values, weights=weights))


def sd(values: FloatArray, weights: FloatArray | None = None) -> float:
    """Return the standard deviation with n - 1; 0 for a single value.

    Weighted, as datawizard's ``weighted_sd``: with ``w`` adding up to 1,
    ``sum(w (x - mean)^2) / (1 - sum(w^2))``.
    """
    if len(values) < 2:
        return 0.0
    if weights is None:
        return float(np.std(values, ddof=1))
    w = weights / weights.sum()
    squares = float(np.sum(w * (values - mean(values, w)) ** 2))
    return float(np.sqrt(squares / (1.0 - np.sum(w**2))))


def median(values: FloatArray, weights: FloatArray | None = None) -> float:
    """Return the (weighted) median: the first value at which half of the weight is reached."""
    if weights is None:
        return float(np.median(values))
    order = np.argsort(values, kind="stable")
    x, share = values[order], np.cumsum(weights[order]) / weights.sum()
    first = int(np.argmax(share >= 0.5))
    return float(x[first : first + 2].mean() if share[first] == 0.5 else x[first])


def mad(values: FloatArray, weights: FloatArray | None = None) -> float:
    """Return the (weighted) median absolute deviation times 1.4826 (R's ``mad``)."""
    return MAD_TO_SD * median(np.abs(values - median(values, weights)), weights)


def _statistic(
    values: FloatArray, groups: Groups | None, function: Callable[[FloatArray], object]
) -> FloatArray:
    """Return a statistic of the values present, one number or each row's own group's."""
    if groups is not None:
        if function is mean:
            return groups.means(values)
        if function is sd:
            return groups.sds(values)
        return groups.apply(values, function)
    present = values[~np.isnan(values)]
    return np.array(function(present) if len(present) else np.nan, dtype=np.float64)


def _transform(
    data: DataLike,
    select: NamesLike | None,
    by: ByLike | None,
    make: Callable[[FloatArray, Groups | None], Scaling],
    suffix: bool | str,
) -> Any:
    if isinstance(data, pd.Series) or (isinstance(data, np.ndarray) and data.ndim == 1):
        return _transform_vector(data, select, by, make)
    if not isinstance(suffix, (bool, str)):
        raise OptionError(f"append must be True, False or a suffix; got {brief(suffix)}.")
    frame = read_frame(data)
    groups = None if by is None else read_groups(frame, by)
    names = numeric_names(frame, select, skip=[] if by is None else as_names(by, "by"))
    made, centers, scales = {}, {}, {}
    for name in names:
        values = numbers(frame, name)
        scaling = make(values, groups)
        made[_new_name(frame, name, suffix)] = _scaled(values, scaling, name, groups)
        centers[name], scales[name] = scaling.center, scaling.scale
    result = with_columns(frame, made)
    if isinstance(result, pd.DataFrame) and by is None:
        result.attrs["center"] = {k: float(v) for k, v in centers.items()}
        result.attrs["scale"] = {k: float(v) for k, v in scales.items()}
    return result


def _transform_vector(
    data: DataLike,
    select: NamesLike | None,
    by: ByLike | None,
    make: Callable[[FloatArray, Groups | None], Scaling],
) -> Any:
    if select is not None or by is not None:
        raise OptionError("select= and by= need a data frame; this is a single column.")
    try:
        values = np.asarray(data, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError("The values must be numbers.") from None
    label = data.name if isinstance(data, pd.Series) and data.name is not None else "x"
    scaled = _scaled(values, make(values, None), str(label), None)
    return pd.Series(scaled, data.index, name=data.name) if isinstance(data, pd.Series) else scaled


def _scaled(values: FloatArray, scaling: Scaling, name: str, groups: Groups | None) -> FloatArray:
    """Return ``(x - center) / scale``; not divided, with a warning, where there is no spread."""
    # 1e-300: a constant of zero is flat, too, as zero only
    rounding = _ROUNDING * np.maximum(np.abs(scaling.center), 1e-300)
    is_flat = scaling.scale <= rounding
    if np.any(is_flat):
        where = ""
        if groups is not None:
            count = len(np.unique(groups.codes[is_flat & (groups.codes >= 0)]))
            where = f" in {count} of {groups.count} groups"
        text = f"Column {brief(name)} has a spread of 0{where} and is only centred there."
        warnings.warn(text, MlpoolWarning, stacklevel=4)
    deviation = values - scaling.center
    deviation = np.where(is_flat & (np.abs(deviation) <= rounding), 0.0, deviation)
    return np.asarray(deviation / np.where(is_flat, 1.0, scaling.scale))


def _new_name(frame: Frame, name: str, suffix: bool | str) -> str:
    if not suffix:
        return name
    if f"{name}{suffix}" in frame:
        raise DataError(f"The data already have {f'{name}{suffix}'!r}; give another append=.")
    return f"{name}{suffix}"


def _number(value: object, argument: str) -> float:
    return number(value, argument)


def _check_flags(**flags: object) -> None:
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise OptionError(f"{name} must be True or False; got {brief(value)}.")
