"""A registry on a store of its own, and versions that hold no real model."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # about MLflow's own type hints, whenever it is imported
    import mlflow
    from mlflow.entities.model_registry import ModelVersion

from src import promotion, registry
from tests.fakes import tracking

NAME = "adaptive_journal_topics"
PERSON = promotion.Reason("ann", "she wants it", "r1")


@dataclass
class Registry:
    """What services see of a registry, and hands that move versions in the UI."""

    client: mlflow.MlflowClient

    def add(self, content: str, **tags: str) -> registry.Version:
        """Register a model of this content; it has no stage."""
        made = self.client.create_model_version(
            NAME, f"/models/{content}", tags={registry.DIGEST: content, **tags}, description="card"
        )
        return self.get(int(made.version))

    def get(self, number: int) -> registry.Version:
        return next(v for v in registry.versions(NAME) if v.number == number)

    def promote(self, content: str) -> registry.Version:
        """Register a model and move it to Production by evidence."""
        reason = promotion.Reason("main", "it is better", "r0", by_evidence=True)
        return promotion.move(self.add(content), registry.PRODUCTION, reason).version

    def by_hand(self, number: int, stage: str) -> ModelVersion:
        """Move a version in the UI: nothing else changes with it."""
        with promotion.quiet():
            return self.client.transition_model_version_stage(NAME, str(number), stage)

    def stages(self) -> dict[int, str]:
        return {v.number: v.stage for v in reversed(registry.versions(NAME))}

    def aliases(self) -> dict[str, int]:
        return promotion.aliases_of(NAME)

    def latest(self) -> str:
        """The content that a service on `latest` loads."""
        versions = self.client.search_model_versions(f"name = '{NAME}'")
        newest = max(versions, key=lambda v: int(v.version))
        return str(newest.source).rpartition("/")[2]

    def production(self) -> list[str]:
        """The contents that stand in Production."""
        standing = [v for v in registry.versions(NAME) if v.stage == registry.PRODUCTION]
        return [v.digest for v in standing]


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database, made once: that takes seconds."""
    path = tmp_path_factory.mktemp("registry") / "mlflow.db"
    mlflow.MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def uri(empty_store: Path, tmp_path: Path) -> str:
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path}/mlflow.db"


@pytest.fixture
def shelf(uri: str) -> Iterator[Registry]:
    """A registry with one registered model and no version."""
    with tracking(uri):
        client = mlflow.MlflowClient(uri)
        client.create_registered_model(NAME)
        yield Registry(client)
