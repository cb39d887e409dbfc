"""Another system hears of each alarm once, and whatever it answers holds nothing up."""

import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from drpo.alarms.handler import AlarmHandler, check_settings
from drpo.alarms.webhook import PRIVATE, TIMEOUT, WAITING, Webhook
from drpo.config.run_config import RunConfig, as_trained
from drpo.errors import ConfigError

CONFIG = RunConfig.of(data="pairs.jsonl", policy="model")


@pytest.fixture(autouse=True)
def _receivers_are_here(monkeypatch):
    monkeypatch.setenv(PRIVATE, "1")


@pytest.fixture
def receiver():
    """A web server that keeps what it is sent; what `rude` holds it answers first."""
    got, rude = [], []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            if rude:
                self.wfile.write(rude.pop())
                return
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/alarm", got, rude
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_webhook_gets_each_alarm_once_as_json(store, receiver):
    url, got, _ = receiver
    run = store.runs.create(CONFIG)
    store.runs.change(run.id, status="running", step=3)
    handler = AlarmHandler(store, run.id, CONFIG.replace(alarm_webhook=url).alarms)
    for step in (1, 2, 3):
        handler.metrics(step, {"eval/kl": 30.0})
    handler.close()
    (message,) = got
    assert message["run"] == run.id
    assert message["name"] == "kl_budget"
    assert "KL over budget" in message["text"]


@pytest.mark.parametrize(
    "said",
    [b"what?\r\n\r\n", b"HTTP/1.1 2oo fine\r\n\r\n", b"HTTP/1.1 200 " + b"x" * 70_000],
    ids=["no status line", "a status that is no number", "an endless line"],
)
def test_a_receiver_that_speaks_no_http_misses_one_alarm_and_gets_the_next(receiver, caplog, said):
    url, got, rude = receiver
    rude.append(said)
    hook = Webhook(url)
    hook.send({"number": 1})
    hook.send({"number": 2})
    hook.close()
    assert got == [{"number": 1}, {"number": 2}]
    assert caplog.text.count("did not take an alarm") == 1


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/passwd",
        "example.org/alarm",
        "http://",
        "http://localhost:80a/x",
        "http://localhost:70000/x",
        "http://localhost:0/x",
        "http://local host/x",
        "http://localhost/a b",
        "http://localhost/x\n",
        "http://[::1/x",
        "",
    ],
)
def test_an_address_that_can_never_be_reached_is_refused_in_a_sentence(address):
    with pytest.raises(ConfigError, match=r"^alarm_webhook: expected an address .* got .*; corr"):
        Webhook(address)


@pytest.mark.parametrize(
    "address",
    ["http://localhost/x", "https://me:secret@example.org:8443/a?b=c%20d", "http://[::1]:9/x"],
)
def test_an_address_that_may_be_reached_is_taken(address):
    check_settings(CONFIG.replace(alarm_webhook=address).alarms)


def test_a_webhook_that_never_answers_does_not_hold_training_up(caplog):
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # takes the connection, says nothing
        hook = Webhook(f"http://127.0.0.1:{deaf.getsockname()[1]}/alarm")
        began = time.monotonic()
        for number in range(3 * WAITING):
            hook.send({"number": number})
        hook.close(seconds=0.1)
        # Waiting for even one delivery to time out would take longer.
        assert time.monotonic() - began < TIMEOUT
    assert "does not keep up" in caplog.text


def test_a_webhook_that_is_not_there_is_logged(caplog):
    hook = Webhook("http://127.0.0.1:9/alarm")  # the discard port: nobody listens
    hook.send({})
    hook.close()
    assert "did not take an alarm" in caplog.text


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "169.254.169.254",
        "10.0.0.1",
        "0.0.0.0",
        "[::ffff:7f00:1]",
    ],
)
def test_an_address_of_this_machine_or_network_is_not_reached(monkeypatch, receiver, caplog, host):
    monkeypatch.delenv(PRIVATE)
    url, got, _ = receiver
    hook = Webhook(url.replace("127.0.0.1", host))
    hook.send({"secret": 1})
    hook.close()
    assert got == []
    assert "may reach only where DRPO_WEBHOOK_PRIVATE=1 is set" in caplog.text


def test_a_redirect_is_not_followed(receiver, caplog):
    url, got, rude = receiver
    rude.append(f"HTTP/1.1 307 Over there\r\nLocation: {url}/inside\r\n\r\n".encode())
    hook = Webhook(url)
    hook.send({"number": 1})
    hook.close()
    assert got == [{"number": 1}]
    assert "answered 307" in caplog.text


def test_an_address_with_a_secret_may_stand_in_the_environment(receiver, monkeypatch):
    url, got, _ = receiver
    monkeypatch.setenv("OUR_HOOK", url)
    hook = Webhook("env:OUR_HOOK")
    hook.send({"number": 1})
    hook.close()
    assert got == [{"number": 1}]
    monkeypatch.delenv("OUR_HOOK")
    with pytest.raises(ConfigError, match="variable OUR_HOOK is not set here"):
        Webhook("env:OUR_HOOK")


def test_a_secret_in_an_address_is_given_to_nobody():
    config = CONFIG.replace(alarm_webhook="https://me:pass@hooks.example.org/T0/B1/very-secret?k=v")
    written = (config.to_json(), str(as_trained(config.model_dump(mode="json"))))
    for text in written:
        assert "https://hooks.example.org/" in text
        assert not any(secret in text for secret in ("me:", "pass", "T0", "very-secret", "k=v"))
