import json

import pytest

from kinoloop.encoders.checkpoint import frame_side, identify, sampling_rate
from kinoloop.errors import ConfigError
from tests.encoders import tiny_models


@pytest.mark.parametrize(
    ("said", "side"),
    [
        ({"size": {"height": 384, "width": 384}}, 384),
        ({"size": {"height": 96, "width": 192}}, 192),
        ({"size": {"shortest_edge": 256}, "do_center_crop": True, "crop_size": 224}, 256),
        ({"size": {"shortest_edge": 224}, "crop_pct": 0.875}, 256),
        ({"size": {"shortest_edge": 384}, "crop_pct": 0.875}, 384),
        ({"size": 224}, 224),
        ({"size": [240, 240]}, 240),
        ({"do_resize": False, "size": 500, "do_center_crop": True, "crop_size": 112}, 112),
        ({"do_resize": False, "do_center_crop": False, "crop_size": 112}, None),
        ({"image_processor": {"size": {"shortest_edge": 288}}}, 288),
    ],
)
def test_side_of_a_frame_is_what_preprocessing_leaves_as_it_is(tmp_path, said, side):
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(said))
    assert frame_side(tmp_path) == side


def test_sampling_rate_is_that_of_the_feature_extractor(tmp_path):
    assert sampling_rate(tiny_models.wav2vec2(tmp_path / "w", rate=24_000)) == 24_000
    assert sampling_rate(tiny_models.clap(tmp_path / "c")) == 48_000
    assert sampling_rate(tiny_models.vit(tmp_path / "v")) is None


def test_checkpoint_without_preprocessing_is_an_error_that_says_how_to_save_it(tmp_path):
    with pytest.raises(ConfigError, match=r"has no preprocessor_config\.json; save the processor"):
        frame_side(tmp_path)


def test_fingerprint_follows_family_code_weights_and_every_other_fact(tmp_path):
    folder, other = tiny_models.text(tmp_path / "a"), tiny_models.text(tmp_path / "b", seed=1)
    one = identify("x", 1, folder, pooling="mean")
    assert one == identify("x", 1, folder, pooling="mean")
    others = [
        identify("y", 1, folder, pooling="mean"),
        identify("x", 2, folder, pooling="mean"),
        identify("x", 1, other, pooling="mean"),
        identify("x", 1, folder, pooling="cls"),
        identify("x", 1, folder, pooling="mean", libraries=("transformers", "scipy")),
    ]
    assert len({one, *others}) == 6
