"""Topics that stay the same topics when a model is made anew: ids, names, and what changed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.training.files import rewrite_settings
from src.training.topic_space import best_pairs

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from src.models.topic_extractor import TopicExtractor

    Floats = npt.NDArray[np.float64]

SAME = 0.25  # similarity at which two topics may be the same one
LEAST_SHARED = 0.05  # of a topic's entries that the same topic still has
SHARED = 0.25  # of a topic's entries that go on in, or come from, another one
FITS = 0.4  # similarity at which a topic keeps its name whatever its words
KEPT, RENAMED, NEW, LEFT = "kept", "renamed", "new", "left"


@dataclass(frozen=True)
class Start:
    """An earlier model to go on from.

    Attributes
    ----------
    update
        Whether its own entries are not at hand: then its topics move only as far as the new
        entries outweigh them.
    merged
        Topics that go into others, by id.
    """

    earlier: TopicExtractor
    update: bool = False
    merged: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """What became of one topic.

    Attributes
    ----------
    change
        "kept", "renamed", "new" or "left".
    previous_name
        In the earlier model; empty for a new topic.
    similarity
        To the topic it was, 0 to 1; 0 for one that is new or left.
    share_before, share_after
        Of all entries' confidence, by the earlier and by the new model.
    from_ids
        Earlier topics that a quarter or more of its entries come from, itself among them.
    to_ids
        Topics that a quarter or more of an earlier topic's entries went to.
    """

    topic_id: int
    topic_name: str
    change: str
    previous_name: str = ""
    similarity: float = 0.0
    share_before: float = 0.0
    share_after: float = 0.0
    from_ids: Sequence[int] = field(default_factory=list)
    to_ids: Sequence[int] = field(default_factory=list)


def similarities(
    earlier: TopicExtractor, new: TopicExtractor, texts: Sequence[str]
) -> tuple[Floats, Floats]:
    """Measure how alike topics of two models are, from 0 to 1.

    The mean of how far their confidences agree on the same texts (the sum of the lesser over
    the sum of the greater, a soft Jaccard index) and of the cosine of their weights over the
    words that both know.

    Returns
    -------
    similarities, shared
        Both of shape `(n_earlier, n_new)`; the second is the confidence that both give, summed
        over the texts.
    """
    import numpy as np

    before, after = earlier.confidences(texts), new.confidences(texts)
    lesser = np.stack([np.minimum(column[:, None], after).sum(axis=0) for column in before.T])
    greater = np.stack([np.maximum(column[:, None], after).sum(axis=0) for column in before.T])
    one, other = earlier.word_weights(), new.word_weights()
    words = sorted(one.keys() & other.keys())
    cosine = np.zeros_like(lesser)
    if words:
        a, b = (centred(np.stack([t[word] for word in words])) for t in (one, other))
        cosine = np.maximum(a.T @ b, 0)
    return (lesser / np.maximum(greater, 1e-12) + cosine) / 2, lesser


def centred(weights: Floats) -> Floats:
    """Take off what all topics share of each word, and scale each topic's column to length 1."""
    import numpy as np

    own = weights - weights.mean(axis=1, keepdims=True)
    scaled: Floats = own / np.maximum(np.linalg.norm(own, axis=0), 1e-12)
    return scaled


def carry_over(folder: Path, start: Start, texts: Sequence[str]) -> list[Change]:
    """Give the topics of a fitted model the ids and names that they had, where they are the same.

    Topics are paired for the greatest similarity overall; new ones get ids that no topic ever
    had, and the ids of those that left are kept back. A name stays while the topic still has a
    word of it among its own, or is much the same.

    Parameters
    ----------
    folder
        The fitted model's; its settings are written anew.
    texts
        Of entries, for both models to read.

    Returns
    -------
    The topics as they are now, in the model's order, then those that left.
    """
    import numpy as np

    from src.models.topic_extractor import TopicExtractor

    earlier, new = start.earlier, TopicExtractor.from_folder(folder)
    found, shared = similarities(earlier, new, texts)
    settings = json.loads((folder / "settings.json").read_bytes())
    topics, past = settings["topics"], earlier.every_topic
    found[[i for i, old in enumerate(past) if old["topic_id"] in start.merged]] = 0
    mass = np.maximum(shared.sum(axis=1), 1e-12)
    found = np.where(shared >= LEAST_SHARED * mass[:, None], found, 0.0)
    rows, columns = best_pairs(found)
    was = {int(j): int(i) for i, j in zip(rows, columns, strict=True) if found[i, j] >= SAME}
    if start.update:  # they stayed in their places; the new entries need not tell of them
        was = {i: i for i in range(len(past))}
    next_id, changes = earlier.next_id, list[Change]()
    taken = {past[i]["topic_name"] for i in was.values()}
    share_before, share_after = (m.confidences(texts).mean(axis=0) for m in (earlier, new))
    for j, topic in enumerate(topics):
        origins = [
            past[i]["topic_id"]
            for i in range(len(past))
            if shared[i, j] >= SHARED * max(float(shared[:, j].sum()), 1e-12)
        ]
        after = float(share_after[j])
        if j in was:
            old, likeness = past[was[j]], float(found[was[j], j])
            renamed = not name_fits(old, topic, likeness)
            topic["topic_id"] = old["topic_id"]
            if renamed:
                topic["topic_name"] = free_name(topic, taken)
            else:
                topic["topic_name"] = old["topic_name"]
            kind = RENAMED if renamed else KEPT
            before = float(share_before[was[j]])
            change = Change(
                *(topic["topic_id"], topic["topic_name"], kind, old["topic_name"]),
                *(likeness, before, after, origins),
            )
        else:
            topic["topic_id"], next_id = next_id, next_id + 1
            topic["topic_name"] = free_name(topic, taken)
            change = Change(
                *(topic["topic_id"], topic["topic_name"], NEW),
                share_after=after,
                from_ids=origins,
            )
        taken.add(topic["topic_name"])
        changes.append(change)
    ids = [topic["topic_id"] for topic in topics]
    stayed = set(was.values())
    for i, old in enumerate(past):
        to = [
            ids[j]
            for j in range(len(topics))
            if shared[i, j] >= SHARED * max(float(shared[i].sum()), 1e-12)
        ]
        if i in stayed:
            j = next(j for j, row in was.items() if row == i)
            changes[j] = replace(changes[j], to_ids=to)
        else:
            before = float(share_before[i])
            name = old["topic_name"]
            changes.append(
                Change(old["topic_id"], name, LEFT, name, share_before=before, to_ids=to)
            )
    retired = {int(i): name for i, name in earlier.retired.items()}
    retired |= {change.topic_id: change.topic_name for change in changes if change.change == LEFT}
    if next_id > max(ids) + 1:
        settings["next_id"] = next_id
    if retired:
        settings["retired"] = {str(i): retired[i] for i in sorted(retired)}
    rewrite_settings(folder, settings)
    return changes


def name_fits(old: dict[str, Any], new: dict[str, Any], likeness: float) -> bool:
    """Tell whether a topic may keep its name: one that is nameless takes what it can get."""
    if old.get("generic", False) != new.get("generic", False):
        return False
    words = set(old["topic_name"].split()) & {*new["words"], *new["topic_name"].split()}
    return likeness >= FITS or bool(words - {"and", "of", "at", "the"})


def free_name(topic: dict[str, Any], taken: set[str]) -> str:
    """Give a topic's own name, made longer by its words where another topic has it."""
    name = str(topic["topic_name"])
    for word in ["", *topic["words"]]:
        longer = f"{name}: {word}" if word else name
        if longer not in taken and len(longer) <= 100:
            return longer
    return f"topic {topic['topic_id']}"


def table(changes: Sequence[Change]) -> pa.Table:
    """Put changes into a table, a row each."""
    import pyarrow as pa

    ids = pa.list_(pa.int64())
    schema = pa.schema(
        [
            ("topic_id", pa.int64()),
            ("topic_name", pa.string()),
            ("change", pa.string()),
            ("previous_name", pa.string()),
            ("similarity", pa.float64()),
            ("share_before", pa.float64()),
            ("share_after", pa.float64()),
            ("from_ids", ids),
            ("to_ids", ids),
        ]
    )
    return pa.Table.from_pylist([asdict(change) for change in changes], schema)


def counts(changes: Sequence[Change]) -> dict[str, float]:
    """Count the topics of each kind of change."""
    found = Counter(change.change for change in changes)
    return {f"topics_{kind}": float(found[kind]) for kind in (KEPT, RENAMED, NEW, LEFT)}


def story(changes: Sequence[Change]) -> list[str]:
    """Tell in sentences what stayed, moved, appeared and left."""
    name_of = {change.topic_id: change.topic_name for change in changes}
    of = {kind: [c for c in changes if c.change == kind] for kind in (KEPT, RENAMED, NEW, LEFT)}
    n_stayed = len(of[KEPT]) + len(of[RENAMED])
    lines = [f"{n_stayed} stayed, {len(of[NEW])} appeared, {len(of[LEFT])} left."]
    lines += [
        f"{change.topic_name} ({change.topic_id}) was called {change.previous_name}."
        for change in of[RENAMED]
    ]
    for change in of[NEW]:
        origins = [name_of[i] for i in change.from_ids if i in name_of]
        out_of = f" out of {' and '.join(origins)}" if origins else ""
        lines.append(f"{change.topic_name} ({change.topic_id}) is new{out_of}.")
    for change in of[LEFT]:
        heirs = [name_of[i] for i in change.to_ids]
        to = f"; its entries went to {' and '.join(heirs)}" if heirs else ""
        lines.append(f"{change.topic_name} ({change.topic_id}) left{to}.")
    for change in of[KEPT] + of[RENAMED]:
        others = [name_of[i] for i in change.to_ids if i != change.topic_id]
        if others:
            lines.append(f"{change.previous_name} ({change.topic_id}) gave to {', '.join(others)}.")
        joined = [name_of[i] for i in change.from_ids if i != change.topic_id and i in name_of]
        if joined:
            lines.append(f"{change.topic_name} ({change.topic_id}) took from {', '.join(joined)}.")
    moved = sorted(of[KEPT] + of[RENAMED], key=lambda c: -abs(c.share_after - c.share_before))
    return lines + [
        f"{change.topic_name} ({change.topic_id}) went from {change.share_before:.1%} to "
        f"{change.share_after:.1%} of the entries."
        for change in moved[:3]
        if abs(change.share_after - change.share_before) >= 0.01
    ]
