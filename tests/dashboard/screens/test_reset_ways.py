"""Published ways to reset on Launch, and the advice before a pilot."""

import json

from screens import visit

from drpo.dashboard.client import pilot as pilots
from drpo.i18n.message import Message
from drpo.pilot import design


def test_a_way_fills_in_its_settings_and_another_takes_them_back(store):
    app = visit("launch", start="sample-strict")
    assert not app.exception

    def command():
        return next(code.value for code in app.code if "drpo train" in code.value)

    before = command()
    app.selectbox(key="sample-strict_way").set_value("adaback").run()
    assert not app.exception
    assert "--reset-depth per_prompt" in command()
    assert "--reset-prob 1.0" in command()
    assert "--advantage grpo" in command()
    assert any("AdaBack (arXiv:2506.18110)" in caption.value for caption in app.caption)
    app.selectbox(key="sample-strict_way").set_value("drpo").run()
    assert command() == before
    assert store.runs.all() == []


def test_advice_is_shown_with_its_reasons_and_its_doubt(store):
    plan = {"data": "own", "policy": "m", "response_length": 40}
    one = design.create(store, "p", plan)
    share = {"value": 0.25, "low": 0.1, "high": 0.5}
    found = {
        "advice": "per_prompt",
        "reasons": [Message("advice.why_per_prompt").as_dict()],
        "otherwise": ["uniform"],
        "depths": [
            {"share": 0.1, "success": share, "groups_that_differ": share, "mean_score": 0.25}
        ],
    }
    folder = pilots._looked_at(one)
    folder.mkdir(parents=True)
    (folder / "process.json").write_text(json.dumps({"pid": 2**22 + 1, "started": 1.0, "at": 0}))
    (folder / "result.json").write_text(json.dumps(found))
    app = visit("pilot", pilot=one.id, step="1")
    assert not app.exception
    assert any("as much as each prompt needs" in text.value for text in app.markdown)
    assert any("only deep inside the answers" in text.value for text in app.text)
    assert any("half of the episodes" in caption.value for caption in app.caption)
    assert "25% (10%–50%)" in app.dataframe[-1].value.to_string()
