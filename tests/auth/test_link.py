"""A signed link opens one job, as far as it was granted, until its time."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celeriac.auth.caller import Scope
from celeriac.auth.link import Grant, read, sign
from celeriac.errors import Unauthorized

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
SECRET = "s" * 20 + "0123456789ab"
JOB = "12345678-1234-5678-1234-567812345678"


def test_a_link_opens_its_job_and_no_other():
    caller = read([SECRET], JOB, sign(SECRET, JOB, Grant.WATCH, LATER), NOW)
    assert caller.sees(JOB, "whoever")
    assert not caller.sees(JOB[:-1] + "9", "whoever")
    assert not caller.sees("", "")
    assert (caller.may(Scope.READ), caller.may(Scope.SUBMIT), caller.may(Scope.OPERATE)) == (
        True,
        False,
        False,
    )


def test_a_link_may_cancel_where_it_was_granted():
    caller = read([SECRET], JOB, sign(SECRET, JOB, Grant.CANCEL, LATER), NOW)
    assert caller.may(Scope.READ)
    assert caller.may(Scope.SUBMIT)
    assert not caller.may(Scope.OPERATE)


def test_a_link_ends():
    key = sign(SECRET, JOB, Grant.WATCH, LATER)
    read([SECRET], JOB, key, LATER - timedelta(seconds=1))
    with pytest.raises(Unauthorized, match="expired"):
        read([SECRET], JOB, key, LATER)


def test_a_link_outlives_a_new_secret_while_the_old_one_is_a_fallback():
    key = sign(SECRET, JOB, Grant.WATCH, LATER)
    assert read(["new", SECRET.encode()], JOB, key, NOW).sees(JOB, "")
    with pytest.raises(Unauthorized):
        read(["new"], JOB, key, NOW)
    with pytest.raises(Unauthorized):
        read([], JOB, key, NOW)


KEY = sign(SECRET, JOB, Grant.WATCH, LATER)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "c" + KEY[1:],
        KEY[:-1],
        KEY + "=",
        KEY + "\n",
        KEY.replace(".", "..", 1),
        "w.fffffffffff" + KEY[KEY.rindex(".") :],
        "w." + "f" * 10_000 + KEY[KEY.rindex(".") :],
        sign(SECRET, JOB, Grant.WATCH, LATER + timedelta(seconds=1))[:-22] + KEY[-22:],
        sign(SECRET, "another", Grant.WATCH, LATER),
        sign(SECRET[:-1], JOB, Grant.WATCH, LATER),
        "\ud800",
    ],
)
def test_a_changed_link_opens_nothing(key):
    with pytest.raises(Unauthorized, match="does not open"):
        read([SECRET], JOB, key, NOW)


@given(
    st.text(max_size=60),
    st.sampled_from(Grant),
    st.datetimes(NOW.replace(tzinfo=None)).map(lambda t: t.replace(tzinfo=UTC)),
)
def test_every_link_that_was_signed_opens(job_id, grant, expires_at):
    key = sign(SECRET, job_id, grant, expires_at + timedelta(seconds=1) if expires_at.year < 9000 else LATER)
    assert read([SECRET], job_id, key, NOW).job_id == job_id
    assert len(key) < 50
