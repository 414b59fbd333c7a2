"""What can be computed, one file per kind of operation. Each operation is declared once; `OPS` lists them all.

The files that every program needs are imported with the package, the others by the first use of one of their names.
"""

from typing import TYPE_CHECKING

from .. import fusion  # operations get their programs from it when they are declared
from ..core.bfloat16 import MOVES, NO_HALVES
from ..core.later import later
from ..core.registry import OPS
from . import (
    activations,
    bits,
    comparison,
    complex,
    conversion,
    creation,
    elementwise,
    indexing,
    joining,
    movement,
    products,
    reductions,
    rounding,
)
from .activations import *
from .bits import *
from .comparison import *
from .complex import *
from .conversion import *
from .creation import *
from .elementwise import *
from .indexing import *
from .joining import *
from .movement import *
from .products import *
from .reductions import *
from .rounding import *

# Without this, `from .ops import *` would bring along the files too.
__all__ = ["random"]
__all__ += activations.__all__
__all__ += bits.__all__
__all__ += comparison.__all__
__all__ += complex.__all__
__all__ += conversion.__all__
__all__ += creation.__all__
__all__ += elementwise.__all__
__all__ += indexing.__all__
__all__ += joining.__all__
__all__ += movement.__all__
__all__ += products.__all__
__all__ += reductions.__all__
__all__ += rounding.__all__

if TYPE_CHECKING:
    from . import (
        adaptive_pooling,
        attention,
        class_losses,
        convolution,
        datatypes,
        distances,
        fractional_pooling,
        gathering,
        histograms,
        interpolation,
        linear_maps,
        losses,
        margin_losses,
        noise,
        normalization,
        perceptrons,
        piecewise,
        pooling,
        powers,
        random,
        recurrent,
        regression_losses,
        repetition,
        sampling,
        scans,
        smooth,
        sorting,
        statistics,
        tables,
        trigonometry,
        unpooling,
        windows,
    )
    from . import fourier as fourier  # its names are those of tinygrad_lite.fft
    from .adaptive_pooling import *
    from .attention import *
    from .class_losses import *
    from .convolution import *
    from .datatypes import *
    from .distances import *
    from .fractional_pooling import *
    from .gathering import *
    from .histograms import *
    from .interpolation import *
    from .linear_maps import *
    from .losses import *
    from .margin_losses import *
    from .noise import *
    from .normalization import *
    from .perceptrons import *
    from .piecewise import *
    from .pooling import *
    from .powers import *
    from .random import *
    from .recurrent import *
    from .regression_losses import *
    from .repetition import *
    from .sampling import *
    from .scans import *
    from .smooth import *
    from .sorting import *
    from .statistics import *
    from .tables import *
    from .trigonometry import *
    from .unpooling import *
    from .windows import *

    __all__ += adaptive_pooling.__all__
    __all__ += attention.__all__
    __all__ += class_losses.__all__
    __all__ += convolution.__all__
    __all__ += datatypes.__all__
    __all__ += distances.__all__
    __all__ += fractional_pooling.__all__
    __all__ += gathering.__all__
    __all__ += histograms.__all__
    __all__ += interpolation.__all__
    __all__ += linear_maps.__all__
    __all__ += losses.__all__
    __all__ += margin_losses.__all__
    __all__ += noise.__all__
    __all__ += normalization.__all__
    __all__ += perceptrons.__all__
    __all__ += piecewise.__all__
    __all__ += pooling.__all__
    __all__ += powers.__all__
    __all__ += random.__all__
    __all__ += recurrent.__all__
    __all__ += regression_losses.__all__
    __all__ += repetition.__all__
    __all__ += sampling.__all__
    __all__ += scans.__all__
    __all__ += smooth.__all__
    __all__ += sorting.__all__
    __all__ += statistics.__all__
    __all__ += tables.__all__
    __all__ += trigonometry.__all__
    __all__ += unpooling.__all__
    __all__ += windows.__all__
else:
    LATER = {
        "adaptive_pooling": (
            "adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_fold_nd adaptive_max_pool1d "
            "adaptive_max_pool2d adaptive_max_pool3d adaptive_unfold_nd"
        ),
        "attention": "scaled_dot_product_attention",
        "class_losses": "ctc nll",
        "convolution": (
            "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d convolve_nd "
            "convolve_nd_input convolve_nd_weight"
        ),
        "datatypes": "__array_namespace_info__ can_cast e finfo iinfo inf isdtype nan newaxis pi result_type",
        "distances": "cdist cosine_similarity pairwise_distance pdist",
        "fourier": "",
        "fractional_pooling": (
            "fractional_max_pool2d fractional_max_pool2d_with_indices fractional_max_pool3d "
            "fractional_max_pool3d_with_indices"
        ),
        "gathering": (
            "bincount index_add masked_fill masked_select one_hot put_along_axis scatter_add segment_mean segment_sum"
        ),
        "histograms": "Histogram histogram",
        "interpolation": "channel_shuffle interpolate pixel_shuffle pixel_unshuffle",
        "linear_maps": "bilinear linear",
        "losses": "binary_cross_entropy_with_logits cross_entropy mse",
        "margin_losses": (
            "cosine_embedding hinge_embedding margin_ranking multi_margin multilabel_margin "
            "multilabel_soft_margin soft_margin triplet_margin triplet_margin_with_distance"
        ),
        "noise": "alpha_dropout dropout1d dropout2d dropout3d feature_alpha_dropout rrelu",
        "normalization": (
            "batch_norm batch_norm_training batch_statistics drop dropout group_norm instance_norm layer_norm "
            "local_response_norm moments moments_gradient normalize rms_norm"
        ),
        "perceptrons": "mlp",
        "piecewise": "celu hardshrink hardsigmoid hardswish hardtanh prelu relu6 selu softshrink softsign threshold",
        "pooling": "avg_pool1d avg_pool2d avg_pool3d lp_pool1d lp_pool2d lp_pool3d max_pool1d max_pool2d max_pool3d",
        "powers": "hypot log2 log10 logaddexp pow reciprocal",
        "random": "Generator default_generator manual_seed",
        "recurrent": "gru_scan lstm_scan rnn_scan",
        "regression_losses": "binary_cross_entropy focal gaussian_nll huber kl_div l1 poisson_nll smooth_l1",
        "repetition": "diff meshgrid repeat rot90 tile",
        "sampling": "affine_grid grid_sample",
        "scans": "cummax cummin logcumsumexp",
        "smooth": "glu gumbel_softmax logsigmoid mish softmin tanhshrink",
        "sorting": (
            "argsort count_nonzero isin nonzero searchsorted sort unique_all unique_counts unique_inverse unique_values"
        ),
        "statistics": (
            "average median nanmax nanmean nanmedian nanmin nanpercentile nanprod nanquantile nanstd nansum "
            "nanvar percentile ptp quantile topk"
        ),
        "tables": "embedding embedding_bag",
        "trigonometry": "acos acosh asin asinh atan atan2 atanh cosh sinh tan",
        "unpooling": (
            "adaptive_max_pool1d_with_indices adaptive_max_pool2d_with_indices adaptive_max_pool3d_with_indices "
            "max_pool1d_with_indices max_pool2d_with_indices max_pool3d_with_indices max_unpool1d max_unpool2d "
            "max_unpool3d"
        ),
        "windows": "fold fold_nd unfold unfold_nd",
    }
    """The names of the files that are imported when they are first used. (`fourier` provides tinygrad_lite.fft.)"""
    __getattr__, __dir__ = later(__name__, LATER)
    __all__ += [name for names in LATER.values() for name in names.split()]

FILES = (
    "comparison elementwise conversion movement indexing joining reductions activations creation windows pooling "
    "adaptive_pooling complex products solving eigenvalues decompositions norms normalization attention bits losses "
    "class_losses convolution distances fractional_pooling gathering histograms interpolation linear_maps "
    "margin_losses perceptrons piecewise powers special_functions recurrent regression_losses repetition rounding "
    "sampling scans smooth sorting statistics tables trigonometry unpooling fourier chains determinants diagonals "
    "general_eigenvalues hermitian_functions least_squares matrix_functions matrix_roots triangular_factors bessel "
)
"""The files that declare operations, in the order in which `OPS` lists them."""

OPS.files += [f"{__name__}.{file}" for file in FILES.split()]

MOVES.update([
    "astype", "broadcast_to", "cast", "concat", "copied", "crop", "detach", "diagonal", "expand_dims", "flatten",
    "flip", "getitem", "matrix_transpose", "moveaxis", "ones_like", "permute_dims", "repeat", "reshape", "roll",
    "rot90", "sections", "squeeze", "stack", "swapaxes", "take", "take_along_axis", "tile", "to_device", "transfer",
    "unstack", "zeros_like",
])  # fmt: skip

# LAPACK and the libraries of Fourier transforms have no 16 bits.
for _file in (
    "decompositions", "determinants", "eigenvalues", "fourier", "general_eigenvalues", "hermitian_functions",
    "matrix_roots", "solving", "triangular_factors",
):  # fmt: skip
    NO_HALVES.add(f"{__name__}.{_file}")
