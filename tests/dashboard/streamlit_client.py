"""A client that speaks Streamlit's protocol without a browser, and may say what no browser would.

It signs in at the identity provider as a browser does, by following redirects with its cookies; it
opens a screen by its address; and it presses buttons by their names, also those that the screen
shows as disabled.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import urljoin

import requests
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

PATIENCE = 90.0
"""Seconds; a test machine may be busy with other things."""


@dataclass
class Screen:
    """What the server sent for one run of the script."""

    texts: list[str] = field(default_factory=list)
    buttons: dict[str, str] = field(default_factory=dict)
    """Ids by key."""
    listed: list[str] = field(default_factory=list)
    """Screens in the navigation."""
    title: str = ""
    leads_to: str = ""
    """Where the browser is sent, as to sign in."""
    found: bool = True
    session: str = ""


class Visitor:
    """One browser's cookies and its connection."""

    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}"
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.get(f"{self.url}/_stcore/host-config", timeout=PATIENCE)
        self.http.get(f"{self.url}/_stcore/health", timeout=PATIENCE)

    def sign_in(self, mail):
        """Press the button, choose an account at the provider, and come back."""
        with self.opened() as socket:
            ask(socket, "")
            first = seen(socket)
            press(socket, "", first.buttons["sign_in"])
            start = seen(socket).leads_to
        form = self.http.get(urljoin(self.url, start), timeout=PATIENCE)
        assert "oauth2/authorize" in form.url, form.text[:300]
        back = self.http.post(form.url, data={"sub": mail}, timeout=PATIENCE)
        assert back.url.startswith(self.url), back.text[:300]
        assert "_streamlit_user" in self.http.cookies
        return self

    def opened(self):
        """Open the WebSocket as the signed-in browser does."""
        cookies = "; ".join(f"{one.name}={one.value}" for one in self.http.cookies)
        token = self.http.cookies.get("_streamlit_xsrf") or ""
        return connect(
            f"ws{self.url[4:]}/_stcore/stream",
            origin=self.url,
            subprotocols=["streamlit", token] if token else ["streamlit"],
            additional_headers={"Cookie": cookies},
            max_size=None,
            proxy=None,
            open_timeout=PATIENCE,
        )

    def visit(self, name, query="", *, then=""):
        """Open a screen by its address, and press a button on it where one is named."""
        with self.opened() as socket:
            ask(socket, name, query)
            screen = seen(socket)
            if then:
                press(socket, name, screen.buttons[then], query)
                screen = seen(socket)
            return screen

    def upload(self, session, size):
        """Send a file to a session, as the uploader of a screen does; returns the status."""
        token = self.http.cookies.get("_streamlit_xsrf") or ""
        return self.http.put(
            f"{self.url}/_stcore/upload_file/{session}/file",
            files={"file": ("a.jsonl", b"x" * size)},
            headers={"X-Xsrftoken": token, "Origin": self.url},
            timeout=PATIENCE,
        )


def ask(socket, name, query="", widgets=()):
    """Ask for a run of the script."""
    message = BackMsg()
    message.rerun_script.page_name = name
    message.rerun_script.query_string = query
    for one in widgets:
        state = message.rerun_script.widget_states.widgets.add()
        state.id, state.trigger_value = one, True
    socket.send(message.SerializeToString())


def press(socket, name, button, query=""):
    """Press a button, whether or not the screen would let a person."""
    ask(socket, name, query, [button])


def seen(socket):
    """Read what a run of the script sends, until it has ended and none follows at once."""
    screen = Screen()
    while True:
        message = ForwardMsg()
        message.ParseFromString(socket.recv(timeout=PATIENCE))
        kind = message.WhichOneof("type")
        if kind == "new_session":
            # A screen that leads on to another begins anew.
            screen = Screen(
                listed=screen.listed,
                found=screen.found,
                session=message.new_session.initialize.session_id,
            )
        elif kind == "navigation":
            screen.listed = [
                one.url_pathname for one in message.navigation.app_pages if not one.is_hidden
            ]
        elif kind == "page_not_found":
            screen.found = False
        elif kind == "auth_redirect":
            screen.leads_to = message.auth_redirect.url
        elif kind == "delta":
            _take(screen, message.delta.new_element)
        elif kind == "script_finished" and message.script_finished in (
            ForwardMsg.FINISHED_SUCCESSFULLY,
            ForwardMsg.FINISHED_WITH_COMPILE_ERROR,
        ):
            return screen


def _take(screen, element):
    kind = element.WhichOneof("type")
    if kind == "heading" and element.heading.tag == "h1":
        screen.title = element.heading.body
    elif kind == "button":
        key = re.search(r"-([A-Za-z_0-9]+)$", element.button.id)
        screen.buttons[key[1] if key else element.button.label] = element.button.id
    elif kind in ("html", "text", "markdown", "exception"):
        body = getattr(element, kind)
        screen.texts.append(str(getattr(body, "body", body)))
