"""Everything that labelling says of a batch of videos, as rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.video_text import OWN, READ, compose
from kinoloop.encoders import classical_audio, classical_visual
from kinoloop.encoders.efficientnet_lite import Words
from kinoloop.schema import SHOWS
from kinoloop.semantics.answered_heads import AnsweredHeads
from kinoloop.semantics.channels import Channel, combine
from kinoloop.semantics.config import SemanticsConfig
from kinoloop.semantics.describe import describe
from kinoloop.semantics.generative import PictureDescriber
from kinoloop.semantics.head_store import Heads
from kinoloop.semantics.inputs import without_empty_words
from kinoloop.semantics.label_file import Facet
from kinoloop.semantics.measured import RULES
from kinoloop.semantics.shown import shown
from kinoloop.semantics.words import key_words

Floats = NDArray[np.float32]
Row = dict[str, Any]
Given = dict[tuple[str, str], tuple[float, list[str]]]

MEASURABLE = ("classical_visual", "efficientnet_lite")
"""Kinds of encoders whose vectors end in what `classical_visual` describes."""

MEASURED_FROM = 0.5
"""Least score of a label that is measured."""

FROM_ANSWERS = "learned from answers"
SAID = "said by a person"

TAG_COSINE = 0.45
"""A tag of the catalogue this near to a video's words is given to it."""


@dataclass(frozen=True)
class Labeller:
    """All that labels a batch.

    Attributes:
        config: Thresholds.
        facets: Of the label file.
        channels: Ways of looking.
        kinds: Kind of the encoder by modality.
        heads: Learned from the catalogue.
        rare: Inverse document frequency by word.
        n_videos: That it was counted on.
        known_tags: Tags of the catalogue, most used first.
        tag_vectors: Of the known tags, (n_tags, dim); None without a text encoder.
        describer: Writes a sentence about a picture; None where no model is set.
        seen: Says in words what visual vectors show; None where their encoder cannot.
        answered: Learned from a person's answers.
    """

    config: SemanticsConfig
    facets: tuple[Facet, ...]
    channels: Sequence[Channel]
    kinds: Mapping[str, str]
    heads: Heads
    rare: Mapping[str, float]
    n_videos: int
    known_tags: Sequence[str]
    tag_vectors: Floats | None
    describer: PictureDescriber | None
    seen: Words | None
    answered: AnsweredHeads

    def label(
        self, videos: Sequence[Row], vectors: Mapping[str, Floats], pictures: Mapping[str, bytes]
    ) -> list[Row]:
        """Label a batch.

        Args:
            videos: Rows of `inputs.read_videos`.
            vectors: (n, dim) by modality, a zero row where a video lacks it.
            pictures: JPEG by video id, for the describer.

        Returns:
            `video_id`, `labels`, `free_tags`, `summary` and `summary_by` of each.
        """
        given: list[Given] = [{} for _ in videos]
        vectors = without_empty_words(
            vectors, [compose(video[part] for part in READ) for video in videos]
        )
        self._zero_shot(given, vectors)
        self._measured(given, vectors)
        self._shown(given, vectors)
        self._heads(given, videos, vectors)
        self._answers(given, videos)
        near = self._near_tags(vectors.get("text"), len(videos))
        made = []
        for video, labels, tags in zip(videos, given, near, strict=True):
            listed = self._listed(labels)
            summary, by = self._summary(video, listed, pictures.get(video["video_id"]))
            made.append(
                {
                    "video_id": video["video_id"],
                    "labels": listed,
                    "free_tags": self._free_tags(video, tags),
                    "summary": summary,
                    "summary_by": by,
                }
            )
        return made

    def scores(
        self, facet: Facet, vectors: Mapping[str, Floats], n: int
    ) -> tuple[Floats, list[list[str]]]:
        """Probability of each label of a facet for n videos, and what speaks for each.

        A head that learned a label from answers speaks in place of the guess.
        """
        channels = [channel for channel in self.channels if channel.modality in vectors]
        if channels:
            scores, evidence = combine(facet, channels, vectors)
        else:
            scores = np.zeros((n, len(facet.labels)), np.float32)
            evidence = [[""] * len(facet.labels) for _ in range(n)]
        learned = self.answered.score(vectors, n)
        for j, label in enumerate(facet.labels):
            if (facet.name, label) in learned:
                scores[:, j] = learned[facet.name, label]
                for row in evidence:
                    row[j] = FROM_ANSWERS
        return scores, evidence

    def _zero_shot(self, given: list[Given], vectors: Mapping[str, Floats]) -> None:
        for facet in self.facets:
            scores, evidence = self.scores(facet, vectors, len(given))
            sure = (scores >= self.config.min_score) & (scores > 0)
            for i, j in zip(*np.nonzero(sure), strict=True):
                _give(given[i], facet.name, list(facet.labels)[j], scores[i, j], evidence[i][j])
        listed = {(facet.name, label) for facet in self.facets for label in facet.labels}
        for (name, label), column in self.answered.score(vectors, len(given)).items():
            if (name, label) not in listed:
                for i in np.flatnonzero(column >= max(self.config.min_score, 0.5)).tolist():
                    _give(given[i], name, label, column[i], FROM_ANSWERS)

    def _answers(self, given: list[Given], videos: Sequence[Row]) -> None:
        """Let a person's word stand above all else."""
        one_of = {facet.name for facet in self.facets if not facet.many} | {"category"}
        for labels, video in zip(given, videos, strict=True):
            for answer in video.get("answers") or ():
                key = (answer["facet"], answer["label"])
                if answer["holds"] and answer["facet"] in one_of:
                    for other in [k for k in labels if k[0] == key[0] and labels[k][1] != [SAID]]:
                        del labels[other]
                labels.pop(key, None)
                if answer["holds"]:
                    labels[key] = (1.0, [SAID])

    def _measured(self, given: list[Given], vectors: Mapping[str, Floats]) -> None:
        measures = {}
        if self.kinds.get("visual") in MEASURABLE and "visual" in vectors:
            measures["visual"] = classical_visual.visual_measures(vectors["visual"])
        if self.kinds.get("audio") == "classical_audio" and "audio" in vectors:
            measures["audio"] = classical_audio.audio_measures(vectors["audio"])
        for rule in RULES:
            if rule.modality not in measures:
                continue
            scores = rule.score(measures[rule.modality])
            scores = scores * vectors[rule.modality].any(axis=1)
            for i in np.flatnonzero(scores >= MEASURED_FROM * rule.limit):
                _give(given[i], rule.facet, rule.label, scores[i], f"measured: {rule.evidence}")

    def _shown(self, given: list[Given], vectors: Mapping[str, Floats]) -> None:
        if self.seen is None or "visual" not in vectors:
            return
        for one in shown(self.seen, vectors["visual"], min_score=self.config.min_score):
            _give(given[one.row], SHOWS, one.word, one.score, f"picture {one.score:.2f}")

    def _heads(
        self, given: list[Given], videos: Sequence[Row], vectors: Mapping[str, Floats]
    ) -> None:
        for one in self.heads.score(vectors, len(videos)):
            taught_by = "category" if one.facet == "category" else "tags"
            for i in np.flatnonzero(one.scores >= max(self.config.min_score, 0.5)).tolist():
                if not videos[i][taught_by]:
                    said = "learned from the catalogue"
                    _give(given[i], one.facet, one.label, one.scores[i], said)

    def _listed(self, given: Given) -> list[Row]:
        order = {facet.name: i for i, facet in enumerate(self.facets)}
        return [
            {"facet": facet, "label": label, "score": score, "evidence": "; ".join(evidence)}
            for (facet, label), (score, evidence) in sorted(
                given.items(), key=lambda one: (order.get(one[0][0], 99), -one[1][0], one[0])
            )
        ]

    def _near_tags(self, text: Floats | None, n: int) -> list[list[str]]:
        """Tags of the catalogue that lie near each video's words, nearest first."""
        if text is None or self.tag_vectors is None:
            return [[] for _ in range(n)]
        cosines = text @ self.tag_vectors.T
        return [
            [self.known_tags[j] for j in np.argsort(-row)[:3] if row[j] >= TAG_COSINE]
            for row in cosines
        ]

    def _free_tags(self, video: Row, near: Sequence[str]) -> list[str]:
        text = compose(video[part] for part in OWN)
        own = {tag.strip().lower() for tag in video["tags"] or ()}
        words = key_words(text, self.rare, self.n_videos, limit=self.config.free_tags)
        wanted = dict.fromkeys([*near, *words])
        return [tag for tag in wanted if tag not in own][: self.config.free_tags]

    def _summary(self, video: Row, labels: Sequence[Row], picture: bytes | None) -> tuple[str, str]:
        if self.describer is not None and picture is not None:
            said = self.describer.describe([picture])[0]
            if said:
                return said, self.describer.config.model
        texts = [video["description"] or "", video["words"] or ""]
        line = describe(video["title"] or "", texts, [one["label"] for one in labels], self.rare)
        by = "words" if any(texts) or video["title"] else "labels"
        return line, by if line else ""


def _give(given: Given, facet: str, label: str, score: float, evidence: str) -> None:
    """Add a label; one that is there keeps its larger score and all evidence."""
    known, reasons = given.get((facet, label), (0.0, []))
    given[facet, label] = max(known, float(score)), [*reasons, evidence] if evidence else reasons
