"""Screens as a visitor without a browser sees them."""

import json
from pathlib import Path

from streamlit import config
from streamlit.testing.v1 import AppTest

# Read once, in the folder that tests are started in. Left to the first screen, a test that works
# elsewhere would find none, and the server be open to all in every test after it.
config.get_config_options()

ROOT = Path(__file__).parents[1]
MAIN = ROOT / "drpo" / "dashboard" / "main.py"


def visit(name, /, **query):
    app = AppTest.from_file(str(MAIN), default_timeout=60)
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    if name != "home":
        app.switch_page(str(ROOT / "pages" / f"{name}.py"))
        for key, value in query.items():
            app.query_params[key] = value
        app.run()
    return app


def handed(app):
    """What the screen's own components were handed, as their scripts read it."""
    return [
        json.loads(one.proto.bytes or one.proto.json or "null") for one in app.get("bidi_component")
    ]


def shown(app):
    """All text on the screen."""
    kinds = ("title", "subheader", "markdown", "caption", "text", "code")
    return "\n".join(str(element.value) for kind in kinds for element in getattr(app, kind))


def problems(app):
    """What the screen says went wrong; its own sentences, never an exception's box."""
    assert not app.exception
    boxes = [element.proto.body for element in app.get("html")]
    return [box for box in boxes if 'role="alert"' in box]


def notices(app):
    """What the screen says quietly."""
    return [box for box in (one.proto.body for one in app.get("html")) if 'role="status"' in box]
