"""The sentiment model that ships: logged as code beside plain data, imports nothing of ours.

A text becomes two bags of terms: words with pairs of words, and pieces of words. Each bag is
weighted by sublinear TF-IDF, scaled to length 1 and multiplied with a row of class weights per
term; the softmax of their sum is the answer. `words` and `characters` are also what training
hands to scikit-learn, so that both always read a text alike. Nothing depends on other rows.
"""

import hashlib
import io
import itertools
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

# MLflow loads the file, pandas brings the rows, NumPy does the sums. Nothing else is needed.
REQUIREMENTS = ("mlflow>=3.3.1,<4", "numpy>=1.26,<3", "pandas>=2,<3")

SCHEMA_VERSION = 1  # of the model folder
FILES = ("settings.json", "weights.npz")

# Bounds on what one text may cost. Texts are read up to 100,000 characters (some 40 pages),
# words up to 40: a megabyte without a space is one word of 40 characters.
TEXT_CHARACTERS = 100_000
WORD_CHARACTERS = 40
PIECES = (2, 3, 4, 5)  # lengths of the pieces of words

TOKEN = re.compile(r"\w+(?:'\w+)*|[^\w\s]+")  # a word with inner apostrophes, or a run of signs
PLAIN_NAME = re.compile(r"[\w.-]{1,40}")
LEVELS = (("high", 0.7), ("medium", 0.5))
# A text without a single known term says nothing: neutral, too weak to be relied on.
NO_EVIDENCE = {"positive": 0.33, "negative": 0.33, "neutral": 0.34}


def normalise(text: str) -> str:
    """Bring spellings together: compatibility forms, case, apostrophes, white space.

    Words are cut before Unicode normalisation, which takes quadratic time on long runs of
    combining marks.
    """
    words = (word[:WORD_CHARACTERS] for word in text[:TEXT_CHARACTERS].split())
    plain = unicodedata.normalize("NFKC", " ".join(words)).lower().replace("’", "'")
    return plain[:TEXT_CHARACTERS]


def words(text: str) -> list[str]:
    """List the words and signs of a text, then each pair of neighbours.

    Examples
    --------
    >>> words("Not  bad!")
    ['not', 'bad', '!', 'not bad', 'bad !']
    """
    single = [token[:WORD_CHARACTERS] for token in TOKEN.findall(normalise(text))]
    return single + [f"{a} {b}" for a, b in itertools.pairwise(single)]


def characters(text: str) -> list[str]:
    """List the pieces of each word, 2 to 5 characters long, its borders marked by spaces.

    Examples
    --------
    >>> characters("Hm")
    [' h', 'hm', 'm ', ' hm', 'hm ', ' hm ']
    """
    return [piece for word in normalise(text).split() for piece in _pieces(word)]


def _pieces(word: str) -> Iterator[str]:
    padded = f" {word[:WORD_CHARACTERS]} "
    for length in PIECES:
        for start in range(len(padded) - length + 1):
            yield padded[start : start + length]


ANALYZERS = {"words": words, "characters": characters}


class SentimentAnalyzer(PythonModel):
    """Answers sentiment, confidence and all scores for each row of a `text` column."""

    def load_context(self, context: Any) -> None:
        """Read the model folder that MLflow downloaded."""
        self._load(Path(context.artifacts["model"]))

    @classmethod
    def from_folder(cls, path: str | Path) -> "SentimentAnalyzer":
        """Load a model folder in this process, without MLflow.

        Raises
        ------
        ValueError
            The folder is incomplete, of another version or not what training wrote.
        """
        model = cls()
        model._load(Path(path))
        return model

    def _load(self, folder: Path) -> None:
        files = read_files(folder)
        settings = json.loads(files["settings.json"])
        arrays = np.load(io.BytesIO(files["weights.npz"]), allow_pickle=False)
        self._classes = tuple(settings["classes"])
        self._intercept = arrays["intercept"]
        self._blocks = []
        for name in settings["blocks"]:
            terms = arrays[f"{name}.terms"].tobytes().decode().split("\n")
            vocabulary = {term: row for row, term in enumerate(terms)}
            weights = arrays[f"{name}.idf"], arrays[f"{name}.weights"]
            self._blocks.append((ANALYZERS[name], vocabulary, *weights))

    def predict_params(self) -> dict[str, Any]:
        """Give the parameters that `predict` takes, with their defaults: none."""
        return {}

    # MLflow checks and converts what is hinted; pandas.DataFrame is the one hint it leaves alone.
    def predict(
        self,
        context: Any,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """Answer each row: sentiment, confidence, confidence_level and all_scores.

        Parameters
        ----------
        context
            Not used.
        model_input
            A frame, or a mapping, with a `text` column. What is no string counts as empty.
        params
            Not used.

        Returns
        -------
        One dict of plain Python values per row, in order. `all_scores` are calibrated
        probabilities with sum 1, and `confidence` is the largest of them.

        Raises
        ------
        ValueError
            There is not exactly one column `text`.
        """
        return [self._answer(text) for text in texts_of(model_input)]

    def _answer(self, text: str) -> dict[str, Any]:
        scores = self._scores(text)
        sentiment = max(scores, key=lambda name: scores[name])
        confidence = scores[sentiment]
        level = next((name for name, least in LEVELS if confidence >= least), "low")
        return {
            "sentiment": sentiment,
            "confidence": confidence,
            "confidence_level": level,
            "all_scores": scores,
        }

    def _scores(self, text: str) -> dict[str, float]:
        logits, evidence = self._intercept, False
        for analyzer, vocabulary, idf, weights in self._blocks:
            counts = Counter(map(vocabulary.get, analyzer(text)))
            counts.pop(None, None)
            if not counts:
                continue
            evidence = True
            rows = np.fromiter(counts.keys(), np.intp, len(counts))
            times = np.fromiter(counts.values(), np.float64, len(counts))
            values = (1 + np.log(times)) * idf[rows]
            values /= np.sqrt((values * values).sum())
            # Not a matrix product: those may sum in another order when threads or sizes differ.
            logits = logits + (values[:, None] * weights[rows]).sum(axis=0)
        if not evidence:
            return dict(NO_EVIDENCE)
        powers = np.exp(logits - logits.max())
        scores = (powers / powers.sum()).tolist()
        return {name: scores[self._classes.index(name)] for name in NO_EVIDENCE}


def texts_of(model_input: object) -> list[str]:
    """Take the texts out of the input; what is no string has nothing to read and counts as "".

    Raises
    ------
    ValueError
        There is not exactly one column `text`. The message names columns, and of those only
        single words: a file read without its header has an entry for a name.
    """
    if not isinstance(model_input, pd.DataFrame | Mapping):
        kind = type(model_input).__name__
        raise ValueError(f"the input must be a DataFrame with a column 'text', not a {kind}.")
    names = list(model_input)
    if sum(isinstance(name, str) and name == "text" for name in names) != 1:
        shown = [str(name) for name in names if PLAIN_NAME.fullmatch(str(name))][:20]
        more = [f"{len(names) - len(shown)} more"] if len(shown) < len(names) else []
        raise ValueError(
            "the input must have exactly one column 'text'; its columns are: "
            f"{', '.join(shown + more) or 'none'}."
        )
    return [text if isinstance(text, str) else "" for text in model_input["text"]]


def read_files(folder: Path) -> dict[str, bytes]:
    """Read the model folder and check it against its manifest.

    Raises
    ------
    ValueError
        A file is missing, cut or changed, or the folder is of another schema version.
    """
    try:
        manifest = json.loads((folder / "manifest.json").read_bytes())
        version, digests = manifest["schema_version"], manifest["sha256"]
        files = {name: (folder / name).read_bytes() for name in FILES}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"the model folder is incomplete ({type(error).__name__}).") from error
    if version != SCHEMA_VERSION:
        raise ValueError(f"the model folder has schema {version}, not {SCHEMA_VERSION}.")
    for name, content in files.items():
        if hashlib.sha256(content).hexdigest() != digests.get(name):
            raise ValueError(f"{name} in the model folder is not what training wrote.")
    return files


MODEL = SentimentAnalyzer
set_model(MODEL())
