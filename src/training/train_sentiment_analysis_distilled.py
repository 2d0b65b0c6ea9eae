"""A quick model that learns to answer as a larger one does: trained with torch, used without."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.data import LABELS
from src.errors import UserError
from src.pipeline.caller import caller_folder
from src.pipeline.step import param
from src.training.backbone import FIXED, LOGGED, downloaded
from src.training.calibration import temperature
from src.training.family import TASKS, Family
from src.training.files import text_array, write_model
from src.training.known_terms import authors_of, min_authors_param
from src.training.pace import Pace
from src.training.rows import journal_param, labelled, source_weights, texts

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

NAME_ONE = f"Name a version: -P teacher={LOGGED}{TASKS['sentiment'].registered_name}/1"


@dataclass(frozen=True)
class DistilledParams:
    """Parameters of the distilled family."""

    teacher: str = param(
        "", "Model to learn from: models:/<name>/<version> or a folder", content=False
    )
    dimensions: int = param(128, "Length of a word's vector", low=4, high=1024)
    filters: int = param(256, "Filters of the convolution", low=4, high=512)
    epochs: int = param(6, "Passes over the training entries", low=1, high=1000)
    learning_rate: float = param(2e-3, "Highest learning rate", low=1e-6, high=1)
    journal_weight: float = journal_param(40.0)
    min_authors: int = min_authors_param()


def fit(
    train: pa.Table,
    valid: pa.Table,
    params: DistilledParams,
    folder: Path,
    seed: int,
    progress: Callable[[str], None],
) -> dict[str, float | int | str]:
    """Fit a convolution over words to a teacher's probabilities (Hinton et al., 2015).

    It learns from all training entries, with a label or without: the more of the kind that it
    will read, the nearer it comes to its teacher. Where the teacher has an encoder, its vectors of
    words are where those of the student start. Labels serve the temperature alone.

    Raises
    ------
    UserError
        The teacher cannot be read, or is no sentiment model of this project; or no word is of
        `min_authors` authors.
    """
    import torch

    from src.training.word_network import Meanings, Plan, fit_words, tables

    authors = authors_of(train, params.min_authors)
    authors.check()  # before the teacher is asked, which takes long
    teacher, learned = read_teacher(params.teacher), texts(train)
    targets, encoder = ask(teacher, learned, progress), teacher.encoder()
    plan = Plan(params.dimensions, params.filters, params.epochs, params.learning_rate, seed)
    weights = source_weights(train, params.journal_weight, labelled_only=False).tolist()
    meanings = None
    if encoder:
        meanings = Meanings(
            words_of(encoder.terms()), partial(describe, encoder, progress=progress)
        )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in another order have other last digits
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            terms, network = fit_words(learned, targets, weights, authors, plan, progress, meanings)
    finally:
        torch.set_num_threads(threads)
    arrays = tables(terms, network)
    scale = fit_temperature(arrays, terms.words, terms.pieces, valid, params.journal_weight)
    intercept = arrays.pop("intercept") / scale
    arrays["weights"] = arrays["weights"] / scale
    named = {f"convolution.{name}": value for name, value in arrays.items()}
    named["convolution.terms"] = text_array([*terms.words, *terms.pieces])
    settings = {
        "blocks": [],
        "classes": list(LABELS),
        "convolution": {"n_words": len(terms.words)},
    }
    write_model(folder, settings, {**named, "intercept": intercept})
    return {"n_words": len(terms.words), "n_learned": len(learned), "temperature": scale}


def ask(
    teacher: Any, some: Sequence[str], progress: Callable[[str], None]
) -> npt.NDArray[np.float64]:
    """Let a teacher answer texts: its probabilities, shape `(n_texts, 3)`, in order of `LABELS`."""
    import numpy as np

    pace, found = Pace(progress, len(some)), list[list[float]]()
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for scores in threads.map(teacher.scores, some):
            found.append([scores[label] for label in LABELS])
            pace.count(1, "distilled: the teacher answers")
    return np.array(found).reshape(-1, len(LABELS))


def words_of(terms: Sequence[str]) -> list[str]:
    """Tell which of a tokenizer's terms are whole words, as texts are read here.

    Examples
    --------
    >>> words_of(["[CLS]", "the", "##ly", "Ġwarm", "▁Rain", "!?"])
    ['the', 'warm', 'rain']
    """
    from src.models.sentiment_analyzer import normalise, tokens

    plain = (normalise(term.lstrip("Ġ▁")) for term in terms)  # signs of byte and sentence pieces
    return list(dict.fromkeys(word for word in plain if word.isalpha() and tokens(word) == [word]))


def describe(
    encoder: Any, words: Sequence[str], progress: Callable[[str], None]
) -> npt.NDArray[np.float64]:
    """Let a teacher's encoder read words, each alone: its vectors, shape `(n_words, d)`."""
    import numpy as np

    pace, found = Pace(progress, len(words)), list[Any]()
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for vector in threads.map(encoder.vector, words):
            found.append(vector)
            pace.count(1, "distilled: the teacher reads words")
    return np.stack(found)


def fit_temperature(
    arrays: dict[str, Any],
    words: Sequence[str],
    pieces: Sequence[str],
    valid: pa.Table,
    journal_weight: float,
) -> float:
    """Fit the temperature on the labelled validation entries, read as the shipped model reads."""
    import numpy as np

    from src.models.sentiment_analyzer import Convolution, normalise, tokens

    parts = (arrays[name] for name in ("table", "bias", "weights"))
    shipped = Convolution([*words, *pieces], len(words), *parts)
    found, truth = labelled(valid)
    logits = [shipped.logits(tokens(normalise(text))) for text in found]
    known = [0.0 if one is None else one for one in logits]
    both = np.array([arrays["intercept"] + one for one in known]).reshape(-1, len(LABELS))
    return temperature(both, truth, LABELS, source_weights(valid, journal_weight))


def read_teacher(name: str) -> Any:
    """Load a sentiment model of this project, with this project's code.

    Raises
    ------
    UserError
        It cannot be read, or is another kind of model.
    """
    if located(name).is_dir():
        return opened(located(name), name)
    with tempfile.TemporaryDirectory() as folder:
        return opened(downloaded("teacher", name, folder), name)


def opened(path: Path, name: str) -> Any:
    """Load a model out of a folder that MLflow, or training, wrote."""
    from src.models.sentiment_analyzer import MODEL

    try:
        return MODEL.from_folder(manifest(path).parent)
    except (ValueError, KeyError):
        raise UserError(
            f"the teacher {name} is no sentiment model of this project.", NAME_ONE
        ) from None


def located(name: str) -> Path:
    """Say which folder a name means where the command was typed."""
    return caller_folder() / Path(name).expanduser()


def manifest(path: Path) -> Path:
    """Find the file that digests all of a model, in its folder or where MLflow keeps that."""
    return next(path.glob("artifacts/*/manifest.json"), path / "manifest.json")


def check(params: DistilledParams) -> None:
    """Check that a teacher is named, by a folder or by a name whose meaning cannot change.

    Raises
    ------
    UserError
        It is not.
    """
    name = params.teacher
    if not name:
        raise UserError("the family distilled needs a teacher to learn from.", NAME_ONE)
    if FIXED.fullmatch(name):
        return
    if name.startswith(LOGGED):
        raise UserError(f"teacher={name} names no fixed version: it can change.", NAME_ONE)
    if not manifest(located(name)).is_file():
        raise UserError(f"there is no model in the folder {located(name)}.", NAME_ONE)


def fingerprint(name: str) -> str:
    """Say what content a checked name stands for."""
    if name.startswith(LOGGED):
        return name
    return hashlib.sha256(manifest(located(name)).read_bytes()).hexdigest()


FAMILY = Family(
    "distilled",
    TASKS["sentiment"],
    fit,
    DistilledParams,
    requires=("torch", "onnxruntime", "tokenizers"),  # teachers may be encoders
    extra="roberta",
    check=check,
    outside=lambda params: {"teacher": fingerprint(params.teacher)},
)
