"""Any token of an answer can be chosen, its continuations read, measured and kept to train from."""

import json

import pytest
import screen_material
from screens import handed, notices, problems, shown, visit

from drpo.charts.position_values import position_values
from drpo.dashboard.components.branches import job, view
from drpo.dashboard.screens.playground import session
from drpo.dashboard.screens.resets import branches
from drpo.data.library.demonstrations import add_demonstration
from drpo.data.library.versions import find_version, load_version
from drpo.playground.counterfactuals import Continuation, decision, values
from drpo.playground.protocol import PlaygroundSource, Sampling, sources_of

TOKENS = [" It", " was", screen_material.HOSTILE, " good"]


def several(*outcomes):
    """Continuations with these true scores."""
    return [Continuation(f" end{screen_material.HOSTILE}", True, 0.5, one) for one in outcomes]


def drawn_for(store, run, prompt, answer, source, length):
    """Keep continuations of an answer as the background would: it was decided at token 1."""
    temperature = run.config["sampling"]["temperature"]
    one = job.Branchable("", "", source, "", prompt, answer, length, temperature)
    drawn = {0: several(*[1.0] * 8), 1: several(*[1.0] * 8), 2: several(*[0.0] * 8)}
    job._keep(store, job.Branches(one.key, TOKENS, {"a": "b"}, "4f0c", drawn))


@pytest.fixture
def episode(store):
    """An episode of a run whose continuations were drawn before."""
    run = screen_material.add_run(store, "mine", updates=5)
    one = store.samples.at(run.id, 3, "episode")[1]
    answer, length = one.prefix + one.response, run.config["sampling"]["response_length"]
    drawn_for(store, run, one.prompt, answer, sources_of(run)[0], length)
    return run, one


def link(run, one, **more):
    return {"run": run.id, "step": "3", "branches": "1", "branch_of": str(one.id)} | more


def tokens_of(app):
    """The answer as the component of its tokens was handed it."""
    return next(
        one["answers"][0]
        for one in handed(app)
        if one and "answers" in one and "chosen" in one["answers"][0]
    )


def test_a_link_shows_the_tokens_the_values_and_what_decided(episode):
    run, one = episode
    app = visit("resets", **link(run, one, branch_at="2"))
    assert problems(app) == []
    answer = tokens_of(app)
    assert [token["text"] for token in answer["tokens"]] == TOKENS
    assert (answer["chosen"], answer["decided"]) == (2, [1, 2])
    assert "Decided at token 1: the value dropped by 1.00." in shown(app)
    [table] = [one.value for one in app.dataframe if "Continuation" in one.value]
    assert list(table["True reward"]) == [0.0] * 8
    # What a model wrote stands in no text that reads Markdown.
    read = [str(element.value) for kind in ("markdown", "caption") for element in app.get(kind)]
    assert not any("onerror" in text for text in read)


def test_a_continuation_is_kept_to_train_from(store, episode):
    run, one = episode
    # A browser may type a new name as well; a test without one chooses among those that are there.
    add_demonstration(store, "my own", "Q:", " a")
    app = visit("resets", **link(run, one, branch_at="1"))
    app.selectbox(key="branch_which_1").set_value(2).run()
    app.button(key="branch_keep").click().run()
    assert problems(app) == []
    assert "my own, version 2" in notices(app)[0]
    _, pair = load_version(find_version(store, "my own")).pairs
    assert pair.prompt == one.prompt
    assert pair.chosen == f" It end{screen_material.HOSTILE}"
    assert pair.facts == {"a": "b"}


def test_a_token_is_chosen_by_its_number_and_what_was_not_drawn_says_so(episode):
    run, one = episode
    app = visit("resets", **link(run, one, branch_at="99"))
    app.number_input(key="branch_at").set_value(4).run()
    assert problems(app) == []
    assert tokens_of(app)["chosen"] == 4
    assert app.query_params["branch_at"] == "4"
    assert "Nothing was drawn from this place yet." in shown(app)


def test_an_answer_of_the_playground_is_continued_by_what_wrote_it(store):
    run = screen_material.add_run(store, "mine", updates=1)
    token = {"text": " It was", "log_prob": -0.5, "start_log_prob": -1.0, "kl": 0.1}
    answer = session.GeneratedAnswer(run.id, -1, "4f0c", [], [token], None)
    how = Sampling(max_tokens=16)
    session._keep(store, session.Generation("1.0-ab", "tell me", "", how, [answer], at=1.0))
    drawn_for(store, run, "tell me", " It was", sources_of(run)[0], 16)
    app = visit("playground", written="1.0-ab", branches="1", lang="ja")
    assert problems(app) == []
    assert [token["text"] for token in tokens_of(app)["tokens"]] == TOKENS
    assert "トークン 1 で決まりました" in shown(app)


def test_an_episode_is_continued_by_the_policy_kept_before_it():
    kept = [PlaygroundSource("r", step, "", "", None) for step in (-1, 0, 5, 10)]
    assert [branches.newest_kept(kept, step).step for step in (-1, 0, 4, 5, 12)] == [
        -1,
        0,
        0,
        5,
        10,
    ]


def test_the_line_lies_over_the_tokens_with_its_intervals():
    measured = values({0: several(1.0, 0.0, 1.0, 1.0), 3: several(*[0.0] * 4)})
    figure = position_values(measured, "gold", tokens=6, chosen=3, decided=decision(measured))
    [line] = figure["data"]
    assert (line["x"], line["customdata"], line["y"]) == ([0, 3], [0, 3], [0.75, 0.0])
    assert line["y"][0] - line["error_y"]["arrayminus"][0] == measured[0].outcome.low
    assert figure["layout"]["xaxis"]["range"] == [-0.5, 6.5]
    assert len(figure["layout"]["shapes"]) == 1, "four draws do not decide"
    json.dumps(figure)


@pytest.mark.parametrize("ending", ["stopped", "error"])
def test_how_the_last_request_ended_is_told(episode, ending):
    run, one = episode
    app = visit("resets", **link(run, one))
    key = job.Branchable(
        "",
        "",
        sources_of(run)[0],
        "",
        one.prompt,
        one.prefix + one.response,
        run.config["sampling"]["response_length"],
        run.config["sampling"]["temperature"],
    ).key
    asked = job.Branches(key, plan=[0, 1, 2], done=1)
    setattr(asked, ending, True if ending == "stopped" else "It broke <b>off</b>.")
    app.session_state[view.ASKED] = asked
    app.run()
    if ending == "stopped":
        assert "Stopped: 1 of 3 positions" in shown(app)
    else:
        assert "It broke &lt;b&gt;off&lt;/b&gt;." in problems(app)[0]


def test_launch_offers_the_set_as_demonstrations_and_not_as_pairs(store):
    add_demonstration(store, "my own", "Q:", " a")
    app = visit("launch", start="blank", demonstrations="my own")
    assert problems(app) == []
    field = app.selectbox(key="blank_demonstrations")
    assert field.value == "my own"
    assert "my own" not in app.selectbox(key="blank_data").options
