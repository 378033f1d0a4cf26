# %% [markdown]
# # 08 · Scaling
#
# > **Question.** What does it cost at 1.6 million anchors, and beyond one machine?
#
# So far a bank had some hundred anchors, and every answer came at once. The paper has 1.6 million. Nothing in the
# method changes; what changes is that bytes and seconds begin to count. This chapter makes searches smaller and
# faster, and it keeps an eye on one question: is the answer still the same?
#
# **After this chapter you can**
#
# - say where time and memory go, and compute both before you run anything;
# - search any number of anchors in a memory that you state;
# - compute with 8 bits of precision and prove that the answer is exact all the same;
# - compare thousands of texts through an inverted index;
# - judge a shortcut (half precision, an approximate index) by the decisions that it changes;
# - spread a search over several processes, and see what happens when one is killed.
#
# **Minutes** 45 to read, 67 more with the exercises · **Before this**
# [04 · Sparsification](04_sparsification.ipynb), best also [05](05_zero_shot.ipynb) and [07](07_editing.ipynb) ·
# **What runs** Stamps, some Fashion-MNIST, and made-up embeddings, tens of thousands of them, about 40 seconds on 2 cores
# once the embeddings are in the cache. With `fast = False` it goes to the paper's size: some minutes, 3 GB of memory,
# and 3 GB of files, for which 6 GB of the disk must be free. Files go to a temporary folder, which is deleted at the end

# %% tags=["parameters"]
profile = "offline"  # or "hub": larger encoders, from the hub
device = "auto"  # "auto", "cpu", "cuda" or "mps"
seed = 0  # for samples and made-up embeddings
fast = True  # False: up to the paper's 1.6 million anchors, where the disk allows it

# %%
# The tools of this chapter. You need not read this cell, nor code below that only draws a figure; run it.
import ctypes
import os
import shutil
import signal
import sys
import tempfile
import threading
from pathlib import Path
from time import perf_counter, sleep, time

import numpy as np
import pandas as pd
import psutil
import torch
from distributed import get_task_stream
from IPython.display import Markdown, display
from PIL import ImageOps
from scipy.optimize import nnls

from asif_lib import (
    ASIF,
    AnchorBank,
    EncoderIdentity,
    Pairs,
    embed,
    load_image_encoder,
    load_labelled,
    load_pairs,
    load_text_encoder,
    record,
)
from asif_lib.cluster import Machine, connect, distributed_top_anchors, estimate_costs
from asif_lib.course.checks import (
    check_bytes,
    check_error_bound,
    check_inverted_index,
    check_keep,
    check_knob,
    check_merge,
)
from asif_lib.course.progress import show_progress
from asif_lib.evaluation import (
    ValidationSet,
    choose,
    compare,
    mean_with_interval,
    paired_difference,
    ranks,
    same_text,
    walk,
)
from asif_lib.figures import (
    around_the_threshold,
    cluster_timeline,
    cost_curves,
    knob_curves,
    line_chart,
    show,
    stage_bars,
    use_style,
)
from asif_lib.figures.costs import duration
from asif_lib.relative import unit_rows
from asif_lib.search import InvertedIndex, Sieve, build_index, centred_unit, plan_search, round_rows, top_anchors
from asif_lib.sparse import SparseVectors
from asif_lib.zeroshot import make_prompts

use_style()
folder = tempfile.TemporaryDirectory()


def seconds_of(run):
    """What `run()` returns, and the seconds that it took."""
    start = perf_counter()
    result = run()
    return result, perf_counter() - start


class Peak:
    """The most bytes of memory that this process took beyond what it had before.

    On Linux mapped files do not count; elsewhere the system does not tell them apart.
    """

    def __enter__(self):
        if sys.platform == "linux":  # give back what was freed, so that it counts when it is taken again
            ctypes.CDLL(None).malloc_trim(0)
        self.process, self.stop, self.bytes = psutil.Process(), threading.Event(), 0
        self.before = self._now()
        self.watcher = threading.Thread(target=self._watch)
        self.watcher.start()
        return self

    def _now(self):
        memory = self.process.memory_info()
        return memory.rss - getattr(memory, "shared", 0)

    def _watch(self):
        while not self.stop.wait(0.002):
            self.bytes = max(self.bytes, self._now() - self.before)

    def __exit__(self, *error):
        self.bytes = max(self.bytes, self._now() - self.before)
        self.stop.set()
        self.watcher.join()


# %%
image_name, text_name = {
    "offline": ("efficientnet_lite0", "all-MiniLM-L6-v2"),
    "hub": ("vit_base_patch16_224.augreg_in21k_ft_in1k", "all-mpnet-base-v2"),
}[profile]
image_encoder = load_image_encoder(image_name, device=device)
text_encoder = load_text_encoder(text_name, device=device)
stamps = load_pairs("stamps")
bank = AnchorBank.build(stamps, image_encoder, text_encoder)
print(bank)

# %% [markdown]
# There are no 1.6 million captioned pictures in this workbook, so for questions of size we **make embeddings up**: a few
# hundred concepts in groups, and pictures that lie around their concepts. Two made-up encoders see these, with 256 and
# 128 dimensions. Their accuracies say nothing about any real model. What they cost does, since a dot product takes as
# long whatever the numbers mean; and where a shortcut hurts, we ask real embeddings too.

# %%
CLASSES, LATENT = 100, 64
SCALE = np.arange(1, LATENT + 1, dtype=np.float32) ** -0.5  # few directions count much, as in real encoders


class World:
    """Concepts in groups, and how two encoders that share nothing see them."""

    def __init__(self, d_image=256, d_text=128, concepts=200):
        rng = np.random.default_rng(seed)
        self.widths = {"image": d_image, "text": d_text}
        groups, own = (rng.standard_normal((m, LATENT), np.float32) for m in (concepts // 10, concepts))
        self.centres = (groups[np.arange(concepts) % len(groups)] + 0.5 * own) * SCALE
        self.eyes = {kind: rng.standard_normal((LATENT, d), np.float32) for kind, d in self.widths.items()}

    def pairs(self, count, number, concepts=None):
        """Embeddings of so many pictures and captions, (count, d_image) and (count, d_text), and their concepts."""
        rng = np.random.default_rng([seed + 1, number])
        concept = rng.integers(0, concepts or len(self.centres), count)
        picture = self.centres[concept] + rng.standard_normal((count, LATENT), np.float32) * SCALE
        caption = picture + 0.5 * rng.standard_normal((count, LATENT), np.float32) * SCALE
        return self.see("image", picture, rng), self.see("text", caption, rng), concept

    def see(self, kind, latent, rng):
        noise = rng.standard_normal((len(latent), self.widths[kind]), np.float32)
        return torch.from_numpy(latent @ self.eyes[kind] + 0.3 * noise)


world = World()
many, many_captions, _ = world.pairs(50_000, number=1)
asked, _, asked_concepts = world.pairs(400, number=0, concepts=CLASSES)
many_mean = many.mean(dim=0)
print(f"{len(many):,} made-up anchors in {many.shape[1]} dimensions, {len(asked)} pictures to ask about")

# %% [markdown]
# ## 1 · Where do the seconds go?
#
# Three stages lie between pictures and an answer:
#
# 1. **encode** every anchor, picture and caption, once; later only the pictures that one asks about;
# 2. **search** for each picture the $k$ most similar of $n$ anchors: $q \cdot n \cdot d$ multiplications;
# 3. **score**: compare $q$ sparse vectors with those of $t$ texts.
#
# **Before you run the next cell:** order the three by the time that they take at the paper's size, with 1.6 million
# anchors in 768 dimensions, 10,000 pictures and 7,000 texts (1,000 classes in 7 templates). Which is largest, and by
# what factor: ten? a thousand?

# %%
sample = 48
_, encoding_pictures = seconds_of(lambda: image_encoder.encode(stamps.pictures[:sample], progress=False))
_, encoding_captions = seconds_of(lambda: text_encoder.encode(stamps.captions[:sample], progress=False))
k = 100
q, n, d, t, paper_k = 10_000, 1_600_000, 768, 7_000, 800
method = plan_search(q, n, d, paper_k).method  # that for a search of the paper's size; section 2 says which there are
top_anchors(asked[:2], many[:500], k, method=method)  # the first call compiles, which is no part of the search
(values, indices), searching = seconds_of(lambda: top_anchors(asked, many, k, mean=many_mean, method=method))
pictures = SparseVectors(indices.int(), values.clamp_min(0), len(many))
index = InvertedIndex(pictures)
index.scores(pictures[:2])
_, scoring = seconds_of(lambda: index.scores(pictures))

measured = {
    f"encode {sample} pictures and captions": encoding_pictures + encoding_captions,
    f"search {len(asked)} in {len(many):,}": searching,
    f"score {len(asked)} × {len(asked)}": scoring,
}
factors = [n / sample, q * n * d / (len(asked) * many.numel()), q * t * paper_k / (len(asked) ** 2 * k)]
stages = ["encode the anchors, once", "search", "score"]
paper = dict(zip(stages, (s * f for s, f in zip(measured.values(), factors, strict=True)), strict=True))
here = dict(zip(stages, measured.values(), strict=True))
show(
    stage_bars({"measured here, small": here, "the same rates at the paper's size": paper}),
    "Bars of the seconds of three stages on a logarithmic axis, measured at a small size and computed for the paper's. "
    "At the paper's size encoding the anchors takes by far the longest, then the search.",
)
for name, took in measured.items():
    print(f"on this machine, now: {name}: {duration(took)}")

# %% [markdown]
# **What you see.** The long bar is paid once: who keeps the bank never encodes its anchors again. (Chapter 07 added pairs
# to a bank for that reason.) What is paid for every question is the search. So the rest of this chapter is about the
# search, and about the bank that it reads.
#
# A rate that was measured on something small need not hold for something large. The last bar assumes that
# the number of entries that two sparse vectors share grows as $k$ does; section 8 puts the search to the test.

# %% [markdown]
# ## 2 · The memory wall
#
# The obvious search is one line: `(queries @ anchors.T).topk(k)`. It makes the dense matrix of $q \times n$ cosines.
# The other way goes through the anchors in **blocks** of $b$ rows. It holds one tile of $q \times b$ cosines, and the $k$
# best so far.
#
# ### Exercise 08.1 · How many bytes?
#
# **Difficulty** ●○○○○ · **Minutes** 4
#
# Cosines are float32 numbers of 4 bytes. For each of the $k$ best so far one keeps the cosine and which anchor it is, an
# int64 of 8 bytes. How many bytes hold the dense matrix, and how many the tile and the $k$ best so far of all
# queries?


# %% tags=["exercise"]
def my_bytes(q: int, n: int, b: int, k: int) -> tuple[int, int]:
    """Bytes of the dense matrix (q, n), and of a tile (q, b) with the k best so far, (q, k) values and positions."""
    ### BEGIN SOLUTION
    return 4 * q * n, 4 * q * b + (4 + 8) * q * k
    ### END SOLUTION


# %% tags=["check"]
check_bytes(my_bytes)

# %% [markdown]
# <details><summary>Hint</summary>
#
# A table of $q$ rows and $b$ columns holds $q \cdot b$ numbers. Three tables are held: the tile, the best values, and
# their positions.
#
# </details>
# <details><summary>What you should see</summary>
#
# A green verdict. Call `my_bytes(10_000, 1_600_000, 4_096, 800)` in a cell of your own: 64 GB on the one side. On the
# other, which term is larger? And which of the four letters has disappeared?
#
# </details>

# %% [markdown]
# Now measure. `top_anchors` of the library takes the memory that it may use, and chooses its blocks to fit. It has three
# methods. `"faiss"` leaves the products and the choice of the best to [FAISS](https://faiss.ai), a library for searching
# among vectors. `"torch"` does both in PyTorch, tile by tile. `"bf16"` multiplies in bfloat16, numbers of fewer digits,
# which is the subject of section 3. Unless told, it takes one that suits the machine and the size.
#
# **Before you run the next cell:** the dense matrix of 400 × 50,000 cosines has 80 MB. How much will `topk` take on top
# of it? And will a search that may use a quarter of that give the same anchors?

# %%
unit_asked, unit_many = torch.from_numpy(centred_unit(asked, many_mean)).float(), unit_rows(many, many_mean)
lines = ["| way | MB at one moment | the same answer |", "|---|---|---|"]
dense_ways = {
    "dense matrix": lambda: unit_asked @ unit_many.T,
    "dense matrix, then `topk`": lambda: (unit_asked @ unit_many.T).topk(k),
}
for name, way in dense_ways.items():
    with Peak() as peak:
        held = way()
    del held
    lines.append(f"| {name} | {peak.bytes / 1e6:,.0f} | |")
for memory in (2**24, 2**26):
    with Peak() as peak:
        found = top_anchors(asked, many, k, mean=many_mean, memory=memory)
    same = torch.equal(found[0], values) and torch.equal(found[1], indices)
    lines.append(f"| blocks, allowed {memory / 1e6:,.0f} MB | {peak.bytes / 1e6:,.0f} | {same} |")
display(Markdown("\n".join(lines)))
print(f"the dense ways were given the anchors at length 1, {unit_many.nbytes / 1e6:.0f} MB that are not counted")
for name in ("faiss", "bf16", "torch"):
    found, took = seconds_of(lambda name=name: top_anchors(asked, many, k, mean=many_mean, method=name))
    print(f"{name}: {took:.2f} s now, the same bit for bit: {all(map(torch.equal, found, (values, indices)))}")

# %% [markdown]
# **What you see.** `topk` takes next to nothing; it is the matrix that costs. And memory is a choice. (What is measured
# includes what the operating system gives and takes as it likes, so read it roughly.) The answer is the same, down to the
# last bit, for every block and for three different ways to search. That is not a matter of course. Floating-point sums
# depend on their order, and each way adds up in another one. The library therefore uses the fast way only to find
# candidates; the cosines that it returns are computed once more, one by one, in double precision. Section 3 says how it
# knows that no candidate was missed, for one of the three; the others do the same with a smaller bound on their error.
#
# A second part of "the same answer" is what happens where values tie. Whoever searches in **shards**, parts of a bank on
# several disks or machines, must make one answer of several, and the shards finish in any order.
#
# ### Exercise 08.2 · One answer from many shards
#
# **Difficulty** ●●●○○ · **Minutes** 10
#
# Each shard sends its best anchors: the values, the largest first, and the indices, which count over the whole bank. The
# $k$ best of all are wanted, the largest first. **Of equal values the one with the smaller index comes first**,
# whichever shard was quicker. A shard may have sent fewer than $k$.


# %% tags=["exercise"]
def my_merge(parts: list[tuple[torch.Tensor, torch.Tensor]], k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The k best of the answers of several shards.

    parts: for each shard values (q, m) float32 and indices (q, m) int64, m its own; returns values (q, k) float32 and
    indices (q, k) int64.
    """
    ### BEGIN SOLUTION
    values, indices = (torch.cat(found, dim=1) for found in zip(*parts, strict=True))
    indices, order = indices.sort(dim=1)  # first by index …
    values, again = values.gather(1, order).sort(dim=1, descending=True, stable=True)  # … then by value
    return values[:, :k], indices.gather(1, again)[:, :k]
    ### END SOLUTION


# %% tags=["check"]
check_merge(my_merge)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Join all values and all indices along the second dimension. A sort by two keys is two sorts: first by the lesser key,
# the index, then by the greater, the value, with `stable=True`, which leaves ties as they were. Or
# `np.lexsort((indices, -values))`, which takes the greater key last.
#
# </details>
# <details><summary>What you should see</summary>
#
# A green verdict. **Now break it:** leave out `stable=True`. Which is the first input where it matters? With made-up
# numbers it hardly ever does, which is why such a mistake lives for years; with duplicates sooner or later.
#
# </details>

# %% [markdown]
# ## 3 · Fast, and still exact
#
# A float32 has 24 significant bits. A **bfloat16** keeps 8 of them, in half the space, and many processors multiply
# matrices of them much faster. But 8 bits are two or three decimal digits. Here is what becomes of the cosines.
#
# **Before you run the next cell:** we take the 100 largest of 50,000 products of rounded vectors, and stop
# there. What share of the true 100 best will be among them?

# %%
rounded_asked, rounded_many = round_rows(unit_asked), round_rows(unit_many)
products = (rounded_asked.rows @ rounded_many.rows.T).float()  # in bfloat16, and wider again to look at
by_products = products.topk(k).indices
found = torch.zeros_like(products, dtype=torch.bool).scatter(1, by_products, True).gather(1, indices)
missed = mean_with_interval(1 - found.float().mean(dim=1).numpy(), seed)
record(
    "search in bfloat16 alone: share of the 100 best anchors that is missed",
    missed.value,
    ci=missed.ci,
    n=missed.n,
    note="50,000 made-up anchors; with the bound and the second look none",
)
print(f"of the {k} best anchors, products in bfloat16 alone miss {missed} (pictures)")
worst = float((unit_asked @ unit_many.T - products).abs().max())
print(f"largest error of a product: {worst:.4f}, the rounding of the product itself included")

# %% [markdown]
# That is wrong, if not by much. And it can be repaired for a small price, with three thoughts.
#
# **First: bound the error.** Write $\hat q$ for the rounded $q$ and $\hat a$ for the rounded $a$. Then
#
# $$q \cdot a - \hat q \cdot \hat a = (q - \hat q) \cdot a + \hat q \cdot (a - \hat a).$$
#
# Cauchy and Schwarz say that a dot product is at most the product of the lengths. $a$ has length 1, and $\hat q$ has at
# most $1 + \lVert q - \hat q \rVert$. So no product is off by more than
#
# $$E = \lVert q - \hat q \rVert + (1 + \lVert q - \hat q \rVert) \cdot \max_a \lVert a - \hat a \rVert.$$
#
# ### Exercise 08.3 · How wrong can a product be?
#
# **Difficulty** ●●●○○ · **Minutes** 10
#
# Compute $E$ for each query. You may look at the vectors and at what rounding made of them, not at any
# product of a query and an anchor: these products are the work that we want to save.


# %% tags=["exercise"]
def my_bound(
    queries: torch.Tensor, rounded_queries: torch.Tensor, anchors: torch.Tensor, rounded_anchors: torch.Tensor
) -> torch.Tensor:
    """A bound on the error of every product of a query, (q,) float32.

    queries: (q, d), anchors: (n, d), rows of length 1; rounded_queries, rounded_anchors: the same shapes, rounded.
    """
    ### BEGIN SOLUTION
    lost = (queries - rounded_queries).norm(dim=1)
    largest = (anchors - rounded_anchors).norm(dim=1).max()
    return lost + (1 + lost) * largest
    ### END SOLUTION


# %% tags=["check"]
check_error_bound(my_bound)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `(queries - rounded_queries).norm(dim=1)` is the length of each row of the difference. One number for the anchors, the
# largest; one number for each query.
#
# </details>
# <details><summary>What you should see</summary>
#
# A green verdict. The check rounds much more coarsely than bfloat16 does, so that every term of the formula can be seen.
# **Now break it:** leave out the 1 +. With bfloat16 you would never notice; a bound must hold all the same.
#
# </details>

# %% [markdown]
# **Second: keep whoever may belong.** Let $T$ be the $k$-th largest of the rounded products of a query. Which anchors can
# be among the true $k$ best? Not only those from $T$ upwards: each product may be too small by $E$, and $T$ may be too
# large by $E$.
#
# ### Exercise 08.4 · Who must be kept?
#
# **Difficulty** ●●○○○ · **Minutes** 8
#
# Return a mask of the anchors that must be kept, so that the true $k$ best are certainly among them, and of no others.
# Anchors that tie with the last place count as belonging.


# %% tags=["exercise"]
def my_candidates(products: torch.Tensor, k: int, bound: torch.Tensor) -> torch.Tensor:
    """Who may be among the k best, (q, n) bool.

    products: (q, n), each off by at most bound: (q,).
    """
    ### BEGIN SOLUTION
    threshold = products.topk(k, dim=1).values[:, -1]
    return products >= (threshold - 2 * bound)[:, None]
    ### END SOLUTION


# %% tags=["check"]
check_keep(my_candidates)

# %% [markdown]
# <details><summary>Hint</summary>
#
# At least $k$ anchors have a product of $T$ or more. How small can their true cosines be? So how large is the true
# cosine in place $k$ at least? And how small can the product of an anchor be that reaches it?
#
# </details>
# <details><summary>What you should see</summary>
#
# A green verdict. Each of the two steps of the argument costs one $E$. **Now break it:** use $T - E$, and read which
# of the two steps you lost.
#
# </details>

# %% [markdown]
# **Third: look again.** The few that were kept get their true cosine, in double precision, and the $k$ best of these
# are the answer. It is exact, not in most cases but always: who was dropped could not have belonged.
#
# The next figure shows one picture's decision, that in which the rounded products alone would lose the most. Each mark is
# an anchor near the threshold; the rows come from the 8 bits, which allow only so many values. (A product is rounded
# itself in the end, which $E$ does not cover. So the library begins not at $T$ but midway to the next lower value, since
# what was rounded to $T$ may have been as little as that, takes $2E$ off, and rounds what is left as products are.)
#
# **Before you run the next cell:** an exact answer needs the true cosine of every anchor that is kept. With $k = 100$
# of 50,000, will that be 110 anchors, 200, or 2,000?


# %% tags=["figure"]
def sieve_of(unit_queries, unit_anchors, k):
    """The library's search in bfloat16, as far as the second thought."""
    sieve = Sieve(round_rows(unit_queries), k, limit=max(4 * k, 2_048))
    sieve.feed(round_rows(unit_anchors), start=0)
    return sieve


def kept_by(sieve):
    """How many anchors it keeps for each query."""
    return np.array([len(positions) for positions in sieve.candidates()])


sieve = sieve_of(unit_asked, unit_many, k)
kept, lowest = kept_by(sieve), sieve.lowest()
thresholds = products.topk(k).values[:, -1]
row = int((products.gather(1, indices) < thresholds[:, None]).sum(dim=1).argmax())  # the most right answers below T
show(
    around_the_threshold(unit_many @ unit_asked[row], products[row], k, float(lowest[row])),
    "Rounded products against true cosines of anchors near the threshold. The products stand in rows, as 8 bits allow. "
    "All of the k best lie above the lower line, some of them below the upper one; between the lines are also anchors "
    "that are kept in vain.",
)
found = mean_with_interval(kept / k, seed)
record(
    "exact search in bfloat16: anchors looked at again for each of the 100 best",
    found.value,
    ci=found.ci,
    n=found.n,
    unit="anchors",
    note="50,000 made-up anchors",
)
error = rounded_asked.error + (1 + rounded_asked.error) * rounded_many.error
print(f"E = {error:.4f}, T = {thresholds[row]:.4f}, kept from {lowest[row]:.4f} on")
print(f"kept for the {len(kept)} pictures: {kept.min()} to {kept.max()} anchors")

# %% [markdown]
# **What you see.** Triangles between the two lines are right answers that the rounded products alone would have lost;
# squares are the price. How high is it elsewhere? That depends on how crowded it is around place $k$.

# %%
stamp_rows = unit_rows(bank.image, bank.image_mean)
sizes = [10, 20, 50, 100, 200, 400]
show(
    line_chart(
        {
            "793 stamps": (sizes, [kept_by(sieve_of(stamp_rows[:100], stamp_rows, m)).mean() / m for m in sizes]),
            "50,000 made-up anchors": (
                sizes,
                [kept_by(sieve_of(unit_asked[:100], unit_many, m)).mean() / m for m in sizes],
            ),
        },
        xlabel="k (log scale)",
        ylabel="anchors kept / k",
        logx=10,
    ),
    "Anchors kept for each of the k best, against k, for stamps and for made-up anchors: between one and about two; for "
    "the made-up ones it falls as k grows.",
)

# %% [markdown]
# Can one make it fail? Put one anchor into the bank three thousand times, each copy moved by less than bfloat16 can see,
# and ask for something near it. All copies look the same, and which of them are the best is decided in digits that
# rounding took away.
#
# **Before you run the next cell:** will the search be wrong, refuse, or be slow?

# %%
generator = torch.Generator().manual_seed(seed)
copies = many[3] + 1e-4 * torch.randn(3_000, many.shape[1], generator=generator)
crowd = torch.cat([many[:5_000], copies])
crowd_mean = crowd.mean(dim=0)
near = copies[:2] + 0.2 * torch.randn(2, many.shape[1], generator=generator)
near_unit = torch.from_numpy(centred_unit(near, crowd_mean)).float()
given_up = sieve_of(near_unit, unit_rows(crowd, crowd_mean), k).overflown
answers = {name: top_anchors(near, crowd, k, mean=crowd_mean, method=name) for name in ("bf16", "faiss", "torch")}
everything = centred_unit(crowd, crowd_mean) @ centred_unit(near, crowd_mean).T  # all of them, in double precision
best = torch.from_numpy(np.sort(everything.astype(np.float32), axis=0)[::-1][:k].T.copy())
print(f"candidates that a query may keep: {max(4 * k, 2_048):,}; given up, since there were more: {given_up.tolist()}")
for name, (mine, where) in answers.items():
    equal = torch.equal(mine, best) and torch.equal(where, answers["bf16"][1])
    print(f"{name}: exact all the same: {equal}")

# %% [markdown]
# **What you see.** Where more must be kept than a list of bounded length takes, the search notices, gives that query up,
# and asks again in another way, in the end by comparing with every anchor. The price of a bad case is time. An answer
# that might be wrong is not on offer.

# %% [markdown]
# ## 4 · The inverted index
#
# After the search every picture and every text is a list of $k$ anchors with values, and their score is the sum of
# products over the anchors that they share. With 10,000 pictures and 7,000 texts there are 70 million pairs of lists.
# Most of them share next to nothing.
#
# Search engines had this problem first: documents are lists of words, too. They keep for each word the list of documents
# in which it occurs. Here it is, for each anchor, the list of texts that have an entry there: an **inverted index**. To
# score a picture one goes through its $k$ anchors, and only through the texts that are found at these.
#
# ### Exercise 08.5 · An inverted index
#
# **Difficulty** ●●●●○ · **Minutes** 15
#
# Build the index of $t$ captions, score one picture with all of them, and tell how many entries of the index you looked
# at. Building counts for nothing: it is done once, and used for all pictures. All values are above 0.


# %% tags=["exercise"]
def my_scores(
    indices: torch.Tensor, values: torch.Tensor, query_indices: torch.Tensor, query_values: torch.Tensor
) -> tuple[torch.Tensor, int]:
    """The scores of t captions, (t,) float32, and how many entries were looked at.

    indices: (t, k) int32, values: (t, k) float32, a caption in each row; query_indices: (m,) int32, query_values: (m,).
    """
    ### BEGIN SOLUTION
    postings = {}  # anchor: list of (caption, value)
    for caption, (anchors, entries) in enumerate(zip(indices.tolist(), values.tolist(), strict=True)):
        for anchor, entry in zip(anchors, entries, strict=True):
            postings.setdefault(anchor, []).append((caption, entry))
    scores, looked = torch.zeros(len(indices)), 0
    for anchor, value in zip(query_indices.tolist(), query_values.tolist(), strict=True):
        for caption, entry in postings.get(anchor, []):
            scores[caption] += value * entry
            looked += 1
    return scores, looked
    ### END SOLUTION


# %% tags=["check"]
check_inverted_index(my_scores)

# %% [markdown]
# <details><summary>Hint</summary>
#
# A dictionary from anchor to a list of (caption, value): `postings.setdefault(anchor, []).append((caption, entry))`.
# Turn tensors into plain numbers with `.tolist()`. An anchor that no caption has is not in the dictionary:
# `.get(anchor, [])`.
#
# </details>
# <details><summary>What you should see</summary>
#
# A green verdict. One input has indices up to 1.6 million and is as quick as the others: nothing has a side of $n$. The
# library's index is the same thing, with the lists one behind the other in one array, compiled (`asif_lib/inverted.py`).
#
# </details>

# %% [markdown]
# A label is often put into several prompt templates, and its score is the mean over these (chapter 05). There are two
# ways: score every prompt, then take means; or take the mean of the label's vectors first, and score that. A score is
# a sum of products, so the two are equal: $\frac{1}{m} \sum_j x \cdot y_j = x \cdot \frac{1}{m} \sum_j y_j$. The second
# way merges lists that have most of their anchors in common.
#
# **Before you run the next cell:** with 7 templates, how many times fewer entries will the index of the means have: 7?
# Or fewer? What would it be if all 7 prompts of a label chose the same anchors?

# %%
fashion = load_labelled("fashion_mnist")
TEMPLATES = [
    "a photo of a {}.", "a {}", "a grey {}", "a picture of a {}.", "a photo of a {} on white.", "the {}", "a small {}.",
]  # fmt: skip
prompts = embed(text_encoder, make_prompts(fashion.classes, TEMPLATES), progress=False)
texts = ASIF(bank, device=device).texts(prompts)
held = ASIF(bank, device=device).images(bank.image[:100])
each, merged = InvertedIndex(texts), InvertedIndex(texts, templates=len(TEMPLATES))
before = each.scores(held).unflatten(1, (len(fashion.classes), len(TEMPLATES))).mean(dim=2)
after = merged.scores(held)
print(f"{len(texts)} prompts: {len(each.entries):,} entries; {len(fashion.classes)} labels: {len(merged.entries):,}")
print(f"largest difference of the scores: {float((before - after).abs().max()):.1e}")

# %% [markdown]
# **What you see.** Fewer than 7. If all 7 prompts of a label chose the same anchors, their merged list would be as long
# as one of them, and the index 7 times smaller. If they had no anchor in common, it would be as large as before. Prompts
# of one label lie between the two.
#
# What remains is to see what the index saves. Three ways to the same scores: vectors of length $n$ and a matrix product;
# scipy's product of sparse matrices; the index. The vectors are those of section 1, so $n$ is 50,000.
#
# **Before you run the next cell:** the dense way makes $q \cdot t \cdot n$ multiplications. How many does the index make?

# %%
ways = {
    "dense matrix product": lambda: pictures.to_dense() @ pictures[:200].to_dense().T,
    "scipy, sparse": lambda: torch.from_numpy((pictures.to_csr() @ pictures[:200].to_csr().T).toarray()),
    "inverted index, built and used": lambda: InvertedIndex(pictures[:200]).scores(pictures),
}
results = {name: seconds_of(way) for name, way in ways.items()}
reference = results["dense matrix product"][0]
multiplied = int((np.diff(InvertedIndex(pictures[:200]).starts)[pictures.indices.numpy()]).sum())
for name, (scores, took) in results.items():
    print(f"{name}: {duration(took)} now, off by at most {float((scores - reference).abs().max()):.0e}")
print(f"multiplications: dense {len(pictures) * 200 * pictures.n:,}; index {multiplied:,}")

# %% [markdown]
# **What you see.** The two sparse ways multiply only where something is shared. At this small size both take next to no
# time, and which of them is quicker depends on what else the machine does. At the paper's size it matters; there
# `benchmarks/` measures it.

# %% [markdown]
# ## 5 · Half the bytes
#
# The bank itself is the next thing that does not fit. Embeddings in half precision take 2 bytes a number. There are two
# kinds: **float16** has 11 significant bits and a narrow range of sizes, **bfloat16** 8 bits and the range of float32.
# `bank.to(torch.float16)` makes one. This time nothing can be repaired: what is not stored is gone. So we
# measure what it costs, in decisions.
#
# The bank is made as in chapter 07: 793 stamps and 20 captioned pictures of each of ten kinds of clothing. The questions
# are the 1,000 test pictures of Fashion-MNIST and the 150 test stamps of chapter 05 (held out of the anchors where they
# are asked). Both were opened there; nothing is chosen on them here.
#
# **Before you run the next cell:** of 1,000 decisions, how many will change with 11 bits? And with 8?

# %%
TEMPLATE = "a photo of a {}."
drawn = fashion.split("train").sample(1_000, seed)
lesson = drawn.subset([i for c in range(len(fashion.classes)) for i in np.flatnonzero(drawn.labels == c)[:20]])
clothes = Pairs(
    "clothes",
    [ImageOps.invert(picture) for picture in lesson.pictures],
    [TEMPLATE.replace("{}", fashion.classes[label]) for label in lesson.labels],
    [f"fashion_mnist/{i}" for i in range(len(lesson))],
    [f"fashion_mnist/{fashion.classes[label]}" for label in lesson.labels],
    {},
    lesson.licence,
)
taught = bank.add(clothes, image_encoder, text_encoder, progress=False)
test = fashion.split("test").sample(1_000, seed)
z_test = embed(image_encoder, [ImageOps.invert(picture) for picture in test.pictures], progress=False)
labels = embed(text_encoder, [TEMPLATE.replace("{}", name) for name in fashion.classes], progress=False)
stamps_asked = bank.subset(stamps.splits["test"])
others = stamps.splits["train"] + stamps.splits["validation"] + list(range(len(bank), len(taught)))
captions = [stamps.captions[i] for i in stamps.splits["test"]]


def answers_of(bank):
    """Of each test picture of clothing, the label; of each test stamp, the mean of R@1 and R@10 over both directions."""
    model = ASIF(bank, p=8, device=device)
    scores = ASIF(bank.subset(others), device=device).similarity(stamps_asked.image, stamps_asked.text)
    same = same_text(captions, captions)
    recall = np.mean([ranks(s, same) < top for s in (scores, scores.T) for top in (1, 10)], axis=0)
    return model.similarity(z_test, labels).argmax(dim=1).numpy(), recall


precise, precise_recall = answers_of(taught)
right = precise == test.labels
lines = ["| stored as | MB at 1.6 M pairs, 768 + 384 | clothing: accuracy | decisions changed | points lost or won, 95 % "
         "interval | stamps: points of mean recall |", "|---|---|---|---|---|---|"]  # fmt: skip
for dtype in (torch.float32, torch.float16, torch.bfloat16):
    chosen, recall = answers_of(taught.to(dtype))
    gap, of_stamps = compare(chosen == test.labels, right), paired_difference(recall, precise_recall, seed)
    name = str(dtype).removeprefix("torch.")
    change = f"{100 * gap.value:+.2f} [{100 * gap.low:+.2f}, {100 * gap.high:+.2f}]"
    of_recall = f"{100 * of_stamps.value:+.2f} [{100 * of_stamps.low:+.2f}, {100 * of_stamps.high:+.2f}]"
    if dtype == torch.float32:
        change = of_recall = "–"
    else:
        record(
            f"embeddings stored as {name} instead of float32: change of accuracy on Fashion-MNIST",
            100 * gap.value,
            ci=(100 * gap.low, 100 * gap.high),
            n=gap.n,
            unit="points",
            note="793 stamps and 200 pairs of clothing as anchors",
        )
    lines.append(
        f"| {name} | {1.6e6 * (768 + 384) * dtype.itemsize / 1e6:,.0f} | {(chosen == test.labels).mean():.1%} "
        f"| {(chosen != precise).sum()} of {len(chosen)} | {change} | {of_recall} |"
    )
display(Markdown("\n".join(lines)))

# %% [markdown]
# **What you see.** Hardly a decision changes, if any: only those can that hung by a hair, and they may change in either
# direction. Note the interval. Where not one decision of 1,000 changed, a bootstrap sees no spread and claims to be
# certain; the last column is one, and does just that where it says [+0.00, +0.00]. An honest interval still reaches about
# 3.7 in 1,000 to each side, as far as that many questions can see. Whether a loss of that size would matter is for you to
# say, beforehand.
#
# Half precision is how banks of size are stored here (`asif bank build NAME --precision float16`). It is no reason to
# search in half precision: the exact search of section 2 reads the stored numbers and computes with all digits.

# %% [markdown]
# ## 6 · Approximate search
#
# So far no answer changed but by storage. One can also decide to look at fewer anchors. An **approximate index**
# sorts the anchors beforehand, so that a search may pass over most of them:
#
# - **IVF** puts them into lists around centres, and searches the few lists whose centres are nearest; how many is its
#   knob, `nprobe`. (The centres come from k-means: each anchor goes to its nearest centre, each centre moves to the mean
#   of its anchors, and so on.)
# - **PQ** keeps each anchor in a few bytes, and looks at the most promising ones again;
# - **HNSW** links each anchor to near ones, and walks along the links.
#
# Each has such a knob for its effort. The usual measure is **recall**: the share of the true $k$ best that it finds. But an
# anchor in place 700 of 800 hardly has a say in a score, above all with a large $p$. What counts is whether *decisions*
# change for the worse.
#
# **Before you run the next cell:** IVF on 20,000 made-up anchors, with the paper's $k = 800$ and $p = 8$. If an index
# finds three fifths of the right anchors, how many points of accuracy will that cost: 40? 10? 1? And if it finds seven
# tenths, but with $k = 100$ and $p = 4$: more, or less?

# %%
IMAGE, TEXT = (
    EncoderIdentity(kind, "made up", "seed", "0" * 64, "none", d) for kind, d in (("image", 256), ("text", 128))
)
MARGIN = 2.0  # points of accuracy that we would not miss: said before looking


def made_up_bank(name, n):
    """A bank on disk of the first n made-up pairs, in half precision."""
    image, text, _ = (many, many_captions, None) if n <= len(many) else world.pairs(n, number=1)
    table = pd.DataFrame({"id": [str(i) for i in range(n)], "caption": "made up", "picture": "", "group": ""})
    new = AnchorBank(name, image[:n].half(), text[:n].half(), table, IMAGE, TEXT)
    return AnchorBank.load(new.save(Path(folder.name) / name))


to_search = made_up_bank("to-search", 20_000 if fast else 200_000)
ivf, building = seconds_of(lambda: build_index(to_search, "image", "ivf", lists=128, progress=False))
tried, _, tried_concepts = world.pairs(800, number=2, concepts=CLASSES)
names = world.see("text", world.centres[:CLASSES], np.random.default_rng(2))
validation = ValidationSet(tried, names, tried_concepts)
efforts = [1, 2, 4, 8, 16, 32]
tables = {(k, p): walk(ivf, validation, k, p, efforts=efforts, progress=False) for k, p in ((800, 8), (100, 4))}
table = tables[800, 8]
tuned = choose(table, MARGIN)
show(
    knob_curves(table, MARGIN, tuned.effort),
    "Above, recall and the share of equal decisions against nprobe, for k = 800 and p = 8: both rise, and recall is the "
    "lower one. Below, the accuracy less that of exact search with its interval, and the margin: it comes near 0 as "
    "nprobe grows.",
)
print(f"building the index took {duration(building)} now; {table.attrs['n']} validation pictures")
print(f"k = 800, p = 8, margin {MARGIN:g} points: {tuned}")
columns = {"recall": "{:.0%}", "difference": "{:+.1%}", "low": "{:+.1%}", "high": "{:+.1%}", "speedup": "{:.2f}"}
both = pd.concat({f"k = {a}, p = {b}": t.set_index("effort")[list(columns)] for (a, b), t in tables.items()}, axis=1)
display(both.style.format({name: columns[name[1]] for name in both}))

# %% [markdown]
# **What you see.** Recall and accuracy are two different curves, and the one does not tell the other. With `fast = True`,
# among 20,000 anchors, an index may miss a good part of the 800 right ones and lose hardly a decision: whoever tunes for
# a recall of 99 % pays for anchors that nobody hears. With $k = 100$ and $p = 4$ a higher recall may cost more there.
# With 200,000 anchors it is otherwise: there the large $k$ may be the one that loses more. (And where few lists are
# searched there may be fewer than $k$ candidates at all.) So no recall is "good enough" in itself: count decisions, on a
# bank like yours.
#
# ### Exercise 08.6 · How hard must one look?
#
# **Difficulty** ●●●●● · **Minutes** 20
#
# An open question with a strict answer. For each setting of the knob you know which validation pictures got their label.
# Choose the **cheapest setting whose loss of accuracy you can show to be smaller than the margin**: by the paired 95 %
# interval, which must lie above minus the margin as a whole, and which must not claim to be certain where no decision
# changed (section 5). Only a loss counts; to be better than exact search is no fault. If no setting will do, return 0,
# which means: search exactly.
#
# Then investigate, in cells of your own. `walk(ivf, validation, k, p)` makes the table above for other $k$ and $p$;
# `build_index(to_search, "image", "pq")` and `"hnsw"` build the other two kinds. Where does an index pay? How does the
# setting that you need change with $p$? With $k$?


# %% tags=["exercise"]
def my_knob(efforts: list[int], right: torch.Tensor, exact: torch.Tensor, margin: float) -> int:
    """The smallest effort that is good enough, or 0.

    efforts: m settings; right: (m, n) bool, which of n pictures each got right; exact: (n,) bool, the same for exact
    search; margin: a share, 0.02 for two points.
    """
    ### BEGIN SOLUTION
    good = [e for e, mine in zip(efforts, right, strict=True) if compare(mine, exact).low > -margin]
    return min(good, default=0)
    ### END SOLUTION


# %% tags=["check"]
check_knob(my_knob)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `compare(a, b)`, imported above and used in section 5, is the mean of $a - b$ over the same pictures with its paired
# interval, `.low` and `.high`, which reaches at least as far as that many pictures can see. Which end says how large the
# loss may be? This is chapter 07's "unchanged", with one side left out.
#
# </details>
# <details><summary>What you should see</summary>
#
# A green verdict. Two inputs have too few pictures to show anything, and 0 is the right answer there: on the last not one
# decision changed, and still 60 pictures cannot show that two points are not lost. In your own experiments look at the
# column `speedup`, too, and run them more than once: on a busy machine it is mostly noise.
#
# </details>

# %% [markdown]
# When does it pay? Three things must come together: many questions (the index must be built), neighbours that lie
# together (or the lists are no use), and a $k$ that is small beside a list. ASIF's $k = 800$ is large for an index: each
# of the 800 must be compared again. `benchmarks/approximate.py` measures it, with `--n 1600000` at size, against exact
# search on the same machine; read its table before you believe anybody's speedup, ours included.

# %% [markdown]
# ## 7 · Past one machine
#
# A search over shards is many searches and one merge. Exercise 08.2 was the merge; `asif_lib.cluster.distributed` is the rest,
# on [Dask](https://www.dask.org): a **scheduler** hands out tasks, **workers** do them, each reading its own part of the
# bank from disk. `connect()` starts workers as processes on your own cores; with an address, or `"slurm"`, the same
# code runs on a cluster.
#
# **Before you run the next cell:** two workers of one thread each share your cores with the notebook. Will they be twice
# as fast as one process with two threads? And will the result be equal, or nearly?

# %%
shared = made_up_bank("shared", len(many) if fast else 400_000)
client = connect(workers=2)
print(f"Dask's dashboard, while the cluster runs: {client.dashboard_link}")
ask = {"queries": asked, "bank": shared, "kind": "image", "k": k, "shard": len(shared) // 16, "progress": False}
anchors, mean = shared.searchable("image")
alone, took_alone = seconds_of(lambda: top_anchors(asked, anchors, k, mean=mean))
distributed_top_anchors(client, **ask)  # the first time the workers load and compile what they need
together, took_together = seconds_of(lambda: distributed_top_anchors(client, **ask))
print(f"one process: {duration(took_alone)}; two workers: {duration(took_together)}, now")
print("the same, bit for bit:", all(map(torch.equal, together, alone)))

# %% [markdown]
# **What you see.** Equal, to the last bit. Time is another matter: nobody gains cores by starting processes, and to hand
# out tasks costs something. It begins to pay where the second worker is another machine.
#
# With many machines, one of them will fail. So we kill a worker on purpose, with the signal that no process can catch,
# when about a quarter of the work is done. A moment later its **nanny** starts another.
#
# **Before you run the next cell:** what is lost: the whole search, half of it, or less? Will the answer be the same?


# %%
def kill_when_busy(client, after):
    """Kill the first worker so many seconds after it has begun to work; return where it will be told who, and when."""
    scheduler = client.cluster.scheduler
    (address, pid), *_ = sorted(client.run(os.getpid).items())
    told = {}

    def watch():
        while not scheduler.workers[address].processing:
            sleep(0.005)
        sleep(after)
        os.kill(pid, signal.SIGKILL)
        told.update(worker=address, at=time())

    thread = threading.Thread(target=watch)
    thread.start()
    return told, thread


with get_task_stream(client) as stream:
    told, thread = kill_when_busy(client, after=took_together / 4)
    after_a_loss, took = seconds_of(lambda: distributed_top_anchors(client, **ask))
    thread.join()
searches = [task for task in stream.data if task["key"].startswith("_search") and task["status"] == "OK"]
begin = min(part["start"] for task in searches for part in task["startstops"])
workers = {address: number for number, address in enumerate(
    dict.fromkeys([told["worker"], *(task["worker"] for task in searches)]), 1
)}  # fmt: skip
timeline = [
    (workers[task["worker"]], number, part["start"] - begin, part["stop"] - begin)
    for number, task in enumerate(sorted(searches, key=lambda task: task["startstops"][0]["start"]), 1)
    for part in task["startstops"]
    if part["action"] == "compute"
]
show(
    cluster_timeline(timeline, (workers[told["worker"]], told["at"] - begin)),
    "Who searched when: worker 1 stops where it was killed, and the others take over what it had not finished. The "
    "searches are numbered in the order in which they began.",
)
print(f"a worker was killed; the search took {duration(took)} instead of {duration(took_together)}, now")
print("the same, bit for bit:", all(map(torch.equal, after_a_loss, alone)))

# %%
family = [p for p in psutil.Process().children(recursive=True) if "spawn_main" in " ".join(p.cmdline())]
client.close()
_, alive = psutil.wait_procs(family, timeout=10)
print(f"the cluster is closed; of {len(family)} worker processes left: {len(alive)}")

# %% [markdown]
# **What you see.** What a worker had finished was sent off at once and is safe. What it was working on is done again by
# another. A task has no state of its own, its result depends on the bank and the queries alone, and so it does not
# matter who does it, or how often.

# %% [markdown]
# ## 8 · The cost curve
#
# Now the measurement that section 1 promised: the same search for growing banks, with `memory=2**26`. The anchors lie in a
# file in half precision and are mapped, not read: the operating system brings in the pages that are needed. (On Linux
# these pages are not counted as memory of the search; elsewhere the system does not tell them apart.)
#
# **Before you run the next cell:** with both axes logarithmic, what slope will the curve of time have? Where will
# it bend, and why? And the curve of memory?

# %%
wide = 256 if fast else 768
wanted = [1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000] + (
    [] if fast else [200_000, 400_000, 800_000, 1_600_000]
)
room = shutil.disk_usage(folder.name).free // 2
growing = [n for n in wanted if n * wide * 2 <= room]
if growing != wanted:
    print(f"your disk ends here: room for {growing[-1]:,} anchors, not for {wanted[-1]:,}")
file = Path(folder.name) / "anchors.bin"
large_world = world if fast else World(d_image=wide)
with file.open("wb") as out:
    for number, first in enumerate(range(0, growing[-1], 50_000)):
        block, _, _ = large_world.pairs(min(50_000, growing[-1] - first), number=10 + number)
        out.write(block.half().numpy().tobytes())
stored = torch.from_file(str(file), size=growing[-1] * wide, dtype=torch.float16).view(-1, wide)
large_asked, _, _ = large_world.pairs(256, number=0)
runs = {n: [] for n in growing}
for attempt in range(3):  # all sizes in turn, so that what else the machine does disturbs all of them
    for n in growing:
        if attempt == 0 or n <= 200_000:  # the largest, with fast = False, take long: once is enough
            with Peak() as peak:
                _, took = seconds_of(lambda n=n: top_anchors(large_asked, stored[:n], k, method=method, memory=2**26))
            runs[n].append((took, peak.bytes))
sizes = np.array(growing)
seconds = np.array([min(took for took, _ in runs[n]) for n in growing])
memory = [max(size for _, size in runs[n]) for n in growing]
(fixed, per_anchor), _ = nnls(np.stack([1 / seconds, sizes / seconds], axis=1), np.ones(len(sizes)))  # relative errors
raw = np.polyfit(np.log(sizes), np.log(seconds), 1)[0]
slope = np.polyfit(np.log(sizes[-3:]), np.log(seconds[-3:] - fixed), 1)[0]  # the largest: there it is the smaller part
show(
    cost_curves(sizes, seconds, (fixed, per_anchor), memory, 4 * len(large_asked) * sizes),
    "Left, seconds against the number of anchors on logarithmic axes: a line of slope 1 that flattens to the left, where "
    "the fixed cost counts. Right, memory: the dense matrix grows without end, the search in blocks stays level.",
)
print(
    f"slope of all points: {raw:.2f}; of the three largest, the fixed cost of {duration(fixed)} taken off: {slope:.2f}"
)
print(
    f"by this line, {len(large_asked)} questions to 1.6 million: {duration(fixed + per_anchor * 1.6e6)}, this machine"
)

# %% [markdown]
# **What you see.** A slope of 1 says: twice the anchors, twice the time. Below, the curve flattens, since starting
# a search costs something whatever $n$ is. (A slope fitted through all points mixes the two, and promises too much at
# large $n$.) Memory rises until the blocks are as large as they may be, and then no more; for few anchors the dense
# matrix would take less. The curve of time goes on like this until the file no longer fits into the memory that the
# system has for reading; then each search reads from the disk, and time jumps to what the disk can do. Where that is on
# your machine, `fast = False` may tell.

# %% [markdown]
# ## 9 · On paper
#
# Beyond that, one computes before one buys. `estimate_costs` takes what one machine was measured to do, and adds up bytes and
# seconds for any number of pairs and machines. Here are the rates of *your* machine, from section 1 (merging: ours).
#
# **Before you run the next cell:** a billion pairs on 100 machines like this one. Days or months to encode? And to
# answer 10,000 questions: seconds, minutes, hours?

# %%
mine = Machine(
    pictures=sample / encoding_pictures,
    captions=sample / encoding_captions,
    products=len(asked) * many.numel() / searching,
)
lines = [
    "| pairs | machines | bank | of it on each | to build | to answer 10,000 | network |",
    "|---|---|---|---|---|---|---|",
]
for count, machines in ((1_600_000, 1), (12_000_000, 1), (12_000_000, 8), (400_000_000, 32), (1_000_000_000, 100)):
    cost = estimate_costs(count, machines, network=1.25e9, machine=mine)
    answering = cost.search_seconds + cost.network_seconds + cost.merge_seconds
    lines.append(
        f"| {count:,} | {machines} | {cost.bank_bytes / 1e9:,.0f} GB | {cost.machine_bytes / 1e9:,.1f} GB "
        f"| {duration(cost.encode_seconds)} | {duration(answering)} | {cost.network_bytes / 1e9:,.1f} GB |"
    )
display(Markdown("\n".join(lines)))

# %% [markdown]
# **What you see.** Encoding is the bill, as in section 1, and it divides by the number of machines (a GPU divides it by
# much more). The search divides, too; what the client must merge does not. The numbers are only as good as the rates,
# which were taken from a second of work: treat them as an order of magnitude.
# `notebooks/beyond_one_machine.md` in the repository tells how to run this on a university cluster, and how the plan
# was made.
#
# The temporary folder goes now, with the banks in it.

# %%
folder.cleanup()

# %% [markdown]
# Which exercises of this chapter have you solved? (Kept on this machine only.)

# %%
show_progress("08")

# %% [markdown] tags=["teacher"]
# ### Timing
#
# **50 minutes.** Section 1 with its prediction on the board (8 minutes), 08.1 (5), section 3 with 08.4 and the figure
# (20; give the bound of 08.3 as a fact), the kill in section 7 (7), section 8 (5), 5 minutes for the summary. At home: 08.2,
# 08.3, 08.5, sections 5 and 6.
#
# **90 minutes.** Sections 1 and 2 with 08.1 and 08.2 (25), section 3 with 08.3 and 08.4 (30; derive $T - 2E$ in pairs,
# each explaining one of the two steps), section 5 or 6 with a vote beforehand on the margin (15), section 7 with the
# dashboard on the projector (10), sections 8 and 9 (10). At home: 08.5 and 08.6.
#
# ### What students get wrong
#
# - *"Equal bits are a matter of course."* Seen as no surprise that three methods agree in every bit. Let them compare
#   `unit_asked @ unit_many.T` with the same made one picture at a time,
#   `torch.stack([one @ unit_many.T for one in unit_asked])`, and count where the two differ. Ask in which order each adds.
# - *"$T - E$ is enough."* Seen in 08.4. Ask who could be wrong in which direction: the one who is dropped, and the one in
#   place $k$.
# - *"The bound is what we measured."* Seen in 08.3 as the largest error of all products. Ask what was saved then.
# - *"topk breaks ties by index."* Seen in 08.2. Ask for the documentation's sentence on ties; there is none to rely on.
# - *"Recall 75 %, so a quarter of the accuracy is gone."* Ask what an anchor in place 90 adds to a score with $p = 4$.
# - *"Not significantly worse, so fine."* Seen in 08.6, as in 07.3. Ask what 60 pictures could show, even if no decision
#   changed.
# - *"More workers, more speed."* Ask how many cores there are, and who is using them.
# - *"The slope is 0.9, so it scales better than linearly."* Seen in section 8. Ask what the fixed cost does to
#   the left end of a line on logarithmic axes.
#
# ### Discussion
#
# 1. Why is the exact search not simply done in double precision from the start?
#
# > **Answer.** It would be: several times slower, since processors do fewer such products at a time, and twice the
# > memory has to be moved. Double precision is used where it decides, on the few candidates.
#
# 2. The mean over templates can be taken before the scores. Can the maximum?
#
# > **Answer.** No. The largest of several sums is not a sum over the same terms: which prompt is best differs
# > from picture to picture. The index must then score all prompts.
#
# 3. A colleague stores embeddings as int8, one number for the scale of each row. What would you ask for?
#
# > **Answer.** The same table as in section 5, on questions that matter, with a margin that was named before. And
# > which part of the pipeline computes with the 8 bits, and which only stores them.
#
# 4. Why does a killed worker not change the result, and when would it?
#
# > **Answer.** Tasks are functions of data that is not changed; to do one again gives the same. It would change if tasks
# > added to something shared, if values depended on the block in which they were computed, or if ties went to whoever
# > comes first. All three are common.
#
# 5. What does the curve of section 8 not tell about 1.6 million anchors?
#
# > **Answer.** What happens beyond memory. The line holds as long as the file stays in the system's cache. Look at the
# > last points with `fast = False`, and at how much memory the machine has.

# %% [markdown]
# ## Summary
#
# - Encoding is paid once for an anchor, the search for every question: $q \cdot n \cdot d$ multiplications.
# - In blocks, memory is a number that you state; the dense matrix never exists.
# - Fast and exact: a rounded product, a bound on its error, everything kept that may belong ($T - 2E$), and a second look at
#   the few. Where more must be kept than a list of bounded length takes, the search notices and takes the slow way.
# - An inverted index compares what is shared and nothing else. The mean over templates can be taken before.
# - Half precision halves the bank. What it costs is counted in decisions, with an interval that does not claim more than
#   the number of questions allows.
# - An approximate index is tuned by the accuracy that may be lost, with a margin named beforehand. Recall is
#   another curve.
# - Shards, tasks without state and ties by index: so a cluster gives the same answer, also when a worker dies.
#
# **What would prove us wrong.** One query for which the three ways to search disagree in a single bit: the library's tests
# look for it among duplicates, near-ties and tiny vectors, and so may you. A slope in section 8 that lies clearly above 1
# once the fixed cost is off would mean that something grows with $n$ that we did not see. And if on your data more
# decisions changed for the worse in float16 than the interval of section 5 allows, half precision would not be
# free there: measure it, the cell is yours.
#
# **Where next.** Take a folder of your own with thousands of pictures: `asif bank build NAME --from FOLDER
# --precision float16`, then `asif bank prepare NAME`, which keeps the rounded copy of section 3 beside the bank; `asif
# search` and `asif evaluate` use it from then on.
