"""Data that break expectations: refused, warned of, compared with what was accepted before."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from src.data.profile import Profile
from src.errors import UserError
from src.pipeline import execute as module
from src.pipeline.code import Reached
from src.pipeline.execute import Context, execute
from src.pipeline.step import all_steps
from steps.ingest import ENTRY
from tests.fakes import FakeStore, copy_project, made_up_entries, run_steps, tracking, write_csv


class Code:
    """Reads code that a test may change."""

    word = "a"

    def reach(self, starts: list[str]) -> Reached:
        return Reached({"steps/ingest.py": self.word}, frozenset())


@pytest.fixture
def code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Code]:
    found = Code()
    monkeypatch.setattr(module, "project_reader", lambda: found)
    for name in ("log_metrics", "log_table"):
        monkeypatch.setattr(Context, name, lambda *words: None)
    # Whoever is to be forgotten is looked up in the caller's store: not in one that is gone.
    with tracking(f"sqlite:///{tmp_path / 'mlflow.db'}"):
        yield found


def rows(n: int = 400, seed: int = 0, **changed: str) -> list[dict[str, str]]:
    return [row | changed for row in made_up_entries(n, seed)]


def go(store: FakeStore, path: Path, given: list[dict[str, str]] | None, **typed: str) -> Any:
    if given is not None:
        write_csv(path, given)
    words = {"source": str(path), **typed}
    return execute(ENTRY, words, all_steps(), store, lambda text: None)  # type: ignore[arg-type]


def refused(found: Any) -> str:
    """Give what a refusal says; empty where the data were accepted."""
    sealed, _ = found
    assert sealed.details.get("refused", False) == ("stopped: " in sealed.details["summary"])
    return str(sealed.details["summary"]) if sealed.details.get("refused") else ""


@pytest.mark.unit
def test_good_data_are_accepted_with_their_profile(
    store: FakeStore, code: Code, tmp_path: Path
) -> None:
    sealed, _ = go(store, tmp_path / "j.csv", rows())
    assert "refused" not in sealed.details
    assert set(sealed.outputs) == {"entries", "profile.json"}
    found = Profile.read(Path(store.download(sealed.outputs["profile.json"].uri)))
    assert found is not None
    assert found.entries == 400
    assert found.authors == 60


@pytest.mark.unit
def test_a_refusal_is_sealed_says_what_to_do_and_is_reused(
    store: FakeStore, code: Code, tmp_path: Path
) -> None:
    given = [row | ({"journal_text": ""} if n % 2 else {}) for n, row in enumerate(rows())]
    first = go(store, tmp_path / "j.csv", given)
    said = refused(first)
    assert "empty_texts: 50 % of rows have no text (surely over" in said
    assert "expected at most 10 %" in said
    assert said.endswith("Put the source right, or go on all the same: -P expectations=warn")
    again = go(store, tmp_path / "j.csv", None)
    assert again[1]
    assert again[0].run_id == first[0].run_id
    assert set(first[0].outputs) == {"entries", "profile.json"}  # there to look at


@pytest.mark.unit
def test_nothing_reads_what_was_refused_but_by_its_name(
    store: FakeStore, code: Code, tmp_path: Path
) -> None:
    sealed, _ = go(store, tmp_path / "j.csv", rows(sentiment="positive"))
    steps = all_steps()
    typed = {"source": str(tmp_path / "j.csv")}
    with pytest.raises(UserError, match="ingest refused what split would read") as caught:
        execute(steps["split"], typed, steps, store, lambda text: None)  # type: ignore[arg-type]
    assert "largest_label" in caught.value.message
    uri = sealed.outputs["entries"].uri
    assert uri in caught.value.hint
    named = module.find_inputs(steps["split"], {"entries": uri}, steps, store)  # type: ignore[arg-type]
    assert named["entries"].uri == uri


@pytest.mark.unit
@pytest.mark.parametrize("word", ["warn", "off", "limits.toml"])
def test_a_person_may_go_on_all_the_same(
    store: FakeStore, code: Code, tmp_path: Path, word: str
) -> None:
    path = tmp_path / "j.csv"
    assert refused(go(store, path, rows(sentiment="positive")))
    if word == "limits.toml":
        word = str(tmp_path / word)
        Path(word).write_text('largest_label = "off"\n')
    sealed, reused = go(store, path, None, expectations=word)
    assert not reused
    assert not refused((sealed, False))
    warned = "; warning: 1 expectation of the data broken: largest_label: 100 %"
    assert (warned in sealed.details["summary"]) == (word == "warn")
    assert sealed.details.get("broken", []) == (["largest_label"] if word == "warn" else [])


@pytest.mark.unit
def test_a_cut_export_is_refused_by_what_was_accepted_before(
    store: FakeStore, code: Code, tmp_path: Path
) -> None:
    path = tmp_path / "j.csv"
    first, _ = go(store, path, rows())
    cut = go(store, path, rows()[:40])
    assert f"0.1 times as many rows as in run {first.run_id[:8]}" in refused(cut)
    assert not refused(go(store, tmp_path / "other.csv", rows()[:40])), "another source"
    assert not refused(go(store, path, rows(300, seed=1)))
    assert not refused(go(store, path, rows(160, seed=2))), "the newest accepted is compared with"


@pytest.mark.unit
def test_what_was_refused_is_no_measure_and_what_was_warned_of_is(
    store: FakeStore, code: Code, tmp_path: Path
) -> None:
    path, cut = tmp_path / "j.csv", rows()[:40]
    go(store, path, rows())
    assert refused(go(store, path, cut))
    assert refused(go(store, path, cut[:39]))
    assert not refused(go(store, path, cut, expectations="warn"))
    assert not refused(go(store, path, cut[:39], force="true"))


@pytest.mark.unit
def test_what_came_after_does_not_make_a_result_run_again(
    store: FakeStore, code: Code, tmp_path: Path
) -> None:
    path = tmp_path / "j.csv"
    contents = [rows(), rows(500, seed=1), rows(600, seed=2)]
    made = [go(store, path, given)[0].run_id for given in contents]
    for given, run_id in zip(contents, made, strict=True):
        sealed, reused = go(store, path, given)
        assert reused
        assert sealed.run_id == run_id


@pytest.mark.unit
def test_data_are_compared_across_versions_of_the_code_but_not_of_the_parameters(
    store: FakeStore, code: Code, tmp_path: Path
) -> None:
    path = tmp_path / "j.csv"
    go(store, path, rows())
    code.word = "b"
    assert refused(go(store, path, rows()[:40]))
    assert not refused(go(store, path, rows()[:40], labels="neutral=none"))


@pytest.mark.unit
def test_a_profile_of_an_older_format_is_passed_over(
    store: FakeStore, code: Code, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "j.csv"
    go(store, path, rows())
    monkeypatch.setattr("src.data.profile.FORMAT", 2)
    assert not refused(go(store, path, rows()[:40]))


@pytest.mark.unit
def test_no_text_is_said(store: FakeStore, code: Code, tmp_path: Path) -> None:
    draw, given = random.Random(0), rows()
    for row in given:
        row["journal_text"] = f"SECRET-{draw.random()}"
        row["user_id"] = f"SECRET-{row['user_id']}"
    sealed, _ = go(store, tmp_path / "j.csv", given)
    assert "wordless_texts" in refused((sealed, False))
    said = json.dumps([dict(tags) for tags in store.runs.values()])
    assert "SECRET" not in said
    profile = Path(store.download(sealed.outputs["profile.json"].uri)).read_text()
    assert "SECRET" not in profile


@pytest.mark.integration
@pytest.mark.slow
def test_a_refusal_ends_the_chain_until_a_person_says_otherwise(tmp_path: Path) -> None:
    project = copy_project(tmp_path)
    journal = write_csv(tmp_path / "journal.csv", rows(900))

    def main(step: str = "main", *words: str) -> Any:
        store = f"sqlite:///{tmp_path}/mlflow.db"
        until = ("-P", "until=split") if step == "main" else ()
        given = ("-P", f"source={journal}", *until, *words)
        return run_steps(project, step, *given, MLFLOW_TRACKING_URI=store)

    accepted = main()
    assert accepted.returncode == 0, accepted.stderr
    assert "Nothing to do" in main().stdout
    write_csv(journal, rows(900)[:90])
    stopped = main()
    assert stopped.returncode == 3, stopped.stderr
    assert "rows_against_last: there are 0.1 times as many rows as in run" in stopped.stdout
    assert stopped.stdout.endswith("Stopped: nothing is made from what ingest refused.\n")
    assert "split" not in stopped.stdout
    again = main()
    assert again.returncode == 3
    assert "reuse   run" in again.stdout
    assert "Stopped: " in again.stdout
    planned = main("plan")
    assert planned.stdout.endswith("Stopped: nothing is made from what ingest refused.\n")
    alone = main("split")
    assert alone.returncode == 2
    assert "ingest refused what split would read" in alone.stderr
    warned = main("main", "-P", "expectations=warn")
    assert warned.returncode == 0, warned.stderr
    assert "; warning: 1 expectation of the data broken: rows_against_last" in warned.stdout
    assert "split" in warned.stdout
    wrong = main("plan", "-P", "expectations=strikt")
    assert wrong.returncode == 2
    assert "Did you mean strict?" in wrong.stderr
