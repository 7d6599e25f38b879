import re
import subprocess
import sys

import pytest

from kinoloop.cli.machine_checks import ROOT


@pytest.mark.slow
def test_a_catalogue_of_texts_runs_by_settings_alone_and_withholds_what_is_harmful():
    """The smallest of `make domains`: import by flags, loop, answers of a champion."""
    command = [sys.executable, "-m", "examples.domains", "text"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    row = next(line for line in done.stdout.splitlines() if line.startswith("| text |"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    name, videos, vectors, champion, slate, similar, search, kept, _ = cells
    assert (name, videos, vectors) == ("text", "48", "text")
    assert champion in {"popularity", "item_knn", "content_cosine"}
    assert float(slate) > 0.5
    assert float(similar) > 0.5
    assert all(re.match(r"trains-\d\d$", one) for one in search.split(", "))
    assert kept == "12"
