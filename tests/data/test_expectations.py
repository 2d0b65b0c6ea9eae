"""Expectations: what breaks them, what does not, and what is said."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.data import expectations
from src.data.expectations import Expectations, fingerprint, judge, read_expectations, verdict
from src.data.ingestion import ingest
from src.data.measured import Measured
from src.data.profile import Profile
from src.data.rules import RULES, Look, Rule
from src.data.sources.formats import FileParams
from src.errors import UserError

pytestmark = pytest.mark.unit

TODAY = date(2026, 5, 17)
NAMES = {rule.name: rule for rule in RULES}
N = 2_000
USUAL = Profile(
    rows=N,
    entries=N,
    authors=50,
    dropped={"empty text": 20, "duplicate text": 60},
    lengths={40: 400, 80: 800, 200: 800},
    wordless=20,
    labels={"negative": 500, "neutral": 500, "none": 100, "positive": 900},
    languages={"de": 50},
    months={"2026-04": 1_000, "2026-05": 900},
    scores={5.0: 1_900},
    without_author=100,
)
EMPTY = "empty text"


def broken(
    now: Profile, last: Profile | None = None, rules: tuple[Rule, ...] = RULES, **look: Any
) -> set[str]:
    found = judge(Look(now, last, TODAY, **look), rules)
    return {finding.rule.name for finding in found if finding.broken}


def test_usual_data_pass_with_and_without_earlier_ones() -> None:
    assert broken(USUAL) == set()
    assert broken(USUAL, USUAL, on_mood_scale=True) == set()
    measured = {found.rule.name for found in judge(Look(USUAL, USUAL, TODAY, True), RULES)}
    assert measured == set(NAMES)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("empty_texts", {"dropped": {EMPTY: 600}}),
        ("duplicate_texts", {"dropped": {"duplicate text": 1200}}),
        ("repeated_ids", {"dropped": {"repeated id": 400}}),
        ("unreadable_dates", {"unreadable": {"created_at": 1_000}}),
        ("unreadable_scores", {"unreadable": {"score": 1_000}}),
        ("future_dates", {"months": {"2026-05": 900, "2026-06": 100}}),
        ("future_dates", {"months": {"2026-05": 900, "9999-12": 100}}),
        ("ancient_dates", {"months": {"1899-12": 100, "1900-01": 900}}),
        ("ancient_dates", {"months": {"0001-01": 100, "1900-01": 900}}),
        ("median_length", {"lengths": {2: N}}),
        ("median_length", {"lengths": {30_000: N}}),
        ("long_texts", {"lengths": {100: 1_800, 60_000: 200}}),
        ("wordless_texts", {"wordless": N}),
        ("largest_label", {"labels": {"positive": N}}),
        ("scores_off_scale", {"off_scale": 200}),
        ("other_languages", {"dropped": {"other language": 1_800}}),
    ],
)
def test_what_is_wrong_breaks_its_rule_and_no_other(name: str, change: dict[str, Any]) -> None:
    assert broken(replace(USUAL, **change), on_mood_scale=True) == {name}


@pytest.mark.parametrize(
    ("name", "change"),
    [
        (
            "rows_against_last",
            {"rows": N // 10, "dropped": {"duplicate text": 6}, "languages": {"de": 5}},
        ),
        ("duplicates_against_last", {"dropped": {"duplicate text": 700}}),
        ("lengths_against_last", {"lengths": {40: 2_000}}),
        (
            "labels_against_last",
            {"labels": {"negative": 1_500, "neutral": 200, "none": 100, "positive": 200}},
        ),
        ("labels_against_last", {"labels": {"none": N}}),
        ("languages_against_last", {"languages": {"de": 800}}),
        ("authors_against_last", {"without_author": N}),
        ("dates_against_last", {"months": {}}),
    ],
)
def test_what_has_changed_breaks_its_rule_where_there_are_earlier_data(
    name: str, change: dict[str, Any]
) -> None:
    now = replace(USUAL, **change)
    assert broken(now) == set()
    assert broken(now, USUAL) == {name}


SHARES = [
    ("empty_texts", lambda n, k: replace(USUAL, rows=n, dropped={EMPTY: k})),
    ("duplicate_texts", lambda n, k: replace(USUAL, rows=n, dropped={"duplicate text": k})),
    ("repeated_ids", lambda n, k: replace(USUAL, rows=n, dropped={"repeated id": k})),
    ("wordless_texts", lambda n, k: replace(USUAL, entries=n, wordless=k)),
    ("long_texts", lambda n, k: replace(USUAL, entries=n, lengths={9: n - k, 90_000: k})),
    ("future_dates", lambda n, k: replace(USUAL, months={"2026-05": n - k, "2026-06": k})),
    ("ancient_dates", lambda n, k: replace(USUAL, months={"1900-01": n - k, "1899-12": k})),
    ("scores_off_scale", lambda n, k: replace(USUAL, scores={5.0: n}, off_scale=k)),
    ("largest_label", lambda n, k: replace(USUAL, labels={"neutral": k, "positive": n - k})),
    ("other_languages", lambda n, k: replace(USUAL, rows=n, dropped={"other language": k})),
]


@pytest.mark.parametrize(("name", "make"), SHARES)
def test_a_share_at_its_limit_holds_and_one_surely_above_does_not(name: str, make: Any) -> None:
    n, rule = 1_000_000, NAMES[name]
    assert rule.at_most is not None
    for extra, expected in ((0, set()), (0.001, set()), (0.004, {name})):
        count = round((rule.at_most + extra) * n)
        few = round((rule.at_most + extra) * 10)
        only = (rule,)
        if extra != 0.001:
            assert broken(make(n, count), rules=only, on_mood_scale=True) == expected
        assert broken(make(10, few), rules=only, on_mood_scale=True) == set()


@settings(max_examples=25)
@given(st.floats(0, 1), st.floats(0, 1), st.none() | st.floats(0, 1), st.none() | st.floats(0, 1))
def test_a_limit_is_broken_where_the_whole_interval_is_beyond_it(
    a: float, b: float, at_least: float | None, at_most: float | None
) -> None:
    low, high = sorted((a, b))
    rule = Rule("x", lambda look: Measured(low, low, high), "", "", at_least, at_most)
    (found,) = judge(Look(USUAL, None, TODAY), (rule,))
    under = at_least is not None and high < at_least
    over = at_most is not None and low > at_most
    assert bool(found.broken) == (under or over)


def test_ever_so_few_rows_pass() -> None:
    for n in range(1, 8):
        bad = Profile(
            rows=2 * n,
            entries=n,
            authors=1,
            dropped={EMPTY: n // 2, "duplicate text": n // 2},
            lengths={2: n},
            wordless=n,
            labels={"positive": n},
            months={"2030-01": 1},
        )
        last = Profile(2 * n, n, 2, lengths={80: n}, labels={"neutral": n}, without_author=n)
        assert broken(bad, last) == set()


def test_new_samples_of_the_same_data_pass() -> None:
    draw, alarms = random.Random(0), Counter[str]()

    def sampled() -> Profile:
        n = draw.choice((20, 200, 2_000))
        labels = Counter(draw.choices(("negative", "neutral", "positive"), (2, 3, 5), k=n))
        lengths = Counter(round(draw.lognormvariate(5, 0.8)) for _ in range(n))
        languages = sum(draw.random() < 0.05 for _ in range(n))
        twice = sum(draw.random() < 0.1 for _ in range(n))
        return Profile(
            rows=n + twice,
            entries=n,
            authors=9,
            dropped={"duplicate text": twice},
            lengths=lengths,
            labels=labels,
            languages={"de": languages},
            months={"2026-03": n},
            without_author=sum(draw.random() < 0.3 for _ in range(n)),
        )

    for _ in range(60):
        now, last = sampled(), sampled()
        few = now.rows < 0.6 * last.rows  # fewer rows are no noise here
        alarms.update(broken(now, None if few else last))
    assert not alarms


def test_what_is_not_there_is_not_measured() -> None:
    bare = Profile(rows=5, entries=5, authors=0, lengths={40: 5}, labels={"none": 5})
    names = {found.rule.name for found in judge(Look(bare, None, TODAY), RULES)}
    assert not names & {"largest_label", "future_dates", "scores_off_scale"}
    assert not {name for name in names if name.endswith("against_last")}


def test_a_verdict_names_the_rule_the_share_the_limit_and_where_to_look() -> None:
    found = judge(Look(replace(USUAL, dropped={EMPTY: 600}), None, TODAY), RULES)
    assert verdict(found, "") == (
        "1 expectation of the data broken: empty_texts: 30 % of rows have no text (surely over "
        "26.7 %; expected at most 10 %). Is -P text_column the column of texts?"
    )
    labels = {"negative": 1_900, "positive": 100}
    drifted = replace(USUAL, labels=labels, rows=100, dropped={}, languages={})
    said = verdict(judge(Look(drifted, USUAL, TODAY), RULES), "run 12ab…")
    assert said.startswith("2 expectations of the data broken: rows_against_last: there are 0.05")
    assert "times as many rows as in run 12ab…" in said
    assert re.search(r"labels_against_last: labels are [\d.]+ away from those of run 12ab…", said)
    assert "negative 25 % → 95 %" in said
    assert verdict(judge(Look(USUAL, None, TODAY), RULES), "") == ""


def test_of_many_broken_expectations_a_few_are_told_at_length() -> None:
    dropped = {EMPTY: N // 2, "duplicate text": N // 2, "repeated id": N // 2}
    bad = replace(USUAL, dropped=dropped, lengths={90_000: N}, wordless=N, months={"9999-01": N})
    said = verdict(judge(Look(bad, None, TODAY), RULES), "")
    assert said.startswith("7 expectations of the data broken: empty_texts: 50 %")
    assert said.endswith("Also median_length, long_texts, wordless_texts.")
    assert len(said) < 1_000


def test_a_table_of_all_findings_can_be_written_as_json() -> None:
    findings = judge(Look(replace(USUAL, lengths={4: 3}), None, TODAY), RULES)
    table = json.loads(json.dumps(expectations.table(findings), allow_nan=False))
    assert len({len(column) for column in table.values()}) == 1


def test_the_schema_declares_every_limit() -> None:
    ends = [end for rule in RULES for end in (rule.at_least, rule.at_most) if end is not None]
    assert len(expectations.schema(RULES).columns) == len(ends)


def file(folder: Path, text: str, name: str = "limits.toml") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_words_and_files(tmp_path: Path) -> None:
    assert read_expectations("strict") == Expectations()
    assert read_expectations("off").action == "off"
    given = file(
        tmp_path,
        'action = "warn"\nlargest_label = "off"\n'
        "empty_texts = {at_most = 0.5}\nrows = {at_least = 10_000}\n",
    )
    found = read_expectations(given)
    assert found.action == "warn"
    bad = replace(
        USUAL,
        dropped={EMPTY: 900},
        labels={"positive": N},
    )
    assert broken(bad, rules=found.rules) == {"rows"}
    (rows,) = [
        finding.sentence("")
        for finding in judge(Look(USUAL, None, TODAY), found.rules)
        if finding.broken
    ]
    assert rows == "rows: 2,000 rows were read (expected at least 10,000). Is the export whole?"


def test_limits_count_by_what_they_say_and_not_by_where_they_lie(tmp_path: Path) -> None:
    one = fingerprint(file(tmp_path, "# mine\nempty_texts = {at_most = 0.5}\n"))
    other = fingerprint(file(tmp_path, '{"empty_texts": {"at_most": 0.5}}', "b.json"))
    third = fingerprint(file(tmp_path, "empty_texts = {at_most = 0.6}", "c.toml"))
    assert one == other != third
    assert {fingerprint(word) for word in ("strict", "warn", "off")} == {"strict", "warn", "off"}


@pytest.mark.parametrize(
    ("text", "problem", "hint"),
    [
        ("empty_text = {at_most = 1}", "no rule 'empty_text'", "Did you mean empty_texts?"),
        ('"SECRET one" = 1', "no rule of such a name", ""),
        ("empty_texts = 0.5", "empty_texts has no at_least or at_most", "at_most = 0.2"),
        ("empty_texts = {most = 0.5}", "empty_texts has no at_least or at_most", ""),
        ("empty_texts = {}", "empty_texts has no at_least or at_most", ""),
        ("empty_texts = {at_most = true}", "a limit of empty_texts is no number", ""),
        ("empty_texts = {at_most = nan}", "a limit of empty_texts is no number", ""),
        ("empty_texts = {at_most = 30}", "empty_texts is a share", "0 to 1"),
        ("median_length = {at_least = 30_000}", "at least 30000 and at most 20000", "Give both"),
        ("action = 'SECRET'", "unknown action", "strict, warn, off"),
        ("SECRET", "limits.toml is no TOML", ""),
    ],
)
def test_limits_that_cannot_be_understood(
    tmp_path: Path, text: str, problem: str, hint: str
) -> None:
    with pytest.raises(UserError, match=re.escape(problem)) as caught:
        read_expectations(file(tmp_path, text))
    said = f"{caught.value.message} {caught.value.hint}"
    assert hint in said
    assert "SECRET" not in said


@pytest.mark.parametrize(
    ("given", "problem", "hint"),
    [
        ("wran", "neither strict, warn or off nor a file", "Did you mean warn?"),
        ("limits.yaml", "neither strict", ".toml or .json"),
        ("nowhere.toml", "there is no file", ""),
    ],
)
def test_expectations_that_are_none(given: str, problem: str, hint: str) -> None:
    with pytest.raises(UserError, match=problem) as caught:
        expectations.check(given)
    assert hint in caught.value.hint


def test_a_json_file_of_no_limits(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no limits"):
        read_expectations(file(tmp_path, "[1]", "limits.json"))
    with pytest.raises(UserError, match="is no JSON"):
        read_expectations(file(tmp_path, "{", "limits.json"))


WORDS = ["rain", "sun", "work", "sleep", "friend", "walk", "bread", "letter", "garden"]


def written(tmp_path: Path, cells: Any, n: int = 600) -> Profile:
    """Ingest n rows that `cells` makes; give their profile."""
    draw, path = random.Random(1), tmp_path / "rows.csv"
    lines = [
        ",".join(cells(n, " ".join(draw.choices(WORDS, k=12)), ("positive", "negative")[n % 2]))
        for n in range(n)
    ]
    path.write_text("text,label,created_at\n" + "\n".join(lines) + "\n")
    params = FileParams(source=str(path), languages="any")
    return ingest(params, tmp_path / "entries").profile


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (lambda n, text, label: (text, label, "2026-01-01"), set()),
        (lambda n, text, label: (text if n % 3 else "", label, ""), {"empty_texts"}),
        (lambda n, text, label: (text if n % 3 else "same", label, ""), set()),
        (lambda n, text, label: (text if n % 5 < 2 else "same", label, ""), {"duplicate_texts"}),
        (lambda n, text, label: (text, "positive", ""), {"largest_label"}),
        (lambda n, text, label: (text, label, "2062-01-01"), {"future_dates"}),
        (lambda n, text, label: (text, label, "1026-01-01"), {"ancient_dates"}),
        (lambda n, text, label: (text, label, "01.02.2026"), {"unreadable_dates"}),
        (lambda n, text, label: (f"entry-{n}", label, ""), {"wordless_texts"}),
        (lambda n, text, label: (text, label, text), {"unreadable_dates"}),
        (lambda n, text, label: (f"2026-01-01 08:{n}", label, ""), {"wordless_texts"}),
        (lambda n, text, label: (f"{n}", label, ""), {"wordless_texts", "median_length"}),
        (lambda n, text, label: (f"天気{n}がよかった", label, ""), set()),
    ],
)
def test_files_that_went_wrong(tmp_path: Path, cells: Any, expected: set[str]) -> None:
    assert broken(written(tmp_path, cells)) == expected
