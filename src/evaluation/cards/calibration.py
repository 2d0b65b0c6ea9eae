"""The picture of what a confidence is worth: whether it is true, and what leaving out gains."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from src.evaluation.selective import Judged, accuracy_by_coverage, selective_metrics
from src.evaluation.sentiment import CALIBRATION_BINS, calibration_bins

if TYPE_CHECKING:
    from src.evaluation.bootstrap import Floats

# Two of the colours that Okabe and Ito (2008) chose for every kind of colour vision.
KEPT, FLAGGED = "#0072B2", "#D55E00"
MUTED = "#666666"
STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "legend.edgecolor": "none",
}
DPI = 110
COVERAGES = np.arange(1, 201) / 200
FEWEST = 10  # answers; a curve of fewer says nothing
Z = 1.96  # of a 95 % interval


def picture(sets: Mapping[str, Judged]) -> bytes:
    """Draw for each set of entries a reliability diagram and the coverage-accuracy curve.

    The diagram holds the mean confidence of the answers in a bin, as `ece` has them, against the
    share that is right (Guo et al., 2017), above how many there are. Intervals are Wilson's (1927).

    Parameters
    ----------
    sets
        At least one, each of at least one entry, by a name for people.

    Returns
    -------
    A PNG: the same bytes for the same answers.
    """
    import matplotlib.style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    buffer = io.BytesIO()
    with matplotlib.style.context(["default", STYLE]):  # whatever the user has set
        figure = Figure(figsize=(0.6 + 4.7 * len(sets), 9.4), layout="constrained")
        FigureCanvasAgg(figure)
        panels = figure.subplots(
            *(3, len(sets)), squeeze=False, sharey="row", height_ratios=(3, 1.1, 2.6)
        )
        for (name, judged), (above, middle, below) in zip(sets.items(), panels.T, strict=True):
            draw_reliability(above, name, judged)
            draw_counts(middle, judged)
            draw_coverage(below, judged)
        panels[2, 0].set_ylim(top=1.02)  # once every curve is there; the row shares it
        panels[0, 0].set_ylabel("share that is right")
        panels[1, 0].set_ylabel("share of answers")
        panels[2, 0].set_ylabel("share of the kept that is right")
        figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def draw_reliability(axes: Any, name: str, judged: Judged) -> None:
    """Draw for each bin how sure the answers are and how many are right."""
    bins = calibration_bins(judged.confidence)
    counts, sure, right = (
        np.bincount(bins, of, CALIBRATION_BINS)
        for of in (np.ones(len(bins)), judged.confidence, judged.right.astype(float))
    )
    used = counts > 0
    counts, sure, right = counts[used], sure[used] / counts[used], right[used]
    error = np.abs(right - sure * counts).sum() / len(bins)
    axes.plot(
        [0, 1], [0, 1], color=MUTED, linestyle="--", linewidth=1, label="calibrated perfectly"
    )
    low, high = wilson(right / counts, counts)
    axes.vlines(sure, low, high, color=KEPT, linewidth=1.5, alpha=0.5, label="95 % interval")
    axes.plot(
        sure,
        right / counts,
        color=KEPT,
        marker="o",
        linewidth=1.5,
        clip_on=False,
        label="answers, bin by bin",
    )
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="")
    axes.set_title(
        f"{name} (n = {len(bins):,})\naccuracy {judged.right.mean():.3f}, "
        f"calibration error (ECE) {error:.3f}"
    )
    axes.legend(loc="upper left")


def draw_counts(axes: Any, judged: Judged) -> None:
    """Draw how many answers each bin holds, those flagged low in their own colour."""
    low = np.zeros(len(judged.right), np.bool_) if judged.low is None else judged.low
    flagged, kept = (
        np.bincount(calibration_bins(judged.confidence[of]), minlength=CALIBRATION_BINS)
        for of in (low, ~low)
    )
    middles, width = (np.arange(CALIBRATION_BINS) + 0.5) / CALIBRATION_BINS, 0.9 / CALIBRATION_BINS
    total = len(low)
    axes.bar(
        middles,
        flagged / total,
        width,
        color=FLAGGED,
        hatch="///",
        edgecolor="white",
        label="flagged low",
    )
    axes.bar(middles, kept / total, width, bottom=flagged / total, color=KEPT)
    for middle, count in zip(middles, flagged + kept, strict=True):
        if count:
            axes.annotate(
                f"{count:,}",
                (middle, count / total),
                xytext=(0, 2),
                textcoords="offset points",
                ha="center",
                fontsize=7,
            )
    axes.set(xlim=(0, 1), xlabel="confidence")
    axes.margins(y=0.2)
    if low.any():
        axes.legend(loc="upper left")


def draw_coverage(axes: Any, judged: Judged) -> None:
    """Draw the accuracy of the most confident answers, by how many are kept."""
    n = len(judged.right)
    metrics = selective_metrics(judged, np.ones((1, n), np.uint8))
    coverages = COVERAGES[COVERAGES * n >= min(n, FEWEST)]
    accuracy = accuracy_by_coverage(judged, coverages)
    low, high = wilson(accuracy, coverages * n)
    axes.fill_between(coverages, low, high, color=KEPT, alpha=0.15, linewidth=0)
    axes.plot(
        coverages, accuracy, color=KEPT, linewidth=1.8, label="the surest kept, 95 % interval"
    )
    whole = judged.right.mean()
    axes.axhline(whole, color=MUTED, linestyle="--", linewidth=1, label="all kept")
    area, at_80 = metrics["aurc"][0], metrics["accuracy_at_80"][0]
    title = f"AURC {area:.3f}, accuracy {at_80:.3f} at coverage 0.8"
    if judged.low is not None and not judged.low.all():
        kept, right = metrics["coverage_confident"][0], metrics["accuracy_confident"][0]
        axes.plot(
            *([kept], [right]),
            color=FLAGGED,
            marker="D",
            markersize=8,
            linestyle="none",
            clip_on=False,
            label="those not flagged low",
        )
        title += f"\nnot flagged low: coverage {kept:.3f}, accuracy {right:.3f}"
    axes.set(xlim=(0, 1.02), xlabel="coverage: share of answers kept")
    axes.set_title(title)
    axes.legend(loc="upper right")


def wilson(share: Floats, n: Floats) -> tuple[Floats, Floats]:
    """Give the ends of the 95 % interval of a share of n (Wilson, 1927).

    Examples
    --------
    >>> [round(float(end[0]), 3) for end in wilson(np.array([0.5]), np.array([100.0]))]
    [0.404, 0.596]
    """
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)
