"""What all encoders share: items in, one float32 row vector each out, batch by batch."""

import contextlib
import functools

import torch

from asif_lib.errors import AsifError, BrokenPicturesError, EncoderError, ParameterError, first_line
from asif_lib.machine import chunks_of, one_thread_per_core, progress_bar

from .identity import EncoderIdentity


def check_backend(backend):
    """Raise `EncoderError` unless an encoder can be computed in this way."""
    if backend not in ("auto", "torch"):
        raise EncoderError(f"backend {backend!r} is unknown; use one of auto, torch")


def check_list(items):
    """Raise `ParameterError` unless pictures or texts are given as a list, also a single one."""
    if isinstance(items, str | bytes | set | dict) or not hasattr(items, "__len__") or hasattr(items, "iloc"):
        fault = f"a {type(items).__name__} was given"
        raise ParameterError(f"{fault}; put a single item into a list, and embeddings into an array")


@contextlib.contextmanager
def encoder_errors(name, library):
    """Turn every error of a library that loads a model into an `EncoderError`; they are of many kinds."""
    try:
        yield
    except AsifError:
        raise
    except Exception as error:
        raise EncoderError(f"{name}: {library} cannot load this model ({first_line(error)})") from error


class Encoder:
    """A frozen encoder. A subclass computes one batch, in ``_run(items, positions)``, and has `cache_keys`.

    Attributes
    ----------
    identity : EncoderIdentity
    device : torch.device
    batch_size : int
        Items in a batch; with little memory, set a smaller one.
    """

    in_threads = True
    """Whether every core computes batches of its own."""
    unit = "item"
    """What a progress bar counts."""

    def __init__(self, identity: EncoderIdentity, device, batch_size):
        self.identity, self.device, self.batch_size = identity, device, batch_size

    def encode(self, items, *, progress=True) -> torch.Tensor:
        """Return the (n, dim) float32 embeddings of n pictures or strings, on the CPU.

        An image encoder takes str, Path or PIL.Image.Image, a text encoder str. Raises
        `BrokenPicturesError` if pictures cannot be read (it lists all of them), `EncoderError` if a text is no string,
        and `ParameterError` if the batch size is below 1.
        """
        rows, _, broken = self.encode_readable(items, progress=progress)
        if broken:
            raise BrokenPicturesError(error for _, error in broken)
        return rows

    def encode_readable(self, items, *, progress=False):
        """Return the embeddings of the items that can be read, their positions, and (position, error) of the others."""
        rows, kept, broken = torch.empty(len(items), self.identity.dim), [], []
        for positions, vectors, errors in self.stream(items, progress=progress):
            rows[positions] = vectors
            kept.extend(positions)
            broken.extend(errors)
        kept.sort()
        return rows[kept] if broken else rows, kept, broken

    def stream(self, items, *, progress=True):
        """Yield ``(positions, (b, dim) float32 embeddings, errors)`` batch by batch.

        The position of an unreadable picture is not among `positions`. `errors` holds it, with the `PictureError`.
        """
        chunks = chunks_of(self._order(items), self.batch_size)
        title = f"encoding with {self.identity.name}"
        bar = progress_bar(total=len(items), desc=title, unit=self.unit, progress=progress)
        mapping = one_thread_per_core(self.device) if self.in_threads else contextlib.nullcontext(map)
        with bar, mapping as mapped:
            for chunk, result in zip(chunks, mapped(functools.partial(self._run, items), chunks), strict=True):
                yield result
                bar.update(len(chunk))

    def _order(self, items):
        """The positions of the items in the order of their computation."""
        return range(len(items))

    def __repr__(self):
        return f"{type(self).__name__}({self.identity}, device={self.device})"
