"""What the forms know of data sets and models."""

import pytest

from drpo.dashboard.components import run_inputs
from drpo.runs import added_models


@pytest.mark.usefixtures("store")
def test_a_model_that_was_added_is_offered_as_a_start_policy(model_folder):
    folder = added_models.folder_of("smollm2")
    assert str(folder) not in run_inputs.known_inputs()["policy"]
    folder.parent.mkdir(parents=True)
    folder.symlink_to(model_folder())
    known = run_inputs.known_inputs()
    assert str(folder) in known["policy"]
    assert str(folder) not in known["reward_model"]
