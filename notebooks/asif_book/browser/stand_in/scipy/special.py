"""Functions of `scipy.special` that the core path uses."""

import math

import numpy as np

comb = np.vectorize(math.comb, otypes=[float])
