"""Write the table of R's names into the page "For R users", from the package's own list.

``python docs/make_r_names.py`` rewrites the lists in docs/for_r_users.md, which are those of
mlpool/r_spellings/names.txt; a test holds the page to it.
"""

from __future__ import annotations

from pathlib import Path

from mlpool.r_spellings import absent, sections

PAGE = Path(__file__).with_name("for_r_users.md")
BEGIN, END = "<!-- R's names, made by docs/make_r_names.py -->", "<!-- end of R's names -->"


def lists() -> str:
    """Return the tables of names with a call, and the paragraphs of names without."""
    parts = []
    for title, calls in sections().items():
        rows = [f"| {code(name)} | {code(call)} |" for name, call in calls.items()]
        parts.append("\n".join([f"### {title}", "", "| there | mlpool |", "|---|---|", *rows]))
    parts.append("### What has no counterpart")
    by_reason: dict[str, list[str]] = {}
    for name, reason in absent().items():
        by_reason.setdefault(reason, []).append(code(name))
    parts += [f"{reason}: {', '.join(names)}." for reason, names in by_reason.items()]
    return "\n\n".join(parts)


def code(text: str) -> str:
    """Return `text` as code in a cell; a bar in backticks would end the cell."""
    return f"<code>{text.replace('|', '&#124;')}</code>" if "|" in text else f"`{text}`"


def page() -> str:
    """Return the page with the lists as they are now."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{lists()}\n\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
