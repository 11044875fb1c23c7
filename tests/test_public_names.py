"""What others may import, and what it costs them."""

from __future__ import annotations

import subprocess
import sys

import pytest

import celeriac
from celeriac import errors

NAMES = ["Celeriac", "File", "cached", "current_job", "job", "job_finished", "needs", "progress", "replaced_by",
         "track"]  # fmt: skip


def loaded_after(code: str) -> set[str]:
    """Return the top-level packages that a fresh Python has loaded after this code."""
    code += "\nimport sys; print(*{name.partition('.')[0] for name in sys.modules})"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(ran.stdout.split())


def test_the_public_names_are_these_and_at_most_ten() -> None:
    assert sorted(celeriac.__all__) == NAMES
    assert len(NAMES) <= 10
    assert set(NAMES) <= set(dir(celeriac))


@pytest.mark.parametrize("name", NAMES)
def test_each_name_can_be_imported_and_says_what_it_is(name: str) -> None:
    thing = getattr(celeriac, name)

    assert thing.__doc__
    assert type(thing).__name__ != "module"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'jobs'"):
        _ = celeriac.jobs  # type: ignore[attr-defined]


def test_the_decorator_is_not_hidden_by_the_module_of_its_name() -> None:
    code = "import celeriac.job; from celeriac.job import State; from celeriac import job; assert callable(job)"

    assert "celery" in loaded_after(code)


def test_importing_the_library_or_its_stack_loads_no_engine() -> None:
    for code in ("import celeriac", "import celeriac.stack", "import celeriac.errors"):
        assert not loaded_after(code) & {"celery", "kombu", "redis", "flask", "pydantic"}


def test_the_error_tree_in_the_docstring_is_the_real_one() -> None:
    drawn = {line.strip("│├└─ ").split()[0] for line in (errors.__doc__ or "").splitlines() if "─ " in line}
    real = {
        name
        for name, thing in vars(errors).items()
        if isinstance(thing, type) and issubclass(thing, errors.CeleriacError) and thing is not errors.CeleriacError
    }

    assert drawn == real


def test_every_error_has_a_status_an_exit_code_and_a_title_of_its_own() -> None:
    for thing in vars(errors).values():
        if isinstance(thing, type) and issubclass(thing, errors.CeleriacError):
            assert 400 <= thing.status <= 599
            assert 1 <= thing.exit_code <= 125
            assert thing.title
            assert (thing.__doc__ or "").endswith(".")
