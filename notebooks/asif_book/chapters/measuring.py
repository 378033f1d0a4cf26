"""Measure what several chapters report: seconds, memory, and how often a caption is found."""

import contextlib
import ctypes
import sys
import threading
import time
from pathlib import Path

import numpy as np

from asif_lib import method
from asif_lib.evaluation.measures import Measure, ranks, recall_at, same_text
from asif_lib.files import ROOT
from asif_lib.zeroshot import ASIF


def timed(run):
    """Return the result of ``run()`` and the seconds that it took."""
    start = time.perf_counter()
    return run(), time.perf_counter() - start


class PeakMemory:
    """Watch the memory of this process while a block runs: `bytes` is the peak beyond what it held `before`.

    It looks every `every` seconds. On Linux, pages of mapped files do not count. Other systems cannot tell them apart.
    """

    def __init__(self, every=0.002):
        self.every = every

    def __enter__(self):
        if sys.platform == "linux":  # return freed memory to the system, so that taking it again counts
            with contextlib.suppress(AttributeError):  # only glibc keeps it
                ctypes.CDLL(None).malloc_trim(0)
        import psutil

        self._process, self._stop, self.bytes = psutil.Process(), threading.Event(), 0
        self.before = self._now()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        return self

    def __exit__(self, *error):
        self._stop.set()
        self._watcher.join()
        self._look()

    def _watch(self):
        while not self._stop.wait(self.every):
            self._look()

    def _look(self):
        self.bytes = max(self.bytes, self._now() - self.before)

    def _now(self):
        memory = self._process.memory_info()
        return memory.rss - getattr(memory, "shared", 0)


def recall_of_pairs(scores, same) -> np.ndarray:
    """Return for each pair the mean of R@1 and R@10 over both directions, (q,).

    scores: (q, q), pictures against captions; same: (q, q) bool, the right ones.
    """
    return np.mean([ranks(s, same) < top for s in (scores, scores.T) for top in (1, 10)], axis=0)


def scoreboard(bank, splits, seed=0):
    """Measure the book's way to a picture's caption: R@1 among the validation captions, the training pairs as anchors.

    `bank` is of all pairs. Returns the measures by name, and chance. Nothing of the test split is used.
    """
    anchors, asked = bank.subset(splits["train"]), bank.subset(splits["validation"])
    sides, n = ((asked.image, anchors.image), (asked.text, anchors.text)), len(anchors)
    plain = [method.relative(*side) for side in sides]  # (q, n) each
    centred = [method.relative(*method.centre(*side)) for side in sides]  # (q, n) each
    scores = {
        "03 · all cosines, as they are": method.relative(*plain),
        "03 · all cosines, centred": method.relative(*centred),
    }
    for name, p in {"04 · negative ones set to 0": 1, "04 · and squared": 2}.items():
        scores[name] = method.scores(*(method.sparsify(side, n, p) for side in centred))
    scores["04 · and only a tenth kept"] = ASIF(anchors, device="cpu").similarity(asked.image, asked.text)
    captions = asked.pairs.caption.tolist()
    relevant = same_text(captions, captions)  # (q, q)
    return {name: recall_at(s, relevant, 1, seed) for name, s in scores.items()}, float(relevant.float().mean())


def over_draws(profile: str, pairs: str):
    """Read `repeated_splits.csv` by method; ``gap`` is its mean recall minus that of ASIF over draws, a `Measure`.

    The draws are those of the stamps and of the encoders "offline": for other `profile` and `pairs` no row is returned.
    """
    table = stored_table("repeated_splits")
    stands = (table["measure"] == "mean recall") & (profile == "offline") & (pairs == "stamps")
    table = table[stands].set_index("method")
    gaps = table[["difference", "difference_low", "difference_high", "n"]].itertuples(index=False)
    return table.assign(gap=[Measure(*gap) for gap in gaps])


def stored_table(name: str):
    """Read a table of ``benchmarks/accuracy``, or its copy in an installed book: a DataFrame."""
    import pandas as pd

    file = ROOT / "benchmarks" / "accuracy" / f"{name}.csv"
    return pd.read_csv(file if file.exists() else Path(__file__).parent.with_name(file.name))
