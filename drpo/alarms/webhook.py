"""Tell another system about an alarm, without ever holding up training."""

from __future__ import annotations

import http.client
import ipaddress
import json
import logging
import os
import queue
import re
import socket
import ssl
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from drpo.errors import ConfigError

log = logging.getLogger(__name__)

PRIVATE = "DRPO_WEBHOOK_PRIVATE"
"""Set to 1, webhooks may reach addresses of this machine and its network."""
WAITING = 50
"""Messages that may wait; with a dead receiver later ones are dropped and logged."""
TIMEOUT = 5.0
"""Seconds that one delivery may take."""
_NAMED = re.compile(r"env:([A-Za-z_]\w*)")


class Webhook:
    """Posts JSON to one address from a thread of its own; what fails is logged and forgotten.

    Args:
        url: An http or https address, or `env:NAME` for the one in that environment variable, so
            that a secret in it is stored nowhere.

    Raises:
        ConfigError: The address has another scheme, such as file, or there is no such variable.
    """

    def __init__(self, url: str) -> None:
        check_address(url)
        if named := _NAMED.fullmatch(url):
            url = os.environ.get(named[1], "")
            if not url:
                raise ConfigError(
                    f"alarm_webhook: the environment variable {named[1]} is not set here; set it "
                    "where runs are started, or leave alarm_webhook empty."
                )
            check_address(url)
        self._url = url
        self._queue: queue.Queue[dict[str, Any] | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._deliver, name="alarm-webhook", daemon=True)
        self._thread.start()

    def send(self, message: Mapping[str, Any]) -> None:
        """Put a message in the queue; returns at once."""
        try:
            self._queue.put_nowait(dict(message))
        except queue.Full:
            log.warning("The alarm webhook does not keep up; an alarm was not sent")

    def close(self, seconds: float = TIMEOUT) -> None:
        """Wait a moment for what is still in the queue."""
        try:
            self._queue.put_nowait(None)
        except queue.Full:
            return
        self._thread.join(seconds)

    def _deliver(self) -> None:
        while (message := self._queue.get()) is not None:
            try:
                status = _post(self._url, json.dumps(message).encode())
            except (OSError, ValueError, http.client.HTTPException) as error:
                # HTTPException: it answered, but not as a web server does.
                log.warning("The alarm webhook did not take an alarm: %s", error)
            else:
                if status >= http.client.MULTIPLE_CHOICES:
                    log.warning("The alarm webhook did not take an alarm: it answered %d", status)


def _post(url: str, body: bytes) -> int:
    """Send one message; redirects are not followed, as they may lead anywhere."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    host, port = parts.hostname or "", parts.port or (443 if secure else 80)
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
    # Connected here, to the very address that was looked at: a name may mean another one later.
    plain = socket.create_connection((_reachable(host, port), port), TIMEOUT)
    try:
        wrap = ssl.create_default_context().wrap_socket
        connection.sock = wrap(plain, server_hostname=host) if secure else plain
        path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        return connection.getresponse().status
    finally:
        connection.close()
        plain.close()


def _reachable(host: str, port: int) -> str:
    """An address of a host that a webhook may reach.

    Raises:
        OSError: There is none.
    """
    found = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if os.environ.get(PRIVATE) == "1":
        return found[0]
    for address in found:
        number = ipaddress.ip_address(address.partition("%")[0])
        mapped = getattr(number, "ipv4_mapped", None) or number
        if mapped.is_global and not mapped.is_multicast:
            return address
    raise OSError(
        f"{host} is an address of this machine or its network, which a webhook may reach only "
        f"where {PRIVATE}=1 is set"
    )


def check_address(url: str) -> None:
    """Refuse what is no web address.

    Raises:
        ConfigError: The address has another scheme, such as file, names no host, holds a space or
            control character, or a port that is no number.
    """
    if _NAMED.fullmatch(url):
        return
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname)
        usable = known and parts.port != 0
    except ValueError:  # a port that is no number, or half an IPv6 address
        usable = False
    if not usable or any(sign.isspace() or not sign.isprintable() for sign in url):
        raise ConfigError(
            f"alarm_webhook: expected an address that begins with http:// or https:// and has no "
            f"spaces, such as https://example.org:8443/alarms, got {url!r}; correct it or leave it "
            "empty."
        )
