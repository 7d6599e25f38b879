"""Starting a run costs what it uses: heavy libraries are imported by the step that needs them."""

import subprocess
import sys

HEAVY = {
    *("torch", "transformers", "sklearn", "pandas", "scipy.stats", "scipy.signal", "matplotlib"),
    *("mlflow", "great_expectations", "dvc", "optuna", "bentoml", "onnxruntime"),
    "rfc3987_syntax",  # parses a grammar at import, wherever jsonschema finds it
}


def test_importing_the_flows_imports_no_heavy_library():
    flows = "flows.loop, flows.prune, flows.rollback"
    code = f"import sys, {flows}; print(*{HEAVY} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
