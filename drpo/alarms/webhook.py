"""Tell another system about an alarm, without ever holding up training."""

from __future__ import annotations

import json
import logging
import queue
import threading
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from drpo.errors import ConfigError

log = logging.getLogger(__name__)

WAITING = 50
"""Messages that may wait; with a dead receiver later ones are dropped and logged."""
TIMEOUT = 5.0
"""Seconds that one delivery may take."""


class Webhook:
    """Posts JSON to one address from a thread of its own; what fails is logged and forgotten.

    Args:
        url: An http or https address.

    Raises:
        ConfigError: The address has another scheme, such as file.
    """

    def __init__(self, url: str) -> None:
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
            request = urllib.request.Request(
                self._url,
                data=json.dumps(message).encode(),
                headers={"Content-Type": "application/json"},
                method="POST",
            )
            try:
                with urllib.request.urlopen(request, timeout=TIMEOUT):
                    pass
            except (OSError, ValueError, HTTPException) as error:
                # HTTPException: it answered, but not as a web server does.
                log.warning("The alarm webhook did not take an alarm: %s", error)


def check_address(url: str) -> None:
    """Refuse what is no web address.

    Raises:
        ConfigError: The address has another scheme, such as file, names no host, holds a space or
            control character, or a port that is no number.
    """
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
