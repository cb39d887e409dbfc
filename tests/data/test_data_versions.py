"""Saved versions: cleaned as asked, whole or not there, found again, never a path from a name."""

import csv
import gzip
import io
import json
from pathlib import Path

import pytest

from drpo.cli import main
from drpo.config.run_config import RunConfig
from drpo.data import Pair, load_demonstrations, load_pairs
from drpo.data.io.source import Source
from drpo.data.library.cleaning import Recipe, fix
from drpo.data.library.export import export_version, neutral
from drpo.data.library.stream_import import import_stream
from drpo.data.library.versions import (
    compare_versions,
    delete_version,
    find_version,
    load_version,
    path_of,
    restore_version,
    save_version,
)
from drpo.data.pairset import content_hash
from drpo.data.quality.report import Settings, check_source
from drpo.data.run_data import load_run_data
from drpo.errors import DataError
from drpo.store import Store

PAIRS = [Pair(f"prompt {n}:", f" good {n}", f" bad {n}", row=n + 1) for n in range(6)]


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("DRPO_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DRPO_DATABASE_URL", raising=False)
    return tmp_path / "home"


@pytest.fixture
def store(home):  # noqa: ARG001 - the workspace must be another first
    opened = Store()
    yield opened
    opened.close()


def jsonl(pairs: list[Pair]) -> bytes:
    rows = [{"prompt": p.prompt, "chosen": p.chosen, "rejected": p.rejected} for p in pairs]
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def checked(pairs: list[Pair]):
    return check_source(Source.from_bytes(jsonl(pairs), name="f.jsonl"), Settings())[0]


def test_a_version_is_read_back_as_it_was_saved(store):
    gold = Pair("p:", " c", " r", {"who": "cat"}, 2.0, 1.0, 7, 0.5)
    version = save_version(store, [*PAIRS, gold], "my set", source="up.jsonl")
    loaded = load_version(version)
    assert loaded.pairs == [*PAIRS, gold]
    assert loaded.content_hash == version.content_hash == content_hash([*PAIRS, gold])
    assert (version.version, version.rows, version.source) == (1, 7, "up.jsonl")


def test_a_saved_name_is_loaded_by_name_number_and_id(store):
    first = save_version(store, PAIRS[:2], "set")
    second = save_version(store, PAIRS[:3], "set")
    assert second.version == 2
    assert [len(load_pairs(name, store=store)) for name in ("set", "set:1", first.id)] == [3, 2, 2]


def test_the_gold_sidecar_travels_with_the_version(store, tmp_path):
    sidecar = tmp_path / "x.gold.json"
    sidecar.write_text('{"kind": "facts"}')
    version = save_version(store, PAIRS, "with gold", gold=sidecar)
    found = load_pairs("with gold", store=store)
    assert found.gold is not None
    assert found.gold.read_text() == '{"kind": "facts"}'
    assert found.gold.parent == path_of(version).parent


def test_equal_pairs_make_equal_bytes(store):
    first, second = (save_version(store, PAIRS, name) for name in ("a", "b"))
    assert path_of(first).read_bytes() == path_of(second).read_bytes()


@pytest.mark.parametrize("name", ["", "  ", "x" * 200, "bad\x00name"])
def test_names_that_cannot_be_shown_are_refused(store, name):
    with pytest.raises(DataError, match="printable"):
        save_version(store, PAIRS, name)


def test_a_hostile_name_stays_text(store, home):
    version = save_version(store, PAIRS, "../../etc/passwd; <b>", source="../x")
    assert home / "datasets" in path_of(version).parents
    assert sorted(p.name for p in (home / "datasets").iterdir()) == [version.id]


def test_a_failed_save_leaves_nothing_behind(store, home):
    def broken():
        yield PAIRS[0]
        raise DataError("broken half-way")

    with pytest.raises(DataError, match="half-way"):
        save_version(store, broken(), "half")
    with pytest.raises(DataError, match="nothing to save"):
        save_version(store, [], "none")
    assert list((home / "datasets").iterdir()) == []
    assert store.datasets.all() == []


def test_a_version_whose_file_was_changed_or_lost_is_refused(store):
    version = save_version(store, PAIRS, "set")
    path_of(version).write_bytes(gzip.compress(jsonl(PAIRS[:1])))
    with pytest.raises(DataError, match="was changed"):
        load_version(version)
    path_of(version).unlink()
    with pytest.raises(DataError, match="missing or damaged"):
        load_version(version)


def test_a_version_in_use_is_not_deleted_and_an_unused_one_is(store):
    version = save_version(store, PAIRS, "set")
    runs = [store.runs.create(RunConfig.of(data=name, policy="p")) for name in ("set", "set:1")]
    newer = save_version(store, PAIRS[:3], "set")
    for run in runs:  # by name it meant the version that was newest when it began
        with pytest.raises(DataError, match="is used by"):
            delete_version(store, "set:1")
        assert path_of(version).exists()
        store.runs.remove(run.id)
    delete_version(store, "set:1")
    delete_version(store, newer.id)
    assert find_version(store, "set:1") is None
    assert find_version(store, "set") is None


@pytest.mark.parametrize("leaf", ["data", "heldout", "demonstrations"])
def test_a_run_keeps_to_the_version_that_was_the_newest_when_it_was_queued(store, leaf):
    save_version(store, PAIRS, "mine")
    config = RunConfig.of(**{"data": "no such set", "policy": "p", leaf: "mine"})
    run = store.runs.create(config)
    assert run.config["data"][leaf] == "mine:1"
    save_version(store, PAIRS[:3], "mine")
    assert store.runs.create(config).config["data"][leaf] == "mine:2"
    # A run like the first one takes the first one's version, not the newest.
    like = RunConfig.from_nested(run.config)
    assert store.runs.create(like).config["data"][leaf] == "mine:1"


def test_a_run_that_goes_on_learns_from_the_pairs_it_began_with(store):
    save_version(store, PAIRS, "mine")
    config = RunConfig.of(data="mine", policy="p", heldout_fraction=0.4)
    run = store.runs.create(config)
    before = load_run_data(RunConfig.from_nested(run.config), store)
    save_version(store, [*PAIRS[2:], *(Pair(f"new {n}:", " a", " b") for n in range(8))], "mine")
    again = load_run_data(RunConfig.from_nested(store.runs.get(run.id).config), store)
    assert again == before
    assert load_run_data(config, store) != before


def test_ids_files_and_hub_names_are_queued_as_they_were_given(store, tmp_path):
    by_id = save_version(store, PAIRS, "mine")
    save_version(store, PAIRS, "mine:1")  # the first set's version is found before this one
    for name in (by_id.id, "mine:1", str(tmp_path / "f.jsonl"), "owner/name"):
        run = store.runs.create(RunConfig.of(data=name, policy="p"))
        assert run.config["data"]["data"] == name
    assert find_version(store, "mine:1").id == by_id.id


def test_a_saved_set_is_preferred_to_a_file_of_its_name_also_as_demonstrations(
    store, tmp_path, monkeypatch
):
    (tmp_path / "mine").write_bytes(jsonl([Pair("p", " from the file", " x")]))
    monkeypatch.chdir(tmp_path)
    save_version(store, PAIRS, "mine")
    assert load_demonstrations("mine", store=store) == PAIRS
    assert load_pairs("mine", store=store).pairs == PAIRS
    assert load_demonstrations("mine")[0].chosen == " from the file"


@pytest.mark.parametrize("name", ["x" * 300, "~nobody-of-this-name/f.jsonl", "a" * 5_000])
@pytest.mark.parametrize("load", [load_pairs, load_demonstrations])
def test_a_name_that_can_be_no_path_is_refused_like_any_unknown_one(store, load, name):
    with pytest.raises(DataError, match="neither a saved data set, nor a file here") as told:
        load(name, store=store)
    assert len(str(told.value)) < 400


def test_versions_are_compared_pair_by_pair(store):
    first = save_version(store, PAIRS[:4], "a")
    swapped = Pair(PAIRS[0].prompt, PAIRS[0].rejected, PAIRS[0].chosen)
    second = save_version(store, [swapped, *PAIRS[1:3], PAIRS[5]], "b")
    found = compare_versions(first, second)
    assert [found[k] for k in ("shared_pairs", "only_first", "only_second", "swapped_pairs")] == [
        2,
        2,
        2,
        1,
    ]
    assert found["shared_prompts"] == 3


def test_cleaning_leaves_out_what_was_asked_and_writes_it_down():
    noisy = [
        *PAIRS,
        PAIRS[0],
        Pair("talk:", " Human: me", " ok"),
        Pair(PAIRS[1].prompt, PAIRS[1].rejected, PAIRS[1].chosen),
    ]
    loaded = checked(noisy)
    fixed, account = fix(loaded, Recipe(("role_label",), "drop", "exact"))
    assert [pair.row for pair in fixed.pairs] == [1, 3, 4, 5, 6]
    assert account["left_out"] == {"role_label": 1, "conflict": 2, "duplicate": 1}
    assert len(loaded.pairs) == 9, "the upload's own pairs must not change"


def test_a_conflict_may_go_to_the_majority():
    swapped = Pair(PAIRS[0].prompt, PAIRS[0].rejected, PAIRS[0].chosen)
    fixed, _ = fix(checked([PAIRS[0], PAIRS[0], swapped, PAIRS[1]]), Recipe((), "majority"))
    assert [pair.row for pair in fixed.pairs] == [1, 2, 4]
    even, _ = fix(checked([PAIRS[0], swapped, PAIRS[1]]), Recipe((), "majority"))
    assert [pair.row for pair in even.pairs] == [3]


def test_a_recipe_that_makes_no_sense_or_leaves_nothing_is_refused():
    with pytest.raises(DataError, match="--exclude"):
        fix(checked(PAIRS), Recipe(("duplicate",)))
    with pytest.raises(DataError, match="Nothing of"):
        fix(checked([Pair("t:", " Human: x", " y")]), Recipe(("role_label",)))


def test_a_stream_saves_the_same_pairs_as_reading_the_whole(store):
    content = jsonl([*PAIRS, PAIRS[2], Pair("p", "", "x")])
    source = Source.from_bytes(content, name="big.jsonl")
    version = import_stream(store, source, "streamed")
    assert version.rows == 6
    assert version.recipe["left_out"] == {"duplicate": 1}
    assert version.recipe["never_usable"] == {"empty_answer": 1}
    assert version.content_hash == content_hash(PAIRS)


@pytest.mark.parametrize("form", ["jsonl", "parquet", "csv"])
def test_an_export_can_be_imported_again(store, tmp_path, form):
    pairs = [*PAIRS, Pair('p, "q":', " line\nbreak", " 東京", {"who": "cat"}, 2.0, 1.0, 9)]
    version = save_version(store, pairs, "set")
    path = tmp_path / f"x.{form}"
    path.write_bytes(export_version(version, form))
    again = load_pairs(str(path))
    assert again.content_hash == version.content_hash
    assert again.pairs[-1].facts == {"who": "cat"}
    assert again.pairs[-1].gold_chosen == 2.0


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\t=1", " =1", "\r=1"])
def test_formulas_are_neutralised_in_tables(cell):
    assert neutral(cell) == "'" + cell
    assert neutral("plain = 1") == "plain = 1"


def test_a_table_download_holds_no_formula(store):
    version = save_version(store, [Pair("=cmd()|x", " ok", "@bad")], "f")
    text = export_version(version, "csv").decode("utf-8-sig")
    [row] = csv.DictReader(io.StringIO(text))
    assert (row["prompt"], row["rejected"]) == ("'=cmd()|x", "'@bad")


def run_cli(capsys, *words: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as left:
        main(["data", *words])
    return int(left.value.code or 0), capsys.readouterr().out


@pytest.mark.usefixtures("home")
def test_the_check_commands_exit_code_says_usable_blocked_or_unreadable(tmp_path, capsys):
    good, bad, broken = (tmp_path / name for name in ("good.jsonl", "bad.jsonl", "broken.json"))
    good.write_bytes(jsonl(PAIRS))
    bad.write_bytes(jsonl([*PAIRS, Pair("", "x", "y")]))
    broken.write_bytes(b'[{"prompt": ')
    code, out = run_cli(capsys, "check", str(good), "--json", "--html", str(tmp_path / "r.html"))
    assert code == 0
    assert json.loads(out)["counts"]["pairs"] == 6
    assert (tmp_path / "r.html").is_file()
    code, out = run_cli(capsys, "check", str(bad), "--json")
    assert code == 1
    assert json.loads(out)["blockers"][0]["rows"] == [7]
    code, out = run_cli(capsys, "check", str(broken), "--json")
    assert code == 2
    assert json.loads(out)["kind"] == "unreadable"


@pytest.mark.usefixtures("home")
def test_an_ambiguous_file_is_settled_by_a_mapping_on_the_command_line(tmp_path, capsys):
    path = tmp_path / "x.jsonl"
    row = {"prompt": "p", "answer_a": "x", "answer_b": "y", "label": 1}
    path.write_text(json.dumps(row) + "\n" + json.dumps({**row, "label": 0}) + "\n")
    code, out = run_cli(capsys, "check", str(path), "--json")
    assert (code, json.loads(out)["kind"]) == (2, "ambiguous")
    code, out = run_cli(capsys, "check", str(path), "--json", "--map", "first_is=1,second_is=0")
    assert code == 0


def test_import_list_compare_export_and_delete_from_the_command_line(store, tmp_path, capsys):
    path = tmp_path / "x.jsonl"
    path.write_bytes(jsonl([*PAIRS, PAIRS[0]]))
    code, out = run_cli(capsys, "import", str(path), "set", "--json")
    assert (code, json.loads(out)["rows"]) == (0, 6)
    report = find_version(store, "set").report
    assert (report["counts"]["pairs"], report["duplicates"]["exact"]) == (6, 0)
    run_cli(capsys, "import", str(path), "set", "--deduplicate", "keep")
    code, out = run_cli(capsys, "list", "--json")
    assert [(v["name"], v["version"], v["rows"]) for v in json.loads(out)] == [
        ("set", 2, 7),
        ("set", 1, 6),
    ]
    code, out = run_cli(capsys, "compare", "set:1", "set:2", "--json")
    assert json.loads(out)["shared_pairs"] == 6
    assert run_cli(capsys, "export", "set:1", str(tmp_path / "out.parquet"))[0] == 0
    assert len(load_pairs(str(tmp_path / "out.parquet"))) == 6
    assert run_cli(capsys, "delete", "set:1")[0] == 0
    assert run_cli(capsys, "delete", "set:1")[0] == 1


def test_a_name_that_is_nothing_here_says_where_to_look(store):
    with pytest.raises(DataError, match="neither a saved data set, nor a file here"):
        load_pairs("nothing-of-the-kind.jsonl", store=store)


def test_a_hub_name_without_a_network_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match="could not be loaded from the Hugging Face Hub"):
        load_pairs("nobody/nothing")


def test_files_are_read_from_a_path_with_their_sidecar(tmp_path: Path):
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(jsonl(PAIRS))
    sidecar = tmp_path / "pairs.jsonl.gold.json"
    sidecar.write_text("{}")
    found = load_pairs(str(path))
    assert (found.path, found.gold) == (path, sidecar)


def test_a_deleted_version_comes_back_for_thirty_days(store, monkeypatch):
    version = save_version(store, PAIRS, "set")
    delete_version(store, "set")
    assert store.datasets.all() == []
    assert path_of(version).is_file()
    with pytest.raises(DataError, match="neither a saved data set"):
        load_pairs("set", store=store)
    assert restore_version(store, "set:1").id == version.id
    assert load_pairs("set", store=store).pairs == PAIRS
    delete_version(store, "set")
    store.datasets.restore(version.id)
    monkeypatch.setattr("drpo.data.library.versions.DELETED_SECONDS", -1)
    delete_version(store, "set")
    assert store.datasets.all(deleted=True) == []
    assert not path_of(version).exists()
    with pytest.raises(DataError, match="kept for 30 days"):
        restore_version(store, "set")
