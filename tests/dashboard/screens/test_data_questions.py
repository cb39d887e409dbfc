"""The Data screen asks what a label's values mean, and one click answers."""

import json
import time

import pytest

from drpo.data.library.uploads import Uploads
from tests.screens import shown, visit


def wait(uploads, upload):
    end = time.monotonic() + 60
    while uploads.status(upload, "check").state == "running":
        assert time.monotonic() < end
        time.sleep(0.1)
    return uploads.status(upload, "check")


@pytest.mark.usefixtures("store", "nothing_cached", "english")
def test_a_reading_is_taken_by_one_click():
    rows = [
        {"prompt": f"Q{i}?", "answer_a": f"one {i}", "answer_b": f"two {i}", "label": i % 3}
        | {"score_a": 5 - i % 3, "score_b": 4 + i % 3}
        for i in range(12)
        if i % 3 < 2
    ]
    uploads = Uploads()
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    upload = uploads.add("x.jsonl", content)
    uploads.start(upload, "check", {})
    assert wait(uploads, upload).kind == "ambiguous"
    app = visit("data", upload=upload)
    assert "row 1: label = 0: 'answer_a' is better: 'one 0'" in shown(app)
    app.button(key="ask_0").click().run()
    wait(uploads, upload)
    assert not app.exception
    assert uploads.report(upload)["recognised"]["layout"]["codes"] == {"0": "first", "1": "second"}
