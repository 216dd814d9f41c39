"""Make and execute the notebook of every lecture: python examples/make_notebooks.py [NAME ...]

Each ``examples/NAME.py`` is a script in jupytext's percent format; its notebook has the same cells
and what they print and draw. Needs ``pip install -e '.[examples]'``.
"""

from __future__ import annotations

import sys
from base64 import b64decode, b64encode
from io import BytesIO
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient
from PIL import Image

FOLDER = Path(__file__).parent


def lectures() -> list[Path]:
    """Return the scripts that have cells."""
    return sorted(p for p in FOLDER.glob("*.py") if p.read_text("utf-8").startswith("# %%"))


def make(script: Path) -> Path:
    """Execute a script's cells and write them with their outputs."""
    notebook = jupytext.read(script)
    NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}
    ).execute()
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
        cell["metadata"] = {}
        if cell["cell_type"] == "code":
            cell["outputs"] = [tidy(output) for output in cell["outputs"]]
    # Nothing of the machine it ran on, so that the file changes only when its cells do.
    notebook["metadata"] = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    path = script.with_suffix(".ipynb")
    nbformat.write(notebook, path)
    return path


def tidy(output: Any) -> Any:
    """Return an output without execution data; anything on stderr is an error."""
    if output.get("name") == "stderr":
        raise RuntimeError(f"The cell wrote to stderr:\n{output['text']}")
    if "data" in output:
        output["metadata"] = {}
        # A picture needs no text beside it.
        if "image/png" in output["data"]:
            output["data"] = {"image/png": smaller(output["data"]["image/png"])}
    return output


def smaller(png: str) -> str:
    """Return a base64 picture in 128 colours, less than half of the size."""
    picture = Image.open(BytesIO(b64decode(png))).convert("RGB")
    target = BytesIO()
    picture.quantize(128, dither=Image.Dither.NONE).save(target, "png", optimize=True)
    return b64encode(target.getvalue()).decode()


if __name__ == "__main__":
    wanted = sys.argv[1:]
    for script in lectures():
        if not wanted or script.stem in wanted:
            path = make(script)
            print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")
