"""Mixed models as estimators of scikit-learn: pipelines, grid searches, group-aware validation.

May import models and everything below; ``import mlpool`` does not import it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Self

import narwhals
import numpy as np
import pandas as pd

from mlpool.errors import DataError, NotSupportedError, OptionError, brief
from mlpool.models import FittedModel, MixedModel, fit, predict
from mlpool.typing import AnyArray, FloatArray

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data
except ImportError:
    raise NotSupportedError(
        "mlpool.sklearn needs scikit-learn 1.6 or later; run: pip install --upgrade scikit-learn"
    ) from None

if TYPE_CHECKING:
    from sklearn.utils import Tags

    from mlpool.keywords import PredictOptions
    from mlpool.typing import ColumnLike

_WORD = re.compile(r"[^\W\d]\w*")


class _MixedEstimator(BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """What regressor and classifier share: a formula, and X and y as one frame."""

    formula: str | None
    family: str | None
    options: dict[str, Any] | None
    include_random: bool
    model_: FittedModel

    def _frame(self, X: Any, *, is_new: bool) -> pd.DataFrame:
        """Return X as a frame: as it is, or an array's columns called x0, x1 ..."""
        table = _named_columns(X)
        if table is None:
            array = validate_data(self, X, reset=not is_new, dtype="numeric")
            return pd.DataFrame(array, columns=[f"x{i}" for i in range(array.shape[1])])
        validate_data(self, X, reset=not is_new, skip_check_array=True)
        return table.reset_index(drop=True)

    def _fit(self, X: Any, y: AnyArray, weights: ColumnLike | None) -> Self:
        data = self._frame(X, is_new=False)
        formula = self.formula or f"y ~ {' + '.join(f'`{c}`' for c in data.columns)}"
        response = _response(formula)
        if response in data.columns:
            raise DataError(
                f"X has a column {brief(response)}, which is the formula's response; leave it out "
                "of X."
            )
        if len(data) != len(y):
            raise DataError(f"X has {len(data)} rows and y has {len(y)}.")
        options = dict(self.options or {})
        if weights is not None:
            options["weights"] = np.asarray(weights)
        self.model_ = fit(formula, data.assign(**{response: y}), family=self.family, **options)
        return self

    def _predicted(self, X: Any) -> FloatArray:
        check_is_fitted(self)
        data = self._frame(X, is_new=True)
        options: PredictOptions = {} if self.model_.family is None else {"type": "response"}
        if isinstance(self.model_, MixedModel):
            options["re_form"] = None if self.include_random else False
            options["allow_new_levels"] = True
        return np.asarray(predict(self.model_, data, **options), dtype=np.float64)


class MixedRegressor(RegressorMixin, _MixedEstimator):  # type: ignore[misc] # the same
    """A linear or generalised linear mixed model as a regressor of scikit-learn.

    Groups that were not in the training data are predicted with random effects of zero, so that
    ``GroupKFold`` measures how well new groups are predicted.

    Parameters
    ----------
    formula : str, optional
        R's formula: ``"math ~ ses + (1 | school)"``; its variables are columns of X, its response
        is y. Without it y on all columns, without random effects.
    family : str, optional
        ``"poisson"`` and the like; None: Gaussian.
    include_random : bool
        Whether predictions for known groups have their random effects.
    options : dict, optional
        Further arguments of :func:`mlpool.fit`: ``{"REML": False}``.

    Attributes
    ----------
    model_ : FittedModel
        For :func:`mlpool.model_parameters` and every other verb.
    n_features_in_, feature_names_in_

    Examples
    --------
    >>> import mlpool
    >>> from mlpool.sklearn import MixedRegressor
    >>> d = mlpool.load_data("sleepstudy")
    >>> X = d[["Days", "Subject"]]
    >>> m = MixedRegressor("Reaction ~ Days + (Days | Subject)").fit(X, d.Reaction)
    >>> round(m.score(X, d.Reaction), 3)
    0.826
    """

    def __init__(
        self,
        formula: str | None = None,
        *,
        family: str | None = None,
        include_random: bool = True,
        options: dict[str, Any] | None = None,
    ) -> None:
        self.formula, self.family = formula, family
        self.include_random, self.options = include_random, options

    def fit(self, X: Any, y: Any, sample_weight: ColumnLike | None = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : data frame of shape (n, k), or array of numbers
            An array's columns are called x0, x1 ...
        y : array of shape (n,)
        sample_weight : array of shape (n,), optional
            Prior weights.

        Raises
        ------
        DataError
            If X holds the response, or y has other rows.
        """
        _check_y(y)
        return self._fit(X, np.asarray(column_or_1d(y, warn=True), dtype=np.float64), sample_weight)

    def predict(self, X: Any) -> FloatArray:
        """Return expected responses (n,)."""
        return self._predicted(X)


class MixedClassifier(ClassifierMixin, _MixedEstimator):  # type: ignore[misc] # the same
    """A logistic mixed model as a classifier of scikit-learn, for two classes.

    Parameters
    ----------
    formula, include_random, options
        As of :class:`MixedRegressor`; the response is the second class.
    family : str
        ``"binomial"``, with the link that its name has: ``"binomial(probit)"``.

    Attributes
    ----------
    model_ : FittedModel
    classes_ : ndarray of shape (2,)

    Examples
    --------
    >>> import mlpool
    >>> from mlpool.sklearn import MixedClassifier
    >>> d = mlpool.load_data("hsb82").assign(high=lambda d: d.math > 13)
    >>> X = d[["ses", "school"]]
    >>> m = MixedClassifier("high ~ ses + (1 | school)").fit(X, d.high)
    >>> m.predict_proba(X.head(2)).round(2).tolist()
    [[0.79, 0.21], [0.66, 0.34]]
    """

    def __init__(
        self,
        formula: str | None = None,
        *,
        family: str = "binomial",
        include_random: bool = True,
        options: dict[str, Any] | None = None,
    ) -> None:
        self.formula, self.family = formula, family
        self.include_random, self.options = include_random, options

    def fit(self, X: Any, y: Any, sample_weight: ColumnLike | None = None) -> Self:
        """Fit the model; arguments as in :meth:`MixedRegressor.fit`.

        Raises
        ------
        DataError
            If y has more or fewer than two classes.
        """
        _check_y(y)
        check_classification_targets(y)
        self.classes_, codes = np.unique(column_or_1d(y, warn=True), return_inverse=True)
        if len(self.classes_) != 2:
            raise DataError(
                "Only binary classification is supported. MixedClassifier needs two classes; y has "
                f"{len(self.classes_)} class{'es' * (len(self.classes_) != 1)}."
            )
        return self._fit(X, codes.astype(np.float64), sample_weight)

    def predict_proba(self, X: Any) -> FloatArray:
        """Return the probabilities (n, 2) of both classes."""
        second = self._predicted(X)
        return np.column_stack([1.0 - second, second])

    def predict(self, X: Any) -> AnyArray:
        """Return the likelier class (n,)."""
        second = self._predicted(X) > 0.5
        classes: AnyArray = self.classes_[second.astype(int)]
        return classes

    def __sklearn_tags__(self) -> Tags:
        """Return scikit-learn's tags: two classes."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags


def _named_columns(X: Any) -> pd.DataFrame | None:
    """Return a frame with names; None for what is an array to scikit-learn."""
    try:
        table: pd.DataFrame = narwhals.from_native(X, eager_only=True).to_pandas()
    except TypeError:
        return None
    return table if all(isinstance(name, str) for name in table.columns) else None


def _check_y(y: object) -> None:
    if y is None:
        raise OptionError("fit() requires y to be passed, but the target y is None.")


def _response(formula: str) -> str:
    """Return the name left of the tilde.

    Raises
    ------
    OptionError
        If there is none, or a transformation: y itself may be transformed.
    """
    left = formula.partition("~")[0].strip().strip("`")
    if not _WORD.fullmatch(left):
        raise OptionError(
            f"formula needs one name on its left, as in 'y ~ x + (1 | g)'; got {brief(left)}. A "
            "transformed response is y itself, or TransformedTargetRegressor."
        )
    return left
