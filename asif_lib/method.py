"""ASIF, the whole method, on tensors (Norelli et al., NeurIPS 2023, section 3; chapters 00, 03 and 04 build it).

    picture  → image encoder → z_image (q, d_image) ─ relative ─→ (q, n) ─ sparsify ─→ image (q, n) ┐
                                image_anchors (n, d_image)                                          ├ scores (q, t)
                                text_anchors  (n, d_text)                                           │
    sentence → text encoder  → z_text  (t, d_text)  ─ relative ─→ (t, n) ─ sparsify ─→ text  (t, n) ┘

Row i of both sets of anchors is one captioned picture. So entry i of a picture and entry i of a sentence mean the same
thing, a similarity to pair i, although the two encoders have never met. Nothing is trained. The authors' code takes
the top k, the power and the length; `centre` and the clamp at 0 are additions of this book.
"""

import torch

from asif_lib.errors import ParameterError


def centre(z, anchors):
    """Subtract the mean of the anchors from vectors z (q, d) and from the anchors (n, d), in double precision.

    An encoder's vectors share a large common part, which hides what tells them apart (chapter 03).
    """
    mean = anchors.double().mean(dim=0).float()  # (d,), in the precision in which a bank keeps it
    return z.double() - mean, anchors.double() - mean  # (q, d), (n, d)


def unit(z):
    """Scale rows (q, d) to length 1. A row of zeros has no direction and stays zero: its cosine with all is 0."""
    lengths = z.norm(dim=1, keepdim=True)  # (q, 1)
    return z / torch.where(lengths > 0, lengths, 1)  # (q, d)


def cosines(a, b):
    """Compare rows of length 1, (q, m) with (n, m): (q, n) float32."""
    return (a.double() @ b.double().T).float()  # rounded once, so that equal cosines stay equal


def relative(z, anchors):
    """Describe vectors z (q, d) by their cosines with the anchors (n, d) of the same encoder: (q, n) float32.

    This is the relative representation (Moschella et al., ICLR 2023). Raises `ParameterError` if the widths differ.

    >>> relative(torch.tensor([[5.0, 5.0]]), torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
    tensor([[0.7071, 0.7071]])
    """
    if z.ndim != 2 or anchors.ndim != 2 or z.shape[1] != anchors.shape[1]:
        shapes = f"vectors of shape {tuple(z.shape)} and anchors of shape {tuple(anchors.shape)}"
        raise ParameterError(f"{shapes} are not of one space; encode both with the same encoder")
    return cosines(unit(z.double()), unit(anchors.double()))  # (q, n)


def top_k(relative, k):
    """Return the k largest of each row, (q, k) values and (q, k) positions; of equal ones the earlier anchors."""
    values, anchors = relative.sort(dim=1, descending=True, stable=True)  # (q, n), (q, n)
    return values[:, :k], anchors[:, :k]  # (q, k), (q, k)


def sharpen(values, p):
    """Clamp the kept values (q, k) at 0, raise them to the power p, and scale each row to length 1.

    The clamp comes first, since an even p would turn negative values positive. Division by the largest value cancels
    in the last step; without it, a large p underflows to zeros. A row without a positive value becomes zero.
    """
    values = values.clamp_min(0)  # (q, k)
    largest = values.amax(dim=1, keepdim=True).clamp_min(torch.finfo(values.dtype).tiny)  # (q, 1)
    return torch.nn.functional.normalize((values / largest) ** p, dim=1)  # (q, k)


def sparsify(relative, k, p):
    """Keep the k largest of n cosines in each row and sharpen them; the other entries are 0: (q, n).

    Raises `ParameterError` unless 1 ≤ k ≤ n and p > 0.

    >>> sparsify(torch.tensor([[0.5, -0.9, 0.5, 0.1]]), k=2, p=8)
    tensor([[0.7071, 0.0000, 0.7071, 0.0000]])
    """
    if not (1 <= k <= relative.shape[1] and p > 0):
        raise ParameterError(f"k = {k}, p = {p}: keep 1 to {relative.shape[1]} entries, with an exponent above 0")
    values, anchors = top_k(relative, k)  # (q, k), (q, k)
    return torch.zeros_like(relative).scatter(1, anchors, sharpen(values, p))  # (q, n)


def scores(image, text):
    """Compare the sparse vectors of pictures (q, n) and sentences (t, n): cosines from 0 to 1, (q, t)."""
    return cosines(image, text)  # (q, t)


def asif(z_image, z_text, image_anchors, text_anchors, k, p):
    """Score q pictures and t sentences by n captioned pictures: (q, t). This is the model, whole.

    Parameters
    ----------
    z_image, z_text : Tensors of shape (q, d_image) and (t, d_text)
        Embeddings of the questions.
    image_anchors, text_anchors : Tensors of shape (n, d_image) and (n, d_text)
        Embeddings of the captioned pictures, row i of both of pair i.
    k, p : int and float
        Entries kept, and exponent.
    """
    image = sparsify(relative(*centre(z_image, image_anchors)), k, p)  # (q, n)
    text = sparsify(relative(*centre(z_text, text_anchors)), k, p)  # (t, n)
    return scores(image, text)  # (q, t)


def contributions(image, text):
    """Split the score of one picture (n,) and one sentence (n,) into its n terms, one for each anchor: (n,).

    The terms add up to the score: an explanation is the score itself, not an approximation.
    """
    return image * text  # (n,)


def without(gone, *anchors):
    """Forget the pairs at these positions: their rows leave the anchors of each side, (n, d) → (n - len(gone), d).

    Ask `asif` again with what stays. The mean moves, the next most similar anchor takes a free place among the k, and
    each vector has length 1 again. So one removal changes the other products a little, too.
    """
    return [side[~torch.isin(torch.arange(len(side)), torch.as_tensor(gone))] for side in anchors]
