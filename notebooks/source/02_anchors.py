# %% [markdown]
# # 02 · Anchors: the captioned pictures in between
#
# > **Question.** Are captions of similar pictures similar?
#
# **After this chapter you can**
#
# - say what an anchor is and what a bank of anchors holds;
# - look a data set in the face: groups, captions that occur twice, near-duplicate pictures, odd captions;
# - measure whether two kinds of similarity agree, over all pairs and among nearest neighbours;
# - kill the effect on purpose with shuffled captions, and give an interval that is honest about pairs;
# - say which pictures the anchors cover, choose anchors that cover more, and know what that costs;
# - invent a score that finds wrong captions, and measure how good it is.
#
# **Minutes** 50 to read, 75 more with the exercises · **Before this** [01 · Encoders](01_encoders.ipynb)
#
# **What runs** All stamps with the two encoders, whose embeddings come from the cache (the very first time,
# allow a minute or two). About 25 seconds on 2 CPU cores.

# %% tags=["parameters"]
profile = "offline"  # "offline": encoders that install as packages; "hub": larger ones, as in the paper
device = "auto"  # "auto", "cpu", "cuda" or "mps"
seed = 0  # of everything that is drawn at random
fast = False  # True: fewer shuffles and resamples

# %%
import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown, display
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score
from torch import Tensor

from asif_lib import (
    AnchorBank,
    load_image_encoder,
    load_pairs,
    load_text_encoder,
    record,
)
from asif_lib.course.checks import (
    check_coverage,
    check_farthest_first,
    check_mutual_neighbours,
    check_share_by_chance,
    check_shuffled_correlation,
    check_suspicion,
)
from asif_lib.course.progress import show_progress
from asif_lib.evaluation import mean_with_interval, mutual_neighbours, neighbour_agreement, pair_correlation
from asif_lib.figures import (
    cosine_histograms,
    coverage_by_count,
    coverage_histogram,
    group_sizes,
    line_chart,
    overlap_by_k,
    picture_pairs,
    picture_rows,
    shared_neighbours,
    show,
    show_pictures,
    shuffle_control,
    similarity_density,
    use_style,
)
from asif_lib.relative import unit_rows
from asif_lib.widgets import anchor_browser

use_style()
names = {
    "offline": ("efficientnet_lite0", "all-MiniLM-L6-v2"),
    "hub": ("vit_base_patch16_224.augreg_in21k_ft_in1k", "all-mpnet-base-v2"),
}[profile]
image_encoder = load_image_encoder(names[0], device=device)
text_encoder = load_text_encoder(names[1], device=device)
shuffles, resamples = (40, 200) if fast else (100, 1_000)

# %% [markdown]
# ## A bank of anchors
#
# An **anchor** is a picture together with its caption. ASIF puts a few hundred of them between two encoders
# that have never met: the picture goes through the image encoder, the caption through the text encoder, and
# nothing is trained. What we keep of $n$ anchors is a **bank**: two matrices, `image` with $n$ rows and
# `text` with $n$ rows, and a table. Row $i$ of all three belongs to pair $i$. That shared row number is the
# only link between the two worlds.

# %%
stamps = load_pairs("stamps")
bank = AnchorBank.build(stamps, image_encoder, text_encoder)
n = len(bank)
print(f"{n} pairs; image: {tuple(bank.image.shape)}, text: {tuple(bank.text.shape)}; licence {bank.licence}")
bank.pairs[["id", "caption", "group"]].sample(6, random_state=seed)

# %%
drawn = np.random.default_rng(seed).choice(n, 12, replace=False)
captions = bank.pairs.caption.tolist()
show(
    show_pictures([stamps.pictures[i] for i in drawn], [captions[i] for i in drawn]),
    "Twelve stamps drawn at random, photographs and cartoons on white, each with its caption.",
)

# %% [markdown]
# *What you see:* cut-out photographs and drawings, each with a short caption. They come from the drawing
# program Tux Paint.
#
# ## Look before you measure
#
# A number hides what the data are like. So first we look, and we look for trouble. Here are the first level
# of the folders that the stamps come in, the longest captions and the shortest.
#
# **Before you run the next cells:** which kinds of things will be missing? What could be wrong with a
# caption?

# %%
show(
    group_sizes(bank.pairs.group.str.split("/").str[0]),
    "Bar chart of the number of pairs in each group. Animals is the largest, natural forces the smallest.",
)

# %%
by_length = bank.pairs.caption.str.len().sort_values(kind="stable").index
odd = list(by_length[::-1][:4]) + list(by_length[:8])
for i in odd[:4]:
    print(f"{bank.pairs.id[i]}\n   {captions[i]}")
show(
    show_pictures([stamps.pictures[i] for i in odd], [captions[i] for i in odd]),
    "The four stamps with the longest captions, among them chess pieces with their rules, and the eight with "
    "the shortest, such as numbers and moods.",
)
words = bank.pairs.caption.str.split().str.len()
display(
    Markdown(
        f"Half of the captions have at most {words.median():.0f} words; the longest has {words.max()}, "
        f"the shortest {words.min()}."
    )
)

# %% [markdown]
# *What you see:* the groups are very unequal, so the bank knows animals far better than weather. And
# captions are noisy. A chess piece comes with the rules of how it moves, which no picture shows; "Hair."
# and "Mad!" say almost nothing. Captions from the web are noisier still, and the method must live with
# that.
#
# ## Twins
#
# Two more kinds of trouble: captions that occur more than once, and pictures that are (nearly) the same. To
# find the second kind we need a similarity of pictures. For an embedding $z$ and the mean $m$ of all
# embeddings, take $z - m$, and compare two of them by the cosine of their angle. (Chapter 03 shows what
# taking the mean off does.) With rows scaled to length 1, all cosines are one matrix product.

# %%
u_image = unit_rows(bank.image, bank.image_mean)  # unit_rows(x, mean): the mean off each row, then length 1
u_text = unit_rows(bank.text, bank.text_mean)
image_similarity = u_image @ u_image.T  # (n, n): entry (i, j) compares pictures i and j
text_similarity = u_text @ u_text.T  # (n, n): entry (i, j) compares captions i and j

rows, columns = torch.triu_indices(n, n, offset=1)  # each pair of two stamps once
picture_cosines = image_similarity[rows, columns]
caption_cosines = text_similarity[rows, columns]
closest = picture_cosines.topk(8).indices.tolist()
titles = [f"{captions[rows[c]]}\n{captions[columns[c]]}\ncosine {picture_cosines[c]:.3f}" for c in closest]
show(
    picture_pairs([(stamps.pictures[rows[c]], stamps.pictures[columns[c]]) for c in closest], titles),
    "The eight most similar pairs of pictures side by side, among them two firemen, two apple cores, and traffic "
    "lights that differ in the lamp that is on.",
)

# %%
counts = bank.pairs.caption.value_counts()
split_of = {i: name for name, positions in stamps.splits.items() for i in positions}
twins = (picture_cosines > 0.95).nonzero().ravel().tolist()
identical, one_caption = [], []
for c in twins:
    i, j = rows[c].item(), columns[c].item()
    if stamps.pictures[i].path.read_bytes() == stamps.pictures[j].path.read_bytes():
        identical.append(f"{bank.pairs.id[i]} and {bank.pairs.id[j]}")
    elif captions[i] == captions[j]:
        one_caption.append(f"{bank.pairs.id[i]} and {bank.pairs.id[j]}")
others = len(twins) - len(identical) - len(one_caption)
across = sum(split_of[rows[c].item()] != split_of[columns[c].item()] for c in twins)
display(
    Markdown(
        f"{(counts > 1).sum()} captions occur more than once and cover {counts[counts > 1].sum()} stamps; the most "
        f"frequent is “{counts.index[0]}” ({counts.iloc[0]} times). {len(twins)} pairs of pictures have a cosine "
        f"above 0.95; in {across} of them the two stamps lie in different splits.\n\n"
        f"Of these {len(twins)} pairs:\n\n"
        f"- one file, filed twice: {len(identical)} ({'; '.join(identical) or 'none'});\n"
        f"- two files with one caption: {len(one_caption)} ({'; '.join(one_caption) or 'none'});\n"
        f"- two captions: {others}."
    )
)

# %% [markdown]
# *What you see:* not all twins are of one kind. Some are the very same picture, filed twice. Some are two
# pictures of one thing that you can hardly tell apart, with one caption. Others differ in a detail that matters
# to us and hardly at all to the encoder: which lamp of a traffic light is on, or whether a sign says < or >, ≤ or ≥.
# The list above counts each kind.
#
# Both matter later. When a held-out stamp has a twin among the anchors, finding its caption is no feat. And
# when two stamps have the same caption, finding either is right: we therefore compare caption *texts*, not
# row numbers.

# %% [markdown]
# ## Do the two similarities agree?
#
# ASIF rests on one assumption: **captions of similar pictures are similar.** We can test it. Each of the
# $n(n-1)/2$ pairs of stamps has two numbers, the cosine of its pictures and the cosine of its captions.
# Neither encoder had a say in the other's number.
#
# This part uses all stamps, those held out for later tests as well. It chooses nothing: no setting of the
# method depends on what comes out.
#
# ### How sure? Draw stamps, not pairs
#
# What we measure needs an interval. There are hundreds of thousands of pairs, but they are far from independent: one
# odd stamp spoils $n - 1$ pairs at once. The independent things are the **stamps**. So we draw *stamps* with
# replacement, as many as there are, keep the pairs among those drawn, and repeat: a **bootstrap** over stamps.
#
# A stamp that is drawn $w$ times counts $w$ times, so the pair of stamps $i$ and $j$ counts $w_i \cdot w_j$ times. With
# the weights of a draw as a row $w$, the sum of a matrix $M$ over all pairs is $w M w^T$, halved, since it holds each
# pair twice. That is what `pair_sums` computes, for all draws at once.
#
# **Before you run the next two cells:** sketch the cloud of points. How strong is the correlation? Does the
# curve of means rise steadily, or only at one end?


# %%
def resample_stamps(count, size, rng):
    """Return how often each stamp is drawn, (count, size): bootstrap resamples of stamps, not of pairs."""
    return torch.from_numpy(rng.multinomial(size, np.full(size, 1 / size), count)).double()


def pair_sums(drawn, matrix):
    """Return the sum of a symmetric (n, n) matrix over all pairs of two stamps, for each resample."""
    matrix = matrix.double().clone().fill_diagonal_(0)  # a stamp and its own copy are no pair
    # Row b of `drawn` holds the weights w of one draw: w M wᵀ is the sum of w_i · M_ij · w_j, each pair twice.
    return ((drawn @ matrix) * drawn).sum(dim=1) / 2


def correlations(drawn, x, y):
    """Return Pearson's correlation over pairs for each resample."""
    total = pair_sums(drawn, torch.ones_like(x))
    mean_x, mean_y = pair_sums(drawn, x) / total, pair_sums(drawn, y) / total
    covariance = pair_sums(drawn, x * y) / total - mean_x * mean_y
    variance_x = pair_sums(drawn, x * x) / total - mean_x**2
    variance_y = pair_sums(drawn, y * y) / total - mean_y**2
    return covariance / (variance_x * variance_y).sqrt()


def interval(values):
    """Return the middle 95 % of values."""
    low, high = np.nanquantile(np.asarray(values), [0.025, 0.975])
    return float(low), float(high)


# %%
weights = resample_stamps(resamples, n, np.random.default_rng(seed))
everyone_once = torch.ones(1, n, dtype=torch.double)
edges = np.linspace(float(picture_cosines.min()), 1, 13)
bin_of = np.digitize(image_similarity.numpy(), edges[1:-1])
centres, means, lows, highs = [], [], [], []
for b in range(12):
    inside = torch.from_numpy(bin_of == b).double()
    if inside.triu(1).sum() < 10:
        continue
    masked = inside * text_similarity
    centres.append((edges[b] + edges[b + 1]) / 2)
    means.append(float(pair_sums(everyone_once, masked) / pair_sums(everyone_once, inside)))
    low, high = interval(pair_sums(weights, masked) / pair_sums(weights, inside))
    lows.append(low)
    highs.append(high)
show(
    similarity_density(picture_cosines, caption_cosines, centres, means, lows, highs),
    "Density of all pairs of stamps over picture and caption similarity. Most pairs lie near zero on both axes, "
    "where the curve of means is flat; towards large picture similarity it rises steeply.",
)

# %%
close = picture_cosines > 0.5
display(
    Markdown(
        f"Of {len(picture_cosines):,} pairs, {float(close.float().mean()):.2%} have pictures with a cosine above "
        f"0.5. Their captions have a mean cosine of {float(caption_cosines[close].mean()):.2f}; those of all other "
        f"pairs {float(caption_cosines[~close].mean()):.3f}."
    )
)

# %% [markdown]
# *What you see:* most pairs have nothing to do with each other, in pictures and in captions, and sit in the
# dark blot around zero. There the curve is flat: *how* unlike two pictures are says little about their
# captions. Only to the right it climbs. Similarity tells us something when it is large. Keep this in mind:
# chapter 04 throws all but the large similarities away.
#
# ## How strong, and how sure?
#
# Two numbers for the whole cloud. **Pearson's correlation** asks how close the points are to a line.
# **Spearman's** does the same with ranks, so that only the order counts.
#
# Both come with an interval by the bootstrap over stamps.
#
# **Before you run the next two cells:** by what factor will the interval be wider than one that takes the pairs as
# independent? Twice? Ten times?


# %%
def rank_matrix(similarity):
    """Return the (n, n) matrix in which each similarity is replaced by its rank among all pairs."""
    size = len(similarity)
    r, c = torch.triu_indices(size, size, offset=1)
    ranks = torch.zeros(size, size, dtype=torch.double)
    ranks[r, c] = torch.from_numpy(rankdata(similarity[r, c].numpy())) / len(r)
    return ranks + ranks.T


K = 10  # neighbours looked at, further below
once = bank.pairs.caption.drop_duplicates().index.tolist()  # the first stamp of each caption
raw_image, raw_text = unit_rows(bank.image), unit_rows(bank.text)
versions = {
    "all stamps": (image_similarity, text_similarity),
    "each caption once": (image_similarity[once][:, once], text_similarity[once][:, once]),
    "all stamps, mean left in": (raw_image @ raw_image.T, raw_text @ raw_text.T),
}


# %%
results, table = {}, []
for name, (x, y) in versions.items():
    weights = resample_stamps(resamples, len(x), np.random.default_rng(seed))
    rank_x, rank_y = rank_matrix(x), rank_matrix(y)
    pearson = pair_correlation(x, y), interval(correlations(weights, x, y))
    spearman = pair_correlation(rank_x, rank_y), interval(correlations(weights, rank_x, rank_y))
    overlap = mean_with_interval(mutual_neighbours(x, y, K), seed=seed)
    results[name] = {"pearson": pearson, "spearman": spearman, "overlap": overlap}
    shown = [f"{value:.3f} [{low:.3f}, {high:.3f}]" for value, (low, high) in (pearson, spearman)]
    table.append([name, len(x), *shown])
pearson, pearson_ci = results["all stamps"]["pearson"]
half = 1.96 * (1 - pearson**2) / len(picture_cosines) ** 0.5
display(pd.DataFrame(table, columns=["", "stamps", "Pearson", "Spearman"]).set_index(""))
display(
    Markdown(
        f"If the pairs were independent, Pearson's interval would be [{pearson - half:.3f}, {pearson + half:.3f}]. The "
        f"honest one is {(pearson_ci[1] - pearson_ci[0]) / (2 * half):.0f} times as wide: that is the factor you guessed."
    )
)

# %% [markdown]
# *What you see:* the correlation is clearly above zero and clearly weak. Captions that occur twice are not
# the reason: it stays when each caption is allowed once. Spearman's is weaker than Pearson's, since ranks
# give the vast flat middle its full weight and the few close pairs little. Leaving the mean in makes both
# weaker: chapter 03 asks why. And the honest interval is several times as wide as the other: hundreds of thousands of
# pairs know no more than the stamps that they are made of.

# %% [markdown]
# ## Among neighbours
#
# A correlation over all pairs asks about the blot in the middle. ASIF needs less: that the *nearest*
# pictures have the *nearest* captions. So let us ask that. For each stamp take its $k$ nearest pictures and
# its $k$ nearest captions, itself left out. Which share do the two lists have in common?
#
# A share means nothing before you know what chance gives. So that comes first.
#
# ### Exercise 02.1 · What chance would give
#
# **Difficulty** ●○○○○ · **Minutes** 3
#
# Suppose that captions know nothing of pictures: a stamp's list of nearest pictures is what it is, and its
# $k$ nearest captions are $k$ of the other stamps, drawn blindly. Which share of the two lists do you expect
# to be in common? One line is enough.


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
# Take one stamp of the first list. $n - 1$ others could be in the second list, $k$ of them are: what is the chance for
# one given stamp? All $k$ stamps of the first list have that same chance; the share is its mean.
#
# </details>
#
# <details><summary>What you should see</summary>
#
# A green verdict. For all stamps and $k$ = 10 it is a little over one per cent, and for $k = n - 1$ it is 1:
# with everybody on both lists, agreement is no news.
#
# </details>
#
# Now one stamp, with its neighbours of both kinds.

# %%
unlike = bank.pairs.caption.map(counts).to_numpy() == 1  # captions that occur once
per_stamp = mutual_neighbours(image_similarity, text_similarity, 6)
chosen = next(i for i in stamps.splits["train"] if unlike[i] and per_stamp[i] == 0.5)
near = [
    similarity[chosen].clone().index_fill_(0, torch.tensor([chosen]), -2).topk(6).indices.tolist()
    for similarity in (image_similarity, text_similarity)
]
show(
    shared_neighbours(
        stamps.pictures[chosen],
        captions[chosen],
        *[[(stamps.pictures[i], captions[i]) for i in row] for row in near],
        ([i in near[1] for i in near[0]], [i in near[0] for i in near[1]]),
    ),
    f"The stamp “{captions[chosen]}” with its six nearest pictures above and its six nearest captions below; "
    "three of them are in both rows and framed.",
)

# %% [markdown]
# *What you see:* one stamp for which half of six neighbours are shared (framed, with a star). The upper row
# was found without a word of text, the lower one without a glance at a picture.
#
# **Look yourself.** The browser below shows the same two rows for any anchor; you find its number by the words
# of its caption. Look for a stamp with no neighbour in common, and for one whose captions mislead (animals
# named after other animals are a good hunting ground). It needs a running kernel; the figure above does not.

# %%
anchor_browser(bank, stamps.pictures, chosen=chosen)

# %% [markdown]
# ### Exercise 02.2 · Neighbours in common
#
# **Difficulty** ●●●○○ · **Minutes** 10
#
# Given the two similarity matrices and $k$, return for each stamp the share of its $k$ nearest pictures
# that are also among its $k$ nearest captions. A stamp is not its own neighbour.


# %% tags=["exercise"]
def neighbours_in_common(image_similarity: Tensor, text_similarity: Tensor, k: int) -> Tensor:
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
    common = near[0][:, :, None] == near[1][:, None, :]  # (n, k, k): neighbour a of one list is b of the other
    return common.sum(dim=(1, 2)) / k
    ### END SOLUTION


# %% tags=["check"]
check_mutual_neighbours(neighbours_in_common)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `similarity.clone().fill_diagonal_(-torch.inf)` takes the stamp itself out without changing the input;
# `topk(k, dim=1).indices` gives the neighbours of each row. Two lists of indices `(n, k)` become all
# comparisons `(n, k, k)` with `a[:, :, None] == b[:, None, :]`.
#
# </details>
#
# <details><summary>What you should see</summary>
#
# A green verdict. On the stamps, with $k$ = 10, the mean of your shares stands in the row “all stamps” of the
# table further down.
#
# </details>

# %% [markdown]
# ## The control: shuffle the captions
#
# Perhaps any two sets of vectors share some neighbours. A **control** tells: deal the captions out again at
# random, so that each picture has another picture's caption. All pictures, all captions and all their
# similarities stay; only *who belongs to whom* is lost. Whatever is left after that was never about the
# pairing.
#
# ### Exercise 02.3 · A correlation without a cause
#
# **Difficulty** ●●○○○ · **Minutes** 10
#
# Picture $i$ gets caption `order[i]`. Return Pearson's correlation of the two similarities over all pairs
# of two different stamps, each pair once.


# %% tags=["exercise"]
def correlation_after_shuffle(image_similarity: Tensor, text_similarity: Tensor, order: Tensor) -> float:
    """Correlation over pairs once captions have been dealt out anew.

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
# Similarity of captions `order[i]` and `order[j]` stands in row `order[i]` and column `order[j]`: both
# sides of the matrix must move. `torch.triu_indices(n, n, offset=1)` lists each pair once and leaves the
# diagonal out; `torch.corrcoef` takes the two series as the rows of one matrix.
#
# </details>
#
# <details><summary>What you should see</summary>
#
# A green verdict. On the stamps the result is close to 0, now above and now below it.
#
# </details>
#
# **Before you run the next cell:** will the shuffled values lie around zero, or somewhere above? And will
# their spread come near the real value?

# %%
from asif_lib.evaluation import shuffled_correlation  # the library's way of exercise 02.3

generator = torch.Generator().manual_seed(seed)
ks = [1, 2, 5, 10, 20, 50]
shuffled_pearson, shuffled_overlaps = [], []
for _ in range(shuffles):
    order = torch.randperm(n, generator=generator)
    shuffled_pearson.append(shuffled_correlation(image_similarity, text_similarity, order))
    shuffled_text = text_similarity[order][:, order]
    wanted = ks if len(shuffled_overlaps) < 10 else [K]  # all k for the first 10 shuffles
    shuffled_overlaps.append({k: float(mutual_neighbours(image_similarity, shuffled_text, k).mean()) for k in wanted})
overlap = results["all stamps"]["overlap"]
shares = [found[K] for found in shuffled_overlaps]
panels = {
    "Pearson correlation over pairs": (pearson, pearson_ci, shuffled_pearson),
    f"share of {K} nearest neighbours in common": (overlap.value, overlap.ci, shares),
}
show(
    shuffle_control(panels),
    "Two histograms of shuffled captions, narrow and at zero or at chance; the values of the real captions lie "
    "far to the right of both.",
)

# %% [markdown]
# *What you see:* two needles and, far away, the real values. The shuffles lie around zero on the left,
# around chance on the right.
#
# **Before you run the next cell:** the share of common neighbours for other $k$: does it grow as chance does?


# %% tags=["figure"]
def chance_of(k):
    """Return the share of common neighbours that chance gives."""
    return k / (n - 1)


measured = [mean_with_interval(mutual_neighbours(image_similarity, text_similarity, k), seed=seed) for k in ks]
show(
    overlap_by_k(
        ks,
        [m.value for m in measured],
        [m.low for m in measured],
        [m.high for m in measured],
        [[found[k] for k in ks] for found in shuffled_overlaps[:10]],
        [chance_of(k) for k in ks],
    ),
    "Share of common neighbours against the number of neighbours looked at. The real captions stay near one "
    "level for every k; shuffled captions follow the chance line.",
)

# %%
record("stamps, picture and caption similarity, Pearson over pairs", pearson, ci=pearson_ci, n=n, unit="r")
record(f"stamps, {K} nearest neighbours shared by pictures and captions", overlap.value, ci=overlap.ci, n=n)
rows_of_table = [
    f"| {name} | {found['overlap']} | {K / (len(versions[name][0]) - 1):.1%} |" for name, found in results.items()
]
display(
    Markdown(
        f"| {K} nearest neighbours in common | share [95 % interval] | chance |\n|---|---|---|\n"
        + "\n".join(rows_of_table)
        + f"\n\nThe largest of {shuffles} shuffles: correlation {max(shuffled_pearson):.3f}, "
        f"share of neighbours {max(shares):.1%}. If the pairing meant nothing, the real captions would "
        f"come out on top of all {shuffles} shuffles with a chance of 1 in {shuffles + 1}.\n\n"
        f"Against chance: from k = {ks[0]} to k = {ks[-1]} the share of the real captions stays between "
        f"{min(m.value for m in measured):.0%} and {max(m.value for m in measured):.0%}, while chance grows from "
        f"{ks[0] / (n - 1):.1%} to {ks[-1] / (n - 1):.1%}. So neighbours are shared {measured[0].value / chance_of(ks[0]):.0f} "
        f"times as often as by chance at k = {ks[0]}, {overlap.value / chance_of(K):.0f} times at k = {K}, and "
        f"{measured[-1].value / chance_of(ks[-1]):.0f} times at k = {ks[-1]}."
    )
)

# %% [markdown]
# *What you see:* without the pairing nothing is left, neither of the correlation nor of the shared
# neighbours. So the effect is real, and it is about meaning, as far as encoders see it.
#
# Does the share grow with $k$ as chance does? It does not: it stays near one level. The nearer the neighbours, the
# further is their agreement above chance. It is strong *against chance* only: of ten neighbours most are still not
# shared. The answer to the question of this chapter: captions of *very* similar pictures are similar, far more often
# than chance would have it; about the others we learn little.
#
# The last row of the table is worth a look. With the mean left in, neighbours are shared nearly as often, though
# Pearson's correlation was only about half as large. The common part moves the cosines of the many unrelated pairs,
# which fill a correlation; who is nearest to whom it hardly changes.
#
# (The intervals of the shares draw stamps anew and keep everyone's neighbours fixed.)
#
# ### Break it by degrees
#
# All captions right: an effect. All captions shuffled: none. What lies between? Now only some of the captions
# change places, and all the others stay where they belong. Put your own shares into the first line.
#
# **Before you run the next two cells:** with half of the captions in the wrong place, how much of the effect is
# left? Half of it?

# %%
shares_broken = [0, 0.1, 0.25, 0.5, 0.75, 1]  # of the captions that change places


def change_places(share, generator):
    """Return an order of the captions in which that share of them, drawn at random, has moved."""
    order = torch.arange(n)
    moved = torch.randperm(n, generator=generator)[: round(share * n)]
    order[moved] = moved.roll(1)
    return order


def left_of(share):
    """Return what is left of both measures, 1 for the real captions and 0 for chance, mean of five deals."""
    found = []
    for _ in range(5):
        order = change_places(share, generator)
        common = mutual_neighbours(image_similarity, text_similarity[order][:, order], K).mean()
        correlation = shuffled_correlation(image_similarity, text_similarity, order)
        found.append([correlation / pearson, (float(common) - K / (n - 1)) / (overlap.value - K / (n - 1))])
    return np.mean(found, axis=0)


# %%
left = np.array([left_of(share) for share in shares_broken])
smooth = np.linspace(0, 1, 21)
show(
    line_chart(
        {
            "correlation over pairs": (shares_broken, left[:, 0]),
            f"{K} neighbours in common, above chance": (shares_broken, left[:, 1]),
            "(1 − share)²": (smooth, (1 - smooth) ** 2),
        },
        xlabel="share of the captions in the wrong place",
        ylabel="effect that is left (1: real captions)",
    ),
    "What is left of the effect against the share of captions in the wrong place. Both measures fall along the "
    "curve of one minus the share, squared: with half of the captions wrong about a quarter is left.",
)

# %% [markdown]
# *What you see:* with half of the captions in the wrong place only about a quarter of the effect is left. A
# similarity is a matter of *two* stamps, and it counts only where both have their own caption: half of one
# half. Noise in captions costs twice. Keep that in mind when you build a bank of your own.

# %% [markdown]
# ## Coverage: which pictures have an anchor nearby?
#
# If only near anchors speak, a new picture must have some. Its **coverage** is its similarity to the
# nearest anchor. From here on, the anchors are the training split and the new pictures the validation
# split, and the mean that is taken off is that of the anchors.
#
# **Before you run the next cell:** which stamps will be covered worst? Photographs, drawings, symbols?

# %%
train, validation = stamps.splits["train"], stamps.splits["validation"]
anchors = bank.subset(train)
nearest = {}
for modality in ("image", "text"):
    mean = getattr(anchors, f"{modality}_mean")
    cosines = unit_rows(getattr(bank, modality)[validation], mean) @ unit_rows(getattr(anchors, modality), mean).T
    nearest[modality] = cosines.max(dim=1)
image_coverage, who = nearest["image"]
show(
    coverage_histogram({"pictures": image_coverage.numpy(), "captions": nearest["text"].values.numpy()}),
    "Histogram of the similarity of held-out stamps to their nearest anchor. Most pictures lie in the middle, "
    "few near 1; captions reach further, and many have an equal caption among the anchors.",
)

# %%
by_coverage = image_coverage.argsort(stable=True).tolist()
picked = by_coverage[:4] + by_coverage[-4:]
show(
    picture_pairs(
        [(stamps.pictures[validation[i]], stamps.pictures[train[who[i]]]) for i in picked],
        [f"{captions[validation[i]]}\n→ {captions[train[who[i]]]}\ncosine {image_coverage[i]:.2f}" for i in picked],
    ),
    "Eight held-out stamps, each beside its nearest anchor: the four worst covered, whose nearest anchors mostly show "
    "other things, and the four best covered, whose nearest anchors are almost the same picture.",
)

# %% [markdown]
# *What you see:* upper row, the worst covered: the nearest anchor mostly shows another thing, alike in colour
# or shape at best; a mobile telephone at least finds a telephone. Lower row, the best covered: nearly a twin. Even a near twin can have the wrong
# caption: an open padlock stands beside “A closed padlock.”
#
# Does coverage matter for captions? Take each held-out stamp, and compare its own caption with the caption
# of its nearest anchor by picture. Three equal parts, from badly to well covered:

# %%
own = unit_rows(bank.text[validation], anchors.text_mean)
borrowed = unit_rows(anchors.text, anchors.text_mean)[who]
agreement = (own * borrowed).sum(dim=1)
lines = ["| coverage of the picture | cosine of own and borrowed caption [95 % interval] | n |", "|---|---|---|"]
for part in np.array_split(by_coverage, 3):
    m = mean_with_interval(agreement[part.tolist()], seed=seed)
    spread = f"{float(image_coverage[part.tolist()].min()):.2f} to {float(image_coverage[part.tolist()].max()):.2f}"
    lines.append(f"| {spread} | {m.value:.2f} [{m.low:.2f}, {m.high:.2f}] | {m.n} |")
display(Markdown("\n".join(lines)))

# %% [markdown]
# *What you see:* the better a picture is covered, the more its nearest anchor's caption says about it.
# Coverage can be measured without knowing the caption, so a model built of anchors can know when it does
# not know.
#
# ### Exercise 02.4 · Coverage
#
# **Difficulty** ●●○○○ · **Minutes** 5
#
# Return the coverage of each row of `z`: take the mean of the anchors off both, and give the largest cosine
# with any anchor.


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
# `unit_rows(x, mean)` takes `mean` off the rows of `x` and scales them to length 1. Which of the two axes
# of the matrix of cosines belongs to the anchors?
#
# </details>
#
# <details><summary>What you should see</summary>
#
# A green verdict, and for `coverage(bank.image[validation], anchors.image)` the values of the histogram of
# pictures above.
#
# </details>
#
# ### Break it: take a group away
#
# A bank without the folder `animals`. `left_out` says which folder goes; try others afterwards (`"vehicles"`,
# `"food"`, `"symbols"`).
#
# **Before you run the next cell:** what will the nearest anchor of a koala be, once that folder is gone? And
# will the other groups notice?

# %%
left_out = "animals"
top_group = bank.pairs.group.str.split("/").str[0].to_numpy()
kept = [i for i in train if top_group[i] != left_out]
broken = bank.subset(kept)
cosines = unit_rows(bank.image[validation], broken.image_mean) @ unit_rows(broken.image, broken.image_mean).T
broken_coverage, broken_who = cosines.max(dim=1)
is_left_out = top_group[validation] == left_out
lines = [
    f"| held-out stamps | n | {len(train)} anchors | without {left_out}, {len(kept)} anchors |",
    "|---|---|---|---|",
]
for name, members in ((left_out, is_left_out), ("all others", ~is_left_out)):
    before, after = (mean_with_interval(c[members], seed=seed) for c in (image_coverage, broken_coverage))
    cells = [f"{m.value:.2f} [{m.low:.2f}, {m.high:.2f}]" for m in (before, after)]
    lines.append(f"| {name} | {before.n} | {' | '.join(cells)} |")
display(Markdown("\n".join(lines) + "\n\nMean coverage of the pictures with its 95 % interval."))
examples = np.flatnonzero(is_left_out)[:4].tolist()
show(
    picture_pairs(
        [(stamps.pictures[validation[i]], stamps.pictures[kept[broken_who[i]]]) for i in examples],
        [f"{captions[validation[i]]}\n→ {captions[kept[broken_who[i]]]}" for i in examples],
    ),
    f"Four held-out stamps of the group {left_out}, each beside its nearest anchor when no anchor of that group "
    "is left: " + " ".join(f"{captions[validation[i]]} → {captions[kept[broken_who[i]]]}" for i in examples),
)

# %% [markdown]
# *What you see:* the coverage of the group falls, and that of the others hardly moves. The nearest anchor is
# still *something*, and its caption is now mostly about something else. Some animals hide in other folders (a black
# cat at Halloween), and they are found at once: a folder is a label that somebody gave, not a border in the space. A
# model made of anchors cannot say a word that nobody gave it; but the low coverage shows it.

# %% [markdown]
# ## Which anchors?
#
# You may have only fifty captions to spend. Which fifty pictures do you caption? Drawn at random, or picked so
# that no picture is left far from all anchors? The second is **farthest-first** (Gonzalez, 1985): begin
# anywhere, then always add the picture that is covered worst so far.
#
# ### Exercise 02.5 · Farthest first
#
# **Difficulty** ●●●○○ · **Minutes** 15
#
# Given the similarities of all candidates, choose `count` of them. Begin with `first`. Then, again and again:
# each candidate is covered by the chosen one *most* similar to it; add the candidate whose cover is *worst*.
# Return the positions in the order of choice.


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
    covered = similarity[first]  # (n,): of each candidate, the similarity to the chosen one nearest to it
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
# Keep one vector of length $n$: how well each candidate is covered so far. At the start it is the row
# `similarity[first]`. `argmin()` finds the next; `torch.maximum(a, b)` takes the larger of two vectors, entry by
# entry. A chosen candidate covers itself with 1, so it is not chosen again.
#
# </details>
#
# <details><summary>What you should see</summary>
#
# A green verdict. On the stamps the first choices are as unlike one another as can be: the figure below shows
# them.
#
# </details>
#
# **Before you run the next three cells:** which choice covers *new* pictures better, on average? And which covers
# the worst-covered ones better?

# %%
from asif_lib.course.checks import farthest_first  # the library's way of exercise 02.5

u_anchors = unit_rows(anchors.image, anchors.image_mean)
u_new = unit_rows(bank.image[validation], anchors.image_mean)
to_anchors = u_new @ u_anchors.T  # new pictures × anchors
counts_of_anchors = [10, 20, 50, 100, 200, 400]


def covered_by(order):
    """Return, for the first so many anchors of this order, the mean coverage and its 5th percentile: (counts, 2)."""
    best = [to_anchors[:, order[:count]].amax(dim=1) for count in counts_of_anchors]
    return np.array([[float(b.mean()), float(b.quantile(0.05))] for b in best])


ordered = farthest_first(u_anchors @ u_anchors.T, max(counts_of_anchors), 0)
draws = [torch.randperm(len(anchors), generator=generator) for _ in range(50 if fast else 200)]
farthest = covered_by(ordered)
at_random = np.array([covered_by(draw) for draw in draws])  # (draws, counts, 2)

# %%
show(
    coverage_by_count(counts_of_anchors, {"farthest first": farthest[None], "at random": at_random}),
    "Coverage of held-out pictures against the number of anchors. On average, anchors drawn at random cover as "
    "well or better; the worst-covered pictures are covered a little better by anchors chosen farthest first.",
)
beaten = (at_random < farthest).mean(axis=0)  # share of the draws that cover less well
lines = [
    "| anchors | mean: farthest first | at random | 5th percentile: farthest first | at random | farthest first beats |",
    "|---|---|---|---|---|---|",
]
for c, count in enumerate(counts_of_anchors):
    cells = []
    for what in (0, 1):
        low, high = np.quantile(at_random[:, c, what], [0.025, 0.975])
        cells += [f"{farthest[c, what]:.3f}", f"{low:.3f} to {high:.3f}"]
    lines.append(f"| {count} | {' | '.join(cells)} | {beaten[c, 0]:.0%}, {beaten[c, 1]:.0%} of the draws |")
display(
    Markdown(
        "\n".join(lines)
        + f"\n\nAt random: the middle 95 % of {len(draws)} draws. The last column gives the share of draws that farthest "
        "first beats, first by the mean coverage, then by its 5th percentile: what 95 % of the new pictures exceed."
    )
)

# %%
choices = {"farthest\nfirst": ordered, "drawn at\nrandom": draws[0]}
first_eight = {name: [train[i] for i in choice[:8].tolist()] for name, choice in choices.items()}
show(
    picture_rows({name: [(stamps.pictures[i], captions[i]) for i in chosen] for name, chosen in first_eight.items()}),
    "The first eight anchors of both choices. "
    + " ".join(f"{name.replace(chr(10), ' ')}: {' '.join(captions[i] for i in c)}" for name, c in first_eight.items()),
)

# %% [markdown]
# *What you see:* farthest-first goes to the edges. It takes the oddest pictures, so over most of the table the
# many ordinary ones are covered less well than by a random draw, which puts its anchors where the pictures are. The
# worst-covered new pictures are covered better than by most random draws, though not by much: read the last column
# beside the cosines. The choice depends on what you fear: being a little vague everywhere, or
# blind somewhere.

# %% [markdown]
# ## Which caption is wrong?
#
# So far we trusted the captions. Now turn the tables: if similar pictures should have similar captions, then a
# pair that breaks the rule is a suspect. To know whether a score of suspicion is any good we need culprits that
# we know. So we **plant** them: let a few captions change places, and see whether the score ranks those pairs
# first.
#
# How well it ranks is one number, the **AUC**: draw one planted pair and one honest pair at random; the AUC is
# the chance that the planted one has the higher score. 0.5 is guessing, 1 is perfect. (`roc_auc_score` of
# scikit-learn computes it.)
#
# ### Exercise 02.6 · Your own detective
#
# **Difficulty** ●●●●○ · **Minutes** 30
#
# An open question with many answers. From the two similarity matrices, give each pair a score: the larger, the
# more suspicious. How you do it is up to you. The check plants wrong captions in three small banks of its own
# and wants a mean AUC of at least 0.85. Its banks are made, but made like the stamps: most pairs have nothing to do
# with each other, and only the near ones agree. Try a first idea, read the verdict, try a better one.
#
# **Second goal:** reach 0.85 on the stamps themselves. The cell after the check has a line for your score.


# %% tags=["exercise"]
def suspicion(image_similarity: Tensor, text_similarity: Tensor) -> Tensor:
    """Score of suspicion for each pair.

    image_similarity, text_similarity: (n, n) float32, cosines, 1 on the diagonal
    returns: (n,), the larger the more likely it is that picture and caption do not belong together
    """
    ### BEGIN SOLUTION
    n = len(image_similarity)
    others = ~torch.eye(n, dtype=torch.bool)
    pictures = image_similarity[others].reshape(n, n - 1)  # row i: similarities of stamp i to the others
    texts = text_similarity[others].reshape(n, n - 1)
    pictures = pictures - pictures.mean(dim=1, keepdim=True)
    texts = texts - texts.mean(dim=1, keepdim=True)
    correlation = (pictures * texts).sum(dim=1) / (pictures.norm(dim=1) * texts.norm(dim=1))
    return -correlation
    ### END SOLUTION


# %% tags=["check"]
check_suspicion(suspicion)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Row $i$ of each matrix tells who is similar to stamp $i$. If picture and caption belong together, the two rows
# should tell the same story. Three ways to begin: how strongly the two rows correlate (leave entry $i$ out);
# how few of the $k$ nearest neighbours are in common; how *unlike* the stamp's caption the captions of its
# nearest pictures are. Mind the sign.
#
# </details>
#
# <details><summary>What you should see</summary>
#
# A green verdict with three AUCs. A score that is good there can still be poor on the stamps, where captions are odd
# even when they are right. So measure it there as well: `my_score = suspicion` in the next cell.
#
# </details>
#
# The library's way: take the $k$ nearest pictures and ask how similar *their captions* are to the stamp's own;
# take the $k$ nearest captions and ask the same of their pictures; the mean of both, and a minus before it.
#
# **Before you run the next two cells:** five in a hundred captions in the wrong place. How far apart will the two
# heaps lie? And how far does the plainest idea get, the mean difference of the two similarities?

# %%
my_score = None  # your own: my_score = suspicion
planted_share = 0.05  # try 0.5


def by_neighbours(image_similarity, text_similarity):
    """Return the library's score: minus the mean cosine with the neighbours."""
    return -neighbour_agreement(image_similarity, text_similarity, K)


def mean_difference(image_similarity, text_similarity):
    """Return a first idea: how far the two similarities of a stamp differ, on average over all others."""
    return (image_similarity - text_similarity).abs().mean(dim=1)


ways = {"the library's way": by_neighbours, "mean difference": mean_difference, "your score": my_score}
ways = {name: score for name, score in ways.items() if score is not None}
areas = {name: [] for name in ways}
for _ in range(3 if fast else 10):
    order = change_places(planted_share, generator)
    planted = (order != torch.arange(n)).numpy()
    moved = text_similarity[order][:, order]
    for name, score in ways.items():
        areas[name].append(roc_auc_score(planted, score(image_similarity, moved).numpy()))
scores = by_neighbours(image_similarity, moved)  # of the last planting

# %%
show(
    cosine_histograms(
        {"honest pairs": scores[~planted].numpy(), "planted: wrong caption": scores[planted].numpy()},
        xlabel="suspicion (minus the mean cosine with the neighbours)",
    ),
    "Two histograms of the suspicion of pairs. Most honest pairs lie to the left, planted pairs with a wrong "
    "caption to the right; the heaps overlap.",
)
lines = ["| score | mean AUC | smallest | largest |", "|---|---|---|---|"]
lines += [f"| {name} | {np.mean(a):.3f} | {min(a):.3f} | {max(a):.3f} |" for name, a in areas.items()]
plantings = len(areas["the library's way"])
display(
    Markdown(
        f"{planted_share:.0%} of the captions of the stamps in the wrong place, {plantings} plantings:\n\n"
        + "\n".join(lines)
    )
)

# %% [markdown]
# *What you see:* most planted pairs stand out. The mean difference does far worse: it counts all other stamps alike,
# and nearly all of them are unrelated. Some honest pairs stand out too. Which ones? Here are the prime suspects
# of the stamps as they are, with nothing planted, each beside the stamp whose caption is most similar to its
# own.
#
# **Before you run the next cell:** will there be a wrong caption among them?

# %%
scores = -neighbour_agreement(image_similarity, text_similarity, K)
suspects = scores.topk(8).indices.tolist()
by_words = [int(text_similarity[i].clone().index_fill_(0, torch.tensor([i]), -2).argmax()) for i in suspects]
show(
    picture_pairs(
        [(stamps.pictures[i], stamps.pictures[j]) for i, j in zip(suspects, by_words, strict=True)],
        [f"{captions[i]}\n→ {captions[j]}" for i, j in zip(suspects, by_words, strict=True)],
    ),
    "The eight most suspicious stamps, each beside the stamp with the most similar caption: "
    + " ".join(captions[i] for i in suspects),
)

# %% [markdown]
# *What you see:* the captions fit their pictures. They are suspects for other reasons: a caption that tells
# what the picture does not show (“hundreds of years old”), a word with two meanings (a quarter of pizza is no
# coin), a drawing that the encoder does not recognise, or a thing without relatives in the bank. A score of disagreement finds *pairs that nobody else supports*, and a wrong caption is one
# reason among several. Somebody has to look.

# %% [markdown]
# What you have solved so far:

# %%
show_progress("02")

# %% [markdown]
# ## Summary
#
# - An anchor is a picture with its caption; a bank is two matrices and a table with the same rows.
# - The captions are noisy, some occur twice, and a few pictures have twins across splits: know it before
#   you measure.
# - Over all pairs, similarity of pictures and similarity of captions are related weakly; nearest neighbours are
#   shared far more often than by chance, though most are not. Shuffled captions leave nothing.
# - Intervals come from resampling stamps, not pairs.
# - A wrong caption harms every pair that it is in: with half of them wrong a quarter of the effect is left.
# - A new picture that no anchor is near to has nobody to speak for it, and we can see that beforehand. Which
#   anchors to take depends on whether the average or the worst case matters.
# - Pairs that disagree with their neighbours can be found, and most planted errors are among them.
#
# **What would prove us wrong.** A shuffle that does as well as the real captions. An effect that disappears
# when each caption is allowed once. Or encoders, equally good by themselves, for which neighbours are not
# shared: then the assumption would be about these two encoders, not about pictures and captions. Try it:
# `profile = "hub"` runs this chapter with two others.
#
# **Next:** [03 · Relative representations](03_relative_representations.ipynb) describes every picture and
# every caption by its similarities to the anchors. That makes the two comparable.

# %% [markdown] tags=["teacher"]
# ### Timing
#
# **50 minutes.** Twelve stamps and the odd captions (5), the cloud of points with predictions (10), exercise 02.1
# and the shared neighbours (10), the shuffle and its figure (10), coverage with the group taken away (10),
# summary (5). Exercises 02.2 to 02.4 at home.
#
# **90 minutes.** The same, with 02.2 and 02.3 in class in pairs (25 more), and the section on choosing anchors
# with its figure (15 more). 02.5 at home. 02.6 suits a competition: everybody brings a score, and the AUC on the
# stamps decides; give it a week.
#
# ### What students get wrong
#
# - **“A share of a fifth is weak.”** Ask what chance gives (exercise 02.1): a little over one per cent.
# - **A stamp counts as its own neighbour.** The share then comes out too high, and for $k$ = 1 it is 1 everywhere.
#   Ask which entry of row $i$ is always the largest.
# - **Shuffling only the rows of the caption matrix.** The matrix is then no similarity matrix any more: it is not
#   symmetric. Ask what stands on its diagonal afterwards.
# - **Pairs taken for independent.** Three hundred thousand pairs seem to give a tiny interval. Ask how many
#   captions somebody had to write.
# - **“Farthest-first is better, it is cleverer.”** Better for whom? Let them find a picture in the figure for which
#   the random draw is better.
# - **A suspect is taken for a culprit.** Let them judge the eight suspects by eye first.
#
# ### Discussion
#
# - Could two encoders agree although both have understood nothing?
#   > **Answer.** Yes, if both follow the same surface: white background, or words and colours that go together by
#   > habit of whoever made the stamps. The shuffle does not exclude that. It shows that the pairing carries the
#   > effect, not why. Another data set, other encoders, or pictures without their background would tell.
# - Why does the agreement show among neighbours and hardly over all pairs?
#   > **Answer.** “Unlike” has no degrees: a duck is as unlike a castle as a trumpet is, for pictures and captions
#   > alike, so those cosines are noise. Only large similarities carry meaning, in both worlds.
# - Half of the captions are wrong and a quarter of the effect is left. What would be left of a bank from the web
#   in which one caption of five is wrong?
#   > **Answer.** About 0.8² = 0.64. So cleaning captions pays twice.
# - You may caption a hundred pictures for a hospital's archive. Random or farthest-first?
#   > **Answer.** It depends on the loss. For the mean, random is as good or better and gives an honest sample. If a
#   > rare kind must not be missed, farthest-first covers it; but it also spends captions on junk, which is far
#   > from everything.
