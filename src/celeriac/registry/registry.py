"""The tasks that others may ask for, by name. Pure: speaks to nobody."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar, overload

from celeriac.errors import ConfigError, UnknownTask
from celeriac.registry.spec import TaskSpec, describe

Function = TypeVar("Function", bound=Callable[..., Any])


class Registry(Mapping[str, TaskSpec]):
    """The specs of one app, in the order they were added; two of one name are refused."""

    def __init__(self, specs: Iterable[TaskSpec] = ()) -> None:
        self._specs: dict[str, TaskSpec] = {}
        self._of_messages: dict[str, TaskSpec] = {}
        for spec in specs:
            self.add(spec)

    def add(self, spec: TaskSpec) -> TaskSpec:
        """Take `spec` in and return it; ConfigError when its name is taken."""
        other = self._specs.get(spec.name)
        if other is not None:
            raise ConfigError(
                f"Two tasks are named {spec.name!r}: {other.celery_name} and {spec.celery_name}.",
                'Give one another name: `@job(name="…")`.',
            )
        self._specs[spec.name] = spec
        self._of_messages.setdefault(spec.celery_name, spec)
        return spec

    @overload
    def job(self, function: Function, /) -> Function: ...

    @overload
    def job(self, /, *, name: str | None = None, queue: str = "celery") -> Callable[[Function], Function]: ...

    def job(
        self, function: Function | None = None, /, *, name: str | None = None, queue: str = "celery"
    ) -> Function | Callable[[Function], Function]:
        """Add the decorated function under its own name or `name`, and leave it as it is."""

        def take(function: Function) -> Function:
            self.add(describe(function, name=name, queue=queue))
            return function

        return take if function is None else take(function)

    def find(self, name: str) -> TaskSpec:
        """Return the spec named `name`; UnknownTask names the nearest known one."""
        spec = self._specs.get(name)
        if spec is None:
            near = difflib.get_close_matches(name[:100], self._specs, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else "GET /api/tasks lists the tasks there are."
            raise UnknownTask(f"There is no task named {name[:100]!r}.", hint)
        return spec

    def by_celery_name(self, celery_name: str) -> TaskSpec | None:
        """Return the spec whose messages carry `celery_name`, if it was registered here."""
        return self._of_messages.get(celery_name)

    def __getitem__(self, name: str) -> TaskSpec:
        return self._specs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._specs)

    def __len__(self) -> int:
        return len(self._specs)
