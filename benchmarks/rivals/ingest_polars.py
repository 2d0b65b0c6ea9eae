"""Ingest and split as one would write them with polars, streaming where it can: FILE FOLDER."""

import sys
from pathlib import Path

import polars as pl

file, folder = (Path(word) for word in sys.argv[-2:])
score = pl.col("mood_score")
rows = (
    pl.scan_parquet(file)
    .with_columns(
        pl.col("journal_text").str.strip_chars().str.replace_all(r"\s+", " ").alias("text"),
        pl.col("created_at").str.to_datetime(time_zone="UTC"),
        pl.when(score <= 4)
        .then(pl.lit("negative"))
        .when(score >= 7)
        .then(pl.lit("positive"))
        .otherwise(pl.lit("neutral"))
        .alias("label"),
        pl.col("user_id").hash(seed=5).alias("author"),
    )
    .filter(pl.col("text") != "")
    .unique("text", keep="first", maintain_order=True)
    .unique("id", keep="first", maintain_order=True)
    .drop("journal_text", "user_id")
)
rows.sink_parquet(folder / "entries.parquet", compression="zstd")
draw = pl.col("author").hash(seed=7) / 2**64
side = pl.when(draw < 0.2).then(pl.lit("test")).when(draw < 0.35).then(pl.lit("valid"))
entries = pl.scan_parquet(folder / "entries.parquet").with_columns(
    side.otherwise(pl.lit("train")).alias("split")
)
for name in ("train", "valid", "test"):
    entries.filter(pl.col("split") == name).sink_parquet(
        folder / f"{name}.parquet", compression="zstd"
    )
