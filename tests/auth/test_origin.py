"""No other site's page acts in a visitor's name."""

import pytest

from celeriac.auth.origin import check, is_loopback
from celeriac.errors import Forbidden

SITE = "https://jobs.example.org"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin", "Origin": SITE},
        {"Origin": SITE},
        {"Origin": SITE + ":443"},
        {"Origin": "https://JOBS.example.org"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://good.example.org"},
    ],
)
def test_this_sites_own_pages_and_programs_may(headers):
    check("POST", headers, SITE, trusted=["https://good.example.org"])


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "post"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "nonsense"},
        {"Sec-Fetch-Site": "cross-site", "Origin": SITE},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://jobs.example.org"},
        {"Origin": SITE + ":8443"},
        {"Origin": SITE + ".evil.example"},
        {"Origin": "https://[broken"},
        {"Origin": "null"},
        {"Origin": ""},
    ],
)
def test_another_sites_page_may_not(method, headers):
    with pytest.raises(Forbidden):
        check(method, headers, SITE)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_reading_is_not_in_question(method):
    check(method, {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, SITE)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "[::1]:5000", "localhost", "localhost:5000", "127.0.0.1:5000",
     "LOCALHOST:5000", "::ffff:127.0.0.1"],
)  # fmt: skip
def test_this_machine_is_known_by_its_names(address):
    assert is_loopback(address)


@pytest.mark.parametrize(
    "address",
    [None, "", "0.0.0.0", "::", "192.168.0.1", "localhost.evil.example", "127.0.0.1.evil.example:80",
     "unix:/run/x",
     "[::1", "evil@localhost.example", "2130706433", "127.1"],
)  # fmt: skip
def test_nothing_else_is_this_machine(address):
    assert not is_loopback(address)
