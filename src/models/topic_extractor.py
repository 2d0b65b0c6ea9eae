"""The topic model that ships: logged as code beside plain data, imports nothing of ours.

A text's known words, weighted by sublinear TF-IDF and scaled to length 1, are multiplied with a
row of topic weights per word; that sum is how strongly each topic speaks from the text. `words`
is also what training hands to scikit-learn, so that both always read a text alike. Nothing
depends on other rows.
"""

import hashlib
import io
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
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

# Bounds on what one text may cost: it is read up to 100,000 characters (some 40 pages), and its
# words up to 40.
TEXT_CHARACTERS = 100_000
WORD_CHARACTERS = 40

WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")  # letters, with apostrophes between them
PLAIN_NAME = re.compile(r"[\w.-]{1,40}")
FORMS = ("names", "records")

MOST_TOPICS = 5
WORDS_PER_TOPIC = 10  # an entry of so many words more may have one topic more
BESIDE_FIRST = 0.25  # a topic is named if it has this share of the first one's confidence
CLEAR = 0.1  # a first topic below this says nothing; with over 20 topics, below twice chance


def words(text: str) -> list[str]:
    """List the words of a text in lower case, without what follows an apostrophe.

    Negations keep their ending, so that "don't" stays apart from the name Don.

    Examples
    --------
    >>> words("My mother’s dog doesn't bark at 3.")
    ['my', 'mother', 'dog', "doesn't", 'bark', 'at']
    """
    # Cut before Unicode normalisation, which is quadratic on long runs of combining marks.
    cut = " ".join(word[:WORD_CHARACTERS] for word in text[:TEXT_CHARACTERS].split())
    plain = unicodedata.normalize("NFKC", cut).lower().replace("’", "'")[:TEXT_CHARACTERS]
    return [
        word if word.endswith("n't") else word.partition("'")[0] for word in WORD.findall(plain)
    ]


class TopicExtractor(PythonModel):
    """Answers the topics of each row of a `text` column, the most confident first."""

    def load_context(self, context: Any) -> None:
        """Read the model folder that MLflow downloaded."""
        self._load(Path(context.artifacts["model"]))

    @classmethod
    def from_folder(cls, path: str | Path) -> "TopicExtractor":
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
        terms = arrays["terms"].tobytes().decode().split("\n")
        self._vocabulary = {term: row for row, term in enumerate(terms)}
        self._idf, self._weights = arrays["idf"], arrays["weights"]
        self._topics = settings["topics"]
        self._topics_as = settings["topics_as"]
        self._clear = min(CLEAR, 2 / len(self._topics))

    @property
    def topics(self) -> list[dict[str, Any]]:
        """All topics: topic_id, topic_name and words, the most characteristic first."""
        return [{**topic, "words": list(topic["words"])} for topic in self._topics]

    def requirements(self) -> tuple[str, ...]:
        """Name the distributions that loading and asking this model needs."""
        return REQUIREMENTS

    def predict_params(self) -> dict[str, Any]:
        """Give the parameters that `predict` takes, with their defaults."""
        return {"topics_as": self._topics_as}

    # MLflow checks and converts what is hinted; pandas.DataFrame is the one hint it leaves alone.
    def predict(
        self,
        context: Any,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """Answer each row: topics and topic_details.

        Parameters
        ----------
        context
            Not used.
        model_input
            A frame, or a mapping, with a `text` column. What is no string counts as empty.
        params
            `topics_as`: "names" for names in `topics`, "records" for dicts as in
            `topic_details`.

        Returns
        -------
        One dict of plain Python values per row, in order, made anew for each call. Confidences
        lie within 0 to 1; all topics' together, named or not, have sum 1.

        Raises
        ------
        ValueError
            There is not exactly one column `text`, or `topics_as` is no form there is.
        """
        form = (params or {}).get("topics_as", self._topics_as)
        if form not in FORMS:
            raise ValueError(f"topics_as must be one of {', '.join(FORMS)}.")
        return [self._answer(text, form) for text in texts_of(model_input)]

    def _answer(self, text: str, form: str) -> dict[str, Any]:
        details = self._details(text)
        if form == "records":
            return {"topics": [dict(topic) for topic in details], "topic_details": details}
        return {"topics": [topic["topic_name"] for topic in details], "topic_details": details}

    def _details(self, text: str) -> list[dict[str, Any]]:
        found = words(text)
        counts = Counter(map(self._vocabulary.get, found))
        counts.pop(None, None)
        if not counts:
            return []
        rows = np.fromiter(counts.keys(), np.intp, len(counts))
        times = np.fromiter(counts.values(), np.float64, len(counts))
        values = (1 + np.log(times)) * self._idf[rows]
        values /= np.sqrt((values * values).sum())
        # Not a matrix product: those may sum in another order when threads or sizes differ.
        strengths = (values[:, None] * self._weights[rows]).sum(axis=0)
        squares = strengths * strengths  # as shares they come near the chance of being right
        if not squares.any():
            return []
        confidences = squares / squares.sum()
        most = min(MOST_TOPICS, 1 + len(found) // WORDS_PER_TOPIC)
        order = np.argsort(-confidences, kind="stable")[:most]
        least = max(self._clear, confidences[order[0]] * BESIDE_FIRST)
        return [
            {
                "topic_id": self._topics[row]["topic_id"],
                "topic_name": self._topics[row]["topic_name"],
                "confidence": float(confidences[row]),
            }
            for row in order
            if confidences[row] >= least
        ]


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


MODEL = TopicExtractor
set_model(MODEL())
