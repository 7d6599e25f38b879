"""Indexes of a release: what finds the best of a catalogue too large to be scored whole.

    retrieval/plans.json            how each index is searched, and how well it finds
    retrieval/NAME/index.faiss      8-bit codes in lists
    retrieval/NAME/lists.npy        (n_videos,) int32, the list of each video
    retrieval/recommend/vectors.npy, standing.npy   what a query vector is compared with

There are three: `recommend` over the recommender's vectors, `similar` over the modalities centred,
`search` over text vectors. A release of few videos has none of them. A recommender without vectors
needs no file but `standing.npy`.
"""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from kinoloop.errors import BundleError
from kinoloop.models.base import Recommender
from kinoloop.models.vector_query import VideoVectors
from kinoloop.release.files import open_array, write_array
from kinoloop.release.info import BundleInfo
from kinoloop.retrieval.coded import CodedLists
from kinoloop.retrieval.plan import Plan
from kinoloop.retrieval.searching import Index, Listed, Ordered
from kinoloop.settings import first_fault

FOLDER, PLANS, FILE = "retrieval", "plans.json", "index.faiss"
RECOMMEND, SIMILAR, SEARCH = "recommend", "similar", "search"

_PLANS = TypeAdapter(dict[str, Plan | None])


class Indexes:
    """Opens what `write_indexes` wrote; a release without has none.

    Args:
        directory: The bundle.
        info: Of the bundle; a file that is parsed must have the digest that stands there.
        recommender: Of the bundle; it compares with what is mapped here, not with its own copy.

    Attributes:
        plans: By name; None where videos are ordered once for all.
        compared: What a query vector is compared with; None where nothing is.

    Raises:
        BundleError: A part is missing, is not what was written, or does not fit the others.
    """

    def __init__(self, directory: Path, info: BundleInfo, recommender: Recommender) -> None:
        self.plans: dict[str, Plan | None] = {}
        self.compared: VideoVectors | None = None
        self._found: dict[str, Index] = {}
        folder = directory / FOLDER
        if not folder.exists():
            return
        self.plans = read_plans(folder / PLANS)
        if RECOMMEND in self.plans:
            self.compared = _compared(folder / RECOMMEND, info.videos)
            for one in (recommender, recommender.proven):
                one.use_vectors(self.compared.vectors)
        for name, plan in self.plans.items():
            if plan is None:
                assert self.compared is not None
                self._found[name] = Ordered.by(self.compared.standing)
            else:
                self._found[name] = _listed(directory, name, plan, info)

    def get(self, name: str) -> Index | None:
        """Return an index; None where the release does not have it."""
        return self._found.get(name)

    def listed(self, name: str) -> Listed | None:
        """Return an index of lists; None where the release does not have it."""
        found = self._found.get(name)
        return found if isinstance(found, Listed) else None


def read_plans(path: Path) -> dict[str, Plan | None]:
    """Read how indexes are searched.

    Raises:
        BundleError: It is damaged.
    """
    try:
        plans = _PLANS.validate_json(path.read_bytes())
    except (OSError, ValueError) as err:
        reason = first_fault(err) if isinstance(err, ValidationError) else str(err)
        raise BundleError(f"{path} cannot be read: {reason}; publish again") from err
    unknown = set(plans) - {RECOMMEND, SIMILAR, SEARCH}
    if unknown or any(plan is None for name, plan in plans.items() if name != RECOMMEND):
        raise BundleError(f"{path} names indexes that do not exist: {sorted(plans)}; publish again")
    return plans


def write_index(
    directory: Path, name: str, index: Listed | None, compared: VideoVectors | None = None
) -> None:
    """Write one index into a bundle.

    Args:
        directory: The bundle.
        name: Of the index.
        index: None where the videos are ordered once for all.
        compared: Of the recommender, for its own index.
    """
    folder = directory / FOLDER / name
    folder.mkdir(parents=True)
    if compared is not None:
        write_array(folder / "vectors.npy", compared.vectors)
        write_array(folder / "standing.npy", compared.standing)
    if index is not None:
        index.lists.save(folder / FILE)
        write_array(folder / "lists.npy", index.list_of)


def write_plans(directory: Path, plans: dict[str, Plan | None]) -> None:
    """Write how the indexes of a bundle are searched."""
    document = _PLANS.dump_python(plans, mode="json")
    path = directory / FOLDER / PLANS
    path.write_text(json.dumps(document, indent=1), encoding="utf-8")


def _compared(folder: Path, n_videos: int) -> VideoVectors:
    vectors, standing = open_array(folder / "vectors.npy"), open_array(folder / "standing.npy")
    if vectors.ndim != 2 or len(vectors) != n_videos or standing.shape != (n_videos,):
        raise BundleError(
            f"{folder}: vectors {vectors.shape} and standing {standing.shape}, expected those of "
            f"{n_videos} videos; publish again"
        )
    return VideoVectors(vectors, standing)


def _listed(directory: Path, name: str, plan: Plan, info: BundleInfo) -> Listed:
    path = directory / FOLDER / name / FILE
    list_of: NDArray[np.int32] = open_array(path.parent / "lists.npy")
    lists = CodedLists.open(path, digest=_digest(path, directory, info))
    if len(lists) != info.videos or list_of.shape != (info.videos,) or plan.videos != info.videos:
        raise BundleError(
            f"{path} has {len(lists)} videos, its lists {len(list_of)} and its plan {plan.videos}, "
            f"expected {info.videos}; publish again"
        )
    if list_of.min(initial=0) < 0 or list_of.max(initial=0) >= len(lists.sizes):
        raise BundleError(f"{path.parent / 'lists.npy'} names lists that are none; publish again")
    return Listed(lists, list_of, plan)


def _digest(path: Path, directory: Path, info: BundleInfo) -> str | None:
    """Return the digest that a file must have; None while its bundle is being written.

    Raises:
        BundleError: The bundle names none.
    """
    if not info.files:
        return None
    part = path.relative_to(directory).as_posix()
    if part not in info.files:
        raise BundleError(f"{path} was added: the bundle names no digest of it; publish again")
    return info.files[part]
