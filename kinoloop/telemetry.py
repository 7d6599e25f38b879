"""Telemetry of the tools underneath, switched off in one place.

Prefect, BentoML, Great Expectations, DVC, MLflow, Ray and Hugging Face all phone home by default.
The platform packages (`flows`, `kinoloop.cli`, `serving`, `tasks`) call `switch_off` before they
import any of them. A variable that the operator has set wins.
"""

import os

OFF = {
    "BENTOML_DO_NOT_TRACK": "true",
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "RAY_USAGE_STATS_ENABLED": "0",
}


def switch_off() -> None:
    """Set every opt-out variable that is not set yet."""
    for name, value in OFF.items():
        os.environ.setdefault(name, value)
