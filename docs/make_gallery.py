"""Make docs/gallery.md and its pictures: python docs/make_gallery.py [NAME ...]

The page shows what every figure of docs/gallery_figures.py draws and the lines that draw it. Needs
``pip install -e '.[plot]'``.
"""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from pprint import pformat
from typing import Any

from gallery_figures import FIGURES, SCHOOL_MEANS, SCHOOL_SIZES, SECTIONS, SIZES, fifty_states
from PIL import Image

FOLDER = Path(__file__).parent / "gallery"


def save(name: str) -> Path:
    """Draw a figure and write it as a small picture."""
    width, height = SIZES[name]
    target = BytesIO()
    plot = FIGURES[name]()
    plot.save(target, format="png", width=width, height=height, dpi=90, verbose=False)
    path = FOLDER / f"{name}.png"
    picture = Image.open(target).convert("RGB")
    picture.quantize(128, dither=Image.Dither.NONE).save(path, "png", optimize=True)
    return path


def page() -> str:
    """Return the Markdown of the gallery."""
    parts = [
        "# Gallery",
        "Every picture is a plotnine plot that can be added to: `mlpool.plot(x) + labs(...)`. "
        "`python docs/make_gallery.py` draws this page; its first lines are\n\n"
        "```python\nimport numpy as np\nimport pandas as pd\nimport plotnine as p9\n"
        "from scipy import stats\n\nimport mlpool\n\n"
        f"SCHOOL_SIZES = {pformat(SCHOOL_SIZES, compact=True, width=85)}\n"
        f"SCHOOL_MEANS = {pformat(SCHOOL_MEANS, compact=True, width=85)}\n```",
    ]
    made_of = inspect.getsource(fifty_states)  # shown once, above its first use
    for section, names in SECTIONS.items():
        parts.append(f"## {section}")
        for name in names:
            code = code_of(FIGURES[name])
            if "fifty_states()" in code:
                code, made_of = f"{made_of}\n\n{code}".strip(), ""
            caption = inspect.getdoc(FIGURES[name]) or ""
            parts += [
                f"### {caption.rstrip('.')}",
                f"![{caption}](gallery/{name}.png)",
                f"```python\n{code}\n```",
            ]
    return "\n\n".join(parts) + "\n"


def code_of(function: Callable[[], Any]) -> str:
    """Return the body of a figure's function without its docstring and its ``return``."""
    source = inspect.getsource(function)
    body = source.split('"""', 2)[2].strip("\n")
    return textwrap.dedent(body).replace("  # fmt: skip", "").replace("return ", "", 1)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for figure_name in sys.argv[1:] or FIGURES:
        written = save(figure_name)
        print(f"{written.name}: {written.stat().st_size / 1000:.0f} kB")
    (FOLDER.parent / "gallery.md").write_text(page(), encoding="utf-8")
