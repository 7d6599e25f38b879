"""How right labels are: zero-shot on hand-written titles and on the sample, and learned heads.

    python -m benchmarks.labels titles [FILE]     accuracy, calibration, best temperature
    python -m benchmarks.labels feelings [FILE]   emotions and styles of titles written for it
    python -m benchmarks.labels sample            topic and style of each video, known by design

`titles` is what TEMPERATURE and Z_NONE are chosen on, nothing is on `feelings`. `sample` builds the
sample's catalogue in memory (no clip is rendered) and labels titles, descriptions and captions,
never category or tags: these name the topic. Zero-shot answers with the shipped topics, of which
several fit one topic of the sample (`FITS`, written from the names alone); heads learn the sample's
categories and topics. A style of the sample is held against the shipped label that says the same
(`SAYS`), on which Z_MANY and RIVAL are chosen.

By itself: titles
"""

import argparse
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinoloop.encoders import base as encoders
from kinoloop.encoders.base import TextEncoder
from kinoloop.sample import words
from kinoloop.sample.topics import STYLES, TOPICS
from kinoloop.sample.world import SampleConfig, build_world
from kinoloop.semantics.channels import words_channel
from kinoloop.semantics.config import SemanticsConfig
from kinoloop.semantics.heads import learn_category
from kinoloop.semantics.label_file import Facet, LabelFile, read_labels
from kinoloop.semantics.zero_shot import TEMPERATURE, Scale, prototypes, words_scale

TITLES = Path(__file__).with_name("topic_titles.toml")
FITS = {
    "cooking": {"food"},
    "gardening": {"home and garden", "nature"},
    "trains": {"travel", "cars and vehicles"},
    "ocean": {"nature", "travel"},
    "storms": {"weather", "nature"},
    "football": {"sports"},
    "space": {"science"},
    "maths": {"education", "science"},
    "chess": {"board games"},
    "dance": {"music", "dance"},
    "piano": {"music"},
    "arcade": {"gaming"},
}
FEELINGS = Path(__file__).with_name("feeling_titles.toml")
SAYS = {
    "tutorial": "tutorial",
    "hype": "challenge",
    "calm": "no talking",
    "story": "documentary",
}
GIVEN = SemanticsConfig().min_score


def main() -> None:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("titles", "feelings", "sample"))
    parser.add_argument("file", type=Path, nargs="?")
    options = parser.parse_args()
    encoder = encoders.build({"kind": "minilm"})
    assert isinstance(encoder, TextEncoder)
    if options.what == "titles":
        on_titles(encoder, options.file or TITLES)
    elif options.what == "feelings":
        on_feelings(encoder, options.file or FEELINGS)
    else:
        on_sample(encoder)


def on_titles(encoder: TextEncoder, file: Path) -> None:
    """Accuracy and calibration as shipped, and log loss over a grid."""
    labels = read_labels()
    topic = labels.facets[0]
    titles = [(t, name) for name, group in tomllib.loads(file.read_text()).items() for t in group]
    vectors = encoder.encode_text([title for title, _ in titles])
    names = [*topic.labels, "none"]
    truth = np.array([names.index(name) for _, name in titles])
    scale = words_scale(labels.facets, encoder.encode_text)
    shares = _with_none(topic, encoder, scale, vectors)
    print(f"{len(titles)} titles, {len(names) - 1} topics and none")
    print(f"as shipped: {_summary(shares, truth)}")
    said = truth[(shares[:, :-1] >= 0.35).any(axis=1)]
    right = (shares.argmax(1) == truth)[(shares[:, :-1] >= 0.35).any(axis=1)]
    print(f"labels of 0.35 and more: {len(said)} titles, {right.mean():.2f} of them right")
    for low in (0.0, 0.2, 0.4, 0.6, 0.8):
        at = (shares.max(1) >= low) & (shares.max(1) < low + 0.2)
        if at.any():
            print(
                f"  said {low:.1f} to {low + 0.2:.1f}: {at.sum():3} titles, "
                f"mean {shares.max(1)[at].mean():.2f}, "
                f"right {(shares.argmax(1) == truth)[at].mean():.2f}"
            )
    for factor in (0.7, 0.85, 1.0, 1.2, 1.5):
        for floor in (-1.0, 0.0, 1.0):
            temperature = TEMPERATURE * factor
            tried = replace(
                scale, factor=_per_spread(scale) / temperature, floor=floor / temperature
            )
            found = _summary(_with_none(topic, encoder, tried, vectors), truth)
            print(f"  temperature {temperature:.2f}, least of none {floor:.2f}: {found}")


def on_feelings(encoder: TextEncoder, file: Path) -> None:
    """Precision and recall of the labels that are given, by facet."""
    written = tomllib.loads(file.read_text(encoding="utf-8"))
    facets = read_labels().facets
    channel = words_channel(facets, encoder)
    for name, groups in written.items():
        titles = [(title, label) for label, group in groups.items() for title in group]
        scores = channel.facets[name].score(encoder.encode_text([title for title, _ in titles]))
        labels = channel.facets[name].labels
        truth = np.array([[label == one for one in labels] for _, label in titles])
        given, labelled = scores >= GIVEN, truth.any(axis=1)
        best = truth[np.arange(len(truth)), scores.argmax(axis=1)]
        print(
            f"{name}: {len(titles)} titles, {len(labels)} labels; of labels given "
            f"{(given & truth).sum() / given.sum():.3f} right ({given.sum()}), of those due "
            f"{(given & truth).sum() / truth.sum():.3f} given ({truth.sum()}); best label right "
            f"{best[labelled].mean():.3f}; of {(~labelled).sum()} with none "
            f"{(~given[~labelled].any(axis=1)).sum()} get none"
        )
        for j, label in enumerate(labels):
            right = (given & truth)[:, j].sum()
            print(f"  {label:18} {right} of {truth[:, j].sum()} due, {given[:, j].sum()} given")


def on_sample(encoder: TextEncoder) -> None:
    """Zero-shot and learned topics of the sample."""
    world = build_world(SampleConfig())
    texts, topics, styles, ids = [], [], [], []
    for video in world.videos:
        topic, style = TOPICS[video.topic], STYLES[video.style]
        rng = np.random.default_rng([world.config.seed, 3, int(video.video_id[1:])])
        captions = words.captions(topic, style, rng) if video.subtitles != "none" else []
        texts.append(" ".join([video.title, video.description, *captions]))
        topics.append(topic)
        styles.append(SAYS[style])
        ids.append(video.video_id)
    vectors = encoder.encode_text(texts)
    labels = read_labels()
    _styles_of_sample(labels, encoder, vectors, styles)
    facet = labels.facets[0]
    scale = words_scale(labels.facets, encoder.encode_text)
    shares = _with_none(facet, encoder, scale, vectors)
    names = [*facet.labels, "none"]
    said = [names[i] for i in shares.argmax(1)]
    ranked = [names[i] for i in shares[:, :-1].argmax(1)]
    fits = [FITS[topic.name] for topic in topics]
    print(f"{len(texts)} videos of the sample, {len(names) - 1} shipped topics")
    print(f"zero-shot: {_right(said, fits):.3f} right, {said.count('none') / len(said):.3f} none")
    print(f"zero-shot, none not allowed: {_right(ranked, fits):.3f}")
    own = Facet(
        "topic",
        {t.name: (t.name, t.category, *t.things[:2]) for t in TOPICS},
        facet.none,
        many=False,
    )
    file = LabelFile((own,), "")
    shares = _with_none(own, encoder, words_scale(file.facets, encoder.encode_text), vectors)
    said = [[t.name for t in TOPICS][i] for i in shares[:, :-1].argmax(1)]
    names_of = [{topic.name} for topic in topics]
    print(f"zero-shot with a label file of the sample's own topics: {_right(said, names_of):.3f}")
    for what, truth in (
        ("topic", [topic.name for topic in topics]),
        ("category", [topic.category for topic in topics]),
    ):
        learned = learn_category(ids, vectors, truth, min_videos=100, min_class=5)
        print(f"head for {what}: {learned[1] if learned else 'too little to learn from'}")


def _styles_of_sample(
    labels: LabelFile, encoder: TextEncoder, vectors: NDArray[np.float32], styles: list[str]
) -> None:
    facet = words_channel(labels.facets, encoder).facets["style"]
    given = facet.score(vectors) >= GIVEN
    print(f"styles: {given.sum(axis=1).mean():.2f} a video")
    for j, label in enumerate(facet.labels):
        due = np.array(styles) == label
        print(f"  {label:18} said of {given[:, j].mean():.2f} of the videos", end="")
        if due.any():
            right = (given[:, j] & due).sum()
            print(
                f", precision {right / given[:, j].sum():.2f}, recall {right / due.sum():.2f}",
                end="",
            )
        print()


def _with_none(
    facet: Facet, encoder: TextEncoder, scale: Scale, vectors: NDArray[np.float32]
) -> NDArray[np.float32]:
    shares = prototypes(facet, encoder.encode_text, scale).score(vectors)
    return np.concatenate([shares, 1 - shares.sum(axis=1, keepdims=True)], axis=1)


def _per_spread(scale: Scale) -> float:
    """One over the spread of the cosines: the factor at a temperature of 1."""
    return scale.factor * TEMPERATURE


def _summary(shares: NDArray[np.float32], truth: NDArray[np.int64]) -> str:
    loss = -np.log(np.clip(shares[np.arange(len(truth)), truth], 1e-6, 1)).mean()
    named = truth < shares.shape[1] - 1
    right = shares.argmax(1) == truth
    best = shares[:, :-1].argmax(1) == truth
    return (
        f"log loss {loss:.3f}, right {right.mean():.3f} (of those with a topic "
        f"{right[named].mean():.3f}, best topic right {best[named].mean():.3f}, of those without "
        f"{right[~named].mean():.3f})"
    )


def _right(said: list[str], allowed: list[set[str]]) -> float:
    return float(np.mean([name in fit for name, fit in zip(said, allowed, strict=True)]))


if __name__ == "__main__":
    main()
