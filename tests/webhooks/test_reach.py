"""A stranger's URL leads nowhere inside, whatever it, its name server or its server does."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from typing import Any

import pytest

from celeriac.worker import reach
from tests.webhooks.receivers import hostile, receiver

HERE = reach.Allowed("127.0.0.1")
NOBODY = reach.Allowed()

INNER = ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
         "255.255.255.255", "192.0.2.1", "198.18.0.1", "::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1",
         "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::10.0.0.1", "2002:7f00:1::", "2001:db8::1"]  # fmt: skip


@pytest.mark.parametrize("address", INNER)
def test_inner_addresses_are_not_public(address: str) -> None:
    assert not reach.is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "64:ff9b::1.1.1.1"])
def test_addresses_of_the_open_internet_are(address: str) -> None:
    assert reach.is_public(ipaddress.ip_address(address)) or address.startswith("64:")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "https://",
        "https:///path",
        "example.com/hook",
        "https://user:password@example.com/",
        "https://user@example.com/",
        "https://localhost/",
        "https://app.localhost./",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:169.254.169.254]/",
        "https://169.254.169.254/latest/meta-data/",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://example.com/a b",
        "https://example.com\\@127.0.0.1/",
        "https://exa\u0301mple.com/",
        "https://example.com/\r\nHost: inside",
        "https://example.com/" + "x" * 3000,
    ],
)
def test_urls_that_are_refused_by_their_text(url: str) -> None:
    with pytest.raises(reach.ForbiddenAddress):
        reach.check(url, NOBODY)


@pytest.mark.parametrize("url", ["https://example.com/hook", "https://example.com:8443/?a=b", "https://1.1.1.1/"])
def test_urls_that_are_not(url: str) -> None:
    assert reach.check(url, NOBODY).scheme == "https"


def test_what_is_allowed_by_name_or_network_may_be_called_also_without_tls() -> None:
    allowed = reach.Allowed("hooks.internal 10.0.0.0/8 127.0.0.1")

    assert reach.check("http://hooks.internal/x", allowed)
    assert reach.check("http://10.9.8.7/", allowed)
    assert reach.check("http://127.0.0.1:5000/", allowed)
    with pytest.raises(reach.ForbiddenAddress):
        reach.check("http://192.168.0.1/", allowed)


def resolves(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Let every name have these addresses, the next list at the next question; return what was asked."""
    asked: list[str] = []
    left = list(answers)

    def look(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        found = left.pop(0) if len(left) > 1 else left[0]
        family = {4: socket.AF_INET, 6: socket.AF_INET6}
        return [(family[ipaddress.ip_address(a).version], socket.SOCK_STREAM, 6, "", (a, port)) for a in found]

    monkeypatch.setattr(socket, "getaddrinfo", look)
    return asked


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["1.1.1.1", "10.0.0.1"], ["::ffff:10.0.0.1"], ["fe80::1"]])
def test_a_name_with_any_inner_address_is_not_called(monkeypatch: pytest.MonkeyPatch, addresses: list[str]) -> None:
    resolves(monkeypatch, addresses)
    monkeypatch.setattr(socket.socket, "connect", _never)

    with pytest.raises(reach.ForbiddenAddress, match="inner address"):
        reach.post("https://innocent.example.com/", b"", {}, NOBODY)


def test_a_name_server_that_does_not_answer_costs_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers.wait(60) and [])
    began = time.monotonic()
    with pytest.raises(reach.Unreachable, match="name server does not answer"):
        reach.post("https://example.com/", b"{}", {}, NOBODY, 0.5)
    assert time.monotonic() - began < 20
    answers.set()


def test_a_name_that_changes_its_mind_is_called_at_the_address_that_was_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connected: list[Any] = []
    asked = resolves(monkeypatch, ["1.1.1.1"], ["127.0.0.1"])

    def connect(_: socket.socket, where: Any) -> None:
        connected.append(where)
        raise ConnectionRefusedError("refused")

    monkeypatch.setattr(socket.socket, "connect", connect)
    with pytest.raises(reach.Unreachable):
        reach.post("https://rebind.example.com/", b"", {}, NOBODY)

    assert connected == [("1.1.1.1", 443)]
    assert asked == ["rebind.example.com"]


def test_a_call_arrives_whole_and_its_answer_is_told() -> None:
    with receiver(202, Retry_After="7") as there:
        reply = reach.post(there.url, b'{"a":1}', {"webhook-id": "x"}, HERE)

        assert (reply.status, reply.retry_after) == (202, 7.0)
        (call,) = there.calls
        assert (call.path, call.body, call.headers["webhook-id"]) == ("/hook?of=jobs", b'{"a":1}', "x")
        assert call.headers["host"] == f"127.0.0.1:{there.port}"


def test_a_redirect_is_an_answer_and_not_an_order() -> None:
    with receiver() as inside, receiver(307, Location=inside.url) as there:
        assert reach.post(there.url, b"", {}, HERE).status == 307
        assert inside.calls == []


def silent(caller: socket.socket) -> None:
    time.sleep(20)


def dripping(caller: socket.socket) -> None:
    caller.sendall(b"HTTP/1.1 200 OK\r\n")
    for i in range(400):
        caller.sendall(b"x-%d: y\r\n" % i if i < 50 else b"")
        time.sleep(0.05)


def endless_line(caller: socket.socket) -> None:
    while True:
        caller.sendall(b"x" * 65536)


def endless_headers(caller: socket.socket) -> None:
    caller.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        caller.sendall(b"a: b\r\n" * 1000)


def garbage(caller: socket.socket) -> None:
    caller.sendall(b"\x00\xff\xfe SSH-2.0\r\n\r\n")


def closing(caller: socket.socket) -> None:
    caller.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("behave", [silent, dripping, endless_line, endless_headers, garbage, closing])
def test_a_hostile_server_costs_a_bounded_time_and_is_an_error(behave: Any) -> None:
    with hostile(behave) as url:
        began = time.monotonic()
        with pytest.raises(reach.Unreachable):
            reach.post(url, b"{}", {}, HERE, seconds=1.0)
        assert time.monotonic() - began < 15


def endless_body(caller: socket.socket) -> None:
    caller.recv(65536)
    caller.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n")
    while True:
        caller.sendall(b"x" * 65536)


def test_an_endless_body_is_not_read() -> None:
    with hostile(endless_body) as url:
        assert reach.post(url, b"{}", {}, HERE).status == 200


def test_tls_proves_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with hostile(garbage) as url:
        port = int(url.rsplit(":", 1)[1].rstrip("/"))
        resolves(monkeypatch, ["127.0.0.1"])
        with pytest.raises(reach.Unreachable):
            reach.post(f"https://hooks.internal:{port}/", b"{}", {}, reach.Allowed("hooks.internal"))


@pytest.mark.parametrize(("text", "seconds"), [("120", 120.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("soon", None)])
def test_retry_after_is_read_in_both_forms(text: str, seconds: float | None) -> None:
    with receiver(503, Retry_After=text) as there:
        assert reach.post(there.url, b"", {}, HERE).retry_after == seconds


def _never(*_: Any, **__: Any) -> None:
    raise AssertionError("it was called")
