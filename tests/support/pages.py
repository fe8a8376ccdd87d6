"""Reads a page of the console as a browser does: elements, attributes and texts of its HTML and of NiceGUI's parts."""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final

ELEMENTS: Final = re.compile(r"String\.raw`(.*?)`", re.DOTALL)


@dataclass
class Page(HTMLParser):
    """What is in a page. `tags`: name and attributes of each element; `texts`: what a reader sees."""

    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Start the parser."""
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.texts.append(data)

    @property
    def text(self) -> str:
        """All texts."""
        return "\n".join(self.texts)


def parts_of(text: str) -> list[str]:
    """The HTML of the parts of a page that NiceGUI shows, in order."""
    found = ELEMENTS.search(text)
    elements = json.loads(html.unescape(found[1])) if found else {}
    return [element["props"]["innerHTML"] for element in elements.values() if "innerHTML" in element.get("props", {})]


def read_page(text: str) -> Page:
    """A page with its parts."""
    page = Page()
    for source in (text, *parts_of(text)):
        page.feed(source)
        page.close()
        page.reset()
    return page
