"""The blocks of code of a page, and how each is tried."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"

_BLOCK = re.compile(
    r"(?:^<!-- (?P<note>.*?) -->\n)?^```(?P<language>\w*)\n(?P<code>.*?)^```\n", re.DOTALL | re.MULTILINE
)


class Block(NamedTuple):
    """A block, and what the comment above it says.

    ``not run: REASON``: it needs what a test has not; ``stays: TEXT``: a program that is left running once it has said
    that text; above output, ``said by the one that stays``.
    """

    language: str
    code: str
    note: str
    line: int

    @property
    def waits_for(self) -> str | None:
        """What a program says when it is ready, if it is one that is left running."""
        return self.note.removeprefix("stays: ") if self.note.startswith("stays: ") else None

    @property
    def left_out(self) -> str | None:
        """Why it is not run."""
        return self.note.removeprefix("not run: ") if self.note.startswith("not run: ") else None


def pages() -> list[Path]:
    """Give the README and all pages; those that are made of a plugin's README are that plugin's."""
    made = "<!-- Made by docs/reference.py from plugins/"
    own = [page for page in sorted(DOCS.rglob("*.md")) if not page.read_text(encoding="utf-8").startswith(made)]
    return [ROOT / "README.md", *own]


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(found["language"], found["code"], found["note"] or "", text.count("\n", 0, found.start("code")))
        for found in _BLOCK.finditer(text)
    ]


def links(page: Path) -> Iterator[str]:
    """Give the files, relative to the page, that it links to or shows."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s#]+)", text):
        if "://" not in target:
            yield target


def anchors(page: Path) -> Iterator[tuple[Path, str]]:
    """Give the pages and the headings within them that a page links to."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for file, anchor in re.findall(r"\]\(([^)\s#]*\.md)?#([^)\s]+)\)", text):
        yield (page.parent / file).resolve() if file else page, anchor


def headings(page: Path) -> set[str]:
    """Give what a page's headings are called in links, where the site and those who show the repository agree on it."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    slugs = (re.sub(r"[^\w\s-]", "", found.lower()).strip() for found in re.findall(r"^#+ (.*)$", text, re.MULTILINE))
    return {re.sub(r"\s", "-", slug) for slug in slugs if not re.search(r"[\s-]{2}", slug)}


def pattern(line: str) -> str:
    """Give the expression that a shown line stands for: `…` is anything, blanks are as many as there are."""
    words = [".*".join(map(re.escape, word.split("…"))) for word in line.split()]
    return r".*?" + r"\s+".join(words)
