import json
import threading
from pathlib import Path

import polars as pl
import pytest
from filelock import FileLock
from mlflow import MlflowClient

from flows.promote import promote
from flows.retrain import retrain
from flows.rollback import rollback
from kinoloop.data.tables import Tables
from kinoloop.errors import BundleError, RegistryError
from kinoloop.promotion.record import to_markdown
from kinoloop.registry import aliases
from kinoloop.schema import VIDEOS
from serving.on_record import OnRecord
from tasks.loop import reason_to_retrain
from tasks.promotion import one_promotion
from tasks.results import PromoteSummary, RollbackSummary
from tests.flows.conftest import SETTINGS, damage, open_release
from tests.flows.toy_tables import write_toy_tables

BOTH = '{ kind = "popularity" }, { kind = "item_knn" }'
POPULARITY = SETTINGS.replace(BOTH, '{ kind = "popularity" }')
ITEM_KNN = SETTINGS.replace(BOTH, '{ kind = "item_knn" }')


@pytest.fixture
def crowd(environment):
    """More users, so that intervals are narrow."""
    write_toy_tables(environment.data_dir, users=300, seed=1)
    return environment


def _versions(registry):
    aliases = ("champion", "challenger", "previous")
    found = [registry.by_alias(alias) for alias in aliases]
    return dict(zip(aliases, [v and v.version for v in found], strict=True))


def _decisions(environment, version) -> dict[str, str]:
    client = MlflowClient(environment.tracking_uri)
    run_id = client.get_model_version("kinoloop", version).run_id
    paths = [f.path for f in client.list_artifacts(run_id, "decisions")]
    return {p: Path(client.download_artifacts(run_id, p)).read_text() for p in paths}


def test_nothing_is_done_where_nobody_waits(environment):
    assert promote() == PromoteSummary(outcome="nothing to do")


def test_the_first_challenger_that_passes_the_gates_becomes_champion(environment, registry):
    version = retrain().version
    done = promote()
    assert (done.outcome, done.version) == ("promoted", version)
    assert _versions(registry) == {"champion": version, "challenger": None, "previous": None}
    decision = done.decision
    assert decision.gain is None
    assert all(gate.passed for gate in decision.gates)


class Killed(BaseException):
    """Ends the process: nothing cleans up behind it."""


def test_a_champion_has_its_record_though_promotion_was_killed_as_the_alias_moved(
    environment, registry, monkeypatch
):
    version = retrain().version
    promoted = aliases.promote

    def move_and_die(*args):
        promoted(*args)
        raise Killed

    monkeypatch.setattr(aliases, "promote", move_and_die)
    with pytest.raises(Killed):
        promote()
    assert registry.champion().version == version
    (page,) = [text for path, text in _decisions(environment, version).items() if path[-2:] == "md"]
    assert f"Version {version} promoted to champion" in page
    monkeypatch.undo()
    assert promote().outcome == "nothing to do"


def test_a_better_challenger_replaces_the_champion_and_rollback_undoes_it(
    crowd, registry, settings
):
    settings(POPULARITY)
    first = retrain().version
    promote()
    settings(ITEM_KNN)
    second = retrain().version
    done = promote()
    assert done.outcome == "promoted"
    gain = done.decision.gain
    assert 0 < gain.low < gain.mean < gain.high
    assert _versions(registry) == {"champion": second, "challenger": None, "previous": first}
    assert rollback() == RollbackSummary(version=first, replaced=second)
    assert _versions(registry) == {"champion": first, "challenger": None, "previous": second}
    assert rollback() == RollbackSummary(version=second, replaced=first)
    assert any(path.endswith("rollback.md") for path in _decisions(crowd, first))
    told = OnRecord(crowd.tracking_uri).look()
    assert [(one.outcome, one.version, one.champion) for one in told.decisions.decisions] == [
        ("rolled back", second, first),
        ("rolled back", first, second),
        ("promoted", second, first),
        ("promoted", first, None),
    ]
    assert told.decisions.decisions[2].gain.mean == pytest.approx(gain.mean)
    assert [point.version for point in told.quality.points] == [first, second]


def test_a_worse_challenger_is_refused_with_reasons(crowd, registry, settings):
    settings(ITEM_KNN)
    first = retrain().version
    promote()
    settings(POPULARITY)
    second = retrain().version
    done = promote()
    assert done.outcome == "refused"
    failed = [gate for gate in done.decision.gates if not gate.passed]
    assert [gate.name for gate in failed] == ["beats the champion"]
    assert _versions(registry) == {"champion": first, "challenger": second, "previous": None}
    records = _decisions(crowd, second)
    (page,) = [text for path, text in records.items() if path.endswith(".md")]
    assert f"# Version {second} refused" in page
    assert "| beats the champion | **no** | -" in page
    (document,) = [text for path, text in records.items() if path.endswith(".json")]
    assert json.loads(document)["champion"]["version"] == first


def test_a_refusal_is_not_repeated_on_the_same_evidence(crowd, settings):
    settings(ITEM_KNN)
    retrain()
    promote()
    settings(POPULARITY)
    version = retrain().version
    reasons = promote().refused_by
    assert reasons[0].startswith("beats the champion: -")
    assert promote() == PromoteSummary(outcome="nothing to do", version=version, refused_by=reasons)
    assert retrain().refused_by == reasons
    assert promote(force=True).outcome == "refused"


@pytest.mark.parametrize(
    ("setting", "gate"),
    [
        ("min_coverage = 1.0", "coverage"),
        ("max_over_floor = 0.0001", "cost of an answer"),
        ("max_latency_ms = 0.0001\nlatency_limit_is_a_gate = true", "latency limit"),
    ],
)
def test_each_gate_refuses(environment, registry, settings, setting, gate):
    settings(f"{SETTINGS}\n{setting}")
    retrain()
    done = promote()
    assert [g.name for g in done.decision.gates if not g.passed] == [gate]
    assert [sentence.partition(":")[0] for sentence in done.refused_by] == [gate]
    assert "; next: " in done.refused_by[0]
    assert registry.champion() is None


def test_a_slow_machine_is_a_warning_and_the_first_release_is_promoted(environment, settings):
    settings(f"{SETTINGS}\nmax_latency_ms = 0.0001")
    retrain()
    done = promote()
    assert (done.outcome, done.refused_by) == ("promoted", [])
    assert "so this is a warning" in done.decision.notes[-1]


def test_too_few_users_prove_nothing(environment, registry, settings):
    settings(SETTINGS.replace("[promote]\nmin_users = 5", "[promote]\nmin_users = 500"))
    retrain()
    decision = promote().decision
    assert [g.name for g in decision.gates if not g.passed] == ["enough users"]


def test_a_damaged_copy_of_the_challenger_heals(environment, registry):
    retrain()
    damage(environment, registry.by_alias("challenger"), store=False)
    assert promote().outcome == "promoted"


def test_a_damaged_challenger_is_refused(environment, registry):
    retrain()
    damage(environment, registry.by_alias("challenger"))
    with pytest.raises(BundleError, match=r"golden\.json changed"):
        promote()
    assert registry.champion() is None


def test_training_the_same_again_heals_what_was_damaged_in_the_store(environment, registry):
    version = retrain().version
    promote()
    damage(environment, registry.champion())
    assert retrain(force=True).version == version
    open_release(environment, registry.champion()).check()


@pytest.mark.parametrize("how", ["damaged", "signed by nobody trusted"])
def test_a_champion_that_nobody_can_open_does_not_stand_in_the_way(environment, registry, how):
    """As one that was made before releases were signed: the loop makes another by itself."""
    first = retrain().version
    promote()
    if how == "damaged":
        damage(environment, registry.champion())
        write_toy_tables(environment.data_dir, users=10, seed=1)
    else:
        (environment.state_dir / "signing.key").unlink()
        why = reason_to_retrain.fn(environment, drift_fired=False)
        assert "not signed by a key trusted here" in why
    second = retrain().version
    assert second != first
    done = promote()
    assert (done.outcome, done.version) == ("promoted", second)
    assert "cannot be opened, so nothing was compared" in done.decision.notes[0]


def test_an_older_champion_stands_in_the_window_through_its_own_catalogue(
    crowd, registry, settings
):
    settings(POPULARITY)
    retrain()
    promote()
    write_toy_tables(crowd.data_dir, users=20, seed=2, videos=44)
    settings(ITEM_KNN)
    retrain()
    decision = promote().decision
    assert decision.champion.dataset_version != decision.challenger.dataset_version
    assert decision.gain.users == decision.users > 0


def test_both_sides_are_judged_on_the_catalogue_of_today(crowd, registry, settings):
    """Videos that came after the champion's training are no misses of it, nor are gone ones hits.

    The window holds new videos that were never published: promote publishes them first, for both.
    """
    settings(POPULARITY)
    retrain()
    promote()
    write_toy_tables(crowd.data_dir, users=40, seed=2, videos=44)
    settings(ITEM_KNN)
    retrain()
    write_toy_tables(crowd.data_dir, users=1, seed=3, videos=46)  # after the challenger, too
    tables = Tables(crowd.data_dir)
    rest = tables.scan("videos").filter(pl.col("video_id") != "v001").collect()
    rest.select(*VIDEOS).write_delta(str(tables.path("videos")), mode="overwrite")
    decision = promote().decision
    sides = decision.champion, decision.challenger
    assert [(one.catalogue, one.videos) for one in sides] == [(1, 46), (1, 46)]
    assert not [note for note in decision.notes if "does not know" in note]
    assert "| catalogue version | 1 | 1 |" in to_markdown(decision)


def test_a_champion_that_moved_meanwhile_stops_it(crowd, registry, settings, monkeypatch):
    import flows.promote as flow

    settings(POPULARITY)
    first = retrain().version
    promote()
    settings(ITEM_KNN)
    second = retrain().version
    settings(SETTINGS)
    weigh = flow.weigh

    def weigh_slowly(challenge):
        decision = weigh(challenge)
        registry.drop_alias("champion")
        return decision

    monkeypatch.setattr(flow, "weigh", weigh_slowly)
    with pytest.raises(RegistryError, match=f"changed from version {first} to None"):
        promote()
    assert _versions(registry) == {"champion": None, "challenger": second, "previous": None}


def test_promotions_run_one_at_a_time(environment, registry):
    version = retrain().version
    outcomes = []
    threads = [
        threading.Thread(target=lambda: outcomes.append(promote().outcome)) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["nothing to do", "promoted"]
    assert registry.champion().version == version


def test_a_promotion_that_never_ends_is_named(environment):
    with (
        FileLock(environment.state_dir / "promotion.lock"),
        pytest.raises(RegistryError, match=r"another promotion holds .*promotion\.lock"),
        one_promotion(environment, timeout_s=0.1),
    ):
        pass


def test_rollback_needs_something_to_go_back_to(environment, registry):
    with pytest.raises(RegistryError, match="nothing to roll back to"):
        rollback()
    retrain()
    promote()
    with pytest.raises(RegistryError, match="nothing to roll back to"):
        rollback()


def test_rollback_refuses_a_damaged_release(crowd, registry, settings):
    settings(POPULARITY)
    retrain()
    promote()
    settings(ITEM_KNN)
    second = retrain().version
    promote()
    previous = registry.by_alias("previous")
    damage(crowd, previous)
    with pytest.raises(BundleError, match=r"golden\.json changed"):
        rollback()
    assert registry.champion().version == second
