"""Around the screens: the gate before them, the one large script, start and stop."""

from __future__ import annotations

import logging
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import plotly
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route
from streamlit import config

from drpo.dashboard import reach
from drpo.dashboard.assets import PLOTLY_URL
from drpo.dashboard.gate import Gate
from drpo.errors import ConfigError

log = logging.getLogger(__name__)


async def plotly_script(_request: Request) -> Response:
    """Serve the chart library that the plotly package ships; no copy of it, no network."""
    path = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    return FileResponse(
        path,
        media_type="text/javascript",
        headers={"Cache-Control": "public, max-age=31536000, immutable"},
    )


def say_who_can_come_in() -> None:
    """Print the link with the token where one is needed, and warn where others can come."""
    token = reach.token()
    lines = []
    if reach.exposed():
        where = reach.address() or "every address of this machine"
        lines.append(
            f"Warning: others can reach this dashboard; it listens on {where}. Whoever comes in "
            f"can {_what_they_can()}. Traffic is not encrypted unless a proxy does it."
        )
    if token:
        lines.append(f"Only this link lets somebody in: {_link(token)}")
    if reach.signing_in():
        lines.append(_who_may_sign_in())
    sys.stdout.write("".join(f"  {line}\n" for line in lines))
    sys.stdout.flush()


def _what_they_can() -> str:
    return "do what their role may" if reach.signing_in() else "start, stop and delete runs"


def _who_may_sign_in() -> str:
    from drpo.dashboard import client

    try:
        file = client.access.rules_file()
    except ConfigError as error:
        return f"Warning: {error}"
    if file is None:
        return f"Those who may sign in, as admins: {', '.join(reach.users())}"
    return f"Who may sign in, and do what, stands in {file}."


def _link(token: str) -> str:
    host = reach.address()
    if host in ("", "0.0.0.0", "::"):
        host = socket.gethostname()
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{config.get_option('server.port')}/?token={token}"


@asynccontextmanager
async def lifespan(_app: Any) -> AsyncIterator[None]:  # noqa: ANN401 - st.App has no public type
    """Start the supervisor with the server, not with the first visitor, and stop it at the end."""
    # Imported here: cached resources may only be made once the runtime is up.
    from drpo.dashboard import client

    say_who_can_come_in()
    supervisor = client.runs.supervisor()
    yield
    supervisor.stop()
    client.store.store().close()


def on_script_error(error: Exception) -> bool:
    """Show an error as a sentence; what it was in detail goes to the server's log."""
    from drpo.dashboard.components.notices import show_problem

    show_problem(error)
    return True


ROUTES = [Route(PLOTLY_URL, plotly_script)]
MIDDLEWARE = [Middleware(Gate)]
