import numpy as np

from kinoloop.encoders import classical_audio, classical_visual
from kinoloop.semantics.measured import RULES
from kinoloop.testing.clips import tone

RATE = 16_000


def look(frames):
    return classical_visual.describe(frames, side=96)[None]


def frames(colour, *, moving=False):
    made = np.full((6, 64, 64, 3), colour, dtype=np.uint8)
    made[:, :, ::8] //= 2
    if moving:
        made[1::2] = 255 - made[1::2]
    return made


def labels(modality, measures):
    found = {}
    for rule in RULES:
        if rule.modality == modality:
            found[rule.facet, rule.label] = float(rule.score(measures)[0])
    return {label for (_, label), score in found.items() if score >= 0.3}


def test_numbers_come_back_from_a_picture_descriptor():
    made = frames((200, 40, 30))
    light = (made / 255) @ [0.299, 0.587, 0.114]
    measures = classical_visual.visual_measures(look(made))
    assert abs(measures["light"][0] - light.mean()) < 0.01
    assert measures["change"][0] < 0.001
    assert abs(measures["warmth"][0] - (made[..., 0].mean() - made[..., 2].mean()) / 255) < 0.02


def test_numbers_come_back_from_a_sound_descriptor():
    soft, loud = (gain * tone(440, 3.0).astype(np.float32) for gain in (0.02, 2.0))
    for sound in (soft, loud):
        described = classical_audio.describe(sound, RATE)[None]
        decibels = 10 * np.log10(np.mean(sound[2000:-2000] ** 2))
        assert abs(classical_audio.audio_measures(described)["decibels"][0] - decibels) < 1.5


def test_a_missing_descriptor_gives_usual_numbers_and_no_fault():
    assert np.isfinite(
        classical_visual.visual_measures(np.zeros((1, 194), np.float32))["light"]
    ).all()
    assert np.isfinite(
        classical_audio.audio_measures(np.zeros((1, 100), np.float32))["pulse"]
    ).all()


def test_dark_bright_grey_and_warm_are_recognised():
    def of(*args, **kw):
        return labels("visual", classical_visual.visual_measures(look(frames(*args, **kw))))

    assert {"dark", "black and white", "still picture", "calm"} <= of((30, 30, 30))
    assert "bright" in of((250, 250, 250))
    assert {"warm colours", "colourful"} <= of((240, 60, 20))
    assert "much motion" in of((240, 60, 20), moving=True)


def test_quiet_loud_and_noise_are_recognised():
    def of(sound):
        described = classical_audio.describe(sound.astype(np.float32), RATE)[None]
        return labels("audio", classical_audio.audio_measures(described))

    assert "quiet" in of(0.005 * tone(300, 3.0))
    assert "loud" in of(2.5 * tone(300, 3.0))
    noise = 0.2 * np.random.default_rng(0).standard_normal(RATE * 3)
    assert "noise-like sound" in of(noise)


def test_hints_about_emotion_never_count_for_more_than_a_hint():
    measures = classical_visual.visual_measures(look(frames((30, 30, 30))))
    scores = [rule.score(measures)[0] for rule in RULES
              if rule.modality == "visual" and rule.facet == "emotion"]  # fmt: skip
    assert max(scores) <= 0.6
