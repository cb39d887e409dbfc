"""In front of every answer: whom the server talks to, and what a browser may do with it.

Streamlit itself checks the Host header of WebSockets only, takes their Origin from any port of this
machine, and shows its own figures to whoever asks.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from functools import cache
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import streamlit
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.auth_util import get_cookie_with_chunks
from streamlit.web.server.server_util import get_cookie_secret
from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from drpo.access import see_that_may
from drpo.dashboard import client, reach
from drpo.errors import DrpoError, LimitError

CLOSED = ("/_stcore/metrics", "/_stcore/agent")
"""Figures of the server, and an interface for programs that is not ours."""
OPEN = "/_stcore/health"
"""Says `ok`; for whoever watches that the server is up."""
UPLOADS, MADE, STATIC = "/_stcore/upload_file/", "/media/", "/static/"
"""Where Streamlit takes files, gives those made for a session, and keeps its own page's."""
COOKIE_SECONDS = 30 * 24 * 3600

DOOR = """<!doctype html><html lang="en"><meta charset="utf-8"><title>DR-PO</title>
<h1>A token opens this dashboard</h1>
<p>Open the link that was printed when the dashboard was started, or give its token here.</p>
<p lang="ja">起動時に表示されたリンクを開くか、そのトークンを入力してください。</p>
<form method="get"><label>Token <input name="token" type="password" autocomplete="off"></label>
<button>Open / 開く</button></form></html>"""


class Gate:
    """Refuses what is not meant for it, and puts the security headers on every answer.

    Args:
        app: What answers behind it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request or a WebSocket through, or answer it here."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(security_headers(headers.get("host", "")))
            await send(message)

        refusal = _refusal(HTTPConnection(scope))
        if refusal is None:
            await self._app(scope, receive, send_with_headers)
        elif scope["type"] == "http":
            await refusal(scope, receive, send_with_headers)
        else:
            await send({"type": "websocket.close", "code": 1008})


def security_headers(host: str) -> dict[str, str]:
    """The headers of an answer.

    Args:
        host: Whom the request was for, as its Host header says and the gate has allowed.
    """
    # 'self' covers WebSockets in Chromium and Firefox, and in Safari since 15.4.
    sockets = f"ws://{host} wss://{host}" if _name_of(host) else ""
    policy = {
        "default-src": "'self'",
        "script-src": f"'self' {_inline_scripts()} blob:",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "connect-src": f"'self' {sockets}",
        "worker-src": "'self' blob:",
        "frame-src": "'self'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "object-src": "'none'",
        "base-uri": "'self'",
    }
    return {
        # Text of unknown origin is shown as text; should that ever fail, nothing may be fetched or
        # run.
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }


@cache
def _inline_scripts() -> str:
    """The scripts written into Streamlit's own page, by their hashes: those and no others."""
    page = Path(streamlit.__file__).parent / "static" / "index.html"
    found = re.findall(r"<script>(.*?)</script>", page.read_text(encoding="utf-8"), re.DOTALL)
    hashes = (base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in found)
    return " ".join(f"'sha256-{one}'" for one in hashes)


def _refusal(asked: HTTPConnection) -> Response | None:
    host, path = asked.headers.get("host", ""), asked.url.path
    if not reach.is_own_host(_name_of(host)):
        return PlainTextResponse(
            "This is not an address of the dashboard. Whoever runs it can allow it with "
            "--server.allowedHosts.",
            HTTPStatus.FORBIDDEN,
        )
    if any(closed in path for closed in CLOSED):
        return PlainTextResponse("Not found", HTTPStatus.NOT_FOUND)
    if not _comes_from_here(asked, host):
        return PlainTextResponse("This comes from another site's page.", HTTPStatus.FORBIDDEN)
    return None if path == OPEN else _door(asked) or _beyond_role(asked)


def _comes_from_here(asked: HTTPConnection, host: str) -> bool:
    """Whether a page of the dashboard itself asks, where anything could be changed or read."""
    socket = asked.scope["type"] == "websocket"
    if not socket and asked.scope["method"] in ("GET", "HEAD", "OPTIONS"):
        return True
    origin = asked.headers.get("origin")
    if origin is None:
        return not socket  # every browser names the page that opens a WebSocket
    return urlsplit(origin).netloc == host or origin in reach.allowed_origins()


def _door(asked: HTTPConnection) -> Response | None:
    """Ask for the token where there is one; whoever shows it gets a cookie in its place."""
    token = reach.token()
    if not token:
        return None
    cookie = f"drpo_{asked.url.port or 0}"  # browsers send cookies to every port of a host
    kept = reach.cookie_of(token)
    if hmac.compare_digest(asked.cookies.get(cookie, "").encode(), kept.encode()):
        return None
    shown = asked.query_params.get("token", "")
    if not hmac.compare_digest(shown.encode(), token.encode()):
        return HTMLResponse(DOOR, HTTPStatus.UNAUTHORIZED)
    rest = [(name, value) for name, value in parse_qsl(asked.url.query) if name != "token"]
    answer = RedirectResponse(
        asked.url.path + (f"?{urlencode(rest)}" if rest else ""), HTTPStatus.SEE_OTHER
    )
    answer.set_cookie(
        cookie,
        kept,
        max_age=COOKIE_SECONDS,
        httponly=True,
        samesite="lax",
        secure=asked.url.scheme in ("https", "wss"),
    )
    return answer


def _beyond_role(asked: HTTPConnection) -> Response | None:
    """Where people sign in: take files from those who may upload, give them to who may look.

    Streamlit itself asks neither: it keeps what comes in memory for a session, and serves what was
    made for one to whoever knows its address.
    """
    path = asked.url.path
    takes, gives = UPLOADS in path, MADE in path and STATIC not in path
    if not (takes or gives) or not reach.signing_in():
        return None
    try:
        mail = _signed_in(asked)
        if gives:
            see_that_may(client.access.named_by(mail), "look")
        elif asked.scope["method"] == "PUT":
            client.access.see_that_may_upload(mail, int(asked.headers.get("content-length", "")))
    except ValueError:
        return PlainTextResponse("Say how long the file is.", HTTPStatus.LENGTH_REQUIRED)
    except LimitError as error:
        return PlainTextResponse(str(error), HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    except DrpoError as error:
        return PlainTextResponse(str(error), HTTPStatus.FORBIDDEN)
    return None


def _signed_in(asked: HTTPConnection) -> str:
    """The address in the cookie that Streamlit signed; empty where there is none."""
    secret = get_cookie_secret()

    def part(name: str) -> bytes | None:
        value = asked.cookies.get(name, "")
        return decode_signed_value(secret, name, value.encode("latin-1"))

    kept = get_cookie_with_chunks(part, USER_COOKIE_NAME)
    user = json.loads(kept) if kept else {}
    known = user.get("is_logged_in") and user.get("email_verified", True)
    return str(user.get("email") or "") if known else ""


def _name_of(host: str) -> str:
    """A Host header without its port; empty where it is none."""
    found = re.fullmatch(r"(\[[\da-fA-F:.]+\]|[\w.-]+)(:\d+)?", host)
    return found[1].strip("[]") if found else ""
