"""Faster computations of some operations, by backend. Each equals the operation's definition and is measured faster."""

from typing import TYPE_CHECKING

from ..core.kernels import KERNEL_FILES
from ..core.later import later

if TYPE_CHECKING:
    from . import cupy, symbols
    from . import numpy as numpy
else:
    __getattr__, __dir__ = later(__name__, {"cupy": "", "numpy": "", "symbols": ""})

__all__ = ["cupy", "numpy", "symbols"]

FILES = {
    "cupy.attention": "scaled_dot_product_attention",
    "cupy.channels": "batch_norm batch_norm_training moments",
    "cupy.convolution": "convolve_nd convolve_nd_input convolve_nd_weight fold_nd unfold_nd",
    "cupy.dropout": "drop",
    "cupy.groups": "group_norm instance_norm",
    "cupy.indexing": "scatter",
    "cupy.losses": "cross_entropy",
    "cupy.normalization": "layer_norm rms_norm",
    "cupy.perceptrons": "mlp",
    "cupy.pooling": "avg_pool1d avg_pool2d avg_pool3d max_pool1d max_pool2d max_pool3d",
    "cupy.products": "linear matmul",
    "cupy.reductions": "log_softmax logsumexp softmax",
    "cupy.sums": "max mean min prod sum sum_to var",
    "numpy.activations": "sigmoid",
    "numpy.attention": "scaled_dot_product_attention",
    "numpy.channels": "batch_norm",
    "numpy.convolution": "conv2d convolve_nd convolve_nd_input convolve_nd_weight",
    "numpy.linear_maps": "linear",
    "numpy.losses": "cross_entropy",
    "numpy.normalization": "layer_norm rms_norm",
    "numpy.pooling": "avg_pool1d avg_pool2d avg_pool3d max_pool1d max_pool2d max_pool3d",
    "numpy.recurrent": "gru_scan lstm_scan rnn_scan",
    "numpy.reductions": "log_softmax logsumexp softmax",
    "symbols.activations": "sigmoid",
}
"""The operations for which a file has kernels; it is imported when one of them is first called."""

for _file, _names in FILES.items():
    for _name in _names.split():
        _files = KERNEL_FILES.setdefault(_name, {}).setdefault(_file.partition(".")[0], [])
        _files.append(f"{__name__}.{_file}")
