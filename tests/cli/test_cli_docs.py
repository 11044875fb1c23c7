"""docs/cli.md names every command there is, and none besides."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from celeriac import errors
from celeriac.cli import jobs
from celeriac.cli.job import OUTCOMES, TIMED_OUT
from tests.article.running import ROOT

PAGE = (ROOT / "docs" / "cli.md").read_text()


def leaves(group: click.Group, words: str) -> Iterator[str]:
    """Yield each command that does something, with all its words."""
    if group.invoke_without_command:
        yield words
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from leaves(command, f"{words} {name}")
        else:
            yield f"{words} {name}"


def test_every_command_stands_on_the_page_and_nothing_else() -> None:
    there_are = set(leaves(jobs, "flask jobs"))
    named = {match.strip() for match in re.findall(r"`(flask jobs(?: [a-z-]+)*)", PAGE)} - {"flask jobs"}

    duplicates = {words for words in there_are if words.startswith("flask jobs queue dead ")}  # a group of two names
    assert named == there_are - duplicates


def test_every_exit_code_stands_on_the_page() -> None:
    raised = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "exit_code")}
    for code in {*OUTCOMES.values(), TIMED_OUT, 130, *(raised - {77})}:  # the command line needs no sign-in
        assert f"| {code} |" in PAGE, code
