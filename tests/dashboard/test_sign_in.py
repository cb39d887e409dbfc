"""Where sign-in is configured, no screen is shown before it."""

import pytest
from screens import MAIN, shown
from streamlit.testing.v1 import AppTest

AUTH = {
    "redirect_uri": "http://localhost:8501/oauth2callback",
    "cookie_secret": "not a secret, a test",
    "client_id": "drpo",
    "client_secret": "none",
    "server_metadata_url": "http://localhost/.well-known/openid-configuration",
}


def opened(**secrets):
    app = AppTest.from_file(str(MAIN), default_timeout=60)
    for name, value in secrets.items():
        app.secrets[name] = value
    return app.run()


@pytest.mark.usefixtures("store")
def test_nobody_sees_a_screen_before_signing_in():
    app = opened(auth=AUTH, drpo={"users": ["ann@lab.example"]})
    assert not app.exception
    assert [button.key for button in app.button] == ["sign_in"]
    assert "Sign in to see" in shown(app)


@pytest.mark.usefixtures("store")
def test_an_identity_provider_without_a_list_of_users_is_no_sign_in():
    app = opened(auth=AUTH)
    assert not app.exception
    assert "sign_in" not in [button.key for button in app.button]


@pytest.mark.usefixtures("store")
def test_without_secrets_the_screen_is_there():
    assert "sign_in" not in [button.key for button in opened().button]
