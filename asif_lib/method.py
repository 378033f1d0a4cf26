"""ASIF, coupled data turns unimodal models to multimodal without training (Norelli et al., NeurIPS 2023, section 3).

This is the whole method, on tensors; chapters 00, 03 and 04 build it. Two encoders stay as they are:

    picture  → image encoder → z_image (q, d_image) ─ centre, relative → (q, n) ─ sparsify → image (q, n) ┐
                               image_anchors (n, d_image)                                                 ├ scores
                               text_anchors  (n, d_text)                                                  │ (q, t)
    sentence → text encoder  → z_text  (t, d_text)  ─ centre, relative → (t, n) ─ sparsify → text  (t, n) ┘

Row i of both sets of anchors is one captioned picture. Entry i of a picture is its similarity to picture i, and entry i
of a sentence its similarity to caption i. Both speak of pair i, so they can be compared, although the encoders never
met: the method trusts that similar pictures have similar captions. (The authors' code has no `centre` and no clamp.)
"""

import torch

from asif_lib.errors import ParameterError


def check(z, anchors):
    """Raise `ParameterError` unless z (q, d) and anchors (n, d) are matrices of one width."""
    if z.ndim != 2 or anchors.ndim != 2 or z.shape[1] != anchors.shape[1]:
        shapes = f"vectors of shape {tuple(z.shape)} and anchors of shape {tuple(anchors.shape)}"
        raise ParameterError(f"{shapes} are not of one space; encode both with one encoder, a row for each vector")


def centre(z, anchors):
    """Subtract the mean of the anchors from vectors z (q, d) and from the anchors (n, d).

    An encoder's vectors share a large common part, which hides what tells them apart (chapter 03).
    """
    check(z, anchors)
    mean = anchors.double().mean(dim=0).float()  # (d,), rounded, as a bank on disk keeps it
    return z.double() - mean, anchors.double() - mean  # (q, d), (n, d)


def unit(z):
    """Scale rows (q, d) to length 1. A row of zeros has no direction and stays zero, so its cosine with all is 0."""
    lengths = z.norm(dim=1, keepdim=True)  # (q, 1)
    return z / torch.where(lengths > 0, lengths, 1)  # (q, d), and never 0 / 0


def cosines(a, b):
    """Compare rows of length 1 (or 0), (q, m) with (n, m): (q, n) float32."""
    return (a.double() @ b.double().T).float()  # rounded once, so that equal cosines stay equal


def relative(z, anchors):
    """Describe vectors z (q, d) by their cosines with the anchors (n, d): (q, n) (Moschella et al., ICLR 2023).

    >>> relative(torch.tensor([[5.0, 5.0]]), torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
    tensor([[0.7071, 0.7071]])
    """
    check(z, anchors)
    return cosines(unit(z.double()), unit(anchors.double()))  # (q, n)


def top_k(similarities, k):
    """Return the k largest values of each row (q, n) and their positions; of equal values the earlier comes first."""
    values, positions = similarities.sort(dim=1, descending=True, stable=True)  # (q, n), (q, n)
    return values[:, :k], positions[:, :k]  # (q, k), (q, k)


def sharpen(values, p):
    """Clamp the kept values (q, k) at 0, raise them to the power p, and scale each row to length 1: (q, k).

    The clamp comes first, because an even power would make negative values positive.
    """
    values = values.clamp_min(0)  # (q, k)
    largest = values.amax(dim=1, keepdim=True)  # (q, 1); the division cancels below, but a large p cannot underflow
    largest = largest.clamp_min(torch.finfo(values.dtype).tiny)  # no 0 / 0 in a row of zeros
    return torch.nn.functional.normalize((values / largest) ** p, dim=1)  # (q, k)


def sparsify(similarities, k, p):
    """Keep the k largest of n similarities in each row and sharpen them; the other entries are 0: (q, n).

    >>> sparsify(torch.tensor([[0.5, -0.9, 0.5, 0.1]]), k=3, p=2)
    tensor([[0.7068, 0.0000, 0.7068, 0.0283]])
    """
    if not (1 <= k <= similarities.shape[1] and p > 0):
        raise ParameterError(f"k = {k}, p = {p}: keep 1 to {similarities.shape[1]} entries, with an exponent above 0")
    values, positions = top_k(similarities, k)  # (q, k), (q, k)
    return torch.zeros_like(similarities).scatter(1, positions, sharpen(values, p))  # (q, n)


def scores(image, text):
    """Compare the sparse vectors of pictures (q, n) and sentences (t, n): cosines from 0 to 1, (q, t)."""
    return cosines(image, text)  # (q, t)


def asif(z_image, z_text, image_anchors, text_anchors, k, p):
    """Score q pictures and t sentences by n captioned pictures: (q, t).

    Parameters
    ----------
    z_image, z_text : embeddings of the pictures (q, d_image) and of the sentences (t, d_text)
    image_anchors, text_anchors : embeddings of the captioned pictures, (n, d_image) and (n, d_text), row i of pair i
    k, p : entries kept, 1 to n, and exponent, above 0
    """
    image = sparsify(relative(*centre(z_image, image_anchors)), k, p)  # (q, n)
    text = sparsify(relative(*centre(z_text, text_anchors)), k, p)  # (t, n)
    return scores(image, text)  # (q, t)


def contributions(image, text):
    """Split the score of one picture (n,) and one sentence (n,) into its n terms, which add up to it: (n,)."""
    return image * text  # (n,), exact: term i is what pair i adds


def without(positions, image_anchors, text_anchors):
    """Forget the pairs at these positions: (n, d) → (n - gone, d) on both sides; later pairs move up.

    Ask `asif` again with the rest. The mean moves, and where a lost anchor was among the k, the next one takes its
    place and the row gets length 1 again. So the terms of other anchors change too.
    """
    stay = torch.ones(len(image_anchors), dtype=torch.bool)  # (n,)
    stay[positions] = False
    return image_anchors[stay], text_anchors[stay]  # (n - gone, d_image), (n - gone, d_text)
