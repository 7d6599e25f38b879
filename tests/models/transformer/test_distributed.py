import json
import os
import subprocess
import sys

import numpy as np
import pytest

from tests.models.transformer.distributed_fit import curve


@pytest.mark.slow
def test_two_processes_have_the_loss_of_one(tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", "-m", "tests.models.transformer.distributed_fit", tmp_path]
    done = subprocess.run(
        command,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        timeout=1200,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    curves = [json.loads((tmp_path / f"curve-{rank}.json").read_text()) for rank in (0, 1)]
    assert curves[0] == curves[1]
    np.testing.assert_allclose(curves[0], curve(), rtol=1e-4)
