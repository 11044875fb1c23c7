"""What may run: a spec from a function's own signature, its JSON Schema, one document of them all. Pure."""

from celeriac.registry.registry import Registry
from celeriac.registry.spec import TaskSpec, describe

__all__ = ["Registry", "TaskSpec", "describe"]
