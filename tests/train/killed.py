"""Trains a tiny model again and again, kills the process at random moments, and goes on until the training is complete.

`python -m tests.train.killed FOLDER KILLS SEED` prints, as JSON, how many kills there were, in how many trainings, how
many of them hit a process that had resumed, and in how many trainings the end was not that of an uninterrupted one.
Every training is a forked process, so that only one has to import everything.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import numpy as np

import tinygrad_lite as tl
from tests.train.common import POINTS, SIDES
from tinygrad_lite import io, nn, optim, train


def build():
    """A model with buffers and two random generators, and everything else that has a state."""
    tl.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Dropout(0.1, rng=tl.Generator(5)),
        nn.Linear(8, 2),
    )  # fmt: skip
    optimizer = optim.AdamW(model, lr=0.01)
    schedule = optim.CosineAnnealingLR(optimizer, 100, interval="step")
    stopping = train.EarlyStopping(patience=99)
    return model, optimizer, schedule, stopping


def training(folder, checkpoints):
    """Train to the end, and write it to `folder`/end."""
    model, optimizer, schedule, stopping = build()
    history = train.fit(
        model, (POINTS, SIDES), optimizer=optimizer, schedule=schedule, callbacks=[stopping], epochs=6, batch_size=15,
        validation=(POINTS[:50], SIDES[:50]), metrics=[train.Accuracy(), train.AUC()], accumulate=2, progress=False,
        checkpoints=checkpoints,
    )  # fmt: skip
    for record in history:
        del record["seconds"]
    io.save_state(
        folder / "end", {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "h": list(history)}
    )


def forked(function):
    """The number of a new process that calls `function`."""
    child = os.fork()
    if not child:
        status = 1
        try:
            function()
            status = 0
        finally:
            os._exit(status)
    return child


def finished(child, seconds):
    """Whether a process ends by itself within a time; it is killed then if it has not."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert status == 0, f"the training failed with status {status}"
            return True
        time.sleep(0.0005)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return status == 0  # it may have ended just before


def main(folder, wanted, seed):
    rng = random.Random(seed)
    kept = train.Checkpoints(folder / "kept", keep=2, every_steps=2)
    started = time.monotonic()
    assert finished(forked(lambda: training(folder, kept)), 60)
    whole, expected = time.monotonic() - started, io.load_metadata(folder / "end")["sha256"]
    counts = {"kills": 0, "trainings": 0, "resumed": 0, "different": 0}
    while counts["kills"] < wanted:
        shutil.rmtree(folder / "kept")
        (folder / "end").unlink()
        counts["trainings"] += 1
        while True:
            before = kept.steps()
            if finished(forked(lambda: training(folder, kept)), rng.uniform(0.0, whole / 2)):
                break
            counts["kills"] += 1
            counts["resumed"] += bool(before)
        counts["different"] += io.load_metadata(folder / "end")["sha256"] != expected
    print(json.dumps(counts))


if __name__ == "__main__":
    np.seterr(all="raise", under="ignore")
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
