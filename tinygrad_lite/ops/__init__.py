"""What can be computed, one file per kind of operation. Each operation is declared once; `OPS` lists them all."""

from .. import fusion  # operations get their programs from it when they are declared
from . import (
    activations,
    adaptive_pooling,
    attention,
    bits,
    class_losses,
    comparison,
    complex,
    conversion,
    convolution,
    creation,
    datatypes,
    distances,
    elementwise,
    fractional_pooling,
    gathering,
    histograms,
    indexing,
    interpolation,
    joining,
    linear_maps,
    losses,
    margin_losses,
    movement,
    noise,
    normalization,
    piecewise,
    pooling,
    powers,
    products,
    random,
    reductions,
    regression_losses,
    repetition,
    rounding,
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
from .activations import *
from .adaptive_pooling import *
from .attention import *
from .bits import *
from .class_losses import *
from .comparison import *
from .complex import *
from .conversion import *
from .convolution import *
from .creation import *
from .datatypes import *
from .distances import *
from .elementwise import *
from .fractional_pooling import *
from .gathering import *
from .histograms import *
from .indexing import *
from .interpolation import *
from .joining import *
from .linear_maps import *
from .losses import *
from .margin_losses import *
from .movement import *
from .noise import *
from .normalization import *
from .piecewise import *
from .pooling import *
from .powers import *
from .products import *
from .random import *
from .reductions import *
from .regression_losses import *
from .repetition import *
from .rounding import *
from .sampling import *
from .scans import *
from .smooth import *
from .sorting import *
from .statistics import *
from .tables import *
from .trigonometry import *
from .unpooling import *
from .windows import *

# Without this, `from .ops import *` would bring along the files too.
__all__ = ["random"]
__all__ += activations.__all__
__all__ += adaptive_pooling.__all__
__all__ += attention.__all__
__all__ += bits.__all__
__all__ += class_losses.__all__
__all__ += comparison.__all__
__all__ += complex.__all__
__all__ += conversion.__all__
__all__ += convolution.__all__
__all__ += creation.__all__
__all__ += datatypes.__all__
__all__ += distances.__all__
__all__ += elementwise.__all__
__all__ += fractional_pooling.__all__
__all__ += gathering.__all__
__all__ += histograms.__all__
__all__ += indexing.__all__
__all__ += interpolation.__all__
__all__ += joining.__all__
__all__ += linear_maps.__all__
__all__ += losses.__all__
__all__ += margin_losses.__all__
__all__ += movement.__all__
__all__ += noise.__all__
__all__ += normalization.__all__
__all__ += piecewise.__all__
__all__ += pooling.__all__
__all__ += powers.__all__
__all__ += products.__all__
__all__ += random.__all__
__all__ += reductions.__all__
__all__ += regression_losses.__all__
__all__ += repetition.__all__
__all__ += rounding.__all__
__all__ += sampling.__all__
__all__ += scans.__all__
__all__ += smooth.__all__
__all__ += sorting.__all__
__all__ += statistics.__all__
__all__ += tables.__all__
__all__ += trigonometry.__all__
__all__ += unpooling.__all__
__all__ += windows.__all__
