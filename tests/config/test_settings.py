"""Every setting has a reader, a sentence of help in two languages, and a test that sets it."""

import ast
from pathlib import Path

import pytest

import drpo
from drpo.config.run_config import RunConfig, groups, leaves
from drpo.config.stored import RETIRED
from drpo.errors import ConfigError
from drpo.i18n import entry

PACKAGE = Path(drpo.__file__).parent
TESTS = Path(__file__).parents[1]
GROUP_OF_CLASS = {model.__name__: group for group, model in groups().items()}


def group_named_by(node, known):
    """The group of settings that an expression stands for: `config.ppo`, or a name given to it."""
    if isinstance(node, ast.Attribute) and node.attr in groups():
        return node.attr
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return node.slice.value if node.slice.value in groups() else None
    return known.get(node.id) if isinstance(node, ast.Name) else None


def names_of_groups(tree):
    """What a module calls the groups: `limits: AlarmSettings`, `ppo, other = config.ppo, ...`."""
    known = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and isinstance(node.annotation, ast.Name):
            known[node.arg] = GROUP_OF_CLASS.get(node.annotation.id) or known.get(node.arg)
        if isinstance(node, ast.Assign):
            targets, values = node.targets, [node.value]
            if isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple):
                targets, values = node.targets[0].elts, node.value.elts
            for target, value in zip(targets, values, strict=False):
                if isinstance(target, ast.Name):
                    known[target.id] = group_named_by(value, {}) or known.get(target.id)
    return known


def read_in(path):
    """The (group, setting) pairs that a module reads."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    known = names_of_groups(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            yield group_named_by(node.value, known), node.attr
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            yield group_named_by(node.value, known), node.slice.value


def names_property(function):
    """Whether a function is a property."""
    return any(getattr(one, "id", "") == "property" for one in function.decorator_list)


def set_in(path):
    """The names that a test gives a value: `f(kl_coef=...)`, `{"kl_coef": ...}`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.keyword):
            yield node.arg
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


READ = {
    found
    for path in PACKAGE.rglob("*.py")
    if PACKAGE / "config" not in path.parents
    for found in read_in(path)
}
ASKED = {name for _, name in READ}
READ_BY_PROPERTY = {
    each.attr
    for path in (PACKAGE / "config").rglob("*.py")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    if isinstance(node, ast.FunctionDef) and node.name in ASKED and names_property(node)
    for each in ast.walk(node)
    if isinstance(each, ast.Attribute) and getattr(each.value, "id", "") == "self"
}
"""What is read outside through a property of its group."""
SET = {name for path in TESTS.rglob("*.py") if path != Path(__file__) for name in set_in(path)}


@pytest.mark.parametrize("leaf", leaves())
def test_a_setting_is_read_outside_the_config(leaf):
    assert (leaves()[leaf][0], leaf) in READ or leaf in READ_BY_PROPERTY


@pytest.mark.parametrize("leaf", leaves())
def test_a_setting_is_set_by_a_test(leaf):
    assert leaf in SET


@pytest.mark.parametrize("leaf", leaves())
def test_a_setting_says_what_it_is_for(leaf):
    assert leaves()[leaf][1].description.endswith(".")
    assert {"en", "ja", "help_ja"} <= entry(f"settings.{leaf}").keys()


def test_a_setting_that_nobody_reads_is_found():
    assert ("ppo", "no_such_setting") not in READ
    assert ("run", "device") not in READ  # of another group
    assert ("ppo", "cliprange") in READ  # through a name of the group's own


@pytest.mark.parametrize("leaf", RETIRED)
def test_a_retired_setting_is_refused_with_what_holds_instead(leaf):
    with pytest.raises(ConfigError, match=f"{leaf} is no setting any more: .*`drpo "):
        RunConfig.of(data="d", policy="p", **{leaf: "x"})
    with pytest.raises(ConfigError, match="no setting any more"):
        RunConfig.of(data="d", policy="p").replace(**{leaf: "x"})
    assert leaf not in leaves()


def test_what_was_stored_with_a_retired_setting_opens():
    config = RunConfig.of(data="d", policy="p", eval_every=7)
    stored = config.model_dump(mode="json")
    stored["evaluation"] |= {"judge": "http://localhost:1", "judge_model": "m"}
    assert RunConfig.from_nested(stored) == config
    stored["evaluation"]["jugde"] = None
    with pytest.raises(ConfigError, match="jugde"):
        RunConfig.from_nested(stored)
