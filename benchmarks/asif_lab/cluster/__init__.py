"""Past one machine (chapter 08, the extra ``cluster``): search on Dask workers.

The answer of a cluster equals the answer of one machine, bit for bit.
"""

import lazy_loader

from asif_lib.errors import import_extra

import_extra("distributed", "cluster")

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "workers": ["ClusterClient", "ClusterError", "check_workers", "collect", "connect", "library", "working"],
        "distributed": ["distributed_represent", "distributed_top_anchors"],
    },
)
