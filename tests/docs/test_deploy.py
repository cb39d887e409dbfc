"""What deploy/ and its page say is so: commands, variables, files."""

import re
import tomllib
from pathlib import Path

import yaml

from drpo.access.people import Rules
from drpo.cli.commands import COMMANDS

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PAGE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
SOURCES = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "drpo").rglob("*.py"))


def test_every_command_and_variable_that_is_named_is_there():
    files = {path.name: path.read_text(encoding="utf-8") for path in DEPLOY.iterdir()}
    compose = yaml.safe_load(files["compose.yaml"])
    ours = [one for one in compose["services"].values() if one["image"] == "drpo"]
    called = {words[0] for one in ours if (words := one.get("command"))}
    texts = "".join(files.values()) + PAGE
    called |= set(re.findall(r"(?:/opt/drpo/bin/|`|exec worker )drpo ([a-z]+)", texts))
    assert called <= set(COMMANDS)
    own = {"DRPO_DB_PASSWORD", "DRPO_FILES_PASSWORD", "DRPO_HOST", "DRPO_PORT", "DRPO_MATERIAL"}
    own |= {"DRPO_ROLES_FILE", "DRPO_SECRETS_FILE"}  # of the compose file itself
    for name in set(re.findall(r"DRPO_[A-Z_]+", texts)) - own:
        assert f'"{name}"' in SOURCES, name


def test_the_file_of_roles_that_is_copied_can_be_read():
    rules = Rules.model_validate(tomllib.loads((DEPLOY / "roles.toml").read_text()))
    assert "admin" in rules.roles.values()
    shown = re.search(r"```toml\n(.*?)```", (ROOT / "docs" / "roles.md").read_text(), re.DOTALL)
    Rules.model_validate(tomllib.loads(shown[1]))


def test_every_file_that_the_page_names_is_there():
    for name in re.findall(r"deploy/([\w.-]+\w)", PAGE):
        assert (DEPLOY / name).exists(), name
    for name in re.findall(r"^cp (\S+)", PAGE.split("## With containers")[1].split("\n## ")[0]):
        assert (DEPLOY / name).exists(), name
