"""The options that many verbs have: their names, other fields' spellings, and their values.

One table for all verbs: R's packages and Python's call one choice by many names, and whoever knows
one of them is understood everywhere. ``docs/developer/options.md`` is made from this table.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import wraps
from types import MappingProxyType
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast

from mlpool.errors import OptionError, brief, nearest_names
from mlpool.keywords import spell_out

if TYPE_CHECKING:
    from mlpool.typing import ClusterLike, VcovArgs, VcovLike

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One choice that verbs offer.

    Attributes
    ----------
    meaning : str
        What is chosen, in half a sentence.
    names : tuple of str
        What the argument is called; the first is the name in pages and messages.
    values : mapping
        Value -> its other spellings. Case does not matter, nor do ``_``, ``-``, ``.`` and spaces.
        Empty where values are no words.
    """

    meaning: str
    names: tuple[str, ...]
    values: Mapping[str, tuple[str, ...]]

    @property
    def name(self) -> str:
        """The usual name."""
        return self.names[0]

    def value(self, given: object) -> object:
        """Return a value by its usual spelling; what is unknown as it is."""
        return self._spellings().get(_plain(given), given) if isinstance(given, str) else given

    def _spellings(self) -> dict[str, str]:
        return {_plain(s): value for value, others in self.values.items() for s in (value, *others)}


def _plain(text: str) -> str:
    return "".join(c for c in text.lower() if c not in "_-. ")


OPTIONS = {
    "ci_method": Option(
        meaning="degrees of freedom, and how intervals are made",
        names=("ci_method", "ddf", "df_method"),
        values={
            "residual": (),
            "wald": (),
            "normal": ("asymptotic", "z"),
            "satterthwaite": ("satterth", "sat"),
            "kenward": ("kenward-roger", "kr"),
            "profile": (),
            "lme4": (),
        },
    ),
    "vcov": Option(
        meaning="the covariance of the coefficients",
        names=("vcov", "cov_type"),
        values={
            "model": ("const", "nonrobust", "iid"),
            "vcovHC": ("HC",),
            "vcovCL": ("CL", "cluster"),
            **dict.fromkeys(("HC0", "HC1", "HC2", "HC3", "HC4", "HC4m", "HC5"), ()),
            **dict.fromkeys(("CR0", "CR1", "CR1p", "CR1S", "CR2", "CR3"), ()),
            "conditional": (),
        },
    ),
    "cluster": Option(
        meaning="the clusters of robust standard errors and of resampling",
        names=("cluster", "clusters"),
        values={},
    ),
    "vcov_args": Option(
        meaning="clusters and type of a robust covariance in one dict",
        names=("vcov_args", "cov_kwds"),
        values={},
    ),
    "test": Option(
        meaning="the statistic, and its reference distribution",
        names=("test", "test_statistic"),
        values={
            "F": (),
            "Chisq": ("chi-square", "chi2"),
            "LRT": ("LR",),
            "none": (),
            "Satterthwaite": (),
            "naive-t": (),
            "naive-tp": (),
            "z": (),
            "HTZ": (),
            "Naive-F": (),
            "wild": (),
        },
    ),
    "predict": Option(
        meaning="the scale of predictions",
        names=("predict", "type"),
        values={
            "response": (),
            "inverse_link": ("invlink(link)",),
            "link": ("lp", "linear.predictor"),
            "averaged": (),
        },
    ),
}
"""The vocabulary: usual name -> option. What a verb's values mean is in the verb's own page."""


def read_value(
    option: str, given: object, allowed: Sequence[str], *, argument: str | None = None
) -> str:
    """Return a value of an option by its usual spelling.

    Parameters
    ----------
    option : str
        Key of `OPTIONS`.
    given : object
    allowed : sequence of str
        The usual spellings that this verb, or kind of model, takes.
    argument : str, optional
        What the verb calls the option.

    Raises
    ------
    OptionError
        Naming the values that are taken.
    """
    found = OPTIONS[option].value(given)
    if isinstance(found, str) and found in allowed:
        return found
    raise OptionError(
        f"{argument or option} must be one of {tuple(allowed)}; got {brief(given)}."
        f"{nearest_names(given, allowed)}"
    )


def also_spelt(
    *options: str, keywords: type | None = None, called: Mapping[str, str] = MappingProxyType({})
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a verb take an option by any of its names.

    The verb works with the first of an option's names in its signature; the wrapper hands over
    under it whatever was given under another one, a value by its usual spelling.

    Parameters
    ----------
    *options : str
        Keys of `OPTIONS`.
    keywords : TypedDict, optional
        The other names where the verb has them as ``**spellings: Unpack[...]``, shown to ``help``.
    called : mapping, optional
        Option -> what this verb calls it, where that is no name of the option elsewhere.

    Raises
    ------
    OptionError
        When the verb is called by names that disagree, or by one that it does not have.
    """

    def mark(function: Callable[P, R]) -> Callable[P, R]:
        marked = function if keywords is None else spell_out(keywords, default=None)(function)
        signature = inspect.signature(marked)
        shown = tuple(signature.parameters)
        own = {k: called.get(k) or next(n for n in shown if n in OPTIONS[k].names) for k in options}
        kinds = {p.kind for p in signature.parameters.values()}
        places = () if inspect.Parameter.VAR_POSITIONAL in kinds else shown
        folds = {"vcov", "cluster"} <= own.keys() and "vcov_args" not in own
        known = None if inspect.Parameter.VAR_KEYWORD in kinds else shown

        @wraps(marked)
        def call(*args: P.args, **given: P.kwargs) -> R:
            if known is not None:
                _check_names(given, known, marked.__name__)
            by_place = dict(zip(places, args, strict=False))
            for key, name in own.items():
                _fold(key, name, by_place if name in by_place else given, given)
            if folds:
                _unfold(own, by_place, given)
            placed = (*by_place.values(), *args[len(by_place) :])
            return function(*placed, **given)  # type: ignore[arg-type] # args, respelt

        return call

    return mark


def _fold(
    key: str, own: str, taken: MutableMapping[str, object], given: MutableMapping[str, object]
) -> None:
    """Leave one name of an option: `own`, in `taken`, by the usual spelling of its value."""
    for name in OPTIONS[key].names:
        if name != own and name in given:
            value = given.pop(name)
            check_agree(key, {own: taken.get(own), name: value})
            if value is not None:
                taken[own] = value
    if own in taken:
        taken[own] = OPTIONS[key].value(taken[own])


def _unfold(
    own: Mapping[str, str],
    by_place: MutableMapping[str, object],
    given: MutableMapping[str, object],
) -> None:
    """Give a verb that has ``vcov=`` and ``cluster=`` alone what ``vcov_args=`` says of them."""
    _fold("vcov_args", "vcov_args", given, given)
    arguments = given.pop("vcov_args", None)
    if arguments is None:
        return
    vcov, cluster = own["vcov"], own["cluster"]
    said = {**given, **by_place}
    kind, ways, fix = merge_vcov_args(
        cast("VcovLike | None", said.get(vcov)), cast("ClusterLike | None", said.get(cluster)),
        cast("VcovArgs", arguments),
    )  # fmt: skip
    if fix:
        raise OptionError(
            "vcov_args={'fix': True} is taken by tables, as in model_parameters(m, vcov='vcovCL', "
            "vcov_args={'cluster': ['a', 'b'], 'fix': True})."
        )
    for name, value in ((vcov, kind), (cluster, ways)):
        if value is not None:
            (by_place if name in by_place else given)[name] = value


def _check_names(given: Iterable[str], known: Sequence[str], verb: str) -> None:
    for name in given:
        if name not in known:
            raise OptionError(
                f"{verb}() has no argument {brief(name)}.{nearest_names(name, known)}"
            )


def merge_vcov_args(
    vcov: VcovLike | None, cluster: ClusterLike | None, vcov_args: VcovArgs
) -> tuple[VcovLike | None, ClusterLike | None, bool]:
    """Return what ``vcov=``, ``cluster=`` and ``vcov_args=`` say together, and whether to "fix".

    Raises
    ------
    OptionError
        For unknown entries of `vcov_args`, or what is said twice.
    """
    if not isinstance(vcov_args, Mapping):
        raise OptionError("vcov_args must be a dict such as {'cluster': 'school'}.")
    vcov_args = {"cluster" if n == "groups" else n: v for n, v in vcov_args.items()}  # statsmodels
    known = ("cluster", "type", "fix")
    for name in vcov_args:
        if name not in known:
            raise OptionError(
                f"vcov_args knows {known}; got {brief(name)}.{nearest_names(name, known)}"
            )
    if "cluster" in vcov_args:
        if cluster is not None:
            raise OptionError("give the cluster once: as cluster= or in vcov_args, not both.")
        cluster = vcov_args["cluster"]
    if "type" in vcov_args:
        if vcov not in (None, "vcovCL", "vcovHC"):
            raise OptionError(f"vcov={brief(vcov)} is a type already; drop 'type' from vcov_args.")
        vcov = vcov_args["type"]
    fix = vcov_args.get("fix", False)
    if not isinstance(fix, bool):
        raise OptionError(f"vcov_args['fix'] must be True or False; got {brief(fix)}.")
    return vcov, cluster, fix


def check_agree(option: str, given: Mapping[str, object]) -> None:
    """Refuse two names of an option that say different things.

    Parameters
    ----------
    option : str
        Key of `OPTIONS`.
    given : mapping
        Two names of the argument -> what was given; None for nothing.

    Raises
    ------
    OptionError
    """
    (name, first), (other, second) = given.items()
    if first is None or second is None:
        return
    one, two = OPTIONS[option].value(first), OPTIONS[option].value(second)
    if one is not two and not (isinstance(one, str) and isinstance(two, str) and one == two):
        raise OptionError(
            f"{name}={brief(first)} and {other}={brief(second)} are one choice and disagree; give "
            f"{name}= alone."
        )
