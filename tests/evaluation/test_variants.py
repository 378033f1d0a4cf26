"""Changes of ASIF, one at a time."""

import torch

from asif_lib.evaluation.variants import SparseAnchors
from asif_lib.zeroshot import ASIF


def test_the_anchors_kept_are_those_of_the_model(stamps_bank):
    image = stamps_bank.image[:5]
    rest = stamps_bank.subset(range(5, len(stamps_bank)))
    method = SparseAnchors(share=0.1, p=2).fit(rest.image, rest.text)
    assert torch.equal(method.kept(image), ASIF(rest, method.k, 2, device="cpu").images(image).indices.long())
