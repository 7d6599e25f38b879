import subprocess
import sys

import pytest

from kinoloop.encoders import base
from kinoloop.encoders.checkpoint import preprocessing
from kinoloop.errors import ConfigError


def test_encoder_that_is_not_there_is_an_error_that_names_those_that_are():
    with pytest.raises(ConfigError, match=r"no encoder is called 'bert'; there are .*hf_text"):
        base.identify({"kind": "bert"})


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        ({"kind": "hf_text"}, "model: Field required"),
        ({"kind": "minilm", "max_tokens": 1}, "max_tokens: .* got 1"),
        ({"kind": "classical_audio", "colour": "red"}, "there is no setting 'colour'"),
    ],
    ids=["missing", "out of range", "unknown"],
)
def test_wrong_setting_is_an_error_that_names_it(settings, where):
    with pytest.raises(ConfigError, match=f"encoder '{settings['kind']}': {where}"):
        base.build(settings)


def test_checkpoint_without_preprocessing_is_an_error_that_says_how_to_save_it(tmp_path):
    with pytest.raises(ConfigError, match=r"has no preprocessor_config\.json; save the processor"):
        preprocessing(tmp_path)


def test_default_encoders_are_named_without_loading_torch():
    code = (
        "import sys\n"
        "from kinoloop.extraction.config import ExtractConfig\n"
        "from kinoloop.extraction.products import make_products\n"
        "assert len(make_products(ExtractConfig())) >= 3\n"
        "sys.exit(int(bool({'torch', 'transformers'} & set(sys.modules))))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
