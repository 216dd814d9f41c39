"""Several tables as one answer: means with contrasts, contrasts of each variable in turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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


class SimpleContrasts(Mapping[str, ResultFrame]):
    """Contrasts of each variable at the combinations of the others (emmeans' ``simple = "each"``).

    Parameters
    ----------
    tables : dict
        By variable.
    """

    def __init__(self, tables: dict[str, ResultFrame]) -> None:
        self._tables = tables

    def __getitem__(self, name: str) -> ResultFrame:
        """Return the contrasts of one variable; R's names of the tables are read, too."""
        return self._tables[name.removeprefix("simple contrasts for ")]

    def __iter__(self) -> Iterator[str]:
        """Yield the variables."""
        return iter(self._tables)

    def __len__(self) -> int:
        """Return the number of variables."""
        return len(self._tables)

    def __str__(self) -> str:
        return "\n\n".join(f"$`simple contrasts for {n}`\n{t}" for n, t in self.items())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return "".join(t.to_html() for t in self.values())
