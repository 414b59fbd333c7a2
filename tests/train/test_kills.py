"""A training that is killed again and again ends as if nothing had happened, bit for bit."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.numpy_only("trains in processes of its own")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="starts trainings by os.fork")
def test_fifty_kills_fifty_exact_resumes(tmp_path):
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "tests.train.killed", str(tmp_path), "50", "0"],
        capture_output=True, text=True, timeout=300, check=False, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert counts["kills"] >= 50 and counts["different"] == 0
    assert counts["resumed"] >= 10, "the kills came before the first checkpoints"
