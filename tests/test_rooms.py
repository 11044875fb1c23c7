"""The house keeps its laws: one tongue for each room, imports only downward, no cycles, nothing big."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HOUSE = ROOT / "src" / "celeriac"
#: From the ground up: a room imports from the rooms before it, and from itself.
ROOMS = (
    "errors", "job", "config", "registry", "store", "queue", "worker", "watch", "history", "auth", "actions",
    "stack", "api", "console", "cli", "extension", "__init__", "testing",
)  # fmt: skip
#: What is foreign, and the only rooms that speak it.
TONGUES = {
    "redis": {"store"},
    "kombu": {"queue"},
    "celery": {"worker"},
    "billiard": {"worker"},
    "sqlalchemy": {"history"},
    "alembic": {"history"},
    "subprocess": {"stack"},
    "multiprocessing": {"stack"},
    "pydantic": {"config", "registry", "auth", "api"},
    "pydantic_core": {"registry"},
    "flask": {"worker", "auth", "api", "console", "cli", "extension", "testing"},
    "werkzeug": {"api", "console", "extension", "testing"},
    "click": {"cli"},
    "pytest": {"testing"},
}
MOST_LINES = 300
LONGEST_FUNCTION = 40

MODULES = sorted(HOUSE.rglob("*.py"))
OURS = sorted(
    path
    for folder in ("src", "backend", "tests", "examples", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
    if ".venv" not in path.parts
)


def named(paths: list[Path]) -> list[object]:
    return [pytest.param(path, id=str(path.relative_to(ROOT))) for path in paths]


def room_of(path: Path) -> str:
    inside = path.relative_to(HOUSE)
    return inside.parts[0] if len(inside.parts) > 1 else inside.stem


def module_of(path: Path) -> str:
    parts = path.relative_to(HOUSE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[str]:
    """Yield every module that `path` imports when it runs, `from a import b` as a.b; not what only types need."""

    def visit(node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            yield from visit(child)

    yield from visit(ast.parse(path.read_text()))


@pytest.mark.parametrize("path", named(MODULES))
def test_each_room_speaks_its_own_tongue_alone(path: Path) -> None:
    for name in imports(path):
        foreign = name.partition(".")[0]
        assert room_of(path) in TONGUES.get(foreign, {room_of(path)}), f"{foreign} is not spoken in {room_of(path)}"


@pytest.mark.parametrize("path", named(MODULES))
def test_imports_go_only_downward(path: Path) -> None:
    below = ROOMS[: ROOMS.index(room_of(path)) + 1]
    for name in imports(path):
        house, _, rest = name.partition(".")
        if house == "celeriac":
            room = rest.partition(".")[0]
            assert room in below, f"{room_of(path)} imports from {room}, which stands above it"


def test_no_module_imports_itself_through_others() -> None:
    known = {module_of(path): path for path in MODULES}
    needs = {name: {_nearest(want, known) for want in imports(path)} for name, path in known.items()}
    done: set[str] = set()

    def follow(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " → ".join((*trail[trail.index(name) :], name))
        if name not in done:
            for want in sorted(needs[name] - {None, name}):  # type: ignore[type-var]
                follow(str(want), (*trail, name))
            done.add(name)

    for name in known:
        follow(name, ())


def _nearest(want: str, known: dict[str, Path]) -> str | None:
    """Return the module of ours that an import names: itself, or the one that holds the imported name."""
    while want and want not in known:
        want = want.rpartition(".")[0]
    return want or None


@pytest.mark.parametrize("path", named(MODULES))
def test_every_module_says_in_its_first_line_what_it_is(path: Path) -> None:
    said = ast.get_docstring(ast.parse(path.read_text()))

    assert said
    assert said.splitlines()[0].strip()


def test_lua_stands_in_the_store_alone() -> None:
    assert {room_of(path) for path in HOUSE.rglob("*.lua")} <= {"store"}


@pytest.mark.parametrize("path", named(OURS))
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text()
    lines = len(text.splitlines())
    assert lines <= MOST_LINES, f"{lines} lines"

    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines <= LONGEST_FUNCTION, f"{node.name} has {lines} lines"


@pytest.mark.parametrize("word", ["utils", "helpers", "manager", "common"])
def test_no_file_is_named_after_nothing(word: str) -> None:
    assert not [path for path in OURS if word in path.stem]


def test_the_app_uses_public_names_only() -> None:
    for path in (ROOT / "backend").rglob("*.py"):
        for name in imports(path):
            assert not name.startswith("celeriac.") or name.count(".") == 1, f"{path.name} imports {name}"
