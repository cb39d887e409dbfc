"""Around the screens: security headers, the one large script, start and stop."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import plotly
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from drpo.dashboard.assets import PLOTLY_URL

log = logging.getLogger(__name__)

HEADERS = {
    # Text of unknown origin is shown as text; should that ever fail, nothing may be fetched or run.
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
        "connect-src 'self' ws: wss:; worker-src 'self' blob:; frame-ancestors 'none'; "
        "object-src 'none'; base-uri 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class SecurityHeaders(BaseHTTPMiddleware):
    """Put the headers on every answer."""

    async def dispatch(
        self, request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        """Answer as before, with the headers added."""
        response = await call_next(request)
        response.headers.update(HEADERS)
        return response


async def plotly_script(_request: Request) -> Response:
    """Serve the chart library that the plotly package ships; no copy of it, no network."""
    path = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    return FileResponse(
        path,
        media_type="text/javascript",
        headers={"Cache-Control": "public, max-age=31536000, immutable"},
    )


@asynccontextmanager
async def lifespan(_app: Any) -> AsyncIterator[None]:  # noqa: ANN401 - st.App has no public type
    """Start the supervisor with the server, not with the first visitor, and stop it at the end."""
    # Imported here: cached resources may only be made once the runtime is up.
    from drpo.dashboard import client

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
MIDDLEWARE = [Middleware(SecurityHeaders)]
