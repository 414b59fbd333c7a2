"""Asks cuDNN itself for plans, on a machine without a GPU: run in a process of its own by `test_cudnn_plans.py`.

cuDNN makes plans for a device that is described to it. It needs the driver's library for that, which is missing where
there is no driver; the one that is named on the command line stands for it, and can load nothing.

Reads pickled pairs of an architecture and a call from the standard input; writes a JSON list, for each of them the
plan's name and the bytes of its workspace, or why there is none.
"""

from __future__ import annotations

import ctypes
import json
import pickle
import sys
from functools import cache

DEVICES = {
    80: {"deviceName": "NVIDIA A100-SXM4-80GB", "multiProcessorCount": 108, "maxSharedMemoryPerBlockOptin": 166912,
         "l2CacheSize": 41943040, "memClockRateKHz": 1593000, "smClockRateKHz": 1410000},
    90: {"deviceName": "NVIDIA H100 80GB HBM3", "multiProcessorCount": 132, "maxSharedMemoryPerBlockOptin": 232448,
         "l2CacheSize": 52428800, "memClockRateKHz": 2619000, "smClockRateKHz": 1980000},
    100: {"deviceName": "NVIDIA B200", "multiProcessorCount": 148, "maxSharedMemoryPerBlockOptin": 232448,
          "l2CacheSize": 132644864, "memClockRateKHz": 3996000, "smClockRateKHz": 1965000},
}  # fmt: skip
"""Devices by their architecture; what plans are made by, and not what they are timed on."""

COMMON = {
    "maxGridSize": [2147483647, 65535, 65535], "maxBlockSize": [1024, 1024, 64], "regsPerBlock": 65536, "warpSize": 32,
    "maxSharedMemoryPerBlock": 49152, "reservedSharedMemoryPerBlock": 1024, "oversizedSharedMemoryPerBlock": 0,
    "maxRegistersPerSM": 65536, "maxCtasPerSM": 32, "maxThreadsPerBlock": 1024, "maxThreadsPerSM": 2048,
    "pciDeviceId": 0, "isTccDriver": 0, "supportCoopLaunch": 1, "totalGlobalMem": 85_000_000_000,
    "memoryBusWidth": 5120, "cudaDeviceId": 0, "driverVer": 13000, "smCountOrigin": 0,
}  # fmt: skip


def main() -> None:
    ctypes.CDLL(sys.argv[1], ctypes.RTLD_GLOBAL)
    import cudnn

    from tinygrad_lite.cuda.cudnn import planned, refusals

    @cache
    def properties(architecture: int):
        told = COMMON | DEVICES[architecture] | {"deviceVer": 10 * architecture}
        return cudnn.create_device_properties(json.dumps(told))

    found = []
    for architecture, call in pickle.load(sys.stdin.buffer):
        try:
            graph = planned(cudnn, call, device_property=properties(architecture), sm_version=architecture)
            found.append([graph.get_plan_name_at_index(graph._plan_index), graph.get_workspace_size()])
        except refusals(cudnn) as reason:
            found.append(str(reason))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
