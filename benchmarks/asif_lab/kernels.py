"""Rivals that bend, and rivals that ask in both directions: kernel methods, transfers, and a sum of two scores.

A map from pictures to texts has a mirror image, from texts to pictures. Here both are fitted, and the score is the mean
of their two cosines, so that no direction is privileged. ASIF privileges none either.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from sklearn.decomposition import KernelPCA
from sklearn.kernel_ridge import KernelRidge as Regression
from sklearn.metrics.pairwise import rbf_kernel

from asif_lib import method
from asif_lib.relative import unit_rows

from .baselines import CanonicalCorrelation, LabelTransfer, Method

GAMMAS = (0.5, 1.0, 2.0, 4.0)  # of the kernel exp(-gamma ‖x - y‖²); of unit rows, ‖x - y‖² goes from 0 to 4


class LabelTransferBothWays(LabelTransfer):
    """Transfer in both directions: the picture becomes a mean caption, and the text becomes a mean picture."""

    def _scores(self, image, text):
        pictures, captions = self.anchors
        as_text, as_image = self._transfer(image, pictures, captions), self._transfer(text, captions, pictures)
        return (as_text @ text.T + image @ as_image.T) / 2


@dataclass(eq=False)
class KernelRidge(Method):
    """Predict each side from the other by kernel ridge regression (scikit-learn), with the kernel exp(-gamma ‖x - y‖²).

    Saunders, Gammerman and Vovk, Ridge regression learning algorithm in dual variables, ICML 1998.
    """

    GRID: ClassVar = {"gamma": GAMMAS, "alpha": (0.003, 0.01, 0.03, 0.1, 0.3)}
    gamma: float = 1.0
    alpha: float = 0.03

    def _fit(self, image, text):
        self.anchors = image, text
        kernels = [self._once(self._kernel, anchors, anchors, *self._settings()) for anchors in self.anchors]
        pairs = zip(kernels, (text, image), strict=True)
        self.maps = [Regression(alpha=self.alpha, kernel="precomputed").fit(k, other.numpy()) for k, other in pairs]

    def _settings(self):
        return (self.gamma,)

    @staticmethod
    def _kernel(z, anchors, gamma):
        return rbf_kernel(z.numpy(), anchors.numpy(), gamma)  # (q, n)

    def _scores(self, image, text):
        kernels = (self._kernel(z, a, *self._settings()) for z, a in zip((image, text), self.anchors, strict=True))
        found = (model.predict(kernel) for model, kernel in zip(self.maps, kernels, strict=True))
        as_text, as_image = (unit_rows(torch.from_numpy(z)) for z in found)
        return (as_text @ text.T + image @ as_image.T) / 2

    def parts(self, image, text) -> torch.Tensor:
        """Split the score of picture i (q, d_image) and text i (q, d_text) into what each of n anchors adds: (q, n).

        A prediction is a sum over anchors, and so is its cosine with the other side, since its length is given.
        """
        sides, total = (self._unit("image", image), self._unit("text", text)), 0.0
        for z, other, anchors, model in zip(sides, sides[::-1], self.anchors, self.maps, strict=True):
            kernel = torch.from_numpy(self._kernel(z, anchors, *self._settings()))  # (q, n)
            weights = torch.from_numpy(model.dual_coef_)  # (n, d_other)
            lengths = (kernel @ weights).norm(dim=1, keepdim=True)  # (q, 1)
            total = total + kernel * (other @ weights.T) / lengths / 2
        return total


@dataclass(eq=False)
class RelativeRidge(KernelRidge):
    """Predict each side from the sparse relative representation of the other, by ridge regression without an intercept.

    The kernel of two vectors is the dot product of their sparse vectors, so that the regression sees what ASIF sees.
    """

    GRID: ClassVar = {"share": (0.1, 0.2, 0.5), "p": (1, 2, 4), "alpha": (0.03, 0.1, 0.3, 1.0)}
    share: float = 0.2
    p: float = 2
    alpha: float = 0.3

    def _settings(self):
        return max(1, round(self.share * len(self.anchors[0]))), self.p

    @staticmethod
    def _kernel(z, anchors, k, p):
        own, theirs = (method.sparsify(method.cosines(x, anchors), k, p) for x in (z, anchors))  # (q, n) and (n, n)
        return (own @ theirs.T).numpy()


@dataclass(eq=False)
class KernelCanonicalCorrelation(CanonicalCorrelation):
    """CCA with shrinkage between the kernel principal components of both sides (scikit-learn): it may bend.

    Bach and Jordan, Kernel independent component analysis, JMLR 2002; Hardoon et al., Neural Computation 2004.
    """

    GRID: ClassVar = {"components": (64, 128, 256, 384), "gamma": GAMMAS, "shrinkage": (0.98, 0.9, 0.8, 0.5)}
    gamma: float = 1.0

    def _fit(self, image, text):
        self.bends = [self._once(_principal, z, self.gamma) for z in (image, text)]
        super()._fit(*(rows for _, rows in self.bends))

    def _scores(self, image, text):
        bent = (bend.transform(z.numpy()) for (bend, _), z in zip(self.bends, (image, text), strict=True))
        return super()._scores(*(torch.from_numpy(rows).float() for rows in bent))


def _principal(rows, gamma):
    bend = KernelPCA(kernel="rbf", gamma=gamma, eigen_solver="dense")
    return bend, torch.from_numpy(bend.fit_transform(rows.numpy())).float()
