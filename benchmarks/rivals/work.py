"""The work of one trivial step: copy rows and change a column."""

import csv
import sys


def work(source: str, target: str) -> None:
    """Read rows, change a column, write them."""
    with open(source, newline="") as read, open(target, "w", newline="") as write:  # noqa: PTH123
        rows = csv.DictReader(read)
        writer = csv.DictWriter(write, rows.fieldnames or [])
        writer.writeheader()
        for row in rows:
            writer.writerow({**row, "value": (int(row["value"]) * 3 + 1) % 1000})


def main() -> None:
    """Work on named files; `--times N` repeats it, `--log` logs the result on an MLflow run."""
    source, target, *more = sys.argv[1:]
    for _ in range(int(more[1]) if "--times" in more else 1):
        work(source, target)
    if "--log" in more:
        import mlflow

        with mlflow.start_run():
            mlflow.log_artifact(target)


if __name__ == "__main__":
    main()
