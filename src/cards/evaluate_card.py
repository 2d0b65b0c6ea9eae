"""What the card of evaluate shows: gates, mistakes, calibration, slices, the champion beside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from src.cards.card import Card, Section, Table
from src.cards.figures import bars, crosses, ranges, reliability
from src.data import LABELS

if TYPE_CHECKING:
    from src.evaluation.evaluation import Evaluation
    from src.pipeline.execute import Context

MOST_ENTRIES = 50_000  # that pictures are drawn from
MISTAKES = 12
FEWEST = 20  # entries of a slice
HEADLINES = {
    "sentiment": ("f1_macro", "accuracy", "ece", "journal_f1_macro"),
    "topics": ("npmi", "diversity", "coverage", "map"),
}


def evaluate_card(context: Context) -> Card:
    """Show whether the model may be registered, and why."""
    from src.evaluation.evaluation import Evaluation

    text = (context.output("evaluation") / "evaluation.json").read_text(encoding="utf-8")
    evaluation = Evaluation.from_json(text)
    passed = [
        ("passed" if verdict.passed else "not passed", verdict.sentence)
        for verdict in sorted(evaluation.gates.values(), key=lambda verdict: verdict.passed)
    ]
    sections = [Section("Gates", table=Table(("", "gate"), passed))]
    rows = list(_answers(context))
    if evaluation.task == "sentiment":
        sections += [*_sentiment(rows, evaluation), *_elsewhere(evaluation)]
    else:
        sections += _topics(rows)
    sections.append(_figures(evaluation))
    metrics = evaluation.metrics | (evaluation.journal.metrics if evaluation.journal else {})
    facts = [
        (_spelled(name), f"{metrics[name].value:.3f}")
        for name in HEADLINES[evaluation.task]
        if name in metrics
    ]
    facts.append(("held-out entries", f"{evaluation.n_entries:,}"))
    return Card("", "", "good" if evaluation.promote else "bad", sections, facts=facts)


def _answers(context: Context) -> Iterator[dict[str, Any]]:
    """Give the truth and the answer for each held-out entry, with what it may be sliced by."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from src.data.schema import SPLITS

    predictions = pq.read_table(context.output("predictions")).slice(0, MOST_ENTRIES)
    held_out = context.folder / "inputs" / "splits"
    entries = pa.Table.from_batches(SPLITS.batches(held_out, "test"))
    entries = entries.filter(pc.is_in(entries["id"], predictions["id"]))
    words = [len(text.split()) for text in entries["text"].to_pylist()]
    entries = entries.select(["id", "created_at", "source"]).append_column(
        "words", pa.array(words, pa.int64())
    )
    about = {row["id"]: row for row in entries.to_pylist()}
    for row in predictions.to_pylist():
        yield row | about[row["id"]]


def _spelled(name: str) -> str:
    """Write a metric's name for people, those on the held-out journal as well."""
    from src.evaluation.gates import spelled
    from src.evaluation.journal import PREFIX

    bare = name.removeprefix(PREFIX)
    same = bare == name or spelled(name) != name.replace("_", " ")
    return spelled(name) if same else f"{spelled(bare)}, journal"


def _sentiment(rows: list[dict[str, Any]], evaluation: Evaluation) -> list[Section]:
    import numpy as np

    from src.evaluation.cards.calibration import wilson
    from src.evaluation.sentiment import CALIBRATION_BINS, calibration_bins

    judged = [row for row in rows if row["truth"] in LABELS]
    if not judged:
        return []
    counts = [
        [sum(r["truth"] == truth and r["sentiment"] == said for r in judged) for said in LABELS]
        for truth in LABELS
    ]
    sure = np.array([row["confidence"] for row in judged])
    right = np.array([row["truth"] == row["sentiment"] for row in judged])
    bins = calibration_bins(sure)
    points = list[tuple[float, float, float, float, int]]()
    for each in range(CALIBRATION_BINS):
        here = bins == each
        if n := int(here.sum()):
            share = float(right[here].mean())
            low, high = wilson(np.array([share]), np.array([float(n)]))
            points.append((float(sure[here].mean()), share, float(low[0]), float(high[0]), n))
    slices = _sliced(judged, right.tolist())
    counted = {"recall": [sum(row) for row in counts]}
    counted["precision"] = [sum(row) for row in zip(*counts, strict=True)]
    classes = {
        f"{kind} of {label}": (own.value, own.low, own.high, counted[kind][place])
        for kind in ("recall", "precision")
        for place, label in enumerate(LABELS)
        if (own := evaluation.metrics.get(f"{kind}_{label}"))
    }
    wrong = sorted((row for row in judged if row["truth"] != row["sentiment"]), key=_surest)
    mistakes = [
        (row["id"], row["truth"], row["sentiment"], row["confidence"], row["words"])
        for row in wrong[:MISTAKES]
    ]
    figures = [
        crosses(
            counts,
            LABELS,
            "What the labels are, and what the model said: entries, and shares of each label",
            ("label", "answer"),
        ),
        reliability(points, "How often an answer of a given confidence is right, 95 % intervals"),
    ]
    found = [Section("Answers", figures=figures)]
    shares = []
    if classes:
        caption = (
            "Recall: of the entries with a label, the share that gets it. Precision: of the "
            "answers of a label, the share that is right."
        )
        shares.append(ranges(classes, caption, ("class (entries)", "share")))
    if slices:
        caption = "Accuracy where entries are long or short, early or late, and by source"
        whole = float(right.mean())
        shares.append(ranges(slices, caption, ("slice (entries)", "accuracy"), whole))
    if shares:
        found.append(Section("By class and slice", figures=shares))
    columns = ("entry", "label", "answer", "confidence", "words")
    words = ("Entries are named by their ids: no text of theirs is on a card.",)
    if mistakes:
        found.append(Section("The surest mistakes", words, Table(columns, mistakes)))
    return found


def _sliced(
    rows: list[dict[str, Any]], hits: Sequence[bool]
) -> dict[str, tuple[float, float, float, int]]:
    """Give for each slice that is large enough the share of hits, its interval, and its size."""
    import numpy as np

    from src.evaluation.cards.calibration import wilson

    found = dict[str, tuple[float, float, float, int]]()
    for name, places in _slices(rows).items():
        if len(places) >= FEWEST:
            share = float(np.mean([hits[place] for place in places]))
            low, high = wilson(np.array([share]), np.array([float(len(places))]))
            found[name] = (share, float(low[0]), float(high[0]), len(places))
    return found


def _elsewhere(evaluation: Evaluation) -> Iterator[Section]:
    """Show what a sentiment model makes of the held-out journal and of minimal pairs."""
    if journal := evaluation.journal:
        words = (
            f"{journal.n_entries:,} entries of invented people, written for this project; the "
            "model was trained on none of them. With 95 % intervals.",
        )
        rows = [
            (_spelled(name).removesuffix(", journal"), str(own))
            for name, own in journal.metrics.items()
        ]
        yield Section("On journals it never saw", words, Table(("metric", "this model"), rows))
    if evaluation.behaviour:
        words = ("Pairs of texts that differ in one thing, and how many are answered wrongly.",)
        pairs = [
            (kind.replace("_", " "), of.pairs, of.failures, of.rate)
            for kind, of in evaluation.behaviour.items()
        ]
        columns = ("what differs", "pairs", "failures", "share")
        yield Section("Behaviour", words, Table(columns, pairs))


def _surest(row: Mapping[str, Any]) -> tuple[float, str]:
    return -row["confidence"], row["id"]


def _slices(rows: list[dict[str, Any]]) -> dict[str, list[int]]:
    """Part entries by length into thirds, by the half of the time they cover, and by source."""
    places = list(range(len(rows)))
    by_length = sorted(places, key=lambda place: rows[place]["words"])
    third = len(rows) // 3
    found = {
        "shortest third": by_length[:third],
        "middle third": by_length[third : 2 * third],
        "longest third": by_length[2 * third :],
    }
    dated = [place for place in places if rows[place]["created_at"]]
    if len({rows[place]["created_at"] for place in dated}) > 1:
        by_date = sorted(dated, key=lambda place: rows[place]["created_at"])
        half = len(by_date) // 2
        found |= {"earlier half": by_date[:half], "later half": by_date[half:]}
    sources = sorted({row["source"] for row in rows})
    if len(sources) > 1:
        found |= {
            source: [place for place in places if rows[place]["source"] == source]
            for source in sources
        }
    return found


def _topics(rows: list[dict[str, Any]]) -> list[Section]:
    from collections import Counter

    first = Counter(row["topics"][0] if row["topics"] else "(none)" for row in rows)
    given = Counter(str(len(row["topics"])) for row in rows)
    figures = [
        bars(
            dict(first.most_common()),
            "Held-out entries by their first topic",
            ("topic", "entries"),
            second=("(none)",),
        ),
        bars(dict(sorted(given.items())), "Topics per entry", ("topics", "entries")),
    ]
    found = [Section("Answers", figures=figures)]
    named = [bool(row["topics"]) for row in rows]
    if slices := _sliced(rows, named):
        caption = "Share with a topic where entries are long or short, early or late, by source"
        columns = ("slice (entries)", "share with a topic")
        drawn = ranges(slices, caption, columns, sum(named) / len(named))
        found.append(Section("Slices", figures=[drawn]))
    return found


def _figures(evaluation: Evaluation) -> Section:
    """Set the challenger's figures beside the champion's and the trivial baseline's."""
    champion = evaluation.champion
    columns = ["metric", "this model", "trivial baseline"]
    if champion:
        columns += ["champion, on shared entries", "difference"]
    rows = list[list[str]]()
    for name, estimate in evaluation.metrics.items():
        found = [estimate, evaluation.baseline.get(name, "–")]
        if champion:
            found += [of.get(name, "–") for of in (champion.metrics, champion.differences)]
        # A figure and its interval stay on one line.
        rows.append([_spelled(name), *(str(one).replace(" ", "\u00a0") for one in found)])
    words = ["With 95 % intervals."]
    if champion:
        said = champion.verdict.sentence
        words.append(f"{said[:1].upper()}{said[1:]}. Compared on {champion.n_entries:,} entries.")
    return Section("Figures", words, Table(columns, rows))
