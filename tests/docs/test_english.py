"""Words that no page, settings file or source file uses, and what stands in their place."""

import re
import subprocess

import pytest

from tests.docs.pages import ROOT

OF = (
    "video|user|file|request|row|day|frame|worker|second|minute|process|modality|step|batch|table|"
    "commit|tag|topic|server|swap|message|answer|vector|sound|picture|test|rule"
)
MEASURES = "events|rows|videos|samples|frames|requests|steps|positions|targets"
FORBIDDEN = {
    r"\bcan\s+not\b": "cannot",
    r"\bthousand\s+million": "billion",
    rf"\b(?:an?|one)\s+(?!of|that|without)\w+\s+an?\s+(?:{OF})\b": "one row per video",
    rf"\b(?:\d|ms|µs|s|MB|GB|bytes|once|{MEASURES})\s+an?\s+(?:{OF})\b": "10 s per request",
}


@pytest.fixture(scope="module")
def texts():
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    found = subprocess.run(
        [*listed, "*.md", "*.toml", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    paths = [ROOT / name for name in found.stdout.splitlines()]
    return {path: path.read_text(encoding="utf-8") for path in paths if path.is_file()}


@pytest.mark.parametrize(("pattern", "instead"), FORBIDDEN.items(), ids=FORBIDDEN.values())
def test_nothing_says_it_otherwise(texts, pattern, instead):
    found = [
        f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, hit.start()) + 1}: {hit[0]!r}"
        for path, text in texts.items()
        for hit in re.finditer(pattern, text)
    ]
    assert not found, f"say {instead!r}"


@pytest.mark.parametrize("said", ["can·not", "a flow·a file", "5·s·a request", "9 videos·a user"])
def test_patterns_find_what_they_are_for(said):
    assert any(re.search(pattern, said.replace("·", " ")) for pattern in FORBIDDEN)
