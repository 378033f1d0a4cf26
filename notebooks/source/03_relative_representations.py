# %% [markdown] code=["relative.py"] steps=["compare"]
# # 03 · Relative representations: described by neighbours
#
# > **Question.** What stays the same when coordinates change?
#
# <details><summary>Goals, minutes, what runs</summary>
#
# - compute a relative representation and say what its rows and columns mean;
# - show, and measure, that a rotation and a change of scale leave it unchanged;
# - say what a shift breaks and how centring repairs it;
# - explain why embeddings of unrelated pictures have a cosine far above zero, and how
#   that makes hubs;
# - find the caption of a held-out picture with two encoders that never met;
# - say which changes of coordinates a relative representation survives, with evidence.
#
# **Minutes** 50 to read, 75 more with the exercises · **Before this** [02 ·
# Anchors](02_anchors.ipynb)
#
# **What runs** The stamps: the training split as anchors, the validation split as new
# pictures; the test split stays closed. This takes about 20 seconds on 2 CPU cores with
# the embeddings in the cache.
#
# </details>

# %% tags=["parameters"]
profile = "offline"  # or "hub": larger encoders, as in the paper
device = "auto"  # "auto", "cpu", "cuda" or "mps"
seed = 0  # of everything that is drawn at random
fast = False  # True: fewer random rotations

# %% tags=["hide-input"]
# The tools of this chapter. Run this cell; you need not read it.
import numpy as np
import pandas as pd
import torch
from torch import Tensor

import asif_book.figures as draw
from asif_book import record
from asif_book.lessons import change_of_entries, open_chapter, random_rotation
from asif_lib import embed, relative_representation
from asif_lib.evaluation import ranks, recall_at, same_text
from asif_lib.relative import unit_rows

draw.use_style()

# %% tags=["hide-input"]
# Load the encoders, and split the stamps into anchors and new ones.
image_encoder, text_encoder, stamps, everything = open_chapter(profile, device)
train, validation = stamps.splits["train"], stamps.splits["validation"]
anchors, new = everything.subset(train), everything.subset(validation)
captions = new.pairs.caption.tolist()
generator = torch.Generator().manual_seed(seed)
print(f"{len(anchors)} anchors and {len(new)} new stamps")

# %% tags=["hide-input"]
# The checks of this chapter's exercises. Run this cell; you need not read it.
from asif_book.checks import (
    check_best_caption,
    check_centred_representation,
    check_investigation,
    check_largest_change,
    check_relative_representation,
    check_times_nearest,
)

# %% [markdown]
# ## 1 · A place without coordinates
#
# Where is Trento? You can give latitude and longitude. Or you can say: close to
# Bolzano, a little further from Verona, far from Rome. The second answer needs no map
# grid. It only needs landmarks that both of us know.
#
# A **relative representation** is an answer of the second kind. Let $z_i$ be an
# embedding and $a_1, …, a_n$ the embeddings of $n$ anchors under the *same* encoder.
# Then
#
# $$r_{ij} = \cos(z_i, a_j) = \frac{z_i \cdot a_j}{\|z_i\|\,\|a_j\|}$$
#
# is the cosine of the angle between $z_i$ and anchor $j$: 1 for the same direction, 0
# for a right angle, −1 for the opposite direction. Row $i$ describes item $i$; column
# $j$ carries the name of anchor $j$. The row has $n$ entries, for any dimension $d$ of
# the encoder. The idea is by Moschella et al. (ICLR 2023); ASIF builds on it.
#
# A small example in the plane: three anchors as landmarks, and one point. You get two
# maps of them. Somebody turned the paper before drawing the second.

# %%
anchors_2d = torch.tensor([[3.0, 0.5], [-0.5, 2.5], [-2.0, -1.5]])  # (3, 2)
point_2d = torch.tensor([[1.5, 1.5]])  # (1, 2)
names_2d = ["cat", "dog", "ship"]
draw.star_of_angles(point_2d, anchors_2d, names_2d, degrees=50)

# %% [markdown]
# **What you see.** The brackets hold coordinates. They differ between the two maps, for
# the landmarks ▲ and for the point ●. The star has no coordinates: its rays have the
# angles between the point and each landmark. The dashed rays of the second map lie on
# the broad pale rays of the first. The cosines beside the rays are the relative
# representation of the point. They are easy to compute by hand:

# %%
for name, a in zip(names_2d, anchors_2d, strict=True):
    z = point_2d[0]
    dot, lengths = z @ a, z.norm() * a.norm()
    print(f"{name:5} {dot:5.2f} / {lengths:5.2f} = {dot / lengths:5.2f}")
relative_representation(point_2d, anchors_2d)  # (1, 3)

# %% [markdown]
# With real pictures nothing is different, only larger: vectors have more entries, and
# there are more of them. Each entry of the result belongs to one new picture $i$ and
# one anchor $j$.

# %%
shown = "A violin.", "A koala.", "A camel.", "A red apple."
four = [captions.index(caption) for caption in shown]
draw.relative_matrix(new, anchors, four, i=1, j=2)

# %% [markdown]
# **What you see.** On the left the circles ● are vectors of new pictures, and above the
# triangles ▲ are vectors of anchors. Where a row meets a column stands their cosine, as
# a number and as a bar. The solid frame holds row $i$: all that the relative
# representation says about one picture. The dashed frame holds column $j$: what it says
# about anchor $j$, for each picture. The drawing shows only the nearest anchor of each
# of the four, so the longest bars stand on the diagonal.
#
# Now we change the coordinates of point and anchors alike, in the plane. You have seen
# the effect of a turn. Next, we also shrink all vectors, or shift the plane.
#
# **Before you run the next cell:** which of the changes will leave the three cosines
# unchanged?

# %%
angle = np.deg2rad(50)
turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
changes = {  # each turns rows (m, 2) into rows (m, 2)
    "as it is": lambda rows: rows,
    "turned by 50°": lambda rows: rows @ turn,
    "turned and shrunk": lambda rows: 0.6 * rows @ turn,
    "shifted": lambda rows: rows + np.array([0.5, -2.0]),
}
draw.show(draw.relative_under_changes(point_2d, anchors_2d, changes, names_2d))

# %% [markdown]
# **What you see.** Above, the picture changes every time. Below, the filled bars are
# the cosines now, and the outlines are the cosines of the first panel. Turning and
# shrinking leave the bars inside their outlines; the shift does not. **Break it:** add
# a change of your own to `changes` in the cell above (the last exercise of this chapter
# collects them).
#
# ### Exercise 03.1 · Relative representation
#
# **Difficulty** ●○○○○ · **Minutes** 5
#
# Write the definition for whole matrices, without a loop. With `unit_rows` of chapter
# 02 one line is enough; scaling the rows yourself takes two lines more.


# %% tags=["exercise"]
def my_relative_representation(z: Tensor, anchors: Tensor) -> Tensor:
    """Cosines with the anchors.

    z: (q, d) float32, embeddings
    anchors: (n, d) float32, embeddings of the anchors by the same encoder
    returns: (q, n) float32, entry (i, j) is the cosine of z[i] and anchors[j]
    """
    ### BEGIN SOLUTION
    z = z / z.norm(dim=1, keepdim=True)
    anchors = anchors / anchors.norm(dim=1, keepdim=True)
    return z @ anchors.T
    ### END SOLUTION


# %% tags=["check"]
check_relative_representation(my_relative_representation)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Scale every row to length 1 first, in `z` and in `anchors`. Then a cosine is a dot
# product, and all dot products of rows are one matrix product.
#
# </details>
#
# <details><summary>What you should see</summary>
#
# A ✔ verdict, and for `my_relative_representation(point_2d, anchors_2d)` the three
# numbers of the example.
#
# </details>

# %% [markdown]
# ## 2 · The same with real embeddings
#
# A **rotation** of a $d$-dimensional space is a $d × d$ matrix $Q$ with $Q Q^T = I$
# (this includes reflections). Moschella et al. start from an observation: two trainings
# of one network from different random starts often differ by about such a matrix. They
# learn the same relations and lay them out another way.
#
# Why does a rotation not matter here? It keeps lengths and dot products:
#
# $$(Q z) \cdot (Q a) = z^T Q^T Q a = z \cdot a$$
#
# and a cosine is made of nothing else. Scaling cancels: each cosine divides by the
# lengths. (The formula writes vectors as columns. In code they are rows, so $Q z$
# becomes `z @ Q.T`. We write `z @ Q`, which applies $Q^T$, and that is a rotation too.)
#
# A random rotation comes from the QR decomposition of a matrix of random numbers;
# `random_rotation(d, generator)` draws one.
#
# ### Exercise 03.2 · Test the invariance
#
# **Difficulty** ●●○○○ · **Minutes** 10
#
# Write the test yourself. Given embeddings, anchors and a matrix, apply the matrix to
# every vector. Return the largest absolute change of an entry of the relative
# representation. (You may use the library's `relative_representation`.)


# %% tags=["exercise"]
def my_largest_change(z: Tensor, anchors: Tensor, matrix: Tensor) -> float:
    """Return the largest absolute change of an entry if each row v becomes v @ matrix.

    z: (q, d), embeddings
    anchors: (n, d), embeddings of the anchors
    matrix: (d, d), a rotation or any other matrix
    returns: a number, 0 or more
    """
    ### BEGIN SOLUTION
    before = relative_representation(z, anchors)
    after = relative_representation(z @ matrix, anchors @ matrix)
    return float((after - before).abs().max())
    ### END SOLUTION


# %% tags=["check"]
check_largest_change(my_largest_change)

# %% [markdown]
# <details><summary>Hint</summary>
#
# The anchors live in the same space as `z`. A change of one is a change of the other.
#
# </details>
#
# <details><summary>What you should see</summary>
#
# A ✔ verdict. With `random_rotation(new.image.shape[1], generator)` on the
# pictures, `new.image` and `anchors.image`, the result is rounding; with the rotation
# on `z` alone it would be large.
#
# </details>
#
# Now the same test on the stamps.
#
# **Before you run the next cell:** embeddings are stored as 32-bit floats. After a
# random rotation in all dimensions, how large will the largest change of an entry be?

# %% tags=["hide-input"]
# Rotate, scale and stretch the embeddings, and measure the largest change.
from asif_book.checks import largest_change  # the library's solution of 03.2

table = {}
for modality in ("image", "text"):
    z, a = getattr(new, modality), getattr(anchors, modality)  # (150, d), (n, d)
    d = z.shape[1]
    rotations = [random_rotation(d, generator) for _ in range(1 if fast else 3)]
    lengths = torch.rand(len(z), 1, generator=generator) * 10 + 0.1
    before = relative_representation(z, a)
    after = relative_representation(lengths * z, 7 * a)
    stretch = torch.diag(torch.logspace(-0.5, 0.5, d))
    table[f"{modality}, d = {d}"] = {
        "rotation, the largest of all drawn": max(
            largest_change(z, a, q) for q in rotations
        ),
        "scale, another for each vector": float((after - before).abs().max()),
        "stretch, another for each coordinate": largest_change(z, a, stretch),
    }
print("largest change of an entry:")
pd.DataFrame(table).map("{:.1e}".format)

# %% [markdown]
# **What you see.** In the rows “rotation” and “scale” only rounding is left. The last
# row is the control: a stretch that differs from coordinate to coordinate is no
# rotation, and it does change the entries. So the test can fail.
#
# ### A stranger with the same mind
#
# What is it good for? Imagine a second encoder that sees the same things and writes
# them down in other coordinates. All its vectors are turned and three times as long.
# You get its embeddings of the held-out pictures, and you have to find the picture of
# each embedding.
#
# **Before you run the next cell:** how often will the nearest embedding be the right
# one, if you compare coordinates? If you compare relative representations? And if the
# stranger lists its anchors in another order?

# %%
rotation = random_rotation(new.image.shape[1], generator)
stranger, its_anchors = 3 * new.image @ rotation, 3 * anchors.image @ rotation
order = torch.randperm(len(anchors), generator=generator)
mine = relative_representation(new.image, anchors.image)  # (150, n)
its = relative_representation(stranger, its_anchors)  # (150, n)
reordered = relative_representation(stranger, its_anchors[order])  # (150, n)
matches = {  # (150, 150): row = my picture, column = the stranger's
    "coordinates": relative_representation(new.image, stranger),
    "relative representations": relative_representation(mine, its),
    "relative, anchors in another order": relative_representation(mine, reordered),
}
own = torch.eye(len(new)).bool()
found = {name: recall_at(scores, own, 1, seed) for name, scores in matches.items()}
print(f"chance {1 / len(new):.1%}")
pd.DataFrame({"right picture is nearest [95 % interval]": found})

# %% [markdown]
# **What you see.** First row: coordinates are worthless between two strangers, even
# between two that know exactly the same. Second row: relations to shared landmarks are
# enough. Third row: the two only have to agree on the order of the landmarks.

# %% [markdown]
# ## 3 · What a shift breaks, and what centring repairs
#
# A **shift** adds one vector $t$ to every embedding: $z + t$, $a + t$. Angles are
# measured at the origin, and the shift moves everything away from the origin.
# **Centring** undoes it: subtract the mean $m$ of the anchors from both, and use
# $\cos(z_i - m, a_j - m)$. A shift moves $m$ by $t$ as well, and the difference is as
# before.
#
# **Before you run the next cell:** we shift by a random vector of a typical length.
# Sketch the entries after against the entries before: still a line? Which one? And how
# do the entries look if the shift is ten times as long?

# %%
how_far = 1  # length of the shift, in typical lengths of an embedding
z, a = new.image, anchors.image
direction = torch.randn(z.shape[1], generator=generator)
direction *= a.norm(dim=1).mean() / direction.norm()
shift = how_far * direction
plain = relative_representation(z, a)  # (150, n)
turned = relative_representation(z @ rotation, a @ rotation)
shifted = relative_representation(z + shift, a + shift)

some = torch.randperm(plain.numel(), generator=generator)[:3_000]  # entries to draw
after = {"rotation": turned.ravel()[some], "shift": shifted.ravel()[some]}
draw.show(draw.before_after(plain.ravel()[some], after))


# %%
def centred_entries(z, a):
    """Return the relative representation with the mean of the anchors subtracted."""
    return relative_representation(z, a, mean=a.mean(dim=0))


centred = centred_entries(z, a)  # (150, n)
after = {
    "rotation, centred": centred_entries(z @ rotation, a @ rotation).ravel()[some],
    "shift, centred": centred_entries(z + shift, a + shift).ravel()[some],
}
draw.show(draw.before_after(centred.ravel()[some], after))

# %% tags=["hide-input"]
# Measure the change for two lengths of the shift.
table = {}
for far in dict.fromkeys((how_far, 10)):
    t = far * direction
    moved = relative_representation(z + t, a + t)
    table[f"{far}, as they are"] = change_of_entries(plain, moved)
    table[f"{far}, centred"] = change_of_entries(centred, centred_entries(z + t, a + t))
to_shift = relative_representation(torch.cat([z, a]), direction[None])
print(f"entries before any shift: {plain.min():.3f} to {plain.max():.3f}")
print("cosines of the embeddings with the shift, nearly right angles:")
print(f"   {to_shift.min():.2f} to {to_shift.max():.2f}")
pd.DataFrame(table).T.rename_axis("shift, in lengths of an embedding")

# %% [markdown]
# **What you see.** In the panel “rotation” all dots lie on the grey diagonal: nothing
# has changed. In the panel “shift” no line is left. The shift lifts the dots above the
# diagonal and squeezes them together, as if everything had become alike. And the cloud
# is thick: the order of the entries changes too, as the last column of the table says.
# A longer shift is worse. With centring, in the second figure, rotation and shift both
# leave the dots on the diagonal.
#
# Why does the shift lift every entry here, while in the plane some bars went down? In a
# high-dimensional space a random direction is nearly at a right angle to every
# embedding. So the shift adds the same large positive number to every dot product: its
# squared length. The plane has no room for that: there the shift pulled some vectors
# towards each other and others apart.
#
# ### Exercise 03.3 · Centring
#
# **Difficulty** ●●○○○ · **Minutes** 5
#
# Return the relative representation with the mean of the anchors subtracted from both
# sides.


# %% tags=["exercise"]
def centred_representation(z: Tensor, anchors: Tensor) -> Tensor:
    """Cosines with the anchors, seen from the anchors' mean.

    z: (q, d), embeddings
    anchors: (n, d), embeddings of the anchors
    returns: (q, n) float32
    """
    ### BEGIN SOLUTION
    mean = anchors.mean(dim=0)
    return relative_representation(z - mean, anchors - mean)
    ### END SOLUTION


# %% tags=["check"]
check_centred_representation(centred_representation)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `anchors.mean(dim=0)` has one entry for each coordinate. First subtract it, then scale
# to length 1: the order matters.
#
# </details>
#
# <details><summary>What you should see</summary>
#
# A ✔ verdict, also for embeddings that were shifted far away.
#
# </details>
#
# ## 4 · How many landmarks does it take?
#
# With all anchors, a row of the relative representation has as many entries as there
# are anchors. Do we need all of them? Take a new picture. Among the other new pictures,
# find the four whose descriptions by *all* anchors are most like its own. How many of
# these four stay, if we use only some anchors, drawn at random?
#
# `neighbours_kept` of the library measures this. It centres both relative
# representations and takes the four nearest rows by cosine in each. It returns the
# share that both have in common, mean over the pictures.
#
# **Before you run the next cell:** how many anchors does it take to keep half of the
# neighbours?

# %% tags=["hide-input"]
# Measure how many nearest pictures stay with few anchors, and draw it.
from asif_book.widgets import anchor_count_knob, neighbours_kept, neighbours_with

numbers = [m for m in (2, 5, 10, 20, 50, 100, 200) if m < len(anchors)] + [len(anchors)]
draws = range(1 if fast else 3)
kept = np.array([neighbours_kept(anchors, new, numbers, seed=s) for s in draws])
worst, mean, best = kept.min(axis=0), kept.mean(axis=0), kept.max(axis=0)  # (numbers,)
series = {"mean of the draws": (numbers, mean)}
bands = {f"worst to best of {len(kept)} draws": (numbers, worst, best)}
labels = {"xlabel": "number of anchors", "ylabel": "4 nearest pictures that stay"}
draw.show(draw.line_chart(series, bands=bands, **labels, logx=10, percent=True))
pd.DataFrame({"worst": worst, "mean": mean, "best": best}, numbers).T.round(2)

# %% tags=["hide-input"]
# Draw the neighbours of one picture with all anchors and with few.
draw.show(*neighbours_with(anchors, new, 20, seed=seed))

# %% [markdown]
# **What you see.** In the first figure the line is the mean of the draws. The band
# around it reaches from the worst draw to the best one. It is narrow: which anchors one
# has hardly matters here, but how many does. In the second figure, left stand the
# neighbours with all anchors, right the neighbours with twenty anchors. A frame and a
# star ★ mark those that stay. A few landmarks place a picture roughly. A few dozen keep
# about half of its neighbours, and each doubling adds some. (With all anchors all
# neighbours stay, by definition.) The knob turns the number of anchors. It needs a
# running kernel; the two figures above say the same without one.

# %% tags=["hide-input"]
# Open the knob: the number of anchors.
anchor_count_knob(anchors, new, count=20, seed=seed)

# %% [markdown]
# ## 5 · The common part of real embeddings
#
# Is this shift a thought experiment, or do real embeddings have one? Take random pairs
# of stamps. Most show different things, so let us look at their cosines.
#
# **Before you run the next cell:** where will the cosines of unrelated pictures lie:
# around zero? And the cosines of unrelated captions?

# %% tags=["hide-input"]
# Draw the cosines of all pairs of anchors, as they are and centred.
rows, columns = torch.triu_indices(len(anchors), len(anchors), offset=1)


def pair_cosines(z, mean=None):
    """Return the cosines of all pairs of two anchors, (n(n-1)/2,)."""
    u = unit_rows(z, mean)
    return (u @ u.T)[rows, columns].numpy()


def common_part(z):
    """Return the squared length of the mean of the rows, each scaled to length 1."""
    return float(unit_rows(z).mean(dim=0).square().sum())


both = {
    f"pictures ({image_encoder.identity.name.split('.')[0]})": anchors.image,
    f"captions ({text_encoder.identity.name})": anchors.text,
}
panels = {
    name: (pair_cosines(z), pair_cosines(z, z.mean(dim=0))) for name, z in both.items()
}
draw.show(draw.cosines_before_after(panels))

# %% tags=["hide-input"]
# Show the means of these cosines in a table.
pd.DataFrame(
    {
        "mean cosine of pairs": {
            name: before.mean() for name, (before, _) in panels.items()
        },
        "centred": {name: after.mean() for name, (_, after) in panels.items()},
        "common part": {name: common_part(z) for name, z in both.items()},
    }
).round(3)

# %% [markdown]
# **What you see.** The filled bars are the cosines as they are. Their mean, the dashed
# line, is far above zero, for unrelated pictures and for unrelated captions. All
# vectors share a **common part** and lie in a cone around it. The last column of the
# table is its size. Scale all rows to length 1 and take their mean: the size is the
# length of the mean, squared. It equals the mean cosine of all pairs. (It also counts
# each vector with itself; hence the small difference.) After subtracting the mean, the
# outline and its dotted line stand around 0: unrelated things have cosines around 0, as
# we would like.
#
# ### Where does it come from?
#
# Three suspects, each easy to question:
#
# 1. **No negative numbers.** If an encoder's last step makes every coordinate zero or
#    positive, no two embeddings can be more than a right angle apart.
# 2. **White, which all pictures share.** All stamps stand on white. How close is an
#    empty white picture to the mean?
# 3. **The form, which all captions share.** Nearly all captions are of the form “A … .”
#    We remove the article and the full stop from the validation captions. And we ask
#    how close a caption that says nothing, “A thing.”, is to the mean.
#
# **Before you run the next cell:** which suspect do you believe?

# %% tags=["hide-input"]
# Print what all pictures, and all captions, have in common.
from PIL import Image

from asif_book.lessons import without_article


def to_mean(z, mean):
    """Return the mean cosine of embeddings (q, d) with a mean embedding (d,)."""
    return float(relative_representation(z, mean[None]).mean())


white = embed(image_encoder, [Image.new("RGB", (224, 224), "white")], progress=False)
nothing = embed(text_encoder, ["A thing."], progress=False)
bare = embed(text_encoder, [without_article(c) for c in captions], progress=False)
negative = [float((z < 0).float().mean()) for z in (anchors.image, anchors.text)]
print(
    f"1. negative coordinates: pictures {negative[0]:.0%}, captions {negative[1]:.0%}"
)
print("2. cosine with the mean of the pictures:")
print(f"   a stamp {to_mean(new.image, anchors.image_mean):.2f} on average,")
print(f"   a white picture {to_mean(white, anchors.image_mean):.2f}")
print("3. cosine with the mean of the captions:")
print(f"   a caption {to_mean(new.text, anchors.text_mean):.2f} on average,")
print(f"   “A thing.” {to_mean(nothing, anchors.text_mean):.2f}")
print("   common part of the validation captions:")
print(f"   {common_part(new.text):.3f} as they are,")
print(f"   {common_part(bare):.3f} without article and full stop")

# %% [markdown]
# **What you see.** (With the offline encoders.) Line 1: the image encoder gives no
# negative number at all, and this alone forces a common part. Lines 2: white is not the
# culprit, since an empty picture is *less* like the mean than a typical stamp is.
#
# Lines 3: with captions the form is one cause. “A thing.” is closer to the mean than a
# typical caption, and without article and full stop the common part shrinks. It does
# not vanish: short names of things are alike for a text encoder in any case.
#
# The common part does not tell one stamp from another. So we subtract it.

# %% [markdown]
# ## 6 · Hubs
#
# The common part does harm in one more way. Count how often each anchor is among the
# nearest of the others. If all were equal, each anchor would have the same count. Some
# anchors have a far larger count: they are **hubs** (Radovanović and others, 2010),
# near to everything because they are near to the common part. A hub answers for many,
# and says little about each.
#
# ### Exercise 03.4 · Who is everybody's neighbour?
#
# **Difficulty** ●●○○○ · **Minutes** 10
#
# Given cosines of items with anchors, count for each anchor how many items have it
# among their $k$ nearest anchors. An anchor that is no neighbour at all counts 0.


# %% tags=["exercise"]
def how_often_nearest(similarity: Tensor, k: int) -> Tensor:
    """Number of items that have each anchor among their k nearest.

    similarity: (q, n), row i: cosines of item i with the anchors
    k: neighbours of each item
    returns: (n,) int64; all counts add up to q · k
    """
    ### BEGIN SOLUTION
    near = similarity.topk(k, dim=1).indices
    return torch.bincount(near.ravel(), minlength=similarity.shape[1])
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
# Count how often each anchor is among the nearest, and draw it.
from asif_book.checks import times_nearest  # the library's solution of 03.4

modalities = {
    "pictures": (anchors.image, anchors.image_mean),
    "captions": (anchors.text, anchors.text_mean),
}
places = np.unique(np.geomspace(1, len(anchors), 14).astype(int))  # ranks to draw
curves, greatest = {}, {}
for name, (z, its_mean) in modalities.items():
    for how, mean in (("as they are", None), ("centred", its_mean)):
        similarity = relative_representation(z, z, mean=mean)  # (n, n)
        counts = times_nearest(similarity.fill_diagonal_(-torch.inf), 10)  # (n,)
        ordered = counts.sort(descending=True, stable=True)
        curves[f"{name}, {how}"] = places, ordered.values[places - 1].numpy()
        greatest[f"{name},\n{how}"] = ordered.indices[:5], ordered.values[:5]
labels = {
    "xlabel": "rank of the anchor, the greatest hub first",
    "ylabel": "among the 10 nearest of others",
}
draw.show(draw.line_chart(curves, **labels, logx=10))

# %% tags=["hide-input"]
# Draw the greatest hubs.
table = anchors.pairs
hubs = {
    name: [
        (table.picture[i], f"{table.caption[i]}\n{count} times")
        for i, count in zip(rows.tolist(), counts.tolist(), strict=True)
    ]
    for name, (rows, counts) in greatest.items()
}
draw.show(draw.picture_rows(hubs))
rows = {}
for name, (z, mean) in modalities.items():
    five = relative_representation(z[greatest[f"{name},\nas they are"][0]], mean[None])
    rows[name] = f"{five.min():.2f} to {five.max():.2f}", f"{to_mean(z, mean):.2f}"
print("cosine with the mean of all, as they are:")
pd.DataFrame(rows, index=["the five greatest hubs", "all anchors, on average"]).T

# %% [markdown]
# **What you see.** At its left end, the highest line belongs to the captions as they
# are: a handful of captions are among the nearest of several times as many stamps as
# they should be. They are plain captions of the form “A …”. Their embeddings lie closer
# to the mean of all captions than others do (the table below the pictures). At the
# right end the lines meet: each of them ends at an anchor that is nobody's neighbour,
# or nearly so.
#
# The line “captions, centred” starts at less than half the height. This is no accident:
# a vector near the mean is near to all, and after subtracting the mean it points
# nowhere in particular. Pictures keep some of their hubs: digits and signs, which are
# near to one another.

# %% [markdown]
# ## 7 · Two strangers, one description
#
# Now the step that makes ASIF. An image embedding and a text embedding have no common
# coordinates, not even the same number of them. But anchor $j$ is a *pair*. So describe
# a picture by its cosines with the anchors' **pictures**, and a caption by its cosines
# with the anchors' **captions**. Both descriptions have one entry for each anchor, and
# entry $j$ means the same thing in both: the similarity to pair $j$. Now they can be
# compared, again by a cosine.
#
# For each held-out picture we score all captions of the held-out stamps and look up the
# rank of its own. **R@k** (recall at $k$) is the share of pictures whose own caption is
# among the first $k$. A caption with the same text counts as its own. Chance is the
# recall of guessing.
#
# **Before you run the next cell:** make three guesses. R@1 with centring? R@1 without?
# And with the captions of the anchors shuffled?


# %%
def scores_of(text_anchors, center=True):
    """Score the new captions for the new pictures, (150, 150): row = picture."""
    m, m_text = (anchors.image_mean, anchors.text_mean) if center else (None, None)
    pictures = relative_representation(new.image, anchors.image, mean=m)  # (150, n)
    texts = relative_representation(new.text, text_anchors, mean=m_text)  # (150, n)
    return relative_representation(pictures, texts)


scores = {
    "as they are": scores_of(anchors.text, False),
    "centred": scores_of(anchors.text),
}

# %% tags=["hide-input"]
# Measure the recalls, draw them, and shuffle the captions as a control.
from scipy.special import comb

relevant = same_text(captions, captions)  # (150, 150): which captions are right
right, total, ks = relevant.sum(dim=1).numpy(), len(captions), [1, 5, 10]
chance = [float(np.mean(1 - comb(total - right, k) / comb(total, k))) for k in ks]
recalls = {
    name: [recall_at(s, relevant, k, seed) for k in ks] for name, s in scores.items()
}
draw.show(draw.recall_points(ks, recalls, chance))

control = []  # the control: the captions of the anchors shuffled
for _ in range(20):
    order = torch.randperm(len(anchors), generator=generator)
    rank = ranks(scores_of(anchors.text[order]), relevant)  # (150,)
    control.append([float((rank < k).mean()) for k in ks])
control = np.array(control)  # (20, 3)

# %% tags=["hide-input"]
# Record the recalls, and show them in a table.
table = {f"{name}, → caption": found for name, found in recalls.items()}
for name, s in scores.items():
    table[f"{name}, → picture"] = [recall_at(s.T, relevant, k, seed) for k in ks]
for k, m in ((1, recalls["centred"][0]), (10, recalls["centred"][2])):
    what = "stamps (validation), dense relative representations"
    record(f"{what}, caption among {total}, R@{k}", m)
table = pd.DataFrame(table, [f"R@{k}" for k in ks]).T
table = table.map(lambda m: f"{m.value:.1%} [{m.low:.1%}, {m.high:.1%}]")
table.loc["chance"] = [f"{c:.1%}" for c in chance]
spread = zip(
    control.mean(axis=0), control.min(axis=0), control.max(axis=0), strict=True
)
table.loc["shuffled"] = [
    f"{mean:.1%} ({low:.1%} to {high:.1%})" for mean, low, high in spread
]
print(f"{total} held-out stamps (validation), {len(anchors)} anchors")
print(f"shuffled: mean and range of {len(control)} shuffles of the anchors' captions")
table

# %% tags=["hide-input"]
# Compare centred and uncentred, picture by picture.
from asif_lib.evaluation import in_points, paired_difference

hits = {name: ranks(s, relevant) < 10 for name, s in scores.items()}  # (150,) bool each
gain = paired_difference(hits["centred"], hits["as they are"], seed)
print("R@10 of picture → caption, centred minus as they are, over the same pictures:")
print(f"   {in_points(gain)} (95 % interval)")

# %% [markdown]
# **What you see.** The round dots and the squares, with their intervals, stand well
# above the short black lines of chance. Yet nothing was trained, and neither encoder
# has seen the other's world. In the row “shuffled” of the table, with the captions of
# the anchors shuffled, only chance is left, on average over the shuffles: the pairs
# carry the meaning. (One shuffle is one map for all pictures together and may be better
# or worse than chance, as the range shows.)
#
# The squares are far above the round dots: centred representations find far more
# captions than uncentred ones. Why do uncentred ones find fewer? The common part makes
# all descriptions alike; the part that tells them apart is small beside it:

# %% tags=["hide-input"]
# Show how the scores are spread in a table.
own_caption = {name: float(s.diagonal().mean()) for name, s in scores.items()}
pd.DataFrame(
    {
        "mean of all scores": {name: float(s.mean()) for name, s in scores.items()},
        "standard deviation": {name: float(s.std()) for name, s in scores.items()},
        "mean of a picture and its own caption": own_caption,
    }
).round(3)

# %% [markdown]
# **What you see.** First row, uncentred: every picture resembles every caption, and the
# right caption is ahead by very little. Second row, centred: the scores spread around
# zero, and the right ones lie well above.
#
# ### Exercise 03.5 · Find the caption
#
# **Difficulty** ●●●○○ · **Minutes** 15
#
# Put it together yourself: this function is a model that connects pictures and text.
# For each new picture return the row of the caption that fits best. Describe pictures
# by the anchors' pictures, captions by the anchors' captions, both with the mean of
# their anchors subtracted. Compare the descriptions by their cosine.


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
    pictures = relative_representation(
        z_image, image_anchors, mean=image_anchors.mean(dim=0)
    )
    captions = relative_representation(
        z_text, text_anchors, mean=text_anchors.mean(dim=0)
    )
    return relative_representation(pictures, captions).argmax(dim=1)
    ### END SOLUTION


# %% tags=["check"]
check_best_caption(best_caption)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `relative_representation(z, anchors, mean=…)` gives a description (use it twice, with
# two means). A third time it compares descriptions, since entry $(i, j)$ of its result
# is a cosine of two rows. Which axis holds the captions then?
#
# </details>
#
# <details><summary>What you should see</summary>
#
# A ✔ verdict. On the held-out stamps, `best_caption(new.image, new.text,
# anchors.image, anchors.text)` is the picture's own row about as often as R@1 of the
# table says.
#
# </details>
#
# ### Break it: slide the captions by one row
#
# All pictures, all captions, all vectors stay. Only the pairing slips: anchor picture
# $j$ now stands beside the caption of its neighbour in the list. `slip` says by how
# many rows.
#
# **Before you run the next cell:** what will R@10 be? (The split was drawn at random:
# neighbours in the list have nothing in common.)


# %%
def recall_after(slip):
    """Return R@10 with the captions of the anchors moved by `slip` rows."""
    return recall_at(scores_of(anchors.text.roll(slip, dims=0)), relevant, 10, seed)


many = np.array([recall_after(slip).value for slip in range(1, 21)])
found = {
    "in their place": recall_after(0),
    "1 row off": recall_after(1),
    "100 rows off": recall_after(100),
    "1 to 20 rows off": f"{many.mean():.1%} ({many.min():.1%} to {many.max():.1%})",
    "chance": f"{chance[2]:.1%}",
}
pd.DataFrame({"R@10": found})

# %% [markdown]
# **What you see.** In the row “1 row off” nothing better than chance is left. The split
# was drawn at random, so the next row is any other stamp.
#
# One slip is one map for all pictures together. Its R@10 can be better or worse than
# chance, and chance can lie outside its interval: the interval resamples pictures, not
# maps. The row “1 to 20 rows off” has the mean and the range of many slips.
#
# A bank's two matrices are worth only as much as the agreement of their row numbers.
# Sort one of them by accident, and everything still runs, without any error.
#
# ## 8 · Look at it
#
# Recall is a number; here are the captions themselves. In the order of the split we
# take the first two animals whose own caption came first. The third is the first animal
# whose own caption came far behind.
#
# **Before you run the next cell:** what will the wrong captions be like? Random ones?

# %% tags=["hide-input"]
# Draw two searches that succeed, and one that fails.
rank = ranks(scores["centred"], relevant)  # (150,): 0 is the best
animal = new.pairs.group.str.startswith("animals").to_numpy()
good, bad = np.flatnonzero(animal & (rank == 0)), np.flatnonzero(animal & (rank >= 10))
picked, results = [*good[:2], bad[0]], []
for i in picked:
    order = scores["centred"][i].argsort(descending=True, stable=True).tolist()
    distinct = dict.fromkeys(captions[j] for j in order)  # a repeated caption once
    best = {captions[j]: float(scores["centred"][i, j]) for j in reversed(order)}
    rows = [(at, c, best[c], c == captions[i]) for at, c in enumerate(distinct, 1)]
    results.append([row for row in rows if row[0] <= 5 or row[3]])
draw.show(draw.caption_search(new.pairs.picture[picked], results))

# %% [markdown]
# **What you see.** A tick ✔ and an edge mark the bar of the own caption. If it is the
# longest bar, the captions behind it often come from the same corner of the world. In
# the last picture the captions in front look random: its own caption stands far behind,
# with its rank. If no anchor near to a picture has a caption about the same thing, only
# chance likeness is left.
#
# ## 9 · An investigation: what leaves it alone?
#
# You have seen two changes of coordinates that a relative representation survives and
# two that it does not. What about reflections? Removing a coordinate, or adding one?
# Swapping coordinates? Another length for each vector? Setting negative numbers to
# zero? Is everything harmless linear, and everything linear harmless?
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
# A change is a function that turns rows `(m, d)` into `m` rows of any width, each row
# by itself. Find at least two changes that leave all entries unchanged (up to
# rounding), **one of them not linear**. Find at least two that do not, **one of them
# linear**. (Linear: $f(x + y) = f(x) + f(y)$ for all vectors; every matrix is linear.)
# The check recomputes your numbers on data that you have not seen.


# %% tags=["exercise"]
def survivors(z: Tensor, anchors: Tensor) -> dict[str, tuple]:
    """Return changes of coordinates, each with the largest change of an entry.

    z: (q, d), embeddings
    anchors: (n, d), embeddings of the anchors
    returns: {name: (change, largest)}; change turns rows (m, d) into rows (m, any)
    """
    ### BEGIN SOLUTION
    d = z.shape[1]
    # drawn once, so that z and anchors get the same rotation
    rotation = torch.linalg.qr(torch.randn(d, d)).Q
    stretch = torch.linspace(0.2, 2, d)
    changes = {
        "rotation": lambda rows: rows @ rotation,
        "coordinates in reverse order": lambda rows: rows.flip(1),
        "three zeros more": lambda rows: torch.nn.functional.pad(rows, (0, 3)),
        "every vector to length 1": lambda rows: rows / rows.norm(dim=1, keepdim=True),
        "stretch": lambda rows: rows * stretch,
        "first coordinate lost": lambda rows: rows[:, 1:],
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

# %% [markdown] tags=["progress"]
# <details><summary>Hint</summary>
#
# Collect your changes in a dictionary of functions first, then measure all of them in
# one loop, as in exercise 03.2. Build matrices from `z.shape[1]`, and draw random
# numbers once, outside the change. For the survivor that is not linear: a cosine sees
# the direction of a vector. Which property of the vector does it not see?
#
# </details>
#
# <details><summary>What you should see</summary>
#
# A ✔ verdict that lists your survivors and the others. Survivors are rotations,
# reflections, any order of the coordinates, zeros appended, and any change of lengths.
# The last of these may use another length for each vector, and is then not linear.
#
# Only rotations, reflections and uniform scaling (with or without more dimensions) keep
# the angles between all vectors. Two encoders whose spaces differ by more have
# different relative representations. Chapter 02 measured how different.
#
# </details>
#
# The exercises of this chapter that you have solved so far:

# %% tags=["progress", "hide-input"]
# Show the exercises that you have solved.
from asif_book import show_progress

show_progress("03")

# %% [markdown]
# ## Summary
#
# - A relative representation describes an item by its cosines with the anchors. Its
#   length is the number of anchors, not the dimension of the encoder.
# - Rotation and scale leave it unchanged, up to rounding; a stretch does not. A shift
#   breaks it; subtracting the mean of the anchors repairs it.
# - Real embeddings have such a shift built in: a common part, from coordinates that are
#   never negative, or from the form that all captions share. It makes hubs; centring
#   makes them smaller.
# - With pairs as anchors, pictures and captions get descriptions that can be compared.
#   The captions of held-out pictures are found far above chance, without any training.
#
# **What would prove us wrong.** A rotation that changes entries by more than rounding.
# Recall above chance with shuffled captions of the anchors: then the pairs would not
# carry the meaning. Or recall on pictures of another kind that falls to chance although
# their nearest anchors are near.
#
# **Next:** [04 · Sparsification](04_sparsification.ipynb). So far every anchor has a
# say about every picture, near or far. Chapter 02 showed that only near anchors are
# informative. What happens if we listen to them alone?

# %% [markdown] tags=["teacher"]
# ### Timing
#
# **50 minutes.** Trento and the plane (5), exercise 03.1 (5), rotation and the stranger
# with the same mind (10), the shift and centring with their two figures (10), two
# strangers, recall and the slipped captions (15), summary (5). Exercises 03.2 to 03.4
# at home.
#
# **90 minutes.** The same, with 03.2 and 03.3 in class (15 more), the number of
# landmarks with its knob (5 more) and 03.5 in pairs (20 more): it is the whole method
# except chapter 04. 03.6 at home, or as a game: a team names a change, the others bet,
# the code decides.
#
# ### What students get wrong
#
# - **Only `z` is rotated, not the anchors.** The change is then large. Ask where the
#   anchors live.
# - **They subtract the new items' own mean.** It works for 150 pictures and fails for
#   one. Ask what `z - z.mean(0)` is for a single picture.
# - **Length 1 first, mean afterwards.** The rows are not of length 1 any more. Ask what
#   the diagonal of the anchors with themselves should be.
# - **“A relative representation needs encoders of one dimension.”** Its width is the
#   number of anchors. Ask for the shapes of both descriptions of a pair.
# - **“Everything linear is harmless.”** The stretch says otherwise; and each vector's
#   own length is harmless without being linear.
# - **“The anchors must be good pictures.”** They must be the *same* on both sides, row
#   by row. Show the slipped captions.
#
# ### Discussion
#
# - Two people describe a town by distances to landmarks. What if one of them is wrong
#   about a landmark?
# > **Answer.** Then one entry of every description is wrong, on one side. One among
# hundreds does little harm. The entry has a name, so it can be found (chapter 02 did).
# A matrix that was learnt has no such place.
# - Why subtract the mean of the anchors, and not the mean of the new pictures?
# > **Answer.** The description of a picture must not depend on the other pictures of
# its batch. The anchors are always the same.
# - Rotations leave everything unchanged. Do two networks differ by a rotation only?
# > **Answer.** Two trainings of one network often nearly do; two kinds of network do
# not. The picture encoder and the text encoder here certainly differ by more. So the
# right caption comes first for some pictures only.
# - What would happen with a single anchor? With two?
# > **Answer.** With one anchor, one number tells how similar everything is to it, and
# after scaling to length 1 only its sign is left. Two anchors give an angle. The curve
# of kept neighbours shows how slowly it gets better.
