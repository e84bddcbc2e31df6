"""Reads the commands of a guide in Markdown, so that the rehearsal runs what the guide says."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from markdown_it import MarkdownIt

_FILE: Final = "# terraform/"  # start of the path of a file in the checkout


class NoSuchSection(Exception):
    """A guide has no section with this heading, or no commands in it."""


@dataclass(frozen=True)
class Block:
    """A block of a guide: commands for the shell, or arguments for a file of Terraform."""

    text: str
    language: Literal["sh", "hcl"]
    place: str  # file and line, for messages


def blocks(guide: Path, section: str) -> list[Block]:
    """List the blocks below a heading, up to the next heading.

    Indented blocks are commands. Of the fenced ones, those in Terraform's language whose first line
    names a file belong to it; the others are examples, and left out. Raises ``NoSuchSection``.
    """
    found = list(_blocks(guide, section))
    if not found:
        raise NoSuchSection(f"{guide.name} has no commands in a section {section!r}")
    return found


def _blocks(guide: Path, section: str) -> Iterator[Block]:
    tokens = MarkdownIt().parse(guide.read_text("utf-8"))
    inside = False
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "heading_open":
            inside = following is not None and following.content == section
        if not inside:
            continue
        place = f"{guide.name}:{token.map[0] + 1}" if token.map else guide.name
        if token.type == "code_block":
            yield Block(token.content.strip(), "sh", place)
        elif token.type == "fence" and token.info == "hcl" and token.content.startswith(_FILE):
            yield Block(token.content.strip(), "hcl", place)
