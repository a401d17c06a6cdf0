"""What the ``kaggle`` tool may print."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

from amt_utils.system.errors import AmtError
from amt_utils.system.kaggle import Kaggle, QuotaUsedUp

from . import damage, kind

REPLIES = {
    "quota": [{"resource": "GPU", "remaining": "21.5h", "refreshAt": "Saturday"}, {"resource": "TPU"}],
    "version": {"status": "ready", "current_version_number": 7},
    "status": 'clara/amt has status "KernelWorkerStatus.RUNNING"',
    "log": [{"stream_name": "stdout", "time": 1.0, "data": "epoch 1\n"}],
}
FAILURES = (
    (1, "[Errno 122] Disk quota exceeded: '/home/clara/out.pt'"), (1, "[Errno 28] No space left on device"),
    (1, "401 Client Error: Unauthorized"), (1, "Maximum weekly GPU quota of 30.00 hours has been reached"),
    (0, "Kernel push error: Maximum weekly GPU quota of 30.00 hours has been reached"), (1, ""), (139, ""),
    (0, "Warning: Looks like you're using an outdated API Version"), (0, ""), (0, "null"), (0, "[" * 100_000),
    (0, "[[]]"),
    (0, '{"status": null}'), (0, '[{"resource": "GPU"}]'), (0, '[{"resource": "GPU", "remaining": "soon"}]'),
)  # fmt: skip


@kind("Kaggle replies", full=100, few=15)
def replies(rng: np.random.Generator, folder: Path) -> None:
    """An answer is damaged, empty or a failure: an error that says which disk or quota, or the right value."""
    asked = str(rng.choice(sorted(REPLIES)))
    right = REPLIES[asked] if isinstance(REPLIES[asked], str) else json.dumps(REPLIES[asked])
    status, text = FAILURES[int(rng.integers(len(FAILURES)))]
    content = text.encode()
    whole = False
    if rng.random() < 0.5:
        status, text, content = 0, "", damage(str(right).encode(), rng)
        whole = content == str(right).encode()
    (folder / "reply").write_bytes(content)
    tool = folder / "kaggle"
    stream = " >&2" if status else ""
    tool.write_text(f'#!/bin/sh\ncat "{folder}/reply"{stream}\nexit {status}\n')
    tool.chmod(0o755)
    kaggle = Kaggle(str(tool), attempts=1, pause=0.0, say=lambda _text: None)
    try:
        if asked == "quota":
            hours = kaggle.quota().remaining_hours
            # digits that were changed are not told from others
            assert hours == 21.5 if whole else hours >= 0 or math.isinf(hours)
        elif asked == "version":
            version = kaggle.dataset_version("clara/amt")
            assert version == ("ready", 7) if whole else version is None or version[1] >= 0
        elif asked == "status":
            assert kaggle.kernel_status("clara/amt").replace("_", "").isalnum()
        else:
            assert isinstance(kaggle.kernel_log("clara/amt"), str)
    except QuotaUsedUp:
        assert "GPU quota" in text
        raise
    except AmtError as error:
        assert "Errno" not in text or "disk" in str(error)
        raise
