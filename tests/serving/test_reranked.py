"""A service with a ranker whose latency budget no machine can keep."""

import pytest

from kinoloop.evaluation.split import temporal_split
from kinoloop.models.base import build
from kinoloop.ranking.config import RankerConfig
from kinoloop.ranking.data import RankerData
from kinoloop.ranking.fitting import fit_ranker
from kinoloop.release.bundle import write_bundle
from kinoloop.schema import DAY_US
from kinoloop.testing.service import SIGNER, running
from kinoloop.testing.shown import toy_exposures
from kinoloop.testing.toy import START_US, toy_catalogue
from tests.serving.conftest import Service

CONFIG = RankerConfig(
    groups=("content", "user"), epochs=1, hidden=4, candidates=10, label={"watch": "view"}
)


@pytest.mark.e2e
def test_an_answer_that_was_not_reranked_says_so_in_the_answer_the_metrics_and_the_log(tmp_path):
    catalogue = toy_catalogue()
    exposures, histories = toy_exposures(catalogue)
    windows = RankerData(exposures, histories, START_US + 18 * DAY_US, START_US + 24 * DAY_US)
    split = temporal_split(histories, validation_days=6, test_days=6)
    write_bundle(
        tmp_path / "bundle",
        recommender=build({"kind": "popularity"}).fit(split.train, catalogue),
        catalogue=catalogue,
        histories=histories,
        ranker=fit_ranker(CONFIG, windows, catalogue).ranker,
    )
    SIGNER.sign(tmp_path / "bundle")
    settings = tmp_path / "kinoloop.toml"
    settings.write_text("[serving]\nbudget_ms = 0.0001\n")
    with running(
        tmp_path / "state", bundle=tmp_path / "bundle", KINOLOOP_SETTINGS_FILE=str(settings)
    ) as url:
        service = Service(url, tmp_path)
        answers = [service.ask("/recommend", {"user_id": "u", "top_k": 3}) for _ in range(3)]
        assert [answer.body["reranked"] for answer in answers] == [False] * 3
        assert "reranked" not in service.ask("/search", {"query": "football"}).body
        counted = 'kinoloop_reranked_slates_total{outcome="skipped"} 3.0'
        assert counted in service.ask("/metrics").body
    log = (tmp_path / "state" / "service.log").read_text()
    assert log.count("were not re-ranked") == 1
