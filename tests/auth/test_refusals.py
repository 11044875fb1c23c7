"""Production names every reason not to start, at once, each with its remedy."""

import itertools

import pytest

from celeriac.auth.refusals import KNOWN_SECRETS, Facts, check, findings
from celeriac.errors import ConfigError

GOOD = "4b1d0c6f2e9a8375" * 4

SECRETS = {
    None: "not set",
    "": "not set",
    b"": "not set",
    "mysecret": "everybody knows",
    "please-changeme-please-0123456789-abcdef": "everybody knows",
    "a" * 64: "too simple",
    GOOD[:31]: "too short",
    GOOD: None,
    GOOD.encode(): None,
    bytes(range(200, 232)): None,
}
DEBUG = {False: None, True: "Debug"}
TOKENS = {None: None, 0: "no API token", 3: None}
EVICTION = {None: None, "noeviction": None, "allkeys-lru": "allkeys-lru"}


@pytest.mark.parametrize(
    ("secret", "debug", "tokens", "eviction"), list(itertools.product(SECRETS, DEBUG, TOKENS, EVICTION))
)
def test_the_boot_matrix(secret, debug, tokens, eviction):
    expected = [SECRETS[secret], DEBUG[debug], TOKENS[tokens], EVICTION[eviction]]
    facts = Facts(local=False, secret_key=secret, debug=debug, tokens=tokens, eviction=eviction)
    found = findings(facts)
    assert len(found) == len([words for words in expected if words])
    for words, one in zip([words for words in expected if words], found, strict=True):
        assert words in one.problem
        assert one.remedy
    if not found:
        check(facts)
        return
    with pytest.raises(ConfigError) as caught:
        check(facts)
    assert all(one.problem in str(caught.value) and one.remedy in str(caught.value) for one in found)
    if secret and SECRETS[secret]:
        assert repr(secret) not in str(caught.value)


@pytest.mark.parametrize("secret", sorted(KNOWN_SECRETS))
def test_a_known_secret_is_refused(secret):
    assert findings(Facts(local=False, secret_key=secret))


def test_testing_is_no_production():
    assert "TESTING" in findings(Facts(local=False, secret_key=GOOD, testing=True))[0].problem


def test_local_development_asks_for_nothing_while_it_stays_local():
    for bind in (None, "127.0.0.1:5000", "localhost"):
        check(Facts(local=True, secret_key=None, debug=True, tokens=0, bind=bind))
    with pytest.raises(ConfigError, match=r"0\.0\.0\.0"):
        check(Facts(local=True, secret_key=GOOD, bind="0.0.0.0:5000"))
