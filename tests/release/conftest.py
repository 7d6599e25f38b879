import pytest

from kinoloop.release.bundle import write_bundle
from kinoloop.release.info import Provenance
from tests.release import tiny


@pytest.fixture
def bundle(tmp_path):
    directory = tmp_path / "bundle"
    write_bundle(
        directory,
        recommender=tiny.fitted(),
        catalogue=tiny.catalogue(),
        histories=tiny.histories(),
        provenance=Provenance(name="tiny", dataset_version="data-1", metrics={"ndcg@10": 0.5}),
        thumbnails=[("v3", b"three"), ("v0", b"zero"), ("gone", b"gone"), ("v1", None)],
    )
    return directory
