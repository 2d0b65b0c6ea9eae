"""Ingest and split as one would write them with pandas: FILE FOLDER, or --near FILE FOLDER."""

import hashlib
import hmac
import sys
from pathlib import Path

import numpy as np
import pandas as pd

near = "--near" in sys.argv
file, folder = (Path(word) for word in sys.argv[-2:])
rows = pd.read_parquet(file)
rows["text"] = rows.pop("journal_text").fillna("").str.split().str.join(" ")
rows = rows[rows["text"] != ""].drop_duplicates("text").drop_duplicates("id")
rows["created_at"] = pd.to_datetime(rows["created_at"], format="ISO8601", utc=True)
rows["label"] = np.select(
    [rows["mood_score"] <= 4, rows["mood_score"] >= 7], ["negative", "positive"], "neutral"
)
names = rows["user_id"].unique()
pseudonyms = {n: hmac.new(b"key", n.encode(), hashlib.sha256).hexdigest()[:16] for n in names}
rows["author"] = rows.pop("user_id").map(pseudonyms)
rows.to_parquet(folder / "entries.parquet", compression="zstd")
authors = np.random.default_rng(7).permutation(rows["author"].unique())
cuts = (np.array([0.2, 0.35]) * len(authors)).astype(int)
parts = zip(("test", "valid", "train"), np.split(authors, cuts), strict=True)
side_of = {author: side for side, part in parts for author in part}
rows["split"] = rows["author"].map(side_of)
if near:
    from datasketch import MinHash, MinHashLSH

    def sketch(text: str) -> MinHash:
        """Sketch runs of three words."""
        words = text.casefold().split()
        made = MinHash(num_perm=128)
        made.update_batch([" ".join(words[i : i + 3]).encode() for i in range(len(words) - 2)])
        return made

    index, left = MinHashLSH(threshold=0.8, num_perm=128), []
    for side in ("test", "valid", "train"):
        here = [(i, sketch(text)) for i, text in rows.loc[rows["split"] == side, "text"].items()]
        left += [i for i, made in here if side != "test" and index.query(made)]
        gone = set(left)
        for i, made in here:
            if i not in gone:
                index.insert(i, made)
    rows = rows.drop(index=left)
for side, part in rows.groupby("split"):
    part.to_parquet(folder / f"{side}.parquet", compression="zstd")
