"""The binding of cuBLASLt: constants and layouts as in NVIDIA's header, the library found, errors with names."""

from __future__ import annotations

import ctypes
import sys

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.backends.fake_cupy.cublaslt import PROTOTYPES, FakeCublasLt
from tinygrad_lite.cuda import cublaslt
from tinygrad_lite.cuda.cublaslt import Description, Epilogue, Layout, Library, Preference, Reduction, Status


def test_signatures_are_those_of_the_header():
    pointers = {ctypes.POINTER(cublaslt.Heuristic), ctypes.POINTER(cublaslt.Algorithm)}

    def plain(types):
        return tuple(ctypes.c_void_p if kind in pointers else kind for kind in types)

    assert {name: plain(types) for name, types in cublaslt.SIGNATURES.items()} == {
        f"cublasLt{name}": types for name, types in PROTOTYPES.items()
    }


def test_structures_have_the_sizes_of_the_header():
    assert ctypes.sizeof(cublaslt.Algorithm) == 64
    assert ctypes.sizeof(cublaslt.Heuristic) == 96
    assert [getattr(cublaslt.Heuristic, name).offset for name in ("workspace", "state", "waves")] == [64, 72, 76]


def test_constants_are_those_of_nvidia_s_own_binding():
    theirs = pytest.importorskip("nvmath.bindings.cublasLt", reason="nvmath-python is not installed")
    blas = pytest.importorskip("nvmath.bindings.cublas")
    pairs = {
        Description: theirs.MatmulDescAttribute,
        Layout: theirs.MatrixLayoutAttribute,
        Preference: theirs.MatmulPreferenceAttribute,
        Epilogue: theirs.Epilogue,
        Reduction: theirs.ReductionScheme,
        Status: blas.Status,
    }
    for ours, given in pairs.items():
        assert {member.name: member.value for member in ours} == {name: given[name].value for name in ours.__members__}
    compute = {dtype: blas.ComputeType[name].value for dtype, name in COMPUTE_NAMES.items()}
    assert compute == cublaslt.COMPUTE
    sizes = {
        "get_matmul_desc_attribute_dtype": Description,
        "get_matrix_layout_attribute_dtype": Layout,
        "get_matmul_preference_attribute_dtype": Preference,
    }
    for function, kind in sizes.items():
        for attribute in kind:
            width = cublaslt._WIDTHS[kind][attribute]
            assert np.dtype(getattr(theirs, function)(attribute)).itemsize == ctypes.sizeof(width), attribute
    given, ours = theirs.matmul_heuristic_result_dtype, cublaslt.Heuristic
    assert given.itemsize == ctypes.sizeof(ours)
    offsets = [getattr(ours, name).offset for name, _ in ours._fields_]
    assert offsets == [offset for _, offset in given.fields.values()]


COMPUTE_NAMES = {
    "float32": "COMPUTE_32F", "float64": "COMPUTE_64F", "float16": "COMPUTE_32F", "bfloat16": "COMPUTE_32F",
    "tf32": "COMPUTE_32F_FAST_TF32",
}  # fmt: skip


def test_epilogues_know_what_they_need():
    assert {e.name for e in Epilogue if e.has_bias} == {
        "BIAS", "RELU_BIAS", "RELU_AUX_BIAS", "GELU_BIAS", "GELU_AUX_BIAS", "DRELU_BGRAD", "DGELU_BGRAD", "BGRADB",
    }  # fmt: skip
    assert {e.name for e in Epilogue if e.has_aux} == {
        "RELU_AUX", "RELU_AUX_BIAS", "GELU_AUX", "GELU_AUX_BIAS", "DRELU", "DRELU_BGRAD", "DGELU", "DGELU_BGRAD",
    }  # fmt: skip


def test_objects_are_created_described_and_freed():
    fake = FakeCublasLt()
    library = Library(fake)
    made = library.create("MatmulDesc", cublaslt.COMPUTE["float16"], cublaslt.DATA_TYPES["float32"])
    library.describe(made, Description.EPILOGUE, Epilogue.GELU_AUX_BIAS)
    library.describe(made, Description.EPILOGUE_AUX_LD, 1 << 40)
    assert fake.live[made]["epilogue"] == 164 and fake.live[made]["aux_ld"] == 1 << 40
    matrix = library.create("MatrixLayout", cublaslt.DATA_TYPES["bfloat16"], 3, 5, 8)
    library.describe(matrix, Layout.STRIDED_BATCH_OFFSET, 40)
    assert fake.live[matrix] | {"dtype": 0} == {
        "kind": "matrix", "dtype": 0, "rows": 3, "columns": 5, "leading": 8, "batch": 1, "stride": 40,
    }  # fmt: skip
    preference = library.create("MatmulPreference")
    library.describe(preference, Preference.MAX_WORKSPACE_BYTES, 1 << 25)
    assert fake.live[preference]["workspace"] == 1 << 25
    for kind, number in (("MatmulDesc", made), ("MatrixLayout", matrix), ("MatmulPreference", preference)):
        library.destroy(kind, number)
    assert fake.live == {} and fake.failures == []


def test_errors_name_the_function_and_the_status():
    library = Library(FakeCublasLt())
    with pytest.raises(tl.BackendError, match=r"^cublasLtMatrixLayoutCreate: cuBLASLt returned CUBLAS_STATUS_INVALID_"):
        library.create("MatrixLayout", cublaslt.DATA_TYPES["float32"], 4, 5, 3)
    assert (
        str(cublaslt.CublasLtError("cublasLtMatmul", 99)) == "cublasLtMatmul: cuBLASLt returned the unknown status 99."
    )


def test_a_library_without_a_function_is_refused():
    with pytest.raises(tl.BackendError, match="cuBLASLt: .* has no function cublasLtCreate; version 11.4 or later"):
        Library(object())


def test_a_missing_library_says_where_it_was_sought(monkeypatch):
    monkeypatch.setenv("CUDA_PATH", "/opt/no-cuda")
    monkeypatch.setattr(cublaslt, "find_spec", lambda name: None)
    name = "cublasLt64_99.dll" if sys.platform == "win32" else "libcublasLt.so.99"
    with pytest.raises(tl.BackendError) as caught:
        cublaslt.open_library(99)
    assert str(caught.value).startswith(f"cuBLASLt: no library of CUDA 99 was found; sought were {name}, ")
    assert "no-cuda" in str(caught.value) and str(caught.value).endswith("'cupy-cuda99x[ctk]' brings it.")


def test_the_library_of_a_wheel_is_found(monkeypatch, tmp_path):
    folder = tmp_path / "cu13" / ("bin" if sys.platform == "win32" else "lib")
    monkeypatch.setattr(
        cublaslt, "find_spec", lambda name: type("Spec", (), {"submodule_search_locations": [str(tmp_path)]})
    )
    found = []

    def load(path):
        if str(folder) not in path:
            raise OSError
        found.append(path)
        return FakeCublasLt()

    monkeypatch.setattr(ctypes, "CDLL", load)
    assert isinstance(cublaslt.open_library(13), Library)
    assert len(found) == 1 and "cublasLt" in found[0]
