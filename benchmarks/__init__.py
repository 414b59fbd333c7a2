"""Timings of tinygrad_lite beside other libraries: `python -m benchmarks --help`.

`workloads/` says what is computed, one file per group, every library's version of a workload beside the others'.
`harness/` does the rest: a worker process per library, alternating rounds, checks, statistics, table and JSON.
"""
