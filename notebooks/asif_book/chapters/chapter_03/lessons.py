"""Helpers of chapter 03: other coordinates."""

import torch


def random_rotation(d, generator) -> torch.Tensor:
    """Draw a (d, d) rotation or reflection, all equally likely."""
    q, r = torch.linalg.qr(torch.randn(d, d, generator=generator))  # (d, d) each
    return q * r.diagonal().sign()
