import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from filelock import FileLock

from kinoloop.errors import BundleError, RegistryError
from kinoloop.registry.client import ModelRegistry
from kinoloop.registry.connection import Connection
from kinoloop.registry.copies import ServedRelease, prune, remember, remembered
from kinoloop.release.release import Release
from kinoloop.release.signature import Signer, Trust
from tests.release import tiny


@pytest.fixture
def run_id(runs):
    return runs.start("winner", key="k", params={}, tags={})


@pytest.fixture
def version(registry, make_bundle, run_id):
    return registry.register(make_bundle("one"), run_id=run_id, tags={})


def test_a_registry_that_was_never_written_has_no_champion(tmp_path):
    registry = ModelRegistry(f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert registry.champion() is None
    assert list(tmp_path.iterdir()) == []


def test_an_alias_that_was_never_set_points_at_nothing(registry, version):
    assert registry.champion() is None


def test_a_registered_bundle_carries_its_lineage(registry, make_bundle, run_id):
    bundle = make_bundle("one", dataset_version="data-7", settings_hash="s1")
    version = registry.register(bundle, run_id=run_id, tags={"extra": "yes"})
    assert version.digest == Release.open(bundle).info.digest
    assert version.tags["dataset_version"] == "data-7"
    assert version.tags["fingerprint.text"] == "print-of-text"
    assert version.tags["extra"] == "yes"
    assert registry.version(version.version) == version


def test_the_same_bundle_is_registered_once(registry, make_bundle, run_id):
    first = registry.register(make_bundle("one"), run_id=run_id, tags={})
    assert (
        registry.register(
            make_bundle(
                "one-again",
            ).parent
            / "one",
            run_id=run_id,
            tags={},
        )
        == first
    )


def test_an_alias_follows_what_is_set(registry, version):
    registry.set_alias("champion", version.version)
    assert registry.champion() == version
    registry.drop_alias("champion")
    assert registry.champion() is None


def test_a_download_is_the_bundle_and_is_kept(registry, version, tmp_path):
    cache = tmp_path / "cache"
    first = registry.download(version, cache, trust=tiny.TRUST)
    Release.open(first).check()
    written = (first / "bundle.json").stat().st_mtime_ns
    assert registry.download(version, cache, trust=tiny.TRUST) == first
    assert (first / "bundle.json").stat().st_mtime_ns == written
    assert [p.name for p in cache.glob("[!.]*")] == [version.digest]


def test_many_workers_download_once(registry, version, tmp_path):
    with ThreadPoolExecutor(4) as pool:
        paths = set(
            pool.map(
                lambda _: registry.download(version, tmp_path / "c", trust=tiny.TRUST), range(4)
            )
        )
    assert len(paths) == 1


def test_waiting_for_the_download_of_another_process_is_told(registry, version, tmp_path, caplog):
    taken = FileLock(tmp_path / f".{version.digest}.lock")
    with ThreadPoolExecutor() as pool, taken:
        waiting = pool.submit(registry.download, version, tmp_path, trust=tiny.TRUST)
        while "another download of version 1 runs; waiting for it" not in caplog.text:
            assert not waiting.done(), waiting.result()
            time.sleep(0.05)
    assert waiting.result().name == version.digest


def test_a_changed_artifact_never_reaches_the_cache(registry, version, tmp_path):
    (stored,) = tmp_path.glob("state/mlartifacts/**/vectors/text.npy")
    damaged = bytearray(stored.read_bytes())
    damaged[-3] ^= 1
    stored.write_bytes(damaged)
    with pytest.raises(BundleError, match=r"text\.npy changed"):
        registry.download(version, tmp_path / "cache", trust=tiny.TRUST)
    assert list((tmp_path / "cache").glob("[!.]*")) == []


@pytest.mark.parametrize("name", ["vectors/text.npy", "bundle.json", "bundle.sig", "golden.json"])
def test_a_damaged_local_copy_heals(registry, version, tmp_path, name, caplog):
    copy = registry.download(version, tmp_path / "cache", trust=tiny.TRUST)
    damaged = bytearray((copy / name).read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (copy / name).write_bytes(damaged)
    again = registry.download(version, tmp_path / "cache", trust=tiny.TRUST)
    Release.open(again, tiny.TRUST).check()
    assert "the local copy is fetched again" in caplog.text
    assert [p.name for p in (tmp_path / "cache").glob("[!.]*")] == [version.digest]


@pytest.mark.parametrize("digest", ["../../../x", " ", "/etc", "A" * 64, "0" * 63 + "\n"])
def test_a_digest_that_is_none_never_becomes_a_path(registry, version, tmp_path, digest):
    registry.set_tag(version.version, "digest", digest)
    with pytest.raises(BundleError, match=r"version 1 in the registry has the digest"):
        registry.download(registry.version("1"), tmp_path / "elsewhere", trust=tiny.TRUST)
    assert not (tmp_path / "elsewhere").exists()


def test_a_release_that_nobody_trusted_signed_is_not_taken(registry, version, tmp_path):
    other = Trust(frozenset({"ab" * 32}))
    with pytest.raises(BundleError, match=r"signed by key 3b6a.* KINOLOOP_TRUSTED_KEYS"):
        registry.download(version, tmp_path / "cache", trust=other)
    assert list((tmp_path / "cache").glob("[!.]*")) == []


def test_a_bundle_without_a_signature_is_not_registered(registry, make_bundle, run_id):
    bundle = make_bundle("unsigned")
    (bundle / "bundle.sig").unlink()
    with pytest.raises(BundleError, match=r"is not signed: .* run `kinoloop retrain --force`"):
        registry.register(bundle, run_id=run_id, tags={})


def test_the_same_bundle_under_another_key_is_another_version(
    registry, version, make_bundle, run_id
):
    bundle = make_bundle("one-again").parent / "one"
    Signer(bytes([7]) * 32).sign(bundle)
    assert registry.register(bundle, run_id=run_id, tags={}).version != version.version


def test_prune_keeps_what_served_last(registry, version, tmp_path):
    cache = tmp_path / "cache"
    registry.download(version, cache, trust=tiny.TRUST)
    remember(cache, ServedRelease(version.digest, version.version, version.run_id))
    assert prune(cache, set()) == 0
    assert remembered(cache) == [ServedRelease(version.digest, version.version, version.run_id)]


def test_another_bundle_in_the_artifact_store_is_refused(registry, version, make_bundle, tmp_path):
    (stored,) = tmp_path.glob("state/mlartifacts/**/bundle.json")
    shutil.rmtree(stored.parent)
    shutil.copytree(make_bundle("other"), stored.parent)
    with pytest.raises(BundleError, match="registered was"):
        registry.download(version, tmp_path / "cache", trust=tiny.TRUST)


def test_a_lost_artifact_is_no_registry_that_is_away(registry, version, tmp_path):
    shutil.rmtree(tmp_path / "state" / "mlartifacts")
    with pytest.raises(BundleError, match=r"gone from the artifact store; run `kinoloop rollback`"):
        registry.download(version, tmp_path / "cache", trust=tiny.TRUST)


def test_prune_keeps_what_is_named(registry, version, make_bundle, run_id, runs, tmp_path):
    other_run = runs.start("other", key="k2", params={}, tags={})
    other = registry.register(make_bundle("two"), run_id=other_run, tags={})
    cache = tmp_path / "cache"
    for one in (version, other):
        registry.download(one, cache, trust=tiny.TRUST)
    assert prune(cache, {version.digest}) == 1
    assert [p.name for p in cache.glob("[!.]*")] == [version.digest]


def test_an_unknown_version_is_a_registry_error(registry, version):
    with pytest.raises(RegistryError, match="look up version 99"):
        registry.version("99")


def test_an_absent_server_fails_within_seconds():
    registry = ModelRegistry("http://127.0.0.1:9")  # the discard port: nothing listens
    start = time.monotonic()
    with pytest.raises(RegistryError, match="look up the champion: MLflow at http"):
        registry.champion()
    assert time.monotonic() - start < 120  # MLflow itself would try for four minutes


def test_aliases_move_one_at_a_time(registry, tmp_path):
    inside, overlaps = 0, 0

    def move():
        nonlocal inside, overlaps
        with registry.moving_aliases(tmp_path):
            inside += 1
            overlaps += inside > 1
            time.sleep(0.02)
            inside -= 1

    threads = [threading.Thread(target=move) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert overlaps == 0


def test_a_store_that_another_process_makes_for_ever_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("kinoloop.registry.connection.LOCK_WAIT_S", 0.1)
    with (
        FileLock(tmp_path / "fresh.db.lock"),
        pytest.raises(RegistryError, match=r"making the tables of .*fresh\.db"),
    ):
        _ = Connection(f"sqlite:///{tmp_path / 'fresh.db'}").client


def test_a_held_lock_is_named(registry, tmp_path):
    with (
        registry.moving_aliases(tmp_path),
        pytest.raises(RegistryError, match=r"another promotion or rollback holds .*aliases\.lock"),
        registry.moving_aliases(tmp_path, timeout_s=0.1),
    ):
        pass


def test_the_lock_dies_with_a_killed_owner(registry, tmp_path):
    code = (
        "import sys, time; from pathlib import Path;"
        "from kinoloop.registry.client import ModelRegistry;"
        "lock = ModelRegistry('sqlite:///x').moving_aliases(Path(sys.argv[1])); lock.__enter__();"
        "print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "held\n"
        with (
            pytest.raises(RegistryError, match="another promotion"),
            registry.moving_aliases(tmp_path, timeout_s=0.1),
        ):
            pass
        owner.kill()
        owner.wait()
    with registry.moving_aliases(tmp_path, timeout_s=600):
        pass
