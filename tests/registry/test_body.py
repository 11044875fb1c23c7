"""A body is refused before it can hurt, and with the status that fits."""

import json
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celeriac.errors import BadRequest, CeleriacError, InvalidArguments, TooLarge
from celeriac.registry.body import MAX_BODY, parse, parse_object
from celeriac.registry.value import MAX_DEPTH, MAX_FAULTS, faults, read

ABUSE = {
    "nothing": (b"", BadRequest),
    "blanks": (b"  \n", BadRequest),
    "not JSON": (b"x=1&y=2", BadRequest),
    "two values": (b"{} {}", BadRequest),
    "a trailing comma": (b'{"x": 1,}', BadRequest),
    "single quotes": (b"{'x': 1}", BadRequest),
    "NaN": (b'{"x": NaN}', BadRequest),
    "Infinity": (b'{"x": Infinity}', BadRequest),
    "-Infinity": (b'{"x": -Infinity}', BadRequest),
    "latin-1": ('{"x": "é"}'.encode("latin-1"), BadRequest),
    "UTF-16": ('{"x": 1}'.encode("utf-16"), BadRequest),
    "a byte order mark": (b"\xef\xbb\xbf{}", BadRequest),
    "a surrogate as bytes": (b'{"x": "\xed\xa0\x80"}', BadRequest),
    "one key twice": (b'{"x": 1, "x": 2}', BadRequest),
    "one key twice, spelled differently": (b'{"x": 1, "\\u0078": 2}', BadRequest),
    "one key twice, deep inside": (b'{"a": [{"x": 1, "x": 1}]}', BadRequest),
    "a number of 5,000 digits": (b'{"x": ' + b"1" * 5000 + b"}", BadRequest),
    "depth 33": (b'{"x":' * 33 + b"1" + b"}" * 33, BadRequest),
    "depth 500": (b"[" * 500 + b"]" * 500, BadRequest),
    "depth 100,000": (b"[" * 100_000 + b"]" * 100_000, BadRequest),
    "depth 100,000, never closed": (b'{"x":' * 50_000, BadRequest),
    "depth after strings full of brackets and quotes": (b'["\\"]]]]", "\\\\",' + b"[" * 40, BadRequest),
    "a control character": (b'{"x": "a\nb"}', BadRequest),
    "1e400": (b'{"x": 1e400}', InvalidArguments),
    "-1e400": (b"[-1e400]", InvalidArguments),
    "digits and an exponent, together beyond a double": (b"[" + b"9" * 250 + b"E99]", InvalidArguments),
    "a fraction beyond a double": (b"[1" + b"0" * 320 + b".0]", InvalidArguments),
    "an exponent with zeros and a sign": (b"[1e+0000400]", InvalidArguments),
    "an integer beyond a double": (b'{"x": ' + b"9" * 400 + b"}", InvalidArguments),
    "a lone surrogate": (b'{"x": "\\ud800"}', InvalidArguments),
    "a lone surrogate in a key": (b'{"\\udfff": 1}', InvalidArguments),
    "a lone surrogate deep inside": (b'{"x": [[["ok", "\\ud83d"]]]}', InvalidArguments),
    "one byte over the limit": (b'"' + b"a" * (MAX_BODY - 1) + b'"', TooLarge),
    "50 MB": (b"[" + b"1," * 25_000_000 + b"1]", TooLarge),
}


@pytest.mark.parametrize("kind", ABUSE)
def test_an_abusive_body_is_refused_with_its_status(kind):
    raw, expected = ABUSE[kind]
    with pytest.raises(CeleriacError) as caught:
        parse(raw)
    assert type(caught.value) is expected
    assert caught.value.status in (400, 413, 422)
    assert len(str(caught.value)) < 500
    json.dumps(getattr(caught.value, "errors", []), ensure_ascii=False).encode()


@pytest.mark.parametrize("raw", [b"null", b"[]", b'"hi"', b"1", b"true"])
def test_what_is_no_object_is_refused_where_an_object_is_asked_for(raw):
    parse(raw)
    with pytest.raises(InvalidArguments) as caught:
        parse_object(raw)
    assert caught.value.errors[0]["pointer"] == ""


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * MAX_DEPTH + b"]" * MAX_DEPTH,
        b'{"x":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH,
        b"[" + b"[]," * 1000 + b"{}]",
        b'["' + b"[" * 5000 + b'", "\\"' + b"{" * 5000 + b'"]',
        '{"emoji": "\\ud83d\\ude00 é 😀", "nul": "\\u0000"}'.encode(),
    ],
)
def test_a_proper_body_is_read_as_json_reads_it(raw):
    assert parse(raw) == json.loads(raw)


def test_faults_are_told_by_their_pointers():
    with pytest.raises(InvalidArguments) as caught:
        parse(b'{"a/b~c": [0, {"x": 1e999}], "s": "\\ud800"}')
    assert {entry["pointer"] for entry in caught.value.errors} == {"/a~1b~0c/1/x", "/s"}


def test_a_hostile_list_of_faults_makes_a_short_answer():
    with pytest.raises(InvalidArguments) as caught:
        parse(b"[" + b",".join([b"1e999"] * 30_000) + b"]")
    assert len(caught.value.errors) <= MAX_FAULTS


def test_the_cost_of_refusing_depth_does_not_grow_with_it():
    """Measured in work, not in time: far less processor time than promised, even on a busy machine."""
    before = time.process_time()
    for _ in range(20):
        with pytest.raises(BadRequest):
            parse(b"[" * 100_000 + b"]" * 100_000)
    assert (time.process_time() - before) / 20 < 0.05


def test_a_value_that_contains_itself_is_refused():
    loop: list = []
    loop += [loop, loop]
    assert faults(loop)[0]["detail"].startswith("is nested deeper")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_every_json_value_comes_back_as_it_was_sent(value):
    try:
        raw = json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raw = json.dumps(value).encode()
        with pytest.raises(InvalidArguments):
            parse(raw)
    else:
        assert parse(raw) == value


@given(st.binary(max_size=200) | st.text('[]{}",:\\01eE.- ntfu').map(str.encode))
def test_any_bytes_are_either_read_or_refused(raw):
    try:
        value = parse(raw)
    except CeleriacError as error:
        assert error.status in (400, 413, 422)  # noqa: PT017 - both ways are right, neither is another error
    else:
        assert faults(value) == []


def outcome(reader: Callable[[bytes], object], text: bytes) -> str:
    """Return what a reader makes of a text, NaN and types of numbers included, or that it refuses."""
    try:
        return repr(reader(text))
    except (ValueError, RecursionError):
        return "refused"


@pytest.mark.parametrize(
    "text",
    [
        *(text for text, _ in ABUSE.values() if len(text) < 1_000_000),
        b'"\\ud800"',
        b"[NaN, -0, -0.0, 1e-400]",
        b"1" * 400,
    ],
)
def test_a_message_is_read_as_python_reads_it_however_odd(text: bytes) -> None:
    assert outcome(read, text) == outcome(lambda text: json.loads(text.decode()), text)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
def test_a_message_is_read_as_python_reads_it(value: object) -> None:
    text = json.dumps(value).encode()
    assert outcome(read, text) == outcome(lambda text: json.loads(text.decode()), text)
