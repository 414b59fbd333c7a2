"""What can be computed, one file per kind of operation. Each operation is declared once; `OPS` lists them all."""

from . import fourier as fourier  # its names are those of tinygrad_lite.fft
from .activations import *
from .adaptive_pooling import *
from .attention import *
from .bits import *
from .comparison import *
from .complex import *
from .conversion import *
from .convolution import *
from .creation import *
from .datatypes import *
from .elementwise import *
from .gathering import *
from .indexing import *
from .interpolation import *
from .joining import *
from .linalg import *
from .losses import *
from .movement import *
from .normalization import *
from .piecewise import *
from .pooling import *
from .powers import *
from .random import *
from .reductions import *
from .repetition import *
from .rounding import *
from .sampling import *
from .scans import *
from .smooth import *
from .sorting import *
from .statistics import *
from .trigonometry import *
from .windows import *
