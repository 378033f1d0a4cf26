"""See what training buys: linear heads on the frozen embeddings, trained contrastively on the same pairs.

Both baselines are the idea of a large model at the size of a bank. The encoders themselves stay frozen here.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F

from asif_lib.errors import ParameterError
from asif_lib.relative import main_directions, unit_rows

from .baselines import Method
from .measures import mean_recall

DIM = 256
BATCH = 1_024
RATE, WEIGHT_DECAY = 1e-2, 0.1
PATIENCE = 15
"""Training stops after this number of epochs without a better recall of the validation pairs."""


@dataclass(eq=False)
class _Trained(Method):
    """Train linear heads so that each picture is most similar to its own text, and each text to its own picture.

    The loss is CLIP's: the cross-entropy of the right partner in the batch, in both directions, at a trained
    temperature. Pairs with the same text as the right one do not count as wrong. Training is deterministic in `seed`.

    Parameters
    ----------
    dropout : float
        Share of the embeddings' entries that are set to 0 in each step.
    epochs : int
        Passes over the pairs. With ``validation`` in ``fit``: the most.
    """

    GRID: ClassVar = {"dropout": (0.0, 0.5, 0.8)}
    stops_early = True
    dropout: float = 0.5
    epochs: int = 200
    seed: int = 0

    def fit(self, image, text, validation=None):
        """Fit on the pairs `image` (n, d_image) and `text` (n, d_text), and return the method.

        With `validation`, a pair of such matrices, training stops early: `epochs` becomes the epoch with the best
        recall of these pairs, and the heads are those of that epoch.

        Raises
        ------
        ParameterError
            As `Method.fit`, and if there is only one pair.
        """
        if len(image) < 2:
            raise ParameterError("a head cannot be trained on one pair: there is no wrong partner to tell it from")
        self.validation = validation
        return super().fit(image, text)

    def _fit(self, image, text):
        random = torch.Generator().manual_seed(self.seed)
        self.heads = self._first_heads(image, text, random)
        scale = torch.tensor(math.log(20.0), requires_grad=True)
        trained = [self.heads[side].requires_grad_() for side in self.trained]
        optimiser = torch.optim.AdamW([{"params": trained, "weight_decay": WEIGHT_DECAY}, {"params": [scale]}], lr=RATE)
        best, best_epoch, best_heads = -1.0, 0, None
        for epoch in range(1, self.epochs + 1):
            for rows in torch.randperm(len(image), generator=random).split(BATCH):
                self._step(image[rows], text[rows], scale, optimiser, random)
            if self.validation is not None:
                recall = self._validate()
                if recall > best:
                    best, best_epoch, best_heads = recall, epoch, self._copy()
                elif epoch - best_epoch >= PATIENCE:
                    break
        if best_heads is not None:
            self.heads, self.epochs = best_heads, best_epoch
        self.heads = self._copy()

    def _step(self, image, text, scale, optimiser, random):
        same = (text @ text.T > 1 - 1e-5).fill_diagonal_(False)
        kept = [torch.rand(z.shape, generator=random) >= self.dropout for z in (image, text)]
        image, text = (self._head(z * mask, i) for i, (z, mask) in enumerate(zip((image, text), kept, strict=True)))
        logits = (scale.exp() * image @ text.T).masked_fill(same, -torch.inf)
        own = torch.arange(len(logits))
        loss = (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    def _copy(self):
        return [head.detach().clone() for head in self.heads]

    @torch.no_grad()
    def _validate(self):
        scores = self.similarity(*self.validation)
        return mean_recall((scores, scores.T), torch.eye(len(scores), dtype=torch.bool))

    def _head(self, z, side):
        return unit_rows(z @ self.heads[side])

    def _scores(self, image, text):
        return self._head(image, 0) @ self._head(text, 1).T


class TextHead(_Trained):
    """Lock the pictures, and train a head from texts to pictures: the idea of LiT.

    The space is that of the pictures' `DIM` main directions, which makes training fast.

    References
    ----------
    Zhai et al., LiT: Zero-shot transfer with locked-image text tuning, CVPR 2022.
    """

    trained = (1,)

    def _first_heads(self, image, text, random):
        locked = main_directions(image)[0][:, :DIM]
        return [locked, _random_head(text, locked.shape[1], random)]


class TwoHeads(_Trained):
    """Train a head on both sides, into one space of `DIM` dimensions: the idea of CLIP.

    References
    ----------
    Radford et al., Learning transferable visual models from natural language supervision, ICML 2021.
    """

    trained = 0, 1

    def _first_heads(self, image, text, random):
        return [_random_head(rows, DIM, random) for rows in (image, text)]


def _random_head(rows, dim, random):
    return torch.randn(rows.shape[1], dim, generator=random) / rows.shape[1] ** 0.5
