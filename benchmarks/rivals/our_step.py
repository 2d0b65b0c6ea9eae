"""A trivial step: copy rows and change a column."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from src.pipeline.execute import Context
from src.pipeline.step import ROOT, Step, param


@dataclass(frozen=True)
class Params:
    """What the step takes."""

    factor: int = param(3, "Multiplies the value")


def run(context: Context) -> None:
    """Read rows, change a column, write them."""
    import csv

    reads = tuple(context.inputs)
    source = context.input(reads[0]) / "rows.csv" if reads else Path(ROOT / "rows.csv")
    folder = context.output("rows_" + "STEP")
    folder.mkdir()
    with source.open(newline="") as read, (folder / "rows.csv").open("w", newline="") as write:
        rows = csv.DictReader(read)
        writer = csv.DictWriter(write, rows.fieldnames or [])
        writer.writeheader()
        for row in rows:
            writer.writerow({**row, "value": (int(row["value"]) * context.params.factor) % 1000})


ENTRY = Step("STEP", "Copy rows", Params, run, reads=READS, writes=("rows_" + "STEP",))  # noqa: F821
