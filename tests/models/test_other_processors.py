"""The networks' tests once more as on a processor without AVX-512, which a child process is made to see."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
COUNT = """
import warnings
import torch
from amt_utils.config import Config
from amt_utils.training.optimizer import choose_precision, cpu_has_lstm
from amt_utils.training.speed import saved_activation_bytes
assert torch.backends.cpu.get_cpu_capability() == "AVX2"
assert not cpu_has_lstm(torch.bfloat16)
assert choose_precision("auto", "cpu") == "32-true"
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    assert choose_precision("bf16-mixed", "cpu") == "32-true"
assert "float32" in str(caught[0].message)
print(saved_activation_bytes(Config().replace(model={"size": "micro"})))
"""


def run_as_avx2(*command: str) -> str:
    environment = {**os.environ, **AVX2, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, *command], env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_networks_without_avx512():
    shown = run_as_avx2(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rs", "tests/models/test_models.py",
        "-k", "shapes or onset_trunk or masked",
    )  # fmt: skip
    assert " passed" in shown and "skipped" not in shown


def test_precision_and_step_memory_without_avx512():
    from amt_utils.config import Config
    from amt_utils.training.speed import saved_activation_bytes

    counted = int(run_as_avx2("-c", COUNT))
    assert counted == saved_activation_bytes(Config().replace(model={"size": "micro"}))
