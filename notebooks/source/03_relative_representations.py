# %% [markdown]
# # 03 · Relative representations: described by neighbours
#
# > **Question.** What stays the same when coordinates change?
#
# <details><summary>Goals, minutes, path, what runs</summary>
#
# - compute a relative representation, and say what its rows and columns mean;
# - say what a shift breaks and how centring repairs it;
# - find the caption of a held-out picture with two encoders that never met;
# - explain the common part of real embeddings, and how it adds to hubs;
# - say which changes of coordinates a relative representation survives, with evidence.
#
# **Minutes** {minutes} · **Before this** [00 · Start here](00_start_here.ipynb)
#
# **What runs** The training stamps as anchors, the validation stamps as new pictures.
# About 20 seconds on 2 CPU cores with the embeddings in the cache.
#
# </details>

# %% tags=["parameters", "hide-input"]
# Set up this chapter. To choose encoders, device or pictures, open this cell.
profile = "offline"  # or "hub": larger encoders
device = "auto"  # "auto", "cpu", "cuda" or "mps"
pairs = "stamps"  # or a folder of pictures with captions
seed = 0  # of everything that is drawn at random
fast = False  # True: fewer random rotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor

import asif_book.figures as draw
from asif_book import record
from asif_book.chapters.chapter_03.lessons import random_rotation
from asif_book.chapters.opening import open_chapter
from asif_lib import embed, relative_representation
from asif_lib.evaluation import ranks, recall_at, same_text

draw.use_style()

image_encoder, text_encoder, stamps, everything = open_chapter(profile, device, pairs)
train, validation = stamps.splits["train"], stamps.splits["validation"]
anchors, new = everything.subset(train), everything.subset(validation)
captions = new.pairs.caption.tolist()
generator = torch.Generator().manual_seed(seed)
print(f"{len(anchors)} anchors and {len(new)} new stamps")

from asif_book.checks import (
    check_best_caption,
    check_centred_representation,
    check_investigation,
    check_largest_change,
    check_relative_representation,
    check_times_nearest,
)

# %% [markdown] tags=["core"]
# ## 1 · A place without coordinates
#
# Where is Trento? Its latitude and longitude mean something only with a map. But if you
# say that Trento is close to Bolzano, a little further from Verona, and far from Rome,
# nobody needs your map, because the three landmarks are enough.
#
# The figure shows three landmarks ▲ and a point ● on a map, before and after somebody
# has turned the paper.

# %%
# Draw the angles before and after a turn.
anchors_2d = torch.tensor([[3.0, 0.5], [-0.5, 2.5], [-2.0, -1.5]])  # (3, 2)
point_2d = torch.tensor([[1.5, 1.5]])  # (1, 2)
names_2d = ["cat", "dog", "ship"]
draw.star_of_angles(point_2d, anchors_2d, names_2d, degrees=50)

# %% [markdown]
# **What you see.** The coordinates in brackets differ between the maps, but the angles
# between the point and the landmarks, drawn as rays, do not. That is why the dashed
# rays of the second map lie on the broad rays of the first.
#
# A **relative representation** describes a thing by such angles. Let $z_i$ be an
# embedding, and let $a_1, …, a_n$ be the embeddings of $n$ anchors by the *same*
# encoder. Then
#
# $$r_{ij} = \cos(z_i, a_j) = \frac{z_i \cdot a_j}{\|z_i\|\,\|a_j\|}$$
#
# is the cosine of the angle between $z_i$ and anchor $j$, as in chapter 00. Row $i$
# describes item $i$, and column $j$ belongs to anchor $j$. So a row has $n$ entries,
# whatever the dimension of the encoder is. (The idea is by Moschella and others, 2023,
# and ASIF builds on it.) The next cell computes the cosines beside the rays by hand:

# %%
for name, a in zip(names_2d, anchors_2d, strict=True):
    z = point_2d[0]
    dot, lengths = z @ a, z.norm() * a.norm()
    print(f"{name:5} {dot:5.2f} / {lengths:5.2f} = {dot / lengths:5.2f}")
relative_representation(point_2d, anchors_2d)  # (1, 3)

# %% [markdown]
# Real pictures are described in the same way, but with longer vectors and more anchors.

# %% tags=["hide-input"]
# Draw four rows and four columns of the matrix.
shown = "A violin.", "A koala.", "A camel.", "A red apple."
four = [captions.index(caption) for caption in shown if caption in captions]
four = four or list(range(min(4, len(new))))  # of your own pairs the first
draw.relative_matrix(new, anchors, four, i=1, j=2)

# %% [markdown]
# **What you see.** The cosine of a new picture ● and an anchor ▲ stands where row and
# column meet. The solid frame holds row $i$, which describes one picture. The dashed
# frame holds column $j$, which belongs to one anchor. The figure draws only the nearest
# anchor of each picture, so the longest bars stand on the diagonal.
#
# Now we change the coordinates of the point and of the landmarks together.
#
# **Before you run the next cell:** which of these changes keep the three cosines?

# %%
quarter_turn = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
changes = {  # each turns rows (m, 2) into rows (m, 2)
    "as it is": lambda rows: rows,
    "turned": lambda rows: rows @ quarter_turn,
    "turned and shrunk": lambda rows: 0.6 * rows @ quarter_turn,
    "shifted": lambda rows: rows + torch.tensor([0.5, -2.0]),
}
for name, change in changes.items():
    print(name, relative_representation(change(point_2d), change(anchors_2d)))

# %% [markdown]
# **What you see.** Turning and shrinking keep all three cosines, but the shift changes
# them. **Break it:** add a change of your own to `changes`.
#
# ### Exercise 03.1 · Relative representation
#
# **Difficulty** ●○○○○ · **Minutes** 5
#
# Write the definition for whole matrices. `torch.nn.functional.normalize(x, dim=1)`
# scales each row of `x` to length 1, and you may use it.


# %% tags=["exercise"]
def my_relative_representation(z: Tensor, anchors: Tensor) -> Tensor:
    """Cosines with the anchors.

    z: (q, d) float32, embeddings
    anchors: (n, d) float32, embeddings of the anchors by the same encoder
    returns: (q, n) float32, entry (i, j) is the cosine of z[i] and anchors[j]
    """
    ### BEGIN SOLUTION
    # A cosine needs rows of length 1: scale both matrices, then multiply.
    ### END SOLUTION


# %% tags=["check"]
check_relative_representation(my_relative_representation)

# %% [markdown]
# <details><summary>Hint</summary>
#
# If the rows of both matrices have length 1, a cosine is a dot product. One matrix
# product gives all the dot products.
#
# </details>
#
# <details><summary>What you should see</summary>
#
# A ✔ verdict, and for `my_relative_representation(point_2d, anchors_2d)` the three
# numbers of the example.
#
# </details>

# %% [markdown] tags=["core"]
# ## 2 · What a shift breaks, and what centring repairs
#
# A **rotation** turns all vectors together, so it keeps their lengths, their angles and
# therefore all cosines. A **shift** adds one vector $t$ to every embedding. The shift
# changes the angles, because they are measured at the origin and the vectors move away
# from it. You can also leave the vectors in place and move the origin:

# %% tags=["hide-input"]
# Draw the map with an origin that moves.
draw.moving_origin(point_2d, anchors_2d, names_2d, origin=(-0.5, 2.0))

# %% [markdown]
# **What you see.** <span class="on-screen">Drag the cross, or move its sliders.</span>
# The dashed rays and the cosines follow the origin. The solid lines stay, because a
# difference of two points does not depend on the origin. <span class="on-screen">The
# button puts the origin at the mean of the landmarks.</span>
#
# Now we rotate and shift the embeddings of the stamps. The shift has a random
# direction, and it is as long as a typical embedding.
#
# **Before you run the next cell:** a dot has the cosine before the change on one axis,
# and the cosine after it on the other. Where will the dots lie?

# %%
z, a = new.image, anchors.image
rotation = random_rotation(z.shape[1], generator)
direction = torch.randn(z.shape[1], generator=generator)
shift = direction * a.norm(dim=1).mean() / direction.norm()  # (d,)
plain = relative_representation(z, a)  # (150, n)
turned = relative_representation(z @ rotation, a @ rotation)
shifted = relative_representation(z + shift, a + shift)

# %% tags=["hide-input"]
# Draw the cosines before and after.
some = torch.randperm(plain.numel(), generator=generator)[:3_000]  # entries to draw
after = {"rotation": turned.ravel()[some], "shift": shifted.ravel()[some]}
draw.show(draw.before_after(plain.ravel()[some], after))

# %% [markdown]
# **What you see.** After the rotation all dots lie on the grey diagonal, so nothing has
# changed. After the shift they lie above the diagonal and close together: because every
# embedding now contains the same vector $t$, all pictures seem alike. The cloud is
# thick, so some entries have also changed their order.

# %% [markdown]
# **Centring** repairs the damage. It subtracts the mean $m$ of the anchors from the new
# embedding and from each anchor, and then takes the cosine:
#
# $$\cos(z_i - m,\; a_j - m)$$
#
# A shift by $t$ moves $z_i$, $a_j$ and $m$ by the same $t$, so the two differences stay
# as they were.
#
# ### Exercise 03.2 · Centring
#
# **Difficulty** ●●○○○ · **Minutes** 5
#
# Return the relative representation with the mean of the anchors subtracted from `z`
# and from the anchors.


# %% tags=["exercise"]
def centred_representation(z: Tensor, anchors: Tensor) -> Tensor:
    """Cosines with the anchors, seen from the anchors' mean.

    z: (q, d), embeddings
    anchors: (n, d), embeddings of the anchors
    returns: (q, n) float32
    """
    ### BEGIN SOLUTION
    # The common part is the anchors' mean: subtract it from both before the cosines.
    ### END SOLUTION


# %% tags=["check"]
check_centred_representation(centred_representation)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `anchors.mean(dim=0)` has one entry for each coordinate. Subtract it before you scale
# to length 1, because the mean belongs to the rows as they are.
#
# </details>
#
# <details><summary>What you should see</summary>
#
# A ✔ verdict, also for embeddings that were shifted far away.
#
# </details>
#
# Here are the same two changes with centring.

# %%
from asif_book.checks import centred  # the library's solution of 03.2

before = centred(z, a)  # (150, n)
after = {
    "rotation": centred(z @ rotation, a @ rotation),
    "shift": centred(z + shift, a + shift),
}
for name, cosines in after.items():
    print(f"largest change after the {name}: {(cosines - before).abs().max():.6f}")

# %% [markdown]
# **What you see.** With centring, both changes leave only an error of rounding. **Break
# it:** make `shift` ten times as long, and run the cells again.

# %% [markdown] tags=["number", "core"]
# ## 3 · Two strangers, one description
#
# Now comes the step that makes ASIF. You cannot compare an image embedding with a text
# embedding, because they have no common coordinates, and not even the same number of
# them. But anchor $j$ is a *pair*, and each encoder knows one half of it. So we
# describe a picture by its cosines with the anchors' **pictures**, and a caption by its
# cosines with the anchors' **captions**. In both descriptions entry $j$ is the
# similarity to pair $j$, so they can be compared, again by a cosine.
#
# The anchors are the **training split** of the stamps. The new pictures come from the
# **validation split**, whose stamps are no anchors. For each new picture we sort all
# new captions by their score. **Recall@k** (R@k) is the share of pictures whose own
# caption is among the first $k$. (A caption with the same text counts as the own one.)
# Its **95 % interval** says how far the recall might move with other pictures of the
# same kind.
#
# **Before you run the next two cells:** for how many of a hundred pictures will the own
# caption come first? Will centring help? What if we shuffle the anchors' captions?

# %%
pictures = relative_representation(new.image, anchors.image)  # (150, n)
texts = relative_representation(new.text, anchors.text)  # (150, n)
centred_pictures = centred(new.image, anchors.image)  # (150, n)
centred_texts = centred(new.text, anchors.text)  # (150, n)
scores = {  # (150, 150) each: row = picture, column = caption
    "as they are": relative_representation(pictures, texts),
    "centred": relative_representation(centred_pictures, centred_texts),
}

# %% tags=["hide-input"]
# Measure how often the true caption is among the first k, and shuffle as a control.
from scipy.special import comb

relevant = same_text(captions, captions)  # (150, 150): which captions are right
right, total = relevant.sum(dim=1).numpy(), len(captions)
ks = [k for k in (1, 5, 10) if k < total]
chance = [float(np.mean(1 - comb(total - right, k) / comb(total, k))) for k in ks]
recalls = {
    name: [recall_at(s, relevant, k, seed) for k in ks] for name, s in scores.items()
}
shuffles = [torch.randperm(len(anchors), generator=generator) for _ in range(20)]
wrong = (centred_texts[:, order] for order in shuffles)  # columns of other pairs
by_rank = [ranks(relative_representation(centred_pictures, t), relevant) for t in wrong]
control = np.array([[(rank < k).mean() for k in ks] for rank in by_rank])  # (20, ks)

# %% tags=["hide-input"]
# Draw how often the true caption is among the first k.
dots = {
    name: {f"R@{k}": m for k, m in zip(ks, found, strict=True)}
    for name, found in recalls.items()
}
guessing = {f"R@{k}": c for k, c in zip(ks, chance, strict=True)}
xlabel = "true caption among the first k, share of pictures; 95 % interval"
draw.show(draw.interval_dots(dots, xlabel=xlabel, chance=guessing))

# %% tags=["hide-input"]
# Record the recalls, and show them in a table.
table = {f"{name}, → caption": found for name, found in recalls.items()}
for name, s in scores.items():
    table[f"{name}, → picture"] = [recall_at(s.T, relevant, k, seed) for k in ks]
for k, m, c in zip(ks[::2], recalls["centred"][::2], chance[::2], strict=True):
    what = "stamps (validation), dense relative representations"
    record(f"{what}, caption among {total}, R@{k}", m, note=f"chance {c:.1%}")
table = pd.DataFrame(table, [f"R@{k}" for k in ks]).T
table = table.map(lambda m: f"{m.value:.1%} [{m.low:.1%}, {m.high:.1%}]")
table.loc["chance"] = [f"{c:.1%}" for c in chance]
about = "{:.1%} ({:.1%} to {:.1%})"
table.loc["shuffled"] = [about.format(c.mean(), c.min(), c.max()) for c in control.T]
print(f"{total} new stamps, {len(anchors)} anchors; shuffled: mean and range of 20")
table

# %% [markdown]
# **What you see.** All marks stand far to the right of the dotted lines, which show the
# recall of guessing, although nothing was trained. Centring helps, because the crosses
# are farther right than the diamonds.
#
# In the row “shuffled” of the table, the recall falls to chance on average. So the
# pairs are the link, and row $j$ must mean the same pair in both matrices of a bank. If
# you sort one matrix by accident, no error warns you.

# %% [markdown]
# ### Exercise 03.3 · Find the caption
#
# **Difficulty** ●●●○○ · **Minutes** 15
#
# Write a model that connects pictures and text: for each new picture return the row of
# the caption that fits best. Describe each picture by the anchors' pictures and each
# caption by the anchors' captions, both with the mean of their anchors subtracted. Then
# compare the descriptions by their cosine.


# %% tags=["exercise"]
def best_caption(
    z_image: Tensor, z_text: Tensor, image_anchors: Tensor, text_anchors: Tensor
) -> Tensor:
    """Row of the caption that fits each picture best.

    z_image: (q, d_image), new pictures
    z_text: (t, d_text), new captions, in any order
    image_anchors, text_anchors: (n, d_image) and (n, d_text), row j is pair j
    returns: (q,) int64, rows of z_text
    """
    ### BEGIN SOLUTION
    # Each side is described by its own anchors; only descriptions can be compared.
    ### END SOLUTION


# %% tags=["check"]
check_best_caption(best_caption)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Your function of exercise 03.2 makes both descriptions. `relative_representation` then
# compares all rows of the one with all rows of the other. Which axis of the result
# holds the captions?
#
# </details>
#
# <details><summary>What you should see</summary>
#
# A ✔ verdict. For the new stamps, `best_caption(new.image, new.text, anchors.image,
# anchors.text)` returns the right row about as often as R@1 says.
#
# </details>

# %% [markdown]
# ## 4 · Look at it
#
# A recall hides the captions, so here are some of them. In the order of the split we
# take the first two animals whose own caption came first. The third is the first animal
# whose own caption came far behind.
#
# **Before you run the next cell:** what will the wrong captions be like? Random ones?

# %% tags=["hide-input"]
# Draw two searches that succeed, and one that fails.
rank = ranks(scores["centred"], relevant)  # (150,): 0 is the best
animal = new.pairs.group.str.startswith("animals").to_numpy()
animal = animal if animal.any() else ~animal  # of your own pairs, every picture
good = np.flatnonzero(animal & (rank == 0))
bad = np.flatnonzero(animal & (rank >= min(10, rank.max())))
picked, results = list(dict.fromkeys([*good[:2], bad[0]])), []
for i in picked:
    order = scores["centred"][i].argsort(descending=True, stable=True).tolist()
    distinct = dict.fromkeys(captions[j] for j in order)  # a repeated caption once
    best = {captions[j]: float(scores["centred"][i, j]) for j in reversed(order)}
    rows = [(at, c, best[c], c == captions[i]) for at, c in enumerate(distinct, 1)]
    results.append([row for row in rows if row[0] <= 5 or row[3]])
draw.show(draw.caption_search(new.pairs.picture[picked], results))

# %% [markdown]
# **What you see.** A tick ✔ marks the own caption. Where the own caption comes first,
# the captions behind it are often about similar things. For the last picture, the
# captions in front look random.

# %% [markdown]
# ## 5 · The common part of real embeddings
#
# What does centring bring? With *dense* vectors, as in section 3, the mean recall of
# the stamps rises by 17.5 points [15.0, 20.0], over 20 draws. The steps of chapter 04
# do much of this job, too. With them, and settings chosen for each way, centring brings
# +2.3 points [1.2, 3.5] on stamps, +2.7 [1.5, 3.9] on emoji, and −0.3 [−1.3, 0.7] on
# photographs (`benchmarks/accuracy/steps.md`). So real embeddings seem to have a shift
# built in.
#
# **Before you run the next two cells:** take all pairs of two anchors; most show
# different things. Where will the cosines of their pictures lie: around zero? And the
# cosines of their captions?


# %% tags=["hide-input"]
# Draw the cosines of all pairs of anchors, as they are and centred.
from asif_book.chapters.chapter_03.lessons import common_part, pair_cosines

both = {
    f"pictures ({image_encoder.identity.name.split('.')[0]})": anchors.image,
    f"captions ({text_encoder.identity.name})": anchors.text,
}
cosines_of = {name: pair_cosines(z) for name, z in both.items()}
centred_ones = {
    f"{name}, centred": pair_cosines(z, z.mean(dim=0)) for name, z in both.items()
}
draw.show(draw.cosine_histograms(cosines_of | centred_ones, "cosine of two stamps"))

# %% tags=["hide-input"]
# Show the common parts in a table.
from asif_book.chapters.classes import without_article

bare = embed(text_encoder, [without_article(c) for c in captions], progress=False)
both |= {"new captions": new.text, "without article and full stop": bare}
table = {
    name: (pair_cosines(z).mean(), common_part(z), (z < 0).double().mean().item())
    for name, z in both.items()
}
names = ["mean cosine of pairs", "common part", "negative coordinates"]
pd.DataFrame(table, names).T.round(3)

# %% [markdown]
# **What you see.** The first two outlines, the cosines as they are, stand far above
# zero, because all vectors share a **common part**: they lie in a cone. To measure the
# common part, scale all vectors to length 1, take their mean, and square the length of
# this mean. The result is nearly the mean cosine of all pairs. With the mean
# subtracted, the other two outlines stand around 0.
#
# Where does the common part come from? (We speak of the offline encoders.) Because the
# image encoder gives no negative coordinate, no angle is larger than a right angle, and
# all vectors lean the same way. Most captions have the form “A … .”; without article
# and full stop their common part is a quarter smaller. We subtract the common part
# because it does not tell one stamp from another.

# %% [markdown]
# ## 6 · Hubs
#
# The common part has a second effect. Count how often each anchor is among the nearest
# of the others. Some anchors, the **hubs**, have a far larger count than the rest
# (Radovanović and others, 2010). Because a hub is near to many items, it says little
# about each.
#
# ### Exercise 03.4 · Who is everybody's neighbour?
#
# **Difficulty** ●●○○○ · **Minutes** 10
#
# Given cosines of items with anchors, count for each anchor how many items have it
# among their $k$ nearest anchors. The count of an anchor that is near to no item is 0.


# %% tags=["exercise"]
def how_often_nearest(similarity: Tensor, k: int) -> Tensor:
    """Number of items that have each anchor among their k nearest.

    similarity: (q, n), row i: cosines of item i with the anchors
    k: neighbours of each item
    returns: (n,) int64; all counts add up to q · k
    """
    ### BEGIN SOLUTION
    # Take the k nearest anchors of each item, and count how often each anchor occurs.
    ### END SOLUTION


# %% tags=["check"]
check_times_nearest(how_often_nearest)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `topk(k, dim=1).indices` gives the neighbours of each item. Put all these numbers into
# one list with `ravel()` and count them: `torch.bincount` does that, and its
# `minlength` keeps the anchors that never occur.
#
# </details>
#
# <details><summary>What you should see</summary>
#
# A ✔ verdict. The sum of your counts is the number of items times $k$.
#
# </details>
#
# **Before you run the next two cells:** if all anchors were equal, each would be among
# the ten nearest of ten others. What is the count of the greatest hub? And which stamp
# would you guess it is?

# %% tags=["hide-input"]
# Draw how often each anchor is among the nearest.
from asif_book.chapters.chapter_03.lessons import greatest_hubs

modalities = {"pictures": (anchors.image, anchors.image_mean)}
modalities["captions"] = anchors.text, anchors.text_mean
places = np.unique(np.geomspace(1, len(anchors), 14).astype(int))  # ranks to draw
curves, greatest = {}, {}
for name, (z, its_mean) in modalities.items():
    for how, mean in (("as they are", None), ("centred", its_mean)):
        hubs, counts = greatest_hubs(z, mean)  # (n,) each
        curves[f"{name}, {how}"] = places, counts[places - 1].numpy()
        greatest[f"{name},\n{how}"] = hubs[:5], counts[:5]
ylabel = "among the 10 nearest of others"
xlabel = "rank of the anchor, the greatest hub first"
draw.show(draw.line_chart(curves, xlabel=xlabel, ylabel=ylabel, logx=10))

# %% tags=["hide-input"]
# Draw the greatest hubs.
table, hubs, rows = anchors.pairs, {}, {}
for name, (these, counts) in greatest.items():
    both = zip(these.tolist(), counts.tolist(), strict=True)
    hubs[name] = [(table.picture[i], f"{table.caption[i]}\n{c} times") for i, c in both]
draw.show(draw.picture_rows(hubs))
for name, (z, mean) in modalities.items():
    five = relative_representation(z[greatest[f"{name},\nas they are"][0]], mean[None])
    average = relative_representation(z, mean[None]).mean()
    rows[name] = f"{five.min():.2f} to {five.max():.2f}", f"{average:.2f}"
print("cosine with the mean of all, as they are:")
pd.DataFrame(rows, ["the five greatest hubs", "all anchors, on average"]).T

# %% [markdown]
# **What you see.** At its left end, the highest line belongs to the captions as they
# are. The table gives the reason. The hubs lie closer to the mean of all captions than
# other captions do, and a vector near the mean is near to all. The line “captions,
# centred” starts at less than half the height. Pictures keep some of their hubs: digits
# and signs, which are near to one another.

# %% [markdown]
# ## 7 · Rotations of real embeddings
#
# A rotation of a $d$-dimensional space is a $d × d$ matrix $Q$ with $Q Q^T = I$ (this
# includes reflections). Two trainings of one network from different random starts often
# differ by about such a matrix. A rotation keeps dot products, and lengths with them:
#
# $$(Q z) \cdot (Q a) = z^T Q^T Q a = z \cdot a$$
#
# So a rotation keeps cosines. A change of scale cancels, because each cosine divides by
# the lengths.
#
# ### Exercise 03.5 · Test the invariance
#
# **Difficulty** ●●○○○ · **Minutes** 10
#
# Given embeddings, anchors and a matrix, apply the matrix to every vector. Return the
# largest absolute change of an entry of the relative representation. (You may use the
# library's `relative_representation`.)


# %% tags=["exercise"]
def my_largest_change(z: Tensor, anchors: Tensor, matrix: Tensor) -> float:
    """Return the largest absolute change of an entry if each row v becomes v @ matrix.

    z: (q, d), embeddings
    anchors: (n, d), embeddings of the anchors
    matrix: (d, d), a rotation or any other matrix
    returns: a number, 0 or more
    """
    ### BEGIN SOLUTION
    # Move `z` and the anchors by the same matrix, and take the largest difference.
    ### END SOLUTION


# %% tags=["check"]
check_largest_change(my_largest_change)

# %% [markdown]
# <details><summary>Hint</summary>
#
# The anchors live in the same space as `z`, so a change of coordinates changes both.
#
# </details>
#
# <details><summary>What you should see</summary>
#
# A ✔ verdict. On the pictures of the stamps, a rotation of both sides changes only the
# rounding; a rotation of `z` alone changes a lot.
#
# </details>
#
# **Before you run the next cell:** embeddings are stored as 32-bit floats. After a
# random rotation, how large will the largest change of an entry be?

# %% tags=["hide-input"]
# Rotate, scale and stretch the embeddings, and measure the largest change.
from asif_book.chapters.chapter_03.lessons import largest_changes

table = {}
for modality in ("image", "text"):
    z, a = getattr(new, modality), getattr(anchors, modality)  # (150, d), (n, d)
    d = z.shape[1]
    rotations = [random_rotation(d, generator) for _ in range(1 if fast else 3)]
    table[f"{modality}, d = {d}"] = largest_changes(z, a, rotations, generator)
print("largest change of an entry:")
pd.DataFrame(table).map("{:.1e}".format)

# %% [markdown]
# **What you see.** In the rows “rotation” and “scale” only rounding is left. But where
# we centre, as ASIF does, another length for each vector changes the entries, because
# vector and mean are then scaled differently. The last row is the control: a stretch
# that differs from coordinate to coordinate is no rotation, and changes the entries.

# %% [markdown]
# ## 8 · An investigation: what leaves it alone?
#
# What about reflections? Removing a coordinate, or adding one? Another length for each
# vector? Setting negative numbers to zero? Is every harmless change linear, and is
# every linear change harmless?
#
# ### Exercise 03.6 · Survivors
#
# **Difficulty** ●●●●○ · **Minutes** 30
#
# Invent changes of coordinates, predict the effect of each, and bring evidence. Your
# function gets embeddings and anchors, and returns a dictionary. Under the name of each
# change stands a pair: the change itself, and the largest absolute change of an entry
# that it causes. Change `z` and anchors alike:
#
#     {"all twice as long": (lambda rows: 2 * rows, 0.0), …}
#
# A change turns rows `(m, d)` into `m` rows of any width, each row by itself. Find at
# least two that leave all entries unchanged (up to rounding), **one of them not
# linear**. Find at least two that do not, **one of them linear**. (Linear: $f(x + y) =
# f(x) + f(y)$ for all vectors.) The check recomputes your numbers on other data.


# %% tags=["exercise"]
def survivors(z: Tensor, anchors: Tensor) -> dict[str, tuple]:
    """Return changes of coordinates, each with the largest change of an entry.

    z: (q, d), embeddings
    anchors: (n, d), embeddings of the anchors
    returns: {name: (change, largest)}; change turns rows (m, d) into rows (m, any)
    """
    ### BEGIN SOLUTION
    # A cosine sees no length, so scaling each vector by itself changes nothing.
    # Usual mistake. A rotation drawn at each call: `z` and anchors get different ones.
    d = z.shape[1]
    # drawn once, so that z and anchors get the same rotation
    rotation = torch.linalg.qr(torch.randn(d, d)).Q
    stretch = torch.linspace(0.2, 2, d)
    changes = {
        "rotation": lambda rows: rows @ rotation,
        "coordinates in reverse order": lambda rows: rows.flip(1),
        "every vector to length 1": lambda rows: rows / rows.norm(dim=1, keepdim=True),
        "stretch": lambda rows: rows * stretch,
        "shift": lambda rows: rows + 1,
        "negative numbers to 0": lambda rows: rows.clamp_min(0),
    }
    before = relative_representation(z, anchors)
    evidence = {}
    for name, change in changes.items():
        after = relative_representation(change(z), change(anchors))
        evidence[name] = change, float((after - before).abs().max())
    return evidence
    ### END SOLUTION


# %% tags=["check"]
check_investigation(survivors)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Collect your changes in a dictionary of functions, then measure them in one loop, as
# in exercise 03.5. Build matrices from `z.shape[1]`. Draw random numbers once, outside
# the change. For the survivor that is not linear: a cosine sees the direction of a
# vector. Which property does it not see?
#
# </details>
#
# <details><summary>What you should see</summary>
#
# A ✔ verdict that lists your survivors and the others. Survivors are rotations,
# reflections, any order of the coordinates, zeros appended, and any change of lengths.
# Another length for each vector is not linear. It survives only without centring:
# centred, entries change by up to 1.5, and on stamps ASIF's mean recall falls from 58.0
# to 32.3 % (`steps.md`).
#
# Among linear maps, only rotations, reflections and uniform scaling (with or without
# more dimensions) keep the angles between all vectors. Two encoders differ by more.
#
# </details>

# %% [markdown] tags=["progress"]
# The exercises that you have solved:

# %% tags=["progress", "hide-input"]
# Show the exercises that you have solved.
from asif_book import show_progress

show_progress("03")

# %% [markdown]
# ## Summary
#
# - A relative representation describes an item by its cosines with the anchors, so its
#   length is the number of anchors and not the dimension of the encoder.
# - Rotation and scale leave the cosines unchanged, up to rounding. A shift changes
#   them, but subtracting the mean of the anchors repairs the damage. With centring, all
#   vectors must share one scale.
# - If the anchors are pairs, pictures and captions get descriptions that can be
#   compared. Without any training, captions of held-out pictures are found far above
#   chance.
# - Deeper: real embeddings have a shift built in, their common part. It makes all
#   descriptions alike, and it adds to hubs.
# - In `asif_lib/method.py` the steps are called `centre`, `unit`, `cosines` and
#   `relative`; compare them with yours.
#
# **What would prove us wrong.** A rotation that changes entries by more than rounding
# would. So would a recall above chance with shuffled captions, because then the pairs
# would not carry the meaning.
#
# **Next:** in [04 · Sparsification](04_sparsification.ipynb) only the near anchors
# count. So far every anchor counts for every picture.
#
# [Sources](references.md): Moschella 2023, Maiorca 2023, Radovanović 2010.

# %% [markdown] tags=["teacher"]
# ### Timing
#
# **50 minutes.** Sections 1 to 3, the core: Trento and the plane (5), exercise 03.1
# (5), the shift and centring with exercise 03.2 (12), two strangers and recall (10),
# exercise 03.3 in pairs (15), summary (3).
#
# **90 minutes.** The same, then sections 4 and 5 (10), hubs with exercise 03.4 (15) and
# exercise 03.5 (10). 03.6 at home, or as a game: a team names a change, the others bet,
# the code decides.
#
# ### What students get wrong
#
# - **They subtract the new items' own mean.** It works for 150 pictures and fails for
#   one. Ask what `z - z.mean(0)` is for a single picture.
# - **Length 1 first, mean afterwards.** The rows are not of length 1 any more. Ask what
#   the diagonal of the anchors with themselves should be.
# - **“A relative representation needs encoders of one dimension.”** Ask for the shapes
#   of both descriptions of a pair.
# - **“The anchors must be good pictures.”** They must be the *same* on both sides, row
#   by row. Show the row “shuffled”.
# - **“Everything linear is harmless.”** The stretch says otherwise; and each vector's
#   own length is harmless without being linear, as long as nothing is centred.
#
# ### Discussion
#
# - Two people describe a town by distances to landmarks. What if one of them is wrong
#   about a landmark?
# > **Answer.** Then one entry of every description is wrong, on one side. One among
# hundreds does little harm. The entry has a name, so it can be found (chapter 02 does).
# A matrix that was learnt has no such place.
# - Why subtract the mean of the anchors, and not the mean of the new pictures?
# > **Answer.** The description of a picture must not depend on the other pictures of
# its batch. The anchors are always the same.
# - Rotations leave everything unchanged. Do two networks differ by a rotation only?
# > **Answer.** Two trainings of one network often nearly do (Moschella 2023). Two kinds
# of network, too, can be joined by a nearly orthogonal matrix, well enough for many
# tasks (Maiorca 2023). Our two encoders differ by more: in section 3 the right caption
# comes first for some pictures only.
#
# ### Exit questions
#
# 1. All points of a map are turned. Then all are moved by one vector. Which change
#    leaves the cosines with the landmarks as they were? What repairs the other?
#
#    > **Answer.** Turning keeps all angles. Moving changes them. Subtract the mean of
#    > the landmarks from all points: the moved map and the old one are then the same.
#
# 2. A picture has 1,000 coordinates, a caption has 400, and the bank has 500 anchors.
#    How long are the two relative representations? What does entry 7 mean in each?
#
#    > **Answer.** Both have 500 entries. Entry 7 is the similarity to anchor 7: to its
#    > picture in the one, to its caption in the other.
#
# 3. The captions of the anchors are moved down by one row. What happens to the search
#    for captions?
#
#    > **Answer.** It falls to about chance. Entry 7 now means one pair for pictures,
#    > and another pair for captions.
