"""Progress on standard error: a bar on a terminal, elsewhere (a log file, a pipe) one line per epoch."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["Progress"]


class Progress:
    """Shows how far a training has come. Use as a context manager, so that the bar is closed on errors and Ctrl-C too.

    images : how many images all epochs together will process.
    epochs : how many epochs there will be.
    shown : False shows nothing at all.
    """

    def __init__(self, images: int, epochs: int, *, shown: bool = True) -> None:
        self._epochs = epochs
        self._lines = shown
        self._bar: Any = None
        if shown and sys.stderr.isatty():
            self._bar = _bar(images)
            self._lines = self._bar is None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def advance(self, images: int) -> bool:
        """Count images. True if the bar was redrawn, so that numbers worth computing only then may be renewed."""
        return self._bar is not None and bool(self._bar.update(images))

    def show(self, epoch: int, loss: float, accuracy: float) -> None:
        """Renew the numbers beside the bar."""
        if self._bar is not None:
            self._bar.set_description(f"epoch {epoch}/{self._epochs}", refresh=False)
            self._bar.set_postfix_str(f"loss {loss:.4f}, accuracy {accuracy:.4f}", refresh=False)

    def finish_epoch(self, record: Any, images: int) -> None:
        """The line of an epoch whose `record` (see `Epoch`) is complete, if there is no bar."""
        self.show(record.number, record.loss, record.accuracy)
        if self._lines:
            held_out = f"  held out {record.held_out_accuracy:.4f}" if record.held_out_accuracy is not None else ""
            rate = images / max(record.seconds, 1e-9)
            print(
                f"epoch {record.number:{len(str(self._epochs))}}/{self._epochs}  loss {record.loss:.4f}  "
                f"accuracy {record.accuracy:.4f}{held_out}  {rate:,.0f} images/s",
                file=sys.stderr,
                flush=True,
            )


def _bar(images: int) -> Any:
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    return tqdm(total=images, unit=" images", unit_scale=True, dynamic_ncols=True, leave=True)
