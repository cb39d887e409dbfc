"""The command line prints one JSON document and refuses in sentences."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from runs import small_config, wait_until

from drpo.cli import main, training
from drpo.cli import sweep as sweep_cli
from drpo.cli.setting_flags import given
from drpo.config.command_line import command_line
from drpo.config.run_config import RunConfig, leaves
from drpo.runs import background_supervisor
from drpo.store import Store
from drpo.sweep import Axis, SweepPlan, create
from drpo.system import control, processes


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("DRPO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    threads = torch.get_num_threads()
    opened = Store()
    yield opened
    opened.close()
    torch.set_num_threads(threads)


def run_cli(capsys, *words):
    """Run a command in this process; its exit code, standard output and standard error."""
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    out, err = capsys.readouterr()
    return ended.value.code, out, err


def flags(config):
    """A config as flags, in a thread of this process: no second start-up of torch."""
    chosen = {
        "data",
        "heldout",
        "policy",
        "reward_model",
        "device",
        "updates",
        "eval_every",
        "episodes_per_update",
        "micro_batch_size",
        "response_length",
        "eval_prompts",
        "sample_prompts",
        "checkpoint_every",
        "max_prompt_length",
    }
    settings = {name: value for name, value in config.flat().items() if name in chosen}
    words = command_line({**settings, "executor": "thread"}).split()
    return words[1:]


def test_every_setting_has_a_flag(capsys):
    code, out, _ = run_cli(capsys, "train", "--help")
    assert code == 0
    for leaf in leaves():
        assert "--" + leaf.replace("_", "-") in out, leaf
    assert "--model" in out


@pytest.mark.usefixtures("store")
def test_train_prints_one_document_with_the_promised_fields(
    capfd, tmp_path, model_folder, reward_folder
):
    config = small_config(tmp_path, model_folder(), reward_folder, updates=2)
    code, out, err = run_cli(capfd, *flags(config), "--json")
    assert code == 0, err
    document = json.loads(out)
    assert {"run", "status", "updates", "episodes", "wall_seconds"} <= document.keys()
    assert document["status"] == "finished"
    for end, step in (("first", 0), ("last", 2)):
        assert document[end]["step"] == step
        assert {"scores", "kl", "mean_length"} <= document[end].keys()
    assert "gold" not in document["last"]
    run = document["run"]

    code, out, _ = run_cli(capfd, "samples", run, "--json")
    samples = json.loads(out)
    assert samples["steps"] == [0, 2]
    assert {"prompt", "prefix", "response", "score"} <= samples["samples"][0].keys()

    code, out, _ = run_cli(capfd, "show", run, "--json")
    shown = json.loads(out)
    assert shown["config"]["ppo"]["updates"] == 2
    assert [event["kind"] for event in shown["events"]].count("checkpoint") >= 1

    folder = tmp_path / "exported"
    code, out, _ = run_cli(capfd, "export", run, str(folder), "--json")
    assert json.loads(out)["folder"] == str(folder)
    code, out, _ = run_cli(capfd, "export", run, str(folder), "--json")
    assert code == 1
    assert "not an empty folder" in json.loads(out)["error"]

    for command in (["runs"], ["show", run], ["samples", run]):
        code, out, _ = run_cli(capfd, *command)
        assert code == 0
        assert out.strip()


def test_the_exported_model_writes_what_the_last_greedy_sample_says(
    store, capfd, tmp_path, model_folder, reward_folder
):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    config = small_config(tmp_path, model_folder(), reward_folder, updates=2)
    code, out, _ = run_cli(capfd, *flags(config), "--eval-temperature", "0", "--json")
    assert code == 0
    run = json.loads(out)["run"]
    folder = tmp_path / "exported"
    run_cli(capfd, "export", run, str(folder))
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for sample in store.samples.at(run, 2):
        prompt = tokenizer(sample.prompt, return_tensors="pt")
        written = model.generate(**prompt, max_new_tokens=8, do_sample=False)
        text = tokenizer.decode(
            written[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True
        )
        assert text == sample.response


def test_runs_lists_documents_with_the_pid_of_live_ones(store, capsys):
    run = store.runs.create(RunConfig.of(data="x", policy="y"))
    store.runs.change(run.id, status="running", pid=os.getpid(), pid_started=1.0)
    code, out, _ = run_cli(capsys, "runs", "--json")
    assert code == 0
    listed = json.loads(out)
    assert listed[0]["run"] == run.id
    assert listed[0]["pid"] is None, "a pid that is another process's now"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["show", "nothing", "--json"], 1, "No run 'nothing'"),
        (["train", "--json"], 1, "data is required"),
        (["train", "--data", "x", "--model", "y", "--kl-coef", "-1", "--json"], 1, "kl_coef"),
        (["train", "--data", "x", "--model", "y", "--kl-coef", "much", "--json"], 1, "kl_coef"),
        (["train", "--preset", "gpt5", "--json"], 1, "presets are"),
        (["demo", "--task", "chess", "--json"], 1, "'chess'"),
        (["set", "nothing", "kl_coef", "--json"], 1, "NAME=VALUE"),
        (["fly", "--json"], 2, "fly"),
        (["show", "--json"], 2, "run"),
        (["train", "--nonsense", "1", "--json"], 2, "--nonsense"),
    ],
)
def test_errors_are_one_document_and_one_sentence(store, capsys, words, code, said):
    ended, out, _ = run_cli(capsys, *words)
    assert ended == code
    document = json.loads(out)
    assert set(document) == {"error"}
    assert said.lower() in document["error"].lower()
    assert "Traceback" not in document["error"]
    assert store.runs.all() == []


def test_sweeps_are_listed_although_one_is_of_another_version(store, capsys):
    base = RunConfig.of(data="x", policy="y")
    plan = SweepPlan.of(base, axes=(Axis(name="kl_coef", values=(0.1, 0.2)),))
    sound, broken = create(store, plan, "sound"), create(store, plan, "broken")
    store.sweeps.change(broken, plan={**store.sweeps.get(broken).plan, "axes": [{"name": "gone"}]})
    code, out, _ = run_cli(capsys, "sweep", "list", "--json")
    assert code == 0
    assert {one["sweep"]: one["cells"] for one in json.loads(out)} == {sound: 4, broken: None}
    code, out, _ = run_cli(capsys, "sweep", "list")
    assert code == 0
    code, out, _ = run_cli(capsys, "sweep", "show", "broken", "--json")
    assert code == 1
    assert "'gone' is not a setting" in json.loads(out)["error"]


@pytest.mark.usefixtures("store")
def test_errors_without_json_go_to_standard_error(capsys):
    code, out, err = run_cli(capsys, "show", "nothing")
    assert (code, out) == (1, "")
    assert "No run 'nothing'" in err


def test_nothing_is_queued_when_a_file_is_missing(store, capsys, model_folder):
    code, out, _ = run_cli(
        capsys, "train", "--data", "/nowhere.jsonl", "--model", str(model_folder()), "--json"
    )
    assert code == 1
    assert "/nowhere.jsonl" in json.loads(out)["error"]
    assert store.runs.all() == []


def test_set_checks_and_queues_a_new_value(store, capsys):
    run = store.runs.create(RunConfig.of(data="x", policy="y"))
    code, _, _ = run_cli(capsys, "set", run.id, "kl_coef=0.2", "reset-prob=0.5")
    assert code == 0
    assert store.commands.pending(run.id)[0].payload == {"kl_coef": 0.2, "reset_prob": 0.5}
    code, _, err = run_cli(capsys, "set", run.id, "reset_prob=2")
    assert code == 1
    assert "reset_prob" in err


def test_the_command_line_of_a_config_gives_it_back():
    values = {
        "data": "my pairs.jsonl",
        "policy": "m",
        "kl_coef": 0.3,
        "whiten_rewards": True,
        "missing_eos_penalty": None,
        "alarm_pause": ("kl", "length"),
    }
    line = command_line(values)
    assert "--data 'my pairs.jsonl'" in line
    assert "--whiten-rewards" in line
    texts = {**values, "missing_eos_penalty": "none", "alarm_pause": "kl,length", "kl_coef": "0.3"}
    assert RunConfig.of(**given(texts)) == RunConfig.of(**values)


def test_a_dry_run_of_a_paper_preset_needs_no_network(store, capsys, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for preset in ("tldr-pythia-2.8b", "hh-pythia-1b", "hh-pythia-2.8b", "hh-pythia-7b"):
        for method in ("sft", "rm", "dpo", "ppo", "drpo"):
            words = ["train", "--preset", preset, "--method", method, "--dry-run", "--json"]
            code, out, err = run_cli(capsys, *words)
            assert code == 0, err
            plan = json.loads(out)
            assert plan["seconds"] > 0
            assert plan["memory_bytes"] > 1e9
            assert any("pythia" in download for download in plan["downloads"])
            assert plan["config"]["run"]["method"] == method
            assert plan["notes"]
    assert store.runs.all() == []


@pytest.mark.slow
def test_a_detached_run_goes_on_alone_and_stops_on_command(
    store, capfd, tmp_path, model_folder, reward_folder
):
    config = small_config(tmp_path, model_folder(), reward_folder, updates=5000, eval_every=1000)
    words = [word for word in flags(config) if word not in ("--executor", "thread")]
    code, out, err = run_cli(capfd, *words, "--detach", "--json")
    assert code == 0, err
    run = json.loads(out)["run"]
    wait_until(store, run, lambda run: run.step >= 1)
    _, out, _ = run_cli(capfd, "runs", "--json")
    pid = json.loads(out)[0]["pid"]
    assert pid not in (None, os.getpid())
    code, _, _ = run_cli(capfd, "stop", run)
    assert code == 0
    assert wait_until(store, run, lambda run: run.status == "stopped").step >= 1
    background_supervisor._children.pop().wait(timeout=60)


@pytest.mark.parametrize("what", ["run", "sweep"])
def test_who_stops_following_leaves_what_others_queued_to_a_supervisor(store, monkeypatch, what):
    """Their `--detach` started none, because whoever followed supervised."""
    monkeypatch.setenv("DRPO_CPU_SLOTS", "1")
    followed, busy, waiting = (
        store.runs.create(RunConfig.of(data="nowhere.jsonl", policy="p", device="cpu"))
        for _ in range(3)
    )
    store.runs.change(followed.id, status="stopped")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as taken:
        store.runs.change(
            busy.id,
            status="running",
            pid=taken.pid,
            device="cpu",
            host=processes.hostname(),
            pid_started=processes.start_time(taken.pid),
            heartbeat_at=time.time(),
        )
        if what == "run":
            training.follow(store, followed.id)
        else:
            base = RunConfig.of(data="x", policy="y")
            plan = SweepPlan.of(base, axes=(Axis(name="kl_coef", values=(0.1,)),))
            ended = create(store, plan)
            store.sweeps.change(ended, status="stopped")
            sweep_cli._follow(store, ended)
        assert store.runs.get(waiting.id).status == "queued"
        taken.communicate(b"\n")
    deadline = time.monotonic() + 60
    while store.runs.get(waiting.id).pid is None:
        assert time.monotonic() < deadline, "nobody started it"
        time.sleep(0.1)
    assert control.kill(store, waiting.id)
    background_supervisor._children.pop().wait(timeout=60)


@pytest.mark.slow
def test_ctrl_c_asks_a_followed_run_to_save_and_stop(store, tmp_path, model_folder, reward_folder):
    config = small_config(tmp_path, model_folder(), reward_folder, updates=5000, eval_every=1000)
    words = [sys.executable, "-m", "drpo", *flags(config), "--json"]
    command = subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A job in the background of a script is started deaf to Ctrl-C, and its children are too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while not (runs := store.runs.all()):
        assert command.poll() is None, command.stderr.read()
        time.sleep(0.2)
    wait_until(store, runs[0].id, lambda run: run.step >= 1)
    command.send_signal(signal.SIGINT)
    out, err = command.communicate(timeout=1800)
    assert command.returncode == 130, err
    document = json.loads(out)
    assert document["status"] == "stopped"
    assert document["updates"] >= 1


def test_an_interrupted_command_ends_with_130_and_one_document(store):
    run = store.runs.create(RunConfig.of(data="x", policy="y"))
    store.runs.change(run.id, status="running")
    command = subprocess.Popen(
        [sys.executable, "-m", "drpo", "stop", run.id, "--kill-after", "600", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while not store.commands.pending(run.id):
        assert command.poll() is None, command.stderr.read()
        time.sleep(0.05)
    command.send_signal(signal.SIGINT)
    out, err = command.communicate(timeout=60)
    assert command.returncode == 130, err
    assert json.loads(out) == {"error": "Interrupted."}
