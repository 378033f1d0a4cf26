# %% [markdown] code=["search/","cluster/"] steps=["scale"] cell_seconds=3600 alone=true
# # 08 · Scaling
#
# > **Question.** What does it cost at 1.6 million anchors, and beyond one machine?
#
# Until now a bank had some hundred anchors, and every answer came at once. The paper's
# bank has 1.6 million. The method stays the same, but bytes and seconds begin to count.
# This chapter makes searches smaller and faster. One question comes back at each step:
# is the answer still the same?
#
# <details><summary>Goals, minutes, what runs</summary>
#
# - say where time and memory go, and compute both before you run anything;
# - search any number of anchors in a memory that you state;
# - compute with 8 bits of precision and prove that the answer is exact all the same;
# - count the bytes that forgetting saves, and compare sparse vectors by their lists;
# - compare thousands of texts through an inverted index;
# - judge a shortcut (half precision, an approximate index) by the decisions that it
#   changes;
# - spread a search over several processes, and see the effect of a killed process.
#
# **Minutes** 45 to read, 67 more with the exercises · **Before this** [04 ·
# Sparsification](04_sparsification.ipynb), best also [05](05_zero_shot.ipynb) and
# [07](07_editing.ipynb) · **What runs** Stamps, some Fashion-MNIST, and tens of
# thousands of made-up embeddings. The chapter takes about 40 seconds on 2 cores once
# the embeddings are in the cache. With `fast = False` it goes to the paper's size. That
# takes some minutes, 3 GB of memory and 3 GB of files, for which 6 GB of the disk must
# be free. The files lie in a temporary folder, which is deleted at the end.
#
# </details>

# %% tags=["parameters"]
profile = "offline"  # or "hub": larger encoders, from the hub
device = "auto"  # "auto", "cpu", "cuda" or "mps"
seed = 0  # for samples and made-up embeddings
fast = True  # False: up to the paper's 1.6 million anchors, where the disk allows it

# %% tags=["hide-input"]
# The tools of this chapter. You need not read this cell; run it.
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import asif_book.figures as draw
from asif_book import record
from asif_book.measuring import PeakMemory, timed
from asif_lib import ASIF, embed, load_labelled
from asif_lib.evaluation import in_points, mean_with_interval, paired_difference
from asif_lib.search import centred_unit, round_rows, top_anchors

draw.use_style()

# %% tags=["hide-input"]
# The checks, the encoders, the stamps and their bank. You need not read this cell.
from asif_book.checks import (
    check_bytes,
    check_error_bound,
    check_inverted_index,
    check_keep,
    check_knob,
    check_merge,
    check_sparse_cosine,
)
from asif_book.lessons import open_chapter

image_encoder, text_encoder, stamps, bank = open_chapter(profile, device)
print(bank)

# %% [markdown]
# A search compares $q$ pictures with $n$ anchors. All cosines together are a matrix of
# $q$ rows and $n$ columns. The drawing shows how a search goes without this matrix. It
# takes the anchors in **blocks**. The cosines of all pictures with one block are a
# **tile**. Each picture keeps the $k$ best cosines that it has met, and the rest of the
# tile is forgotten. Here three stamps search among 48 others.
#
# **Before you run the next cell:** the number of anchors grows a thousandfold. What
# happens to the largest number of cosines that are held at one moment?

# %% tags=["hide-input"]
# Draw a search in blocks of 8 anchors.
from asif_lib import relative_representation

asked, few = stamps.splits["test"][:3], stamps.splits["train"][::10][:48]
anchors, mean = bank.image[few], bank.image_mean
cosines = relative_representation(bank.image[asked], anchors, mean=mean)  # (3, 48)
draw.passing_tiles(cosines, bank.pairs.picture[asked], k=3, block=8)

# %% [markdown]
# **What you see.** The thick frame is the tile of this moment. It moves to the right.
# Behind it, the solid bars are the three best so far, and the dashed outlines are
# cosines that the search has forgotten. A solid bar can become an outline when a later
# tile brings a better one. The dashed line of a picture is the smallest of its best
# cosines, so it only rises. The empty tiles cost nothing yet. More anchors make more
# tiles, and no tile larger: the cosines that are held stay as many.

# %% [markdown]
# This workbook has no 1.6 million captioned pictures. So for questions of size we
# **make embeddings up**. There are a few hundred concepts in groups, and each picture
# lies near its concept. Two made-up encoders see them, with 256 and 128 dimensions.
# Their accuracy says nothing about a real model. Their cost does: a dot product takes
# the same time for all numbers. To see whether a shortcut hurts, we ask real embeddings
# too.

# %%
from asif_book.made_up import World

CLASSES = 100  # concepts that the questions come from, of 200
world = World(seed=seed)
many, many_captions, _ = world.pairs(50_000, number=1)  # (50000, 256), (50000, 128)
asked, _, asked_concepts = world.pairs(400, number=0, concepts=CLASSES)  # (400, 256)
many_mean = many.mean(dim=0)  # (256,)
print(f"{len(many):,} made-up anchors in {many.shape[1]} dimensions")
print(f"{len(asked)} pictures to ask about")

# %% [markdown]
# ## 1 · Where do the seconds go?
#
# Three stages lie between pictures and an answer:
#
# 1. **encode** every anchor, picture and caption, once; later only the pictures of a
#    question;
# 2. **search** for each picture the $k$ most similar of $n$ anchors:
#    $q \cdot n \cdot d$ multiplications;
# 3. **score**: compare $q$ sparse vectors with the $t$ sparse vectors of the texts.
#
# **Before you run the next cell:** take the paper's size: 1.6 million anchors in 768
# dimensions, 10,000 pictures and 7,000 texts (1,000 classes in 7 templates). Order the
# three stages by their time. Which is largest, and by what factor: ten? a thousand?

# %% tags=["hide-input"]
# Time the three stages: encode, search, score.
from asif_lib.search import InvertedIndex, plan_search
from asif_lib.sparse import SparseVectors

q, n, d, t, paper_k = 10_000, 1_600_000, 768, 7_000, 800  # the paper's size
method = plan_search(q, n, d, paper_k).method  # section 2 says which methods there are
sample, k = 48, 100  # our size
_, encoding_pictures = timed(
    lambda: image_encoder.encode(stamps.pictures[:sample], progress=False)
)
_, encoding_captions = timed(
    lambda: text_encoder.encode(stamps.captions[:sample], progress=False)
)
top_anchors(asked[:2], many[:500], k, method=method)  # the first call compiles
(values, indices), searching = timed(
    lambda: top_anchors(asked, many, k, mean=many_mean, method=method)
)  # (400, 100) each
pictures = SparseVectors(indices.int(), values.clamp_min(0), len(many))
index = InvertedIndex(pictures)
index.scores(pictures[:2])
_, scoring = timed(lambda: index.scores(pictures))  # (400, 400)

# %% tags=["hide-input"]
# Draw the times, here and at the paper's size.
encoding = encoding_pictures + encoding_captions
here = {"encode the anchors, once": encoding, "search": searching, "score": scoring}
factors = [  # how much more work the paper's size is
    n / sample,
    q * n * d / (len(asked) * many.numel()),
    q * t * paper_k / (len(asked) ** 2 * k),
]
paper = {stage: here[stage] * f for stage, f in zip(here, factors, strict=True)}
bars = {"measured here, small": here, "the same rates at the paper's size": paper}
draw.show(draw.stage_bars(bars))
print("on this machine, now:")
print(f"encode {sample} pictures and captions: {draw.duration(encoding)}")
print(f"search {len(asked)} in {len(many):,}: {draw.duration(searching)}")
print(f"score {len(asked)} × {len(asked)}: {draw.duration(scoring)}")

# %% [markdown]
# **What you see.** A plain bar is measured here, and the hatched bar below it is the
# same stage at the paper's size. The longest hatched bar is paid once: a stored bank
# never encodes its anchors again. (For this reason chapter 07 added pairs to a bank.)
# Every question pays for the search. So the rest of this chapter is about the search,
# and about the bank that it reads.
#
# A rate measured at a small size need not hold at a large one. The hatched bar of
# “score” makes an assumption: the number of entries that two sparse vectors share grows
# in proportion to $k$. Section 8 tests the search.

# %% [markdown]
# ## 2 · The memory wall
#
# The obvious search is one line: `(queries @ anchors.T).topk(k)`. It makes the dense
# matrix of $q \times n$ cosines. The other way is in the drawing above: it goes through
# the anchors in blocks of $b$ rows. It holds one tile of $q \times b$ cosines (the
# thick frame), and the $k$ best so far (the solid bars).
#
# ### Exercise 08.1 · How many bytes?
#
# **Difficulty** ●○○○○ · **Minutes** 4
#
# Cosines are float32 numbers of 4 bytes. Each of the $k$ best so far has a cosine and
# the position of its anchor, an int64 of 8 bytes. How many bytes does the dense matrix
# take? How many do the tile and the $k$ best so far of all queries take?


# %% tags=["exercise"]
def my_bytes(q: int, n: int, b: int, k: int) -> tuple[int, int]:
    """Bytes of the dense matrix (q, n), and of one tile (q, b) with the k best so far.

    The k best so far are (q, k) values and (q, k) positions.
    """
    ### BEGIN SOLUTION
    return 4 * q * n, 4 * q * b + (4 + 8) * q * k
    ### END SOLUTION


# %% tags=["check"]
check_bytes(my_bytes)

# %% [markdown]
# <details><summary>Hint</summary>
#
# A table of $q$ rows and $b$ columns holds $q \cdot b$ numbers. The search holds three
# tables: the tile, the best values, and their positions.
#
# </details>
# <details><summary>What you should see</summary>
#
# A ✔ verdict. Call `my_bytes(10_000, 1_600_000, 4_096, 800)` in a cell of your own.
# The dense matrix takes 64 GB. In the other number, which term is larger? And which of
# the four letters has disappeared?
#
# </details>

# %% [markdown]
# Now measure. The library's `top_anchors` gets a limit of memory and chooses its blocks
# to fit. It has three methods. `"float32"` multiplies tile by tile, and a compiled loop
# compares each product with the best so far. `"bf16"` does the same in bfloat16,
# numbers with fewer digits; section 3 is about it. `"torch"` uses `topk` of PyTorch,
# which also a GPU has. Without a choice of yours, the method follows from the machine
# and the size.
#
# **Before you run the next cell:** the dense matrix of 400 × 50,000 cosines has 80 MB.
# How much will `topk` take on top of it? And will a search that may use a quarter of it
# give the same anchors?

# %% tags=["hide-input"]
# Measure the memory of four ways to search.
from asif_lib.relative import unit_rows

unit_asked = torch.from_numpy(centred_unit(asked, many_mean)).float()  # (400, 256)
unit_many = unit_rows(many, many_mean)  # (50000, 256), rows of length 1


def in_blocks(memory):
    return top_anchors(asked, many, k, mean=many_mean, memory=memory)


ways = {
    "dense matrix": lambda: unit_asked @ unit_many.T,  # (400, 50000)
    "dense matrix, then topk": lambda: (unit_asked @ unit_many.T).topk(k),
    "blocks, allowed 17 MB": lambda: in_blocks(2**24),
    "blocks, allowed 67 MB": lambda: in_blocks(2**26),
}
rows = []
for name, way in ways.items():
    with PeakMemory() as peak:
        found = way()
    dense = name.startswith("dense")
    same = "–" if dense else all(map(torch.equal, found, (values, indices)))
    rows.append((name, peak.bytes / 1e6, same))
    del found
table = pd.DataFrame(rows, columns=["way", "MB at one moment", "the same answer"])
table.style.format(precision=0, thousands=",").hide(axis="index")

# %%
print(f"not counted: {unit_many.nbytes / 1e6:.0f} MB, the anchors at length 1")
for name in ("float32", "bf16", "torch"):
    found, took = timed(
        lambda name=name: top_anchors(asked, many, k, mean=many_mean, method=name)
    )
    same = all(map(torch.equal, found, (values, indices)))
    print(f"{name}: {took:.2f} s now, the same bit for bit: {same}")

# %% [markdown]
# **What you see.** Compare the rows of the table: `topk` takes next to nothing; the
# matrix is the cost. In the last two rows memory is a choice. (The measured memory
# includes the operating system's own decisions, so read it roughly.) The answer is the
# same to the last bit, for every block size and for three methods. This is no matter of
# course. A floating-point sum depends on its order, and each method sums in another
# order. So the library uses the fast method only to find candidates. Then it computes
# the returned cosines once more, one by one, in double precision. Section 3 shows for
# one method how the library knows that no candidate was missed. The other methods do
# the same with a smaller bound on their error.
#
# "The same answer" has a second part: ties. A search in **shards**, parts of a bank on
# several disks or machines, must make one answer of several. (In the drawing at the
# top, a shard is a group of tiles.) The shards finish in any order. Equal captions tie,
# and so do copies of a pair. Of such anchors, those that stand first in the bank are
# kept. So the same pairs in another order may give a few pictures another label.
#
# ### Exercise 08.2 · One answer from many shards
#
# **Difficulty** ●●●○○ · **Minutes** 10
#
# Each shard sends its best anchors: the values, the largest first, and the indices,
# which count over the whole bank. Return the $k$ best of all, the largest first. **Of
# equal values the smaller index comes first**, in whatever order the shards finish. A
# shard may send fewer than $k$.


# %% tags=["exercise"]
def my_merge(
    parts: list[tuple[torch.Tensor, torch.Tensor]], k: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The k best of the answers of several shards.

    parts: for each shard values (q, m) float32 and indices (q, m) int64, m its own;
    returns values (q, k) float32 and indices (q, k) int64.
    """
    ### BEGIN SOLUTION
    values, indices = (torch.cat(found, dim=1) for found in zip(*parts, strict=True))
    indices, order = indices.sort(dim=1)  # first by index …
    values = values.gather(1, order)
    values, again = values.sort(dim=1, descending=True, stable=True)  # … then by value
    return values[:, :k], indices.gather(1, again)[:, :k]
    ### END SOLUTION


# %% tags=["check"]
check_merge(my_merge)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Join all values and all indices along the second dimension. A sort by two keys is two
# sorts: first by the lesser key, the index, then by the greater key, the value. The
# second sort needs `stable=True`, which leaves ties in their order. Or use
# `np.lexsort((indices, -values))`, which takes the greater key last.
#
# </details>
# <details><summary>What you should see</summary>
#
# A ✔ verdict. **Now break it:** leave out `stable=True`. Which is the first input
# where it matters? With made-up numbers it hardly ever matters, so such a mistake lives
# for years. With duplicates it shows sooner or later.
#
# </details>

# %% [markdown]
# ## 3 · Fast, and still exact
#
# A float32 has 24 significant bits. A **bfloat16** keeps 8 of them, in half the space.
# Many processors multiply matrices of bfloat16 much faster. But 8 bits are two or three
# decimal digits. How good are the cosines then?
#
# **Before you run the next cell:** we take the 100 largest of 50,000 products of
# rounded vectors, and stop there. What share of the true 100 best will be among them?

# %%
rounded_asked, rounded_many = round_rows(unit_asked), round_rows(unit_many)
products = (rounded_asked.rows @ rounded_many.rows.T).float()  # (400, 50000)
by_products = products.topk(k).indices  # (400, 100)
found = torch.zeros_like(products, dtype=torch.bool).scatter(1, by_products, True)
hits = found.gather(1, indices)  # (400, 100), which of the true best were found
missed = mean_with_interval(1 - hits.float().mean(dim=1).numpy(), seed)
record(
    "search in bfloat16 alone: share of the 100 best anchors that is missed",
    missed,
    note="50,000 made-up anchors; with the bound and the second look none",
)
print(f"of the {k} best anchors, products in bfloat16 alone miss {missed} (pictures)")
worst = float((unit_asked @ unit_many.T - products).abs().max())
print(f"largest error of a product, its own rounding included: {worst:.4f}")

# %% [markdown]
# That is wrong, if not by much. A small price repairs it, with three thoughts.
#
# **First: bound the error.** Write $\hat q$ for the rounded $q$ and $\hat a$ for the
# rounded $a$, and $\delta = \lVert q - \hat q \rVert$ for the length of what $q$ lost.
# The error of a product is
#
# $$q \cdot a - \hat q \cdot \hat a = (q - \hat q) \cdot a + \hat q \cdot (a - \hat a)$$
#
# Cauchy and Schwarz: a dot product is at most the product of the lengths. So
#
# 1. $|(q - \hat q) \cdot a| \le \delta$, since $a$ has length 1;
# 2. $|\hat q \cdot (a - \hat a)| \le (1 + \delta) \cdot \lVert a - \hat a \rVert$,
#    since $\hat q$ has at most length $1 + \delta$.
#
# No product is off by more than
#
# $$E = \delta + (1 + \delta) \cdot \max_a \lVert a - \hat a \rVert.$$
#
# ### Exercise 08.3 · How wrong can a product be?
#
# **Difficulty** ●●●○○ · **Minutes** 10
#
# Compute $E$ for each query. You may look at the vectors and at the rounded vectors,
# but not at any product of a query and an anchor. These products are the work that we
# want to save.


# %% tags=["exercise"]
def my_bound(
    queries: torch.Tensor,
    rounded_queries: torch.Tensor,
    anchors: torch.Tensor,
    rounded_anchors: torch.Tensor,
) -> torch.Tensor:
    """A bound on the error of every product of a query, (q,) float32.

    queries: (q, d), anchors: (n, d), rows of length 1;
    rounded_queries, rounded_anchors: the same shapes, rounded.
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
# `(queries - rounded_queries).norm(dim=1)` is the length of each row of the difference.
# The anchors give one number, the largest. The queries give one number each.
#
# </details>
# <details><summary>What you should see</summary>
#
# A ✔ verdict. The check rounds much more coarsely than bfloat16, so that every term
# of the formula shows. **Now break it:** leave out the 1 +. With bfloat16 you would
# never notice; a bound must hold all the same.
#
# </details>

# %% [markdown]
# **Second: keep every anchor that may belong.** Let $T$ be the $k$-th largest of the
# rounded products of a query. Which anchors can be among the true $k$ best? Not only
# the anchors from $T$ upwards: each product may be too small by $E$, and $T$ may be too
# large by $E$.
#
# Each dot is a product, its bar the places where the true cosine may lie.

# %% tags=["hide-input"]
# Draw some products near T, and what their true cosines may be.
error = rounded_asked.error + (1 + rounded_asked.error) * rounded_many.error
draw.show(draw.number_line(products[0], error, k))

# %% [markdown]
# ### Exercise 08.4 · Who must be kept?
#
# **Difficulty** ●●○○○ · **Minutes** 8
#
# Return a mask of the anchors that must be kept: the true $k$ best are certainly among
# them, and no anchor is kept without need. Anchors that tie with the last place count
# as belonging.


# %% tags=["exercise"]
def my_candidates(products: torch.Tensor, k: int, bound: torch.Tensor) -> torch.Tensor:
    """Which anchors may be among the k best, (q, n) bool.

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
# At least $k$ anchors have a product of $T$ or more. How small can their true cosines
# be? So how large is the true cosine in place $k$ at least? And how small can the
# product of an anchor be that reaches it?
#
# </details>
# <details><summary>What you should see</summary>
#
# A ✔ verdict. Each of the two steps of the argument costs one $E$. **Now break
# it:** use $T - E$, and read which of the two steps you lost.
#
# </details>

# %% [markdown]
# **Third: look again.** The few kept anchors get their true cosine, in double
# precision. The $k$ best of these are the answer. The answer is exact in all cases: a
# discarded anchor could not have belonged.
#
# The next figure shows the picture for which the rounded products alone would lose
# most. Each mark is an anchor near the threshold. The marks lie in rows, because 8 bits
# allow only a few values. (A product is rounded itself in the end, and $E$ does not
# cover this. So the library does not begin at $T$, but midway to the next lower value:
# a product rounded to $T$ may have been as small as that. It subtracts $2E$, and rounds
# the result as products are rounded.)
#
# **Before you run the next cell:** an exact answer needs the true cosine of every kept
# anchor. With $k = 100$ of 50,000, will the library keep 110 anchors, 200, or 2,000?

# %% tags=["hide-input"]
# Count the anchors that the bound keeps, record the mean, and draw one search.
from asif_lib.search import Sieve


def sieve_of(unit_queries, unit_anchors, k):
    """The library's search in bfloat16, as far as the second thought."""
    sieve = Sieve(round_rows(unit_queries), k, limit=max(4 * k, 2_048))
    sieve.feed(round_rows(unit_anchors), start=0)
    return sieve


def kept_by(sieve):
    """Number of kept anchors for each query, (q,)."""
    return np.array([len(positions) for positions in sieve.candidates()])


sieve = sieve_of(unit_asked, unit_many, k)
kept, lowest = kept_by(sieve), sieve.lowest()  # (400,) both
thresholds = products.topk(k).values[:, -1]  # (400,), T of each query
below = (products.gather(1, indices) < thresholds[:, None]).sum(dim=1)  # right, below T
row = int(below.argmax())
draw.show(
    draw.around_the_threshold(
        unit_many @ unit_asked[row], products[row], k, float(lowest[row])
    )
)
found = mean_with_interval(kept / k, seed)
record(
    "exact search in bfloat16: anchors looked at again for each of the 100 best",
    found,
    unit="anchors",
    note="50,000 made-up anchors",
)
print(f"E = {error:.4f}, T = {thresholds[row]:.4f}, kept from {lowest[row]:.4f} on")
print(f"kept for the {len(kept)} pictures: {kept.min()} to {kept.max()} anchors")

# %% [markdown]
# **What you see.** Triangles between the two lines are right answers that the rounded
# products alone would have lost. Squares are the price. How high is the price
# elsewhere? It depends on how crowded the cosines are around place $k$.

# %% tags=["hide-input"]
# Draw how many anchors are kept for each k.
stamp_rows = unit_rows(bank.image, bank.image_mean)  # (793, 1280)
sizes = [10, 20, 50, 100, 200, 400]
rates = {
    name: [kept_by(sieve_of(queries[:100], anchors, m)).mean() / m for m in sizes]
    for name, queries, anchors in (
        ("793 stamps", stamp_rows, stamp_rows),
        ("50,000 made-up anchors", unit_asked, unit_many),
    )
}
draw.show(
    draw.line_chart(
        {name: (sizes, rate) for name, rate in rates.items()},
        xlabel="k (log scale)",
        ylabel="anchors kept / k",
        logx=10,
    )
)

# %% [markdown]
# Can you make it fail? Put one anchor into the bank three thousand times. Move each
# copy by less than bfloat16 can see, and ask for something near it. All copies then
# look the same. The digits that rounding removed decide which of them are the best.
#
# **Before you run the next cell:** will the search be wrong, refuse, or be slow?

# %%
generator = torch.Generator().manual_seed(seed)
copies = many[3] + 1e-4 * torch.randn(3_000, many.shape[1], generator=generator)
crowd = torch.cat([many[:5_000], copies])  # (8000, 256)
crowd_mean = crowd.mean(dim=0)
near = copies[:2] + 0.2 * torch.randn(2, many.shape[1], generator=generator)  # (2, 256)
near_unit = torch.from_numpy(centred_unit(near, crowd_mean)).float()
given_up = sieve_of(near_unit, unit_rows(crowd, crowd_mean), k).overflown  # (2,) bool
print(f"candidates that a query may keep: {max(4 * k, 2_048):,}")
print(f"given up, since there were more: {given_up.tolist()}")

# %%
cosines = centred_unit(crowd, crowd_mean) @ centred_unit(near, crowd_mean).T  # double
best = np.sort(cosines.astype(np.float32), axis=0)[::-1][:k].T.copy()  # (2, 100)
answers = {
    name: top_anchors(near, crowd, k, mean=crowd_mean, method=name)
    for name in ("bf16", "float32", "torch")
}
for name, (mine, where) in answers.items():
    same = np.array_equal(mine, best) and torch.equal(where, answers["bf16"][1])
    print(f"{name}: exact all the same: {same}")

# %% [markdown]
# **What you see.** The list of candidates has a bounded length, which the first line
# prints. When more anchors must be kept, the search notices, and gives this query up:
# `True` in the second line. Then it asks again in another way, in the end by comparing
# with every anchor. The price of a bad case is time. The search never returns an answer
# that might be wrong: the last lines.

# %% [markdown]
# ## 4 · The savings of forgetting
#
# After the search every picture and every text is a list of $k$ anchors with values.
# The dense matrix of $q$ vectors over $n$ anchors has $q \cdot n$ numbers of 4 bytes:
# $4 q n$ bytes. A sparse vector keeps the number of the anchor (4 bytes) and the value
# (4 bytes) of each of its $k$ entries: $8 q k$ bytes in all. The formula has no $n$.
# Sparse is smaller as soon as $k < n/2$. Two such vectors look like this inside:

# %%
from asif_lib import sparse_relative_representation

two = sparse_relative_representation(bank.image[:2], bank.image, 4, 2, mean=mean)
print("indices", two.indices, "values", two.values, sep="\n")
print(f"n = {two.n}, {two.nbytes} bytes")

# %% [markdown]
# **Before you run the next cell:** the paper has $n = 1.6$ million anchors and $k =
# 800$. With $q = 10{,}000$ pictures, does the dense matrix fit into a laptop? By what
# factor is the sparse one smaller?

# %% tags=["hide-input"]
# Count the bytes of dense and of sparse vectors.
rows = []  # q, n, k, bytes of the dense matrix, bytes of the sparse vectors
in_bank = len(bank)
dense = relative_representation(bank.image, bank.image, mean=mean)  # (793, 793)
for kept in (round(0.1 * in_bank), min(800, in_bank)):
    sparse = sparse_relative_representation(bank.image, bank.image, kept, 2, mean=mean)
    rows.append((in_bank, in_bank, kept, dense.nbytes, sparse.nbytes))
    assert rows[-1][3:] == (4 * in_bank**2, 8 * in_bank * kept)  # the formulas
rows.append((q, n, paper_k, 4 * q * n, 8 * q * paper_k))
table = pd.DataFrame(rows, columns=["q", "n", "k", "dense, MB", "sparse, MB"])
table[["dense, MB", "sparse, MB"]] /= 1e6
table["dense / sparse"] = table["dense, MB"] / table["sparse, MB"]
table.set_axis(["measured", "measured", "the paper's size, by formula"]).round(2)

# %% tags=["hide-input"]
# Draw the bytes for growing numbers of anchors.
sizes = np.array([100, 400, 1_600, 6_400, 25_600, 102_400, 409_600, 1_600_000])
series = {
    "dense": (sizes, 4 * q * sizes / 1e9),
    "sparse, k = min(800, n)": (sizes, 8 * q * np.minimum(800, sizes) / 1e9),
    "sparse, k = min(n / 10, 800)": (sizes, 8 * q * np.minimum(sizes / 10, 800) / 1e9),
}
labels = {
    "xlabel": "anchors, n (log scale)",
    "ylabel": "GB for 10,000 pictures\n(log scale)",
}
marks = {"the stamps": in_bank, "the paper": n}
draw.show(draw.line_chart(series, **labels, logx=10, logy=True, marks=marks))

# %% [markdown]
# **What you see.** At the right dotted line, the paper's size, the line with circles
# (dense) is far above the others. There the method is only possible with forgetting. At
# the left dotted line, the stamps, the triangles ($k = n/10$) lie below the circles,
# and the squares (`min(800, n)`) above them. Sparse vectors with every entry kept take
# *twice* the space of dense ones, since they store every position for nothing. Beyond
# 8,000 anchors the triangles and squares meet: both rules for $k$ give 800.

# %% [markdown]
# ### Exercise 08.5 · Compare without the zeros
#
# **Difficulty** ●●●○○ · **Minutes** 10
#
# The cosine of two vectors of length 1 is the sum of $x_i \, y_i$ over all anchors $i$.
# For sparse vectors almost all terms are 0: only anchors that stand in *both* lists
# count. Compute the cosine from the two lists of indices and values. The lists are
# sorted by value, not by index, and no index occurs twice in a list. (Advice, which the
# check does not test: do without vectors of length $n$.)


# %% tags=["exercise"]
def my_sparse_cosine(
    indices_a: torch.Tensor,
    values_a: torch.Tensor,
    indices_b: torch.Tensor,
    values_b: torch.Tensor,
) -> float:
    """The cosine of two sparse vectors of length 1.

    indices_a: (k_a,) int32, values_a: (k_a,) float32; the same for b with k_b
    returns: one number
    """
    ### BEGIN SOLUTION
    shared = indices_a[:, None] == indices_b[None, :]  # (k_a, k_b): the same anchor?
    return float((shared * values_a[:, None] * values_b[None, :]).sum())
    ### END SOLUTION


# %% tags=["check"]
check_sparse_cosine(my_sparse_cosine)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `indices_a[:, None] == indices_b[None, :]` is a table of $k_a \times k_b$ answers: is
# it the same anchor? Or put one list into a dictionary from index to value, and look up
# the indices of the other. For a dictionary turn the tensors into plain numbers with
# `.tolist()`: two tensors are never the same key.
#
# </details>
# <details><summary>What you should see</summary>
#
# A ✔ verdict. Two vectors without a common anchor give 0, a vector with itself
# gives 1. One input has indices beyond 1.6 million: without vectors of length $n$ it
# takes no more time or memory than the others.
#
# </details>

# %% [markdown]
# ### The inverted index
#
# A score is the sum of products over the anchors that a picture and a text share. With
# 10,000 pictures and 7,000 texts there are 70 million pairs of lists. Most pairs share
# next to nothing.
#
# Search engines had this problem first: a document is a list of words. They keep for
# each word the list of documents in which it occurs. Here the index keeps for each
# anchor the list of texts that have an entry there: an **inverted index**. The score of
# a picture needs its $k$ anchors, and only the texts in their lists: the lit cells.

# %% tags=["hide-input"]
# Draw the lists of some anchors of a picture.
model = ASIF(bank.subset(stamps.splits["train"]), device=device)
some = stamps.splits["test"][:8]
lists = model.images(bank.image[some[:1]]), model.texts(bank.text[some])
draw.inverted_index(model.bank, *lists, bank.pairs.iloc[some])

# %% [markdown]
# ### Exercise 08.6 · An inverted index
#
# **Difficulty** ●●●●○ · **Minutes** 15
#
# Build the index of $t$ captions, score one picture with all of them, and return how
# many entries of the index you looked at. Building does not count: it is done once, for
# all pictures. All values are above 0.


# %% tags=["exercise"]
def my_scores(
    indices: torch.Tensor,
    values: torch.Tensor,
    query_indices: torch.Tensor,
    query_values: torch.Tensor,
) -> tuple[torch.Tensor, int]:
    """The scores of t captions, (t,) float32, and how many entries were looked at.

    indices: (t, k) int32, values: (t, k) float32, a caption in each row;
    query_indices: (m,) int32, query_values: (m,).
    """
    ### BEGIN SOLUTION
    postings = {}  # anchor: list of (caption, value)
    for caption, row in enumerate(zip(indices.tolist(), values.tolist(), strict=True)):
        for anchor, entry in zip(*row, strict=True):
            postings.setdefault(anchor, []).append((caption, entry))
    scores, looked = torch.zeros(len(indices)), 0
    query = zip(query_indices.tolist(), query_values.tolist(), strict=True)
    for anchor, value in query:
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
# A dictionary from anchor to a list of (caption, value):
# `postings.setdefault(anchor, []).append((caption, entry))`. Turn tensors into plain
# numbers with `.tolist()`. An anchor that no caption has is not in the dictionary:
# `.get(anchor, [])`.
#
# </details>
# <details><summary>What you should see</summary>
#
# A ✔ verdict. One input has indices up to 1.6 million and is as quick as the
# others: nothing has a side of $n$. The library's index is the same thing, compiled,
# with all lists in one array (`asif_lib/search/inverted.py`).
#
# </details>

# %% [markdown]
# A label often has several prompt templates, and its score is the mean over them
# (chapter 05). There are two ways. Score every prompt, then take means. Or take the
# mean of the label's vectors first, and score it. A score is a sum of products, so the
# two are equal: $\frac{1}{m} \sum_j x \cdot y_j = x \cdot \frac{1}{m} \sum_j y_j$. The
# second way merges lists that have most of their anchors in common.
#
# **Before you run the next cell:** with 7 templates, how many times fewer entries will
# the index of the means have: 7? Or fewer? How many times fewer would it be if all 7
# prompts of a label chose the same anchors?

# %%
from asif_lib.zeroshot import make_prompts

fashion = load_labelled("fashion_mnist")
templates = ["a photo of a {}.", "a {}", "a grey {}", "a picture of a {}."]
templates += ["a photo of a {} on white.", "the {}", "a small {}."]
prompts = embed(text_encoder, make_prompts(fashion.classes, templates), progress=False)
model = ASIF(bank, device=device)
texts, held = model.texts(prompts), model.images(bank.image[:100])  # 70 and 100 vectors
each, merged = InvertedIndex(texts), InvertedIndex(texts, templates=len(templates))
before = each.scores(held).unflatten(1, (-1, len(templates))).mean(dim=2)  # (100, 10)
after = merged.scores(held)  # (100, 10)
print(f"{len(texts)} prompts: {len(each.entries):,} entries in the index")
print(f"{len(fashion.classes)} labels: {len(merged.entries):,} entries")
print(f"largest difference of the scores: {float((before - after).abs().max()):.1e}")

# %% [markdown]
# **What you see.** Divide the two printed numbers of entries: fewer than 7. If all 7
# prompts of a label chose the same anchors, their merged list would be as long as one
# list. The index would be 7 times smaller. If the prompts had no anchor in common, the
# index would be as large as before. Real prompts lie between the two.
#
# How much does the index save? There are three ways to the same scores: vectors of
# length $n$ and a matrix product; scipy's product of sparse matrices; the index. The
# vectors are from section 1, so $n$ is 50,000.
#
# **Before you run the next cell:** the dense way makes $q \cdot t \cdot n$
# multiplications. How many does the index make?

# %%
few = pictures[:200]  # 200 sparse vectors in the place of texts
ways = {
    "dense matrix product": lambda: pictures.to_dense() @ few.to_dense().T,
    "scipy, sparse": lambda: torch.from_numpy(
        (pictures.to_csr() @ few.to_csr().T).toarray()
    ),
    "inverted index, built and used": lambda: InvertedIndex(few).scores(pictures),
}
results = {name: timed(way) for name, way in ways.items()}  # (400, 200) each
reference = results["dense matrix product"][0]
for name, (scores, took) in results.items():
    off = float((scores - reference).abs().max())
    print(f"{name}: {draw.duration(took)} now, off by at most {off:.0e}")
lengths = np.diff(InvertedIndex(few).starts)  # (50000,), texts in the list of an anchor
multiplied = int(lengths[pictures.indices.numpy()].sum())
dense = len(pictures) * len(few) * pictures.n
print(f"multiplications: dense {dense:,}; index {multiplied:,}")

# %% [markdown]
# **What you see.** The last line counts: the index multiplies only where something is
# shared, as scipy does. At this small size both take next to no time. Which of them is
# quicker depends on the other programs of the machine. At the paper's size the
# difference matters; `benchmarks/` measures it there.

# %% [markdown]
# ## 5 · Half the bytes
#
# The bank itself is the next thing that does not fit. Embeddings in half precision take
# 2 bytes a number. There are two kinds: **float16** has 11 significant bits and a
# narrow range of sizes; **bfloat16** has 8 bits and the range of float32.
# `bank.to(torch.float16)` makes such a bank. This time nothing can be repaired: a bit
# that is not stored is gone. So we measure the cost, in decisions.
#
# The bank is made as in chapter 07: 793 stamps and 20 captioned pictures of each of ten
# kinds of clothing. The questions are the 1,000 test pictures of Fashion-MNIST and the
# 150 test stamps of chapter 05. (For their own questions the test stamps are no
# anchors.) Both test sets were opened in chapter 05; nothing is chosen on them here.
#
# **Before you run the next cell:** of 1,000 decisions, how many will change with 11
# bits? And with 8?

# %% tags=["hide-input"]
# Add a lesson to the bank, and prepare the questions.
from asif_book.lessons import captioned, inverted
from asif_book.measuring import recall_of_pairs
from asif_lib.evaluation import compare_decisions, same_text

drawn = fashion.split("train").sample(1_000, seed)
twenty = [np.flatnonzero(drawn.labels == c)[:20] for c in range(len(fashion.classes))]
lesson = captioned(drawn.subset(np.concatenate(twenty)))  # 200 pairs of clothing
taught = bank.add(lesson, image_encoder, text_encoder, progress=False)
test = fashion.split("test").sample(1_000, seed)
shown = [inverted(picture) for picture in test.pictures]  # black on white
z_test = embed(image_encoder, shown, progress=False)  # (1000, 1280)
prompts = make_prompts(fashion.classes, ["a photo of a {}."])
labels = embed(text_encoder, prompts, progress=False)  # (10, 384)
stamps_asked = bank.subset(stamps.splits["test"])  # 150 stamps
lesson_rows = list(range(len(bank), len(taught)))
others = stamps.splits["train"] + stamps.splits["validation"] + lesson_rows
captions = stamps_asked.pairs.caption.tolist()
same = same_text(captions, captions)  # (150, 150) bool


def answers_of(bank):
    """Labels of the pictures of clothing, (1000,), and recall of the stamps, (150,)."""
    model = ASIF(bank.subset(others), device=device)
    scores = model.similarity(stamps_asked.image, stamps_asked.text)
    recall = recall_of_pairs(scores, same)
    scores = ASIF(bank, p=8, device=device).similarity(z_test, labels)  # (1000, 10)
    return scores.argmax(dim=1).numpy(), recall


# %% tags=["hide-input"]
# Store the embeddings in fewer bytes, and measure what changes.
rows, gaps = [], {}
for dtype in (torch.float32, torch.float16, torch.bfloat16):
    name = str(dtype).removeprefix("torch.")
    chosen, recall = answers_of(taught.to(dtype))
    megabytes = 1.6e6 * (768 + 384) * dtype.itemsize / 1e6
    cells = [name, f"{megabytes:,.0f}", f"{(chosen == test.labels).mean():.1%}"]
    if dtype == torch.float32:
        precise, precise_recall = chosen, recall
        rows.append([*cells, "–", "–", "–"])
        continue
    gap = compare_decisions(chosen == test.labels, precise == test.labels)
    of_stamps = paired_difference(recall, precise_recall, seed)
    gaps[name] = {"clothing: accuracy": gap, "stamps: mean recall": of_stamps}
    record(
        f"embeddings stored as {name} instead of float32: "
        "change of accuracy on Fashion-MNIST",
        100 * gap,
        unit="points",
        note="793 stamps and 200 pairs of clothing as anchors",
    )
    changed = f"{(chosen != precise).sum()} of {len(chosen)}"
    rows.append([*cells, changed, in_points(gap, 2), in_points(of_stamps, 2)])
xlabel = "change against float32, points, 95 % interval"
draw.show(draw.interval_dots(gaps, xlabel=xlabel, zero=True))
columns = ["stored as", "MB at 1.6 M pairs, 768 + 384", "clothing: accuracy"]
columns += ["decisions changed", "change, 95 % interval", "stamps: mean recall"]
pd.DataFrame(rows, columns=columns).style.hide(axis="index")

# %% [markdown]
# **What you see.** Look at the column “decisions changed”: hardly any, if any. Only a
# very close decision can change, and it may change in either direction. Note the
# interval. If no decision of 1,000 changed, a bootstrap sees no spread and claims
# certainty. The last column is a bootstrap, and claims just this where it says [+0.00,
# +0.00]. An honest interval still reaches about 3.7 in 1,000 to each side: 1,000
# questions can see no more. Would a loss of this size matter? Say so beforehand.
#
# Large banks are stored here in half precision
# (`asif bank build NAME --precision float16`). This is no reason to search in half
# precision: the exact search of section 2 reads the stored numbers and computes with
# all digits.

# %% [markdown]
# ## 6 · Approximate search
#
# So far only storage changed an answer. A search can also look at fewer anchors. An
# **approximate index** sorts the anchors beforehand, so that a search may skip most of
# them:
#
# - **IVF** puts them into lists around centres, and searches the few lists with the
#   nearest centres. Its knob, `nprobe`, is the number of these lists. (The centres come
#   from k-means: each anchor goes to its nearest centre, each centre moves to the mean
#   of its anchors, and so on.)
# - **PQ** keeps each anchor in a few bytes, and looks at the most promising anchors
#   again;
# - **HNSW** links each anchor to near anchors, and walks along the links.
#
# Each has such a knob for its effort. The usual measure is **recall**: the share of the
# true $k$ best that the index finds. But an anchor in place 700 of 800 has hardly any
# weight in a score, above all with a large $p$. We count another thing: decisions that
# change for the worse.
#
# **Before you run the next cell:** IVF on 20,000 made-up anchors, with the paper's
# $k = 800$ and $p = 8$. If an index finds three fifths of the right anchors, how many
# points of accuracy will that cost: 40? 10? 1? And if it finds seven tenths, but with
# $k = 100$ and $p = 4$: more, or less?

# %% tags=["hide-input"]
# Build an approximate index, and measure recall and accuracy for each effort.
from asif_book.made_up import save_bank
from asif_lib.bank import build_index
from asif_lib.evaluation import ValidationSet, choose_effort, measure_efforts

MARGIN = 2.0  # points of accuracy that we would not miss: said before looking
folder = tempfile.TemporaryDirectory()
home = Path(folder.name)
count = 20_000 if fast else 200_000
image, text = (many, many_captions) if fast else world.pairs(count, number=1)[:2]
to_search = save_bank(home / "to-search", image[:count], text[:count])
ivf, building = timed(
    lambda: build_index(to_search, "image", "ivf", lists=128, progress=False)
)
tried, _, tried_concepts = world.pairs(800, number=2, concepts=CLASSES)  # (800, 256)
names = world.names(CLASSES, number=2)  # (100, 128), the prompts
validation = ValidationSet(tried, names, tried_concepts)
efforts = [1, 2, 4, 8, 16, 32]
tables = {
    (k, p): measure_efforts(ivf, validation, k, p, efforts=efforts, progress=False)
    for k, p in ((800, 8), (100, 4))
}
tuned = choose_effort(tables[800, 8], MARGIN)
draw.show(draw.knob_curves(tables[800, 8], MARGIN, tuned.effort))
print(f"building the index took {draw.duration(building)} now; {len(tried)} pictures")
print(f"k = 800, p = 8, margin {MARGIN:g} points: {tuned}")

# %% tags=["hide-input"]
# Show both tables.
formats = {"recall": "{:.0%}", "difference": "{:+.1%}", "low": "{:+.1%}"}
formats |= {"high": "{:+.1%}", "speedup": "{:.2f}"}
settings = {
    f"k = {a}, p = {b}": table.set_index("effort")[list(formats)]
    for (a, b), table in tables.items()
}
both = pd.concat(settings, axis=1)
both.style.format({column: formats[column[1]] for column in both})

# %% [markdown]
# **What you see.** In the upper panel the line with circles is the recall, the dashed
# line with squares the share of equal decisions. In the lower panel the diamonds are
# the lost accuracy, and the broad vertical band marks the setting that was chosen.
# Recall and accuracy are two different curves, and one does not tell the other. With
# `fast = True` there are 20,000 anchors. Here an index may miss a good part of the 800
# right anchors and lose hardly a decision. A recall of 99 % then pays for anchors
# without influence. With $k = 100$ and $p = 4$ a higher recall may cost more. With
# 200,000 anchors it is otherwise: there the large $k$ may lose more. (And a search of
# few lists may find fewer than $k$ candidates at all.) So no recall is "good enough" in
# itself: count decisions, on a bank like yours.
#
# ### Exercise 08.7 · How hard must one look?
#
# **Difficulty** ●●●●● · **Minutes** 20
#
# An open question with a strict answer. For each setting of the knob you know which
# validation pictures got their label. Choose the **cheapest setting whose loss of
# accuracy you can show to be smaller than the margin**. Use the paired 95 % interval.
# It must lie above minus the margin as a whole, and it must not claim certainty where
# no decision changed (section 5). Only a loss counts; an index may be better than exact
# search. If no setting will do, return 0, which means: search exactly.
#
# Then investigate, in cells of your own. `measure_efforts(ivf, validation, k, p)` makes
# the table above for other $k$ and $p$. `build_index(to_search, "image", "pq")` and
# `"hnsw"` build the other two kinds. Where does an index pay? How does the setting that
# you need change with $p$? With $k$?


# %% tags=["exercise"]
def my_knob(
    efforts: list[int], right: torch.Tensor, exact: torch.Tensor, margin: float
) -> int:
    """The smallest effort that is good enough, or 0.

    efforts: m settings; right: (m, n) bool, which of n pictures each got right;
    exact: (n,) bool, the same for exact search; margin: a share, 0.02 for two points.
    """
    ### BEGIN SOLUTION
    lowest = [compare_decisions(mine, exact).low for mine in right]
    good = [e for e, low in zip(efforts, lowest, strict=True) if low > -margin]
    return min(good, default=0)
    ### END SOLUTION


# %% tags=["check"]
check_knob(my_knob)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `compare_decisions(a, b)` of section 5 is the mean of $a - b$ over the same pictures.
# Its paired interval, `.low` and `.high`, is never narrower than the number of pictures
# allows. Which end says how large the loss may be? This is chapter 07's "unchanged",
# with one side only.
#
# </details>
# <details><summary>What you should see</summary>
#
# A ✔ verdict. Two inputs have too few pictures to show anything, and 0 is the right
# answer there. On the last input no decision changed, and still 60 pictures cannot show
# that two points are not lost. In your own experiments look at the column `speedup`,
# too, and run them more than once: on a busy machine it is mostly noise.
#
# </details>

# %% [markdown]
# When does it pay? Three things must come together. There are many questions, because
# the index must be built. The neighbours lie together, or the lists are no use. And $k$
# is small beside a list. ASIF's $k = 800$ is large for an index: the search compares
# each of the 800 again. `benchmarks/approximate.py` measures it against exact search on
# the same machine, with `--n 1600000` at size. Read its table before you believe any
# speedup, ours included.

# %% [markdown]
# ## 7 · Past one machine
#
# A search over shards is many searches and one merge. Exercise 08.2 was the merge. The
# rest is in `asif_lib.cluster`, on [Dask](https://www.dask.org): a **scheduler** hands
# out tasks, and **workers** do them. Each worker reads its own part of the bank from
# disk. `connect()` starts workers as processes on your own cores. With an address, or
# `"slurm"`, the same code runs on a cluster.
#
# **Before you run the next cell:** two workers of one thread each share your cores with
# the notebook. Will they be twice as fast as one process with two threads? And will the
# result be equal, or nearly?

# %%
from asif_lib.cluster import connect, distributed_top_anchors

image, text = (many, many_captions) if fast else world.pairs(400_000, number=1)[:2]
shared = save_bank(home / "shared", image, text)
client = connect(workers=2)
print(f"Dask's dashboard, while the cluster runs: {client.dashboard_link}")
ask = {"queries": asked, "bank": shared, "kind": "image", "k": k, "progress": False}
ask |= {"shard": len(shared) // 16}  # anchors of one task
anchors, mean = shared.searchable("image")
alone, took_alone = timed(lambda: top_anchors(asked, anchors, k, mean=mean))
distributed_top_anchors(client, **ask)  # the first time the workers load and compile
together, took_together = timed(lambda: distributed_top_anchors(client, **ask))
alone_in_words, together_in_words = map(draw.duration, (took_alone, took_together))
print(f"one process: {alone_in_words}; two workers: {together_in_words}, now")
print("the same, bit for bit:", all(map(torch.equal, together, alone)))

# %% [markdown]
# **What you see.** The last line: equal, to the last bit. The line above it: time is
# another matter. More processes do not add cores, and handing out tasks costs
# something. It begins to pay when the second worker is another machine.
#
# With many machines, one of them will fail. So we kill a worker on purpose, with the
# signal that no process can catch, when about a quarter of the work is done. A moment
# later its **nanny** starts another.
#
# **Before you run the next cell:** how much is lost: the whole search, half of it, or
# less? Will the answer be the same?

# %%
from distributed import get_task_stream

from asif_book.measuring import kill_when_busy, timeline

with get_task_stream(client) as stream:
    killed, thread = kill_when_busy(client, after=took_together / 4)
    after_a_loss, took = timed(lambda: distributed_top_anchors(client, **ask))
    thread.join()
draw.show(draw.cluster_timeline(*timeline(stream.data, killed)))
print(f"a worker was killed; the search took {draw.duration(took)}, now")
print(f"without the loss it took {together_in_words}")
print("the same, bit for bit:", all(map(torch.equal, after_a_loss, alone)))

# %% tags=["hide-input"]
# Close the cluster, and count its processes.
import psutil

children = psutil.Process().children(recursive=True)
workers = [p for p in children if "spawn_main" in " ".join(p.cmdline())]
client.close()
_, alive = psutil.wait_procs(workers, timeout=10)
print(f"the cluster is closed; of {len(workers)} worker processes left: {len(alive)}")

# %% [markdown]
# **What you see.** In the figure, a box is a search, and the cross marks the kill. The
# row of worker 1 stops there, and the boxes of the others continue: they take over its
# unfinished searches. A worker sends off each finished result at once, so the result is
# safe. Another worker does the unfinished task again. A task has no state of its own:
# its result depends on the bank and the queries alone. So it does not matter which
# worker does it, or how often.

# %% [markdown]
# ## 8 · The cost curve
#
# Now the measurement that section 1 promised: the same search for growing banks, with
# `memory=2**26`. The anchors lie in a file in half precision and are mapped, not read:
# the operating system brings in the pages that are needed. (On Linux these pages do not
# count as memory of the search. Other systems cannot tell them apart.)
#
# **Before you run the next cell:** with both axes logarithmic, what slope will the
# curve of time have? Where will it bend, and why? And the curve of memory?

# %% tags=["hide-input"]
# Write the anchors for the cost curve to a file.
import shutil

from asif_book.made_up import mapped_anchors

wide = 256 if fast else 768
wanted = [1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000]
wanted += [] if fast else [200_000, 400_000, 800_000, 1_600_000]
room = shutil.disk_usage(folder.name).free // 2  # bytes
sizes = np.array([n for n in wanted if n * wide * 2 <= room])
if len(sizes) < len(wanted):
    print(f"your disk has room for {sizes[-1]:,} anchors, not for {wanted[-1]:,}")
large_world = world if fast else World(d_image=wide, seed=seed)
stored = mapped_anchors(home / "anchors.bin", large_world, int(sizes[-1]))  # float16
large_asked, _, _ = large_world.pairs(256, number=0)  # (256, wide)

# %% tags=["hide-input"]
# Time searches of growing size, and draw the cost curve.
from asif_book.measuring import fixed_and_per_anchor, search_costs


def search_among(n):
    return top_anchors(large_asked, stored[:n], k, method=method, memory=2**26)


seconds, memory = search_costs(search_among, sizes.tolist())
fixed, per_anchor = fixed_and_per_anchor(sizes, seconds)
dense = 4 * len(large_asked) * sizes  # bytes of the dense matrix
draw.show(draw.cost_curves(sizes, seconds, (fixed, per_anchor), memory, dense))
raw = np.polyfit(np.log(sizes), np.log(seconds), 1)[0]
of_largest = np.log(sizes[-3:]), np.log(seconds[-3:] - fixed)
slope = np.polyfit(*of_largest, 1)[0]  # there the fixed cost is the smaller part
print(f"slope of all points: {raw:.2f}")
print(f"slope of the three largest, minus the fixed cost: {slope:.2f}")
print(f"the fixed cost: {draw.duration(fixed)}")
large = draw.duration(fixed + per_anchor * 1.6e6)
print(f"by this line, {len(large_asked)} questions to 1.6 million: {large}, here")

# %% [markdown]
# **What you see.** In the left panel, the dashed line has slope 1: twice the anchors,
# twice the time. At its lower end the circles lie above it, because the start of a
# search costs something for every $n$. (A slope fitted through all points mixes the
# two, and promises too much at large $n$.) In the right panel, the line with circles is
# the memory of the search. It rises until the blocks have their largest size, and then
# no more. The dashed line is the dense matrix: for few anchors it would take less. The
# curve of time goes on like this until the file no longer fits into the system's cache
# of files. Then each search reads from the disk, and time jumps to the disk's speed.
# `fast = False` may tell where that is on your machine.

# %% [markdown]
# ## 9 · On paper
#
# Beyond that, compute before you buy. `estimate_costs` takes the measured rates of one
# machine. It adds up bytes and seconds for any number of pairs and machines. Here are
# the rates of *your* machine, from section 1 (the rate of merging is ours).
#
# **Before you run the next cell:** a billion pairs on 100 machines like this one. Days
# or months to encode? And to answer 10,000 questions: seconds, minutes, hours?

# %% tags=["hide-input"]
# Estimate the costs of larger banks.
from asif_lib.cluster import Machine, estimate_costs

mine = Machine(
    pictures=sample / encoding_pictures,  # a second
    captions=sample / encoding_captions,
    products=len(asked) * many.numel() / searching,
)
plans = [(1_600_000, 1), (12_000_000, 1), (12_000_000, 8)]
plans += [(400_000_000, 32), (1_000_000_000, 100)]
rows = []
for pairs, machines in plans:
    cost = estimate_costs(pairs, machines, network=1.25e9, machine=mine)
    answering = cost.search_seconds + cost.network_seconds + cost.merge_seconds
    row = {"pairs": f"{pairs:,}", "machines": machines}
    row["bank"] = f"{cost.bank_bytes / 1e9:,.0f} GB"
    row["of it on each"] = f"{cost.machine_bytes / 1e9:,.1f} GB"
    row["to build"] = draw.duration(cost.encode_seconds)
    row["to answer 10,000"] = draw.duration(answering)
    rows.append(row | {"network": f"{cost.network_bytes / 1e9:,.1f} GB"})
pd.DataFrame(rows).style.hide(axis="index")

# %% [markdown]
# **What you see.** The column “to build” is the bill, as in section 1: encoding. More
# machines divide it (a GPU divides it by much more). They divide the search, too, but
# not the client's merge. The numbers are only as good as the rates, which come from a
# second of work: treat them as an order of magnitude. The page
# `notebooks/beyond_one_machine.md` in the repository tells how to run this on a
# university cluster, and how the plan was made.
#
# The temporary folder goes now, with the banks in it.

# %% tags=["hide-input"]
# Delete the files of this chapter.
folder.cleanup()

# %% [markdown] tags=["progress"]
# Which exercises of this chapter have you solved? (Kept on this machine only.)

# %% tags=["progress", "hide-input"]
# Show the exercises that you have solved.
from asif_book import show_progress

show_progress("08")

# %% [markdown] tags=["teacher"]
# ### Timing
#
# **50 minutes.** Section 1 with its prediction on the board (8 minutes), 08.1 (5),
# section 3 with 08.4 and the figure (20; give the bound of 08.3 as a fact), the kill in
# section 7 (7), section 8 (5), 5 minutes for the summary. At home: 08.2, 08.3, 08.5,
# 08.6, sections 5 and 6.
#
# **90 minutes.** Sections 1 and 2 with 08.1 and 08.2 (25), section 3 with 08.3 and 08.4
# (30; derive $T - 2E$ in pairs, each explaining one of the two steps), section 5 or 6
# with a vote beforehand on the margin (15), section 7 with the dashboard on the
# projector (10), sections 8 and 9 (10). At home: 08.5 to 08.7.
#
# ### What students get wrong
#
# - *"Equal bits are a matter of course."* Three methods agree in every bit, and nobody
#   is surprised. Let the students compare `unit_asked @ unit_many.T` with the same
#   product made one picture at a time,
#   `torch.stack([one @ unit_many.T for one in unit_asked])`, and count the differences.
#   Ask in which order each of them sums.
# - *"$T - E$ is enough."* Seen in 08.4. Ask which value may be wrong in which
#   direction: the product of the discarded anchor, and the product in place $k$.
# - *"The bound is what we measured."* Seen in 08.3 as the largest error of all
#   products. Ask what was saved then.
# - *"topk breaks ties by index."* Seen in 08.2. Ask for the documentation's sentence on
#   ties; it has no such sentence.
# - *"Sparse is smaller."* Seen as surprise at `min(800, n)` in section 4. Ask what a
#   sparse vector stores beside its values.
# - *"Recall 75 %, so a quarter of the accuracy is gone."* Ask what an anchor in place
#   90 adds to a score with $p = 4$.
# - *"Not significantly worse, so fine."* Seen in 08.7, as in 07.3. Ask what 60 pictures
#   could show, even if no decision changed.
# - *"More workers, more speed."* Ask how many cores there are, and which programs use
#   them.
# - *"The slope is 0.9, so it scales better than linearly."* Seen in section 8. Ask what
#   the fixed cost does to the left end of a line on logarithmic axes.
#
# ### Discussion
#
# 1. Why is the exact search not simply done in double precision from the start?
#
# > **Answer.** It would be several times slower: processors do fewer such products at a
# > time, and twice the memory moves. Double precision is used where it decides, on the
# > few candidates.
#
# 2. The mean over templates can be taken before the scores. Can the maximum?
#
# > **Answer.** No. The largest of several sums is not a sum over the same terms: the
# > best prompt differs from picture to picture. The index must then score all prompts.
#
# 3. A colleague stores embeddings as int8, one number for the scale of each row. What
#    would you ask for?
#
# > **Answer.** The same table as in section 5, on questions that matter, with a margin
# > that was named before. And which part of the pipeline computes with the 8 bits, and
# > which part only stores them.
#
# 4. Why does a killed worker not change the result, and when would it?
#
# > **Answer.** A task is a function of data that does not change, so doing it again
# > gives the same result. The result would change if tasks added to something shared,
# > if values depended on their block, or if ties went to the first shard to finish. All
# > three are common.
#
# 5. What does the curve of section 8 not tell about 1.6 million anchors?
#
# > **Answer.** It does not tell what happens beyond memory. The line holds as long as
# > the file stays in the system's cache. Look at the last points with `fast = False`,
# > and at how much memory the machine has.

# %% [markdown]
# ## Summary
#
# - Encoding is paid once for an anchor, the search for every question:
#   $q \cdot n \cdot d$ multiplications.
# - In blocks, memory is a number that you state; the dense matrix never exists.
# - Fast and exact: a rounded product, a bound on its error, every anchor kept that may
#   belong ($T - 2E$), and a second look at the few. If a list of bounded length cannot
#   hold all of them, the search notices and takes the slow way.
# - Sparse vectors take $8 q k$ bytes, for any $n$; an entry costs two numbers.
# - An inverted index compares only shared entries. The mean over templates can be taken
#   before.
# - Half precision halves the bank. Its cost is counted in decisions, with an interval
#   that claims no more than the number of questions allows.
# - An approximate index is tuned by the accuracy that may be lost, with a margin named
#   beforehand. Recall is another curve.
# - Shards, tasks without state and ties by index: so a cluster gives the same answer,
#   also when a worker dies.
#
# **What would prove us wrong.** One query for which the three methods disagree in a
# single bit: the library's tests look for it among duplicates, near-ties and tiny
# vectors, and so may you. A slope in section 8 clearly above 1, after the fixed cost is
# subtracted, would mean that we missed something that grows with $n$. And your own
# data: if more decisions changed for the worse in float16 than section 5's interval
# allows, half precision would not be free there: measure it, the cell is yours.
#
# **Where next.** Take a folder of your own with thousands of pictures:
# `asif bank build NAME --from FOLDER --precision float16`, then
# `asif bank prepare NAME`. It keeps the rounded copy of section 3 beside the bank;
# `asif search` and `asif evaluate` use it from then on.
