"""Signed messages: a worker runs what was signed by a known key, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.security.certificate import Certificate
from celery.security.key import PrivateKey
from celery.security.serialization import SecureSerializer
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from kombu.exceptions import DecodeError
from kombu.serialization import dumps, loads

from app_runner.db.types import now
from app_runner.errors import SettingError
from app_runner.state import state_of
from app_runner.tasks.signed_messages import CONTENT_TYPE, NAMES, SIGNED
from tests.access.conftest import PROCESS
from tests.conftest import AppFactory, WorkerStarter
from tests.polling import wait_for


def write_pair(folder: Path, name: str) -> tuple[str, str]:
    """Write a key and its certificate; gives both paths."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - timedelta(days=1))
        .not_valid_after(now() + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    paths = folder / f"{name}.key", folder / f"{name}.pem"
    traditional = Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    paths[0].write_bytes(key.private_bytes(*traditional))
    paths[1].write_bytes(made.public_bytes(Encoding.PEM))
    return str(paths[0]), str(paths[1])


@pytest.fixture
def signed(tmp_path: Path) -> dict[str, str]:
    return dict(
        zip(NAMES, (*write_pair(tmp_path, "ours"), f"{tmp_path}/*.pem"), strict=True)
    )


def test_signed_work_is_done_and_unsigned_is_not(
    make_site: Any,
    signed: dict[str, str],
    embedded_broker_url: str,
    start_worker: WorkerStarter,
) -> None:
    site = make_site(EXPOSURE="local", BROKER_URL=embedded_broker_url, **signed)
    worker = start_worker(site.app, pool="threads")
    untouched = site.task("ann")

    stranger = Celery(broker=embedded_broker_url, set_as_current=False)
    number = site.task_id(untouched)
    stranger.send_task("echo@1-0-0.echo", kwargs={"db_id": number}, queue="celery")
    stranger.close()
    wait_for(lambda: "Refusing to deserialize" in worker.printed, what="the refusal")

    path = site.ask(None, "POST", PROCESS, data={"text": "x"}).headers["Location"]
    ended = lambda: site.ask(None, "GET", path).json["status"] != "PENDING"  # noqa: E731
    wait_for(ended, what="the end of the signed task")
    assert site.ask(None, "GET", path).json["status"] == "SUCCESS"
    assert site.ask(None, "GET", untouched).json["status"] == "PENDING"


def test_what_was_changed_or_signed_by_others_is_refused(
    make_app: AppFactory, signed: dict[str, str], tmp_path: Path
) -> None:
    make_app(**signed)
    kind, encoding, good = dumps({"a": 1}, serializer=SIGNED)
    assert loads(good, kind, encoding, accept={CONTENT_TYPE}) == {"a": 1}

    (tmp_path / "others").mkdir()
    key, certificate = write_pair(tmp_path / "others", "stranger")
    other = SecureSerializer(
        PrivateKey(Path(key).read_text()), Certificate(Path(certificate).read_text())
    )
    for bad in (other.serialize({"a": 1}), "AAAA", good[:-8]):
        with pytest.raises(DecodeError):
            loads(bad, kind, encoding, accept={CONTENT_TYPE})


@pytest.mark.parametrize("name", NAMES)
def test_half_of_the_settings_stop_the_start(
    make_app: AppFactory, signed: dict[str, str], name: str
) -> None:
    with pytest.raises(SettingError, match=name):
        make_app(**{**signed, name: ""})


def test_a_key_that_cannot_be_read_stops_the_start(
    make_app: AppFactory, signed: dict[str, str]
) -> None:
    with pytest.raises(SettingError, match="CELERY_SECURITY"):
        make_app(**{**signed, NAMES[0]: "/nowhere"})


def test_settings_of_one_app_leave_others_alone(
    make_app: AppFactory, signed: dict[str, str]
) -> None:
    make_app(**signed)
    other = state_of(make_app()).celery
    assert other.conf.task_serializer == "json"
    assert other.conf.accept_content == ["json"]
