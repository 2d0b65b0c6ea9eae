"""Spark on several processes: what goes between them arrives, whoever is done first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from src.data.ingestion import ingest
from src.data.schema import ENTRIES
from src.data.sources import files
from src.data.sources.formats import FileParams
from tests.engines.troubled import same_entries, same_scores, same_splits, spark_at, write_journal

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def test_a_cluster_of_two_workers_gives_the_same(cluster, tmp_path, monkeypatch) -> None:
    # As of a source that only this process can read.
    monkeypatch.setattr(files, "SOURCE", replace(files.SOURCE, pieces=None))
    monkeypatch.setattr("src.engines.spark.WEIGHT", 100_000)
    params = FileParams(source=str(write_journal(tmp_path / "journal")), privacy="standard")
    with spark_at(cluster) as spark:
        same_entries(spark, params, tmp_path / "entries")
        same_splits(spark, tmp_path / "entries" / "here", tmp_path / "splits")
        (tmp_path / "scores").mkdir()
        same_scores(spark, tmp_path / "scores")


def test_a_cluster_on_one_machine_gives_the_same(spark_settings, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(files, "PIECE", 300)
    params = FileParams(
        source=str(write_journal(tmp_path / "journal")), privacy="off", languages="any"
    )
    with spark_at("local-cluster[2,1,512]") as spark:
        here = ingest(params, tmp_path / "here")
        assert ingest(params, tmp_path / "there", engine=spark) == here
    assert ENTRIES.digest(tmp_path / "here") == ENTRIES.digest(tmp_path / "there")
