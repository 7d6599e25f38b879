"""The MLflow model of a release, logged as "models from code": this file is the model.

`mlflow.pyfunc.load_model("models:/kinoloop@champion").predict(frame)` opens the bundle that lies
beside this file with Kinoloop's own loader; nothing is unpickled. The Kinoloop service does not
use it: it reads the bundle and runs no code from an artifact.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext
from numpy.typing import NDArray

from kinoloop.data.histories import Interaction
from kinoloop.release.release import Release

TOP_K = 10


class KinoloopModel(PythonModel):
    """Slates for users (by pseudonym) or for histories (lists of video ids, oldest first)."""

    def load_context(self, context: PythonModelContext) -> None:
        """Open the bundle and check it."""
        self.release = Release.open(Path(context.artifacts["bundle"]))
        self.release.check()

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002 (of the interface)
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002 (of the interface)
    ) -> pd.DataFrame:
        """Recommend.

        Args:
            context: Of MLflow.
            model_input: Columns `history` (list of video ids) or `user_id` (a pseudonym), both
                optional; `top_k` optional, 10 where missing.
            params: None are read.

        Returns:
            One row per input row: `video_ids` and `scores`, best first.
        """
        slates = []
        for row in model_input.to_dict(orient="records"):
            top_k = row.get("top_k")
            history, seen = self._past(row)
            slate = self.release.recommend(
                history,
                top_k=TOP_K if top_k is None or pd.isna(top_k) else int(top_k),
                seen=seen,
            )
            slates.append(([p.video_id for p in slate], [p.score for p in slate]))
        return pd.DataFrame(slates, columns=["video_ids", "scores"])

    def _past(self, row: dict[Any, Any]) -> tuple[list[Interaction], NDArray[np.integer] | None]:
        """Read a history, and what was seen where that is more."""
        history, user_id = row.get("history"), row.get("user_id")
        if isinstance(history, list | tuple | np.ndarray):
            ids = self.release.catalogue.ids
            return [Interaction(ids.index(video_id)) for video_id in history], None
        if not isinstance(user_id, str):
            return [], None
        return self.release.history_of(user_id), self.release.seen_by(user_id)


set_model(KinoloopModel())
