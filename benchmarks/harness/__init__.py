"""What the benchmarks share: workers, timing, checks, statistics, table and JSON. It knows no workload."""
