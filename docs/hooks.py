"""Pages that are made when the site is built: reference, lectures, and copies of two files.

The reference has one page per group of names in ``mlpool/__init__.pyi``; the comments there are the
titles. So a new public name is documented by being listed.
"""

from __future__ import annotations

import base64
import inspect
import json
import re
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import mlpool
from mlpool import registry

if TYPE_CHECKING:
    from mkdocs.structure.files import Files

ROOT = Path(__file__).parents[1]
MADE_FROM = {"speed.md": "benchmarks/README.md", "changelog.md": "CHANGELOG.md"}
CLASSES = ("mlpool.models.fitted.FittedModel", "mlpool.results.ResultFrame",
           "mlpool.tables.spec.TableOptions")  # fmt: skip
"""What verbs return, though users never build one themselves."""


def groups() -> dict[str, list[str]]:
    """Return the public names by the comment above them in ``mlpool/__init__.pyi``."""
    return {t[0].upper() + t[1:]: list(names) for t, names in registry.groups().items()}


def path_of(name: str) -> str:
    """Return where a public name is defined: modules of the same name would hide it."""
    value = getattr(mlpool, name)
    if isinstance(value, ModuleType):  # a folder that can be called, as R's formula(m)
        return value.__name__
    value = inspect.unwrap(value)  # verbs answer unknown keywords around what is written
    return f"{value.__module__}.{value.__qualname__}"


def entry(path: str, name: str) -> str:
    """Return what mkdocstrings replaces by the docstring of `path`, under the public name."""
    return f"::: {path}\n    options:\n      heading: {name}\n      toc_label: {name}\n"


def reference_pages() -> dict[str, tuple[str, str]]:
    """Return (title, text) of every reference page by its file."""
    pages = {}
    for title, names in groups().items():
        entries = "\n".join(entry(path_of(name), name) for name in names)
        slug = "_".join(re.findall(r"[a-z]+", title.lower()))
        pages[f"reference/{slug}.md"] = (title, f"# {title}\n\n{entries}\n")
    entries = "\n".join(entry(path, path.rsplit(".", 1)[1]) for path in CLASSES)
    title = "Models and tables: what they can do"
    pages["reference/classes.md"] = (title, f"# {title}\n\n{entries}\n")
    return pages


def lecture_pages() -> tuple[dict[str, tuple[str, str]], dict[str, bytes]]:
    """Return (title, text) of every notebook of ``examples`` by its file, and the pictures."""
    pages, pictures = {}, {}
    for path in sorted((ROOT / "examples").glob("*.ipynb")):
        parts = []
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            source = "".join(cell["source"]).strip()
            parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
            for output in cell.get("outputs", ()):
                if "text" in output:
                    parts.append(f"```text\n{''.join(output['text']).rstrip()}\n```")
                elif "image/png" in output.get("data", {}):
                    name = f"{path.stem}_{len(pictures)}.png"
                    pictures[f"lectures/{name}"] = base64.b64decode(output["data"]["image/png"])
                    parts.append(f"![What the code above draws]({name})")
        title = parts[0].splitlines()[0].lstrip("# ")
        pages[f"lectures/{path.stem}.md"] = (title, "\n\n".join(parts) + "\n")
    return pages, pictures


def on_config(config: Any) -> Any:
    """List the pages where the navigation says ``Reference`` and ``Lectures``."""
    made = {"Reference": reference_pages(), "Lectures": lecture_pages()[0]}
    for section in config.nav:
        for name in set(section) & set(made):
            section[name] = [{title: path} for path, (title, _) in made[name].items()]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are no files of ``docs``."""
    from mkdocs.structure.files import File

    lectures, pictures = lecture_pages()
    pages = {**reference_pages(), **lectures}
    texts: dict[str, str | bytes] = {path: text for path, (_, text) in pages.items()}
    texts.update(pictures)
    for name, source in MADE_FROM.items():
        texts[name] = (ROOT / source).read_text(encoding="utf-8")
    for name, text in texts.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_content(html: str, page: Any, **_: Any) -> str:
    """Show the code of Sphinx's roles in docstrings (``:func:`name```) without the role."""
    return re.sub(r":(?:class|func|meth|attr|mod):(?=<code>)", "", html)
