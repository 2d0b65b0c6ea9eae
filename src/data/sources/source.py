"""What a source of entries is, and how people name one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.data import LABELS
from src.engines import engine_param, master_param
from src.errors import UserError
from src.pipeline.step import param

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class IngestParams:
    """Where entries come from and what their columns mean."""

    source: str = param(
        "vader",
        "A built-in corpus, files (a path or a glob) or an address: s3://…, https://…, "
        "postgresql://host/db",
        content=False,
    )
    text_column: str = param("", "Column of the texts; found by its usual names if empty")
    label_column: str = param("", "Column of the labels")
    score_column: str = param("", "Column of the scores that cut_points turn into labels")
    author_column: str = param("", "Column of the authors, kept as pseudonyms")
    created_at_column: str = param("", "Column of the dates, ISO 8601")
    topics_column: str = param("", "Column of the topics: lists, or words between ; or ,")
    id_column: str = param("", "Column of the ids; made from the texts if there is none")
    labels: str = param("", "How other labels map, like happy=positive,sad=negative,mixed=none")
    privacy: str = param(
        "",
        "What is replaced by words like <EMAIL>: strict (names and addresses too), standard (what "
        "is sure by its form), off; strict for every source but the built-in one if empty",
        choices=("", "strict", "standard", "off"),
    )
    cut_points: str = param("", "Scores up to the first are negative, from the second on positive")
    expectations: str = param(
        "strict",
        "What data must be like: strict stops before training where they are not, warn says so, "
        "off; or a TOML or JSON file of your own limits",
        content=False,
    )
    languages: str = param(
        "",
        "Languages that stay, like en,de; a text surely in another leaves; any keeps all; en for "
        "every source but the built-in one if empty",
    )
    forget: str = param(
        "",
        "A file of the authors or entry ids to forget: they leave every artifact for good",
        content=False,
    )
    mend: str = param("", "What to mend in the texts: mojibake, html, or both between commas")
    engine: str = engine_param()
    spark_master: str = master_param()

    @property
    def label_map(self) -> dict[str, str | None]:
        """What `labels` says: a class, or None for no label, by label in lower case.

        Raises
        ------
        UserError
            A pair is not label=class.
        """
        mapped = dict[str, str | None]()
        for pair in filter(None, (pair.strip() for pair in self.labels.split(","))):
            label, _, name = (word.strip().casefold() for word in pair.rpartition("="))
            if not label or name not in {*LABELS, "none"}:
                raise UserError(
                    f"labels: {pair!r} is not label=class, with a class of "
                    f"{', '.join(LABELS)} or none.",
                    "-P labels=happy=positive,sad=negative",
                )
            mapped[label] = None if name == "none" else name
        return mapped

    @property
    def cuts(self) -> tuple[float, float] | None:
        """What `cut_points` says: (low, high), or None where it is empty.

        Raises
        ------
        UserError
            It is not two rising numbers.
        """
        if not self.cut_points:
            return None
        try:
            low, high = (float(number) for number in self.cut_points.split(","))
        except ValueError:
            low, high = 0.0, 0.0
        if not low < high:
            raise UserError(
                f"cut_points={self.cut_points} is not two rising numbers.", "-P cut_points=4,7"
            )
        return low, high


@dataclass
class Reading:
    """What a source that changes while people use it may go on from, and leaves for next time.

    Attributes
    ----------
    earlier
        Brings the artifacts of the newest ingest with the same code and parameters here, verified:
        the folders of `entries` and `versions` by name; empty where there is none.
    versions
        Where the source writes which version of each entry it has read: an artifact folder.
    digest
        What the source has found itself to hold while it was read, in the terms of its
        `fingerprint`; empty where nothing could change meanwhile.
    total
        How many rows there are, where the source knows it before it reads them.
    texts
        How many rows it has read with their texts; the other texts are those of the earlier ingest.
    """

    earlier: Callable[[], Mapping[str, Path]]
    versions: Path
    digest: str = ""
    total: int = 0
    texts: int = 0


@dataclass(frozen=True)
class Piece:
    """A part of a source that can be read apart from the others, by another process.

    Attributes
    ----------
    read
        Streams its tables of `src.data.raw.RAW`; can be pickled.
    before
        How many rows come before it, by where they come from, as far as that is known.
    """

    read: Callable[[], Iterator[pa.Table]]
    before: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """One place that entries come from.

    Attributes
    ----------
    name
        The word people type after `source=`.
    help
        One sentence.
    public
        Whether its texts are public, so that reports may show them.
    check
        Raises `UserError` where the source cannot be read; cheap, and before anything heavy.
    fingerprint
        A digest of the content, without paths.
    read
        Streams tables of `src.data.raw.RAW`.
    cut_points
        The scores (low, high) that part negative, neutral and positive, where they are known.
    params
        `IngestParams`, or what extends it by parameters of its own.
    schemes
        What addresses that it reads begin with, as in `postgresql` for `postgresql://…`.
    read_on
        Streams the same tables where it can go on from an earlier reading.
    recognises
        Tells a path that it reads, and not the source of files, by what lies there.
    pieces
        Cuts it into what other processes can read by themselves, in the order of `read`.
    """

    name: str
    help: str
    public: bool
    check: Callable[[Any], None]
    fingerprint: Callable[[Any], str]
    read: Callable[[Any], Iterator[pa.Table]]
    cut_points: tuple[float, float] | None = None
    params: type[IngestParams] = IngestParams
    schemes: tuple[str, ...] = ()
    read_on: Callable[[Any, Reading], Iterator[pa.Table]] | None = None
    recognises: Callable[[Path], bool] | None = None
    pieces: Callable[[Any], Iterable[Piece]] | None = None

    @property
    def code(self) -> str:
        """Where its code starts, as package.module:name."""
        return f"{self.read.__module__}:SOURCE"
