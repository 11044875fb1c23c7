"""Commands about API tokens: create, list, rotate, revoke; and whether the app is fit to serve."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click
from flask import current_app

from celeriac.auth.caller import Scope, scopes_of
from celeriac.auth.token import Token
from celeriac.auth.tokens import Tokens
from celeriac.cli import shown
from celeriac.cli.group import jobs, json_option, say

HEADS = ("token", "owner", "scopes", "name", "created", "expires", "last used")
DAYS = click.FloatRange(min=0, min_open=True, max=36600)


@jobs.group("token")
def token() -> None:
    """Make and take back the tokens that open the HTTP API."""


@token.command()
@click.option("--owner", required=True, help="Whose jobs it submits and sees: a person or a program.")
@click.option(
    "--scope", "scopes", multiple=True, required=True, type=click.Choice([scope.value for scope in Scope]),
    help="What it may; repeat it for several.",
)  # fmt: skip
@click.option("--days", type=DAYS, help="How long it is good; without it, until it is revoked.")
@click.option("--name", default="", help="What it is for, one line.")
@json_option
def create(owner: str, scopes: tuple[str, ...], days: float | None, name: str, as_json: bool) -> None:
    """Make a token and show it, once: only its hash is kept."""
    lifetime = timedelta(days=days) if days else None
    made = _tokens().create(owner, scopes_of(scopes), lifetime=lifetime, name=name)
    _say_made(*made, as_json)


@token.command("list")
@json_option
def list_tokens(as_json: bool) -> None:
    """List the tokens there are, the newest first."""
    found = _tokens().list()
    rows = [(t.id, t.owner, sorted(t.scopes), t.name, t.created_at, t.expires_at, t.last_used_at) for t in found]
    empty = "There is no token: `flask jobs token create --owner me --scope admin` makes one."
    say([_resource(one) for one in found], as_json, lambda: shown.table(HEADS, rows, empty))


@token.command()
@click.argument("id")
@click.option(
    "--hours", type=click.FloatRange(min=0), default=24.0, show_default=True, help="The old one's last hours."
)
@json_option
def rotate(id: str, hours: float, as_json: bool) -> None:
    """Make a token of the same terms and let the old one end after a while."""
    made = _tokens().rotate(id, timedelta(hours=hours))
    _say_made(*made, as_json)


@token.command()
@click.argument("id")
@json_option
def revoke(id: str, as_json: bool) -> None:
    """Take a token back; within two seconds it opens nothing."""
    _tokens().revoke(id)
    say({"revoked": id}, as_json, lambda: f"Token {id} is revoked.")


@jobs.command("check")
@json_option
def check(as_json: bool) -> None:
    """Say whether the app is fit to serve: everything that production would refuse to start with, at once."""
    current_app.extensions["celeriac"].check(current_app)
    say({"fit": True}, as_json, lambda: "Fit to serve.")


def _tokens() -> Tokens:
    found: Tokens = current_app.extensions["celeriac"].api.tokens
    return found


def _say_made(text: str, made: Token, as_json: bool) -> None:
    words = f"{text}\nIt is shown this once. Its id is {made.id}."
    say(_resource(made) | {"token": text}, as_json, lambda: words)


def _resource(one: Token) -> dict[str, Any]:
    times = {"created_at": one.created_at, "expires_at": one.expires_at, "last_used_at": one.last_used_at}
    return {
        "id": one.id,
        "owner": one.owner,
        "scopes": sorted(scope.value for scope in one.scopes),
        "name": one.name,
        **{key: time.isoformat(timespec="milliseconds") if time else None for key, time in times.items()},
    }
