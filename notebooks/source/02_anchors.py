# %% [markdown] code=["datasets/", "bank/"]
# # 02 · Anchors: the captioned pictures in between
#
# > **Question.** Are captions of similar pictures similar?
#
# <details><summary>Goals, minutes, what runs</summary>
#
# - say what an anchor is and what a bank of anchors holds;
# - look closely at a data set: groups, captions that occur twice, near-duplicate
#   pictures, odd captions;
# - measure whether two kinds of similarity agree, over all pairs and among nearest
#   neighbours;
# - remove the effect on purpose with shuffled captions, and give an interval that is
#   honest about pairs;
# - say which pictures the anchors cover, choose anchors that cover more, and know what
#   that costs;
# - invent a score that finds wrong captions, and measure how good it is.
#
# **Minutes** 50 to read, 73 more with the exercises · **Before this** [01 ·
# Encoders](01_encoders.ipynb)
#
# **What runs** All stamps with the two encoders, whose embeddings come from the cache.
# This takes about 25 seconds on 2 CPU cores; in the first run allow a minute or two
# more.
#
# </details>

# %% tags=["parameters"]
profile = "offline"  # or "hub": larger encoders, as in the paper
device = "auto"  # "auto", "cpu", "cuda" or "mps"
seed = 0  # of everything that is drawn at random
fast = False  # True: fewer shuffles and resamples

# %% tags=["hide-input"]
# The tools of this chapter. Run this cell; you need not read it.
import numpy as np
import pandas as pd
import torch
from torch import Tensor

import asif_book.figures as draw
from asif_book import record
from asif_lib import AnchorBank, relative_representation
from asif_lib.datasets import load_pairs
from asif_lib.defaults import PROFILES
from asif_lib.encoders import load_image_encoder, load_text_encoder
from asif_lib.evaluation import mean_with_interval, mutual_neighbours
from asif_lib.relative import unit_rows

draw.use_style()

# %% tags=["hide-input"]
# The checks of this chapter's exercises. Run this cell; you need not read it.
from asif_book.checks import (
    check_coverage,
    check_farthest_first,
    check_mutual_neighbours,
    check_share_by_chance,
    check_shuffled_correlation,
    check_suspicion,
)

# %% tags=["hide-input"]
# Draw two pairs of similar pictures, with their captions.
stamps = load_pairs("stamps")
alike = ["A pig.", "A Tamworth pig."], ["A red apple.", "A pomegranate."]
pairs = [[stamps.captions.index(caption) for caption in two] for two in alike]
draw.show(draw.picture_pairs(stamps.pictures, stamps.captions, pairs, columns=2))

# %% [markdown]
# ## 1 · A bank of anchors
#
# An **anchor** is a picture together with its caption. ASIF puts a few hundred anchors
# between two encoders that have never met. The picture goes through the image encoder,
# the caption goes through the text encoder, and nothing is trained.
#
# We keep the results for $n$ anchors in a **bank**: two matrices, `image` with $n$ rows
# and `text` with $n$ rows, and a table. Row $i$ of all three belongs to pair $i$. This
# shared row number is the only link between the two worlds.

# %%
names = PROFILES[profile]
image_encoder = load_image_encoder(names.image_encoder, device=device)
text_encoder = load_text_encoder(names.text_encoder, device=device)
bank = AnchorBank.build(stamps, image_encoder, text_encoder)
five = np.random.default_rng(seed).choice(len(bank), 5, replace=False)  # rows to draw
draw.two_matrices(bank, sorted(five), order=[2, 0, 4, 1, 3])

# %% [markdown]
# **What you see.** Left, five rows of the bank. A solid green line joins the circles ●
# of a picture with the squares ■ of its own caption, in the same row. Right, the
# captions of these rows have changed places. Not one mark has changed, but the dashed
# grey lines cross: the row numbers now join strangers. Section 7 uses such a
# **shuffle** as a control.
#
# The rest of the bank is the table: it names each pair.

# %%
n = len(bank)
captions, pictures = bank.pairs.caption.tolist(), stamps.pictures
shuffles, resamples = (40, 200) if fast else (100, 1_000)
print(f"image {tuple(bank.image.shape)}, text {tuple(bank.text.shape)}")
print(f"licence: {bank.licence}")
bank.pairs[["id", "caption", "group"]].sample(6, random_state=seed)

# %% tags=["hide-input"]
# Draw twelve anchors at random.
some = np.random.default_rng(seed).choice(n, 12, replace=False)
draw.show(draw.show_pictures([pictures[i] for i in some], [captions[i] for i in some]))

# %% [markdown]
# **What you see.** Each picture is a stamp drawn at random, and its caption stands
# below. The stamps are cut-out photographs and drawings. They come from the drawing
# program Tux Paint.
#
# ## 2 · Look before you measure
#
# A number hides what the data are like. So we look first, and we look for trouble. The
# next cells show the first level of the folders of the stamps, the longest captions and
# the shortest.
#
# **Before you run the next cells:** which kinds of things will be missing? What could
# be wrong with a caption?

# %% tags=["hide-input"]
# Draw the sizes of the groups.
top_group = bank.pairs.group.str.split("/").str[0].to_numpy()  # (n,)
draw.show(draw.group_sizes(top_group))

# %% tags=["hide-input"]
# Draw the stamps with the longest and the shortest captions.
lengths = bank.pairs.caption.str.len().sort_values(kind="stable")
odd = [*lengths.index[::-1][:4], *lengths.index[:8]]  # the 4 longest, the 8 shortest
for i in odd[:4]:
    print(f"{bank.pairs.id[i]}\n   {captions[i]}")
draw.show(draw.show_pictures([pictures[i] for i in odd], [captions[i] for i in odd]))
words = bank.pairs.caption.str.split().str.len()
print(
    f"words in a caption: from {words.min()} to {words.max()}, median {words.median()}"
)

# %% [markdown]
# **What you see.** The bars are very unequal, so the bank knows animals far better than
# its smallest groups. And the captions below the pictures are noisy. The caption of a
# chess piece explains how the piece moves, which no picture shows. “Hair.” and “Mad!”
# say almost nothing. Captions from the web are noisier still, and the method must live
# with the noise.
#
# ## 3 · Twins
#
# There are two more kinds of trouble: captions that occur more than once, and pictures
# that are (nearly) the same. To find the second kind we need a similarity of pictures.
#
# For an embedding $z$ and the mean $m$ of all embeddings, take $z - m$. Compare two
# such differences by the cosine of their angle. (Chapter 03 shows the effect of
# subtracting the mean.) With rows scaled to length 1, all cosines are one matrix
# product.

# %%
u_image = unit_rows(bank.image, bank.image_mean)  # subtract the mean, then length 1
u_text = unit_rows(bank.text, bank.text_mean)
image_similarity = u_image @ u_image.T  # (n, n): entry (i, j) compares pictures i and j
text_similarity = u_text @ u_text.T  # (n, n): entry (i, j) compares captions i and j

rows, columns = torch.triu_indices(n, n, offset=1)  # each pair of two stamps once
picture_cosines = image_similarity[rows, columns]  # (n(n-1)/2,)
caption_cosines = text_similarity[rows, columns]
closest = picture_cosines.topk(8).indices
two = list(zip(rows[closest].tolist(), columns[closest].tolist(), strict=True))
notes = [f"cosine {cosine:.3f}" for cosine in picture_cosines[closest].tolist()]
draw.show(draw.picture_pairs(pictures, captions, two, notes))

# %% tags=["hide-input"]
# Count the captions and the pictures that occur more than once.
from asif_book.lessons import twins

counts = bank.pairs.caption.value_counts()
often = counts[counts > 1]
print(f"{len(often)} captions occur more than once; they cover {often.sum()} stamps")
print(f"the most frequent: {often.index[0]} ({often.iloc[0]} times)")
found = twins(stamps, image_similarity, 0.95)  # a row for each pair of two pictures
print(f"{len(found)} pairs of pictures have a cosine above 0.95:")
table = found.groupby("kind")["in two splits"].agg(["size", "sum"])
table.set_axis(["pairs", "of them in two splits"], axis=1)

# %% tags=["hide-input"]
# List the twins.
found[found.kind != "two captions"].sort_values("kind").set_index("kind")

# %% [markdown]
# **What you see.** Each cell of the figure holds two pictures, their captions and their
# cosine. There are three kinds of twins. Some pairs are the very same picture, filed
# twice. Some are two pictures of one thing, with one caption, that you can hardly tell
# apart. Others differ in a detail that matters to us and hardly at all to the encoder.
# Such details are the lamp of a traffic light, or the direction of < and >, of ≤ and ≥.
# The first table counts each kind, and the second names the twins with one caption.
#
# Twins and repeated captions matter later. If a held-out stamp has a twin among the
# anchors, finding its caption is easy. ([Chapter 09](09_the_paper.ipynb), section 5,
# measures how easy.) If two stamps have the same caption, either of them is right: we
# therefore compare caption *texts*, not row numbers.

# %% [markdown]
# ## 4 · Do the two similarities agree?
#
# ASIF rests on one assumption: **captions of similar pictures are similar.** We can
# test it. Each of the $n(n-1)/2$ pairs of stamps has two numbers, the cosine of its
# pictures and the cosine of its captions. Neither encoder had an influence on the
# other's number.
#
# This part uses all stamps, also the ones held out for later tests. It chooses nothing:
# no setting of the method depends on the result.
#
# ### How sure? Draw stamps, not pairs
#
# Our measure needs an interval. There are hundreds of thousands of pairs, but they are
# far from independent: one odd stamp spoils $n - 1$ pairs at once. The independent
# items are the **stamps**. So we draw $n$ *stamps* with replacement, keep the pairs
# among the drawn stamps, and repeat: a **bootstrap** over stamps.
#
# Stamp $i$ is drawn $w_i$ times, so the pair of stamps $i$ and $j$ counts $w_i w_j$
# times. The weights of a draw form a row $w$. Set the diagonal of a matrix $M$ to 0.
# Then $w M w^T$ holds each pair twice, and half of it is the sum of $M$ over all pairs.
# `pair_sums` computes this for all draws at once. Three stamps show it:

# %%
from asif_lib.evaluation import pair_sums

M = torch.tensor([[1.0, 0.2, 0.3], [0.2, 1.0, 0.4], [0.3, 0.4, 1.0]])  # 3 stamps
w = torch.tensor([[1.0, 1.0, 1.0], [2.0, 1.0, 0.0]]).double()  # 2 draws
pair_sums(w, M)  # 0.2 + 0.3 + 0.4, and 2 · 1 · 0.2

# %% [markdown]
# **Before you run the next two cells:** sketch the cloud of points. How strong is the
# correlation? Does the curve of means rise steadily, or only at one end?

# %% tags=["hide-input"]
# Draw the cloud of all pairs of stamps.
from asif_lib.evaluation import binned_means

bins = binned_means(image_similarity, text_similarity, draws=resamples, seed=seed)
draw.show(draw.similarity_density(picture_cosines, caption_cosines, bins))

# %%
close = picture_cosines > 0.5
share = close.double().mean()
print(f"{share:.2%} of {len(close):,} pairs have a picture cosine above 0.5")
print(f"   mean cosine of their captions: {caption_cosines[close].mean():.2f}")
print(
    f"   and of the captions of all other pairs: {caption_cosines[~close].mean():.3f}"
)

# %% [markdown]
# **What you see.** Most pairs have nothing to do with each other, in pictures and in
# captions. They form the dark cells around zero. There the line of means lies on the
# dashed line at 0: *how* unlike two pictures are says little about their captions. The
# line of means climbs only on the right. Similarity is informative when it is large.
# Keep this in mind: chapter 04 discards all but the large similarities.
#
# ## 5 · How strong, and how sure?
#
# Two numbers describe the whole cloud. **Pearson's correlation** asks how close the
# points are to a line. **Spearman's correlation** does the same with ranks, so that
# only the order counts. Both come with an interval by the bootstrap over stamps.
#
# **Before you run the next two cells:** by what factor will the interval be wider than
# one that takes the pairs as independent? Twice? Ten times?

# %% tags=["hide-input"]
# Prepare three versions of the two similarities.
once = bank.pairs.caption.drop_duplicates().index  # the first stamp of each caption
raw_image, raw_text = unit_rows(bank.image), unit_rows(bank.text)
versions = {  # two similarities of the same stamps, each (stamps, stamps)
    "all stamps": (image_similarity, text_similarity),
    "each caption once": (
        image_similarity[once][:, once],
        text_similarity[once][:, once],
    ),
    "all stamps, mean left in": (raw_image @ raw_image.T, raw_text @ raw_text.T),
}

# %% tags=["hide-input"]
# Correlate the two similarities, with honest intervals.
from asif_lib.evaluation import correlation_with_interval, pair_ranks

K = 10  # neighbours looked at, further below
pearson, spearman, overlap = {}, {}, {}
for name, (a, b) in versions.items():
    pearson[name] = correlation_with_interval(a, b, resamples, seed)
    ranked = pair_ranks(a), pair_ranks(b)
    spearman[name] = correlation_with_interval(*ranked, resamples, seed)
    overlap[name] = mean_with_interval(mutual_neighbours(a, b, K), seed)

r, agree = pearson["all stamps"], overlap["all stamps"]
half = 1.96 * (1 - r.value**2) / len(picture_cosines) ** 0.5
print(f"if pairs were independent: [{r.value - half:.3f}, {r.value + half:.3f}]")
print(f"the honest interval is {(r.high - r.low) / (2 * half):.0f} times as wide")
table = pd.DataFrame({"Pearson": pearson, "Spearman": spearman})
table.map(lambda m: f"{m.value:.3f} [{m.low:.3f}, {m.high:.3f}], n = {m.n}")

# %% [markdown]
# **What you see.** In the row “all stamps” both intervals in brackets lie above 0, and
# both values are small: the correlation is clear and weak. The row “each caption once”
# has nearly the same values, so repeated captions are not the reason. The column
# “Spearman” is below the column “Pearson”: ranks give full weight to the vast flat
# middle, and little weight to the few close pairs. In the last row, with the mean left
# in, both are weaker; chapter 03 asks why.
#
# The honest interval is several times as wide as the other: hundreds of thousands of
# pairs know no more than their stamps.

# %% [markdown]
# ## 6 · Among neighbours
#
# A correlation over all pairs asks about the cloud in the middle. ASIF needs less: the
# *nearest* pictures should have the *nearest* captions. So we test this. For each stamp
# take its $k$ nearest pictures and its $k$ nearest captions, without the stamp itself.
# Which share do the two lists have in common?
#
# A share means nothing before you know the share by chance. So chance comes first.
#
# ### Exercise 02.1 · What chance would give
#
# **Difficulty** ●○○○○ · **Minutes** 3
#
# Suppose that captions know nothing of pictures. A stamp's list of nearest pictures is
# fixed, and its $k$ nearest captions are $k$ of the other stamps, drawn blindly. Which
# share of the two lists do you expect to be in common? One line is enough.


# %% tags=["exercise"]
def share_by_chance(n: int, k: int) -> float:
    """Expected share of common neighbours between a list and a blind draw.

    n: stamps in all
    k: neighbours looked at (1 ≤ k < n)
    returns: a number from 0 to 1
    """
    ### BEGIN SOLUTION
    return k / (n - 1)
    ### END SOLUTION


# %% tags=["check"]
check_share_by_chance(share_by_chance)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Take one stamp of the first list. $n - 1$ others could be in the second list, and $k$
# of them are: what is the chance for one given stamp? All $k$ stamps of the first list
# have that same chance; the share is its mean.
#
# </details>
#
# <details><summary>What you should see</summary>
#
# A ✔ verdict. For all stamps and $k$ = 10 the share is a little over one per cent.
# For $k = n - 1$ it is 1: if both lists hold all stamps, agreement is no news.
#
# </details>
#
# Now one stamp, with its neighbours of both kinds.

# %% tags=["hide-input"]
# Draw the nearest stamps by picture and by caption.
from asif_book.widgets import anchor_browser, nearest_by_both

unique = bank.pairs.caption.map(counts).to_numpy() == 1  # captions that occur once
half_shared = mutual_neighbours(image_similarity, text_similarity, 6).numpy() == 0.5
chosen = next(i for i in stamps.splits["train"] if unique[i] and half_shared[i])
draw.show(*nearest_by_both(bank, pictures, chosen, top=6))

# %% [markdown]
# **What you see.** One stamp shares half of its six neighbours. A frame and a star ★
# mark the shared ones. The upper row was found without any text, the lower row without
# any picture.
#
# **Look yourself.** The browser below shows the same two rows for any anchor. You find
# an anchor's number by the words of its caption. Look for a stamp with no neighbour in
# common, and for a stamp whose captions mislead (try animals that are named after other
# animals). The browser needs a running kernel; the figure above does not.

# %% tags=["hide-input"]
# Open the browser of anchors.
anchor_browser(bank, pictures, chosen=chosen)

# %% [markdown]
# ### Exercise 02.2 · Neighbours in common
#
# **Difficulty** ●●●○○ · **Minutes** 10
#
# Given the two similarity matrices and $k$, compute for each stamp which share of its
# $k$ nearest pictures is also among its $k$ nearest captions. A stamp is not its own
# neighbour.


# %% tags=["exercise"]
def neighbours_in_common(
    image_similarity: Tensor, text_similarity: Tensor, k: int
) -> Tensor:
    """Share of common neighbours.

    image_similarity, text_similarity: (n, n), the larger the more similar
    k: neighbours looked at, 1 ≤ k < n
    returns: (n,) float32, each between 0 and 1
    """
    ### BEGIN SOLUTION
    near = []
    for similarity in (image_similarity, text_similarity):
        others = similarity.clone().fill_diagonal_(-torch.inf)
        near.append(others.topk(k, dim=1).indices)
    # (n, k, k): neighbour a of one list is neighbour b of the other
    common = near[0][:, :, None] == near[1][:, None, :]
    return common.sum(dim=(1, 2)) / k
    ### END SOLUTION


# %% tags=["check"]
check_mutual_neighbours(neighbours_in_common)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `similarity.clone().fill_diagonal_(-torch.inf)` takes the stamp itself out without
# changing the input; `topk(k, dim=1).indices` gives the neighbours of each row. Two
# lists of indices `(n, k)` become all comparisons `(n, k, k)` with `a[:, :, None] ==
# b[:, None, :]`.
#
# </details>
#
# <details><summary>What you should see</summary>
#
# A ✔ verdict. On the stamps, with $k$ = 10, the mean of your shares stands in the
# row “all stamps” of the table further down.
#
# </details>

# %% [markdown]
# ## 7 · The control: shuffle the captions
#
# Perhaps any two sets of vectors share some neighbours. A **control** tells: shuffle
# the captions, so that each picture gets another picture's caption. All pictures, all
# captions and all their similarities stay the same; only the *pairing* is lost. An
# effect that survives the shuffle is not about the pairing.
#
# ### Exercise 02.3 · A correlation without a cause
#
# **Difficulty** ●●○○○ · **Minutes** 10
#
# Picture $i$ gets caption `order[i]`. Return Pearson's correlation of the two
# similarities over all pairs of two different stamps, each pair once.


# %% tags=["exercise"]
def correlation_after_shuffle(
    image_similarity: Tensor, text_similarity: Tensor, order: Tensor
) -> float:
    """Correlation over pairs after the captions have been shuffled.

    image_similarity, text_similarity: (n, n), symmetric
    order: (n,) int64, a permutation: picture i gets caption order[i]
    returns: a number from −1 to 1
    """
    ### BEGIN SOLUTION
    shuffled = text_similarity[order][:, order]
    rows, columns = torch.triu_indices(len(order), len(order), offset=1)
    both = torch.stack([image_similarity[rows, columns], shuffled[rows, columns]])
    return float(torch.corrcoef(both)[0, 1])
    ### END SOLUTION


# %% tags=["check"]
check_shuffled_correlation(correlation_after_shuffle)

# %% [markdown]
# <details><summary>Hint</summary>
#
# The similarity of captions `order[i]` and `order[j]` stands in row `order[i]` and
# column `order[j]`: both sides of the matrix must move. `torch.triu_indices(n, n,
# offset=1)` lists each pair once and leaves the diagonal out; `torch.corrcoef` takes
# the two series as the rows of one matrix.
#
# </details>
#
# <details><summary>What you should see</summary>
#
# A ✔ verdict. On the stamps the result is close to 0, now above and now below it.
#
# </details>
#
# **Before you run the next cell:** will the shuffled values lie around zero, or
# somewhere above? And will their spread come near the real value?

# %%
from asif_lib.evaluation import shuffled_correlation  # the library's solution of 02.3

generator = torch.Generator().manual_seed(seed)
ks = [1, 2, 5, 10, 20, 50]
correlations, overlaps = [], []  # of each shuffle
for shuffle in range(shuffles):
    order = torch.randperm(n, generator=generator)
    correlations.append(shuffled_correlation(image_similarity, text_similarity, order))
    mixed = text_similarity[order][:, order]  # (n, n)
    wanted = ks if shuffle < 10 else [K]  # all k for the first ten shuffles only
    shared = {k: mutual_neighbours(image_similarity, mixed, k).mean() for k in wanted}
    overlaps.append({k: float(share) for k, share in shared.items()})
shares = [found[K] for found in overlaps]
panels = {
    "Pearson correlation over pairs": (r.value, r.ci, correlations),
    f"share of {K} nearest neighbours in common": (agree.value, agree.ci, shares),
}
draw.show(draw.shuffle_control(panels))

# %% [markdown]
# **What you see.** The bars are the shuffles: two narrow peaks, around zero on the left
# and around chance on the right. The vertical line is the value of the real captions,
# and the pale band is its interval. It stands far away from the bars.
#
# **Before you run the next cell:** the share of common neighbours for other $k$: does
# it grow as chance does?

# %% tags=["hide-input"]
# Draw the neighbours in common for each k.
by_k = [mutual_neighbours(image_similarity, text_similarity, k) for k in ks]
measured = [mean_with_interval(shared, seed) for shared in by_k]
chance = [k / (n - 1) for k in ks]
mixed = [[found[k] for k in ks] for found in overlaps[:10]]  # (10, ks)
draw.show(draw.overlap_by_k(ks, measured, mixed, chance))

# %% tags=["hide-input"]
# Record the correlation and the share, and show the shares in a table.
pair_name = "stamps, picture and caption similarity, Pearson over pairs"
record(pair_name, r.value, ci=r.ci, n=n, unit="r")
shared_name = f"stamps, {K} nearest neighbours shared by pictures and captions"
record(shared_name, agree)
print(f"the largest of {shuffles} shuffles:")
print(f"   correlation {max(correlations):.3f}, share of neighbours {max(shares):.1%}")
print("if the pairing meant nothing, the real captions would beat all shuffles")
print(f"   with a chance of 1 in {shuffles + 1}")
sizes = {name: len(a) for name, (a, _) in versions.items()}
by_chance = {name: f"{K / (size - 1):.1%}" for name, size in sizes.items()}
pd.DataFrame({f"{K} nearest neighbours in common": overlap, "chance": by_chance})

# %% tags=["hide-input"]
# Show the shares for each k in a table.
times = [m.value / c for m, c in zip(measured, chance, strict=True)]
table = pd.DataFrame({"share": measured, "chance": chance, "times chance": times}, ks)
table.rename_axis("k").round({"chance": 4, "times chance": 0})

# %% [markdown]
# **What you see.** Without the pairing nothing is left: the squares, the mean of the
# shuffles, lie on the dotted line of chance. The round dots of the real captions are
# far above. So the effect is real. It is about meaning, as far as encoders see it.
#
# Does the share grow with $k$ as chance does? It does not: the round dots stay near one
# level. The nearer the neighbours, the further is their agreement above chance. It is
# strong *against chance* only: of ten neighbours most are still not shared. The answer
# to the question of this chapter: captions of *very* similar pictures are similar, far
# more often than by chance. About the others we learn little.
#
# The last row of the first table is worth a look. With the mean left in, neighbours are
# shared nearly as often, though Pearson's correlation was only about half as large. The
# common part moves the cosines of the many unrelated pairs, and these pairs fill a
# correlation. It hardly changes which stamp is nearest.
#
# (The intervals of the shares resample the stamps and keep the neighbours of each stamp
# fixed.)
#
# ### Break it by degrees
#
# All captions right: an effect. All captions shuffled: none. What lies between? Now
# only some captions change places, and the others stay. Put your own shares into the
# first line.
#
# **Before you run the next cell:** with half of the captions in the wrong place, how
# much of the effect is left? Half of it?

# %%
shares_broken = [0, 0.1, 0.25, 0.5, 0.75, 1]  # of the captions that change places

from asif_book.lessons import effect_left

similarities = image_similarity, text_similarity
left = [effect_left(*similarities, share, K, generator) for share in shares_broken]
of_pairs, of_neighbours = np.transpose(left)  # 1: as with the real captions
smooth = np.linspace(0, 1, 21)
measured_shares = {
    "correlation over pairs": (shares_broken, of_pairs),
    f"{K} neighbours in common, above chance": (shares_broken, of_neighbours),
}
theory = {"theory, (1 − share)²": (smooth, (1 - smooth) ** 2)}
xlabel = "share of the captions in the wrong place"
ylabel = "effect that is left (1: real captions)"
draw.show(draw.line_chart(measured_shares, theory=theory, xlabel=xlabel, ylabel=ylabel))

# %% [markdown]
# **What you see.** The rings (correlation) and the squares (neighbours) lie on the
# plain line, the theory $(1 - \text{share})^2$. With half of the captions in the wrong
# place only about a quarter of the effect is left. A similarity is a matter of *two*
# stamps, and it counts only if both have their own caption: half of one half. Noise in
# captions costs twice. Keep that in mind when you build a bank of your own.

# %% [markdown]
# ## 8 · Coverage: which pictures have an anchor nearby?
#
# If only near anchors speak, a new picture must have some. Its **coverage** is its
# similarity to the nearest anchor. From here on, the anchors are the training split and
# the new pictures the validation split. We subtract the mean of the anchors.
#
# **Before you run the next cell:** which stamps will have the worst coverage?
# Photographs, drawings, symbols?

# %%
train, validation = stamps.splits["train"], stamps.splits["validation"]
anchors, new = bank.subset(train), bank.subset(validation)
to_anchors = relative_representation(new.image, anchors.image, mean=anchors.image_mean)
captions_to = relative_representation(new.text, anchors.text, mean=anchors.text_mean)
covered, who = to_anchors.max(dim=1)  # (150,), (150,): the nearest anchor of each
text_covered = captions_to.amax(dim=1).numpy()
similarities = {"pictures": covered.numpy(), "captions": text_covered}
draw.show(draw.coverage_histogram(similarities))

# %% tags=["hide-input"]
# Draw the new pictures with the worst and the best coverage.
by_coverage = covered.argsort(stable=True).tolist()  # the worst first
picked = by_coverage[:4] + by_coverage[-4:]
two = [(validation[i], train[who[i]]) for i in picked]
notes = [f"cosine {covered[i]:.2f}" for i in picked]
draw.show(draw.picture_pairs(pictures, captions, two, notes))

# %% [markdown]
# **What you see.** In the histogram, the median of the pictures (solid line) is below
# the median of the captions (dashed line). In the pairs below, an arrow → leads from a
# new picture to its nearest anchor. Upper row, the worst coverage: the nearest anchor
# mostly shows another thing, alike in colour or shape at best. A mobile telephone at
# least finds a telephone. Lower row, the best coverage: nearly a twin. Even a near twin
# can have the wrong caption: an open padlock stands beside “A closed padlock.”
#
# Does coverage matter for captions? Take each held-out stamp, and compare its own
# caption with the caption of its nearest anchor by picture. We form three equal parts,
# from bad to good coverage:

# %% tags=["hide-input"]
# Compare own captions with borrowed ones, by coverage.
own = unit_rows(new.text, anchors.text_mean)  # (150, d_text)
borrowed = unit_rows(anchors.text, anchors.text_mean)[who]  # of the nearest picture
agreement = (own * borrowed).sum(dim=1).numpy()  # (150,) cosines
table = []
for part in np.array_split(by_coverage, 3):
    m = mean_with_interval(agreement[part], seed)
    spread = f"{covered[part].min():.2f} to {covered[part].max():.2f}"
    table.append((spread, f"{m.value:.2f} [{m.low:.2f}, {m.high:.2f}]", m.n))
head = ["coverage of the picture", "cosine of own and borrowed caption", "n"]
pd.DataFrame(table, columns=head).set_index(head[0])

# %% [markdown]
# **What you see.** From the first row of the table to the last, the cosine in the
# middle column rises. The better the coverage of a picture, the more its nearest
# anchor's caption says about it. We can measure coverage without knowing the caption,
# so a model of anchors can know when it does not know.
#
# ### Exercise 02.4 · Coverage
#
# **Difficulty** ●●○○○ · **Minutes** 5
#
# Return the coverage of each row of `z`: subtract the mean of the anchors from both,
# and give the largest cosine with any anchor.


# %% tags=["exercise"]
def coverage(z: Tensor, anchors: Tensor) -> Tensor:
    """Similarity to the nearest anchor.

    z: (q, d) float32, new embeddings
    anchors: (n, d) float32, embeddings of the anchors
    returns: (q,) float32, cosines
    """
    ### BEGIN SOLUTION
    mean = anchors.mean(dim=0)
    return (unit_rows(z, mean) @ unit_rows(anchors, mean).T).amax(dim=1)
    ### END SOLUTION


# %% tags=["check"]
check_coverage(coverage)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `unit_rows(x, mean)` subtracts `mean` from the rows of `x` and scales them to
# length 1. Which of the two axes of the matrix of cosines belongs to the anchors?
#
# </details>
#
# <details><summary>What you should see</summary>
#
# A ✔ verdict, and for `coverage(new.image, anchors.image)` the values of the
# histogram of pictures above.
#
# </details>
#
# ### Break it: take a group away
#
# A bank without the folder `animals`. `left_out` says which folder goes; try others
# afterwards (`"vehicles"`, `"food"`, `"symbols"`).
#
# **Before you run the next cell:** what will be the nearest anchor of a koala, once
# that folder is gone? And will the other groups notice?

# %%
left_out = "animals"
kept = [i for i in train if top_group[i] != left_out]
broken = bank.subset(kept)
cosines = relative_representation(new.image, broken.image, mean=broken.image_mean)
broken_covered, broken_who = cosines.max(dim=1)  # (150,), (150,)
gone = top_group[validation] == left_out  # (150,) bool
table = {}
for name, members in ((left_out, gone), ("all others", ~gone)):
    found = [mean_with_interval(c[members], seed) for c in (covered, broken_covered)]
    table[name] = [
        f"{m.value:.2f} [{m.low:.2f}, {m.high:.2f}], n = {m.n}" for m in found
    ]
examples = np.flatnonzero(gone)[:4].tolist()
two = [(validation[i], kept[broken_who[i]]) for i in examples]
draw.show(draw.picture_pairs(pictures, captions, two))
print("mean coverage of the held-out pictures, with its 95 % interval:")
head = [f"{len(train)} anchors", f"without {left_out}, {len(kept)} anchors"]
pd.DataFrame(table, head).T

# %% [markdown]
# **What you see.** In the first row of the table the coverage falls, and in the second
# row it hardly moves. The right picture of each pair, the nearest anchor, is still
# *something*, and its caption is now mostly about something else.
#
# Some animals hide in other folders (a black cat at Halloween), and the pictures find
# them at once. A folder is only a label, not a border in the space. A model of anchors
# cannot say a word that its captions lack; but the low coverage shows the gap.

# %% [markdown]
# ## 9 · Which anchors?
#
# You may have only fifty captions to spend. Which fifty pictures do you caption? You
# can draw them at random, or pick them so that no picture is left far from all anchors.
# The second way is **farthest-first** (Gonzalez, 1985): begin anywhere, then always add
# the picture with the worst coverage so far.
#
# ### Exercise 02.5 · Farthest first
#
# **Difficulty** ●●●○○ · **Minutes** 15
#
# Given the similarities of all candidates, choose `count` of them. Begin with `first`.
# Then repeat: a candidate's coverage is its similarity to the *most* similar chosen
# one; add the candidate with the *worst* coverage. Return the positions in the order of
# choice.


# %% tags=["exercise"]
def choose_anchors(similarity: Tensor, count: int, first: int) -> Tensor:
    """Farthest-first choice of anchors.

    similarity: (n, n), symmetric, the larger the more similar; 1 on the diagonal
    count: how many to choose, `first` among them
    first: position of the first
    returns: (count,) int64, positions in the order of choice
    """
    ### BEGIN SOLUTION
    chosen = [first]
    covered = similarity[first]  # (n,): each candidate's cosine with the nearest chosen
    while len(chosen) < count:
        worst = int(covered.argmin())
        chosen.append(worst)
        covered = torch.maximum(covered, similarity[worst])
    return torch.tensor(chosen)
    ### END SOLUTION


# %% tags=["check"]
check_farthest_first(choose_anchors)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Keep one vector of length $n$: the coverage of each candidate so far. At the start it
# is the row `similarity[first]`. `argmin()` finds the next; `torch.maximum(a, b)` takes
# the larger of two vectors, entry by entry. A chosen candidate covers itself with 1, so
# it is not chosen again.
#
# </details>
#
# <details><summary>What you should see</summary>
#
# A ✔ verdict. On the stamps the first choices are as unlike one another as
# possible: the figure below shows them.
#
# </details>
#
# **Before you run the next three cells:** which choice covers *new* pictures better, on
# average? And which choice is better for the pictures with the worst coverage?

# %% tags=["hide-input"]
# Measure the coverage of chosen and of drawn anchors, and draw it.
from asif_book.checks import farthest_first  # the library's solution of 02.5
from asif_book.lessons import covered_by

counts_of_anchors = [10, 20, 50, 100, 200, 400]
centred = unit_rows(anchors.image, anchors.image_mean)
ordered = farthest_first(centred @ centred.T, max(counts_of_anchors), 0)
deals = 50 if fast else 200
draws = [torch.randperm(len(anchors), generator=generator) for _ in range(deals)]
# for each number of anchors the mean coverage of new pictures and its 5th percentile
farthest = covered_by(to_anchors, ordered, counts_of_anchors)  # (counts, 2)
at_random = [covered_by(to_anchors, deal, counts_of_anchors) for deal in draws]
at_random = np.array(at_random)  # (draws, counts, 2)
choices = {"farthest first": farthest[None], "at random": at_random}
draw.show(draw.coverage_by_count(counts_of_anchors, choices))

# %% tags=["hide-input"]
# Show the coverage in a table.
# the middle 95 % of the draws, and the share of the draws that cover less well
low, high = np.quantile(at_random, [0.025, 0.975], axis=0)  # (counts, 2) each
beaten = (at_random < farthest).mean(axis=0)  # (counts, 2)
table = {}
for column, what in enumerate(("mean", "5th percentile")):
    ends = zip(low[:, column], high[:, column], strict=True)
    table[f"{what}: farthest first"] = farthest[:, column].round(3)
    table["at random" + " " * column] = [f"{a:.3f} to {b:.3f}" for a, b in ends]
    table["farthest first beats" + " " * column] = [
        f"{b:.0%}" for b in beaten[:, column]
    ]
print("5th percentile: 95 % of the new pictures have more coverage than this")
pd.DataFrame(table, counts_of_anchors).rename_axis("anchors")

# %% tags=["hide-input"]
# Draw the first eight anchors of both ways.
rows_of_eight = {"farthest\nfirst": ordered[:8], "drawn at\nrandom": draws[0][:8]}
draw.show(
    draw.picture_rows(
        {
            name: [(pictures[train[i]], captions[train[i]]) for i in eight.tolist()]
            for name, eight in rows_of_eight.items()
        }
    )
)

# %% [markdown]
# **What you see.** Farthest-first goes to the edges: the upper row of pictures holds
# the oddest ones. Look at the solid lines, the means. The round dots of farthest-first
# lie mostly below the squares of the random draws, which put their anchors among the
# ordinary pictures. Now the dashed lines, the pictures with the worst coverage. Here
# the round dots are above the squares, though not by much: read the last column of the
# table beside the cosines. The choice depends on your fear: being a little vague
# everywhere, or blind somewhere.

# %% [markdown]
# ## 10 · Which caption is wrong?
#
# So far we trusted the captions. Now turn the tables: if similar pictures should have
# similar captions, a pair that breaks the rule is a suspect. To judge a score of
# suspicion we need culprits that we know. So we **plant** them: let a few captions
# change places, and see whether the score ranks these pairs first.
#
# One number says how well the score ranks, the **AUC**. Draw one planted pair and one
# honest pair at random. The AUC is the chance that the planted one has the higher
# score. Guessing gives 0.5, and 1 is perfect. (`roc_auc_score` of scikit-learn computes
# it.)
#
# ### Exercise 02.6 · Your own detective
#
# **Difficulty** ●●●●○ · **Minutes** 30
#
# This is an open question with many answers. From the two similarity matrices, give
# each pair a score: the larger, the more suspicious. The way is up to you. The check
# plants wrong captions in three small banks of its own and wants a mean AUC of at least
# 0.85. Its banks are made up, but like the stamps: most pairs have nothing to do with
# each other, and only the near ones agree. Try a first idea, read the verdict, try a
# better one.
#
# **Second goal:** reach 0.85 on the stamps themselves. The cell after the check has a
# line for your score.


# %% tags=["exercise"]
def suspicion(image_similarity: Tensor, text_similarity: Tensor) -> Tensor:
    """Score of suspicion for each pair.

    image_similarity, text_similarity: (n, n) float32, cosines, 1 on the diagonal
    returns: (n,), the larger the more likely it is that picture and caption
        do not belong together
    """
    ### BEGIN SOLUTION
    n = len(image_similarity)
    others = ~torch.eye(n, dtype=torch.bool)
    # row i: similarities of stamp i to the others
    pictures = image_similarity[others].reshape(n, n - 1)
    texts = text_similarity[others].reshape(n, n - 1)
    pictures = pictures - pictures.mean(dim=1, keepdim=True)
    texts = texts - texts.mean(dim=1, keepdim=True)
    correlation = (pictures * texts).sum(dim=1) / (
        pictures.norm(dim=1) * texts.norm(dim=1)
    )
    return -correlation
    ### END SOLUTION


# %% tags=["check"]
check_suspicion(suspicion)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Row $i$ of each matrix tells which stamps are similar to stamp $i$. If picture and
# caption belong together, the two rows should tell the same story. There are three ways
# to begin. Correlate the two rows (leave entry $i$ out). Count the $k$ nearest
# neighbours that are in common. Or compare the stamp's caption with the captions of its
# nearest pictures. Mind the sign.
#
# </details>
#
# <details><summary>What you should see</summary>
#
# A ✔ verdict with three AUCs. A score that is good there can still be poor on the
# stamps, where captions are odd even when they are right. So measure it there as well:
# `my_score = suspicion` in the next cell.
#
# </details>
#
# The library's score takes the $k$ nearest pictures, and asks how similar *their
# captions* are to the stamp's own. It takes the $k$ nearest captions, and asks the same
# of their pictures. The score is minus the mean of both.
#
# **Before you run the next two cells:** five in a hundred captions are in the wrong
# place. How far apart will the two heaps lie? And how far does the plainest idea get,
# the mean difference of the two similarities?

# %%
my_score = None  # your own: my_score = suspicion
planted_share = 0.05  # try 0.5

from asif_book.lessons import misplaced
from asif_lib.evaluation import neighbour_agreement


def by_neighbours(image_similarity, text_similarity):
    """Return minus the mean cosine with the neighbours, (n,)."""
    return -neighbour_agreement(image_similarity, text_similarity, K)


def mean_difference(image_similarity, text_similarity):
    """Return the mean difference of the two similarities over all stamps, (n,)."""
    return (image_similarity - text_similarity).abs().mean(dim=1)


# %% tags=["hide-input"]
# Plant wrong captions, and measure how well each score finds them.
from sklearn.metrics import roc_auc_score

ways = {"the library's score": by_neighbours, "mean difference": mean_difference}
if my_score is not None:
    ways["your score"] = my_score
areas = {name: [] for name in ways}
for _ in range(3 if fast else 10):
    order = misplaced(n, planted_share, generator)
    planted = (order != torch.arange(n)).numpy()  # (n,) bool
    mixed = text_similarity[order][:, order]  # (n, n)
    for name, score in ways.items():
        suspects = score(image_similarity, mixed).numpy()
        areas[name].append(roc_auc_score(planted, suspects))
scores = by_neighbours(image_similarity, mixed).numpy()  # of the last planting
heaps = {"honest pairs": scores[~planted], "planted: wrong caption": scores[planted]}
xlabel = "suspicion (minus the mean cosine with the neighbours)"
draw.show(draw.cosine_histograms(heaps, xlabel))
plantings = pd.DataFrame(areas)
print(
    f"AUC, {planted_share:.0%} of the captions misplaced, {len(plantings)} plantings:"
)
plantings.agg(["mean", "min", "max"]).T.round(3)

# %% [markdown]
# **What you see.** Most of the dashed outline, the planted pairs, stands to the right
# of the solid outline, the honest pairs. In the table the mean difference does far
# worse: it counts all other stamps alike, and nearly all of them are unrelated.
#
# Some honest pairs stand out too. Which ones? The next figure shows the prime suspects
# of the stamps as they are, with nothing planted. Each stands beside the stamp whose
# caption is most similar to its own.
#
# **Before you run the next cell:** will there be a wrong caption among them?

# %% tags=["hide-input"]
# Draw the eight most suspicious pairs.
suspects = by_neighbours(image_similarity, text_similarity).topk(8).indices  # (8,)
others = text_similarity.clone().fill_diagonal_(-torch.inf)  # (n, n)
by_words = others[suspects].argmax(dim=1)  # (8,): the nearest captions
two = list(zip(suspects.tolist(), by_words.tolist(), strict=True))
draw.show(draw.picture_pairs(pictures, captions, two))

# %% [markdown]
# **What you see.** The left picture of each pair is a suspect, and its caption fits.
# The pairs are suspects for other reasons. A caption tells what the picture does not
# show (“hundreds of years old”). A word has two meanings (a quarter of pizza is no
# coin). The encoder does not recognise a drawing. A thing has no relatives in the bank.
# A score of disagreement finds *pairs that nothing else supports*, and a wrong caption
# is only one reason among several. A person has to look.

# %% [markdown] tags=["progress"]
# The exercises of this chapter that you have solved so far:

# %% tags=["progress", "hide-input"]
# Show the exercises that you have solved.
from asif_book import show_progress

show_progress("02")

# %% [markdown]
# ## Summary
#
# - An anchor is a picture with its caption; a bank is two matrices and a table with the
#   same rows.
# - The captions are noisy, some occur twice, and a few pictures have twins across
#   splits: know it before you measure.
# - Over all pairs, the similarities of pictures and captions are related weakly.
#   Nearest neighbours are shared far more often than by chance, though most are not
#   shared. Shuffled captions leave nothing.
# - Intervals come from resampling stamps, not pairs.
# - A wrong caption harms every pair that it is in: with half of the captions wrong a
#   quarter of the effect is left.
# - A new picture without a near anchor has no support, and we can see that beforehand.
#   The choice of anchors depends on whether the average or the worst case matters.
# - Pairs that disagree with their neighbours can be found, and most planted errors are
#   among them.
#
# **What would prove us wrong.** A shuffle that does as well as the real captions. An
# effect that disappears when each caption is allowed once. Or encoders, equally good by
# themselves, that do not share neighbours: then the assumption would be about these two
# encoders, not about pictures and captions. Try it: `profile = "hub"` runs this chapter
# with two others.
#
# **Next:** [03 · Relative representations](03_relative_representations.ipynb) describes
# every picture and every caption by its similarities to the anchors. That makes the two
# comparable.

# %% [markdown] tags=["teacher"]
# ### Timing
#
# **50 minutes.** Twelve stamps and the odd captions (5), the cloud of points with
# predictions (10), exercise 02.1 and the shared neighbours (10), the shuffle and its
# figure (10), coverage with the group taken away (10), summary (5). Exercises 02.2 to
# 02.4 at home.
#
# **90 minutes.** The same, with 02.2 and 02.3 in class in pairs (25 more), and the
# section on choosing anchors with its figure (15 more). 02.5 at home. 02.6 suits a
# competition: every student brings a score, and the AUC on the stamps decides; give it
# a week.
#
# ### What students get wrong
#
# - **“A share of a fifth is weak.”** Ask for the share by chance (exercise 02.1): a
#   little over one per cent.
# - **A stamp counts as its own neighbour.** The share then comes out too high, and for
#   $k$ = 1 it is 1 everywhere. Ask which entry of row $i$ is always the largest.
# - **Shuffling only the rows of the caption matrix.** The matrix is then no similarity
#   matrix any more: it is not symmetric. Ask what stands on its diagonal afterwards.
# - **Pairs taken for independent.** Three hundred thousand pairs seem to give a tiny
#   interval. Ask how many captions the authors had to write.
# - **“Farthest-first is better, it is cleverer.”** Better for which pictures? Let them
#   find a picture in the figure for which the random draw is better.
# - **A suspect is taken for a culprit.** Let them judge the eight suspects by eye
#   first.
#
# ### Discussion
#
# - Could two encoders agree although both have understood nothing?
# > **Answer.** Yes, if both follow the same surface: white background, or words and
# colours that the makers of the stamps combine by habit. The shuffle does not exclude
# that. It shows that the pairing carries the effect, but not the reason. Another data
# set, other encoders, or pictures without their background would tell.
# - Why does the agreement show among neighbours and hardly over all pairs?
# > **Answer.** “Unlike” has no degrees. A duck is as unlike a castle as a trumpet is,
# for pictures and captions alike, so these cosines are noise. Only large similarities
# carry meaning, in both worlds.
# - Half of the captions are wrong and a quarter of the effect is left. What would be
#   left of a bank from the web in which one caption of five is wrong?
# > **Answer.** About 0.8² = 0.64. So cleaning captions pays twice.
# - You may caption a hundred pictures for a hospital's archive. Random or
#   farthest-first?
# > **Answer.** It depends on the loss. For the mean, random is as good or better and
# gives an honest sample. If a rare kind must not be missed, farthest-first covers it.
# But it also spends captions on junk, which is far from everything.
