"""Signing in with a real browser at a real provider: what a reviewer sees, and how they leave."""

import re

import pytest
from signing_in import MAIL, ROLES_FILE, free_port, provider, secrets_toml

from .conftest import new_window, serve, visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_reviewer_signs_in_finds_review_alone_and_leaves(browser, tmp_path, monkeypatch):
    (tmp_path / "home").mkdir()
    (tmp_path / "roles.toml").write_text(ROLES_FILE, encoding="utf-8")
    monkeypatch.setenv("DRPO_ROLES", str(tmp_path / "roles.toml"))
    port = free_port()
    with provider(tmp_path) as url:
        secrets = tmp_path / "secrets.toml"
        secrets.write_text(secrets_toml(port, url), encoding="utf-8")
        options = ("--secrets.files", str(secrets))
        with serve(tmp_path / "home", *options, port=port) as server:
            window = new_window(browser)
            page = visit(window, server, "/live")
            page.get_by_role("button", name="Sign in").click()
            page.locator("input[name=sub]").fill(MAIL["reviewer"])
            page.get_by_role("button", name="Authorize").click()
            page.get_by_role("heading", name="Which answer is better?").wait_for()
            page.get_by_text(MAIL["reviewer"]).wait_for()
            # One screen needs no list of screens.
            assert page.get_by_test_id("stSidebarNavLink").count() == 0
            page.goto(f"{server.url}/live")
            page.get_by_text("Which answer is better?").wait_for()
            # Streamlit's "Page not found" is shown, or swallowed where a rerun comes just then.
            page.keyboard.press("Escape")
            page.get_by_role("heading", name="Which answer is better?").wait_for()
            page.get_by_role("button", name="Sign out").click()
            page.wait_for_url(re.compile("end_session|/$"))
            page.goto(server.url)
            page.get_by_role("button", name="Sign in").wait_for()
            assert not any("Content Security Policy" in one for one in page.failures)
            window.close()
