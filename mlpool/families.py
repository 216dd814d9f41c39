"""Families and links of generalised linear models, by R's names.

A :class:`Family` is a frozen pair (name, link) with the four functions that likelihoods need; the
statsmodels object behind it is made on request only, so that importing mlpool stays cheap.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mlpool.errors import NotSupportedError, OptionError, brief, nearest_names
from mlpool.typing import FloatArray

#: R's default link first, then the others that R allows for the family.
_LINKS: dict[str, tuple[str, ...]] = {
    "binomial": ("logit", "probit", "cloglog", "cauchit", "log", "identity"),
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
_QUASI = {"quasibinomial": "binomial", "quasipoisson": "poisson"}
"""Families of a mean and a variance alone, and those whose variance they multiply."""
_QUASI_VARIANCES = {
    "constant": "gaussian",
    "mu(1-mu)": "binomial",
    "mu": "poisson",
    "mu^2": "Gamma",
    "mu^3": "inverse.gaussian",
}
"""R's ``quasi(variance = )``, and the family of that variance."""
_ALL_QUASI = (*_QUASI, "quasi")
_QUASI_LINKS = ("identity", "logit", "probit", "cloglog", "inverse", "log", "1/mu^2", "sqrt")
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
    "cauchit": "Cauchy",
    "log": "Log",
    "identity": "Identity",
    "inverse": "InversePower",
    "sqrt": "Sqrt",
    "1/mu^2": "InverseSquared",
}
_QUASI_CALL = re.compile(r"^\s*quasi\s*(?:\((.*)\))?\s*$")
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
        ``"inverse.gaussian"``; ``"nbinom2"`` and ``"nbinom1"`` are glmmTMB's negative binomials;
        ``"quasibinomial"``, ``"quasipoisson"`` and ``"quasi"`` have no likelihood.
    link : str
        R's name of the link: ``"logit"``, ``"log"``, ...
    theta : float
        Of negative binomials, once it is known: ``V = mu + mu^2 / theta`` (nbinom2, as
        ``glmer.nb``), ``V = mu (1 + theta)`` (nbinom1).
    mean_variance : str
        Of ``quasi``: R's name of the variance, ``"constant"``, ``"mu(1-mu)"``, ``"mu"``,
        ``"mu^2"`` or ``"mu^3"``.

    Examples
    --------
    >>> Family("binomial", "probit").inverse(np.array([0.0]))
    array([0.5])
    """

    name: str
    link: str
    theta: float = field(default=1.0, repr=False)
    mean_variance: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        """Refuse names and links that are not known.

        Raises
        ------
        OptionError
            Naming the allowed ones and the nearest spelling.
        """
        if self.name not in _LINKS and self.name not in _ALL_QUASI:
            raise OptionError(_unknown_family(self.name))
        if self.name == "quasi" and self.mean_variance not in _QUASI_VARIANCES:
            raise OptionError(
                f"family quasi has the variances {', '.join(_QUASI_VARIANCES)}; got "
                f"{brief(self.mean_variance)}."
                + nearest_names(self.mean_variance, _QUASI_VARIANCES)
            )
        allowed = _links_of(self.name)
        if self.link not in allowed:
            raise OptionError(
                f"family {self.name} has the links {', '.join(allowed)}; got {brief(self.link)}."
                + nearest_names(self.link, allowed)
            )

    @property
    def kin(self) -> str:
        """Name of the family that has this one's variance function: its own unless quasi."""
        if self.name == "quasi":
            return _QUASI_VARIANCES[self.mean_variance]
        return _QUASI.get(self.name, self.name)

    @property
    def is_quasi(self) -> bool:
        """Whether it is a mean and a variance without a likelihood."""
        return self.name in _ALL_QUASI

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
        return self.link == _links_of(self.name)[0]

    def __str__(self) -> str:
        """Print as R's ``family$family(link)``: ``binomial(logit)``."""
        if self.name == "quasi":
            return f"quasi(link = {self.link}, variance = {self.mean_variance})"
        return f"{self.name}({self.link})"

    def inverse(self, eta: FloatArray) -> FloatArray:
        """Mean mu from the linear predictor `eta`; binomial means stay inside (0, 1) as in R."""
        mu = _inverse_link(self.link, np.asarray(eta, dtype=np.float64))
        return np.clip(mu, _EPS, 1.0 - _EPS) if self.kin == "binomial" else mu

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
        return mu * (1.0 + self.theta) if self.name == "nbinom1" else _variance(self.kin, mu)

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
        return _unit_deviance(self.kin, y, mu)

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
        return getattr(families, _STATSMODELS_NAMES[self.kin])(link=link)


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

    Examples
    --------
    >>> get_family("poisson")
    Family(name='poisson', link='log')
    """
    if spec is None or isinstance(spec, Family):
        return spec
    if isinstance(spec, str):
        quasi = _QUASI_CALL.match(spec)
        if quasi is not None:
            return _read_quasi(quasi.group(1) or "")
        match = _CALL.match(spec)
        if match is None:
            raise OptionError(_unknown_family(spec))
        return _family(match.group(1), match.group(2) or None)
    if isinstance(spec, tuple) and len(spec) == 2 and all(isinstance(s, str) for s in spec):
        return _family(spec[0], spec[1])
    raise OptionError(
        "family must be a name such as 'binomial' or 'poisson(log)', a pair (name, link) or a "
        f"Family; got {brief(spec)}."
    )


def _family(name: str, link: str | None) -> Family:
    if name.lower() in _QUASI:
        return Family(name.lower(), link or _links_of(name.lower())[0])
    known = _NAMES.get(name.lower())
    if known is None:
        raise OptionError(_unknown_family(name))
    return Family(known, link or _LINKS[known][0])


def _read_quasi(text: str) -> Family:
    """Read the arguments of R's ``quasi(link = "identity", variance = "constant")``."""
    given = dict(zip(("link", "variance"), ("identity", "constant"), strict=True))
    for i, part in enumerate(p for p in text.split(",") if p.strip()):
        name, equals, value = part.partition("=")
        name, value = (
            (name.strip(), value) if equals else (("link", "variance", "")[min(i, 2)], part)
        )
        if name not in given:
            raise OptionError(
                "family quasi takes a link and a variance, such as "
                f"\"quasi(link = 'log', variance = 'mu')\"; got {brief(text.strip())}."
            )
        given[name] = value.strip().strip("\"'").replace(" ", "")
    return Family("quasi", given["link"], mean_variance=given["variance"])


def _links_of(name: str) -> tuple[str, ...]:
    return _QUASI_LINKS if name == "quasi" else _LINKS[_QUASI.get(name, name)]


def _unknown_family(name: str) -> str:
    hint = nearest_names(name, [*_LINKS, *_ALL_QUASI])
    if name in _KNOWN_LINKS:
        owner = next(f for f, links in _LINKS.items() if name in links)
        hint = f" {brief(name)} is a link: write '{owner}({name})'."
    known = ", ".join([*_LINKS, *_ALL_QUASI])
    return f"family {brief(name)} is not known; the families are {known}.{hint}"


def inverse_logit(eta: FloatArray) -> FloatArray:
    """Return 1 / (1 + exp(-eta)) with all digits of small probabilities; nothing overflows."""
    e = np.exp(-np.abs(eta))
    return np.asarray(np.where(eta < 0, e, 1.0) / (1.0 + e))


def _inverse_link(link: str, eta: FloatArray) -> FloatArray:
    with np.errstate(all="ignore"):
        match link:
            case "logit":
                return inverse_logit(eta)
            case "probit":
                from scipy.special import ndtr

                return np.asarray(ndtr(eta))
            case "cloglog":
                return np.asarray(-np.expm1(-np.exp(eta)))
            case "cauchit":
                # arctan(1 / |eta|) / pi has the digits of small tails that 1/2 - ... loses
                tail = np.arctan2(1.0, np.abs(eta)) / np.pi
                return np.asarray(np.where(eta > 0, 1.0 - tail, tail))
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
    with np.errstate(all="ignore"):
        match link:
            case "logit":
                return np.asarray(inverse_logit(eta) * inverse_logit(-eta))
            case "probit":
                return np.asarray(np.exp(-0.5 * eta**2) / np.sqrt(2.0 * np.pi))
            case "cloglog":
                return np.asarray(np.exp(eta - np.exp(eta)))
            case "cauchit":
                return np.asarray(1.0 / (np.pi * (1.0 + eta**2)))
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
        case "cauchit":
            return np.asarray(-1.0 / np.tan(np.pi * mu))
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
