"""Run the Python of the pages, and write what it prints and draws under it.

    python docs/run_examples.py docs/index.md ...

A ``text`` block right after a ``python`` block is its output. An image right after it is the plot
that its last line returns. ``tests/test_docs.py`` runs the same blocks and compares the text.
"""

from __future__ import annotations

import ast
import contextlib
import io
import re
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BLOCK = re.compile(
    r"^```python\n(?P<code>.*?)^```$"
    r"(?:\n\n```text\n(?P<text>.*?)^```$)?"
    r"(?:\n\n!\[[^\]]*\]\((?P<image>[^)]+\.png)\))?",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Ran:
    """One block: what it printed, what its last line returned, and what the page shows."""

    block: re.Match[str]
    printed: str
    value: Any


def run_page(text: str, name: str) -> Iterator[Ran]:
    """Run every Python block of a page in one namespace."""
    namespace: dict[str, Any] = {}
    for block in BLOCK.finditer(text):
        tree = ast.parse(block["code"], name)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        out, value = io.StringIO(), None
        with contextlib.redirect_stdout(out):
            exec(compile(tree, name, "exec"), namespace)
            if isinstance(last, ast.Expr):
                value = eval(compile(ast.Expression(last.value), name, "eval"), namespace)
        yield Ran(block, out.getvalue(), value)


def tidy(text: str) -> list[str]:
    """Return lines without trailing blanks: editors strip them."""
    return [line.rstrip() for line in text.strip("\n").splitlines()]


def write_page(path: Path) -> None:
    """Replace the outputs that a page shows."""
    text = path.read_text(encoding="utf-8")
    pieces, end = [], 0
    for ran in run_page(text, path.name):
        block = ran.block
        if block["text"] is not None:
            pieces += [text[end : block.start("text")], "\n".join(tidy(ran.printed)), "\n"]
            end = block.end("text")
        if block["image"] is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ran.value.save(path.parent / block["image"], dpi=110, verbose=False)
    path.write_text("".join([*pieces, text[end:]]), encoding="utf-8")


if __name__ == "__main__":
    for page in sys.argv[1:]:
        write_page(Path(page))
