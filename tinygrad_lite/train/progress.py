"""Progress on standard error: a bar on a terminal, elsewhere (a log file, a pipe) one line per epoch."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any

from .callbacks import Callback

if TYPE_CHECKING:
    from .run import Run

__all__ = ["Progress"]

NOT_SHOWN = ("epoch", "lr", "seconds")


class Progress(Callback):
    """Shows how far a training has come; `fit` adds it to its callbacks unless `progress=False`."""

    def __init__(self) -> None:
        self._bar: Any = None

    def on_start(self, run: Run) -> None:
        if sys.stderr.isatty():
            self._bar = _bar(run)

    def on_step(self, run: Run) -> None:
        # The means are computed only when the bar is redrawn, which tqdm does ten times a second at most.
        if self._bar is not None and self._bar.update():
            self._describe(run, run.tally.means())

    def on_epoch(self, run: Run) -> None:
        record = run.history[-1]
        if self._bar is not None:
            self._describe(run, record)
            return
        rate = run.tally.examples / max(record["seconds"], 1e-9)
        print(
            f"epoch {run.epoch:{len(str(run.last))}}/{run.last}  {_numbers(record, '  ')}  {rate:,.0f} examples/s",
            file=sys.stderr,
            flush=True,
        )

    def on_end(self, run: Run) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _describe(self, run: Run, means: Mapping[str, Any]) -> None:
        self._bar.set_description(f"epoch {run.epoch}/{run.last}", refresh=False)
        self._bar.set_postfix_str(_numbers(means, ", "), refresh=False)


def _numbers(record: Mapping[str, Any], between: str) -> str:
    shown = [(name, value) for name, value in record.items() if name not in NOT_SHOWN and isinstance(value, Real)]
    return between.join(f"{name} {value:.4f}" for name, value in shown)


def _bar(run: Run) -> Any:
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    # Of a training that was resumed, what is left of it.
    total = run.steps_per_epoch and run.steps_per_epoch * (run.last - len(run.history)) - run.tally.steps
    return tqdm(total=total, unit=" steps", dynamic_ncols=True, leave=True)
