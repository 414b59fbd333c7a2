"""How many updates parameters have had, on a device that alone knows which steps were made.

A loss scaler leaves out steps whose gradients are not finite, and nobody waits for the device to learn which. So from
the first such step on, the numbers that an optimizer keeps of each parameter lie on the device, where the update reads
them and counts: left-out steps do not count there either, as in PyTorch's fused optimizers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy

from ..core.backend import backend_of
from ..core.dtypes import float64
from ..fusion.device_numbers import DeviceNumber
from ..fusion.updates import write_over

__all__ = ["Counts", "Numbers", "renamed", "runs"]

Numbers = tuple[Any, ...]
"""What is kept of one parameter beside arrays: the number of its updates, and further numbers."""


class Counts:
    """The numbers of the parameters of a flat group, on its device.

    known : the numbers as the host knows them, of each parameter. first : the further ones of a parameter that has had
        no update. like : an array of the device, of the dtype of the arrays that the numbers are used with.

    array : `(k, n)`, of float64, at the same place as long as the group lives.
    """

    def __init__(self, known: Sequence[Numbers], first: Numbers, like: Any) -> None:
        self.first, self.dtype = first, like.dtype
        backend = backend_of(like)
        with backend.on(like):
            self.array = backend.asarray(self._columns(known))

    def _columns(self, known: Sequence[Numbers]) -> numpy.ndarray:
        return numpy.array([(own[0], *(own[1:] or self.first)) for own in known], float64).T.copy()

    def of(self, i: int) -> list[Any]:
        """The numbers of parameter i, arrays `()`."""
        return [column.reshape(()) for column in self.array[:, i : i + 1]]

    def given(self, values: Iterable[Any]) -> tuple[DeviceNumber, ...]:
        """What a rule is given for such arrays, or for symbols of them."""
        return tuple([DeviceNumber(value, self.dtype) for value in values])

    def advance(self, first: int, last: int, rule: Callable, state: Iterable[str], beside: Sequence[Any]) -> None:
        """The numbers after an update of the parameters from `first` on and before `last`, which have equal ones."""
        columns = [column[first:last] for column in self.array]

        def after(*given: Any) -> list[Any]:
            own, others = given[: len(columns)], given[len(columns) :]
            unused = backend_of(own[0]).xp.astype(own[0], self.dtype)  # no number depends on the arrays
            found = rule(unused, unused, dict.fromkeys(state, unused), self.given(own), *others)[2]
            return [*(number.value for number in found), *others]

        write_over([*columns, *beside], after)

    def put(self, i: int, numbers: Numbers) -> None:
        """Set the numbers of parameter i."""
        for place, number in zip(self.of(i), numbers, strict=True):
            place[...] = number.value

    def read(self) -> list[Numbers]:
        """The numbers as the host would keep them, for which the device is waited for."""
        found = backend_of(self.array).to_numpy(self.array).T.tolist()
        return [(int(steps), *others) for steps, *others in found]

    def write(self, known: Sequence[Numbers]) -> None:
        """Set all numbers, in place: a captured step knows where they are."""
        backend = backend_of(self.array)
        with backend.on(self.array):
            self.array[...] = backend.asarray(self._columns(known))


def renamed(names: list[Numbers], which: Iterable[int]) -> None:
    """Give some parameters other names, those with equal ones equal names; which have equal numbers, names tell."""
    new: dict[Numbers, Numbers] = {}
    for i in which:
        if names[i] not in new:
            new[names[i]] = (object(),)  # which is equal to no other, also where it was copied or pickled
        names[i] = new[names[i]]


def runs(present: list[int], numbers: list[Numbers], alone: Mapping[int, Any]) -> Iterator[tuple[int, int]]:
    """Pairs (first, last) of neighbouring parameters in `present` whose numbers are equal.

    Those in `alone` have pairs of their own.
    """

    if len(present) == len(numbers) == numbers.count(numbers[0]) and not alone:  # the usual case
        yield 0, len(numbers)
        return

    def kind(pair: tuple[int, int]) -> tuple[int, Numbers, int]:
        place, i = pair
        return i - place, numbers[i], i if i in alone else -1

    for _, run in groupby(enumerate(present), key=kind):
        members = [i for _, i in run]
        yield members[0], members[-1] + 1
