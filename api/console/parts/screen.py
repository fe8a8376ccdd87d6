"""What a page consists of: sections in order, of which live ones can be asked for alone, and its scripts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from markupsafe import Markup

from api.console.parts.markup import tag
from api.queries.changes import Topic


@dataclass(frozen=True)
class Section:
    """A part of a page.

    A live section has an id and topics: the browser asks for it again after a change of one of them, at most every
    `every_s`. What a live section shows depends on address, language, rights and areas alone.
    """

    build: Callable[[], Markup]
    class_: str = ""
    id: str = ""
    topics: tuple[Topic, ...] = ()
    every_s: float = 2.0

    def html(self) -> Markup:
        """The section with its content."""
        live = {"data_live": " ".join(self.topics), "data_every": self.every_s} if self.topics else {}
        return tag("div", self.build(), id=self.id or None, class_=self.class_ or None, **live)


@dataclass
class Screen:
    """Collects what a page consists of while it is built. Sections are built when they are needed."""

    sections: list[Section] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    styles: list[str] = field(default_factory=list)

    def show(self, content: Markup | Callable[[], Markup], class_: str = "") -> None:
        """Add a section that stays as it is; what is slow to build is given as a function."""
        build = (lambda: content) if isinstance(content, Markup) else content
        self.sections.append(Section(build, class_))

    def live(
        self, id_: str, topics: tuple[Topic, ...], build: Callable[[], Markup], class_: str = "", every_s: float = 2.0
    ) -> None:
        """Add a live section."""
        self.sections.append(Section(build, class_, id_, topics, every_s))

    def script(self, *names: str) -> None:
        """Add scripts, each once, in the order in which they run."""
        self.scripts += [name for name in names if name not in self.scripts]

    def style(self, name: str) -> None:
        """Add a style sheet."""
        self.styles.append(name)

    def section(self, id_: str) -> Section | None:
        """A live section by its id."""
        return next((section for section in self.sections if section.id == id_ and section.topics), None)

    def html(self) -> Iterator[Markup]:
        """The sections in order."""
        for section in self.sections:
            yield section.html()
