"""A release that passed its check, with what each answer from it needs to know."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.arrivals import stamps_of
from kinoloop.policy.filters import Filters
from kinoloop.release.availability import Window
from kinoloop.release.release import Release
from kinoloop.release.signature import Trust
from serving import metrics
from serving.event_check import Videos
from serving.problems import unknown_filter
from serving.refusals import Refusals


@dataclass(frozen=True)
class InService:
    """A release that passed its check.

    Attributes:
        release: Opened, checked and warm.
        model_version: Number in the registry, or the digest of a bundle that has none.
        run_id: Run that trained it, where known.
        durations: (n_videos,) seconds, NaN where unknown.
    """

    release: Release
    model_version: str
    run_id: str | None
    durations: NDArray[np.float64] = field(repr=False)

    @property
    def overruled(self) -> Mapping[int, Window]:
        """When videos may be shown, where operators overrule the release."""
        return self.release.availability.overruled

    def check(self, filters: Filters) -> None:
        """Refuse filters by columns that no video has.

        Raises:
            Problem: Names the column.
        """
        known = self.release.filters
        for column in known.unknown(filters):
            raise unknown_filter(column, known.columns)

    @property
    def dataset_version(self) -> str:
        """Dataset that it was trained on."""
        return self.release.info.dataset_version

    @property
    def catalogue(self) -> str:
        """Digest of its catalogue version; "" where it serves with the one it was trained on."""
        return self.release.info.digest if self.release.info.catalogue else ""

    @cached_property
    def catalogue_version(self) -> str:
        """Of the catalogue that is served, the model's own or one that was published for it."""
        return self.release.info.digest[:20]

    @property
    def catalogue_number(self) -> int:
        """Of the catalogue versions of its model; 0 is the one that it was trained on."""
        return self.release.info.catalogue.number if self.release.info.catalogue else 0

    @cached_property
    def arrivals(self) -> dict[str, dict[str, int]]:
        """When videos that came after training passed each station, µs since the epoch."""
        return stamps_of(self.release.catalogue.videos)

    @cached_property
    def videos(self) -> Videos:
        """What feedback is checked against."""
        known = self.release.catalogue.ids
        return Videos(known, self.durations, self.release.texts, lambda: self.refusals.labels)

    @cached_property
    def refusals(self) -> Refusals:
        """Videos by what people can be not interested in."""
        return Refusals(self.release.catalogue)

    @cached_property
    def versions(self) -> dict[str, str | None]:
        """What lineage remembers."""
        return {
            "model_version": self.model_version,
            "dataset_version": self.dataset_version,
            "run_id": self.run_id,
            "catalogue_version": self.catalogue_version,
            "model_digest": self.release.info.digest,
        }


def load(
    bundle: Path, trust: Trust, *, model_version: str | None = None, run_id: str | None = None
) -> InService:
    """Open, check and warm up a bundle.

    Raises:
        BundleError: It must not serve.
    """
    release = Release.open(bundle, trust)
    release.ask_golden()
    release.warm_up()
    if release.reranking is not None:
        counters = {outcome: metrics.RERANKED.labels(outcome) for outcome in ("taken", "skipped")}
        release.reranking.observe = lambda outcome: counters[outcome].inc()
    columns = release.catalogue.videos.columns
    durations = (
        release.catalogue.videos["duration_s"].cast(float).fill_null(float("nan")).to_numpy()
        if "duration_s" in columns
        else np.full(len(release.catalogue), np.nan)
    )
    version = model_version or f"bundle-{release.info.digest[:12]}"
    current = InService(release, version, run_id, durations)
    current.refusals.of([])  # made before the first request waits for it
    return current
