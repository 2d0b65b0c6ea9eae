"""The sentiment model that ships: logged as code beside plain data, imports nothing of ours.

What a model folder holds adds up to three logits, and their softmax is the answer:

- bags of terms (words with pairs of words, pieces of words), weighted by sublinear TF-IDF and
  scaled to length 1, times a row of class weights per term;
- the polarity of words in a lexicon, turned by negations and amplified by intensifiers;
- a small convolution over the words, of which each word's part is worked out before it ships;
- the vector of a sentence encoder, an ONNX graph; long texts are read in windows.

The functions that read a text are also what training uses. Nothing depends on other rows.
"""

import hashlib
import io
import itertools
import json
import math
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

# MLflow loads the file, pandas brings the rows, NumPy does the sums.
REQUIREMENTS = ("mlflow>=3.3.1,<4", "numpy>=1.26,<3", "pandas>=2,<3")
ENCODER_REQUIREMENTS = ("onnxruntime>=1.20,<2", "tokenizers>=0.20,<1")

Scores = dict[str, float]  # by class
Span = tuple[int, int]  # where a sentence starts and ends in its text

SCHEMA_VERSION = 1  # of the model folder
FILES = ("settings.json", "weights.npz")
ENCODER_FILES = ("encoder.onnx", "tokenizer.json")

# Bounds on what one text may cost. Texts are read up to 100,000 characters (some 40 pages),
# words up to 40: a megabyte without a space is one word of 40 characters.
TEXT_CHARACTERS = 100_000
WORD_CHARACTERS = 40
PIECES = (2, 3, 4, 5)  # lengths of the pieces of words
KNOWN_WORDS = 20_000  # whose pieces are kept in mind
SUBWORDS = (3, 4)  # lengths of the pieces that stand for a word that is not known
MOST_SUBWORDS = 24  # of a word, that are looked at
WINDOW = 128  # words that the convolution reads at once

TOKEN = re.compile(r"\w+(?:'\w+)*|[^\w\s]+")  # a word with inner apostrophes, or a run of signs
PLAIN_NAME = re.compile(r"[\w.-]{1,40}")
LEVELS = (("high", 0.7), ("medium", 0.5))
# Words that turn and words that strengthen or weaken what follows, and by how much, after Hutto
# and Gilbert, VADER (ICWSM 2014).
NEGATION = re.compile(
    r"not|no|never|none|nobody|nothing|nowhere|neither|nor|cannot|cant|dont|doesnt|didnt|"
    r"isnt|wasnt|wont|wouldnt|couldnt|shouldnt|havent|hasnt|hadnt|arent|werent|aint|"
    r"without|hardly|barely|scarcely|rarely|seldom|despite|lacking|\w+n't"
)
STRONGER = re.compile(
    r"very|really|so|too|absolutely|completely|totally|utterly|extremely|incredibly|deeply|"
    r"truly|quite|most|more|especially|particularly|super|hella|fucking|bloody|damn|proper|"
    r"well"
)
WEAKER = re.compile(
    r"slightly|somewhat|almost|barely|little|bit|kinda|sorta|kind|sort|partly|mildly|less|"
    r"fairly|marginally|scarcely"
)
REACH = 3  # words that a negation or an intensifier is felt
TURN, STEP, BEFORE_BUT, AFTER_BUT = -0.74, 0.293, 0.5, 1.5
FLATNESS = 15.0
MOST_SENTENCES = 200
OPPOSITES = ("positive", "negative")
SENTENCE = re.compile(r"[^.!?…\n]+[.!?…]*[\"')\]]*")

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


def tokens(plain: str) -> list[str]:
    """List the words and the runs of signs of a normalised text."""
    return [token[:WORD_CHARACTERS] for token in TOKEN.findall(plain)]


def words(text: str) -> list[str]:
    """List the words and signs of a text, then each pair of neighbours.

    Examples
    --------
    >>> words("Not  bad!")
    ['not', 'bad', '!', 'not bad', 'bad !']
    """
    return _with_pairs(tokens(normalise(text)))


def _with_pairs(single: list[str]) -> list[str]:
    return single + [f"{a} {b}" for a, b in itertools.pairwise(single)]


def characters(text: str) -> list[str]:
    """List the pieces of each word, 2 to 5 characters long, its borders marked by spaces.

    Examples
    --------
    >>> characters("Hm")
    [' h', 'hm', 'm ', ' hm', 'hm ', ' hm ']
    """
    return [piece for word in normalise(text).split() for piece in _pieces(word)]


def _pieces(word: str, lengths: tuple[int, ...] = PIECES) -> list[str]:
    padded = f" {word[:WORD_CHARACTERS]} "
    return [
        padded[start : start + length]
        for length in lengths
        for start in range(len(padded) - length + 1)
    ]


def subwords(word: str) -> list[str]:
    """List the pieces that stand for a word that a convolution does not know.

    Examples
    --------
    >>> subwords("ha")
    [' ha', 'ha ', ' ha ']
    """
    return _pieces(word, SUBWORDS)


ANALYZERS = {"words": words, "characters": characters}


class Block:
    """A bag of terms: which of its rows a text has, and what they add to the logits.

    Parameters
    ----------
    name
        Of its analyzer, one of `ANALYZERS`.
    terms
        The n terms.
    idf, weights
        Shapes `(n,)` and `(n, 3)`.
    """

    def __init__(self, name: str, terms: list[str], idf: Any, weights: Any) -> None:
        self._in_pieces = name == "characters"
        self._vocabulary = {term: row for row, term in enumerate(terms)}
        self._idf, self._weights = idf, weights
        self._known: dict[str, np.ndarray[Any, Any]] = {}  # pieces of words that come again

    def logits(self, plain: str, single: list[str]) -> "np.ndarray[Any, Any] | None":
        """Add up what a normalised text and its tokens have, shape `(3,)`; None for nothing."""
        if self._in_pieces:
            parts = [self._rows_of(word) for word in plain.split()]
            found = np.concatenate(parts) if parts else np.zeros(0, np.intp)
        else:
            found = self._rows(_with_pairs(single))
        if not len(found):
            return None
        rows, times = np.unique(found, return_counts=True)
        values = (1 + np.log(times)) * self._idf[rows]
        values /= np.sqrt((values * values).sum())
        # Not a matrix product: those may sum in another order when threads or sizes differ.
        total: np.ndarray[Any, Any] = (values[:, None] * self._weights[rows]).sum(axis=0)
        return total

    def _rows(self, terms: list[str]) -> "np.ndarray[Any, Any]":
        rows = [row for row in map(self._vocabulary.get, terms) if row is not None]
        return np.array(rows, np.intp)

    def _rows_of(self, word: str) -> "np.ndarray[Any, Any]":
        found = self._known.get(word)
        if found is None:
            found = self._rows(_pieces(word))
            if len(self._known) >= KNOWN_WORDS:
                self._known = {}
            self._known[word] = found
        return found


class Convolution:
    """A convolution over words, its greatest and mean answers, and a linear layer (Kim, 2014).

    A filter's answer at a place is a sum over the words in its reach, before it is cut at 0. So
    what each known word or piece of a word adds at each distance is a row of a table.

    Parameters
    ----------
    terms
        The known words, then the pieces that others are made of, in the order of the table.
    n_words
        How many of them are words.
    table
        Shape `(n_terms, width, n_filters)`, width odd: what a term adds at each place of a filter's
        reach.
    bias, weights
        Shapes `(n_filters,)` and `(2 * n_filters, 3)`: greatest answers first, then the means.
    """

    def __init__(self, terms: list[str], n_words: int, table: Any, bias: Any, weights: Any) -> None:
        self._words = {term: row for row, term in enumerate(terms[:n_words])}
        self._pieces = {term: n_words + row for row, term in enumerate(terms[n_words:])}
        self._table, self._bias = table, bias.astype(np.float32)
        self._weights = np.ascontiguousarray(weights.T)
        self._nothing = np.zeros(table.shape[1:], np.float32)  # what an unknown word adds
        self._known: dict[str, np.ndarray[Any, Any]] = {}

    def logits(self, single: list[str]) -> "np.ndarray[Any, Any] | None":
        """Add up what the tokens of a text say, shape `(3,)`; None where none is known."""
        known = self._known
        found = [known[token] if token in known else self._parts(token) for token in single]
        if all(parts is self._nothing for parts in found):
            return None
        pooled = np.zeros(2 * len(self._bias))
        for start in range(0, len(found), WINDOW):
            window = found[start : start + WINDOW]
            pooled += self._pooled(window) * np.float32(len(window) / len(found))
        total: np.ndarray[Any, Any] = (pooled * self._weights).sum(axis=1)
        return total

    def _pooled(self, parts: "list[np.ndarray[Any, Any]]") -> "np.ndarray[Any, Any]":
        n, (width, n_filters) = len(parts), self._nothing.shape
        added = np.concatenate(parts).reshape(n, width, n_filters)
        answers = added[:, width // 2]
        answers += self._bias
        for after in range(1, width // 2 + 1):  # what words before and after a place add there
            answers[after:] += added[:-after, width // 2 - after]
            answers[:-after] += added[after:, width // 2 + after]
        np.maximum(answers, 0, out=answers)
        pooled = np.empty(2 * n_filters, np.float32)
        np.maximum.reduce(answers, out=pooled[:n_filters])
        np.add.reduce(answers, out=pooled[n_filters:])
        pooled[n_filters:] /= n
        return pooled

    def _parts(self, token: str) -> "np.ndarray[Any, Any]":
        found = self._nothing
        if (row := self._words.get(token)) is not None:
            found = self._table[row].astype(np.float32)
        elif rows := [self._pieces[p] for p in subwords(token) if p in self._pieces]:
            found = self._table[rows[:MOST_SUBWORDS]].astype(np.float32).mean(axis=0)
        if len(self._known) >= KNOWN_WORDS:
            self._known = {}
        self._known[token] = found
        return found


def polarity(text: str, lexicon: Mapping[str, float]) -> "np.ndarray[Any, Any]":
    """Read a text with a lexicon of word polarities, by the rules of VADER.

    Parameters
    ----------
    lexicon
        Valence, about -4 to 4, by word or sign in lower case.

    Returns
    -------
    Shape `(4,)`, none for no known word: the sum within -1 to 1, the positive and the negative
    share of the words, and the strongest word divided by 4.
    """
    return _polarity(tokens(normalise(text)), lexicon)


def _polarity(single: list[str], lexicon: Mapping[str, float]) -> "np.ndarray[Any, Any]":
    found = [
        (place, value) for place, token in enumerate(single) if (value := _valence(token, lexicon))
    ]
    if not found:
        return np.zeros(4)
    turn = len(single) - 1 - single[::-1].index("but") if "but" in single else -1
    values = [_in_context(single, *one, turn) for one in found]
    total = sum(values)
    return np.array(
        [
            total / math.sqrt(total * total + FLATNESS),
            sum(value for value in values if value > 0) / len(single),
            -sum(value for value in values if value < 0) / len(single),
            max(values, key=abs) / 4,
        ]
    )


def _valence(token: str, lexicon: Mapping[str, float]) -> float:
    value = lexicon.get(token, 0.0)
    if not value and not token[0].isalnum():  # a run of signs: emoji one by one
        value = sum(lexicon.get(sign, 0.0) for sign in token)
    return value


def _in_context(single: list[str], place: int, value: float, turn: int) -> float:
    """Strengthen, weaken or turn a word's valence by what stands before it, and by a "but"."""
    before = single[max(0, place - REACH) : place]
    step = sum(STEP for word in before if STRONGER.fullmatch(word))
    step -= sum(STEP for word in before if WEAKER.fullmatch(word))
    value += step if value > 0 else -step
    if any(NEGATION.fullmatch(word) for word in before):
        value *= TURN
    if turn >= 0:
        value *= BEFORE_BUT if place < turn else AFTER_BUT
    return value


def sentences(text: str) -> list[Span]:
    """Find the sentences of a text: where each starts and ends.

    Examples
    --------
    >>> sentences("Rain again. Why?")
    [(0, 11), (12, 16)]
    """
    spans = (found.span() for found in SENTENCE.finditer(text[:TEXT_CHARACTERS]))
    cut = (
        (start + len(text[start:end]) - len(text[start:end].lstrip()), end) for start, end in spans
    )
    return [(start, end) for start, end in cut if start < end]


def readable(text: str) -> str:
    """Cut a text as `normalise` does, for an encoder, which has its own rules of spelling."""
    kept = " ".join(word[:WORD_CHARACTERS] for word in text[:TEXT_CHARACTERS].split())
    return kept.encode("utf-8", "replace").decode()  # a lone surrogate is no character


class Encoder:
    """A sentence encoder: texts to vectors, one text at a time.

    One at a time, because a network quantised as it runs scales a batch as a whole: the answer
    for a text would depend on its neighbours.
    """

    def __init__(self, graph: bytes, tokenizer: bytes, max_tokens: int) -> None:
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
        self._tokenizer.enable_truncation(max_tokens)

    def terms(self) -> list[str]:
        """List the words, and the pieces of words, that the tokenizer knows, in its order."""
        numbers = self._tokenizer.get_vocab()
        return sorted(numbers, key=lambda term: numbers[term])

    def vector(self, text: str) -> "np.ndarray[Any, Any]":
        """Give a text's vector, shape `(d,)`: the mean of its windows', weighted by length."""
        first = self._tokenizer.encode(readable(text))
        windows = [first, *first.overflowing]
        lengths = np.array([len(window.ids) for window in windows], float)
        if not lengths[0]:
            raise ValueError("the tokenizer gives an empty text no token.")
        pooled = np.stack([self._pooled(window.ids) for window in windows])
        mean: np.ndarray[Any, Any] = (pooled * lengths[:, None]).sum(axis=0) / lengths.sum()
        return mean

    def _pooled(self, ids: list[int]) -> "np.ndarray[Any, Any]":
        row = np.array([ids], np.int64)
        values = {
            "input_ids": row,
            "attention_mask": np.ones_like(row),
            "token_type_ids": np.zeros_like(row),
        }
        given = {name: value for name, value in values.items() if name in self._inputs}
        out: np.ndarray[Any, Any] = np.asarray(self._session.run(None, given)[0], float)[0]
        return np.asarray(out.mean(axis=0)) if out.ndim == 2 else out


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
            weights = arrays[f"{name}.idf"], arrays[f"{name}.weights"]
            self._blocks.append(Block(name, terms, *weights))
        self._lexicon: dict[str, float] = {}
        if "lexicon.terms" in arrays:
            terms = arrays["lexicon.terms"].tobytes().decode().split("\n")
            self._lexicon = dict(zip(terms, arrays["lexicon.valence"].tolist(), strict=True))
            self._polarity = arrays["lexicon.weights"]
        self._convolution: Convolution | None = None
        if "convolution.terms" in arrays:
            terms = arrays["convolution.terms"].tobytes().decode().split("\n")
            parts = (arrays[f"convolution.{name}"] for name in ("table", "bias", "weights"))
            self._convolution = Convolution(terms, settings["convolution"]["n_words"], *parts)
        self._encoder: Encoder | None = None
        if "encoder" in settings:
            graph, tokenizer = (files[name] for name in ENCODER_FILES)
            self._encoder = Encoder(graph, tokenizer, settings["encoder"]["max_tokens"])
            self._dense = arrays["encoder.weights"]

    def requirements(self) -> tuple[str, ...]:
        """Name the distributions that loading and asking this model needs."""
        return REQUIREMENTS + (ENCODER_REQUIREMENTS if self._encoder else ())

    def encoder(self) -> Encoder | None:
        """Give the sentence encoder that this model reads with, if it has one."""
        return self._encoder

    def predict_params(self) -> dict[str, Any]:
        """Give the parameters that `predict` takes, with their defaults."""
        return {"sentences": False}

    # MLflow checks and converts what is hinted; pandas.DataFrame is the one hint it leaves alone.
    def predict(
        self,
        context: Any,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """Answer each row: sentiment, confidence, confidence_level, all_scores and mixed.

        Parameters
        ----------
        context
            Not used.
        model_input
            A frame, or a mapping, with a `text` column. What is no string counts as empty.
        params
            `sentences`: whether each answer also lists the text's sentences.

        Returns
        -------
        One dict of plain Python values per row, in order. `all_scores` are calibrated
        probabilities with sum 1, and `confidence` is the largest of them. `mixed`, 0 to 1, is
        high where some sentences sound positive and others negative: twice the lesser of the
        strongest positive and the strongest negative score, at most 1. `sentences` holds
        `start`, `end` (positions in the text), `sentiment` and `all_scores` of each; the first
        200 are looked at.

        Raises
        ------
        ValueError
            There is not exactly one column `text`.
        """
        listed = bool((params or {}).get("sentences", False))
        texts = texts_of(model_input)
        read = {text: self._read(text) for text in dict.fromkeys(texts)}  # each text once
        return [self._answer(*read[text], listed) for text in texts]

    def _read(self, text: str) -> tuple[Scores, list[tuple[Span, Scores]]]:
        """Score a text and each of its sentences."""
        scores, spans = self.scores(text), sentences(text)[:MOST_SENTENCES]
        if len(spans) < 2:
            return scores, [(span, scores) for span in spans]
        return scores, [((start, end), self.scores(text[start:end])) for start, end in spans]

    def _answer(
        self, scores: Scores, parts: list[tuple[Span, Scores]], listed: bool
    ) -> dict[str, Any]:
        """Put an answer together, of which nothing is shared with another."""
        sentiment = max(scores, key=lambda name: scores[name])
        confidence = scores[sentiment]
        level = next((name for name, least in LEVELS if confidence >= least), "low")
        answer = {
            "sentiment": sentiment,
            "confidence": confidence,
            "confidence_level": level,
            "all_scores": dict(scores),
            "mixed": mixed([found for _, found in parts]),
        }
        if listed:
            answer["sentences"] = [
                {
                    "start": start,
                    "end": end,
                    "sentiment": max(found, key=lambda name: found[name]),
                    "all_scores": dict(found),
                }
                for (start, end), found in parts
            ]
        return answer

    def scores(self, text: str) -> Scores:
        """Give the calibrated probability of each class for one text."""
        plain = normalise(text)
        single = tokens(plain)
        logits, evidence = self._intercept, False
        for block in self._blocks:
            added = block.logits(plain, single)
            if added is not None:
                logits, evidence = logits + added, True
        if self._lexicon:
            found = _polarity(single, self._lexicon)
            evidence = evidence or bool(found.any())
            logits = logits + (found[:, None] * self._polarity).sum(axis=0)
        if self._convolution:
            added = self._convolution.logits(single)
            if added is not None:
                logits, evidence = logits + added, True
        elif not self._blocks:  # an encoder knows pieces of any word; it was trained on English
            evidence = any(sign.isascii() and sign.isalpha() for sign in text)
        if not evidence:
            return dict(NO_EVIDENCE)
        if self._encoder:
            logits = logits + (self._encoder.vector(text)[:, None] * self._dense).sum(axis=0)
        powers = np.exp(logits - logits.max())
        scores = (powers / powers.sum()).tolist()
        return {name: scores[self._classes.index(name)] for name in NO_EVIDENCE}


def mixed(scores: list[Scores]) -> float:
    """Say how much good and bad stand side by side in the sentences, 0 to 1."""
    strongest = (max((one[name] for one in scores), default=0.0) for name in OPPOSITES)
    return min(1.0, 2 * min(strongest))


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
        names = FILES + (ENCODER_FILES if len(digests) > len(FILES) else ())
        files = {name: (folder / name).read_bytes() for name in names}
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
