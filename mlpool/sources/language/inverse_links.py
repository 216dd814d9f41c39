"""Means of generalised models in queries: the inverse of a link as a lazy expression."""

from __future__ import annotations

import narwhals as nw

from mlpool.errors import NotSupportedError


def inverse_link(link: str, eta: nw.Expr) -> nw.Expr:
    """Return the mean at the linear predictor `eta`, by R's name of the link.

    Raises
    ------
    NotSupportedError
        For links whose inverse no engine has (the normal distribution, the arc tangent).

    Source
    ------
    McCullagh & Nelder (1989), Generalized Linear Models, 2nd ed., section 4.3.1.
    """
    if link == "identity":
        return eta
    if link == "log":
        return eta.exp()
    if link == "logit":
        return 1.0 / (1.0 + (0.0 - eta).exp())
    if link == "cloglog":
        return 1.0 - (0.0 - eta.exp()).exp()
    if link == "sqrt":
        return eta * eta
    if link == "inverse":
        return 1.0 / eta
    raise NotSupportedError(
        f"No query gives means with the link {link}; predict with type='link', or read the rows."
    )
