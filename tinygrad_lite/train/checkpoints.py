"""The state of a training in files, to go on from after a crash, a power cut or Ctrl-C."""

from __future__ import annotations

import os
import re
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import StateError
from ..io import load_state, save_state

if TYPE_CHECKING:
    from .run import Run

__all__ = ["Checkpoints"]

NAME = re.compile(r"step-(\d+)\.safetensors")
ABANDONED = 3600.0
"""Seconds after which a temporary file must be of a process that was killed while it wrote."""


class Checkpoints:
    """A folder of checkpoints, from which `fit(..., checkpoints=...)` goes on where it was, bit for bit.

    folder : made if need be; one for each training. To begin anew, give another or empty it.
    keep : how many checkpoints are kept; older ones are deleted after a newer one is on the disk.
    every_epochs, every_steps : how often `fit` saves, None for never; also when it ends, or is ended by Ctrl-C.

    A checkpoint is one file, `step-000000120.safetensors`, see `io.save_state`: weights, buffers, the optimizer's and
    the schedule's state, random generators (the default one, the loader's, those of modules), the place within the
    epoch, callbacks such as EarlyStopping, the history. It appears whole or not at all, and a damaged one is noticed.
    Whoever calls `fit` again makes model, optimizer, schedule and callbacks as before; their state is then taken over.
    `epochs` counts from the beginning, so a larger number prolongs a training that was complete.

    >>> import tempfile
    >>> kept = train.Checkpoints(tempfile.mkdtemp(), keep=2)
    >>> for step in (1, 2, 3):
    ...     path = kept.save({"weights": np.full(2, step)}, step)
    >>> kept.latest(), kept.steps()
    ({'weights': array([3, 3])}, [2, 3])
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        keep: int = 3,
        *,
        every_epochs: int | None = 1,
        every_steps: int | None = None,
    ) -> None:
        for name, value in (("keep", keep), ("every_epochs", every_epochs), ("every_steps", every_steps)):
            if value is not None and value < 1:
                raise ValueError(f"Checkpoints: {name} is {value}; it must be at least 1.")
        self.folder, self.keep = Path(folder), keep
        self.every_epochs, self.every_steps = every_epochs, every_steps

    def save(self, state: Mapping[str, Any], step: int) -> Path:
        """Write a state as the checkpoint of a step, and delete what is older than the last `keep`.

        If that fails, for example since the disk is full, earlier checkpoints are still there. Raises as
        `io.save_state` does.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._path(step)
        save_state(path, state)
        for old in [number for number in self.steps() if number <= step][: -self.keep]:
            self._path(old).unlink(missing_ok=True)
        for temporary in self.folder.glob(".step-*.tmp"):
            self._remove_abandoned(temporary)
        return path

    def latest(self) -> dict[str, Any] | None:
        """The newest state that is whole, None if there is none. Damaged files are left out, with a warning."""
        for step in reversed(self.steps()):
            try:
                return load_state(self._path(step))
            except StateError as error:
                warnings.warn(f"Checkpoints: {error} The one before it is used.", stacklevel=2)
            except FileNotFoundError:  # deleted meanwhile, by another process that saved newer ones
                continue
        return None

    def steps(self) -> list[int]:
        """The steps of which there are checkpoints, in order."""
        if not self.folder.is_dir():
            return []
        matches = (NAME.fullmatch(path.name) for path in self.folder.iterdir())
        return sorted(int(match[1]) for match in matches if match)

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step:09d}.safetensors"

    def _remove_abandoned(self, temporary: Path) -> None:
        try:
            if time.time() - temporary.stat().st_mtime > ABANDONED:
                temporary.unlink()
        except FileNotFoundError:
            pass

    def __repr__(self) -> str:
        return f"Checkpoints({str(self.folder)!r}, keep={self.keep})"

    # What `fit` calls

    def resume(self, run: Run) -> None:
        """Let a run go on from the latest checkpoint, if there is one."""
        if self.every_steps is not None and not hasattr(run.data, "state_dict"):
            raise StateError(
                f"Checkpoints: every_steps is {self.every_steps}, and the data, a {type(run.data).__name__}, cannot go "
                f"on within an epoch; give arrays, a DataLoader, or batches with state_dict and load_state_dict."
            )
        state = self.latest()
        if state is not None:
            run.load_state_dict(state)

    def after_step(self, run: Run, now: bool) -> None:
        """Save if it is time, or `now`."""
        due = self.every_steps is not None and run.step % self.every_steps == 0
        if (due or now) and hasattr(run.data, "state_dict"):
            self.save(run.state_dict(), run.step)

    def after_epoch(self, run: Run, now: bool) -> None:
        """Save if it is time, or `now`."""
        due = self.every_epochs is not None and (run.epoch - run.start) % self.every_epochs == 0
        if due or now or run.stop is not None or run.epoch == run.last:
            self.save(run.state_dict(), run.step)
