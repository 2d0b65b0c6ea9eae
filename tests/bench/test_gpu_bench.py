"""What the table on encoders says of what was measured, and that it measures."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from benchmarks import gpu_report

TOP = {"matrix": 1e12, "copy": 1e9, "device": "NVIDIA H100 80GB HBM3", "torch": "2"}
ROW = {"entries": 400, "seconds": 4.0, "flop": 2e12, "weights": 10**6, "steps": 10, "memory": 2**31}


def lines_of(found: gpu_report.Found, name: str) -> list[list[str]]:
    """Give the cells of the rows that begin with a name."""
    table = gpu_report.report(found, "cuda").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    return [row for row in rows if row[0].startswith(name)]


def drawn(ends: list[float], f1s: list[float]) -> dict[str, Any]:
    losses = [1.0 / (i + 1) for i in range(len(f1s))]
    return {"ends": ends, "f1s": f1s, "losses": losses, "entries": 100, "held_out": 25}


@pytest.mark.unit
def test_a_rate_is_set_against_both_ceilings_and_their_floor() -> None:
    found = {"ceilings": TOP, "speed ours 8": ROW | {"packed": "true"}}
    # 2e12 FLOP at 1e12/s are 2 s; 10 steps of 28 MB at 1 GB/s are .28 s; it took 4 s.
    assert lines_of(found, "ours 8") == [
        ["ours 8, packed", "100", "0.5", "50.0 %", "0.1 %", "1.75", "2.0 GiB"]
    ]


@pytest.mark.unit
def test_a_device_without_a_data_sheet_or_ceilings_leaves_those_cells_empty() -> None:
    found = {"ceilings": TOP | {"device": "a processor"}, "speed ours 8": ROW | {"memory": 0}}
    assert lines_of(found, "ours 8")[0][3:] == ["50.0 %", "–", "1.75", "–"]
    del found["ceilings"]
    assert lines_of(found, "ours 8")[0][3:] == ["–", "–", "–", "–"]


@pytest.mark.unit
def test_what_failed_is_said_where_its_figures_would_be() -> None:
    found = {"ceilings": TOP, "speed Trainer 8": {"error": "gave up after 300 s"}}
    assert lines_of(found, "Trainer 8")[0][:2] == ["Trainer 8", "failed: gave up after 300 s"]


@pytest.mark.unit
def test_a_processor_s_figures_say_that_they_are_not_a_gpu_s() -> None:
    assert "No GPU was at hand" in gpu_report.report({}, "cpu")
    assert "No GPU was at hand" not in gpu_report.report({}, "cuda")


@pytest.mark.unit
def test_when_the_trainer_s_metric_was_reached_is_a_share_of_its_time() -> None:
    found = {
        "curve Trainer 7": drawn([10.0, 20.0], [0.5, 0.6]),
        "curve ours 7": drawn([1.0, 2.0], [0.4, 0.7]),
        "quick ours 7": drawn([0.5, 1.0], [0.2, 0.59]),
    }
    assert lines_of(found, "ours 7")[0][-1] == "10 %"
    assert lines_of(found, "quick ours 7")[0][-1] == "not reached"


@pytest.mark.unit
def test_the_curves_are_drawn_the_same_each_time_and_only_where_there_are_any(
    tmp_path: Path,
) -> None:
    found = {f"curve {who} 7": drawn([1.0, 2.0], [0.5, 0.6]) for who in ("Trainer", "ours")}
    for name in ("one.svg", "other.svg"):
        gpu_report.picture(found, tmp_path / name)
    first = (tmp_path / "one.svg").read_text()
    assert first == (tmp_path / "other.svg").read_text()
    assert all(f"<!-- {word} -->" in first for word in ("Trainer", "ours", "training loss"))
    gpu_report.picture({"curve ours 7": {"error": "no"}}, tmp_path / "none.svg")
    assert not (tmp_path / "none.svg").exists()


@pytest.mark.slow
def test_ours_is_timed_on_what_was_made_up() -> None:
    torch = pytest.importorskip("torch")
    from benchmarks import gpu

    train = gpu.made_up(2_000, 1)
    lengths = [len(row) for row in train.rows]
    assert min(lengths) >= gpu.SHORTEST
    assert max(lengths) <= gpu.LONGEST
    assert sorted(lengths)[1_000] == pytest.approx(gpu.MEDIAN, rel=0.1)
    same, again, other = ([list(r) for r in gpu.made_up(20, seed).rows] for seed in (1, 1, 2))
    assert same == again != other
    found = gpu.cell(["speed", "ours", "8"], torch.device("cpu"), gpu.SIZES["tiny"])
    assert found["entries"] == 40
    assert found["steps"] == 5
    assert found["seconds"] > 0
    assert found["flop"] < 6 * found["weights"] * found["tokens"]


@pytest.mark.slow
def test_a_row_is_a_process_of_its_own_and_its_failure_a_line(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from benchmarks import gpu

    typed = argparse.Namespace(device="cpu", size="tiny")
    assert gpu.apart(["ceilings"], typed, tmp_path)["matrix"] > 0
    assert gpu.apart(["speed", "nobody", "8"], typed, tmp_path) == {"error": "KeyError: 'nobody'"}
