"""Machine code for elementwise programs: instructions, functions made of them, and NumPy ufuncs that run them.

From the bottom up: `x86` encodes instructions, `lanes` writes what is computed as values, `registers` finds each value
a place, `functions` has `exp` and the like, `loops` goes through arrays, and `ufuncs` makes a ufunc of the code.
"""
