"""What the methods are asked: held-out pairs to find, held-out pictures to classify; and the paper's own settings."""

import functools
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import torch
from PIL import ImageOps
from scipy.stats import hypergeom
from sklearn.model_selection import GridSearchCV, StratifiedKFold

from asif_lab.baselines import Method, linear_probe
from asif_lib.datasets.hub import labelled_from_hub
from asif_lib.datasets.labelled import load_labelled
from asif_lib.datasets.pairs import fixed_splits, load_pairs
from asif_lib.defaults import DEFAULT_TEMPLATE, LARGEST_DEFAULT_K
from asif_lib.encoders.embeddings import embed
from asif_lib.encoders.pictures import open_picture
from asif_lib.errors import HUB, DataError
from asif_lib.evaluation.measures import RECALLS, ranks, recall_of_each, same_text
from asif_lib.search.inverted import indexed_scores
from asif_lib.settings import Settings
from asif_lib.sparse import represent
from asif_lib.zeroshot import make_prompts

STRENGTHS = (0.1, 1.0, 10.0, 100.0)  # of a linear probe: the inverse of how strongly it is regularised
FOLDS = 3  # parts of the labelled pictures that choose how strongly a linear probe is regularised


@dataclass(eq=False)
class PaperASIF(Method):
    """ASIF at any size, with the paper's settings by default: nothing is centred, and no (q, n) matrix exists whole.

    The scores of all prompts never exist at once either. With fewer than k anchors all are kept, as the paper's k = 800
    does with a small bank: nothing is sparse then.
    """

    GRID: ClassVar = {"k": (LARGEST_DEFAULT_K,), "p": (8,), "center": (False,)}

    k: int = LARGEST_DEFAULT_K
    p: float = 8
    center: bool = False

    def fit(self, image, text, validation=None):
        self.anchors = image, text  # (n, d_image) and (n, d_text), without a copy
        return self

    def similarity(self, image, text):
        return self.label_scores(image, text, 1, "mean")

    def label_scores(self, image, text, templates, reduce):
        settings = Settings(min(self.k, len(self.anchors[0])), self.p, self.center)
        pictures, texts = (represent(z, a, settings) for z, a in zip((image, text), self.anchors, strict=True))
        return indexed_scores(pictures, texts, templates, reduce)


class Probe(Method):
    """A linear probe of the image encoder, which `HeldOut` fits on labelled pictures: a ceiling that needs labels."""

    def fit(self, image, text, validation=None):
        return self


@dataclass(frozen=True)
class HeldOut:
    """Embedded pictures and texts, and which belong together."""

    image: torch.Tensor  # (q, d_image)
    text: torch.Tensor  # (t · templates, d_text), the prompts of a label one after the other
    relevant: torch.Tensor  # (q, t) bool
    templates: int = 0  # 0 for retrieval
    source: str = ""  # the data set
    pictures: list = field(default_factory=list)  # those that are asked
    rows: Sequence = ()  # their positions in the data set; of labelled pictures, all of the split
    reduce: str = "mean"  # or "max", of the scores of a label's prompts
    load_train: Callable | None = None  # returns labelled pictures for a `Probe`, (n, d_image) and (n,), if there are

    def ask(self, method) -> dict:
        """Return for each measure its values, one for each picture or pair, (q,). A tie does not count as found."""
        if isinstance(method, Probe):
            right = self.probe.predict(self.image) == self.relevant.int().argmax(dim=1).numpy()
            return {"accuracy": right.astype(float)}
        if self.templates:
            scores = method.label_scores(self.image, self.text, self.templates, self.reduce)
            return {"accuracy": (ranks(scores, self.relevant) == 0).astype(float)}
        ways = zip(method.both_ways(self.image, self.text), (self.relevant, self.relevant.T), strict=True)
        to_text, to_picture = (ranks(scores, relevant) for scores, relevant in ways)
        return {
            "mean recall": recall_of_each((to_text, to_picture)),
            "R@1, picture → text": (to_text == 0).astype(float),
            "R@1, text → picture": (to_picture == 0).astype(float),
        }

    def chance(self) -> dict:
        """Return the expected value of each measure for an order by lot."""
        if self.templates:
            return {"accuracy": 1 / self.relevant.shape[1]}
        ways = [(way.sum(dim=1).numpy(), way.shape[1]) for way in (self.relevant, self.relevant.T)]
        found = [[hypergeom.sf(0, n, way, min(k, n)).mean() for k in RECALLS] for way, n in ways]
        measures = float(np.mean(found)), float(found[0][0]), float(found[1][0])
        return dict(zip(("mean recall", "R@1, picture → text", "R@1, text → picture"), measures, strict=True))

    @functools.cached_property
    def train(self):
        """The labelled pictures that a linear probe is fitted on."""
        return self.load_train()

    def settings_of(self, method) -> dict:
        """Return C of a linear probe and the number of its labelled pictures; nothing for another method."""
        return {"C": self.probe[-1].C, "pictures": len(self.train[1])} if isinstance(method, Probe) else {}

    @functools.cached_property
    def probe(self):
        """A linear probe of the pictures `train`; it is fitted once."""
        image, labels = self.train
        if (most := np.bincount(labels).max()) < FOLDS:
            fault = f"a linear probe needs {FOLDS} train pictures of a class, and has at most {most}; raise the sample"
            raise DataError(f"{self.source}: {fault}")
        return fitted_probe(image, labels, FOLDS)

    @functools.cached_property
    def digest(self) -> str:
        """The SHA-256 of everything that a method is asked."""
        return digest_of(self.image, self.text, self.relevant, torch.tensor(self.templates)) + self.reduce


def fitted_probe(image, labels, folds):
    """Fit a linear probe on pictures (m, d) and labels (m,); cross-validation over `folds` parts chooses its C."""
    cut = StratifiedKFold(folds, shuffle=True, random_state=0)
    search = GridSearchCV(linear_probe(), {"logisticregression__C": STRENGTHS}, cv=cut, error_score="raise")
    return search.fit(image, labels).best_estimator_


def digest_of(*tensors) -> str:
    """Return the SHA-256 over the shapes and the bytes of tensors."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(repr((tensor.shape, tensor.dtype)).encode())
        for block in tensor.reshape(len(tensor) if tensor.ndim else 1, -1).split(16_384):
            digest.update(block.contiguous().view(torch.uint8).numpy())
    return digest.hexdigest()


def embedded_pairs(pairs, encoders, progress):
    """Embed n `Pairs` into two matrices, (n, d_image) and (n, d_text)."""
    sides = zip(encoders, (pairs.pictures, pairs.captions), strict=True)
    return tuple(embed(encoder, items, progress=progress) for encoder, items in sides)


def redrawn_pairs(pairs, draw):
    """Return `Pairs` with other splits of the same sizes, stratified by the first level of their groups.

    `draw` is 0 for their own splits. Raises `DataError` if they lack a split.
    """
    if not draw:
        return pairs
    sizes = {name: len(pairs.split(name)) for name in ("train", "validation", "test")}
    rows = sorted(row for name in sizes for row in pairs.splits[name])  # pairs of other splits are not drawn
    drawn = fixed_splits([pairs.groups[i].split("/")[0] for i in rows], sizes["test"], sizes["validation"], seed=draw)
    return replace(pairs, splits={name: [rows[i] for i in part] for name, part in drawn.items()})


def prepare_task(task, image_encoder, text_encoder, progress=False, draw=0) -> HeldOut:
    """Load and embed what a task of the configuration asks.

    Raises `DataError` if the data set or split is missing, there are fewer than two classes, or a class has no picture.

    Parameters
    ----------
    task : RetrievalTask or ZeroShotTask
    image_encoder, text_encoder : encoders, of the library or of your own
    progress : bool
    draw : int, as for `redrawn_pairs`; labelled pictures have one split
    """
    if task.kind == "retrieval":
        everything = redrawn_pairs(load_pairs(task.pairs, progress=progress), draw)
        pairs, rows = everything.split(task.split), everything.splits[task.split]
        image, text = embedded_pairs(pairs, (image_encoder, text_encoder), progress)
        return HeldOut(image, text, same_text(pairs.captions, pairs.captions), 0, task.pairs, pairs.pictures, rows)
    data = labelled_of_task(task, progress)
    image = embed(image_encoder, data.pictures, progress=progress)
    templates = task.templates or data.templates or [DEFAULT_TEMPLATE]
    text = embed(text_encoder, make_prompts(data.classes, templates), progress=progress)
    relevant = torch.nn.functional.one_hot(torch.from_numpy(data.labels), len(data.classes)).bool()
    about = (len(templates), task.data, data.pictures, range(len(image)), task.reduce)
    return HeldOut(image, text, relevant, *about, functools.partial(_train, task, image_encoder, progress))


def _train(task, image_encoder, progress):
    """Return embeddings and labels of train pictures, as many as are asked."""
    if task.split == "train":
        raise DataError(f"{task.data}: its train split is asked, so no labelled pictures are left for a linear probe")
    data = labelled_of_task(task.model_copy(update={"split": "train"}), progress)
    return embed(image_encoder, data.pictures, progress=progress), data.labels


def labelled_of_task(task, progress=False):
    """Return the labelled pictures that a task of the configuration asks; the errors are those of `prepare_task`."""
    if task.data.startswith(HUB):
        data = labelled_from_hub(task.data.removeprefix(HUB), task.split, task.label)
    elif task.label:
        raise DataError(f'{task.data}: label goes with a data set of the hub, as in data = "{HUB}NAME"')
    else:
        data = load_labelled(task.data, progress=progress)
        if data.splits or task.split != "test":
            data = data.split(task.split)
    if unknown := sorted(set(task.rename) - {str(i) for i in range(len(data.classes))}):
        raise DataError(f"{task.data}: rename: {unknown[0]} is no class; they are 0 to {len(data.classes) - 1}")
    data = replace(data, classes=[task.rename.get(str(i), name) for i, name in enumerate(data.classes)])
    if task.sample:
        data = data.sample(task.sample)
    data.check_classes()
    if task.invert:
        data = replace(data, pictures=[ImageOps.invert(open_picture(picture)) for picture in data.pictures])
    return data
