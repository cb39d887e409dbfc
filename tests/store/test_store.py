"""The store keeps what it was given, for several processes at once."""

import math
import os
import subprocess
import sys
import threading

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError

from drpo.config.run_config import RunConfig
from drpo.errors import DataError, RunError
from drpo.store import Store, run_folder
from drpo.store.schema import VERSION, Base, Dataset, Vote
from drpo.types import Sample


def config(**values):
    return RunConfig.of(**{"data": "pairs.jsonl", "policy": "model", **values})


def sample(step, **values):
    return Sample(
        step=step, kind="heldout", item=0, start="prompt", prompt="p", response="r", **values
    )


def test_a_run_comes_back_as_it_was_created(store):
    run = store.runs.create(config(name="My run", kl_coef=0.3), story="brake:1")
    again = store.runs.get(run.id)
    assert again.status == "queued"
    assert again.story == "brake:1"
    assert RunConfig.from_nested(again.config) == config(name="My run", kl_coef=0.3)
    assert again.id.startswith("my-run-")


def test_hostile_names_never_leave_the_runs_folder(store):
    run = store.runs.create(config(name="../../etc/<b>passwd"))
    assert run_folder(run.id).parent.name == "runs"
    assert run.name == "../../etc/<b>passwd"


def test_an_unknown_run_is_named_in_the_error(store):
    with pytest.raises(RunError, match="'nothing'"):
        store.runs.get("nothing")
    with pytest.raises(RunError, match="'nothing'"):
        store.runs.change("nothing", step=1)


def test_find_takes_a_unique_beginning_and_refuses_an_ambiguous_one(store):
    first = store.runs.create(config(name="alpha"))
    store.runs.create(config(name="beta"))
    second = store.runs.create(config(name="alphabet"))
    assert store.runs.find(first.id).id == first.id
    assert store.runs.find("bet").name == "beta"
    assert store.runs.find(second.id[:8]).id == second.id
    with pytest.raises(RunError, match="2 runs begin with 'alp'"):
        store.runs.find("alp")


def test_find_takes_percent_signs_literally(store):
    store.runs.create(config(name="alpha"))
    with pytest.raises(RunError, match="No run '%'"):
        store.runs.find("%")


def test_exactly_one_of_many_takers_gets_a_queued_run(store):
    run = store.runs.create(config())
    taken = []

    def take():
        if store.runs.move(run.id, from_statuses=["queued"], to="running"):
            taken.append(threading.get_ident())

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 1


def test_a_status_outside_the_list_is_refused(store):
    run = store.runs.create(config())
    with pytest.raises(RunError, match="'done'"):
        store.runs.change(run.id, status="done")


def test_metrics_are_read_by_cursor_and_only_what_is_new(store):
    run = store.runs.create(config())
    store.metrics.append(run.id, 1, {"a": 1.0, "b": 2.0})
    first = store.metrics.since(run.id)
    store.metrics.append(run.id, 2, {"a": 3.0})
    later = store.metrics.since(run.id, int(first["id"].iloc[-1]))
    assert list(first["name"]) == ["a", "b"]
    assert later[["step", "name", "value"]].to_numpy().tolist() == [[2, "a", 3.0]]


def test_values_that_are_not_finite_leave_no_row(store):
    run = store.runs.create(config())
    store.metrics.append(run.id, 1, {"nan": math.nan, "inf": math.inf, "fine": 1.0})
    assert store.metrics.names(run.id) == ["fine"]


def test_rewinding_forgets_later_rows_and_keeps_stage_curves(store):
    run = store.runs.create(config())
    for step in (0, 5, 10):
        store.metrics.append(run.id, step, {"objective/kl": 1.0})
        store.samples.append(run.id, [sample(step)])
        store.events.add(run.id, step, "setting", "changed")
        store.events.add(run.id, step, "note", "written by a person")
    store.metrics.append(run.id, 400, {"rm/loss": 0.5})
    store.metrics.truncate(run.id, after_step=5)
    store.samples.truncate(run.id, after_step=5)
    store.events.truncate(run.id, after_step=5, kinds=("setting",))
    frame = store.metrics.since(run.id)
    assert list(frame["step"]) == [0, 5, 400]
    assert store.samples.steps(run.id) == [0, 5]
    assert [event.step for event in store.events.since(run.id, kinds=("setting",))] == [0, 5]
    assert len(store.events.since(run.id, kinds=("note",))) == 3


def test_samples_keep_every_field(store):
    run = store.runs.create(config())
    given = sample(3, prefix="日本", offline="日本語です", score=1.5, gold=None, weights="abc")
    store.samples.append(run.id, [given])
    row = store.samples.at(run.id, 3)[0]
    for name in Sample.__dataclass_fields__:
        assert getattr(row, name) == getattr(given, name), name


def test_no_character_that_a_model_wrote_costs_an_answer(store):
    run = store.runs.create(config())
    store.samples.append(run.id, [sample(3, prefix="a\0b"), sample(3, prefix_pieces=["\0"])])
    store.events.add(run.id, 3, "note", "\0 was written", {"by": "\0"})
    first, second = store.samples.at(run.id, 3)
    # PostgreSQL has no such character and takes another in its place.
    assert first.prefix in ("a\0b", "a\ufffdb")
    assert second.prefix_pieces == ["\0"]
    assert store.events.since(run.id)[0].payload == {"by": "\0"}


def test_a_command_is_pending_until_it_is_done(store):
    run = store.runs.create(config())
    first = store.commands.add(run.id, "set", {"kl_coef": 0.2}, "ann")
    store.commands.add(run.id, "stop")
    assert [command.kind for command in store.commands.pending(run.id)] == ["set", "stop"]
    store.commands.done([first])
    assert [command.kind for command in store.commands.pending(run.id)] == ["stop"]


def test_removing_a_run_removes_all_that_hangs_on_it(store):
    run = store.runs.create(config())
    store.metrics.append(run.id, 1, {"a": 1.0})
    store.samples.append(run.id, [sample(1)])
    store.events.add(run.id, 1, "note", "x")
    store.commands.add(run.id, "stop")
    store.runs.remove(run.id)
    assert store.metrics.since(run.id).empty
    assert store.samples.steps(run.id) == []
    assert store.events.since(run.id) == []
    assert store.commands.pending(run.id) == []


def test_a_data_set_that_a_run_used_cannot_be_removed(store):
    store.datasets.add(
        Dataset(id="d1", name="pairs", version=1, path="x", content_hash="h", rows=1)
    )
    store.runs.create(config(data="pairs"))
    with pytest.raises(DataError, match="is used by"):
        store.datasets.hide("d1")


def test_versions_count_up_from_one(store):
    assert store.datasets.next_version("pairs") == 1
    store.datasets.add(
        Dataset(id="d1", name="pairs", version=1, path="x", content_hash="h", rows=1)
    )
    assert store.datasets.next_version("pairs") == 2


def test_an_undone_vote_no_longer_counts_but_stays(store):
    vote = store.votes.add(Vote(review_id="r", reviewer="ann", item="1", choice="first"))
    store.votes.undo(vote)
    assert store.votes.all("r") == []


def test_documents_are_overwritten_by_key(store):
    store.documents.put("note", "a", {"x": 1})
    store.documents.put("note", "a", {"x": 2})
    assert store.documents.get("note", "a") == {"x": 2}
    assert store.documents.get("note", "b") is None


def test_two_processes_write_at_once_and_nothing_is_lost(store):
    run = store.runs.create(config())
    script = (
        "import sys\n"
        "from drpo.store import Store\n"
        "store = Store(sys.argv[1])\n"
        "for step in range(100):\n"
        "    store.metrics.append(sys.argv[2], step, {sys.argv[3]: float(step)})\n"
        "    store.runs.heartbeat(sys.argv[2])\n"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", script, store.url, run.id, name])
        for name in ("a", "b")
    ]
    for writer in writers:
        assert writer.wait(timeout=120) == 0
    frame = store.metrics.since(run.id)
    assert sorted(frame.groupby("name").size().to_dict().items()) == [("a", 100), ("b", 100)]


def test_reading_the_store_loads_neither_pandas_nor_torch():
    script = (
        "import sys, drpo.store, drpo.runs.supervisor, drpo.system.control\n"
        "print(*[name for name in ('torch', 'pandas', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


def test_a_store_of_an_earlier_version_is_brought_up_to_date(tmp_path):
    url = f"sqlite:///{tmp_path / 'old.sqlite'}"
    old = Store(url)
    run = old.runs.create(RunConfig.of(data="d", policy="p"))
    with old.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE runs DROP COLUMN pinned")
        connection.exec_driver_sql("ALTER TABLE runs DROP COLUMN finished_at")
        connection.exec_driver_sql("DROP TABLE votes")
    old.close()

    new = Store(url)

    assert new.runs.get(run.id).pinned is False
    assert new.runs.get(run.id).finished_at is None
    assert new.votes.all("any") == []
    new.close()


def test_a_fresh_store_opens_while_another_process_makes_its_tables(store):
    Base.metadata.drop_all(store.engine)
    made = []

    def be_first(_metadata, _connection, *, tables, **_):
        tables[0].create(store.engine)
        made.append(tables[0])

    event.listen(Base.metadata, "before_create", be_first)
    try:
        fresh = Store(store.url)
    finally:
        event.remove(Base.metadata, "before_create", be_first)
    assert len(made) == len(Base.metadata.sorted_tables)
    assert fresh.runs.all() == []
    fresh.close()


def test_an_old_store_opens_while_another_process_adds_its_column(store):
    alter = "ALTER TABLE runs {} COLUMN pinned"
    with store.engine.begin() as connection:
        connection.exec_driver_sql(alter.format("DROP"))
    added = []

    def be_first(_connection, _cursor, statement, *_):
        if statement.startswith(alter.format("ADD")) and not added:
            added.append(statement)
            with store.engine.begin() as connection:
                connection.exec_driver_sql(statement)

    event.listen(Engine, "before_cursor_execute", be_first)
    try:
        fresh = Store(store.url)
    finally:
        event.remove(Engine, "before_cursor_execute", be_first)
    assert len(added) == 1
    assert fresh.runs.all() == []
    fresh.close()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "'nonsense' cannot be opened"),
        ("sqlite:////no/such/folder/drpo.sqlite", "unable to open database file"),
        ("postgresql://drpo:secret@127.0.0.1:1/drpo", "DRPO_DATABASE_URL"),
        ("oracle+cx_oracle://drpo@there/drpo", "needs the Python package cx_Oracle"),
    ],
)
def test_a_database_that_cannot_be_opened_is_a_sentence_without_its_password(url, said):
    with pytest.raises(RunError) as told:
        Store(url)
    assert said in str(told.value)
    assert "secret" not in str(told.value)
    assert "\n" not in str(told.value)


def test_a_workspace_that_is_a_file_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.delenv("DRPO_DATABASE_URL", raising=False)
    monkeypatch.setenv("DRPO_HOME", str(tmp_path / "notes.txt"))
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match=r"notes\.txt is a file; expected a folder"):
        Store()
    monkeypatch.setenv("DRPO_HOME", str(tmp_path / "notes.txt" / "below"))
    with pytest.raises(RunError, match="cannot be made"):
        Store()


def test_a_store_of_a_newer_version_is_left_alone(tmp_path):
    url = f"sqlite:///{tmp_path / 'new.sqlite'}"
    made = Store(url)
    made.documents.put("store", "schema", {"version": VERSION + 1})
    made.close()
    with pytest.raises(RunError, match=r"made by a newer version .* update drpo"):
        Store(url)


def test_a_column_whose_default_is_made_anew_each_time_is_added(tmp_path):
    url = f"sqlite:///{tmp_path / 'old.sqlite'}"
    old = Store(url)
    run = old.runs.create(RunConfig.of(data="d", policy="p"))
    with old.engine.begin() as connection:
        for column in ("tags", "summary", "created_at"):
            connection.exec_driver_sql(f"ALTER TABLE runs DROP COLUMN {column}")
    old.close()
    new = Store(url)
    found = new.runs.get(run.id)
    assert (found.tags, found.summary) == ([], {})
    assert found.created_at > 0
    new.close()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounts a file system")
def test_a_workspace_on_a_read_only_disk_can_be_looked_at(tmp_path, monkeypatch):
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("may not mount")
    try:
        monkeypatch.setenv("DRPO_HOME", str(tmp_path / "home"))
        monkeypatch.delenv("DRPO_DATABASE_URL", raising=False)
        made = Store()
        run = made.runs.create(RunConfig.of(data="d", policy="p"))
        made.close()
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path)], check=True)
        looked = Store()
        assert looked.read_only
        assert [one.id for one in looked.runs.all()] == [run.id]
        looked.close()
        monkeypatch.setenv("DRPO_HOME", str(tmp_path / "none yet"))
        with pytest.raises(RunError, match="cannot be made"):
            Store()
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=False)


def test_rows_of_the_audit_list_are_never_changed(store):
    store.audit.add("ann@lab.example", "admin", "stop", "run-1", "done")
    for verb in ("update audit set who = ''", "delete from audit"):
        with pytest.raises(DBAPIError, match="never changed"), store.engine.begin() as connection:
            connection.exec_driver_sql(verb)
    assert [(row.who, row.what) for row in store.audit.all()] == [("ann@lab.example", "run-1")]
    assert store.audit.things("ann@lab.example", ("stop",)) == {"run-1"}
