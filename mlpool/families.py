"""Families and links of generalised linear models, by R's names.

A :class:`Family` is a frozen pair (name, link) with the four functions that likelihoods need; the
statsmodels object behind it is made on request only, so that importing mlpool stays cheap.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mlpool.errors import NotSupportedError, OptionError, nearest_names
from mlpool.typing import FloatArray

#: R's default link first, then the others that R allows for the family.
_LINKS: dict[str, tuple[str, ...]] = {
    "binomial": ("logit", "probit", "cloglog", "log"),
    "poisson": ("log", "identity", "sqrt"),
    "gaussian": ("identity", "log", "inverse"),
    "Gamma": ("inverse", "identity", "log"),
    "inverse.gaussian": ("1/mu^2", "inverse", "identity", "log"),
    "nbinom2": ("log", "sqrt", "identity"),
    "nbinom1": ("log",),
}
COUNTS = ("poisson", "nbinom1", "nbinom2")
"""Families of whole numbers."""
_KNOWN_LINKS = tuple(dict.fromkeys(link for links in _LINKS.values() for link in links))
_NAMES = {name.lower(): name for name in _LINKS} | {
    "inverse_gaussian": "inverse.gaussian",
    "negative.binomial": "nbinom2",
    "negative_binomial": "nbinom2",
    "negbin": "nbinom2",
    "nbinom": "nbinom2",
}
_QUASI = ("quasi", "quasibinomial", "quasipoisson")
_STATSMODELS_NAMES = {
    "binomial": "Binomial",
    "poisson": "Poisson",
    "gaussian": "Gaussian",
    "Gamma": "Gamma",
    "inverse.gaussian": "InverseGaussian",
}
_STATSMODELS_LINKS = {
    "logit": "Logit",
    "probit": "Probit",
    "cloglog": "CLogLog",
    "log": "Log",
    "identity": "Identity",
    "inverse": "InversePower",
    "sqrt": "Sqrt",
    "1/mu^2": "InverseSquared",
}
_CALL = re.compile(r"""^\s*([\w.]+)\s*(?:\(\s*(?:link\s*=\s*)?["']?([^"'()]*?)["']?\s*\))?\s*$""")
#: R's binomial links keep probabilities this far from 0 and 1 (``.Machine$double.eps``).
_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class Family:
    """A distribution of the response and the link of its mean.

    Attributes
    ----------
    name : str
        R's name: ``"binomial"``, ``"poisson"``, ``"gaussian"``, ``"Gamma"``,
        ``"inverse.gaussian"``; ``"nbinom2"`` and ``"nbinom1"`` are glmmTMB's negative binomials.
    link : str
        R's name of the link: ``"logit"``, ``"log"``, ...
    theta : float
        Of negative binomials, once it is known: ``V = mu + mu^2 / theta`` (nbinom2, as
        ``glmer.nb``), ``V = mu (1 + theta)`` (nbinom1).

    Examples
    --------
    >>> Family("binomial", "probit").inverse(np.array([0.0]))
    array([0.5])
    """

    name: str
    link: str
    theta: float = field(default=1.0, repr=False)

    def __post_init__(self) -> None:
        """Refuse names and links that are not known.

        Raises
        ------
        OptionError
            Naming the allowed ones and the nearest spelling.
        """
        if self.name not in _LINKS:
            raise OptionError(_unknown_family(self.name))
        allowed = _LINKS[self.name]
        if self.link not in allowed:
            raise OptionError(
                f"family {self.name} has the links {', '.join(allowed)}; got {self.link!r}."
                + nearest_names(self.link, allowed)
            )

    @property
    def has_dispersion(self) -> bool:
        """Whether the dispersion is estimated (binomial and counts: it is 1)."""
        return self.name not in ("binomial", *COUNTS)

    @property
    def is_negative_binomial(self) -> bool:
        """Whether it is one of the negative binomials, which mixed models alone are fitted with."""
        return self.name in ("nbinom1", "nbinom2")

    @property
    def is_default_link(self) -> bool:
        """Whether the link is the one R takes when none is given."""
        return self.link == _LINKS[self.name][0]

    def __str__(self) -> str:
        """Print as R's ``family$family(link)``: ``binomial(logit)``."""
        return f"{self.name}({self.link})"

    def inverse(self, eta: FloatArray) -> FloatArray:
        """Mean mu from the linear predictor `eta`; binomial means stay inside (0, 1) as in R."""
        mu = _inverse_link(self.link, np.asarray(eta, dtype=np.float64))
        return np.clip(mu, _EPS, 1.0 - _EPS) if self.name == "binomial" else mu

    def derivative(self, eta: FloatArray) -> FloatArray:
        """Return d mu / d eta at the linear predictor `eta`."""
        return _inverse_link_derivative(self.link, np.asarray(eta, dtype=np.float64))

    def link_of(self, mu: FloatArray) -> FloatArray:
        """Linear predictor of the mean `mu`."""
        return _link(self.link, np.asarray(mu, dtype=np.float64))

    def variance(self, mu: FloatArray) -> FloatArray:
        """Variance function V(mu): Var(y) = dispersion * V(mu) / prior weight."""
        mu = np.asarray(mu, dtype=np.float64)
        if self.name == "nbinom2":
            return mu + mu**2 / self.theta
        return mu * (1.0 + self.theta) if self.name == "nbinom1" else _variance(self.name, mu)

    def unit_deviance(self, y: FloatArray, mu: FloatArray) -> FloatArray:
        """Deviance of each row with prior weight 1 (R's ``family$dev.resids``)."""
        y = np.asarray(y, dtype=np.float64)
        if self.name == "nbinom2":
            t = self.theta
            return 2.0 * (_y_log_ratio(y, mu) - (y + t) * np.log((y + t) / (mu + t)))
        if self.name == "nbinom1":
            raise NotSupportedError(
                "Deviance residuals are not defined for nbinom1, whose variance is no function of "
                "the mean alone; take type='pearson'."
            )
        return _unit_deviance(self.name, y, mu)

    def statsmodels(self) -> Any:
        """Return the statsmodels family object (``sm.families.Binomial(link=...)``).

        Raises
        ------
        NotSupportedError
            For negative binomials, whose theta statsmodels does not estimate.
        """
        if self.is_negative_binomial:
            raise NotSupportedError(
                f"family {self.name} is fitted with random effects only; add a term such as "
                "(1 | g), or take 'poisson' with cluster= or vcov='HC1'."
            )
        from statsmodels.genmod import families

        link = getattr(families.links, _STATSMODELS_LINKS[self.link])()
        return getattr(families, _STATSMODELS_NAMES[self.name])(link=link)


def get_family(spec: object) -> Family | None:
    """Read what a user wrote as ``family=``.

    Parameters
    ----------
    spec : None, str, (name, link) or Family
        ``"binomial"``, ``"binomial(probit)"``, ``"binomial(link = 'probit')"``,
        ``("poisson", "log")``. None stays None (no generalised model).

    Returns
    -------
    Family or None

    Raises
    ------
    OptionError
        If the family or the link is unknown.
    NotSupportedError
        For the quasi families, which have no likelihood.

    Examples
    --------
    >>> get_family("poisson")
    Family(name='poisson', link='log')
    """
    if spec is None or isinstance(spec, Family):
        return spec
    if isinstance(spec, str):
        match = _CALL.match(spec)
        if match is None:
            raise OptionError(_unknown_family(spec))
        return _family(match.group(1), match.group(2) or None)
    if isinstance(spec, tuple) and len(spec) == 2 and all(isinstance(s, str) for s in spec):
        return _family(spec[0], spec[1])
    raise OptionError(
        "family must be a name such as 'binomial' or 'poisson(log)', a pair (name, link) or a "
        f"Family; got {type(spec).__name__}."
    )


def _family(name: str, link: str | None) -> Family:
    if name.lower() in _QUASI:
        raise NotSupportedError(
            f"family {name} has no likelihood and is not fitted; take 'binomial' or 'poisson' "
            "with vcov='HC1' or cluster= for standard errors that allow for overdispersion."
        )
    known = _NAMES.get(name.lower())
    if known is None:
        raise OptionError(_unknown_family(name))
    return Family(known, link or _LINKS[known][0])


def _unknown_family(name: str) -> str:
    hint = nearest_names(name, _LINKS)
    if name in _KNOWN_LINKS:
        owner = next(f for f, links in _LINKS.items() if name in links)
        hint = f" {name!r} is a link: write '{owner}({name})'."
    return f"family {name!r} is not known; the families are {', '.join(_LINKS)}.{hint}"


def _inverse_link(link: str, eta: FloatArray) -> FloatArray:
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        match link:
            case "logit":
                # 1/(1+exp(-eta)) without overflow: tanh saturates instead
                return np.asarray(0.5 * (1.0 + np.tanh(0.5 * eta)))
            case "probit":
                from scipy.special import ndtr

                return np.asarray(ndtr(eta))
            case "cloglog":
                return np.asarray(-np.expm1(-np.exp(eta)))
            case "log":
                return np.asarray(np.exp(eta))
            case "inverse":
                return np.asarray(1.0 / eta)
            case "sqrt":
                return np.asarray(eta**2)
            case "1/mu^2":
                return np.asarray(1.0 / np.sqrt(eta))
    return eta


def _inverse_link_derivative(link: str, eta: FloatArray) -> FloatArray:
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        match link:
            case "logit":
                # exp(-|eta|)/(1+exp(-|eta|))^2 is even in eta and never overflows
                e = np.exp(-np.abs(eta))
                return np.asarray(e / (1.0 + e) ** 2)
            case "probit":
                return np.asarray(np.exp(-0.5 * eta**2) / np.sqrt(2.0 * np.pi))
            case "cloglog":
                return np.asarray(np.exp(eta - np.exp(eta)))
            case "log":
                return np.asarray(np.exp(eta))
            case "inverse":
                return np.asarray(-1.0 / eta**2)
            case "sqrt":
                return np.asarray(2.0 * eta)
            case "1/mu^2":
                return np.asarray(-0.5 * eta**-1.5)
    return np.ones_like(eta)


def _link(link: str, mu: FloatArray) -> FloatArray:
    match link:
        case "logit":
            return np.asarray(np.log(mu) - np.log1p(-mu))
        case "probit":
            from scipy.special import ndtri

            return np.asarray(ndtri(mu))
        case "cloglog":
            return np.asarray(np.log(-np.log1p(-mu)))
        case "log":
            return np.asarray(np.log(mu))
        case "inverse":
            return np.asarray(1.0 / mu)
        case "sqrt":
            return np.asarray(np.sqrt(mu))
        case "1/mu^2":
            return np.asarray(mu**-2.0)
    return mu


def _variance(name: str, mu: FloatArray) -> FloatArray:
    match name:
        case "binomial":
            return np.asarray(mu * (1.0 - mu))
        case "poisson":
            return mu
        case "Gamma":
            return np.asarray(mu**2)
        case "inverse.gaussian":
            return np.asarray(mu**3)
    return np.ones_like(mu)


def _unit_deviance(name: str, y: FloatArray, mu: FloatArray) -> FloatArray:
    match name:
        case "binomial":
            return 2.0 * (_y_log_ratio(y, mu) + _y_log_ratio(1.0 - y, 1.0 - mu))
        case "poisson":
            return 2.0 * (_y_log_ratio(y, mu) - (y - mu))
        case "Gamma":
            return np.asarray(-2.0 * (np.log(y / mu) - (y - mu) / mu))
        case "inverse.gaussian":
            return np.asarray((y - mu) ** 2 / (y * mu**2))
    return np.asarray((y - mu) ** 2)


def _y_log_ratio(y: FloatArray, mu: FloatArray) -> FloatArray:
    """Return y log(y / mu), which is 0 where y is 0."""
    safe = np.where(y > 0, y, 1.0)
    return np.asarray(np.where(y > 0, y * np.log(safe / mu), 0.0))
