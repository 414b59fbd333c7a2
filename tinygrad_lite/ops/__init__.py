"""What can be computed, one file per kind of operation. Each operation is declared once; `OPS` lists them all."""

from .activations import *
from .comparison import *
from .conversion import *
from .convolution import *
from .creation import *
from .elementwise import *
from .indexing import *
from .joining import *
from .linalg import *
from .losses import *
from .movement import *
from .normalization import *
from .pooling import *
from .random import *
from .reductions import *
