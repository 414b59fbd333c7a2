"""What was measured: a record of each epoch, and the list of them."""

from __future__ import annotations

from typing import Any

__all__ = ["History", "Record"]


class Record(dict[str, Any]):
    """Numbers by name, that are attributes too: `record.loss` is `record["loss"]`.

    A record of `fit` is one epoch. It has `epoch` (1 for the first), `loss` and the metrics (means over its batches,
    while the model was learning from them), the same with `val_` before the name (measured after the epoch, if there is
    validation data), `lr` (the learning rate of its last step, of the first parameter group), and `seconds` (without
    the validation).

    >>> train.Record(loss=0.5, val_loss=0.75).val_loss
    0.75
    """

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the record has no {name!r}; it has {', '.join(self)}.") from None


class History(list[Record]):
    """The epochs of a training, in order."""

    def column(self, name: str) -> list[Any]:
        """One field of every epoch, None where it is missing.

        >>> train.History([train.Record(loss=0.5), train.Record(loss=0.25)]).column("loss")
        [0.5, 0.25]
        """
        return [record.get(name) for record in self]

    def plot(self) -> Any:
        """A figure of the epochs, a matplotlib Figure; see `plots.history`. Raises ImportError without matplotlib."""
        from ..plots import history

        return history(self)
