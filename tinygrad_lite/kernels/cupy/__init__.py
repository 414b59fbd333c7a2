"""Kernels for CuPy's arrays, in CUDA C++; the files have the names of those in `ops/`.

What is said there of memory and launches is by design and by counting; times are measured only where a figure is given.
"""
