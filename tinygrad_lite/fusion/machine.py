"""Whether and how machine code takes the place of NumPy's calls; what writes it is imported when it is first needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .expressions import Node

__all__ = ["MachineCode", "machine_step"]


class MachineCode:
    """Whether programs are made of machine code; those that exist stay as they are."""

    wanted = True


def machine_step(
    roots: Sequence[Node], inputs: Sequence[Node], numbers: Sequence[tuple[Node, int]], name: str
) -> tuple[Callable[..., Any], str, float] | None:
    """What computes the roots: a function of arrays, results to be written, and numbers; its source; and its work, in
    calls of NumPy's. None if there is no machine code.
    """
    if not MachineCode.wanted:
        return None
    from .machine_loops import machine_loop  # on demand: an assembler is much to import for a program without programs

    return machine_loop(roots, inputs, numbers, name)
