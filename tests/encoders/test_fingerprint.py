import os

from kinoloop.encoders.fingerprint import digest_files, fingerprint, library_versions


def test_order_of_facts_does_not_matter():
    assert fingerprint({"a": 1, "b": [2]}) == fingerprint({"b": [2], "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})
    assert len(fingerprint({})) == 32


def test_versions_are_major_and_minor():
    assert library_versions("numpy")["numpy"].count(".") == 1


def test_digest_is_of_content_and_not_of_name(tmp_path):
    for name, text in {"a": "one", "b": "two", "c": "one"}.items():
        (tmp_path / name).write_text(text)
    assert digest_files([tmp_path / "a"]) == digest_files([tmp_path / "c"])
    assert digest_files([tmp_path / "a"]) != digest_files([tmp_path / "b"])


def test_digest_follows_a_change_of_the_file(tmp_path):
    file = tmp_path / "weights"
    file.write_text("one")
    before = digest_files([file])
    file.write_text("two")
    os.utime(file, ns=(1, 1))
    assert digest_files([file]) != before
