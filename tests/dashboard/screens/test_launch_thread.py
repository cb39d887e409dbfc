"""Launch says what a run inside the dashboard's own process risks."""

import html

import pytest
from runs import small_config
from screens import notices, visit

from drpo.i18n import t


@pytest.mark.parametrize("lang", ["en", "ja"])
@pytest.mark.parametrize("executor", ["thread", "process"])
def test_a_run_in_the_dashboards_process_is_warned_of(
    store, tmp_path, model_folder, reward_folder, lang, executor
):
    run = store.runs.create(small_config(tmp_path, model_folder(), reward_folder))
    app = visit("launch", start=run.id, executor=executor, lang=lang)
    said = "\n".join(notices(app))
    assert (html.escape(t("launch.thread_risk", lang=lang)) in said) == (executor == "thread")
