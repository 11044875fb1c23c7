"""Results too large for Redis: in a file of the job, as those that are files; Celery's result has a reference.

1. The file is written first, then the record: who dies between the two leaves a file that goes with its job.
2. `AsyncResult.get()` gives the value back: it is read when somebody looks at it, not when they ask for the state.

Speaks Celery's result format.
"""

from __future__ import annotations

import json
from typing import Any

from celeriac.errors import StorageFull, TooLarge
from celeriac.queue.errors import EncodeError
from celeriac.worker.file import files_of
from celeriac.worker.process import settings_of

MARK = "celeriac_large"
NAME, MEDIA_TYPE = "result.json", "application/json"


class Large(dict[str, Any]):
    """Celery's meta whose result is in a file. Looking at the result raises UnknownFile when the file is gone."""

    def __init__(self, app: Any, meta: dict[str, Any]) -> None:
        super().__init__(meta)
        self._app = app

    def __getitem__(self, name: str) -> Any:
        found = super().__getitem__(name)
        if name != "result":
            return found
        with files_of(settings_of(self._app)).open(found["file"]) as stream:
            return json.load(stream)

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name == "result" and name in self else super().get(name, default)


def kept(app: Any, meta: dict[str, Any], request: Any, size: int) -> str:
    """Keep the result in a file and return the meta with a reference to it, as JSON. Raises EncodeError."""
    if getattr(request, "chord", None):  # what waits for it gets it in a message
        raise EncodeError(f"The result of a chord's part has {size} bytes, more than CELERIAC_RESULT_LIMIT.")
    owner = getattr(request, "celeriac_owner", None) or ""
    try:
        content = json.dumps(meta["result"], allow_nan=False, separators=(",", ":")).encode()
        file = files_of(settings_of(app)).save(content, NAME, MEDIA_TYPE, owner, [meta["task_id"]])
    except (TypeError, ValueError) as error:
        raise EncodeError(f"A result of {size} bytes must be plain JSON: {error}") from error
    except (TooLarge, StorageFull, OSError) as error:
        raise EncodeError(f"The result of {size} bytes cannot be kept: {error}") from error
    return json.dumps({**meta, "result": file.reference(), MARK: True}, separators=(",", ":"))
