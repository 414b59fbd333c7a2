"""Whether and how machine code takes the place of NumPy's calls; what writes it is imported when it is first needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..machine import MachineCode
from .expressions import Node

__all__ = ["machine_step"]


def machine_step(
    roots: Sequence[Node], inputs: Sequence[Node], numbers: Sequence[tuple[Node, int]], name: str, least: float
) -> tuple[Callable[..., Any], str, float, Callable[[], None]] | None:
    """What computes the roots: a function of arrays, results to be written, and numbers; its source; its work, in
    calls of NumPy's; and what is called before it where it is shared. None if there is no machine code.

    least : elements times work from which on threads share a call.
    """
    if not MachineCode.wanted:
        return None
    from .machine_loops import machine_loop  # on demand: an assembler is much to import for a program without programs

    return machine_loop(roots, inputs, numbers, name, least)
