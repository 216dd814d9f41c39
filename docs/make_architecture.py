"""Draw the package's rooms and the imports between them, from the code, into the architecture page.

``python docs/make_architecture.py`` rewrites the diagram and the table of rows in
docs/developer/architecture.md; with ``--check`` it only says whether they are true.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "mlpool"
PAGE = ROOT / "docs" / "developer" / "architecture.md"
BEGIN, END = "<!-- rooms, made by docs/make_architecture.py -->", "<!-- end of rooms -->"


def modules() -> dict[str, Path]:
    """Return every module of the package by its dotted name."""
    out = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        out[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return out


def imports_of(path: Path) -> Iterator[str]:
    """Yield every module that a file imports when it runs, inside functions too."""
    yield from _imports(ast.parse(path.read_text(encoding="utf-8")))


def _imports(node: ast.AST) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module:
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        yield from _imports(child)


def graph() -> dict[str, set[str]]:
    """Return module -> modules of the package that it imports, itself left out."""
    known = modules()
    out: dict[str, set[str]] = {}
    for name, path in known.items():
        found = set()
        for target in imports_of(path):
            while target not in known and "." in target:
                target = target.rsplit(".", 1)[0]
            if target in known:
                found.add(target)
        out[name] = found - {name}
    return out


def circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """Return the sets of modules that import each other in a loop (Tarjan's components)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in sorted(arrows[node]):
            if target not in index:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            at = stack.index(node)
            component, stack[at:] = stack[at:], []
            if len(component) > 1:
                found.append(sorted(component))

    for node in sorted(arrows):
        if node not in index:
            visit(node)
    return found


def room_of(module: str) -> str:
    """Return the folder (or file) at the top of the package that a module belongs to."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "mlpool"


def rooms() -> dict[str, set[str]]:
    """Return room -> rooms that it imports."""
    out: dict[str, set[str]] = {}
    for module, targets in graph().items():
        own = out.setdefault(room_of(module), set())
        own.update(room_of(t) for t in targets)
    return {room: targets - {room} for room, targets in out.items()}


def floors(arrows: dict[str, set[str]]) -> dict[str, int]:
    """Return how many rooms stand below each: one more than the highest that it imports."""
    known: dict[str, int] = {}

    def floor(room: str) -> int:
        if room not in known:
            known[room] = 1 + max((floor(t) for t in arrows[room]), default=0)
        return known[room]

    for room in arrows:
        floor(room)
    return known


def diagram() -> str:
    """Return the rooms as a Mermaid diagram, ground up; arrows that others imply are left out."""
    outside = {"mlpool", "__main__"}
    arrows = {r: t - outside for r, t in rooms().items() if r not in outside}
    at = floors(arrows)
    lines = ["```mermaid", "flowchart BT"]
    for level in sorted(set(at.values())):
        names = " & ".join(sorted(r for r in arrows if at[r] == level))
        lines.append(f"    %% floor {level}: {names}")
    for room in sorted(arrows, key=lambda r: (at[r], r)):
        for target in sorted(arrows[room]):
            if not _implied(room, target, arrows):
                lines.append(f"    {target} --> {room}")
    return "\n".join([*lines, "```"])


def _implied(room: str, target: str, arrows: dict[str, set[str]]) -> bool:
    return any(target in _reach(other, arrows) for other in arrows[room] - {target})


def _reach(room: str, arrows: dict[str, set[str]]) -> set[str]:
    out, todo = set(), [room]
    while todo:
        for target in arrows[todo.pop()]:
            if target not in out:
                out.add(target)
                todo.append(target)
    return out


def page() -> str:
    """Return the architecture page with its diagram made anew."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n\n{diagram()}\n\n{END}{after}"


def main() -> int:
    """Rewrite the page, or with ``--check`` compare only."""
    new = page()
    if "--check" in sys.argv:
        return int(new != PAGE.read_text(encoding="utf-8"))
    PAGE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
