"""Likelihood-ratio tests of variance components, whose null value lies on the boundary.

Under the null the statistic is a mixture of chi-squares ("chi-bar-square"), not the chi-square with
as many df as parameters, which makes the naive p-value too large. In closed form:

* one variance from zero: 1/2 chi2(0) + 1/2 chi2(1), and s independent ones: binomial weights;
* one more random effect beside k - 1 of the same group, with its k - 1 covariances:
  1/2 chi2(k - 1) + 1/2 chi2(k).

References
----------
Self & Liang (1987), JASA 82, 605-610, cases 5 and 6; Stram & Lee (1994), Biometrics 50, 1171-1177,
cases 1 to 3; Verbeke & Molenberghs (2000), section 6.3.4.
"""

from __future__ import annotations

from collections.abc import Mapping

from scipy import special

Mixture = Mapping[int, float]
"""Weights of chi-squares by their df."""


def add_mixtures(first: Mixture, second: Mixture) -> dict[int, float]:
    """Return the mixture of the sum of two independent statistics.

    Examples
    --------
    >>> add_mixtures({0: 0.5, 1: 0.5}, {0: 0.5, 1: 0.5})
    {0: 0.25, 1: 0.5, 2: 0.25}
    """
    total: dict[int, float] = {}
    for a, u in first.items():
        for b, v in second.items():
            total[a + b] = total.get(a + b, 0.0) + u * v
    return total


def mixture_p(statistic: float, mixture: Mixture) -> float:
    """Return P(mixture >= statistic); chi2(0) is a point at zero.

    Examples
    --------
    >>> round(mixture_p(2.706, {0: 0.5, 1: 0.5}), 3)
    0.05
    """
    if statistic <= 0.0:
        return 1.0
    return float(sum(w * special.chdtrc(k, statistic) for k, w in mixture.items() if k > 0))


def mixture_text(mixture: Mixture) -> str:
    """Return ``1/2 chi2(1) + 1/2 chi2(2)``.

    Examples
    --------
    >>> mixture_text({0: 0.5, 1: 0.5})
    '1/2 chi2(0) + 1/2 chi2(1)'
    """
    parts = []
    for df, weight in sorted(mixture.items()):
        inverse = 1.0 / weight
        # a probability as a share of a whole number: rounding of it
        is_simple = weight < 1.0 and abs(inverse - round(inverse)) < 1e-12
        size = "" if weight == 1.0 else f"1/{round(inverse)} " if is_simple else f"{weight:g} "
        parts.append(f"{size}chi2({df})")
    return " + ".join(parts)
