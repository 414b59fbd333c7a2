"""CUDA C++ for the kernels of CuPy's arrays: sources, what they share, and how they are compiled and launched.

`prelude.cuh` is the beginning of every source; `source.py` puts sources together and needs no GPU; `module.py` compiles
and launches them through CuPy. The kernels themselves are beside their Python files, in `kernels/cupy/`.
"""
