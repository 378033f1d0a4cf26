"""Helpers of chapter 03: the common part of embeddings, their hubs, and other coordinates."""

import numpy as np
import torch

from asif_book.chapters.chapter_03.checks import centred, largest_change, times_nearest
from asif_lib.relative import relative_representation, unit_rows


def random_rotation(d, generator) -> torch.Tensor:
    """Draw a (d, d) rotation or reflection, all equally likely."""
    q, r = torch.linalg.qr(torch.randn(d, d, generator=generator))  # (d, d) each
    return q * r.diagonal().sign()


def pair_cosines(z, mean=None) -> np.ndarray:
    """Return the cosines of all pairs of two rows of z, (n, d), less `mean`: (n(n-1)/2,)."""
    u = unit_rows(z, mean)
    rows, columns = torch.triu_indices(len(u), len(u), offset=1)
    return (u @ u.T)[rows, columns].numpy()


def common_part(z) -> float:
    """Return the squared length of the mean of the rows, each scaled to length 1."""
    return float(unit_rows(z).mean(dim=0).square().sum())


def greatest_hubs(z, mean=None):
    """Return the rows of z, (n, d), by how often each is among the ten nearest of others, and how often: (n,) each."""
    similarity = relative_representation(z, z, mean=mean)  # (n, n)
    ordered = times_nearest(similarity.fill_diagonal_(-torch.inf), 10).sort(descending=True, stable=True)
    return ordered.indices, ordered.values


def largest_changes(z, anchors, rotations, generator) -> dict:
    """Return the largest change of an entry for z, (q, d), and anchors, (n, d), in four other coordinates, by name."""
    d, lengths = z.shape[1], torch.rand(len(z), 1, generator=generator) * 10 + 0.1
    longer = relative_representation(lengths * z, 7 * anchors) - relative_representation(z, anchors)
    longer_centred = centred(lengths * z, 7 * anchors) - centred(z, anchors)
    stretch = torch.diag(torch.logspace(-0.5, 0.5, d))
    return {
        "rotation, the largest of all drawn": max(largest_change(z, anchors, q) for q in rotations),
        "scale, another for each vector": float(longer.abs().max()),
        "the same, centred": float(longer_centred.abs().max()),
        "stretch, another for each coordinate": largest_change(z, anchors, stretch),
    }
