"""Which of the repository's own modules a file imports, by itself or through others. Speaks Python's syntax trees."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@functools.cache
def reached(path: Path) -> frozenset[Path]:
    """Return the file itself, the conftests above it, and every file of this repository that any of them imports."""
    found: set[Path] = set()
    ahead = [path, *(folder / "conftest.py" for folder in path.parents if folder.is_relative_to(ROOT))]
    while ahead:
        file = ahead.pop()
        if file not in found and file.exists():
            found.add(file)
            ahead += _imported(file)
    return frozenset(found)


@functools.cache
def _imported(file: Path) -> frozenset[Path]:
    found: set[Path] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        for name in _names(node, file):
            parts = name.split(".")
            for depth in range(1, len(parts) + 1):  # importing a.b.c runs a and a.b too
                place = ROOT.joinpath(*parts[:depth])
                found |= {place.with_suffix(".py"), place / "__init__.py"}
    return frozenset(place for place in found if place.exists())


def _names(node: ast.AST, file: Path) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        package = file.relative_to(ROOT).parts[: -node.level] if node.level else ()
        opening = ".".join([*package, *([node.module] if node.module else [])])
        yield from (f"{opening}.{alias.name}".lstrip(".") for alias in node.names)
