import os

from kinoloop.data.video_text import COMPOSITION
from kinoloop.encoders.fingerprint import (
    composition_of,
    digest_files,
    fingerprint,
    library_versions,
    text_space,
)


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


def test_texts_of_another_composition_are_another_space_of_the_same_encoder():
    spaces = [text_space("e", version) for version in range(1, COMPOSITION + 1)]
    assert spaces[0] == "e"
    assert len({*spaces}) == COMPOSITION
    assert [composition_of(space, "e") for space in spaces] == [*range(1, COMPOSITION + 1)]
    assert composition_of(text_space("e"), "another") is None
    assert composition_of(text_space("e", COMPOSITION + 1), "e") is None
