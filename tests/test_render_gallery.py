"""The page of HTML tables and plots is well-formed, self-contained and at home on any ground."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from conftest import load_script

ROOT = Path(__file__).parents[1]
VOID = {"meta", "img", "br"}


class Checked(HTMLParser):
    """Every tag that opens closes, in order; attributes are kept."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script("docs", "render_gallery.py")


@pytest.fixture(scope="module")
def tables(script: ModuleType) -> dict[str, str]:
    return script.tables()


def test_parser_sees_what_is_wrong() -> None:
    assert Checked("<p><b></b>").open == ["p"]
    with pytest.raises(AssertionError):
        Checked("<p><b></p></b>")


def test_tables_are_well_formed_and_self_contained(tables: dict[str, str]) -> None:
    assert len(tables) >= 22
    for title, html in tables.items():
        page = Checked(html)
        assert page.open == [], title
        for tag, attributes in page.tags:
            assert tag not in ("script", "link", "style", "iframe", "img"), title
            assert not {"src", "href"} & set(attributes), title
        assert "://" not in html, title


def test_rows_of_a_table_are_equally_long(tables: dict[str, str]) -> None:
    for title, html in tables.items():
        for table in re.findall(r"<table.*?</table>", html, re.DOTALL):
            widths = {
                sum(int(span or 1) for span in re.findall(r'<t[hd](?: colspan="(\d+)")?', row))
                for row in re.findall(r"<tr.*?</tr>", table, re.DOTALL)
            }
            assert len(widths) == 1, (title, widths)


def test_tables_take_the_colours_of_their_ground(tables: dict[str, str]) -> None:
    """No colour of their own but translucent grey: they are read on dark ground, too."""
    for title, html in tables.items():
        colours = re.findall(r"(?:color|background)\s*:\s*([^;\"]+)", html)
        assert set(colours) <= {"inherit", "transparent", "currentColor"}, title
        assert set(re.findall(r"#[0-9a-fA-F]{3,6}\b|rgba?\([^)]*\)", html)) <= {
            "rgba(128,128,128,0.35)"
        }, title


@pytest.mark.slow
def test_pages_hold_tables_and_plots(script: ModuleType, tmp_path: Path) -> None:
    pytest.importorskip("plotnine")
    script.main([str(tmp_path)])
    assert {path.name for path in tmp_path.iterdir()} == {"light.html", "dark.html"}
    page = Checked((tmp_path / "dark.html").read_text(encoding="utf-8"))
    assert page.open == []
    sources = [attributes["src"] or "" for tag, attributes in page.tags if tag == "img"]
    assert len(sources) == 6
    assert all(source.startswith("data:image/png;base64,iVBOR") for source in sources)
