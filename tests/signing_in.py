"""A provider of identities, the files that say who may, and a visitor who has signed in."""

import json
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import contextmanager

import streamlit as st
from streamlit import config
from streamlit.runtime.fragment import MemoryFragmentStorage
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.scriptrunner import ScriptRunContext, add_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_run_context import (
    SCRIPT_RUN_CONTEXT_ATTR_NAME,
)
from streamlit.runtime.state import SafeSessionState, SessionState

ROLES_FILE = """
[roles]
"vi@lab.example" = "viewer"
"re@lab.example" = "reviewer"
"an@lab.example" = "analyst"
"ad@lab.example" = "admin"
"""
MAIL = {role: f"{role[:2]}@lab.example" for role in ("viewer", "reviewer", "analyst", "admin")}


def secrets_toml(port, provider="http://127.0.0.1:1"):
    """Streamlit's secrets for a dashboard on a port and a provider of identities."""
    return f"""
[auth]
redirect_uri = "http://127.0.0.1:{port}/oauth2callback"
cookie_secret = "not a secret, a test, and long enough for its signature"
client_id = "drpo"
client_secret = "none"
server_metadata_url = "{provider}/.well-known/openid-configuration"
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def provider(folder):
    """An OpenID Connect provider that vouches for whoever asks, with tokens that it signs."""
    port = free_port()
    with (folder / "provider.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "oidc_provider_mock", "--port", str(port)],
            stdout=log,
            stderr=log,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 90
        while time.monotonic() < until:
            try:
                with urllib.request.urlopen(f"{url}/.well-known/openid-configuration") as answer:
                    assert json.load(answer)["issuer"]
                    break
            except OSError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def sign_in_configured(folder, monkeypatch, roles=ROLES_FILE):
    """This process as a server whose owner named a provider and a file of roles."""
    (folder / "roles.toml").write_text(roles, encoding="utf-8")
    (folder / "secrets.toml").write_text(secrets_toml(8501), encoding="utf-8")
    monkeypatch.setenv("DRPO_ROLES", str(folder / "roles.toml"))
    before = config.get_option("secrets.files")
    config.set_option("secrets.files", [str(folder / "secrets.toml")])
    st.secrets._reset()
    try:
        yield folder / "roles.toml"
    finally:
        config.set_option("secrets.files", before)
        st.secrets._reset()


@contextmanager
def visiting(mail, **claims):
    """A script run of somebody whom the provider vouched for; nobody where `mail` is empty."""
    known = {"is_logged_in": True, "email": mail, **claims} if mail else {}
    thread = threading.current_thread()
    before = getattr(thread, SCRIPT_RUN_CONTEXT_ATTR_NAME, None)
    add_script_run_ctx(
        thread,
        ScriptRunContext(
            session_id=f"test-{mail}",
            _enqueue=lambda _message: None,
            query_string="",
            session_state=SafeSessionState(SessionState(), lambda: None),
            uploaded_file_mgr=MemoryUploadedFileManager(""),
            main_script_path="",
            user_info=known,
            fragment_storage=MemoryFragmentStorage(),
            pages_manager=PagesManager(""),
        ),
    )
    try:
        yield
    finally:
        if before is None:
            delattr(thread, SCRIPT_RUN_CONTEXT_ATTR_NAME)
        else:
            add_script_run_ctx(thread, before)
