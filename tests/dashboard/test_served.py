"""The dashboard as served: to this machine alone, or elsewhere to those who have the token."""

import http.client
import os
import re
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@contextmanager
def served(home, *options, port=0):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", port))
        port = probe.getsockname()[1]
    log = home / "server.log"
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    environment = {**os.environ, "DRPO_HOME": str(home), "PYTHONUNBUFFERED": "1"}
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, *options], cwd=ROOT, env=environment, stdout=output, stderr=output
        )
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                if ask(port, "/_stcore/health")[0] == 200:
                    break
            except OSError:
                time.sleep(0.2)
        yield port, log
    finally:
        process.terminate()
        process.wait(30)


def ask(port, path, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        if answer.status == 101:
            return 101, {}, ""
        return answer.status, dict(answer.getheaders()), answer.read().decode(errors="replace")
    finally:
        connection.close()


def connect(port, **headers):
    """Ask for a WebSocket; 101 where it opens."""
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    return ask(port, "/_stcore/stream", **upgrade, **headers)[0]


@pytest.mark.slow
def test_on_this_machine_only_pages_of_the_dashboard_itself_get_in(tmp_path):
    with served(tmp_path) as (port, log):
        own = f"127.0.0.1:{port}"
        assert ask(port, "/")[0] == 200
        assert ask(port, "/", Host="evil.example")[0] == 403
        assert ask(port, "/_stcore/metrics")[0] == 404
        assert connect(port, Origin=f"http://{own}") == 101
        assert connect(port, Origin=f"http://127.0.0.1:{port + 1}") == 403
        assert connect(port) == 403
        assert "token" not in log.read_text()


@pytest.mark.slow
def test_elsewhere_only_the_printed_link_gets_in(tmp_path):
    with served(tmp_path, "--server.address", "0.0.0.0") as (port, log):
        own = f"127.0.0.1:{port}"
        said = log.read_text()
        assert "Warning: others can reach this dashboard" in said
        token = re.search(r"/\?token=([\w-]{32})", said)[1]
        assert ask(port, "/")[0] == 401
        assert connect(port, Origin=f"http://{own}") == 403
        status, headers, _ = ask(port, f"/?token={token}")
        assert status == 303
        cookie = headers["set-cookie"].split(";")[0]
        assert ask(port, "/", Cookie=cookie)[0] == 200
        assert connect(port, Origin=f"http://{own}", Cookie=cookie) == 101
