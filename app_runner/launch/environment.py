"""What the launched processes are told: settings and environment variables.

Variables already set win over ``.env``, that wins over ``.flaskenv``.
"""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

from dotenv import load_dotenv

from app_runner.babel import gettext as _
from app_runner.config import PROJECT, Settings, load_settings, read_file
from app_runner.launch.supervisor import LaunchError

INSTANCE = "APP_RUNNER_INSTANCE_FOLDER"


@dataclass(frozen=True)
class Surroundings:
    """The settings, and the names of those that somebody has chosen."""

    settings: Settings
    chosen: frozenset[str]

    @property
    def instance(self) -> Path:
        """Give the instance folder; it exists."""
        return self.settings.instance


def surroundings() -> Surroundings:
    """Read ``.env``, ``.flaskenv`` and all settings; children get the instance folder.

    Raises `SettingError` for a value that is not allowed.
    """
    for name in (".env", ".flaskenv"):
        load_dotenv(PROJECT / name)
    settings = load_settings()
    try:
        settings.instance.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        text = _("The instance folder cannot be made: %(why)s", why=error)
        raise LaunchError(text) from error
    os.environ[INSTANCE] = str(settings.instance)
    return Surroundings(settings, _chosen(settings))


def _chosen(settings: Settings) -> frozenset[str]:
    """Give the names that a settings file or a variable sets (maybe to the default)."""
    files = [settings.instance / f"config.{suffix}" for suffix in ("py", "json", "toml")]
    if further := os.environ.get("APP_RUNNER_SETTINGS"):
        files.append(Path(further))
    names = {name for path in files if path.is_file() for name in read_file(path)}
    return frozenset(names | {name for name in settings if os.environ.get(name)})


def exposure_for(host: str, found: Surroundings) -> str:
    """Give the exposure of a runner started by `./run start` on this host.

    ``local`` only where nobody has chosen one, on loopback, and with no proxy in front.
    """
    if "EXPOSURE" in found.chosen or found.settings["REVERSE_PROXY_COUNT"]:
        return str(found.settings["EXPOSURE"])
    return "local" if is_loopback(host) else "public"


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address only reaches this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
