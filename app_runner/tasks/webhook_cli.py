"""The commands `flask webhooks secret` and `flask webhooks deliveries`."""

from __future__ import annotations

import click
from flask import Flask
from flask.cli import AppGroup
from sqlalchemy import select

from app_runner.babel import gettext as _
from app_runner.db.engine import DB
from app_runner.db.models import WebhookDelivery
from app_runner.state import current_runner

webhooks_cli = AppGroup("webhooks", help="Webhooks: their secret, their deliveries.")


@webhooks_cli.command("secret")
def secret() -> None:
    """Print the secret that receivers check signatures with."""
    for one in current_runner.signer.secrets:
        click.echo(one)


@webhooks_cli.command("deliveries")
@click.option("--failed", is_flag=True, help="Only those that were not delivered yet.")
@click.option("--limit", default=50, show_default=True, help="How many, newest first.")
def list_deliveries(failed: bool, limit: int) -> None:
    """List what receivers were told, newest first."""
    query = select(WebhookDelivery).order_by(WebhookDelivery.id.desc()).limit(limit)
    if failed:
        query = query.where(WebhookDelivery.outcome.is_distinct_from("delivered"))
    for row in DB.session.scalars(query):
        last = row.tries[-1] if row.tries else {}
        said = last.get("error") or last.get("status") or ""
        state = row.outcome or _("waiting")
        line = f"{row.created_at:%Y-%m-%d %H:%M:%S}  {row.message_id}  {row.event_type}"
        click.echo(f"{line}  {row.receiver}  {state}  {len(row.tries)}  {said}")


def init_app(app: Flask) -> None:
    """Add the commands."""
    app.cli.add_command(webhooks_cli)
