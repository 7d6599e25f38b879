"""The command as a whole; each verb has its own test under tests/cli/."""

import subprocess
import sys

HEAVY = ("torch", "prefect", "mlflow", "bentoml", "transformers", "great_expectations", "av")
ASK_FOR_HELP = f"""
import sys
sys.argv = ["kinoloop", "--help"]
from cli.main import main
try:
    main()
except SystemExit as end:
    assert end.code in (0, None), end.code
print("HEAVY", [name for name in {HEAVY!r} if name in sys.modules])
"""


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, timeout=60, check=False
    )


def test_help_imports_nothing_heavy():
    done = _run("-c", ASK_FOR_HELP)
    assert done.returncode == 0, done.stderr
    assert "HEAVY []" in done.stdout


def test_help_lists_the_verbs():
    done = _run("-m", "cli", "--help")
    assert "sample" in done.stdout


def test_error_on_purpose_ends_in_its_message_and_status_1(tmp_path):
    (tmp_path / "mine.txt").write_text("keep me")
    done = _run("-m", "cli", "sample", str(tmp_path))
    assert done.returncode == 1
    assert "is not empty" in done.stderr
    assert "Traceback" not in done.stderr
