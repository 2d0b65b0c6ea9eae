"""Parts entries into train, valid and test, nobody's entries on two sides."""

from __future__ import annotations

from src.data.splitting import SplitParams
from src.pipeline.execute import Context
from src.pipeline.step import Step


def run(context: Context) -> None:
    """Write the splits; count each side and what left it."""
    from src.data.schema import ENTRIES, SPLITS
    from src.data.splitting import split

    params = context.params
    table, report = split(
        ENTRIES.read(context.input("entries")),
        valid=params.valid,
        test=params.test,
        split_by=params.split_by,
        seed=params.seed,
    )
    SPLITS.write(context.output("splits"), [table])
    context.log_metrics(report.metrics)
    context.details["summary"] = report.sentence


ENTRY = Step(
    "split",
    "Part entries into train, valid and test, nobody's on two sides",
    SplitParams,
    run,
    reads=("entries",),
    writes=("splits",),
)
