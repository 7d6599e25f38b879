"""Effects: Prefect tasks that touch DVC, Great Expectations, MLflow, BentoML and the disk."""

from kinoloop.telemetry import switch_off

switch_off()
