"""The model registry: MLflow behind one adapter; nothing else in the project imports it."""
