# %% [markdown] cell_seconds=3600 alone=true
# # 08 · Scaling
#
# > **Question.** What does it cost at 1.6 million anchors, and beyond one machine?
#
# In chapter 07 one pair turned “deer” into “kangaroo”. Is such an edit still quick in
# the paper's bank?
#
# <details><summary>Goals, minutes, path, what runs</summary>
#
# - say beforehand where time and memory go;
# - compute with 8 bits, and prove that the answer is exact all the same;
# - compare sparse vectors by their lists;
# - judge a shortcut by the decisions that it changes;
# - spread a search over several processes, and kill one.
#
# **Minutes** {minutes} · **Before this** [04 ·
# Sparsification](04_sparsification.ipynb), best also [07](07_editing.ipynb) · **What
# runs** Stamps, some Fashion-MNIST, and tens of thousands of made-up embeddings take
# about 40 seconds on 2 cores. With `fast = False`, up to 400,000 made-up pairs take
# about a minute, 4 GB of memory and 1 GB of free disk.
#
# </details>

# %% tags=["parameters", "hide-input"]
# Set up this chapter. To choose encoders, device or pictures, open this cell.
profile = "offline"  # or "hub": larger encoders, from the hub
device = "auto"  # "auto", "cpu", "cuda" or "mps"
pairs = "stamps"  # or a folder of pictures with captions
seed = 0  # for samples and made-up embeddings
fast = True  # False: up to 400,000 made-up pairs, in sections 6 and 7

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import asif_book.figures as draw
from asif_book.chapters.measuring import PeakMemory, timed
from asif_lib import ASIF, embed, load_labelled
from asif_lib.evaluation import (
    Measure,
    in_points,
    mean_with_interval,
    paired_difference,
)
from asif_lib.search import centred_unit, round_rows, top_anchors

draw.use_style()

from asif_book.chapters.opening import open_chapter
from asif_book.checks import (
    check_bytes,
    check_error_bound,
    check_inverted_index,
    check_keep,
    check_knob,
    check_merge,
    check_sparse_cosine,
)

image_encoder, text_encoder, stamps, bank = open_chapter(profile, device, pairs)
from asif_book.chapters.made_up import World

CLASSES = 100  # concepts that the questions come from, of 200
world = World(seed=seed)
many, many_captions, _ = world.pairs(50_000, number=1)  # (50000, 256), (50000, 128)
asked, _, asked_concepts = world.pairs(400, number=0, concepts=CLASSES)  # (400, 256)
many_mean = many.mean(dim=0)  # (256,)

# %% [markdown]
# ## 1 · The price of an edit
#
# An edit encodes one picture and one caption, and writes one row.
#
# **Before you run the next cell:** a stored bank grows fifty times larger. How much
# longer does it take to add a pair?

# %% tags=["hide-input"]
# Time the addition of one pair to growing banks.
from asif_book.chapters.made_up import save_bank

folder = tempfile.TemporaryDirectory()
home = Path(folder.name)
one_pair = save_bank(home / "one", *world.pairs(1, number=3)[:2])
one_pair = one_pair.replace(pairs=one_pair.pairs.assign(id="one"))
edits = {}
for size in (1_000, 10_000, 50_000):
    stored = save_bank(home / f"of-{size}", many[:size], many_captions[:size])
    times = []
    for _ in range(3):
        edited, took = timed(lambda stored=stored: stored.add(one_pair))
        edited.undo()
        times.append(took)
    edits[f"{size:,} anchors"] = min(times)

# %% tags=["hide-input"]
# Draw the time to add one pair to growing banks.
draw.show(draw.stage_bars({"to add one pair to a bank on the disk": edits}))

# %% [markdown]
# **What you see.** Fifty times the anchors take far less than fifty times as long,
# because an edit writes only its own rows. The new mean follows from the old one
# (exercise 07.2), and only the ids are compared with all others. So the kangaroo's pair
# should cost only a moment at 1.6 million anchors, too.

# %% [markdown]
# These embeddings of a few hundred concepts, in 256 and 128 dimensions, were **made
# up**. Their accuracy says nothing about a real model. But their cost is a guide,
# although a search among many near-copies takes longer.
#
# A question takes three stages:
#
# 1. **encode** the picture;
# 2. **search** the $k$ most similar of $n$ anchors, with $n \cdot d$ multiplications
#    for each of $q$ pictures;
# 3. **score**: compare $q$ sparse vectors with the $t$ sparse vectors of the texts.
#
# All anchors were encoded once, before the first question. We measure a small size, and
# compute the paper's size from it: 1.6 million anchors in 768 dimensions, 10,000
# pictures, and 7,000 texts.
#
# **Before you run the next cell:** which stage is largest at the paper's size?

# %% tags=["hide-input"]
# Time the encoders at a small size.
from asif_lib.search import plan_search

q, n, d, t, paper_k = 10_000, 1_600_000, 768, 7_000, 800  # the paper's size
method = plan_search(q, n, d, paper_k).method  # section 2 says which methods there are
sample, k = min(48, len(stamps)), 100  # our size
_, encoding_pictures = timed(
    lambda: image_encoder.encode(stamps.pictures[:sample], progress=False)
)
_, encoding_captions = timed(
    lambda: text_encoder.encode(stamps.captions[:sample], progress=False)
)

# %% tags=["hide-input"]
# Time the search and the scores at a small size.
from asif_lib.search import indexed_scores
from asif_lib.sparse import SparseVectors

top_anchors(asked[:2], many[:500], k, method=method)  # the first call compiles
(values, indices), searching = timed(
    lambda: top_anchors(asked, many, k, mean=many_mean, method=method)
)  # (400, 100) each
pictures = SparseVectors(indices.int(), values.clamp_min(0), len(many))
indexed_scores(pictures[:2], pictures[:2])
_, scoring = timed(lambda: indexed_scores(pictures, pictures))  # (400, 400)
encoding = encoding_pictures + encoding_captions
here = {"encode the anchors, once": encoding, "search": searching, "score": scoring}

# %% tags=["hide-input"]
# Draw the times of the three stages, here and at the paper's size.
factors = [  # how much more work the paper's size is
    n / sample,
    q * n * d / (len(asked) * many.numel()),
    q * t * paper_k / (len(asked) ** 2 * k),
]
paper = {stage: here[stage] * f for stage, f in zip(here, factors, strict=True)}
bars = {"measured here, small": here, "the same rates at the paper's size": paper}
draw.show(draw.stage_bars(bars))

# %% tags=["hide-input"]
# Print what an edit and a question take.
edit, question = encoding / sample + max(edits.values()), paper["search"] / q
again = draw.duration(paper["encode the anchors, once"])
print(f"The edit encodes one pair and writes it in {draw.duration(edit)}.")
print(f"Then a question to 1.6 million anchors takes {draw.duration(question)}.")
print(f"To encode all pairs again would take {again}.")

# %% [markdown]
# **What you see.** The stage of the longest hatched bar is paid once, but every
# *question* pays for the search. So this chapter makes the search smaller and faster,
# and asks whether the answer is still the same.

# %% [markdown]
# ## 2 · The memory wall
#
# The obvious search is one line, `(queries @ anchors.T).topk(k)`, but it makes the
# dense matrix of $q \times n$ cosines. Another way takes the anchors in **blocks** of
# $b$ rows. The cosines of all pictures with one block are a **tile**, and each picture
# keeps the $k$ best cosines that it has met.
#
# **Before you run the next cell:** the number of anchors grows a thousandfold. Does the
# largest number of cosines held at one moment grow?

# %% tags=["hide-input"]
# Draw a search in blocks of 8 anchors.
from asif_lib import Settings, relative_representation, represent

train = stamps.splits["train"]
few = train[:: max(1, len(train) // 48)][:48]
three, few = stamps.splits["test"][:3], few[: len(few) // 8 * 8]  # whole blocks
anchors, mean = bank.image[few], bank.image_mean
cosines = relative_representation(bank.image[three], anchors, mean=mean)  # (3, 48)
draw.passing_tiles(cosines, bank.pairs.picture[three], k=3, block=8)

# %% [markdown]
# **What you see.** More anchors make more tiles, but no larger ones, so the cosines
# held at one moment do not grow.
#
# ### Exercise 08.1 · How many bytes?
#
# **Difficulty** ●○○○○ · **Minutes** 4
#
# Cosines are float32 numbers of 4 bytes. Each of the $k$ best so far has a cosine and
# the position of its anchor, an int64 of 8 bytes. Return two numbers: the bytes of the
# dense matrix, and the bytes of one tile together with the $k$ best so far of all
# queries.


# %% tags=["exercise"]
def my_bytes(q: int, n: int, b: int, k: int) -> tuple[int, int]:
    """Bytes of the dense matrix (q, n), and of one tile (q, b) with the k best so far.

    The k best so far are (q, k) values and (q, k) positions.
    """
    ### BEGIN SOLUTION
    # The table has q · n numbers; in blocks it has q · b, beside k values and indices.
    ### END SOLUTION


# %% tags=["check"]
check_bytes(my_bytes)

# %% [markdown]
# <details><summary>Hint</summary>
#
# The search holds three tables: the tile, the best values, and their positions.
#
# </details>
# <details><summary>What you should see</summary>
#
# The verdict is ✔. Call `my_bytes(10_000, 1_600_000, 4_096, 800)`. Which of the four
# letters has disappeared from the second number?
#
# </details>

# %% [markdown]
# The library's `top_anchors` chooses blocks that fit into a limit of memory. It has
# three methods: `"float32"`, `"bf16"` (section 3), and `"torch"` for a GPU.
#
# **Before you run the next cell:** the dense matrix of 400 × 50,000 cosines has 80 MB.
# How much will `topk` take on top of it? And will a search that may use a quarter of it
# give the same anchors?

# %% tags=["hide-input"]
# Write down four ways to search.
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

# %% tags=["hide-input"]
# Measure the memory of the four ways.
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
print(f"The anchors at length 1 are not counted: {unit_many.nbytes / 1e6:.0f} MB.")
for name in ("float32", "bf16", "torch"):
    found, took = timed(
        lambda name=name: top_anchors(asked, many, k, mean=many_mean, method=name)
    )
    same = all(map(torch.equal, found, (values, indices)))
    print(f"{name} takes {took:.2f} s now. Is the answer the same, bit for bit? {same}")

# %% [markdown]
# **What you see.** `topk` takes next to nothing, because the matrix is the cost. Each
# method sums in another order, but the answer is the same to the last bit. This is
# because the library computes the returned cosines once more, in double precision.

# %% [markdown]
# A bank can be cut into **shards**, parts on several machines, which finish in any
# order. But copies of a pair have equal cosines, and this order must not decide between
# them.
#
# ### Exercise 08.2 · One answer from many shards
#
# **Difficulty** ●●●○○ · **Minutes** 10
#
# Each shard sends the values and the indices of its best anchors, the largest value
# first. The indices count over the whole bank. Return two tensors, the values and the
# indices of the $k$ best of all, the largest first. **Of equal values the smaller index
# comes first**, in whatever order the shards finish. A shard may send fewer than $k$.


# %% tags=["exercise"]
def my_merge(
    parts: list[tuple[torch.Tensor, torch.Tensor]], k: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The k best of the answers of several shards.

    parts: for each shard values (q, m) float32 and indices (q, m) int64, m its own;
    returns values (q, k) float32 and indices (q, k) int64.
    """
    ### BEGIN SOLUTION
    # Sort by index, then by value in a stable way: ties keep the smaller index first.
    ### END SOLUTION


# %% tags=["check"]
check_merge(my_merge)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Join all values and all indices along the second dimension. A sort by two keys is two
# sorts: first by the lesser key, the index, then by the value, with `stable=True`.
#
# </details>
# <details><summary>What you should see</summary>
#
# The verdict is ✔. **Now break it:** leave out `stable=True`. Which is the first input
# where it matters?
#
# </details>

# %% [markdown] tags=["number"]
# ## 3 · Fast, and still exact
#
# A float32 has 24 significant bits. A **bfloat16** keeps only 8 of them, two or three
# decimal digits, but many processors multiply such matrices much faster.
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
print(f"Of the {k} best anchors, products in bfloat16 alone miss {missed} pictures.")
worst = float((unit_asked @ unit_many.T - products).abs().max())
print(f"The largest error of a product, its own rounding included, is {worst:.4f}.")

# %% [markdown]
# Three steps repair this loss.
#
# **First: bound the error.** Write $\hat q$ for the rounded $q$, and $\hat a$ for the
# rounded $a$. The length of what $q$ lost is $\delta = \|q - \hat q\|$. The error of a
# product is
#
# $$q \cdot a - \hat q \cdot \hat a = (q - \hat q) \cdot a + \hat q \cdot (a - \hat a)$$
#
# A dot product is at most the product of the lengths. So
#
# 1. $|(q - \hat q) \cdot a| \le \delta$, since $a$ has length 1;
# 2. $|\hat q \cdot (a - \hat a)| \le (1 + \delta) \cdot \|a - \hat a\|$, since $\hat q$
#    has at most length $1 + \delta$.
#
# No product is off by more than
#
# $$E = \delta + (1 + \delta) \cdot \max_a \|a - \hat a\|.$$
#
# ### Exercise 08.3 · How wrong can a product be?
#
# **Difficulty** ●●●○○ · **Minutes** 10
#
# Compute $E$ for each query, from the vectors and the rounded vectors. Do not use any
# product of a query and an anchor, because these products are the work that we want to
# save.


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
    # An error is at most the lost length times the other length (Cauchy–Schwarz).
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
# The verdict is ✔. **Now break it:** leave out the 1 +, and read the message.
#
# </details>

# %% [markdown]
# **Second: keep every anchor that may belong.** Let $T$ be the $k$-th largest of the
# rounded products of a query. Each dot is a product, and its bar shows where the true
# cosine may lie. Which anchors can be among the true $k$ best?

# %% tags=["hide-input"]
# Draw some products near T, and what their true cosines may be.
error = rounded_asked.error + (1 + rounded_asked.error) * rounded_many.error
draw.show(draw.number_line(products[0], error, k))

# %% [markdown]
# ### Exercise 08.4 · Which anchors must be kept?
#
# **Difficulty** ●●○○○ · **Minutes** 8
#
# Return a mask of the anchors that must be kept. The true $k$ best are certainly among
# them, but no anchor is kept without need. Anchors that tie with the last place count
# as belonging.


# %% tags=["exercise"]
def my_candidates(products: torch.Tensor, k: int, bound: torch.Tensor) -> torch.Tensor:
    """Which anchors may be among the k best, (q, n) bool.

    products: (q, n), each off by at most bound: (q,).
    """
    ### BEGIN SOLUTION
    # The k-th place and the anchor may each be wrong by E: keep all down to T − 2E.
    ### END SOLUTION


# %% tags=["check"]
check_keep(my_candidates)

# %% [markdown]
# <details><summary>Hint</summary>
#
# At least $k$ anchors have a product of $T$ or more. How small can their true cosines
# be? How small can the product of an equal anchor be?
#
# </details>
# <details><summary>What you should see</summary>
#
# The verdict is ✔. **Now break it:** use $T - E$, and read which of the two steps you
# lost.
#
# </details>

# %% [markdown] tags=["number"]
# **Third: look again.** The few kept anchors get their true cosine, in double
# precision. The $k$ best of these are the exact answer. If too many anchors must be
# kept, the library takes a slower way.
#
# **Before you run the next cell:** with $k = 100$ of 50,000, will the library look
# again at 110 anchors, 200, or 2,000?

# %% tags=["hide-input"]
# Count the anchors kept, and the right ones that rounding alone would lose.
from asif_lib.search import Sieve

sieve = Sieve(rounded_asked, k, limit=max(4 * k, 2_048))
sieve.feed(rounded_many, start=0)
kept = np.array([len(positions) for positions in sieve.candidates()])  # (400,)
lowest = sieve.lowest()  # (400,)
thresholds = products.topk(k).values[:, -1]  # (400,), T of each query
below = (products.gather(1, indices) < thresholds[:, None]).sum(dim=1)  # right, below T
row = int(below.argmax())  # the picture for which the rounded products lose most
print(f"E is {error:.4f}. The picture that loses most has T = {thresholds[row]:.4f}.")
print(f"It keeps anchors with a product of {lowest[row]:.4f} or more.")
print(f"Rounding alone would lose {below[row]} of its {k} best anchors, below T.")
print(f"For all {len(kept)} pictures, {kept.min()} to {kept.max()} anchors are kept.")

# %% [markdown]
# **What you see.** Rounding alone would lose the right answers below $T$. The anchors
# kept beyond $k$ are the price of keeping them.

# %% [markdown]
# ## 4 · The savings of forgetting
#
# The dense matrix takes $4 q n$ bytes. A sparse vector keeps the number of the anchor
# and the value for each of its $k$ entries. Each takes 4 bytes, so $q$ vectors take
# $8 q k$ bytes, for any $n$. So sparse vectors are smaller as soon as $k < n/2$.
#
# **Before you run the next cell:** the paper has $n = 1.6$ million and $k = 800$. With
# $q = 10{,}000$, does the dense matrix fit into a laptop? By what factor is the sparse
# one smaller?

# %% tags=["hide-input"]
# Count the bytes of dense and of sparse vectors.
rows = []  # q, n, k, bytes of the dense matrix, bytes of the sparse vectors
in_bank = len(bank)
dense = relative_representation(bank.image, bank.image, mean=mean)  # (793, 793)
for kept in (round(0.1 * in_bank), min(800, in_bank)):
    sparse = represent(bank.image, bank.image, Settings(kept, 2), mean=mean)
    rows.append((in_bank, in_bank, kept, dense.nbytes, sparse.nbytes))
    assert rows[-1][3:] == (4 * in_bank**2, 8 * in_bank * kept)  # the formulas
rows.append((q, n, paper_k, 4 * q * n, 8 * q * paper_k))
table = pd.DataFrame(rows, columns=["q", "n", "k", "dense, MB", "sparse, MB"])
table[["dense, MB", "sparse, MB"]] /= 1e6
table["dense / sparse"] = table["dense, MB"] / table["sparse, MB"]
rows_of_table = ["measured", "measured again", "the paper's size, by formula"]
table.set_axis(rows_of_table).style.format(precision=2, thousands=",")

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
# **What you see.** At the paper's size, the diamonds (dense) are far above the others.
# But for the stamps, the crosses (`min(800, n)`) lie above the diamonds, because with
# every entry kept, sparse vectors take *twice* the space.
#
# ### Exercise 08.5 · Compare without the zeros
#
# **Difficulty** ●●●○○ · **Minutes** 10
#
# The cosine of two vectors of length 1 is the sum of $x_i \, y_i$ over all anchors $i$.
# For sparse vectors only anchors that stand in *both* lists count. Compute the cosine
# from the two lists of indices and values. The lists are sorted by value, not by index,
# and no index occurs twice in a list. Try to do without vectors of length $n$.


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
    # Compare each index with each; only where they are equal, values are multiplied.
    ### END SOLUTION


# %% tags=["check"]
check_sparse_cosine(my_sparse_cosine)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `indices_a[:, None] == indices_b[None, :]` is a table of $k_a \times k_b$ answers: is
# it the same anchor? Or use a dictionary from index to value, with plain numbers
# (`.tolist()`), because two tensors are never the same key.
#
# </details>
# <details><summary>What you should see</summary>
#
# The verdict is ✔. Two vectors without a common anchor give 0, and a vector with itself
# gives 1.
#
# </details>

# %% [markdown]
# If $k$ is small beside $n$, most pairs of lists share next to nothing, so it is a
# waste to compare every pair. Search engines keep for each word the list of its
# documents. In the same way, an **inverted index** keeps for each anchor the list of
# texts that have an entry there. The score of a picture needs only the texts in the
# lists of its $k$ anchors. In the figure, these cells are lit.

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
# Build the index of $t$ captions, and score one picture with all of them. Return the
# scores, and how many entries of the index you looked at. Building does not count,
# because it is done once for all pictures. All values are above 0.


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
    # Each anchor keeps a list of its captions; all other captions are never looked at.
    ### END SOLUTION


# %% tags=["check"]
check_inverted_index(my_scores)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Make a dictionary from anchor to a list of (caption, value):
# `postings.setdefault(anchor, []).append((caption, entry))`. Turn tensors into plain
# numbers with `.tolist()`. For an anchor that no caption has, use `.get(anchor, [])`.
#
# </details>
# <details><summary>What you should see</summary>
#
# The verdict is ✔. One input has indices up to 1.6 million, but is as quick as the
# others.
#
# </details>

# %%
few = pictures[:200]  # 200 sparse vectors in the place of texts, n = 50,000
lengths = np.diff(few.to_csr().tocsc().indptr)  # (50000,), texts in an anchor's list
multiplied = int(lengths[pictures.indices.numpy()].sum())
dense = len(pictures) * len(few) * pictures.n
print(f"Dense vectors take {dense:,} multiplications.")
print(f"The index takes {multiplied:,} multiplications.")

# %% [markdown] tags=["number"]
# ## 5 · Half the bytes
#
# In half precision a number takes 2 bytes. **float16** has 11 significant bits and a
# narrow range of sizes. bfloat16 has only 8, but the range of float32. We count the
# decisions that the missing bits cost.
#
# The bank has the stamps and 20 captioned pictures of each of ten kinds of clothing, as
# in chapter 07. We ask the 1,000 test pictures of Fashion-MNIST and the 150 test stamps
# of chapter 05.
#
# **Before you run the next cell:** of 1,000 decisions, how many will change with 11
# bits? And with 8?

# %% tags=["hide-input"]
# Add a lesson to the bank.
from asif_book.chapters.classes import captioned, inverted

fashion = load_labelled("fashion_mnist")
drawn = fashion.split("train").sample(1_000, seed)
twenty = [np.flatnonzero(drawn.labels == c)[:20] for c in range(len(fashion.classes))]
lesson = captioned(drawn.subset(np.concatenate(twenty)))  # 200 pairs of clothing
taught = bank.add(bank.embed(lesson, image_encoder, text_encoder, progress=False))

# %% tags=["hide-input"]
# Prepare the questions.
from asif_lib.evaluation import same_text
from asif_lib.zeroshot import make_prompts

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

# %% tags=["hide-input"]
# Answer them by a bank.
from asif_book.chapters.measuring import recall_of_pairs


def answers_of(bank):
    """Labels of the pictures of clothing, (1000,), and recall of the stamps, (150,)."""
    model = ASIF(bank.subset(others), device=device)
    scores = model.similarity(stamps_asked.image, stamps_asked.text)
    recall = recall_of_pairs(scores, same)
    scores = ASIF(bank, p=8, device=device).similarity(z_test, labels)  # (1000, 10)
    return scores.argmax(dim=1).numpy(), recall


dtypes = torch.float32, torch.float16, torch.bfloat16
answers = {dtype: answers_of(taught.to(dtype)) for dtype in dtypes}

# %% tags=["hide-input"]
# Compare the results when embeddings have fewer bytes.
from asif_lab import compare_decisions

rows, gaps = [], {}
precise, precise_recall = answers[torch.float32]
for dtype, (chosen, recall) in answers.items():
    name = str(dtype).removeprefix("torch.")
    megabytes = f"{1.6e6 * (768 + 384) * dtype.itemsize / 1e6:,.0f}"
    rows.append([name, megabytes, f"{(chosen == test.labels).mean():.1%}"] + 3 * ["–"])
    if dtype != torch.float32:
        gap = compare_decisions(chosen == test.labels, precise == test.labels)
        of_stamps = paired_difference(recall, precise_recall, seed)
        gaps[name] = {"clothing: accuracy": gap, "stamps: mean recall": of_stamps}
        changed = f"{(chosen != precise).sum()} of {len(chosen)}"
        rows[-1][3:] = changed, in_points(gap, 2), in_points(of_stamps, 2)

# %% tags=["hide-input"]
# Draw the change of the results when embeddings have fewer bytes.
xlabel = "change against float32, points, 95 % interval"
draw.show(draw.interval_dots(gaps, xlabel=xlabel, zero=True))
columns = ["stored as", "MB at 1.6 M pairs, 768 + 384", "clothing: accuracy"]
columns += ["decisions changed", "change, 95 % interval", "stamps: mean recall"]
pd.DataFrame(rows, columns=columns).style.hide(axis="index")

# %% [markdown]
# **What you see.** Hardly any decision changed, as the column “decisions changed” says.
# If no decision of 1,000 changed, a bootstrap sees no spread and claims certainty,
# [+0.00, +0.00]. But an honest interval still reaches about 3.8 in 1,000 to each side.

# %% [markdown] tags=["number"]
# ## 6 · Approximate search
#
# A search can also look at fewer anchors. **IVF**, an **approximate index**, puts the
# anchors into lists around centres, and searches only the lists with the nearest
# centres. Its knob, `nprobe`, is the number of these lists. FAISS builds the index and
# proposes candidates. The library's `rerank` computes their exact cosines. So an anchor
# may be missing, but no value is wrong.

# %%
import faiss

from asif_lib.search import rerank

count = 20_000 if fast else 200_000
image, text = (many, many_captions) if fast else world.pairs(count, number=1)[:2]
to_search = save_bank(home / "to-search", image[:count], text[:count])
rows, mean = to_search.rows("image"), to_search.image_mean  # (n, 256), (256,)
unit = unit_rows(image[:count], mean).numpy()  # (n, 256)
ivf = faiss.index_factory(256, "IVF128,SQfp16", faiss.METRIC_INNER_PRODUCT)
ivf.train(unit)
ivf.add(unit)


def search_lists(queries, k, nprobe):
    """The k best anchors in `nprobe` lists: cosines and positions, (q, k)."""
    effort = faiss.SearchParametersIVF(nprobe=nprobe)
    asked = unit_rows(queries, mean).numpy()  # (q, 256)
    candidates = ivf.search(asked, k + 100, params=effort)[1]  # half precision errs
    return rerank(queries, rows, candidates, k, mean=mean)


# %% [markdown]
# The usual measure is the **recall** of the search, the share of the true $k$ best that
# the index finds. But an anchor in place 700 of 800 has hardly any weight in a score.
# So we count decisions that change for the worse.
#
# **Before you run the next cell:** IVF searches 20,000 made-up anchors, with the
# paper's $k = 800$ and $p = 8$. If an index finds three fifths of the right anchors,
# how many points of accuracy will that cost: 40? 10? 1?

# %% tags=["hide-input"]
# Measure the recall and the accuracy of the index for each effort.
from asif_lab import choose_effort, measure_efforts

MARGIN = 2.0  # points of accuracy that we would not miss: said before looking
tried, _, tried_concepts = world.pairs(800, number=2, concepts=CLASSES)  # (800, 256)
names = world.names(CLASSES, number=2)  # (100, 128), the prompts
validation = tried, names, tried_concepts
exact_model = ASIF(to_search, k=800, p=8, device="cpu")
efforts = [1, 2, 4, 8, 16, 32]
table = measure_efforts(exact_model, search_lists, *validation, efforts)
chosen_lists = choose_effort(table, MARGIN)

# %% tags=["hide-input"]
# Draw the recall of the anchors for each effort.
shares = {
    "recall of the k anchors": (efforts, table.recall),
    "same decision": (efforts, table.agreement),
}
labels = {"xlabel": "nprobe (log scale)", "ylabel": "share", "logx": 2}
marks = {"chosen": chosen_lists} if chosen_lists else {}
draw.show(draw.line_chart(shares, **labels, percent=True, marks=marks))

# %% tags=["hide-input"]
# Draw the accuracy for each effort.
gaps = {
    f"nprobe = {row.effort}": Measure(row.difference, row.low, row.high, len(tried))
    for row in table.itertuples()
}
axis = {"xlabel": "accuracy minus that of exact search", "margin": MARGIN / 100}
draw.show(draw.interval_dots({"": gaps}, **axis, zero=True))
print(f"With {len(tried)} pictures, the smallest nprobe that surely loses less than")
print(f"{MARGIN:g} points is {chosen_lists or 'none, so search exactly'}.")

# %% [markdown]
# **What you see.** The dotted line is the chosen setting, and the band is the margin.
# An index may miss many of the 800 right anchors and still lose hardly a decision. So
# count decisions, on a bank like yours.
#
# ### Exercise 08.7 · How hard must one look?
#
# **Difficulty** ●●●●● · **Minutes** 20
#
# For each setting of the knob you know which validation pictures got their label.
# Return the **cheapest setting that you can show to lose less accuracy than the
# margin**: the whole paired 95 % interval lies above minus the margin. Where no
# decision changed, the interval must not claim certainty (section 5). If no setting
# will do, return 0, which means an exact search.
#
# Then investigate in cells of your own. `measure_efforts` makes the table for an `ASIF`
# with other $k$ and $p$. Where does an index pay?


# %% tags=["exercise"]
def my_knob(
    efforts: list[int], right: torch.Tensor, exact: torch.Tensor, margin: float
) -> int:
    """The smallest effort that is good enough, or 0.

    efforts: m settings; right: (m, n) bool, which of n pictures each got right;
    exact: (n,) bool, the same for exact search; margin: a share, 0.02 for two points.
    """
    ### BEGIN SOLUTION
    # Of the efforts whose whole interval lies above minus the margin, take the least.
    ### END SOLUTION


# %% tags=["check"]
check_knob(my_knob)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `compare_decisions(a, b)` of section 5 is the mean of $a - b$ over the same pictures.
# Its interval, `.low` and `.high`, is never narrower than the number of pictures
# allows. Which end says how large the loss may be?
#
# </details>
# <details><summary>What you should see</summary>
#
# The verdict is ✔. Two inputs have too few pictures to show anything, so 0 is right
# there.
#
# </details>

# %% [markdown]
# ## 7 · Past one machine
#
# A search over shards is many searches and one merge, as in exercise 08.2. In
# `asif_lab.cluster`, which uses [Dask](https://www.dask.org), a **scheduler** hands out
# tasks, and **workers** do them. The page *Beyond one machine* has clusters.
#
# **Before you run the next cell:** two workers share your cores with the notebook. Will
# they be twice as fast as one process with two threads? And will the result be equal,
# or nearly?

# %%
from asif_lab.cluster import connect, distributed_top_anchors

image, text = (many, many_captions) if fast else world.pairs(400_000, number=1)[:2]
shared = save_bank(home / "shared", image, text)
client = connect(workers=2)
ask = {"queries": asked, "bank": shared, "side": "image", "k": k, "progress": False}
ask |= {"shard": len(shared) // 16}  # anchors of one task
anchors, mean = shared.searchable("image")
alone, took_alone = timed(lambda: top_anchors(asked, anchors, k, mean=mean))
distributed_top_anchors(client, **ask)  # the first time the workers load and compile
together, took_together = timed(lambda: distributed_top_anchors(client, **ask))
alone_in_words, together_in_words = map(draw.duration, (took_alone, took_together))
print(f"Now one process takes {alone_in_words}, and two workers {together_in_words}.")
print("Is the answer the same, bit for bit?", all(map(torch.equal, together, alone)))

# %% [markdown]
# **What you see.** The answers are equal, to the last bit. The time is another matter,
# as the printed line shows.
#
# With many machines, one of them will fail, so we kill a worker on purpose when about a
# quarter of the work is done.
#
# **Before you run the next cell:** how much is lost: the whole search, half of it, or
# less? Will the answer be the same?

# %%
from asif_book.chapters.chapter_08.lessons import kill_when_busy

thread = kill_when_busy(client, after=took_together / 4)
repeated, took = timed(lambda: distributed_top_anchors(client, **ask))
thread.join()
print(f"A worker was killed, and the search took {draw.duration(took)}.")
print(f"Without the loss, it took {together_in_words}.")
print("Is the answer the same, bit for bit?", all(map(torch.equal, repeated, alone)))

# %% tags=["hide-input"]
# Close the cluster, and count its processes.
import psutil

children = psutil.Process().children(recursive=True)
workers = [p for p in children if "spawn_main" in " ".join(p.cmdline())]
client.close()
_, alive = psutil.wait_procs(workers, timeout=10)
print(f"The cluster is closed: {len(alive)} of {len(workers)} processes are left.")

# %% [markdown]
# **What you see.** The other worker takes over the unfinished searches. The answer
# stays the same, because the result of a task depends only on the bank and the queries.

# %% tags=["hide-input"]
# Delete the files of this chapter.
folder.cleanup()

# %% [markdown] tags=["progress"]
# The exercises that you have solved:

# %% tags=["progress", "hide-input"]
# Show the exercises that you have solved.
from asif_book import show_progress

show_progress("08")

# %% [markdown] tags=["teacher"]
# ### Timing
#
# **50 minutes.** Begin with section 1 and its guess on the board (8 minutes), and 08.1
# (5). Then do section 3 with 08.4 and the figure (20), and give the bound of 08.3 as a
# fact. End with the kill in section 7 (7), and 10 minutes for the summary and the exit
# questions. At home: the other exercises.
#
# **90 minutes.** Do sections 1 and 2 with 08.1 and 08.2 (25), and section 3 with 08.3
# and 08.4 (30). For $T - 2E$, let the students derive it in pairs, each explaining one
# of the two steps. Then do section 5 or 6 with a vote beforehand on the margin (15),
# section 7 (10), and the exit questions (10). At home: 08.5 to 08.7.
#
# ### What students get wrong
#
# - *"Equal bits are a matter of course."* Let the students compare
#   `unit_asked @ unit_many.T` with the same product made one picture at a time. Let
#   them count the differences. Ask in which order each of them sums.
# - *"$T - E$ is enough."* You see this in 08.4. Ask which value may be wrong in which
#   direction: the product of the discarded anchor, and the product in place $k$.
# - *"The bound is what we measured."* In 08.3 some return the largest error of all
#   products. Ask what was saved then.
# - *"topk breaks ties by index."* You see this in 08.2. Ask for the documentation's
#   sentence on ties, because it has no such sentence.
# - *"Sparse is smaller."* Students are surprised at `min(800, n)` in section 4. Ask
#   what a sparse vector stores beside its values.
# - *"Recall 75 %, so a quarter of the accuracy is gone."* Ask what an anchor in place
#   90 adds to a score with $p = 4$.
# - *"Not significantly worse, so fine."* You see this in 08.7, as in 07.3. Ask what 60
#   pictures could show, even if no decision changed.
# - *"More workers, more speed."* Ask how many cores there are, and which programs use
#   them.
#
# ### Discussion
#
# 1. Why is the exact search not simply done in double precision from the start?
#
# > **Answer.** It would be slower, because processors do fewer such products at a time,
# > and twice the memory moves. Double precision is used where it decides, on the few
# > candidates.
#
# 2. Why does a killed worker not change the result, and when would it?
#
# > **Answer.** A task is a function of data that does not change, so doing it again
# > gives the same result. The result would change if tasks added to something shared,
# > or if values depended on their block. It would also change if ties went to the first
# > shard to finish.
#
# ### Exit questions
#
# 1. The bank becomes twice as large, and k stays. What happens to the time of an exact
#    search, and to the bytes of a sparse vector?
#
#    > **Answer.** The time doubles, because every question is compared with every
#    > anchor. The bytes stay, because they depend on k only.
#
# 2. A rounded product is wrong by at most E. The k-th largest rounded product is T.
#    Which anchors need a second, exact look?
#
#    > **Answer.** The anchors with a rounded product of at least T − 2E need it. All
#    > others are certainly not among the k largest.
#
# 3. Four machines search a quarter of the bank each. Why is the joint answer exactly
#    that of one machine?
#
#    > **Answer.** Each of the k best anchors is among the k best of its own quarter. So
#    > the k best of the four lists are right, if ties go to the smaller index
#    > everywhere.

# %% [markdown]
# ## Summary
#
# - An edit writes its own rows only. Encoding is paid once for an anchor, but the
#   search for every question, with $q \cdot n \cdot d$ multiplications.
# - In blocks, memory stays near a limit that you state, because the dense matrix never
#   exists.
# - To be fast and exact, round the products, bound their error, keep every anchor that
#   may belong ($T - 2E$), and look again at the few.
# - Sparse vectors take $8 q k$ bytes, for any $n$, and an inverted index compares only
#   shared entries.
# - Judge half precision and approximate indexes by decisions, with a margin named
#   beforehand.
# - A cluster gives the same answer, also when a worker dies, because tasks have no
#   state and ties go by index.
#
# **What would prove us wrong.** If the three methods disagreed in a single bit for one
# query, the search would not be exact. If its time grew faster than the bank, the
# forecasts of section 1 would be too low. `benchmarks/scale.py` measures this growth,
# and fails at a slope above 1.05.
#
# **Where next.** Take thousands of pictures:
# `asif bank build NAME --from FOLDER --precision float16`, then
# `asif bank prepare NAME`, which keeps the rounded copy of section 3.
#
# [Sources](references.md): Jégou 2011, Douze 2024.
