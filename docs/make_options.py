"""Write the table of shared options, from the code, into docs/developer/options.md.

``python docs/make_options.py`` rewrites the table between the marks of that page.
"""

from __future__ import annotations

import inspect
from pathlib import Path

import mlpool
from mlpool.option_spellings import OPTIONS, Option

PAGE = Path(__file__).parents[1] / "docs" / "developer" / "options.md"
BEGIN, END = "<!-- options, made by docs/make_options.py -->", "<!-- end of options -->"


def verbs(option: Option) -> dict[str, str]:
    """Return the public verbs that have an option -> what each of them calls it."""
    found = {}
    for verb in mlpool.registry.homes():
        function = getattr(mlpool, verb)
        if inspect.isfunction(function):
            shown = inspect.signature(function).parameters
            if set(option.names) <= set(shown):
                found[verb] = next((n for n in shown if n in option.names), option.name)
    return found


def table() -> str:
    """Return every option with its names, values and verbs."""
    parts = []
    for key, option in OPTIONS.items():
        parts += [f"## `{key}`: {option.meaning}", ""]
        parts += [f"Names: {', '.join(f'`{n}`' for n in option.names)}.", ""]
        if option.values:
            parts += ["| value | also |", "|---|---|"]
            parts += [
                f"| `{value}` | {', '.join(f'`{o}`' for o in others)} |"
                for value, others in option.values.items()
            ]
            parts += [""]
        said = [f"`{v}`" if n == key else f"`{v}` (`{n}`)" for v, n in verbs(option).items()]
        parts += [f"Verbs: {', '.join(said)}.", ""]
    return "\n".join(parts)


def page() -> str:
    """Return the page with the table as the code has it."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n\n{table()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
