"""How right labels are: zero-shot on hand-written titles and on the sample, and learned heads.

    python -m benchmarks.labels titles [FILE]     accuracy, calibration, best temperature
    python -m benchmarks.labels feelings [FILE]   emotions and styles of titles written for it
    python -m benchmarks.labels sample            topic and style of each video, known by design

Probabilities and the threshold are chosen on kinoloop/semantics/known_titles.toml alone. Its titles
were written by hands that had read those of `titles` and `feelings`, so cross-validated figures
stand in kinoloop/semantics/calibration.py beside these. `sample` builds the
sample's catalogue in memory (no clip is rendered) and labels titles, descriptions and captions,
never category or tags: these name the topic. Zero-shot answers with the shipped topics, of which
several fit one topic of the sample (`FITS`, written from the names alone); heads learn the sample's
categories and topics. A style of the sample is held against the shipped label that says the same
(`SAYS`).

By itself: titles
"""

import argparse
import tomllib
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
from kinoloop.semantics.inputs import without_empty_words
from kinoloop.semantics.label_file import Facet, LabelFile, read_labels
from kinoloop.semantics.taught import taught_prototypes
from kinoloop.semantics.zero_shot import Prototypes

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
    """Topics: precision, recall and calibration."""
    _measure(encoder, {"topic": tomllib.loads(file.read_text(encoding="utf-8"))})


def on_feelings(encoder: TextEncoder, file: Path) -> None:
    """Emotions and styles: precision, recall and calibration, and by label."""
    _measure(encoder, tomllib.loads(file.read_text(encoding="utf-8")), by_label=True)


Groups = dict[str, list[str]]


def _measure(encoder: TextEncoder, written: dict[str, Groups], *, by_label: bool = False) -> None:
    channel = words_channel(read_labels().facets, encoder)
    for name, groups in written.items():
        titles = [(title, label) for label, group in groups.items() for title in group]
        texts = [title for title, _ in titles]
        vectors = without_empty_words({"text": encoder.encode_text(texts)}, texts)["text"]
        scores = channel.facets[name].score(vectors) * vectors.any(axis=1, keepdims=True)
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
        print(f"  {_reliability(scores, truth)}")
        for j, label in enumerate(labels) if by_label else ():
            right = (given & truth)[:, j].sum()
            print(f"  {label:18} {right} of {truth[:, j].sum()} due, {given[:, j].sum()} given")


def _reliability(scores: NDArray[np.float32], truth: NDArray[np.bool_]) -> str:
    """Compute the expected calibration error over ten bins of equal size, of .05 and more."""
    said, right = scores[scores >= 0.05], truth[scores >= 0.05]
    bins = np.array_split(np.argsort(said), 10)
    error = sum(len(rows) * abs(said[rows].mean() - right[rows].mean()) for rows in bins) / len(
        said
    )
    loss = -np.log(np.clip(np.where(truth, scores, 1 - scores), 1e-6, 1)).mean()
    shown = ", ".join(f"{said[rows].mean():.2f} {right[rows].mean():.2f}" for rows in bins[-5:])
    return (
        f"calibration error {error:.3f} on {len(said)} scores of .05 and more, log loss "
        f"{loss:.4f}; said and right, upper half: {shown}"
    )


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
    shares = _with_none(taught_prototypes(labels.facets, encoder.encode_text)[facet.name], vectors)
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
    shares = _with_none(taught_prototypes((own,), encoder.encode_text)["topic"], vectors)
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


def _with_none(made: Prototypes, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    shares = made.score(vectors)
    return np.concatenate([shares, 1 - shares.sum(axis=1, keepdims=True)], axis=1)


def _right(said: list[str], allowed: list[set[str]]) -> float:
    return float(np.mean([name in fit for name, fit in zip(said, allowed, strict=True)]))


if __name__ == "__main__":
    main()
