"""What `benchmarks/gpu.py` found, as a table and a picture."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

# Dense bfloat16, FLOP/s, as NVIDIA's data sheets have it, by a word of the device's name.
PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12}
# Bytes that a step of AdamW moves for each weight: reads it, its gradient and two moments, writes
# three of them.
ADAMW = 28
COLOURS = {"Trainer": "#c2571a", "ours": "#1f5fa8"}
Found = dict[str, dict[str, Any]]


def report(found: Found, device: str) -> str:
    """Write the table."""
    top = found.get("ceilings", {})
    lines = ["# Fine-tuning and reading with encoders\n"]
    lines.append(
        f"Written by `make bench-gpu` on {datetime.now(UTC):%Y-%m-%d}, on "
        f"{top.get('device', 'a device that was not asked')}"
        + (f", PyTorch {top['torch']}." if "torch" in top else ".")
    )
    if device == "cpu":
        lines.append(
            "\n**No GPU was at hand**: a smaller encoder and fewer entries on a processor. These "
            "figures compare with each other and say nothing of a GPU."
        )
    if "matrix" in top:
        lines.append(
            f"\nCeilings, measured: {top['matrix'] / 1e12:.3g} TFLOP/s in products of matrices, "
            f"{top['copy'] / 1e9:,.0f} GB/s in copies."
        )
    lines += speeds(found, top)
    lines += curves(found)
    lines += readings(found)
    lines += exports(found)
    return "\n".join(lines) + "\n"


def speeds(found: Found, top: dict[str, Any]) -> list[str]:
    """Lines on fine-tuning; the floor is arithmetic and optimiser at the measured ceilings."""
    rows = picked(found, "speed")
    if not rows:
        return []
    lines = [
        "\n## Fine-tuning, entries of a median of 45 tokens\n",
        "Rates are of epochs after the first. The floor is 6·P·tokens (P: weights outside "
        f"embeddings) at the matrix rate and {ADAMW} bytes a weight and step at the copy rate.\n",
        "| | entries/s | TFLOP/s | of the matrix rate | of the data sheet | × floor | memory |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        if "error" in row:
            lines.append(f"| {name} | failed: {row['error']} | | | | | |")
            continue
        rate = row["flop"] / row["seconds"]
        share = f"{100 * rate / top['matrix']:.1f} %" if "matrix" in top else "–"
        peak = next((p for word, p in PEAKS.items() if word in str(top.get("device"))), 0.0)
        sheet = f"{100 * rate / peak:.1f} %" if peak else "–"
        floor = "–"
        if "matrix" in top:
            least = row["flop"] / top["matrix"]
            least += row["steps"] * row["weights"] * ADAMW / top["copy"]
            floor = f"{row['seconds'] / least:.2f}"
        memory = f"{row['memory'] / 2**30:.1f} GiB" if row["memory"] else "–"
        lines.append(
            f"| {name}{', packed' if row.get('packed') == 'true' else ''} "
            f"| {row['entries'] / row['seconds']:,.0f} | {rate / 1e12:.3g} | {share} | {sheet} "
            f"| {floor} | {memory} |"
        )
    return lines


def curves(found: Found) -> list[str]:
    """Lines on what was learned, and when the Trainer's metric was reached."""
    rows = {
        name if what == "curve" else f"{what} {name}": row
        for what in ("curve", "quick")
        for name, row in picked(found, what).items()
        if "error" not in row
    }
    theirs = [row for name, row in rows.items() if name.startswith("Trainer")]
    if not theirs:
        return []
    goal = float(np.mean([row["f1s"][-1] for row in theirs]))
    took = float(np.mean([row["ends"][-1] for row in theirs]))
    first = theirs[0]
    lines = [
        "\n## The same learning curve\n",
        f"all-MiniLM-L6-v2 on {first['entries']:,} real texts, macro-F1 on {first['held_out']:,} "
        "others (`gpu-curves.svg`); `quick` has a larger batch and rate. The last "
        "column is when macro-F1 reached the Trainer's mean at its end, validation included, as a "
        "share of the Trainer's time.\n",
        "| | loss by epoch | macro-F1 by epoch | seconds | to the Trainer's macro-F1 |",
        "|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        there = [end for end, f1 in zip(row["ends"], row["f1s"], strict=True) if f1 >= goal]
        share = f"{100 * there[0] / took:.0f} %" if there else "not reached"
        losses, f1s = ([f"{v:.3f}" for v in row[kind]] for kind in ("losses", "f1s"))
        lines.append(
            f"| {name} | {' '.join(losses)} | {' '.join(f1s)} | {row['ends'][-1]:.1f} | {share} |"
        )
    return lines


def readings(found: Found) -> list[str]:
    """Lines on encoding."""
    rows = {name: row for name, row in picked(found, "reading").items() if "error" not in row}
    if not rows:
        return []
    lines = [
        "\n## Encoding with all-MiniLM-L6-v2\n",
        "| | texts/s | least cosine with ours |",
        "|---|---|---|",
    ]
    own = np.array(rows["ours"]["probe"]) if "ours" in rows else None
    for name, row in rows.items():
        alike = "–"
        if own is not None:
            alike = f"{float((own * np.array(row['probe'])).sum(axis=1).min()):.4f}"
        lines.append(f"| {name} | {row['texts'] / row['seconds']:,.0f} | {alike} |")
    return lines


def exports(found: Found) -> list[str]:
    """Lines on ONNX."""
    rows = found.get("exports", {})
    if not rows or "error" in rows:
        return []
    lines = [
        "\n## all-MiniLM-L6-v2 as ONNX, one text at a time\n",
        "| | MB | texts per CPU s, one thread | texts/s on the GPU | least cosine with fp32 |",
        "|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        gpu = f"{row['gpu']:,.0f}" if row.get("gpu") else "–"
        lines.append(
            f"| {name} | {row['size'] / 1e6:.1f} | {row['per_second']:,.0f} | {gpu} "
            f"| {row['alike']:.4f} |"
        )
    return lines


def picture(found: Found, path: Path) -> None:
    """Draw the learning curves; nothing where there are none."""
    rows = {n: row for n, row in picked(found, "curve").items() if "error" not in row}
    if not rows:
        return
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "gpu-curves", "font.size": 9}):
        figure = Figure(figsize=(7.5, 3), layout="constrained")
        panels = figure.subplots(1, 2)
        for name, row in rows.items():
            who, _, seed = name.partition(" ")
            for panel, kind in zip(panels, ("losses", "f1s"), strict=True):
                epochs = range(1, len(row[kind]) + 1)
                label = who if seed == min(n.partition(" ")[2] for n in rows) else None
                style = "-" if who == "ours" else "--"
                panel.plot(epochs, row[kind], style, color=COLOURS[who], label=label, marker=".")
        for panel, title in zip(panels, ("training loss", "macro-F1, validation"), strict=True):
            panel.set(title=title, xlabel="epoch")
            panel.xaxis.get_major_locator().set_params(integer=True)
            panel.spines[["top", "right"]].set_visible(False)
        panels[0].legend(frameon=False)
        figure.savefig(path, metadata={"Date": None})


def picked(found: Found, what: str) -> Found:
    """Give the rows of a kind, by the rest of their names."""
    return {
        name.removeprefix(f"{what} "): row
        for name, row in found.items()
        if name.startswith(f"{what} ")
    }
