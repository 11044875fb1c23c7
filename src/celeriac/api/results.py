"""What came of a job: its result, JSON or a file, and the files that it took and returned. Speaks Flask."""

from __future__ import annotations

from contextlib import suppress

from flask import Response

from celeriac import actions
from celeriac.api import past
from celeriac.api.answers import tagged
from celeriac.api.contract import Table
from celeriac.api.door import caller
from celeriac.api.parts import context, parts
from celeriac.api.sending import ANSWERS, HEADERS, IF_NONE_MATCH, RANGE, sent
from celeriac.auth.caller import Scope, Way
from celeriac.errors import CeleriacError, Conflict, ExpiredFile, UnknownFile
from celeriac.registry.file import is_file, references
from celeriac.registry.openapi import ANY_MEDIA, Answer, Route
from celeriac.store.files import unknown
from celeriac.worker.file import files_of

table = Table("results")


def _told(path: str, summary: str, what: str, missing: type[CeleriacError], *, description: str) -> Route:
    """Return a route that answers bytes of a job, to whoever may read it; `missing`: there are none."""
    return Route(
        path, "GET", summary, scope=Scope.READ, by_link=True, description=description,
        parameters=(IF_NONE_MATCH, RANGE),
        answers=(Answer(200, what, media=ANY_MEDIA, headers=HEADERS), *ANSWERS),
        errors=(*past.GONE, missing, ExpiredFile),
    )  # fmt: skip


@table.route(
    _told(
        "/api/jobs/{id}/result", "The result of a job that succeeded", "What the job returned.", Conflict,
        description="A file is answered as it is, with its media type; everything else is JSON.",
    )
)  # fmt: skip
def result(id: str) -> Response:
    """Answer what the job returned."""
    job, _ = past.look_up(context(), id)
    result = actions.past.result_of(job)
    return _file(result["file"], id) if is_file(result) else tagged(result)


@table.route(
    _told(
        "/api/jobs/{id}/files/{file}", "A file that a job took or returned", "The file.", UnknownFile,
        description="`file` is the id in its arguments or in its result. By a link: what it returned alone.",
    )
)  # fmt: skip
def file(id: str, file: str) -> Response:
    """Answer a file of the job."""
    job, _ = past.look_up(context(), id)
    seen = [job.result] if caller().way is Way.LINK else [job.result, job.args, job.kwargs]
    if file not in references(seen):
        raise unknown(file)
    return _file(file, id)


def _file(file: str, id: str) -> Response:
    """Answer a file that belongs to the job: anybody can write the id of another. Raises ExpiredFile."""
    where = files_of(parts().settings)
    with suppress(UnknownFile):
        kept = where.find(file)
        if id in kept.jobs:
            return sent(kept, where)
    raise ExpiredFile("The file of this job is kept no more.", "Retry the job, if that makes it again.")
