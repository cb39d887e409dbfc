"""Whom the server answers: by address, by page, by token, and what a browser may then do."""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from streamlit import config

from drpo.access import may_sign_in
from drpo.dashboard import reach
from drpo.dashboard.gate import DOOR, Gate
from drpo.data.io import allowed_paths
from drpo.errors import ConfigError

OURS = "127.0.0.1:8501"


async def _page(scope, _receive, send):
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"the dashboard"})


def ask(path="/", *, host=OURS, kind="http", method="GET", scheme="http", **headers):
    """Ask the gate; returns what it sent first, with its headers and its body."""
    path, _, query = path.partition("?")
    named = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope = {
        "type": kind,
        "method": method,
        "scheme": scheme,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in named.items()],
        "server": ("127.0.0.1", 8501),
    }
    sent = []

    async def send(message):
        sent.append(message)

    # In a thread: where the browser's tests ran before, this one has a loop of theirs.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, Gate(_page)(scope, None, send)).result()
    first = dict(sent[0])
    first["headers"] = {n.decode(): v.decode() for n, v in first.get("headers", [])}
    first["body"] = b"".join(one.get("body", b"") for one in sent).decode()
    return first


def status(*args, **named):
    return ask(*args, **named)["status"]


def connects(**named):
    return (
        ask("/_stcore/stream", kind="websocket", scheme="ws", **named)["type"] == "websocket.accept"
    )


@pytest.fixture
def options():
    before = {}

    def set_to(**values):
        for name, value in values.items():
            key = f"server.{name}"
            before.setdefault(key, config.get_option(key))
            config.set_option(key, value)

    set_to(address="127.0.0.1", allowedHosts=[], corsAllowedOrigins=[])
    yield set_to
    for key, value in before.items():
        config.set_option(key, value)


@pytest.fixture(autouse=True)
def _no_token(monkeypatch, options):  # noqa: ARG001 - the options are set before
    monkeypatch.delenv(reach.TOKEN, raising=False)
    monkeypatch.delenv(allowed_paths.ROOTS, raising=False)


@pytest.mark.parametrize("host", [OURS, "localhost:8501", "[::1]:8501", "LOCALHOST", "127.0.0.2"])
def test_this_machines_own_names_are_answered(host):
    assert status(host=host) == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example:8501", "127.0.0.1.evil.example", "192.168.1.5", "", "a@localhost", "[::1"],
)
def test_any_other_name_is_refused_on_loopback(host):
    refused = ask(host=host)
    assert refused["status"] == 403
    assert "dashboard" in refused["body"]
    assert not connects(host=host, origin=f"http://{host}")


def test_figures_of_the_server_and_interfaces_of_programs_are_closed():
    for path in ("/_stcore/metrics", "/live/_stcore/metrics", "/_stcore/agent/openapi.json"):
        assert status(path) == 404
    assert status("/_stcore/health") == 200


@pytest.mark.parametrize(
    "origin",
    ["http://127.0.0.1:9999", "http://localhost:8501", "http://evil.example", "null", None],
)
def test_a_websocket_opens_only_for_a_page_of_this_very_address(origin):
    named = {} if origin is None else {"origin": origin}
    assert not connects(**named)
    assert connects(origin=f"http://{OURS}")


def test_another_sites_page_can_change_nothing():
    assert status("/_stcore/upload_file/a/b", method="PUT", origin="http://evil.example") == 403
    assert status("/_stcore/upload_file/a/b", method="PUT", origin=f"http://{OURS}") == 200


@pytest.mark.parametrize("address", ["0.0.0.0", "", "192.168.1.5", "::"])
def test_whoever_listens_elsewhere_lets_nobody_in_without_the_token(options, address):
    options(address=address)
    host = "192.168.1.5:8501"
    token = reach.token()
    assert len(token) >= 32
    assert ask(host=host)["body"] == DOOR
    for path in (
        "/",
        "/live",
        "/_stcore/host-config",
        "/static/x.js",
        "/?token=",
        f"/?token={token}x",
    ):
        assert status(path, host=host) == 401, path
    assert not connects(host=host, origin=f"http://{host}")
    shown = ask(f"/live?run=a&token={token}", host=host)
    assert shown["status"] == 303
    assert shown["headers"]["location"] == "/live?run=a"
    kept = shown["headers"]["set-cookie"]
    assert "httponly" in kept.lower()
    assert token not in kept
    cookie = kept.split(";")[0]
    assert status(host=host, cookie=cookie) == 200
    assert connects(host=host, origin=f"http://{host}", cookie=cookie)
    assert not connects(host=host, origin="http://evil.example", cookie=cookie)


def test_a_proxy_that_makes_the_dashboard_public_needs_the_token_too(options):
    options(allowedHosts=["drpo.example.org"])
    assert reach.exposed()
    assert status(host="drpo.example.org") == 401
    assert status(host="other.example.org") == 403


def test_a_token_of_ones_own_closes_the_loopback_address_too(monkeypatch):
    monkeypatch.setenv(reach.TOKEN, "open sesame")
    assert status() == 401
    assert status("/?token=open%20sesame") == 303


def test_only_those_who_are_listed_may_sign_in(store, monkeypatch):
    monkeypatch.delenv("DRPO_ROLES", raising=False)
    allowed = ("ann@lab.example", "*@team.example")
    assert may_sign_in(store, "Ann@lab.example", allowed)
    assert may_sign_in(store, "ben@team.example", allowed)
    for other in ("ben@lab.example", "ann@lab.example.evil", "a@evil-team.example", ""):
        assert not may_sign_in(store, other, allowed)


def test_a_page_may_run_only_scripts_of_the_server_and_talk_only_to_it():
    policy = ask()["headers"]["content-security-policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert "unsafe" not in rules["script-src"]
    assert rules["connect-src"].split() == ["'self'", f"ws://{OURS}", f"wss://{OURS}"]
    assert rules["frame-ancestors"] == rules["object-src"] == "'none'"
    assert not re.search(r"\*|https?:", policy)
    assert ask("/nowhere", host="evil.example")["headers"]["x-frame-options"] == "DENY"


def test_paths_are_free_on_loopback_and_bounded_where_others_come(options, tmp_path, monkeypatch):
    monkeypatch.setenv("DRPO_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    saved = {"mine"}.__contains__
    inside = str(tmp_path / "home" / "pairs.jsonl")
    outside = {"data": "/etc/passwd"}
    reach.see_that_paths_are_allowed(outside, saved)
    options(address="0.0.0.0")
    reach.see_that_paths_are_allowed({"data": "mine", "heldout": inside, "policy": "a/b"}, saved)
    (tmp_path / "home" / "link").symlink_to("/etc")
    bad = [
        {"data": "/etc/passwd"},
        {"data": f"{tmp_path}/home/../secret"},
        {"data": str(tmp_path / "home" / "link" / "passwd")},
        {"heldout": "~root/x"},
        {"policy": "/root"},
        {"chat_template": "/etc/passwd"},
        {"reward_model": ["a/b", "/root"]},
        {"demonstrations": "\0"},
        {"policy": "mine"},
    ]
    for settings in bad:
        with pytest.raises(ConfigError, match="outside of the folders") as here:
            reach.see_that_paths_are_allowed(settings, saved)
        assert "root:" not in str(here.value)
    with pytest.raises(ConfigError) as missing:
        reach.see_that_paths_are_allowed({"data": "/etc/passwd-not-there"}, saved)
    with pytest.raises(ConfigError) as there:
        reach.see_that_paths_are_allowed({"data": "/etc/passwd"}, saved)
    assert str(missing.value).replace("-not-there", "") == str(there.value), "says what exists"
    monkeypatch.setenv(allowed_paths.ROOTS, "/etc")
    reach.see_that_paths_are_allowed(outside, saved)
