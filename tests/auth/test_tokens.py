"""Tokens open the door as far as their terms say, and nothing else does."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celeriac.auth.caller import LOCAL, Caller, Scope, Way, scopes_of
from celeriac.auth.token import from_fields, id_in, issue
from celeriac.auth.tokens import FRESH, Tokens
from celeriac.errors import ConfigError, Forbidden, Unauthorized, UnknownToken

START = datetime(2026, 11, 22, 12, tzinfo=UTC)
READ = frozenset({Scope.READ})


class Shelf:
    """A token store of this process, which counts what it is asked."""

    def __init__(self):
        self.kept, self.reads, self.writes = {}, 0, 0

    def read_token(self, token_id):
        self.reads += 1
        return dict(self.kept.get(token_id, {}))

    def read_tokens(self):
        return {token_id: dict(fields) for token_id, fields in self.kept.items()}

    def write_token(self, token_id, fields):
        self.kept[token_id] = dict(fields)

    def update_token(self, token_id, fields):
        self.writes += 1
        if token_id not in self.kept:
            return False
        self.kept[token_id] |= fields
        return True

    def delete_token(self, token_id):
        return self.kept.pop(token_id, None) is not None

    def count_tokens(self):
        return len(self.kept)


class World:
    """A shelf of tokens under a clock that stands until it is moved."""

    def __init__(self):
        self.shelf, self.now = Shelf(), START
        self.tokens = self.another_process()

    def another_process(self):
        return Tokens(self.shelf, clock=self.clock, ticks=self.ticks)

    def clock(self):
        return self.now

    def ticks(self):
        return (self.now - START).total_seconds()

    def pass_time(self, **duration):
        self.now += timedelta(**duration)


@pytest.fixture
def world():
    return World()


def test_a_new_token_lets_its_owner_in(world):
    text, token = world.tokens.create("shop", READ, name="the shop's web server")
    assert re.fullmatch(r"clr_\w{10}_\w{38}", text)
    caller = world.another_process().caller(text)
    assert (caller.owner, caller.scopes, caller.way, caller.token_id) == ("shop", READ, Way.TOKEN, token.id)


def test_nothing_that_is_kept_opens_the_door(world):
    text, _ = world.tokens.create("shop", READ)
    kept = repr(world.shelf.kept) + repr(world.tokens.list())
    assert text not in kept
    assert text[-38:] not in kept


def wrong_texts(text: str) -> dict[str, str]:
    other, _ = issue("shop", READ, START)
    return {
        "nothing": "",
        "another installation's": other,
        "a letter mistyped": text[:-10] + ("A" if text[-10] != "A" else "B") + text[-9:],
        "cut": text[:-1],
        "with a blank": text + " ",
        "with a new line": text + "\n",
        "its id alone": text.split("_")[1],
        "not ours": "ghp_0123456789012345678901234567890123456789",
        "no text": "\ud800\x00",
        "very long": "clr_" + "a" * 1_000_000,
    }


@pytest.mark.parametrize("kind", wrong_texts("clr_0123456789_" + "a" * 38))
def test_a_wrong_token_opens_nothing(world, kind):
    text, _ = world.tokens.create("shop", READ)
    with pytest.raises(Unauthorized) as caught:
        world.tokens.caller(wrong_texts(text)[kind])
    assert text not in str(caught.value)


def test_the_right_id_with_another_secret_opens_nothing(world):
    text, _ = world.tokens.create("shop", READ)
    stranger, _ = issue("shop", READ, START)
    world.shelf.kept[id_in(stranger)] = world.shelf.kept[id_in(text)]
    with pytest.raises(Unauthorized):
        world.tokens.caller(stranger)


def test_a_typing_error_costs_no_look_up(world):
    text, _ = world.tokens.create("shop", READ)
    with pytest.raises(Unauthorized):
        world.tokens.caller(text[:-1] + ("0" if text[-1] != "0" else "1"))
    assert world.shelf.reads == 0


def test_an_expired_token_opens_nothing(world):
    text, _ = world.tokens.create("shop", READ, lifetime=timedelta(days=1))
    world.pass_time(hours=23)
    world.tokens.caller(text)
    world.pass_time(hours=1)
    with pytest.raises(Unauthorized, match="expired"):
        world.tokens.caller(text)


def test_a_revoked_token_opens_nothing_soon_after_and_at_once_here(world):
    text, token = world.tokens.create("shop", READ)
    elsewhere = world.another_process()
    elsewhere.caller(text)
    world.tokens.revoke(token.id)
    with pytest.raises(Unauthorized):
        world.tokens.caller(text)
    world.pass_time(seconds=FRESH)
    with pytest.raises(Unauthorized):
        elsewhere.caller(text)
    assert world.shelf.kept == {}
    with pytest.raises(UnknownToken):
        world.tokens.revoke(token.id)


def test_a_use_written_late_does_not_bring_a_revoked_token_back(world):
    text, token = world.tokens.create("shop", READ)
    world.tokens.caller(text)
    world.shelf.delete_token(token.id)
    world.pass_time(seconds=1)
    world.tokens.caller(text)
    world.pass_time(minutes=2)
    with pytest.raises(Unauthorized):
        world.tokens.caller(text)
    assert world.shelf.kept == {}


def test_many_requests_cost_few_look_ups_and_writes(world):
    text, _ = world.tokens.create("shop", READ)
    for _ in range(600):
        world.tokens.caller(text)
        world.pass_time(seconds=0.1)
    assert world.shelf.reads <= 60 / FRESH + 1
    assert world.shelf.writes == 1
    world.tokens.caller(text)
    assert world.shelf.writes == 2
    assert world.tokens.list()[0].last_used_at == world.now


def test_rotation_gives_a_new_text_and_lets_the_old_one_run_out(world):
    text, token = world.tokens.create("shop", READ, lifetime=timedelta(days=90), name="web")
    world.tokens.caller(text)
    world.pass_time(days=80)
    fresh, successor = world.tokens.rotate(token.id, overlap=timedelta(hours=1))
    assert (successor.owner, successor.scopes, successor.name) == ("shop", READ, "web")
    assert successor.expires_at == world.now + timedelta(days=90)
    assert world.tokens.caller(text).owner == world.tokens.caller(fresh).owner
    world.pass_time(hours=1)
    world.tokens.caller(fresh)
    with pytest.raises(Unauthorized):
        world.tokens.caller(text)


def test_rotation_never_prolongs_the_old_one(world):
    _, token = world.tokens.create("shop", READ, lifetime=timedelta(minutes=5))
    world.tokens.rotate(token.id, overlap=timedelta(days=1))
    assert min(one.expires_at for one in world.tokens.list()) == START + timedelta(minutes=5)
    with pytest.raises(UnknownToken):
        world.tokens.rotate("nobody", overlap=timedelta(0))


def test_a_session_ends_with_its_token(world):
    _, token = world.tokens.create("ann", READ, lifetime=timedelta(days=1))
    assert world.tokens.caller_of_session(token.id).way is Way.SESSION
    world.tokens.revoke(token.id)
    with pytest.raises(Unauthorized):
        world.tokens.caller_of_session(token.id)


@pytest.mark.parametrize(
    ("owner", "scopes", "terms"),
    [
        ("", READ, {}),
        ("a b", READ, {}),
        ("x" * 65, READ, {}),
        ("a\nb", READ, {}),
        ("shop", frozenset(), {}),
        ("shop", READ, {"lifetime": timedelta(0)}),
        ("shop", READ, {"name": "x" * 101}),
        ("shop", READ, {"name": "two\nlines"}),
    ],
)
def test_terms_that_make_no_sense_are_refused(world, owner, scopes, terms):
    with pytest.raises(ConfigError):
        world.tokens.create(owner, scopes, **terms)
    assert world.tokens.count() == 0


@given(
    st.sets(st.sampled_from(Scope), min_size=1),
    st.none() | st.timedeltas(timedelta(milliseconds=1), timedelta(days=3650)),
    st.text(st.characters(categories=["L", "N", "Zs"], exclude_characters="\xa0"), max_size=100).filter(
        str.isprintable
    ),
)
def test_what_is_kept_reads_back(scopes, lifetime, name):
    _, token = issue("ann@example.org", frozenset(scopes), START, lifetime=lifetime, name=name)
    read = from_fields(token.id, token.fields())
    assert (read.scopes, read.owner, read.name, read.created_at) == (token.scopes, token.owner, name, START)
    assert (read.expires_at is None) == (lifetime is None)
    if read.expires_at:
        assert abs(read.expires_at - token.expires_at) < timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("held", "allowed"),
    [
        (Scope.SUBMIT, {Scope.SUBMIT}),
        (Scope.READ, {Scope.READ}),
        (Scope.OPERATE, {Scope.SUBMIT, Scope.READ, Scope.OPERATE}),
        (Scope.ADMIN, set(Scope)),
    ],
)
def test_each_scope_allows_what_it_says(held, allowed):
    caller = Caller("shop", frozenset({held}), Way.TOKEN)
    assert {scope for scope in Scope if caller.may(scope)} == allowed
    for scope in set(Scope) - allowed:
        with pytest.raises(Forbidden, match=scope):
            caller.require(scope)
    for scope in allowed:
        caller.require(scope)


def test_a_job_exists_for_its_owner_and_for_operators():
    shop = Caller("shop", READ, Way.TOKEN)
    assert shop.sees("1", "shop")
    assert not shop.sees("1", "other")
    assert not shop.sees("1", "")
    assert not Caller("", READ, Way.TOKEN).sees("1", "")
    assert Caller("boss", frozenset({Scope.OPERATE}), Way.SESSION).sees("1", "shop")
    assert LOCAL.sees("1", "shop")
    assert LOCAL.may(Scope.ADMIN)


def test_scopes_are_read_from_words():
    assert scopes_of(["read ", "submit", ""]) == {Scope.READ, Scope.SUBMIT}
    with pytest.raises(ConfigError, match="submit, read, operate, admin"):
        scopes_of(["root"])
