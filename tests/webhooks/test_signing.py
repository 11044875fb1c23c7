"""Webhooks are signed as Standard Webhooks 1.0 says; its own reference vector is the judge."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celeriac.errors import ConfigError
from celeriac.worker import signing

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, TIMESTAMP, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNATURE = "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_reference_vector_comes_out() -> None:
    (secret,) = signing.read_secrets(SECRET)

    assert signing.signature(secret, ID, TIMESTAMP, BODY) == SIGNATURE
    assert signing.headers([secret], ID, TIMESTAMP, BODY) == {
        "webhook-id": ID,
        "webhook-timestamp": "1614265330",
        "webhook-signature": f"v1,{SIGNATURE}",
    }


def test_while_secrets_are_changed_both_sign_and_either_proves() -> None:
    new, old = signing.read_secrets(f"whsec_{'A' * 32} {SECRET}")
    told = signing.headers([new, old], ID, TIMESTAMP, BODY)

    assert told["webhook-signature"].endswith(f" v1,{SIGNATURE}")
    for known in ([new], [old], [old, new]):
        assert signing.verify(known, told, BODY, TIMESTAMP + 60)
    assert not signing.verify([b"x" * 32], told, BODY, TIMESTAMP)


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "other"},
        {"webhook-timestamp": "1614265331"},
        {"webhook-timestamp": "soon"},
        {"webhook-signature": "v1,"},
        {"webhook-signature": f"v2,{SIGNATURE}"},
        {"webhook-id": ""},
    ],
)
def test_a_changed_header_is_not_genuine(change: dict[str, str]) -> None:
    secrets = signing.read_secrets(SECRET)
    told = signing.headers(secrets, ID, TIMESTAMP, BODY)

    assert signing.verify(secrets, told, BODY, TIMESTAMP)
    assert not signing.verify(secrets, told | change, BODY, TIMESTAMP)


def test_an_old_call_is_not_genuine() -> None:
    secrets = signing.read_secrets(SECRET)
    told = signing.headers(secrets, ID, TIMESTAMP, BODY)

    assert not signing.verify(secrets, told, BODY, TIMESTAMP + 301)


@given(st.binary(), st.binary())
def test_no_other_body_is_genuine(body: bytes, other: bytes) -> None:
    secrets = signing.read_secrets(SECRET)
    told = signing.headers(secrets, ID, TIMESTAMP, body)

    assert signing.verify(secrets, told, other, TIMESTAMP) == (body == other)


@pytest.mark.parametrize("text", ["secret", "whsec_", "whsec_!!!", "whsec_QQ==", SECRET.removeprefix("whsec_")])
def test_a_secret_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="whsec_"):
        signing.read_secrets(text)


def test_a_secret_made_from_the_apps_own_is_one_that_receivers_can_enter() -> None:
    (made,) = signing.derived(["key"])

    assert signing.read_secrets(signing.shown(made)) == [made]
    assert signing.derived(["key", "older"])[0] == made
    assert signing.derived(["", b""]) == []
