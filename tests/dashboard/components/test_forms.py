"""The form is made of the settings' declarations."""

import pytest

from drpo.config.run_config import RunConfig, leaves
from drpo.dashboard.components import forms
from drpo.dashboard.screens.launch import form
from drpo.i18n import areas


@pytest.mark.parametrize("leaf", sorted(leaves()))
def test_every_setting_has_a_name_and_help_in_both_languages(leaf):
    words = areas()["settings"][leaf]
    assert all(words[part] for part in ("en", "ja", "help_ja"))
    assert leaves()[leaf][1].description in forms.help_of(leaf)
    assert forms.label(leaf)


def test_the_string_table_names_no_setting_that_is_gone():
    assert set(areas()["settings"]) == set(leaves())


def test_a_logarithmic_slider_has_zero_where_the_setting_allows_it_and_the_present_value():
    stops = forms.log_options(0.23, with_zero=True)
    assert stops[0] == 0
    assert 0.23 in stops
    assert stops == sorted(set(stops))
    assert stops[-1] == 10


def test_bounds_come_from_the_declaration():
    known = leaves()
    assert forms.bounds(known["reset_prob"][1]) == (0, 1)
    assert forms.bounds(known["updates"][1]) == (1, None)
    assert forms.bounds(known["checkpoint_every"][1]) == (1, 10)


def test_optional_settings_are_told_from_required_ones():
    known = leaves()
    assert forms.kind_of(known["missing_eos_penalty"][1]) == (float, True)
    assert forms.kind_of(known["updates"][1]) == (int, False)


def test_the_command_line_names_only_what_differs_from_the_defaults():
    config = RunConfig.of(data="my pairs.jsonl", policy="model", kl_coef=0.02, whiten_rewards=True)
    words = form.command_line_of(config)
    assert words.startswith("drpo train ")
    assert "--data 'my pairs.jsonl'" in words
    assert "--kl-coef 0.02" in words
    assert "--whiten-rewards" in words
    assert "--reset-prob" not in words
