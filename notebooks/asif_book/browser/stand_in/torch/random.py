"""The state of random numbers."""

from ._making import default_generator, fork_rng, manual_seed
