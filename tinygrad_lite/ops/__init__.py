"""What can be computed, one file per kind of operation. Each operation is declared once; `OPS` lists them all."""

from .activations import *
from .comparison import *
from .complex import *
from .conversion import *
from .convolution import *
from .creation import *
from .elementwise import *
from .gathering import *
from .indexing import *
from .joining import *
from .linalg import *
from .losses import *
from .movement import *
from .normalization import *
from .piecewise import *
from .pooling import *
from .random import *
from .reductions import *
from .smooth import *
