"""The house: no circles through any import, files and folders that fit a page, true signposts."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path
from statistics import median

import pytest

from mlpool import registry
from tests.conftest import load_script
from tests.literal_tolerances import without_reason

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "mlpool"
PAGE = ROOT / "docs" / "developer" / "architecture.md"
MODULES = sorted(PACKAGE.rglob("*.py"))

house = load_script("docs", "make_architecture.py")


def function_lengths(path: Path) -> dict[str, int]:
    """Return the lines of every function: signature and body, without its docstring.

    A public function's docstring lists every parameter and has an example that runs; code is what
    has to fit a screen.
    """
    found = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            text = node.body[0] if ast.get_docstring(node) and len(node.body) > 1 else None
            found[f"{node.name}:{node.lineno}"] = lines(node) - (0 if text is None else lines(text))
    return found


def lines(node: ast.stmt) -> int:
    return int(node.end_lineno or 0) - node.lineno + 1


def test_no_module_imports_what_imports_it() -> None:
    assert house.circles(house.graph()) == []


def test_a_circle_through_a_local_import_would_be_found(tmp_path: Path) -> None:
    one, two = tmp_path / "one.py", tmp_path / "two.py"
    one.write_text("def f():\n    from mlpool.two import g\n    return g\n", encoding="utf-8")
    two.write_text("if True:\n    from mlpool import one\n", encoding="utf-8")
    found = {"mlpool.one": {"mlpool.two"}, "mlpool.two": {"mlpool.one"}}
    assert set(house.imports_of(one)) == {"mlpool.two.g"}
    assert set(house.imports_of(two)) == {"mlpool.one"}
    assert house.circles(found) == [["mlpool.one", "mlpool.two"]]


def test_no_room_imports_what_imports_it() -> None:
    assert house.circles(house.rooms()) == []


def test_files_fit_400_lines() -> None:
    long = {p.name: n for p in MODULES if (n := p.read_text(encoding="utf-8").count("\n")) > 400}
    assert long == {}


def test_functions_fit_a_screen() -> None:
    lengths = {(p.name, f): n for p in MODULES for f, n in function_lengths(p).items()}
    assert {where: n for where, n in lengths.items() if n > 50} == {}
    assert median(lengths.values()) <= 9


def test_folders_fit_a_page() -> None:
    counts = Counter(p.parent.relative_to(PACKAGE) for p in MODULES if p.name != "__init__.py")
    assert {str(folder): n for folder, n in counts.items() if n > 15} == {}


def test_tests_lie_in_the_folder_of_their_room() -> None:
    apart = {"accuracy", "fuzz", "invariance", "lectures", "reference", "snapshots", "twins"}
    tracked = {p.parent.name for p in Path(__file__).parent.glob("*/*.py")}
    rooms = {p.stem for p in PACKAGE.iterdir()}
    assert tracked - apart - rooms == set()


def test_the_diagram_shows_the_code() -> None:
    assert house.page() == PAGE.read_text(encoding="utf-8"), "run python docs/make_architecture.py"


@pytest.mark.parametrize("page", ["architecture.md", "equations.md", "../../CONTRIBUTING.md"])
def test_signposts_point_at_files(page: str) -> None:
    text = (PAGE.parent / page).read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:\w+/)*\w+\.pyi?|(?:\w+/)+)`", text))
    absent = {n for n in named if not (PACKAGE / n).exists() and not (ROOT / n).exists()}
    assert named
    assert absent == set()


def test_every_name_has_its_home() -> None:
    for name in (*registry.homes(), *registry.METHODS):
        assert registry.verb(name) is not None, name


def test_names_are_said_once() -> None:
    names = [name for group in registry.groups().values() for name in group]
    assert len(names) == len(set(names))
    assert not set(names) & set(registry.METHODS)


def test_every_tolerance_says_what_it_is_relative_to() -> None:
    missing = [text for path in MODULES for text in without_reason(path)]
    assert not missing, (
        "say beside each number, or in the line above, what it is relative to (words of UNIT_FREE "
        "in tests/literal_tolerances.py):\n" + "\n".join(missing)
    )
