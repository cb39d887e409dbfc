"""Training from Python: in this process, from memory or files, with any reward, without a store."""

import json
import os
import signal
import subprocess
import sys
import textwrap

import pandas as pd
import pytest
import torch
from runs import small_config
from toy import RecordingObserver, toy_pairs
from transformers import AutoModelForCausalLM

import drpo
from drpo.api import training
from drpo.errors import ConfigError, DataError, RewardError, RunError
from drpo.types import Control


@pytest.fixture(autouse=True)
def empty_workspace(tmp_path, monkeypatch):
    """A workspace that is not there, so that a store would show."""
    monkeypatch.setenv("DRPO_HOME", str(tmp_path / "workspace"))
    monkeypatch.delenv("DRPO_DATABASE_URL", raising=False)
    return tmp_path / "workspace"


@pytest.fixture
def configure(tmp_path, model_folder, reward_folder):
    def make(**settings):
        reward = settings.pop("reward", reward_folder)
        return small_config(tmp_path, model_folder("llama"), reward, **settings)

    return make


def count_e(prompts, answers):
    """Score 1 for each `e`."""
    assert len(prompts) == len(answers)
    return [float(answer.count("e")) for answer in answers]


def test_a_run_has_metrics_samples_events_and_a_model(configure, empty_workspace):
    run = drpo.train(configure(), progress=False)
    assert (run.status, run.step, run.error) == ("finished", 4, "")
    frame = run.metrics()
    assert isinstance(frame, pd.DataFrame)
    assert (frame.index.name, frame.index.tolist()) == ("step", [0, 1, 2, 3, 4])
    assert frame["eval/scores"].notna().tolist() == [True, False, True, False, True]
    assert frame["objective/kl"].notna().tolist() == [False, True, True, True, True]
    assert frame["objective/kl"][1] == 0
    assert len(run.samples(step=4)) == 2
    assert len(run.samples("episode")) == 4 * 8
    assert run.events().query("kind == 'checkpoint'")["step"].tolist() == [2, 4]
    start, trained = run.model(0), run.model()
    prompt = run.tokenizer()("1 red:", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        assert not torch.equal(start(prompt).logits, trained(prompt).logits)
    assert not trained.training
    assert not empty_workspace.exists()


def test_it_is_the_same_training_as_in_a_worker(configure, store):
    from drpo.runs import worker

    config = configure()
    row = store.runs.create(config)
    worker.execute(row.id, store)
    queued, here = drpo.find_run(row.id), drpo.train(config, progress=False)
    told = [name for name in here.metrics() if "timing" not in name and name != "eps"]
    pd.testing.assert_frame_equal(
        here.metrics()[told].sort_index(axis=1), queued.metrics()[told].sort_index(axis=1)
    )
    assert here.samples() == queued.samples()
    for one, other in zip(here.model().parameters(), queued.model().parameters(), strict=True):
        assert torch.equal(one, other)


def test_pairs_may_be_in_memory_and_the_reward_a_function(configure):
    pairs = [drpo.Pair(p.prompt, p.chosen, p.rejected) for p in toy_pairs(20)]
    config = configure(
        data="colours", heldout=None, reward=None, heldout_fraction=0.3, missing_eos_penalty=None
    )
    run = drpo.train(config, pairs=pairs, reward=count_e, progress=False)
    episodes = run.samples("episode")
    scores = [sample.score for sample in episodes]
    assert scores == count_e([""] * len(episodes), [s.prefix + s.response for s in episodes])
    assert len(set(scores)) > 1
    assert "eval/rm_accuracy" not in run.metrics()  # no reward model was trained for it
    assert not (run.folder / "models").exists()


def test_a_function_judges_methods_that_make_no_updates_as_well(configure, tmp_path):
    def length(_prompts, answers):
        return [float(len(answer)) for answer in answers]

    run = drpo.train(configure(method="best_of_n"), reward=length, progress=False)
    scores = run.metrics()["eval/scores"]
    assert scores.index.tolist() == [0, 1]
    assert scores[1] > scores[0]
    assert all(sample.score == len(sample.response) for sample in run.samples())
    with pytest.raises(RunError, match="trains nothing"):
        run.export(tmp_path / "out")


def test_adapters_are_merged_into_the_model_that_is_handed_out(configure, tmp_path):
    run = drpo.train(configure(lora_rank=2, updates=2), progress=False)
    run.export(tmp_path / "out")
    prompt = run.tokenizer()("1 red:", return_tensors="pt")["input_ids"]
    kept = AutoModelForCausalLM.from_pretrained(tmp_path / "out").eval()
    with torch.no_grad():
        logits = run.model()(prompt).logits
        torch.testing.assert_close(logits, kept(prompt).logits)
        assert not torch.allclose(logits, run.model(0)(prompt).logits, atol=1e-6)


def test_a_folder_from_before_conversations_were_rendered_goes_on_reading_text(configure, tmp_path):
    config = configure()
    stored = json.loads(config.to_json())
    del stored["data"]["prompt_format"], stored["data"]["chat_template"]
    (tmp_path / "config.json").write_text(json.dumps(stored))
    begun = training._as_begun(config, tmp_path / "config.json")
    assert begun == config.replace(prompt_format="text")
    with pytest.raises(RunError, match=r"prompt_format was 'text', is 'chat'"):
        training._as_begun(config.replace(prompt_format="chat"), tmp_path / "config.json")


def test_heldout_pairs_in_memory_are_what_is_evaluated(configure):
    heldout = toy_pairs(3, first=50)
    run = drpo.train(configure(updates=1), heldout=heldout, progress=False)
    assert {s.prompt for s in run.samples()} <= {p.prompt for p in heldout}


def test_stages_have_tables_of_their_own(configure):
    config = configure(reward=None, rm_batch_size=8, updates=1)
    run = drpo.train(config, progress=False)
    assert run.metrics("rm").index.tolist() == [1, 2, 3]
    assert run.metrics("rm").columns.str.startswith("rm/").all()
    assert not run.metrics().columns.str.startswith("rm/").any()
    assert run.metrics("sft").empty
    with pytest.raises(RunError, match="sft, rm, dpo"):
        run.metrics("ppo")


@pytest.mark.parametrize(
    ("reward", "said"),
    [
        (lambda _prompts, answers: [1.0] * (len(answers) + 1), "returned 9 scores"),
        (lambda _prompts, answers: [float("nan")] * len(answers), "scored an answer nan"),
        (lambda _prompts, answers: ["good"] * len(answers), "scored an answer 'good'"),
    ],
)
def test_a_reward_that_is_no_score_is_named(configure, reward, said):
    config = configure(episodes_per_update=8, eval_prompts=8, sample_prompts=8)
    pairs = toy_pairs(30)
    with pytest.raises(RewardError, match=said):
        drpo.train(config, pairs=pairs[:20], heldout=pairs[22:], reward=reward, progress=False)


@pytest.mark.parametrize(
    ("pairs", "said"),
    [([], "at least two"), ([{"prompt": "a"}], r"pairs\[0\] is a dict; expected a drpo.Pair")],
)
def test_pairs_that_are_none_are_named(configure, pairs, said):
    with pytest.raises(DataError, match=said):
        drpo.train(configure(heldout=None), pairs=pairs, progress=False)


def test_a_listener_hears_everything_and_may_change_settings_and_stop(configure):
    listener = RecordingObserver(
        controls={1: Control(settings={"kl_coef": 0.7}), 3: Control(stop=True)}
    )
    run = drpo.train(configure(), observer=listener, progress=False)
    assert (run.status, run.step) == ("stopped", 3)
    assert run.metrics()["objective/kl_coef"].dropna().tolist() == [0.1, 0.7, 0.7]
    assert listener.metrics_at[3]["objective/kl"] == run.metrics()["objective/kl"][3]
    assert len(listener.kept_samples) == len(run.samples()) + len(run.samples("episode")) > 0


def test_a_listener_needs_only_the_methods_it_cares_for(configure):
    class Patience(drpo.Observer):
        def control(self, step):
            return drpo.Control(stop=step >= 1)

    assert drpo.train(configure(), observer=Patience(), progress=False).step == 1


def test_a_stopped_run_goes_on_in_its_folder_as_if_it_had_not_stopped(configure, tmp_path):
    config = configure()
    straight = drpo.train(config, progress=False)
    stopping = RecordingObserver(controls={2: Control(stop=True)})
    first = drpo.train(config, folder=tmp_path / "run", observer=stopping, progress=False)
    second = drpo.train(config, folder=tmp_path / "run", progress=False)
    assert (first.status, second.status, second.id) == ("stopped", "finished", "run")
    assert second.metrics().index.tolist() == [3, 4]
    for one, other in zip(second.model().parameters(), straight.model().parameters(), strict=True):
        assert torch.equal(one, other)
    longer = drpo.train(config.replace(updates=5), folder=tmp_path / "run", progress=False)
    assert longer.step == 5
    with pytest.raises(RunError, match=r"kl_coef was 0\.1, is 0\.3"):
        drpo.train(config.replace(kl_coef=0.3), folder=tmp_path / "run", progress=False)


def test_a_temporary_folder_goes_with_its_run(configure, tmp_path):
    run = drpo.train(configure(updates=1), progress=False)
    place = run.folder
    run.export(tmp_path / "kept")
    with pytest.raises(RunError, match="not an empty folder"):
        run.export(tmp_path / "kept")
    assert place.is_dir()
    del run
    assert not place.exists()
    assert (tmp_path / "kept" / "model.safetensors").is_file()


def test_a_failed_run_leaves_no_temporary_folder(configure, monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "tmp").mkdir()
    with pytest.raises(RewardError):
        drpo.train(configure(), reward=lambda _p, _a: [], progress=False)
    assert not list((tmp_path / "tmp").glob("drpo-*"))


def test_an_alarm_is_an_event_and_stops_a_run_that_would_pause_for_it(configure, caplog):
    limits = {"alarm_min_reset_answers": 1000}
    run = drpo.train(configure(**limits), progress=False)
    alarms = run.events().query("kind == 'alarm'")
    few = alarms["message"].str.startswith("Resets draw from few answers")
    assert few.sum() == 1  # seen again at every update, told once
    assert alarms["message"][few.idxmax()] in caplog.text
    assert run.step == 4
    config = configure(**limits, alarm_pause=("few_reset_answers",))
    assert drpo.train(config, progress=False).status == "stopped"


def test_what_can_be_known_before_is_said_before_any_model_is_loaded(configure):
    with pytest.raises(ConfigError, match="alarm_pause"):
        drpo.train(configure(alarm_pause=("no_such_alarm",)), progress=False)


def test_two_processes_do_not_train_in_one_folder(configure, tmp_path):
    from drpo.system.processes import Lock

    (tmp_path / "run").mkdir()
    lock = Lock(tmp_path / "run" / "worker.lock")
    assert lock.acquire()
    with pytest.raises(RunError, match="name another folder"):
        drpo.train(configure(), folder=tmp_path / "run", progress=False)
    lock.release()


def test_a_finished_run_has_nothing_to_stop_or_wait_for(configure):
    run = drpo.train(configure(updates=1), progress=False)
    for ask in (run.stop, run.wait, lambda: run.set(kl_coef=1.0)):
        with pytest.raises(RunError, match=r"drpo\.launch"):
            ask()


def test_the_bar_is_shown_on_standard_error_and_only_when_asked_for(configure, capfd):
    config = configure(updates=1)
    drpo.train(config, progress=False)
    quiet = capfd.readouterr()
    drpo.train(config)
    shown = capfd.readouterr()
    assert quiet.out == shown.out == ""
    assert "training" not in quiet.err
    assert "training: 100%" in shown.err
    assert "Loading weights" not in shown.err


def test_an_interrupt_from_the_keyboard_saves_and_returns(configure, tmp_path):
    config = configure(updates=500, eval_every=500)
    (tmp_path / "config.json").write_text(config.to_json())
    script = tmp_path / "train.py"
    script.write_text(
        textwrap.dedent(f"""
            import json, drpo
            class Tell(drpo.Observer):
                def metrics(self, step, values):
                    if step == 2: print("two", flush=True)
            config = drpo.RunConfig.from_nested(json.load(open({str(tmp_path / "config.json")!r})))
            run = drpo.train(config, folder={str(tmp_path / "run")!r}, observer=Tell())
            print(json.dumps([run.status, run.step]))
        """)
    )
    child = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "two\n"
    child.send_signal(signal.SIGINT)
    status, step = json.loads(child.communicate(timeout=120)[0])
    assert status == "stopped"
    assert 2 <= step < 500
    assert child.returncode == 0
    assert list((tmp_path / "run" / "checkpoints").glob("step-*/state.json"))
