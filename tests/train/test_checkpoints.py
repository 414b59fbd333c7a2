"""Checkpoints: what they hold, what resuming means, and files that are damaged, not written, or many."""

import contextlib
import errno
import multiprocessing
import os
import signal
import time

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.train.common import POINTS, SIDES, fit, model, same
from tinygrad_lite import data, io, nn, optim, train
from tinygrad_lite.core.errors import StateError
from tinygrad_lite.io import files


class Stop(Exception):
    pass


class StopAt(train.Callback):
    """Ends the process's training as abruptly as an exception can."""

    def __init__(self, step):
        self.step = step

    def on_step(self, run):
        if run.step == self.step:
            raise Stop


def trained(folder, stop_at=None, **options):
    """The model, and the history, of six epochs of ten steps."""
    tl.manual_seed(1)
    network = nn.Sequential(model(2), nn.Dropout(0.3), nn.BatchNorm1d(2), nn.Dropout(0.2, rng=tl.Generator(7)))
    optimizer = optim.AdamW(network, lr=0.05)
    options = {"epochs": 6, "rng": None, "optimizer": optimizer, "metrics": [train.Accuracy(), train.AUC()], **options}
    options.setdefault("schedule", optim.CosineAnnealingLR(optimizer, 60, interval="step"))
    options.setdefault("callbacks", [train.EarlyStopping("loss", patience=50)])
    callbacks = [*options.pop("callbacks"), *([StopAt(stop_at)] if stop_at else [])]
    history = train.History()
    try:
        fit(network, checkpoints=train.Checkpoints(folder, **options.pop("kept", {})), history=history,
            callbacks=callbacks, **options)  # fmt: skip
    except Stop:
        pass
    else:
        assert stop_at is None or stop_at > 60
    for record in history:
        del record["seconds"]
    return network, history


@pytest.mark.parametrize("stop_at", [1, 9, 10, 11, 25, 60])
@pytest.mark.parametrize(
    "kept", [{}, {"every_epochs": 2}, {"every_epochs": None, "every_steps": 4}, {"every_steps": 5}]
)
def test_a_resumed_training_is_the_uninterrupted_one(stop_at, kept, tmp_path):
    expected, history = trained(tmp_path / "whole", kept=kept)
    trained(tmp_path / "parts", stop_at, kept=kept)
    found, resumed = trained(tmp_path / "parts", kept=kept)
    assert same(found, expected) and resumed == history
    assert len(history) == 6


@pytest.mark.parametrize(
    "kind", ["LBFGS", "SGDScheduleFree", "AdamWScheduleFree", "Adafactor", "Muon", "Rprop", "NAdam"]
)
def test_every_kind_of_optimizer_is_resumed(kind, tmp_path):
    def run(folder, stop_at=None):
        tl.manual_seed(0)
        network = nn.Sequential(nn.Linear(2, 8, bias=False), nn.Tanh(), nn.Linear(8, 2, bias=False))
        optimizer = getattr(optim, kind)(network, lr=0.01)
        callbacks = [StopAt(stop_at)] if stop_at else []
        kept = train.Checkpoints(folder, every_steps=3)
        with contextlib.suppress(Stop):
            fit(network, optimizer=optimizer, epochs=3, callbacks=callbacks, checkpoints=kept)
        return network

    expected = run(tmp_path / "whole")
    run(tmp_path / "parts", 5)
    run(tmp_path / "parts", 22)
    assert same(run(tmp_path / "parts"), expected)


def without(monkeypatch, what):
    """Leave something out of the states that are saved."""
    whole = train.Run.state_dict

    def state_dict(run):
        state = whole(run)
        if what == "generators":
            state["generators"] = {}
            state["data"]["generator"] = None
        elif what == "modules' generators":
            state["generators"] = {"default": state["generators"]["default"]}
        elif what == "buffers":
            state["model"] |= {name: array * 0 for name, array in state["model"].items() if "running" in name}
        elif what == "optimizer":
            for entry in state["optimizer"]["state"].values():
                entry["step"] += 1
        elif what == "data":
            state["data"]["position"] = 0
        elif what == "schedule":
            state["schedule"]["last_epoch"] -= 1
        elif what == "metrics":
            state["tally"]["metrics"]["accuracy"] = {}
        elif what == "callbacks":
            state["callbacks"] = {}
        return state

    monkeypatch.setattr(train.Run, "state_dict", state_dict)


@pytest.mark.parametrize(
    "what", ["generators", "modules' generators", "buffers", "optimizer", "data", "schedule", "metrics", "callbacks"]
)
def test_nothing_of_the_state_can_be_left_out(what, tmp_path, monkeypatch):
    """The comparison above would notice."""
    options = {"kept": {"every_steps": 4}}
    stopping, other = (train.EarlyStopping("loss", mode="max", patience=9, restore_best=False) for _ in range(2))
    expected, history = trained(tmp_path / "whole", **options, callbacks=[stopping])
    without(monkeypatch, what)
    trained(tmp_path / "parts", 26, **options)
    found, resumed = trained(tmp_path / "parts", **options, callbacks=[other])
    state = (stopping.best, stopping.best_epoch, stopping.waited)
    assert not (same(found, expected) and resumed == history and state == (other.best, other.best_epoch, other.waited))


def test_early_stopping_is_resumed_with_its_best_weights(tmp_path):
    def run(folder, stop_at=None):
        stopping = train.EarlyStopping("val_loss", patience=2)
        noisy = {"validation": (POINTS[:40], 1 - SIDES[:40]), "callbacks": [stopping], "epochs": 30}
        return *trained(folder, stop_at, **noisy), stopping

    expected, history, first = run(tmp_path / "whole")
    assert len(history) < 30 and first.best_epoch == len(history) - 2
    run(tmp_path / "parts", 10 * len(history) - 5)
    found, resumed, second = run(tmp_path / "parts")
    assert same(found, expected) and resumed == history and second.best == first.best
    again, resumed, third = run(tmp_path / "parts")  # complete: nothing is trained, and the best weights are there
    assert same(again, expected) and resumed == history and third.best_epoch == first.best_epoch


def test_a_complete_training_is_prolonged(tmp_path):
    expected, history = trained(tmp_path / "whole")
    trained(tmp_path / "parts", epochs=2)
    found, resumed = trained(tmp_path / "parts")
    assert same(found, expected) and resumed == history


def test_a_history_that_goes_on_is_resumed(tmp_path):
    history = fit(model(), epochs=2)
    stopped = list(history)
    network = model()
    fit(network, epochs=3, history=history, checkpoints=train.Checkpoints(tmp_path))
    assert history.column("epoch") == [1, 2, 3, 4, 5]
    resumed = fit(model(), epochs=3, checkpoints=train.Checkpoints(tmp_path), history=train.History(stopped))
    assert resumed.column("epoch") == [1, 2, 3, 4, 5] and resumed == history


@pytest.mark.skipif(not hasattr(os, "fork"), reason="sends a signal to itself")
@pytest.mark.parametrize("step", [4, 20])
def test_ctrl_c_saves_and_is_resumed(step, tmp_path):
    class Interrupt(train.Callback):
        def on_step(self, run):
            if run.step == step:
                os.kill(os.getpid(), signal.SIGINT)

    expected, history = trained(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "parts", callbacks=[Interrupt()])
    assert train.Checkpoints(tmp_path / "parts").steps()[-1] == step
    found, resumed = trained(tmp_path / "parts")
    assert same(found, expected) and resumed == history


def test_batches_without_a_state_are_resumed_from_epoch_to_epoch(tmp_path):
    batches = [(POINTS[i : i + 50], SIDES[i : i + 50]) for i in range(0, 200, 50)]
    expected, history = trained(tmp_path / "whole", data=batches)
    trained(tmp_path / "parts", 10, data=batches)
    assert train.Checkpoints(tmp_path / "parts").steps() == [4, 8]
    found, resumed = trained(tmp_path / "parts", data=batches)
    assert same(found, expected) and resumed == history
    with pytest.raises(
        StateError, match=r"Checkpoints: every_steps is 3, and the data, a list, cannot go on within an"
    ):
        trained(tmp_path / "parts", data=batches, kept={"every_steps": 3})


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    trained(tmp_path, epochs=1)
    loader = data.DataLoader((POINTS, SIDES), 7)
    for options, message in (
        ({"schedule": None}, "fit: the checkpoint is of a training with a schedule, and this one is without"),
        ({"data": loader}, "DataLoader: the state is of 200 examples in batches of 20"),
        ({"optimizer": optim.SGD(model(), lr=0.1), "schedule": None}, r"SGD\.load_state_dict: the state is of 'AdamW'"),
    ):
        with pytest.raises(StateError, match=message):
            trained(tmp_path, **options)
    trained(tmp_path / "other", epochs=1, schedule=None)
    with pytest.raises(
        StateError, match="fit: the checkpoint is of a training without a schedule, and this one is with"
    ):
        trained(tmp_path / "other")


# The files


def filled(folder, steps=(1, 2, 3), **options):
    kept = train.Checkpoints(folder, **options)
    for step in steps:
        kept.save({"step": step, "array": np.full(100, step)}, step)
    return kept


def test_the_last_ones_are_kept(tmp_path):
    kept = filled(tmp_path / "new" / "folder", range(1, 8), keep=3)
    assert kept.steps() == [5, 6, 7] and kept.latest()["step"] == 7
    assert filled(tmp_path / "one", range(1, 4), keep=1).steps() == [3]
    kept.save({}, 6)  # later steps are of another process, or of a training that was begun anew
    assert kept.steps() == [5, 6, 7]
    assert train.Checkpoints(tmp_path / "none").latest() is None


@pytest.mark.parametrize("damage", ["truncated", "empty", "flipped", "foreign"])
def test_a_damaged_file_is_left_out_with_a_warning(damage, tmp_path):
    kept = filled(tmp_path)
    path = tmp_path / "step-000000003.safetensors"
    content = bytearray(path.read_bytes())
    if damage == "foreign":
        io.save_weights(path, {"a": np.ones(3)})
    else:
        content[-50] ^= 4
        path.write_bytes({"truncated": content[:-1], "empty": b"", "flipped": content}[damage])
    with pytest.warns(UserWarning, match=r"Checkpoints: load_state: '.*step-000000003.*The one before it is used"):
        assert kept.latest()["step"] == 2
    for step in (1, 2):
        (tmp_path / f"step-00000000{step}.safetensors").write_bytes(b"x" * 100)
    with pytest.warns(UserWarning):
        assert kept.latest() is None


def test_a_damaged_file_of_a_later_step_does_not_push_out_good_ones(tmp_path):
    kept = filled(tmp_path, (8, 9, 10), keep=1)
    (tmp_path / "step-000000010.safetensors").write_bytes(b"")
    kept.save({"step": 9}, 9)
    assert kept.steps() == [9, 10]
    with pytest.warns(UserWarning):
        assert kept.latest()["step"] == 9


def test_a_training_goes_on_from_the_checkpoint_before_a_damaged_one(tmp_path):
    expected, history = trained(tmp_path / "whole")
    trained(tmp_path / "parts", 35)
    newest = max((tmp_path / "parts").iterdir())
    newest.write_bytes(newest.read_bytes()[:-10])
    with pytest.warns(UserWarning, match="The one before it is used"):
        found, resumed = trained(tmp_path / "parts")
    assert same(found, expected) and resumed == history


@pytest.mark.parametrize("fails", ["fsync", "replace", "save_file"])
def test_a_full_disk_leaves_the_earlier_checkpoints(fails, tmp_path, monkeypatch):
    kept = filled(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if fails == "save_file":
        import safetensors.numpy

        monkeypatch.setattr(safetensors.numpy, "save_file", full)
    else:
        monkeypatch.setattr(files.os, fails, full)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        kept.save({"step": 4}, 4)
    monkeypatch.undo()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert kept.latest()["step"] == 3


def test_temporary_files_of_killed_processes_are_removed_after_an_hour(tmp_path):
    old, new = (tmp_path / f".step-000000001.safetensors.{name}.tmp" for name in ("0000", "1111"))
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 4000,) * 2)
    filled(tmp_path)
    assert not old.exists() and new.exists()


def _write(folder, number):
    kept = train.Checkpoints(folder, keep=2)
    for step in range(1, 41):
        kept.save({"writer": number, "step": step, "array": np.full(1000, number)}, step)
        state = kept.latest()
        assert state is not None and (state["array"] == state["writer"]).all()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="starts processes by os.fork")
def test_two_writers_leave_whole_files(tmp_path):
    """Warnings of damaged files are errors in the processes as well."""
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write, args=(tmp_path, number)) for number in (1, 2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    kept = train.Checkpoints(tmp_path)
    assert kept.steps() == [39, 40] and kept.latest()["step"] == 40
    assert not [path.name for path in tmp_path.iterdir() if path.name.endswith(".tmp")]


def test_wrong_arguments(tmp_path):
    for name in ("keep", "every_epochs", "every_steps"):
        with pytest.raises(ValueError, match=f"Checkpoints: {name} is 0; it must be at least 1"):
            train.Checkpoints(tmp_path, **{name: 0})
    assert repr(train.Checkpoints("folder")) == "Checkpoints('folder', keep=3)"
