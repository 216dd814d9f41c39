"""README and docs say what is true: their code runs and prints what they show."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import shlex
import sys
from pathlib import Path

import pytest

import mlpool
from mlpool.cli import main
from mlpool.formula.language.safety import FUNCTIONS, NUMPY_FUNCTIONS

sys.path.insert(0, str(Path(__file__).parent))
from conftest import load_script

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(text: str) -> list[tuple[str, str]]:
    """Return (language, body) of every fenced block."""
    return [(m[1], m[2]) for m in FENCE.finditer(text)]


EXAMPLES = load_script("docs", "run_examples.py")
HOOKS = load_script("docs", "hooks.py")
lines = EXAMPLES.tidy
WITH_CODE = [path for path in DOCS if "```python\n" in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", WITH_CODE, ids=lambda p: p.name)
def test_python_prints_what_the_page_shows(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ``text`` block right after a ``python`` block is its output; an image is its plot."""
    monkeypatch.chdir(tmp_path)  # where a page saves files
    text = path.read_text(encoding="utf-8")
    ran = 0
    for example in EXAMPLES.run_page(text, path.name):
        ran += 1
        shown, image = example.block["text"], example.block["image"]
        if shown is not None:
            assert lines(example.printed) == lines(shown)
        if image is not None:
            pytest.importorskip("plotnine")
            assert callable(getattr(example.value, "save", None)), "a plot, or plots in a panel"
            assert (path.parent / image).read_bytes()[:4] == b"\x89PNG"
    assert ran == sum(language == "python" for language, _ in blocks(text))


@pytest.mark.parametrize("path", DOCS, ids=lambda p: p.name)
def test_formulas_in_tables_can_be_pasted(path: Path) -> None:
    """In a table a bar in backticks shows a backslash before it on the site: write <code>."""
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("|")]
    codes = [code for row in rows for code in re.findall(r"`([^`]*)`", row)]
    assert not [code for code in codes if "\\|" in code]


def test_pages_are_rewritten_as_they_run(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python\nx = 2\nprint(x + 1)\n```\n\n```text\nold\n```\n\nend\n")
    EXAMPLES.write_page(page)
    assert page.read_text() == ("```python\nx = 2\nprint(x + 1)\n```\n\n```text\n3\n```\n\nend\n")


# --- the site -------------------------------------------------------------------------------


def test_every_public_name_is_in_the_reference_once() -> None:
    entries = [
        name
        for path, (_, text) in HOOKS.reference_pages().items()
        if path != "reference/classes.md"
        for name in re.findall(r"heading: (\w+)", text)
    ]
    assert sorted(entries) == sorted(set(mlpool.__all__) - {"__version__"})


@pytest.mark.parametrize("name", sorted(set(mlpool.__all__) - {"__version__"}))
def test_reference_finds_the_name_and_its_docstring(name: str) -> None:
    module, _, attribute = HOOKS.path_of(name).rpartition(".")
    value = getattr(importlib.import_module(module), attribute)
    assert inspect.unwrap(value) is inspect.unwrap(getattr(mlpool, name))
    assert value.__doc__


def test_every_page_is_in_the_navigation() -> None:
    config = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for path in (ROOT / "docs").rglob("*.md"):
        assert f": {path.relative_to(ROOT / 'docs').as_posix()}\n" in config, path.name
    for made in HOOKS.MADE_FROM:
        assert f": {made}\n" in config


def test_every_notebook_is_a_lecture_with_its_output() -> None:
    pages, pictures = HOOKS.lecture_pages()
    notebooks = sorted((ROOT / "examples").glob("*.ipynb"))
    assert len(pages) == len(notebooks) > 0
    for path in notebooks:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        title, text = pages[f"lectures/{path.stem}.md"]
        assert text.startswith(f"# {title}\n")
        code = [cell for cell in cells if cell["cell_type"] == "code"]
        assert text.count("```python\n") == len(code)
        images = re.findall(r"\]\(([^)]+\.png)\)", text)
        assert all(pictures[f"lectures/{name}"][:4] == b"\x89PNG" for name in images)
        outputs = [output for cell in code for output in cell["outputs"]]
        assert len(images) + text.count("```text\n") == len(outputs)


def test_sphinx_roles_do_not_show() -> None:
    html = "<p>as :func:<code>fit</code>, at 12:<code>a</code></p>"
    shown = "<p>as <code>fit</code>, at 12:<code>a</code></p>"
    assert HOOKS.on_page_content(html, None) == shown


def test_readme_commands_print_what_they_show(capsys: pytest.CaptureFixture[str]) -> None:
    """Lines that begin with ``$ mlpool`` in a ``console`` block, and the text after each."""
    ran = 0
    for language, body in blocks(README):
        if language != "console":
            continue
        for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
            command, _, expected = part.partition("\n")
            program, *arguments = shlex.split(command)
            assert program == "mlpool"
            assert main(arguments) == 0
            assert lines(capsys.readouterr().out) == lines(expected)
            ran += 1
    assert ran


def one_line_commands() -> list[str]:
    return [line for _, body in blocks(README) for line in body.splitlines() if " -m venv " in line]


def test_readme_has_one_command_to_run_and_one_to_test() -> None:
    run, test = one_line_commands()
    assert "mlpool fit" in run
    assert "'.[test]'" in test
    assert "pytest" in test
    formula, data = shlex.split(run.split("mlpool fit", 1)[1])[:2]
    assert mlpool.fit(formula, mlpool.load_data(data)).nobs == 7185


def test_ci_runs_the_command_of_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    pattern = re.search(r"sed -n 's/\^\\\((.*?)\\\)\$/", script)
    assert pattern, "the line of .ci/run that takes the command out of README.md"
    found = [line for line in README.splitlines() if re.fullmatch(pattern[1], line)]
    assert found == [one_line_commands()[1]]


@pytest.mark.parametrize("path", DOCS, ids=lambda p: p.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", DOCS, ids=lambda p: p.name)
def test_files_named_in_docs_exist(path: Path) -> None:
    """Paths such as ``engine/profile.py`` are real (relative to the package or the root)."""
    for name in re.findall(r"`((?:[\w.]+/)+[\w.]+\.py)`", path.read_text(encoding="utf-8")):
        assert (ROOT / name).exists() or (ROOT / "mlpool" / name).exists(), name


@pytest.mark.parametrize("path", DOCS, ids=lambda p: p.name)
def test_names_in_docs_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for name in re.findall(r"\bmlpool\.([A-Za-z_]+)\(", text):
        assert name in mlpool.__all__, name


def function_table() -> str:
    """Return the list of functions as docs/formulas.md shows it."""
    rows = [f"| `{name}` | {what} |" for name, what in FUNCTIONS.items()]
    return "\n".join(["| function | what it does |", "|---|---|", *rows])


def between(text: str, mark: str) -> str:
    return text.split(f"<!-- {mark} -->", 1)[1].split("<!-- end -->", 1)[0].strip()


def test_list_of_functions_is_the_one_in_the_code() -> None:
    text = (ROOT / "docs" / "formulas.md").read_text(encoding="utf-8")
    assert between(text, "functions") == function_table()
    assert between(text, "numpy") == ", ".join(f"`np.{name}`" for name in NUMPY_FUNCTIONS)


def test_nothing_private_is_published() -> None:
    refused = re.compile(r"/work/|/root/|/home/|(?<!Spark)session|TODO|FIXME", re.IGNORECASE)
    for path in DOCS:
        assert not refused.search(path.read_text(encoding="utf-8")), path.name


def test_no_command_installs_another_project_s_package() -> None:
    """PyPI's mlpool is not ours: commands name mlpooling, a checkout, or the package needed."""
    texts = [*DOCS, *(ROOT / "mlpool").rglob("*.py"), ROOT / "pyproject.toml"]
    wrong = re.compile(r"pip install (?:-\S+ )*['\"]?mlpool\b|\bmlpool\[\w")
    found = {p.name: m[0] for p in texts if (m := wrong.search(p.read_text(encoding="utf-8")))}
    assert not found
    assert '\nname = "mlpooling"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
