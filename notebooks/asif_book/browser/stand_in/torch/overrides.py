"""Modes: what is called inside with tensors goes through the mode."""

from ._tensor import state


class TorchFunctionMode:
    def __enter__(self):
        state["modes"].append(self)
        return self

    def __exit__(self, *error):
        state["modes"].pop()
