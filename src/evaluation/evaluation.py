"""What `evaluation.json` holds: the only thing that registering decides from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NoReturn

from src.errors import UserError
from src.evaluation.behaviour import Failures, behaviour_metrics
from src.evaluation.bootstrap import Estimate
from src.evaluation.fields import estimates, number, of
from src.evaluation.gates import Verdict
from src.evaluation.journal import Journal

SCHEMA_VERSION = 2
DIGITS = 10  # significant digits kept in the file, so that its digest is stable


@dataclass(frozen=True)
class Comparison:
    """The champion's figures on the entries that neither model was trained on.

    Parameters
    ----------
    digest
        The champion's.
    n_entries, n_left_out
        Judged entries that were compared on, and judged entries that were not.
    metrics
        The champion's; empty where no entry is shared.
    differences
        Candidate minus champion, paired.
    verdict
        Whether the candidate is better.
    """

    digest: str
    n_entries: int
    n_left_out: int
    metrics: dict[str, Estimate]
    differences: dict[str, Estimate]
    verdict: Verdict


@dataclass(frozen=True)
class Evaluation:
    """One candidate's figures, gates and comparison.

    Parameters
    ----------
    task
        "sentiment" or "topics".
    candidate_digest
        Which model was judged.
    n_entries, n_unlabelled
        Held-out entries that were judged; those without the truth. For sentiment these are left
        out, for topics they only miss in the metrics that need gold topics.
    n_resamples
        How many bootstrap resamples the 95 % intervals rest on.
    metrics, baseline
        The candidate's and the trivial baseline's figures on the same entries.
    gates
        Each gate's verdict by its code.
    champion
        None where there is no champion.
    journal, behaviour
        What a sentiment model makes of the held-out journal, and of each kind of minimal pairs.
        They inform: the comparison does not rest on them, and of the gates only those that ask
        whether the journal is put into the wrong order.
    """

    task: str
    candidate_digest: str
    n_entries: int
    n_unlabelled: int
    n_resamples: int
    metrics: dict[str, Estimate]
    baseline: dict[str, Estimate]
    gates: dict[str, Verdict]
    champion: Comparison | None
    journal: Journal | None = None
    behaviour: dict[str, Failures] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether every gate is passed."""
        return all(verdict.passed for verdict in self.gates.values())

    @property
    def promote(self) -> bool:
        """Whether the candidate passed and there is no champion, or a lesser one."""
        return self.passed and (self.champion is None or self.champion.verdict.passed)

    @property
    def champion_digest(self) -> str | None:
        """The champion that the candidate was judged against."""
        return self.champion.digest if self.champion else None

    @property
    def verdict(self) -> str:
        """The whole in one line."""
        failed = [verdict.sentence for verdict in self.gates.values() if not verdict.passed]
        if failed:
            return f"Not good enough: {'; '.join(failed)}."
        if self.champion is None:
            return f"Good enough: all {len(self.gates)} gates passed, and there is no champion."
        return f"All {len(self.gates)} gates passed; {self.champion.verdict.sentence}."

    @property
    def logged(self) -> dict[str, float]:
        """The candidate's figures by the names that they are logged under, intervals included."""
        found = self.metrics | (self.journal.metrics if self.journal else {})
        return {
            f"{name}{end}": getattr(estimate, part)
            for name, estimate in found.items()
            for end, part in (("", "value"), ("_low", "low"), ("_high", "high"))
        } | behaviour_metrics(self.behaviour)

    def to_json(self) -> str:
        """Write the file: the same evaluation gives the same bytes."""
        content = asdict(self) | {
            "schema_version": SCHEMA_VERSION,
            "gates": [{"code": code, **asdict(gate)} for code, gate in self.gates.items()],
            "passed": self.passed,
            "promote": self.promote,
            "verdict": self.verdict,
            "champion_digest": self.champion_digest,
        }
        text = json.dumps(
            _rounded(content), sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False
        )
        return text + "\n"

    @classmethod
    def from_json(cls, text: str) -> Evaluation:
        """Read the file.

        Raises
        ------
        UserError
            If the text is no evaluation, of another version, or contradicts itself.
        """
        try:
            content = json.loads(text, parse_constant=_refuse)
            version = content["schema_version"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise _malformed() from error
        if type(version) is not int or version != SCHEMA_VERSION:
            raise UserError(
                f"The evaluation has schema version {version!r:.20}; this project reads version "
                f"{SCHEMA_VERSION}.",
                "Run the evaluate step again: mlflow run . -e evaluate",
            )
        try:
            evaluation = _evaluation(content)
            agrees = content["passed"] is evaluation.passed
            agrees = agrees and content["promote"] is evaluation.promote
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _malformed() from error
        if not agrees:
            raise _malformed()
        return evaluation


def _rounded(content: Any) -> Any:
    if isinstance(content, float):
        return float(f"{content:.{DIGITS}g}") + 0.0
    if isinstance(content, Mapping):
        return {key: _rounded(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_rounded(value) for value in content]
    return content


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


def _malformed() -> UserError:
    return UserError(
        "The file is not an evaluation as the evaluate step writes it, or was changed by hand.",
        "Run the evaluate step again: mlflow run . -e evaluate",
    )


def _evaluation(content: dict[str, Any]) -> Evaluation:
    gates = content["gates"]
    champion = content["champion"]
    return Evaluation(
        task=of(str, content["task"]),
        candidate_digest=of(str, content["candidate_digest"]),
        n_entries=of(int, content["n_entries"]),
        n_unlabelled=of(int, content["n_unlabelled"]),
        n_resamples=of(int, content["n_resamples"]),
        metrics=estimates(content["metrics"]),
        baseline=estimates(content["baseline"]),
        gates={of(str, gate["code"]): _verdict(gate) for gate in of(list, gates)},
        champion=None if champion is None else _comparison(champion),
        journal=None if content["journal"] is None else _journal(content["journal"]),
        behaviour={kind: _failures(found) for kind, found in content["behaviour"].items()},
    )


def _comparison(content: dict[str, Any]) -> Comparison:
    return Comparison(
        digest=of(str, content["digest"]),
        n_entries=of(int, content["n_entries"]),
        n_left_out=of(int, content["n_left_out"]),
        metrics=estimates(content["metrics"]),
        differences=estimates(content["differences"]),
        verdict=_verdict(content["verdict"]),
    )


def _journal(content: dict[str, Any]) -> Journal:
    return Journal(
        n_entries=of(int, content["n_entries"]),
        n_mixed=of(int, content["n_mixed"]),
        n_left_out=of(int, content["n_left_out"]),
        metrics=estimates(content["metrics"]),
    )


def _failures(content: dict[str, Any]) -> Failures:
    change = content["largest_change"]
    return Failures(
        pairs=of(int, content["pairs"]),
        failures=of(int, content["failures"]),
        largest_change=None if change is None else number(change),
    )


def _verdict(content: dict[str, Any]) -> Verdict:
    return Verdict(of(bool, content["passed"]), of(str, content["sentence"]))
