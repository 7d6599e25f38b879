"""`bundle.json`: what a release is, where it comes from, and the digest of every file in it."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from kinoloop.data.fusion import FusionConfig
from kinoloop.errors import BundleError
from kinoloop.release.files import digests
from kinoloop.release.parts import check_names
from kinoloop.release.signature import Trust
from kinoloop.settings import FrozenRecord, first_fault

FORMAT = 1
"""Raised when an older reader would misread a bundle."""


class Lineage(FrozenRecord):
    """Which weights a release comes from, and what they have seen.

    Attributes:
        parent_version: Number of the release whose weights were gone on from; "" from scratch.
        parent_digest: Of that release.
        chosen_until: Newest event by which anything was chosen: the end of the validation window,
            or of all that was known where windows are not cut in time.
        since_scratch: Retrains since a candidate from random weights competed.
        proven_version: Of a refreshed release, the one whose proof it rests on; else "".
        proven_digest: Of that release.
        refresh: Of a refreshed release, what guarded it; else empty.
    """

    parent_version: str = ""
    parent_digest: str = ""
    chosen_until: datetime | None = None
    since_scratch: int = 0
    proven_version: str = ""
    proven_digest: str = ""
    refresh: dict[str, float] = Field(default_factory=dict)


class SearchWeights(FrozenRecord):
    """Shares of the parts of a search.

    Attributes:
        semantic: Of meaning; the rest is lexical: meaning leads, exact words break near-ties.
        label: What labels can add.
        measured: Of learned ones, how they did on held-out pairs of the search log.
    """

    semantic: float = 0.6
    label: float = 0.2
    measured: dict[str, float] = Field(default_factory=dict)


class Provenance(FrozenRecord):
    """Where a release comes from; the caller of `write_bundle` tells it.

    Attributes:
        name: Of the candidate, as in `[[retrain.candidates]]`.
        dataset_version: Hash in `data.dvc`.
        table_versions: Delta version of each table that was read.
        settings_hash: Of the settings of the run that made it.
        code_version: Of the package.
        key_id: Of the pseudonym key under which histories are stored.
        trained_from: Oldest event of the training window.
        trained_until: Newest event of the training window.
        known_until: Newest event that was known, the end of the test window.
        split: Settings of the split, so that the test window can be cut again.
        competed: Of the model selection: validation and test metric by name of the candidate.
        encoders: Settings of the encoder of each modality, such as `{"text": {"kind": "minilm"}}`.
        fusion: Weights of the modalities in a plain similarity.
        metrics: Of the test window.
        ranker: What the ranker achieved; empty where there is none.
        rating_liked_from: Lowest rating that is a yes on the scale of the data; None: no ratings.
        lineage: Where the weights come from; None of releases that did not tell.
        search: Learned from the search log; None for the shares that come with Kinoloop.
    """

    name: str = ""
    dataset_version: str = "unversioned"
    table_versions: dict[str, int] = Field(default_factory=dict)
    settings_hash: str = ""
    code_version: str = ""
    key_id: str = ""
    trained_from: datetime | None = None
    trained_until: datetime | None = None
    known_until: datetime | None = None
    split: dict[str, Any] = Field(default_factory=dict)
    competed: dict[str, dict[str, float]] = Field(default_factory=dict)
    encoders: dict[str, dict[str, Any]] = Field(default_factory=dict)
    fusion: FusionConfig = FusionConfig()
    metrics: dict[str, float] = Field(default_factory=dict)
    ranker: dict[str, float] = Field(default_factory=dict)
    rating_liked_from: float | None = None
    lineage: Lineage | None = None
    search: SearchWeights | None = None


class CatalogueVersion(FrozenRecord):
    """Which catalogue a model serves with; a bundle without serves with the one it was trained on.

    Attributes:
        number: Of the catalogue versions of one model: 1, 2, …
        model: Digest of the model's bundle.
        trained: The model was trained on so many videos, the first ones.
        dataset_version: Hash in `data.dvc` of what it was made of.
        table_versions: Delta version of each table that was read.
        extracted_until: Newest feature that was read, µs since the epoch.
    """

    number: int = Field(ge=1)
    model: str
    trained: int = Field(ge=0)
    dataset_version: str
    table_versions: dict[str, int]
    extracted_until: int = 0


class BundleInfo(Provenance):
    """What `bundle.json` holds.

    Attributes:
        format: Of the bundle, `FORMAT`.
        kind: Of the recommender.
        settings: Of the recommender.
        fingerprints: Of the encoder by modality.
        videos: How many can be recommended.
        users: How many have a stored history.
        created_at: When it was written.
        files: SHA-256 by path inside the bundle; every file but `bundle.json` itself.
        catalogue: Its catalogue version; None in the bundle of a model, as it was trained.
    """

    format: int = Field(FORMAT, ge=1, le=FORMAT)
    kind: str
    settings: dict[str, Any]
    fingerprints: dict[str, str]
    videos: int
    users: int
    created_at: datetime
    files: dict[str, str]
    catalogue: CatalogueVersion | None = None

    @property
    def digest(self) -> str:
        """Hex SHA-256 of the content: the same data, settings and seed give the same digest."""
        return _sha256(self._content(without={"created_at", *self._absent("lineage", "search")}))

    def document(self) -> dict[str, Any]:
        """Return what `bundle.json` holds of it."""
        return self._content(without=set())

    def _content(self, *, without: set[str]) -> dict[str, Any]:
        """All facts; one that a bundle does not have leaves no trace, so that digests hold."""
        content = self.model_dump(mode="json", exclude=without | self._absent("catalogue"))
        if not self.fusion.joint:
            del content["fusion"]["joint"]
        return content

    def _absent(self, *later: str) -> set[str]:
        """Of the facts that came with later versions, those that this bundle does not have."""
        return {name for name in later if getattr(self, name) is None}


def write_info(directory: Path, info: BundleInfo) -> None:
    """Write `bundle.json`, with a checksum of itself."""
    content = info.document()
    document = {**content, "checksum": _sha256(content)}
    (directory / "bundle.json").write_text(json.dumps(document, indent=2), encoding="utf-8")


def read_info(directory: Path) -> BundleInfo:
    """Read `bundle.json`.

    Raises:
        BundleError: It is missing, damaged, or of a newer format.
    """
    path = directory / "bundle.json"
    try:
        content = json.loads(path.read_bytes())
        expected = content.pop("checksum", None)
        info = BundleInfo.model_validate(content)
    except OSError as err:
        raise BundleError(f"{directory} is not a release bundle: {err}") from err
    except ValidationError as err:
        raise BundleError(f"{path} is damaged: {first_fault(err)}") from err
    except (ValueError, TypeError, AttributeError, RecursionError) as err:
        raise BundleError(f"{path} is damaged: {err}; fetch the bundle again") from err
    if _sha256(content) != expected:
        raise BundleError(f"{path} is damaged: its checksum differs; fetch the bundle again")
    return info


def verify(directory: Path, trust: Trust | None = None) -> BundleInfo:
    """Hash every byte of a bundle before any of it is parsed.

    Args:
        directory: The bundle.
        trust: Whose signature counts; None compares digests alone, for a bundle that was made here
            and went nowhere.

    Raises:
        BundleError: It is not signed by anybody who is trusted, or not what was signed.
    """
    if trust is not None:
        trust.verify(directory)
    info = read_info(directory)
    check_files(directory, info)
    return info


@contextmanager
def no_other_error(directory: Path) -> Iterator[None]:
    """Turn whatever the parsers of a bundle's parts raise (five, each its own) into one error.

    Raises:
        BundleError: Something was raised inside.
    """
    try:
        yield
    except BundleError:
        raise
    except Exception as err:
        what = f"{directory} cannot be opened: {type(err).__name__}: {err}"
        raise BundleError(f"{what}; fetch the bundle again") from err


def check_files(directory: Path, info: BundleInfo) -> None:
    """Compare every file with its digest.

    Raises:
        BundleError: A file is missing, changed, or was added, or is not a part of a bundle at all.
    """
    check_names(directory, info.files)
    found = digests(directory)
    for name in sorted(set(info.files) | set(found)):
        expected, got = info.files.get(name), found.get(name)
        if expected != got:
            what = "is missing" if got is None else "was added" if expected is None else "changed"
            raise BundleError(
                f"{directory / name} {what}: expected SHA-256 {expected}, got {got}; "
                "fetch the bundle again"
            )


def _sha256(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
