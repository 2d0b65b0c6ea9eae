"""A model that answers on Spark's workers, through MLflow's own function for that."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow.pyfunc
import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812 - as everybody calls it

if TYPE_CHECKING:
    import pandas as pd

# A struct on purpose: of other types MLflow makes something else of an answer, and says nothing.
SENTIMENT = (
    "sentiment string, confidence double, confidence_level string, "
    "all_scores struct<positive: double, negative: double, neutral: double>"
)
TOPICS = "topic_details array<struct<topic_name: string, topic_id: long, confidence: double>>"
ANSWERS = {"sentiment": SENTIMENT, "topics": TOPICS}
AT_ONCE = 2_048  # texts that a worker asks the model about


class SparkModel:
    """Answers as the loaded model does, each worker a part of the rows.

    Parameters
    ----------
    folder
        The model.
    task
        What it answers.
    """

    def __init__(self, session: SparkSession, folder: Path, task: str) -> None:
        import pandas as pd

        self._session = session
        (answer,) = mlflow.pyfunc.load_model(str(folder)).predict(pd.DataFrame({"text": [""]}))
        fields = ANSWERS[task] + (", mixed double" if "mixed" in answer else "")
        session.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", str(AT_ONCE))
        self._ask = mlflow.pyfunc.spark_udf(
            session, str(folder), result_type=f"struct<{fields}>", env_manager="local"
        )

    def predict(self, frame: pd.DataFrame) -> list[dict[str, Any]]:
        """Answer each row of the column `text`."""
        texts = pa.array(frame["text"].tolist(), pa.string())
        table = pa.table({"place": np.arange(len(texts)), "text": texts})
        slices = self._session.sparkContext.defaultParallelism
        rows = self._session.createDataFrame(table).repartition(slices, "place")
        # A struct keeps the name of its column, which a model without a signature of columns needs.
        found = rows.select("place", self._ask(F.struct("text")).alias("answer")).toArrow()
        answers: list[dict[str, Any]] = found.sort_by("place")["answer"].to_pylist()
        return answers
