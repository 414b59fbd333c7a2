"""Logs of a training for other programs: JSON lines, and TensorBoard's event files."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy

from ..io import replacing
from .callbacks import Callback
from .events import EventFile

if TYPE_CHECKING:
    from .run import Run

__all__ = ["JSONLines", "TensorBoard"]


class JSONLines(Callback):
    """Writes the record of each epoch as one line of JSON; numbers that are not finite are null, arrays are lists.

    path : the file; its folder is made if need be. It holds the lines of this training's history and no others: it is
        written anew at the start, with the epochs so far if the training is resumed.

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "log.jsonl")
    >>> model = nn.Linear(1, 1)
    >>> history = train.fit(model, (np.ones((4, 1)), np.ones((4, 1))), optimizer=optim.SGD(model, lr=0.1), epochs=2,
    ...                     loss=mse, callbacks=[train.JSONLines(path)], progress=False)
    >>> import json
    >>> [json.loads(line)["epoch"] for line in path.read_text().splitlines()]
    [1, 2]
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path)

    def on_start(self, run: Run) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self.path) as temporary:
            temporary.write_text("".join(map(_line, run.history)), encoding="utf-8")

    def on_epoch(self, run: Run) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(_line(run.history[-1]))


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps({name: _plain(value) for name, value in record.items()}, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, (numpy.ndarray, numpy.generic)):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class TensorBoard(Callback):
    """Writes numbers to an event file that TensorBoard shows: `tensorboard --logdir folder`.

    folder : one for each training, below a common one. It is made if need be; a resumed training adds another file.
    every_steps : also the loss of every so many steps, None for none.

    Numbers of epochs are called `loss/train` and `loss/validation`, and so for each metric, and `lr`; those of steps
    `loss/step`. Arrays are left out.
    """

    def __init__(self, folder: str | os.PathLike, *, every_steps: int | None = None) -> None:
        if every_steps is not None and every_steps < 1:
            raise ValueError(f"TensorBoard: every_steps is {every_steps}; it must be at least 1.")
        self.folder, self.every_steps = Path(folder), every_steps
        self._file: EventFile | None = None

    def on_start(self, run: Run) -> None:
        self._file = EventFile(self.folder)

    def on_step(self, run: Run) -> None:
        if self._file is not None and self.every_steps is not None and run.step % self.every_steps == 0:
            self._file.scalars(run.step, {"loss/step": run.loss})

    def on_epoch(self, run: Run) -> None:
        if self._file is not None:
            self._file.scalars(run.epoch, {_tag(k): v for k, v in run.history[-1].items() if _is_number(k, v)})

    def on_end(self, run: Run) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _is_number(name: str, value: Any) -> bool:
    return name != "epoch" and isinstance(value, Real)


def _tag(name: str) -> str:
    if name in ("lr", "seconds"):
        return name
    return f"{name.removeprefix('val_')}/validation" if name.startswith("val_") else f"{name}/train"
