"""Speaks SQL's text search: which words a job is found by, the same on SQLite and PostgreSQL. Pure.

A word is a run of letters, digits and underscores, in lower case. What is found: every word of the question, whole,
or its beginning where it ends with `*` (from three characters on).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

NUMBERS = "0123456789[]{}, -"  # all that arguments may be written with which are whole numbers alone
WORD = re.compile(r"\w+")
ASKED = re.compile(r"(\w+)(\*?)")
SECRET = re.compile(r"pass(word|wd|phrase)|secret|token|api_?key|authorization|credential|cookie", re.IGNORECASE)
MOST = 200  # words of one job
LONGEST = 40  # characters
LOOKED_AT = 65536  # characters of one job
DEEPEST = 20
_read = json.JSONDecoder().raw_decode  # half the cost of `json.loads`
SHORTEST_BEGINNING = 3


def words_of(args: str, error: str) -> str:
    """Return the words in a job's arguments and error, each once, separated by spaces."""
    if not error and len(args) <= LONGEST and not args.strip(NUMBERS):  # as they stand there
        return " ".join(dict.fromkeys(WORD.findall(args)))
    texts: list[str] = []
    _collect(_arguments(args), texts, 0)
    if error:
        texts += _message(_load(error))
    words = dict.fromkeys(WORD.findall("\n".join(texts)[:LOOKED_AT].lower()))
    return " ".join([word for word in words if len(word) <= LONGEST][:MOST])


def asked_words(question: str) -> list[tuple[str, bool]]:
    """Return (word, whether any word beginning with it will do) for each word that is asked for."""
    return [
        (word[:LONGEST], bool(star) and len(word) >= SHORTEST_BEGINNING)
        for word, star in ASKED.findall(question.lower())[:20]
    ]


def has_words(words: str, asked: list[tuple[str, bool]]) -> bool:
    """Would a job with these words be found?"""
    found = set(words.split(" "))
    return all(any(one.startswith(word) for one in found) if begins else word in found for word, begins in asked)


def sqlite_match(asked: list[tuple[str, bool]]) -> str:
    """Return the question in the words of FTS5."""
    return " AND ".join(f'"{word}"{"*" if begins else ""}' for word, begins in asked)


def postgres_match(asked: list[tuple[str, bool]]) -> str:
    """Return the question in the words of tsquery."""
    return " & ".join(f"'{word}'{':*' if begins else ''}" for word, begins in asked)


def _arguments(text: str) -> list[Any]:
    value = _load(text)
    return value[:2] if isinstance(value, list) else []


def _load(text: str) -> Any:
    try:
        value = _read(text)[0] if text else []
    except (ValueError, RecursionError):
        return []
    return value if isinstance(value, list | dict) else []


def _message(error: Any) -> Iterator[str]:
    if isinstance(error, dict):
        yield from (str(error.get(name) or "") for name in ("type", "message"))


def _collect(values: list[Any], texts: list[str], depth: int) -> None:
    """Add every text and number, but for what is named like a secret."""
    for value in values:
        kind = type(value)
        if kind is str:
            texts.append(value)
        elif kind is int or kind is float:
            texts.append(str(value))
        elif value and depth <= DEEPEST and kind is list:
            _collect(value, texts, depth + 1)
        elif value and depth <= DEEPEST and kind is dict:
            _collect([inner for name, inner in value.items() if not SECRET.search(name)], texts, depth + 1)
