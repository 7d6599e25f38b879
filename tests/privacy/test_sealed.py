import pytest

from kinoloop.privacy.sealed import Seal

KEY = b"k" * 32


def test_only_the_same_key_and_purpose_read_a_text():
    sealed = Seal(KEY, "words").close("rüben soup")
    assert "soup" not in sealed
    assert Seal(KEY, "words").open(sealed) == "rüben soup"
    for other in (Seal(b"o" * 32, "words"), Seal(KEY, "names")):
        with pytest.raises(ValueError, match="another key, or changed"):
            other.open(sealed)
    with pytest.raises(ValueError, match="changed since"):
        Seal(KEY, "words").open(sealed[:-4] + "AAAA")
