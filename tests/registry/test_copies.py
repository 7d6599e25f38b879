"""Copies of releases that are made here."""

from kinoloop.registry.copies import keep_copy

DIGEST = "ab" * 32


def _bundle(folder, signature):
    folder.mkdir(parents=True)
    (folder / "bundle.json").write_text("{}")
    (folder / "bundle.sig").write_text(signature)
    return folder


def test_a_bundle_that_was_made_here_moves_to_its_place(tmp_path):
    fresh, cache = _bundle(tmp_path / "fresh", "ours"), tmp_path / "cache"
    keep_copy(fresh, cache, DIGEST)
    assert (cache / DIGEST / "bundle.sig").read_text() == "ours"
    assert not fresh.exists()


def test_a_copy_that_a_service_may_be_opening_stays_and_gets_the_signature(tmp_path):
    cache = tmp_path / "cache"
    fetched = _bundle(cache / DIGEST, "of a key before")
    file, folder = (path.stat().st_ino for path in (fetched / "bundle.json", fetched))
    fresh = _bundle(tmp_path / "fresh", "ours")
    keep_copy(fresh, cache, DIGEST)
    assert (fetched / "bundle.sig").read_text() == "ours"
    assert [(fetched / "bundle.json").stat().st_ino, fetched.stat().st_ino] == [file, folder]
    assert not fresh.exists()
