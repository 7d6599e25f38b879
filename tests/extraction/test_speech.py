from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
import torch
import transformers

from kinoloop.errors import ConfigError
from kinoloop.extraction import packaged_speech
from kinoloop.extraction.config import SpeechConfig
from kinoloop.extraction.hf_speech import HfTranscriber
from kinoloop.extraction.speech import identify, transcriber
from kinoloop.extraction.transcriber import Transcriber
from kinoloop.media.subtitle_formats import Cue


class Segment(NamedTuple):
    """What faster-whisper says of a piece of sound, as far as it is read."""

    start: float
    end: float
    text: str
    avg_logprob: float
    no_speech_prob: float


SPECIAL = ("endoftext", "startoftranscript", "en", "de", "translate", "transcribe", "startofprev",
           "nospeech", "notimestamps")  # fmt: skip


def tiny_whisper(folder, *, seed=0):
    """A Whisper that says letters at random, with the time stamps of the real one."""
    stamps = [f"<|{i * 0.02:.2f}|>" for i in range(1501)]
    letters = {letter: i for i, letter in enumerate("abcdefghijklmnopqrstuvwxyzĠ")}
    tokenizer = transformers.WhisperTokenizer(vocab=letters, merges=[])
    tokenizer.add_special_tokens({"additional_special_tokens": [f"<|{name}|>" for name in SPECIAL]})
    tokenizer.add_tokens([transformers.AddedToken(stamp, special=False) for stamp in stamps])
    ids = {name: tokenizer.convert_tokens_to_ids(f"<|{name}|>") for name in SPECIAL}
    tokens = {
        "decoder_start_token_id": ids["startoftranscript"],
        **{f"{name}_token_id": ids["endoftext"] for name in ("eos", "pad", "bos")},
    }
    torch.manual_seed(seed)
    config = transformers.WhisperConfig(
        vocab_size=len(tokenizer), d_model=16, encoder_layers=1, decoder_layers=1,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=32,
        decoder_ffn_dim=32, max_target_positions=64, suppress_tokens=None,
        begin_suppress_tokens=None, **tokens,
    )  # fmt: skip
    model = transformers.WhisperForConditionalGeneration(config)
    generation = transformers.GenerationConfig(max_length=24, **tokens)
    generation.lang_to_id = {f"<|{name}|>": ids[name] for name in ("en", "de")}
    generation.task_to_id = {name: ids[name] for name in ("transcribe", "translate")}
    generation.is_multilingual = True
    generation.no_timestamps_token_id = ids["notimestamps"]
    generation.prev_sot_token_id = ids["startofprev"]
    model.generation_config = generation
    for part in (model, tokenizer, transformers.WhisperFeatureExtractor()):
        part.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    return tiny_whisper(tmp_path_factory.mktemp("whisper"))


def noise(seconds, rate=16_000):
    values = np.random.default_rng(0).normal(0, 0.1, int(seconds * rate))
    return values.astype(np.float32), rate


def test_nobody_listens_by_default():
    assert transcriber(SpeechConfig()) is None
    assert identify(SpeechConfig()) == ""


@pytest.mark.parametrize("language", ["", "en"])
def test_short_and_long_sounds_give_cues_within_their_length(whisper, language):
    listener = transcriber(SpeechConfig(model=str(whisper), language=language, batch_size=2))
    heard = listener.transcribe([noise(3), noise(45), noise(2, rate=44_100)])
    assert len(heard) == 3
    assert any(heard)
    for cues, seconds in zip(heard, (3, 45, 2), strict=True):
        assert all(0 <= cue.start_s <= cue.end_s <= seconds and cue.text for cue in cues)
    assert listener.transcribe([noise(3)]) == heard[:1]


def test_letters_of_a_ctc_model_are_one_cue(tmp_path):
    vocabulary = {"<pad>": 0, "<unk>": 1, "|": 2, **{c: i + 3 for i, c in enumerate("abcdefg")}}
    (tmp_path / "vocab.json").write_text(__import__("json").dumps(vocabulary))
    transformers.Wav2Vec2CTCTokenizer(
        str(tmp_path / "vocab.json"), pad_token="<pad>", unk_token="<unk>"
    ).save_pretrained(tmp_path)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    torch.manual_seed(0)
    config = transformers.Wav2Vec2Config(
        vocab_size=10, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, conv_dim=(8, 8), conv_stride=(20, 16), conv_kernel=(20, 16),
        num_feat_extract_layers=2, num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=2,
        pad_token_id=0,
    )  # fmt: skip
    transformers.Wav2Vec2ForCTC(config).save_pretrained(tmp_path)
    heard = HfTranscriber(SpeechConfig(model=str(tmp_path))).transcribe([noise(2), noise(40)])
    for cues, seconds in zip(heard, (2.0, 40.0), strict=True):
        assert [(cue.start_s, cue.end_s) for cue in cues] == [(0.0, seconds)] * len(cues)


@pytest.fixture(scope="module")
def packaged():
    return transcriber(SpeechConfig(model="tiny.en"))


def test_packaged_model_writes_no_words_into_noise_music_and_silence(packaged):
    seconds = np.arange(6 * 16_000) / 16_000
    chord = sum(np.sin(2 * np.pi * hz * seconds) for hz in (220, 277, 330)) / 6
    pulse = chord * (np.sin(2 * np.pi * 2 * seconds) > 0)
    sounds = [noise(6), noise(2, rate=44_100)]
    sounds += [(x.astype(np.float32), 16_000) for x in (chord, pulse, np.zeros(16_000))]
    assert packaged.transcribe(sounds) == [()] * 5


def test_packaged_model_keeps_what_it_is_sure_of_within_the_sound():
    said = [
        Segment(0.2, 2.0, " We will make a cake.", -0.3, 0.1),
        Segment(2.0, 3.0, " Thank you.", -0.9, 0.1),
        Segment(3.0, 4.0, " Thank you.", -0.3, 0.8),
        Segment(4.0, 9.0, " Stir it.", -0.3, 0.1),
        Segment(4.0, 5.0, "  ", -0.3, 0.1),
    ]
    assert packaged_speech.sure_cues(said, end_s=5.0) == (
        Cue(0.2, 2.0, "We will make a cake."),
        Cue(4.0, 5.0, "Stir it."),
    )


def test_packaged_model_hears_english_only():
    with pytest.raises(ConfigError, match=r"language is 'de', and tiny\.en hears English only"):
        identify(SpeechConfig(model="tiny.en", language="de"))
    assert identify(SpeechConfig(model="tiny.en", language="en")) != ""


@pytest.mark.parametrize("missing", ["MODEL", "DETECTOR", "ENGINES"])
def test_nobody_listens_where_a_package_is_missing(monkeypatch, caplog, missing):
    lost = getattr(packaged_speech, missing)
    lost = ("no_such",) if missing == "ENGINES" else replace(lost, package="no_such")
    monkeypatch.setattr(packaged_speech, missing, lost)
    assert transcriber(SpeechConfig(model="tiny.en")) is None
    assert "nobody listens: package 'no_such' is not installed" in caplog.text


def test_packaged_model_of_another_version_is_refused(monkeypatch):
    other = replace(packaged_speech.MODEL, sha256="0" * 64)
    monkeypatch.setattr(packaged_speech, "MODEL", other)
    with pytest.raises(ConfigError, match="not the official weights"):
        identify(SpeechConfig(model="tiny.en"))


def test_fingerprint_follows_weights_and_language(whisper, tmp_path):
    same = identify(SpeechConfig(model=str(whisper)))
    assert identify(SpeechConfig(model=str(whisper), batch_size=1)) == same
    assert identify(SpeechConfig(model=str(whisper), language="de")) != same
    assert identify(SpeechConfig(model=str(tiny_whisper(tmp_path, seed=1)))) != same


def test_checkpoint_without_a_processor_is_refused(tmp_path, whisper):
    for name in ("model.safetensors", "config.json", "generation_config.json"):
        (tmp_path / name).write_bytes((whisper / name).read_bytes())
    with pytest.raises(ConfigError, match=r"cannot recognise speech: .* save its processor"):
        HfTranscriber(SpeechConfig(model=str(tmp_path))).transcribe([noise(1)])


class Heard(Transcriber):
    """The real plug around a model that says what it is given."""

    def __init__(self, *, fails=()):
        super().__init__(SpeechConfig(model="-", batch_size=4))
        self.fails = fails

    def transcribe(self, sounds):
        if any(len(audio) in self.fails for audio, _ in sounds):
            raise RuntimeError("cannot hear")
        return [(Cue(0.0, 1.0, f"heard {len(audio)}"),) for audio, _ in sounds]


def test_only_videos_with_sound_and_without_words_are_heard():
    from kinoloop.extraction.rows import Decoded
    from kinoloop.media.decoded import DecodeConfig, nothing

    empty = nothing(DecodeConfig())
    sounding = [replace(empty, audio=np.ones(n, dtype=np.float32)) for n in (1, 2, 3)]
    videos = [*sounding, empty, replace(sounding[0], words="read")]
    passed = list(Heard(fails=(2,)).add_words(Decoded(found, None) for found in videos))
    assert [video.found.words for video in passed] == ["heard 1", "", "heard 3", "", "read"]
    assert passed[0].found.cue_count == 1


@pytest.mark.slow
def test_what_is_heard_becomes_words_and_another_model_hears_anew(world, whisper, tmp_path):
    world.put(
        spoken=("red fox", world.clip("a.mp4", seconds=2.0)),
        titled=("red fox", world.clip("b.mp4", subtitles=("written",))),
        mute=("red fox", world.clip("c.mp4", tone_hz=None)),
    )
    world.extract()
    before = world.features()
    assert world.media()["spoken"]["words"] == ""
    report = world.extract(speech=SpeechConfig(model=str(whisper)))
    heard = world.media()["spoken"]["words"]
    assert heard
    assert world.media()["titled"]["words"] == "written"
    assert dict(report.features) == {"text": 3}
    after = world.features()
    assert after["spoken", "text"]["vector"] != before["spoken", "text"]["vector"]
    assert after["spoken", "visual"] == before["spoken", "visual"]
    assert world.extract(speech=SpeechConfig(model=str(whisper))).done == 0
    other = tiny_whisper(tmp_path / "other", seed=1)
    assert world.extract(speech=SpeechConfig(model=str(other))).done == 3
