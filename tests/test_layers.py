"""Imports point one way: a module imports only rows above its own, or its own folder.

The same rule is a contract of import-linter in pyproject.toml; here it runs with the tests, and
it adds what a contract cannot say: heavy libraries are imported inside functions only.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "mlpool"

ROWS = (
    ("errors", "typing", "floating_point", "progress", "registry", "keywords"),
    ("argument_values", "option_spellings", "r_spellings"),
    ("families", "frames", "tables", "datasets"),
    ("engine", "formula", "results"),
    ("sources",),
    ("designs", "inference", "transform"),
    ("uncertainty",),
    ("hypotheses",),
    ("models",),
    ("refits", "teaching", "sklearn"),
    ("performance", "summaries"),
    ("comparisons", "parameters", "checks"),
    ("estimates", "reporting", "intervals", "robust", "broom"),
    ("pooling", "files"),
    ("plots",),
    ("cli", "__init__", "__main__"),
)
ROW_OF = {folder: i for i, row in enumerate(ROWS) for folder in row}

ONLY_IN_FUNCTIONS = {"statsmodels", "polars", "pyarrow", "plotnine", "matplotlib", "tqdm"}

MODULES = sorted(PACKAGE.rglob("*.py"))


def test_architecture_page_shows_the_rows() -> None:
    page = (PACKAGE.parent / "docs" / "developer" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \d+ \| (.*?) \| .* \|$", page, re.MULTILINE)
    shown = [set(re.findall(r"`(\w+)`", row)) for row in rows]
    assert shown[:-1] == [set(row) for row in ROWS[:-1]]
    assert shown[-1] == {"cli"}


def top(path: Path) -> str:
    """Return the folder (or module) of mlpool that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> Iterator[tuple[str, bool]]:
    """Yield (module, inside a function) for each import that runs."""
    yield from _walk(ast.parse(path.read_text(encoding="utf-8")), inside=False)


def _walk(node: ast.AST, *, inside: bool) -> Iterator[tuple[str, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.Import):
            yield from ((alias.name, inside) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "relative import"
            yield from (
                (f"{child.module}.{a.name}" if child.module == "mlpool" else child.module, inside)
                for a in child.names
                if child.module
            )
        deeper = inside or isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        yield from _walk(child, inside=deeper)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    own = top(path)
    for module, _ in imports_of(path):
        if not module.startswith("mlpool.") or own in ("cli", "__init__", "__main__"):
            continue
        target = module.split(".")[1]
        if target == own:
            continue
        assert target in ROW_OF, f"{module}: no such row"
        assert ROW_OF[target] < ROW_OF[own], f"{path.name} ({own}) imports {module}"


@pytest.mark.parametrize("folder", ["engine", "inference"])
def test_engine_sees_numbers_only(folder: str) -> None:
    refused = {"frames", "tables", "results", "datasets", "transform"}
    for path in sorted((PACKAGE / folder).rglob("*.py")):
        for module, _ in imports_of(path):
            parts = module.split(".")
            if parts[0] != "mlpool" or len(parts) < 2:
                assert parts[0] not in {"narwhals", "polars"}, f"{path.name}: {module}"
                continue
            assert parts[1] not in refused, f"{path.name}: {module}"
            assert parts[1] != "formula" or module == "mlpool.formula.types", f"{path.name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_heavy_libraries_are_imported_inside_functions(path: Path) -> None:
    at_top = {m.split(".")[0] for m, inside in imports_of(path) if not inside}
    assert not at_top & ONLY_IN_FUNCTIONS


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_stay_small(path: Path) -> None:
    assert path.read_text(encoding="utf-8").count("\n") <= 400


def test_every_folder_has_a_row() -> None:
    assert {top(p) for p in MODULES} <= set(ROW_OF)


def test_no_import_cycles() -> None:
    graph = {_name(p): {m for m, inside in imports_of(p) if not inside} for p in MODULES}
    done: set[str] = set()
    for start in graph:
        _visit(start, graph, done, ())


def _name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _visit(node: str, graph: dict[str, set[str]], done: set[str], trail: tuple[str, ...]) -> None:
    assert node not in trail, " -> ".join((*trail[trail.index(node) :], node))
    if node in done or node not in graph:
        return
    for target in graph[node]:
        _visit(target, graph, done, (*trail, node))
    done.add(node)
