"""Parts entries into train, valid and test, nobody's entries on two sides."""

from __future__ import annotations

from functools import partial

from src import engines
from src.data.splitting import SplitParams
from src.pipeline.execute import Context
from src.pipeline.step import Step


def run(context: Context) -> None:
    """Write the splits; count each side and what left it."""
    from src.data.schema import ENTRIES, SPLITS
    from src.data.splitting import split

    params, entries = context.params, context.input("entries")
    with engines.opened(params, context.say) as engine:
        batches, report = split(
            partial(ENTRIES.batches, entries),
            valid=params.valid,
            test=params.test,
            split_by=params.split_by,
            seed=params.seed,
            say=context.say,
            engine=engine,
        )
    SPLITS.write(context.output("splits"), batches)
    context.log_metrics(report.metrics)
    context.details |= {"summary": report.sentence, "waived": report.waived}


ENTRY = Step(
    "split",
    "Part entries into train, valid and test, nobody's on two sides",
    SplitParams,
    run,
    reads=("entries",),
    writes=("splits",),
    check=engines.check,
    card="src.cards.ingest_card:split_card",
)
