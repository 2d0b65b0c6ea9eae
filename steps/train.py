"""Fits a family on the splits, and logs a model that any process can load."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.errors import UserError
from src.pipeline.execute import Context
from src.pipeline.step import Nothing, Part, Step, param
from src.training.family import Family, check_installed, family, model_param, seed_param

if TYPE_CHECKING:
    import pyarrow as pa

    from src.pipeline.keys import Key
    from src.pipeline.results import Sealed

MEASURED = 5_000  # training entries that the model is asked about after it was fitted
PROBES = 32  # entries that a bare process must answer like this one


@dataclass(frozen=True)
class TrainParams:
    """What to train; a family's own parameters come on top."""

    model: str = model_param()
    family: str = param("", "How it is made; the model's usual family if empty")
    seed: int = seed_param()
    n_sample: int = param(20, "Rows of the logged data sample", low=0, high=1000)
    samples: str = param(
        "none",
        "Text in that sample: none of private entries; or short redacted ones, where the source "
        "was de-identified",
        choices=("none", "redacted"),
    )
    trials: int = param(
        0,
        "Fits to search the family's parameters with, for the best on the validation entries; "
        "what is given of them stays as given",
        low=0,
        high=1000,
    )


def family_of(params: TrainParams) -> Family:
    """Find the family that the parameters name."""
    return family(params.model, params.family)


def run(context: Context) -> None:
    """Fit, log the model, prove that a bare process answers the same, and log metrics."""
    import numpy as np
    import pyarrow as pa

    from src.cards.train_card import CURVE
    from src.data.sample import sample
    from src.data.schema import SPLITS
    from src.data.seen import write_trained_on
    from src.evaluation.evaluate import measure
    from src.training import packaging
    from src.training.known_terms import MIN_AUTHORS, authors_of

    params, ((chosen, own), *others) = context.params, context.parts
    splits = context.input("splits")
    train, valid = SPLITS.read(splits, "train"), SPLITS.read(splits, "valid")
    least = getattr(own, MIN_AUTHORS, 1)
    authors_of(train, least).check()
    folder = context.folder / "model"
    folder.mkdir()
    fit = fit_alone
    for do, more in others:  # see `parts`
        if isinstance(more, Nothing):
            own = do(context, chosen, own, train, valid)
        else:
            fit = partial(do, more)
    context.say(f"train: fitting {chosen.name} on {train.num_rows:,} entries")
    fitted = fit(context, chosen, own, train, valid, folder)
    model = packaging.load(chosen.task, folder)
    metrics = dict[str, float]()
    some = np.random.default_rng(params.seed).permutation(train.num_rows)[:MEASURED]
    for name, entries in (("train", train.take(some)), ("valid", valid)):
        context.say(f"train: measuring on {name}")
        rows = model.predict(None, entries.select(["text"]).to_pandas())
        measured = measure(params.model, entries, rows, getattr(model, "topics", None))
        metrics |= {f"{name}_{metric}": value for metric, value in measured.items()}
    context.say("train: logging the model and loading it in a bare process")
    metadata = {"task": chosen.task.name, "family": chosen.name, MIN_AUTHORS: least}
    uri = packaging.log_model(chosen.task, folder, metadata)
    context.publish("candidate", uri, prove(model, valid))
    both = pa.concat_tables([train, valid])
    write_trained_on(context.output("trained_on"), [train, valid])
    context.log_params({f"fitted_{name}": value for name, value in fitted.items()})
    if curve := [float(f1) for f1 in str(fitted.get("f1_by_epoch", "")).split()]:
        epochs = [*range(1, len(curve) + 1)]
        context.log_table(CURVE, {"epoch": epochs, "f1_macro": curve})
    context.log_metrics(metrics)
    drawn = (params.n_sample, params.seed, params.samples == "redacted")
    context.log_table("data_sample.json", sample(both, *drawn))
    headline = ", ".join(f"{n} {v:.3f}" for n, v in list(measured.items())[:3])
    fits = f", the best of {params.trials} trials" if params.trials else ""
    summary = f"{chosen.name} on {train.num_rows:,} entries: valid {headline}{fits}"
    if changed := context.details.get("topics_changed"):
        summary += f"; topics of {context.details['follows']}: {changed[0]}"
    if warning := context.details.get("warning"):
        summary += f"; warning: {warning}"
    context.details["summary"] = summary


def fit_alone(
    context: Context, chosen: Family, own: Any, train: pa.Table, valid: pa.Table, folder: Path
) -> Mapping[str, float | int | str]:
    """Fit a family that looks at no earlier version."""
    return chosen.fit(train, valid, own, folder, context.params.seed, context.say)


def prove(model: Any, entries: pa.Table) -> Callable[[Path], None]:
    """Make the check that a logged model answers in a bare process as it does in this one."""
    from src.training.packaging import answers_in_bare_process

    probes = entries.select(["text"]).slice(0, PROBES).to_pandas()

    def check(path: Path) -> None:
        there = answers_in_bare_process(path, probes["text"].tolist())
        if there != model.predict(None, probes):
            raise UserError(
                "the logged model answers differently in a bare process.",
                "Its answers must depend on its own files only.",
            )

    return check


def parts(params: TrainParams) -> tuple[Part, ...]:
    """Pick the family, and with it the code that ships; then what comes before its fit.

    For sentiment that is a look at the labels, with trials the search; topics are fitted so that
    they follow an earlier version's. Named here and nowhere in `run`, their code and Optuna count
    for reuse only where they are used.
    """
    chosen = family_of(params)
    code = (chosen.code, chosen.task.code, "src.training.family:Family")
    found = [Part(chosen, code, chosen.params, params.trials > 0, chosen.check, chosen.outside)]
    if params.model == "sentiment":
        from src.training.label_noise import check_labels

        found.append(before_fit(check_labels))
    if params.model == "topics":
        from src.training import topic_following as following

        start = (f"{following.__name__}:{following.fit_following.__name__}",)
        found.append(
            Part(
                *(following.fit_following, start, following.FollowParams),
                check=following.check,
                outside=following.outside,
            )
        )
    if params.trials:
        from src.training.search import search

        found.append(before_fit(search))
    return tuple(found)


def before_fit(prepare: Callable[..., Any]) -> Part:
    """Name what is called before the fit, and gives the parameters to fit with."""
    return Part(prepare, (f"{prepare.__module__}:{prepare.__name__}",))


def made_the_champion(key: Key, find: Callable[[str], Sealed | None]) -> Sealed | None:
    """Find the training that made the champion of a model that follows champions."""
    if key.params.get("model") != "topics":
        return None
    from src.training.topic_following import made_the_champion

    return made_the_champion(key, find)


def check_needs(params: TrainParams) -> None:
    """Make sure that what the family and a search of its parameters need is there."""
    check_installed(family_of(params))
    if params.trials:
        from src.training.search import check_search

        check_search(family_of(params))


ENTRY = Step(
    "train",
    "Fit a family and log its model, reloaded in a bare process",
    TrainParams,
    run,
    reads=("splits",),
    writes=("candidate", "trained_on"),
    parts=parts,
    instead=made_the_champion,
    check=check_needs,
    group="model",
    card="src.cards.train_card:train_card",
)
