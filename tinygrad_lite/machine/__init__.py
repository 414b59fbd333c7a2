"""Machine code for x86 processors: instructions, what is made of them, and NumPy ufuncs that run them.

From the bottom up: `x86` encodes instructions, `lanes` writes what is computed as values, `registers` finds each value
a place, `functions` has `exp` and the like. `loops` goes through arrays, `rows` through rows of them several times,
`packing` and `products` multiply matrices, and `sequences` does one after the other. `ufuncs` makes a ufunc of the
code, and `team` has the threads that share it.
"""

__all__ = ["MachineCode"]


class MachineCode:
    """Whether machine code is written; what exists stays as it is."""

    wanted = True
