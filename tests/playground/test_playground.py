"""The playground: what a checkpoint writes, and the process that lets it write."""

import dataclasses
import json
import math
import os
import shutil
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from alarm_runs import teach
from chat_models import chat_folder
from toy import RecordingObserver, toy_config, toy_pairs

from drpo.dashboard.components.branches import job
from drpo.dashboard.screens.playground import session
from drpo.data.pairs import Pair
from drpo.data.sentiment import SentimentScorer
from drpo.errors import ConfigError, DataError, RunError
from drpo.modeling.model_loading import load_causal
from drpo.modeling.models import load_models, load_vocabulary
from drpo.modeling.reward_model import load_reward_model
from drpo.modeling.weights_hash import weights_hash
from drpo.playground import Playground, PlaygroundSource, Sampling, sources_of
from drpo.playground.generation import Voice, contexts, draw, news, write
from drpo.playground.protocol import START, socket_note, source_of
from drpo.rl.trainer import train
from drpo.stages.examples import one_row
from drpo.store import Store, run_folder

PROMPT = "1 blue:"


@pytest.fixture(scope="module")
def voice(tmp_path_factory, byte_tokenizer, model_folder, reward_folder):
    """A policy that was taught a little, and a start policy that was not."""
    folder = teach(tmp_path_factory.mktemp("taught"), byte_tokenizer, steps=60)
    policy = load_causal(folder).eval()
    return Voice(
        policy=policy,
        start=load_causal(model_folder()).eval(),
        vocabulary=load_vocabulary(folder, policy),
        reward=load_reward_model(reward_folder),
        weights=weights_hash(policy),
        device=torch.device("cpu"),
    )


def lines(voice, prefix="", **settings):
    return list(write(voice, PROMPT, prefix, Sampling(**({"max_tokens": 12} | settings))))


def test_each_token_carries_its_log_probability_under_both_policies(voice):
    written = [line["token"] for line in lines(voice) if line["kind"] == "token"]
    # The oracle: one forward pass over the whole text, without a cache.
    ids = voice.vocabulary.prompts([PROMPT])[0]
    generator = torch.Generator().manual_seed(0)
    for token in written:
        logits = voice.policy(torch.tensor([ids])).logits[0, -1].detach()
        before = voice.start(torch.tensor([ids])).logits[0, -1].detach()
        uniform = torch.rand(1, generator=generator, dtype=torch.float64)
        chosen = draw(logits, uniform, Sampling())
        p, q = logits.log_softmax(-1), before.log_softmax(-1)
        assert token["log_prob"] == pytest.approx(float(p[chosen]), abs=1e-4)
        assert token["start_log_prob"] == pytest.approx(float(q[chosen]), abs=1e-4)
        assert token["kl"] == pytest.approx(float((p.exp() * (p - q)).sum()), abs=1e-3)
        ids = (*ids, chosen)


def test_a_typed_question_is_read_as_training_reads_it(tmp_path, reward_folder):
    folder = chat_folder("llama3", tmp_path)
    policy = load_causal(folder).eval()
    reader = load_vocabulary(folder, policy, "auto")
    reward = load_reward_model(reward_folder)
    voice = Voice(policy, policy, reader, reward, "w", torch.device("cpu"))
    pair = Pair("\n\nHuman: What is bread?\n\nAssistant:", " Food 日.", " No.", row=1)
    (trained,) = one_row(reader, [pair])
    ids, start = trained.rows[0]
    for typed in ("What is bread?", pair.prompt):
        context, given = contexts(voice, typed, "Food 日.")
        assert [*context, *given] == ids[:-1]
        assert len(context) == start
    end = list(write(voice, "What is bread?", "Food", Sampling(max_tokens=4)))[-1]
    assert end["token_scores"] is None, "another tokenizer: scored by its text"
    (given,) = [line for line in write(voice, "Q?", "Food", Sampling()) if line["kind"] == "given"]
    assert "".join(token["text"] for token in given["tokens"]) == "Food"
    assert math.isfinite(end["score"])


def test_a_policy_does_not_depart_from_itself(voice):
    same = Voice(**{**vars(voice), "start": voice.policy})
    tokens = [line["token"] for line in lines(same) if line["kind"] == "token"]
    assert all(token["kl"] == 0 for token in tokens)
    assert all(token["log_prob"] == token["start_log_prob"] for token in tokens)


def test_an_answer_goes_on_from_a_given_beginning(voice):
    whole = lines(voice, temperature=0.0)
    texts = [line["token"]["text"] for line in whole if line["kind"] == "token"]
    beginning = "".join(texts[:3])
    rest = lines(voice, prefix=beginning, temperature=0.0)
    given = next(line for line in rest if line["kind"] == "given")["tokens"]
    assert "".join(token["text"] for token in given) == beginning
    again = [line["token"]["text"] for line in rest if line["kind"] == "token"]
    assert beginning
    assert again
    assert beginning + "".join(again) == "".join(texts)


def test_the_score_is_the_reward_models_own_and_comes_token_by_token(voice):
    end = lines(voice)[-1]
    said = "".join(line["token"]["text"] for line in lines(voice) if line["kind"] == "token")
    expected = voice.reward.score_texts([PROMPT], [said], finished=[end["finished"]])[0]
    assert end["score"] == pytest.approx(expected, abs=1e-4)
    assert len(end["token_scores"]) == sum(x["kind"] == "token" for x in lines(voice))
    # pooling "last": the score as it stands after the last token is the whole answer's score
    assert end["pooling"] == "last"
    assert end["token_scores"][-1] == pytest.approx(expected, abs=1e-4)


def test_a_checkpoint_without_a_reward_model_has_no_score(voice):
    end = lines(Voice(**{**vars(voice), "reward": None}))[-1]
    assert end["score"] is None
    assert end["token_scores"] is None


def test_a_gold_score_of_the_text_alone_is_told(voice):
    assert lines(voice)[-1]["gold"] is None
    end = lines(Voice(**{**vars(voice), "gold": SentimentScorer()}), prefix="wonderful ")[-1]
    said = "".join(
        token["text"]
        for line in lines(voice, prefix="wonderful ")
        for token in (line.get("tokens") or [line[k] for k in ("token",) if k in line])
    )
    assert end["gold"] == pytest.approx(SentimentScorer()(said, {}))


def test_the_same_seed_writes_the_same_and_another_does_not(voice):
    def said(**settings):
        return [x["token"]["text"] for x in lines(voice, **settings) if x["kind"] == "token"]

    assert said(seed=1, temperature=5.0) == said(seed=1, temperature=5.0)
    assert said(seed=1, temperature=5.0) != said(seed=2, temperature=5.0)


def test_top_p_keeps_the_likeliest_tokens_only():
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    grid = torch.linspace(0, 0.999, 200, dtype=torch.float64)
    drawn = {draw(logits, u[None], Sampling(top_p=0.7)) for u in grid}
    assert drawn == {0, 1}
    assert {draw(logits, u[None], Sampling(top_p=0.01)) for u in grid} == {0}
    assert {draw(logits, u[None], Sampling()) for u in grid} == {0, 1, 2, 3}


def test_a_character_of_several_tokens_appears_when_it_is_whole():
    assert news("a", "ab") == "b"
    assert news("a", "a\N{REPLACEMENT CHARACTER}") == ""
    assert news("a", "a猫") == "猫"


def test_a_prompt_that_is_empty_or_too_long_is_refused_in_a_sentence(voice):
    with pytest.raises(DataError, match="empty"):
        list(write(voice, "", "", Sampling()))
    with pytest.raises(DataError, match="shorten"):
        list(write(voice, "x" * 200, "", Sampling()))


@pytest.mark.parametrize(
    "settings", [{"temperature": -1}, {"top_p": 0}, {"max_tokens": 0}, {"seed": -1}]
)
def test_sampling_out_of_range_is_refused(settings):
    with pytest.raises(ConfigError, match="expected"):
        Sampling(**settings).checked()


# The process.


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A workspace for all tests of the process: starting it takes seconds."""
    before = os.environ.get("DRPO_HOME")
    folder = tmp_path_factory.mktemp("home")
    os.environ["DRPO_HOME"] = str(folder)
    yield folder
    if before is None:
        del os.environ["DRPO_HOME"]
    else:
        os.environ["DRPO_HOME"] = before


@pytest.fixture(scope="module")
def trained(home, model_folder, reward_folder):
    """A short real run in the store, with its checkpoints in the workspace."""
    store = Store(f"sqlite:///{home / 'drpo.sqlite'}")
    config = toy_config(model_folder(), reward_folder, learning_rate=1e-2)
    run = store.runs.create(config)
    listener = RecordingObserver()
    train(
        load_models(config),
        toy_pairs(20),
        toy_pairs(6, 100),
        config,
        listener,
        checkpoint_dir=run_folder(run.id) / "checkpoints",
    )
    store.runs.change(run.id, status="finished", step=4)
    yield store.runs.get(run.id), listener
    store.close()


@pytest.fixture(scope="module")
def playground(trained):
    """Where the trained run is; its engine starts with the first question."""
    assert trained
    playground = Playground()
    yield playground
    playground.stop()


SHORT = Sampling(max_tokens=8)


def test_a_run_offers_its_start_policy_and_what_it_kept(trained):
    run, _ = trained
    assert [source.step for source in sources_of(run)] == [START, 0, 2, 4]
    with pytest.raises(RunError, match="kept steps: 0, 2, 4"):
        source_of(run, 3)


def test_two_checkpoints_answer_at_once_and_say_which_weights_wrote(trained, playground):
    run, listener = trained
    first, last = source_of(run, 0), source_of(run, 4)
    told = list(playground.ask([first, last], PROMPT, SHORT))
    assert told[-1] == {"kind": "done"}
    hashes = {line["at"]: line["weights"] for line in told if line["kind"] == "weights"}
    kept = {s.step: s.weights for s in listener.kept_samples if s.kind == "heldout"}
    assert hashes == {0: kept[0], 1: kept[4]}
    # First of all: an answer that is broken off at its first token has its hash.
    assert [line["kind"] for line in told][:2] == ["weights", "weights"]
    # They take turns: neither has to wait for the other's end.
    order = [line["at"] for line in told if line["kind"] == "token"]
    assert order[:4] == [0, 1, 0, 1]
    kls = [line["token"]["kl"] for line in told if line["kind"] == "token" and line["at"] == 1]
    assert max(kls) > 0


def test_a_checkpoint_that_cannot_be_loaded_does_not_stop_the_others(trained, playground):
    run, _ = trained
    good = source_of(run, 4)
    broken = PlaygroundSource(run.id, 9, "/nowhere", good.start, good.reward)
    told = list(playground.ask([broken, good], PROMPT, SHORT))
    assert [line["at"] for line in told if line["kind"] == "error"] == [0]
    assert any(line["kind"] == "end" and line["at"] == 1 for line in told)


def test_at_most_four_checkpoints_are_asked_and_kept(trained, playground):
    run, _ = trained
    sources = sources_of(run)
    with pytest.raises(RunError, match="one to 4"):
        list(playground.ask([*sources, sources[0]], PROMPT, SHORT))
    list(playground.ask(sources, PROMPT, SHORT))
    assert playground.hello()["cached"] <= 4


def test_an_answer_is_continued_from_its_tokens_and_leaving_ends_it(trained, playground):
    run, _ = trained
    source = source_of(run, 4)
    long = Sampling(max_tokens=100)
    answer = playground.branch(source, PROMPT, " ab", long, positions=range(3), count=16)
    kinds = [next(answer)["kind"] for _ in range(3)]
    assert kinds == ["weights", "tokens", "beat"]
    answer.close()
    told = list(playground.branch(source, PROMPT, " ab", SHORT, positions=[1, 3], count=4))
    found = {x["position"]: x["continuations"] for x in told if x["kind"] == "continuations"}
    assert {place: len(several) for place, several in found.items()} == {1: 4, 3: 4}
    assert all(isinstance(one["score"], float) for several in found.values() for one in several)
    with pytest.raises(ConfigError, match="expected 4 to 16"):
        next(playground.branch(source, PROMPT, " ab", SHORT, positions=[1], count=17))


def test_a_visitor_who_leaves_ends_the_writing(trained, playground):
    run, _ = trained
    answer = playground.ask([source_of(run, 4)], PROMPT, Sampling(max_tokens=100))
    next(answer)
    answer.close()
    assert list(playground.ask([source_of(run, 4)], PROMPT, SHORT))[-1]["kind"] == "done"


def test_a_checkpoint_that_was_written_anew_answers_with_its_new_weights(
    trained, playground, tmp_path
):
    run, listener = trained
    first, last = source_of(run, 0), source_of(run, 4)
    folder = tmp_path / "policy"
    kept = {s.step: s.weights for s in listener.kept_samples if s.kind == "heldout"}
    answered = []
    for source in (first, last):
        # As a resumed run does: the same folder, other weights.
        shutil.copytree(source.policy, folder, dirs_exist_ok=True)
        asked = dataclasses.replace(source, policy=str(folder))
        answered.append(next(playground.ask([asked], PROMPT, SHORT))["weights"])
    assert answered == [kept[0], kept[4]]


def ended(generation):
    """The generation, when its thread is through."""
    deadline = time.monotonic() + 60
    while generation.live and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not generation.live
    return generation


@pytest.mark.usefixtures("playground")
def test_what_was_written_is_kept_whole_with_what_was_asked(trained, home):
    run, _ = trained
    store = Store(f"sqlite:///{home / 'drpo.sqlite'}")
    how = Sampling(temperature=0.7, top_p=0.9, max_tokens=8, seed=3)
    sources = [source_of(run, 0), source_of(run, 4)]
    one = ended(session.start(store, sources, PROMPT, " a", how))
    again = session.find(store, one.key)
    assert again.error == one.error == ""
    assert (again.texts, again.sampling, again.sources) == ((PROMPT, " a"), how, one.sources)
    assert [answer.text for answer in again.answers] == [answer.text for answer in one.answers]
    assert [answer.tokens for answer in again.answers] == [answer.tokens for answer in one.answers]
    assert all(answer.end["token_scores"] for answer in again.answers)
    store.close()


@pytest.mark.usefixtures("playground")
def test_an_answer_that_was_stopped_is_kept_with_the_weights_that_wrote_it(trained, home):
    run, listener = trained
    store = Store(f"sqlite:///{home / 'drpo.sqlite'}")
    before = {document.key for document in store.documents.all(session.KIND)}
    one = session.start(store, [source_of(run, 4)], PROMPT, "", Sampling(max_tokens=100))
    # A second tab finds it by its key while it goes on.
    assert session.find(store, one.key) is one
    while not one.answers[0].tokens:
        time.sleep(0.001)
    one.stop()
    ended(one)
    [document] = [d for d in store.documents.all(session.KIND) if d.key not in before]
    [answer] = document.body["answers"]
    kept = {s.step: s.weights for s in listener.kept_samples if s.kind == "heldout"}
    assert answer["stopped"]
    assert answer["weights"] == kept[4]
    assert answer["text"] == one.answers[0].text
    assert 0 < len(answer["tokens"]) < 100
    store.close()


@pytest.mark.usefixtures("playground")
def test_continuations_are_kept_and_a_stop_keeps_the_positions_that_are_through(trained, home):
    run, _ = trained
    store = Store(f"sqlite:///{home / 'drpo.sqlite'}")
    one = job.Branchable("1", "", source_of(run, 4), "", PROMPT, " ab", 100, 1.0)
    whole = ended(job.start(store, one, [1, 2], 4))
    assert whole.error == ""
    assert "".join(whole.tokens) == " ab"
    kept = job.find(store, one.key)
    assert (kept.tokens, kept.weights, kept.drawn) == (whole.tokens, whole.weights, whole.drawn)
    assert {place: len(several) for place, several in kept.drawn.items()} == {1: 4, 2: 4}
    more = job.start(store, one, [0, 3, 3, 3, 3, 3, 3], 16)
    assert job.start(store, one, [3], 4) is more, "one at a time"
    while not more.done:
        time.sleep(0.001)
    more.stop()
    assert ended(more).stopped
    assert more.done < 7
    assert {0, 1, 2} <= set(job.find(store, one.key).drawn)
    store.close()


def test_only_the_owner_with_the_secret_is_answered(playground, home):
    playground.start()
    note = socket_note(home)
    assert stat.S_IMODE(note.stat().st_mode) == 0o600
    path = json.loads(note.read_text())["socket"]
    assert stat.S_IMODE(Path(path).parent.stat().st_mode) == 0o700
    for text in (b'{"op": "hello"}\n', b'{"op": "hello", "secret": "guess"}\n', b"[]\n", b"x\n"):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(path)
            connection.sendall(text)
            assert connection.recv(100) == b""


def test_a_second_client_uses_the_same_engine(playground):
    playground.start()
    holder = playground._lock().holder()
    Playground().start()
    assert playground._lock().holder() == holder


def test_the_engine_ends_when_nobody_asks(trained, playground, home):
    run, _ = trained
    playground.stop()
    assert not playground.running()
    short_lived = Playground(idle_seconds=0.5)
    short_lived.start()
    deadline = time.monotonic() + 60
    while short_lived.running() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not short_lived.running()
    assert not socket_note(home).exists()
    # and comes back when asked
    assert list(playground.ask([source_of(run, 4)], PROMPT, SHORT))[-1]["kind"] == "done"


def test_asking_loads_no_torch_into_the_screens_process():
    code = "import drpo.playground, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
