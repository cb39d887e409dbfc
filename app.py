"""The dashboard as a server: `streamlit run app.py`.

The screens are in `pages/`, the frame around them in `drpo/dashboard/main.py`. An application
object stands between the two because `pages/` beside a plain entry script would be served by
Streamlit's own rules before the frame has run once, and because it carries the security headers.
"""

from pathlib import Path

import streamlit as st

from drpo.dashboard import server

app = st.App(
    Path(server.__file__).with_name("main.py"),
    lifespan=server.lifespan,
    routes=server.ROUTES,
    middleware=server.MIDDLEWARE,
    on_script_error=server.on_script_error,
)
