"""How well sentiment models answer on texts they never saw, beside peers, and at what price.

`make bench-sentiment` fits every family and the peers that learn on the built-in corpus, and
scores all of them on the held-out journal entries and, with `DATA=<folder>`, on public sets (see
`benchmarks/texts.py`), into `benchmarks/sentiment.md`. With `ARGS=--public` they are fitted on the
public sets too, but for what is held out, into `benchmarks/sentiment-public.md`. Peers that are
packages live in an environment of their own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks import texts
from src.evaluation.sentiment import CLASSES, sentiment_metrics

ROOT = Path(__file__).resolve().parents[1]
LATENCY_TEXTS = 50
BY_RULE = """
import json, sys
texts = json.load(sys.stdin)
if sys.argv[1] == "VADER":
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
    score = lambda text, ask=SentimentIntensityAnalyzer().polarity_scores: ask(text)["compound"]
else:
    from textblob import TextBlob
    score = lambda text: TextBlob(text).sentiment.polarity
import time
start = time.process_time()
scores = [score(text) for text in texts]
json.dump([scores, time.process_time() - start], sys.stdout)
"""
NEUTRAL = 0.05  # within this of 0 VADER's authors, and we for TextBlob, say neutral
Scores = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Result:
    """What one model answered to all texts, and what it cost."""

    scores: Scores
    fit_seconds: float
    per_second: float
    latency: float
    size: float


def by_rule(name: str, python: Path, texts: Sequence[str]) -> Result:
    """Ask a lexicon: one number a text, which is taken for an answer without a confidence.

    Its latency is the mean CPU time of a text.
    """
    done = subprocess.run(
        [str(python), "-c", BY_RULE, name],
        input=json.dumps(list(texts)),
        capture_output=True,
        text=True,
        check=True,
    )
    numbers, seconds = json.loads(done.stdout)
    answers = np.digitize(numbers, [-NEUTRAL, NEUTRAL])
    return Result(np.eye(3)[answers], 0.0, len(texts) / seconds, seconds / len(texts), 0.0)


def measured(
    fit: Callable[[], Callable[[Sequence[str]], Scores]], texts: Sequence[str], size: float = 0.0
) -> Result:
    """Fit and ask, in CPU seconds; the latency is the wall time of single texts, their median."""
    start = time.process_time()
    ask = fit()
    fitted = time.process_time() - start
    start = time.process_time()
    scores = ask(texts)
    asked = time.process_time() - start
    waits = []
    for text in texts[:LATENCY_TEXTS]:
        began = time.perf_counter()
        ask([text])
        waits.append(time.perf_counter() - began)
    return Result(scores, fitted, len(texts) / asked, float(np.median(waits)), size)


@dataclass(frozen=True)
class Data:
    """What there is to learn from, and the texts that are asked about.

    Attributes
    ----------
    more
        Texts without a label, for a student; empty where there are none.
    folder
        Where models are kept, by the name of their family.
    """

    train: pa.Table
    valid: pa.Table
    more: pa.Table
    asked: Sequence[str]
    folder: Path


def family(name: str, data: Data, **given: Any) -> Result:
    """Fit one of this project's families, and ask the class that ships."""
    from src.models.sentiment_analyzer import MODEL
    from src.training.family import families

    chosen, folder = families("sentiment")[name], data.folder / name
    folder.mkdir()
    train = pa.concat_tables([data.train, data.more]) if name == "distilled" else data.train
    params = chosen.params(**given)

    def fit() -> Callable[[Sequence[str]], Scores]:
        chosen.fit(train, data.valid, params, folder, 7, tell)
        model = MODEL.from_folder(folder)

        def ask(some: Sequence[str]) -> Scores:
            rows = model.predict(None, pd.DataFrame({"text": list(some)}))
            return np.array([[row["all_scores"][c] for c in CLASSES] for row in rows])

        return ask

    found = measured(fit, data.asked)
    size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    return Result(found.scores, found.fit_seconds, found.per_second, found.latency, size)


def tell(line: str) -> None:
    """Show progress."""
    sys.stderr.write(f"  {line}\n")


def terms_and_regression(train: pa.Table) -> Callable[[Sequence[str]], Scores]:
    """Fit logistic regression on TF-IDF of words and pairs of words, as scikit-learn has them."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    rows = train.filter(train["label"].is_valid())
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), min_df=2),
        LogisticRegression(max_iter=1000, class_weight="balanced"),
    )
    model.fit(rows["text"].to_pylist(), rows["label"].to_pylist())
    return lambda texts: np.asarray(model.predict_proba(texts))


def nb_svm(train: pa.Table) -> Callable[[Sequence[str]], Scores]:
    """Fit NB-SVM (Wang and Manning 2012): n-grams times log-count ratios, one class at a time."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression

    rows = train.filter(train["label"].is_valid())
    labels = np.array(rows["label"].to_pylist())
    vectorizer = CountVectorizer(ngram_range=(1, 2), binary=True, min_df=2)
    counts = vectorizer.fit_transform(rows["text"].to_pylist())
    models = []
    for label in CLASSES:
        inside = labels == label
        positive, negative = (1 + np.asarray(counts[side].sum(0))[0] for side in (inside, ~inside))
        ratio = np.log(positive / positive.sum()) - np.log(negative / negative.sum())
        model = LogisticRegression(C=1.0, max_iter=500).fit(counts.multiply(ratio).tocsr(), inside)
        models.append((ratio, model))

    def ask(texts: Sequence[str]) -> Scores:
        some = vectorizer.transform(texts)
        columns = [m.predict_proba(some.multiply(ratio).tocsr())[:, 1] for ratio, m in models]
        scores = np.stack(columns, axis=1)
        return np.asarray(scores / scores.sum(axis=1, keepdims=True))

    return ask


def frozen_encoder(train: pa.Table) -> Callable[[Sequence[str]], Scores]:
    """Fit logistic regression on the vectors of a sentence encoder, MiniLM in 8 bits."""
    from sklearn.linear_model import LogisticRegression

    from src.training.encoder import vectors
    from src.training.minilm import MAX_TOKENS, read_encoder

    files = read_encoder()
    parts = files["encoder.onnx"], files["tokenizer.json"].decode(), MAX_TOKENS

    def encode(texts: Sequence[str]) -> Scores:
        return vectors(*parts, texts, lambda line: None)

    rows = train.filter(train["label"].is_valid())
    model = LogisticRegression(max_iter=1000, class_weight="balanced")
    model.fit(encode(rows["text"].to_pylist()), rows["label"].to_pylist())
    return lambda texts: np.asarray(model.predict_proba(encode(texts)))


def row(name: str, part: pd.DataFrame, scores: Scores) -> str:
    """Write a line: figures on one set."""
    from sklearn.metrics import roc_auc_score

    weights = np.ones((1, len(part)), np.uint8)
    found = sentiment_metrics(part["label"].tolist(), scores, weights)
    figures = {key: float(values[0]) for key, values in found.items()}
    recalls = " / ".join(
        "–" if np.isnan(figures[f"recall_{c}"]) else f"{100 * figures[f'recall_{c}']:.0f}"
        for c in CLASSES
    )
    polar = (part["label"] != "neutral").to_numpy()
    auc = roc_auc_score(part["label"][polar] == "positive", (scores[:, 2] - scores[:, 0])[polar])
    sure = len(np.unique(scores)) > 2  # a lexicon gives answers, no confidences
    ece, brier = (f"{figures[n]:.3f}" if sure else "–" for n in ("ece", "brier"))
    return (
        f"| {name} | {100 * figures['accuracy']:.1f} | {100 * figures['f1_macro']:.1f} "
        f"| {100 * figures['recall_macro']:.1f} | {recalls} | {auc:.3f} | {ece} | {brier} |"
    )


def main() -> None:
    """Fit, ask, and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--without", default="", help="models to leave out, like semantic,example")
    parser.add_argument("--public", action="store_true", help="fit on the public sets in DATA too")
    typed = parser.parse_args()
    public = os.environ.get("DATA", "")
    if typed.public and not public:
        parser.error("--public needs DATA=<folder of public sets>.")
    warnings.simplefilter("ignore")
    unseen = texts.held_out(public)
    with tempfile.TemporaryDirectory(prefix="bench-sentiment-") as kept:
        folder = Path(kept)
        train, valid = texts.built_in(folder / "entries")
        more = train.slice(0, 0)
        if typed.public:
            train, valid = texts.public(public, pa.concat_tables([train, valid]), unseen)
            more = texts.unlabelled(public, unseen)
        data = Data(train, valid, more, unseen["text"].tolist(), folder)
        results = {}
        without = typed.without.split(",")
        ours = {
            name: given
            for name, given in (PUBLIC if typed.public else BUILT_IN).items()
            if name not in without and given.get("teacher") not in without
        }
        for name, run in models(data, ours).items():
            if name not in without:
                sys.stderr.write(f"{name} …\n")
                results[name] = run()
        table = report(unseen, results, data)
    name = "sentiment-public.md" if typed.public else "sentiment.md"
    (ROOT / "benchmarks" / name).write_text(table)
    sys.stdout.write(table)


def models(data: Data, ours: dict[str, dict[str, Any]]) -> dict[str, Callable[[], Result]]:
    """Name what is measured, each with what makes and asks it."""
    python = data.folder / "peers/bin/python"
    subprocess.run(["uv", "venv", "-q", str(python.parents[1])], check=True)
    packages = ("vaderSentiment==3.3.2", "textblob==0.19.0")
    subprocess.run(["uv", "pip", "install", "-q", "--python", str(python), *packages], check=True)
    found: dict[str, Callable[[], Result]] = {
        "VADER": lambda: by_rule("VADER", python, data.asked),
        "TextBlob": lambda: by_rule("TextBlob", python, data.asked),
    }
    for name, fit in PEERS.items():
        found[name] = lambda fit=fit: measured(lambda: fit(data.train), data.asked)  # type: ignore[misc]
    for name, given in ours.items():
        said = {"teacher": str(data.folder / given["teacher"])} if "teacher" in given else {}
        found[f"family {name}"] = lambda name=name, given=given | said: family(  # type: ignore[misc]
            name, data, **given
        )
    return found


def report(unseen: pd.DataFrame, results: dict[str, Result], data: Data) -> str:
    """Write the tables: one for each set, one for the prices."""
    where = f"Python {platform.python_version()}, {platform.machine()}, "
    where += datetime.now(UTC).strftime("%Y-%m-%d")
    but = ""
    if data.more.num_rows:
        but = f", but `roberta` on {PUBLIC['roberta']['most_entries']:,} of them and the journal, "
        but += f"and `distilled` on {data.more.num_rows:,} unlabelled ones too"
    lines = [
        "# Sentiment\n",
        f"Written by `make bench-sentiment`; {where}. All that learn were fitted on the same "
        f"{data.train.num_rows:,} entries ({counted(data.train)}){but}. "
        "AUC is of positive against negative texts.",
    ]
    for name, part in unseen.groupby("set", sort=False):
        lines.append(f"\n## {name}: {len(part):,} texts\n")
        lines.append(
            "| model | accuracy | macro-F1 | macro-recall | recall −/0/+ | AUC | ECE | Brier |"
        )
        lines.append("|---|---|---|---|---|---|---|---|")
        at = part.index.to_numpy()
        lines += [row(model, part, found.scores[at]) for model, found in results.items()]
    lines.append("\n## Price\n")
    lines.append("| model | fit, CPU s | texts per CPU s | one text | on disk |")
    lines.append("|---|---|---|---|---|")
    for model, found in results.items():
        size = f"{found.size:.1f} MB" if found.size else "–"
        lines.append(
            f"| {model} | {found.fit_seconds:.0f} | {found.per_second:,.0f} "
            f"| {1000 * found.latency:.2f} ms | {size} |"
        )
    return "\n".join(lines) + "\n"


def counted(entries: pa.Table) -> str:
    """Say how many entries come from where."""
    sources = entries["source"].to_pandas().str.partition("/")[0].value_counts()
    return ", ".join(f"{count:,} {name}" for name, count in sources.items())


PEERS = {
    "TF-IDF + LR": terms_and_regression,
    "NB-SVM": nb_svm,
    "frozen MiniLM + LR": frozen_encoder,
}
BUILT_IN: dict[str, dict[str, Any]] = {
    "example": {},
    "linear": {},
    "lexicon": {},
    "semantic": {},
    "distilled": {"teacher": "semantic"},
}
# The built-in corpus is small and unlike journals; where there is more, terms carry further.
LESS_HELD_BACK = {"c": 1.0, "journal_weight": 8.0, "lexicon_strength": 1.0}
PUBLIC: dict[str, dict[str, Any]] = {
    "linear": {},
    "lexicon": LESS_HELD_BACK,
    "semantic": LESS_HELD_BACK | {"encoder_strength": 3.0},
    "roberta": {
        "backbone": "minilm",
        "most_entries": 30_000,
        "epochs": 2,
        "learning_rate": 1e-4,
        "balance": 1.0,
    },
    "distilled": {"teacher": "roberta"},
}

if __name__ == "__main__":
    main()
