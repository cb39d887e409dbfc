"""Who can reach this dashboard, who is let in, and which files a screen may name.

Only this machine reaches it unless somebody says otherwise (`--server.address`, or a proxy whose
name stands in `server.allowedHosts`). From then on whoever has no token, or no account where
sign-in is configured, gets nothing, and paths typed on a screen stay inside the allowed roots.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import secrets
import socket
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import streamlit as st
from streamlit import config

from drpo.access.people import rules_path
from drpo.data.io import allowed_paths

TOKEN = "DRPO_TOKEN"
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def address() -> str:
    """The address that the server listens on; empty for every one there is."""
    return config.get_option("server.address") or ""


def allowed_hosts() -> list[str]:
    """Names beside its own that the dashboard answers to, as somebody configured them."""
    return [str(host).strip().lower() for host in config.get_option("server.allowedHosts")]


def allowed_origins() -> list[str]:
    """Pages of other sites that may talk to the dashboard, as somebody configured them."""
    return [str(origin).strip() for origin in config.get_option("server.corsAllowedOrigins")]


def exposed() -> bool:
    """Whether anybody but this machine can reach the dashboard."""
    return not _is_loopback(address()) or any(not _is_loopback(host) for host in allowed_hosts())


def is_own_host(host: str) -> bool:
    """Whether the dashboard answers to this name or address, given without a port.

    A page of another site can give its name this machine's address, and would then read the
    dashboard as its own (DNS rebinding); an address written in numbers cannot be given away.
    """
    name = host.lower().rstrip(".")
    if _is_loopback(name):
        return True
    patterns = allowed_hosts()
    if any(_fits(name, pattern) for pattern in patterns):
        return True
    if not exposed():
        return False
    return name in (address().lower(), *_own_names()) or _is_address(name)


def token() -> str:
    """What opens the dashboard for a browser; empty where it is open to whoever reaches it."""
    if chosen := os.environ.get(TOKEN, "").strip():
        return chosen
    return _drawn() if exposed() and not signing_in() else ""


def cookie_of(chosen: str) -> str:
    """What a browser that showed the token keeps instead of it."""
    return hmac.new(chosen.encode(), b"drpo", hashlib.sha256).hexdigest()


def signing_in() -> bool:
    """Whether people sign in: an identity provider is configured, and who of its people may come.

    A provider alone lets in whoever has an account there, so it takes `users` under `[drpo]` in
    `.streamlit/secrets.toml` beside Streamlit's `[auth]`, or a file of roles.
    """
    return _has_provider() and (bool(users()) or rules_path() is not None)


def users() -> tuple[str, ...]:
    """Who may sign in: addresses, or `*@domain`; empty where the secrets list nobody."""
    try:
        listed = st.secrets.get("drpo", {}).get("users", ()) if _has_provider() else ()
    except FileNotFoundError:
        return ()
    return tuple(str(one).strip().lower() for one in listed)


def _has_provider() -> bool:
    try:
        return "auth" in st.secrets
    except FileNotFoundError:
        return False


def roots() -> list[Path] | None:
    """Folders that a path typed on a screen may lie in; None for any that this process may read."""
    return allowed_paths.roots(free=not exposed())


def see_that_paths_are_allowed(
    settings: Mapping[str, object], is_saved: Callable[[str], bool]
) -> None:
    """Refuse settings that name a file outside of the allowed roots; see `allowed_paths`.

    Raises:
        ConfigError: One does; whether there is such a file is not said.
    """
    allowed_paths.see_that_all_are_allowed(settings, is_saved, roots())


@cache
def _drawn() -> str:
    return secrets.token_urlsafe(24)


@cache
def _own_names() -> tuple[str, ...]:
    name = socket.gethostname().lower()
    return (name, f"{name}.local")


def _is_loopback(host: str) -> bool:
    if host in LOOPBACK:
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _fits(name: str, pattern: str) -> bool:
    if pattern.startswith("*."):
        return name.endswith(pattern[1:])
    return pattern in ("*", name)
