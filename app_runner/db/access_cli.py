"""Commands `flask token` and `flask audit`."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Any

import click
import jwt
from flask import Flask
from flask.cli import AppGroup, with_appcontext
from sqlalchemy import select

from app_runner.db import audit, tokens
from app_runner.db.engine import DB
from app_runner.db.models import AuditEvent
from app_runner.db.types import now

TOKENS = AppGroup("token", help="Make, list and revoke tokens of users.")
SPAN = re.compile(r"([1-9][0-9]{0,5})([mhd])", re.ASCII)
UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class Span(click.ParamType[timedelta]):
    """A time like ``90d``, ``12h`` or ``30m``."""

    name = "span"

    def convert(self, value: object, param: object, ctx: object) -> timedelta:
        """Read it."""
        if isinstance(value, timedelta):
            return value
        match = SPAN.fullmatch(str(value))
        if match is None:
            raise click.BadParameter("it must be like 90d, 12h or 30m")
        return timedelta(**{UNITS[match[2]]: int(match[1])})


@TOKENS.command("create")
@click.argument("name")
@click.option("--user", help="Whose token it is (default: the name).")
@click.option("--scope", "scopes", multiple=True, help="A scope; may be repeated.")
@click.option("--admin", is_flag=True, help="The same as --scope admin.")
@click.option("--expires", type=Span(), help="When it ends: 90d, 12h, 30m.")
def create(
    name: str,
    user: str | None,
    scopes: tuple[str, ...],
    admin: bool,
    expires: timedelta | None,
) -> None:
    """Make a token and print it; it cannot be shown again."""
    owner = user or name
    if not owner.isprintable() or len(owner) > 255 or not owner.strip():
        raise click.BadParameter("a user's name is printable and has at most 255 letters")
    every = {word for scope in scopes for word in scope.replace(",", " ").split()}
    every |= {"admin"} if admin else set()
    text = tokens.create(name, owner, every, expires)
    audit.record("token.create", name, audit.OPERATOR, user=owner, scopes=sorted(every))
    click.echo(text)


@TOKENS.command("list")
@click.option("--all", "every", is_flag=True, help="Also those that have ended.")
def list_(every: bool) -> None:
    """List the tokens: number, name, user, scopes, state."""
    for row in tokens.listed():
        if every or tokens.is_valid(row):
            ends = f"until {row.expires_at:%Y-%m-%d %H:%M}" if row.expires_at else "open"
            state = ends if tokens.is_valid(row) else "ended"
            state = "revoked" if row.revoked_at else state
            scopes = ",".join(row.scopes) or "-"
            click.echo(f"{row.id}\t{row.name}\t{row.owner}\t{scopes}\t{state}")


@TOKENS.command("revoke")
@click.argument("names", nargs=-1, required=True)
@click.option("--jwt", "signed", is_flag=True, help="NAMES are JWTs, or their `jti`.")
def revoke(names: tuple[str, ...], signed: bool) -> None:
    """Revoke tokens by number or name, and the sessions opened with them.

    Signed tokens of others (JWT) are revoked one by one with --jwt.
    """
    if signed:
        for text in names:
            _revoke_signed(text)
        return
    chosen = [
        row
        for row in tokens.listed()
        if row.revoked_at is None and (row.name in names or str(row.id) in names)
    ]
    if not chosen:
        raise click.ClickException("there is no such token")
    found = [(row.id, row.name) for row in chosen]
    tokens.revoke(number for number, _name in found)
    for number, name in found:
        audit.record("token.revoke", name, audit.OPERATOR, number=number)
        click.echo(f"{name} ({number}) is revoked.")


def _revoke_signed(text: str) -> None:
    """Let a JWT count no longer; nothing of it need be true to be refused."""
    claims: dict[str, Any] = {"jti": text}
    if text.count(".") == 2:
        unchecked = {"verify_signature": False, "verify_exp": False}
        try:
            claims = jwt.decode(text, options=unchecked)  # type: ignore[arg-type]
        except jwt.PyJWTError as error:
            raise click.ClickException(f"this is no JWT ({error})") from error
    name = tokens.name_of_signed(text, claims)
    owner = str(claims.get("sub", ""))[:255]
    tokens.revoke([tokens.row_of_signed(name, owner, claims.get("exp"))])
    audit.record("token.revoke", name, audit.OPERATOR, user=owner)
    click.echo(f"The JWT {name} is revoked.")


@click.command("audit")
@click.option("--action", help="Only actions that begin so, like `token` or `login`.")
@click.option("--actor", help="Only what this user did.")
@click.option("--since", type=Span(), help="Only of the last 7d, 12h, 30m.")
@click.option("--limit", default=100, show_default=True, help="The newest so many.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@with_appcontext
def show_audit(
    action: str | None,
    actor: str | None,
    since: timedelta | None,
    limit: int,
    as_json: bool,
) -> None:
    """Show the audit log, the newest entry last."""
    query = select(AuditEvent).order_by(AuditEvent.id.desc()).limit(limit)
    if action:
        query = query.where(AuditEvent.action.startswith(action, autoescape=True))
    if actor:
        query = query.where(AuditEvent.actor == actor)
    if since:
        query = query.where(AuditEvent.happened_at >= now() - since)
    for event in reversed(list(DB.session.execute(query).scalars())):
        click.echo(_as_json(event) if as_json else _as_line(event))


def _values(event: AuditEvent) -> dict[str, object]:
    names = ("happened_at", "action", "actor", "target", "address", "request_id")
    return {**{name: getattr(event, name) for name in names}, "details": event.details}


def _as_json(event: AuditEvent) -> str:
    return json.dumps(_values(event), default=_iso)


def _as_line(event: AuditEvent) -> str:
    shown = {k: v for k, v in _values(event).items() if k != "happened_at" and v}
    details = json.dumps(shown.pop("details", {}))
    told = map(audit.one_line, shown.values())  # users may choose their names
    return "\t".join([_iso(event.happened_at), *told, details])


def _iso(value: datetime) -> str:
    return value.isoformat(timespec="seconds")


def init_app(app: Flask) -> None:
    """Add the commands."""
    app.cli.add_command(TOKENS)
    app.cli.add_command(show_audit)
