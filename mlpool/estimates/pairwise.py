"""Means and their contrasts together, as R's ``emmeans(m, pairwise ~ f)``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mlpool.results import ResultFrame


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MeansAndContrasts:
    """Estimated means (or trends), and the contrasts among them.

    Attributes
    ----------
    emmeans, contrasts : ResultFrame
    """

    emmeans: ResultFrame
    contrasts: ResultFrame

    def __iter__(self) -> Iterator[ResultFrame]:
        """Yield the means, then the contrasts."""
        yield self.emmeans
        yield self.contrasts

    def __getitem__(self, key: str) -> ResultFrame:
        """Return ``["emmeans"]`` or ``["contrasts"]``, as R's list.

        Raises
        ------
        KeyError
        """
        if key not in ("emmeans", "contrasts"):
            raise KeyError(f"{key!r}: there are 'emmeans' and 'contrasts'.")
        return self.emmeans if key == "emmeans" else self.contrasts

    def __repr__(self) -> str:
        return f"$emmeans\n{self.emmeans!r}\n\n$contrasts\n{self.contrasts!r}"

    def __str__(self) -> str:
        return f"$emmeans\n{self.emmeans}\n\n$contrasts\n{self.contrasts}"

    def _repr_html_(self) -> str:
        return self.emmeans.to_html() + self.contrasts.to_html()
