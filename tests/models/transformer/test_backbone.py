import shutil

import numpy as np
import pytest
import torch
import transformers

from kinoloop.errors import ConfigError
from kinoloop.models.base import load
from kinoloop.models.sequence import Sequence
from kinoloop.models.transformer.backbone import Backbone, Shape
from kinoloop.models.transformer.config import BackboneConfig, SequenceConfig
from kinoloop.testing.toy import toy_catalogue, toy_histories

SMALL = {"dim": 16, "length": 8, "epochs": 2, "batch_positions": 64, "dropout": 0.0}
TINY = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "vocab_size": 40,
    "max_position_embeddings": 16,
}
MODELS = {
    "gpt2": lambda: transformers.GPT2Model(
        transformers.GPT2Config(n_embd=32, n_layer=2, n_head=4, vocab_size=40, n_positions=16)
    ),
    "bert": lambda: transformers.BertModel(transformers.BertConfig(**TINY)),
    "qwen3": lambda: transformers.Qwen3Model(
        transformers.Qwen3Config(**TINY, num_key_value_heads=2, head_dim=8)
    ),
}


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    torch.manual_seed(0)
    for name, make in MODELS.items():
        make().save_pretrained(folder / name)
    return folder


def fitted(checkpoint, tune="full", **changes):
    backbone = {"checkpoint": str(checkpoint), "tune": tune, "rank": 2, "learning_rate": 1e-2}
    settings = {**SMALL, "backbone": {**backbone, **changes}}
    return Sequence(SequenceConfig(**settings)).fit(toy_histories(toy_catalogue()), toy_catalogue())


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("tune", ["full", "lora", "bottleneck", "prefix", "prompt"])
def test_serves_without_the_checkpoint(name, tune, checkpoints, tmp_path):
    shutil.copytree(checkpoints / name, tmp_path / "checkpoint")
    model = fitted(tmp_path / "checkpoint", tune)
    model.save(tmp_path / "model")
    shutil.rmtree(tmp_path / "checkpoint")
    histories = toy_histories(toy_catalogue())
    expected = model.score(histories)
    found = load(tmp_path / "model", toy_catalogue()).score(histories)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    single = model.score(histories.rows(slice(0, 1)))
    np.testing.assert_allclose(single[0], expected[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("tune", "moves"),
    [
        ("full", {"h.0", "h.1", "ln_f"}),
        ("top", {"h.1", "ln_f"}),
        ("head", set()),
        ("lora", {"h.0", "h.1"}),
        ("adalora", {"h.0", "h.1"}),
        ("bottleneck", set()),
        ("prefix", set()),
        ("prompt", set()),
    ],
)
def test_a_policy_moves_its_weights_and_no_others(tune, moves, checkpoints):
    model = fitted(checkpoints / "gpt2", tune, top_layers=1)
    before = transformers.GPT2Model.from_pretrained(checkpoints / "gpt2").state_dict()
    after = {
        name.removeprefix("backbone."): value
        for name, value in model._state().items()
        if name.startswith("backbone.")
    }
    changed = [name for name, value in after.items() if (value != before[name].numpy()).any()]
    moved = {name[:3] if name.startswith("h.") else name.split(".")[0] for name in changed}
    assert moved - {"wpe"} == moves


@pytest.mark.parametrize("tune", ["bottleneck", "prefix", "prompt"])
@pytest.mark.parametrize("name", MODELS)
def test_what_is_inserted_learns(name, tune, checkpoints):
    torch.manual_seed(0)
    shape = Shape(n_videos=9, dim=16, layers=1, heads=2, length=8, dropout=0.0)
    config = BackboneConfig(checkpoint=str(checkpoints / name), tune=tune, rank=2)
    backbone = Backbone(shape, config, steps=1)
    backbone(torch.randn(8, 16), torch.tensor([0, 1, 2, 0, 1, 2, 0, 1]), ((2, 3), (1, 2))).pow(
        2
    ).sum().backward()
    trained = {n: p for n, p in backbone.tuned.named_parameters() if p.requires_grad}
    assert trained
    assert all(n.startswith("inserted.") for n in trained)
    still = {n for n, p in trained.items() if not p.grad.any()}
    assert {n.split(".")[1] for n in still} == ({"down"} if tune == "bottleneck" else set())


def test_an_untrained_bottleneck_changes_nothing(checkpoints):
    shape = Shape(n_videos=9, dim=16, layers=1, heads=2, length=8, dropout=0.0)
    plain, inserted = (
        Backbone(shape, BackboneConfig(checkpoint=str(checkpoints / "qwen3"), tune=tune), steps=1)
        for tune in ("head", "bottleneck")
    )
    inserted.enter.load_state_dict(plain.enter.state_dict())
    inserted.leave.load_state_dict(plain.leave.state_dict())
    inputs = (torch.randn(6, 16), torch.arange(6), ((1, 6),))
    torch.testing.assert_close(inserted.eval()(*inputs), plain.eval()(*inputs))


def test_only_the_first_layers_are_kept(checkpoints):
    for name in MODELS:
        model = fitted(checkpoints / name, "head", layers=1)
        assert model.facts.layers == 1
        assert not any(".1." in n for n in model._state() if n.startswith("backbone."))


def test_refuses_more_layers_than_there_are(checkpoints):
    with pytest.raises(ConfigError, match=r"backbone.layers is 3, but GPT2Model has 2"):
        fitted(checkpoints / "gpt2", "head", layers=3)


def test_full_trains_every_parameter_but_the_words_that_nobody_reads(checkpoints):
    shape = Shape(n_videos=9, dim=16, layers=1, heads=2, length=8, dropout=0.0)
    for name in MODELS:
        config = BackboneConfig(checkpoint=str(checkpoints / name), tune="full")
        backbone = Backbone(shape, config, steps=1)
        positions = torch.arange(8)
        backbone(torch.randn(8, 16), positions, ((1, 8),)).pow(2).sum().backward()
        words = backbone.tuned.core.get_input_embeddings().weight
        for parameter_name, parameter in backbone.named_parameters():
            if parameter is words:
                assert not parameter.requires_grad
            else:
                assert parameter.grad is not None, parameter_name
                assert parameter.dtype == torch.float32


def test_a_window_does_not_see_its_neighbours_in_the_row(checkpoints):
    histories = toy_histories(toy_catalogue())
    for name in MODELS:
        model = fitted(checkpoints / name, "head")
        together = model.score(histories)
        alone = model.score(histories.rows(slice(3, 4)))[0]
        np.testing.assert_allclose(together[3], alone, rtol=1e-4, atol=1e-4)


def test_an_adapted_training_goes_on_from_its_checkpoint(checkpoints, tmp_path):
    backbone = {"checkpoint": str(checkpoints / "gpt2"), "tune": "adalora", "rank": 2}
    config = SequenceConfig(**{**SMALL, "epochs": 3, "backbone": backbone})
    curves = []
    for _ in range(2):
        curve = []
        model = Sequence(config)
        model.checkpoints = tmp_path
        model.fit(
            toy_histories(toy_catalogue()),
            toy_catalogue(),
            report=lambda name, value, step, curve=curve: curve.append(value),
        )
        curves.append(curve)
        (tmp_path / "epoch-3.safetensors").unlink()
    assert curves[0] == curves[1]


def test_refuses_a_history_longer_than_the_checkpoint_reads(checkpoints):
    settings = {**SMALL, "length": 17, "backbone": {"checkpoint": str(checkpoints / "bert")}}
    with pytest.raises(ConfigError, match=r"length is 17, but .* reads at most 16 positions"):
        Sequence(SequenceConfig(**settings)).fit(toy_histories(toy_catalogue()), toy_catalogue())


def test_refuses_what_is_no_model(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"backbone.checkpoint .* cannot be used"):
        fitted(tmp_path)


def test_refuses_to_train_more_layers_than_there_are(checkpoints):
    with pytest.raises(ConfigError, match="top_layers is 5, but GPT2Model has 2 layers"):
        fitted(checkpoints / "gpt2", "top", top_layers=5)


def test_refuses_a_saved_backbone_that_nobody_knows(checkpoints):
    state = fitted(checkpoints / "gpt2", "head")._state()
    document = state["backbone_config"].tobytes().replace(b'"gpt2"', b'"none"')
    state["backbone_config"] = np.frombuffer(document, dtype=np.uint8)
    model = Sequence(SequenceConfig(**SMALL))
    with pytest.raises(ConfigError, match="saved backbone is a 'none'"):
        model._take(state)
