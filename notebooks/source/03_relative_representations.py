# %% [markdown]
# # 03 · Relative representations: described by neighbours
#
# > **Question.** What stays the same when coordinates change?
#
# **After this chapter you can**
#
# - compute a relative representation and say what its rows and columns mean;
# - show, and measure, that a rotation and a change of scale leave it alone;
# - say what a shift breaks and how centring repairs it;
# - explain why embeddings of unrelated pictures have a cosine far above zero, and how that makes hubs;
# - find the caption of a held-out picture with two encoders that never met;
# - say which changes of coordinates a relative representation survives, with evidence.
#
# **Minutes** 50 to read, 75 more with the exercises · **Before this** [02 · Anchors](02_anchors.ipynb)
#
# **What runs** The stamps: the training split as anchors, the validation split as new pictures; the test
# split is not touched. About 20 seconds on 2 CPU cores with the embeddings in the cache.

# %% tags=["parameters"]
profile = "offline"  # "offline": encoders that install as packages; "hub": larger ones, as in the paper
device = "auto"  # "auto", "cpu", "cuda" or "mps"
seed = 0  # of everything that is drawn at random
fast = False  # True: fewer random rotations

# %%
import numpy as np
import torch
from IPython.display import Markdown, display
from PIL import Image
from scipy.special import comb
from scipy.stats import spearmanr
from torch import Tensor

from asif_lib import (
    AnchorBank,
    embed,
    load_image_encoder,
    load_pairs,
    load_text_encoder,
    record,
    relative_representation,
)
from asif_lib.course.checks import (
    check_best_caption,
    check_centred_representation,
    check_investigation,
    check_largest_change,
    check_relative_representation,
    check_times_nearest,
)
from asif_lib.course.progress import show_progress
from asif_lib.evaluation import paired_difference, ranks, recall_at, same_text
from asif_lib.figures import (
    before_after,
    caption_search,
    cosines_before_after,
    line_chart,
    picture_rows,
    recall_points,
    relative_under_changes,
    show,
    use_style,
)
from asif_lib.relative import unit_rows
from asif_lib.widgets import anchor_count_knob, neighbours_kept, neighbours_with

use_style()
names = {
    "offline": ("efficientnet_lite0", "all-MiniLM-L6-v2"),
    "hub": ("vit_base_patch16_224.augreg_in21k_ft_in1k", "all-mpnet-base-v2"),
}[profile]
image_encoder = load_image_encoder(names[0], device=device)
text_encoder = load_text_encoder(names[1], device=device)

# %% [markdown]
# ## A place without coordinates
#
# Where is Trento? You can give latitude and longitude. Or you can say: close to Bolzano, a little further
# from Verona, far from Rome. The second answer needs no map grid. It only needs landmarks that both of us
# know.
#
# A **relative representation** is an answer of the second kind. Let $z_i$ be an embedding and $a_1, …, a_n$
# the embeddings of $n$ anchors under the *same* encoder. Then
#
# $$r_{ij} = \cos(z_i, a_j) = \frac{z_i \cdot a_j}{\|z_i\|\,\|a_j\|}$$
#
# is the cosine of the angle between $z_i$ and anchor $j$: 1 for the same direction, 0 for a right angle, −1
# for the opposite direction. Row $i$ describes item $i$; column $j$ carries the name of anchor $j$. The row
# has $n$ entries, whatever the dimension $d$ of the encoder. The idea is by Moschella et al. (ICLR 2023);
# ASIF builds on it.
#
# A small example in the plane: three anchors and one point.

# %%
anchors_2d = torch.tensor([[3.0, 0.5], [-0.5, 2.5], [-2.0, -1.5]])
point_2d = torch.tensor([[1.5, 1.5]])
names_2d = ["cat", "dog", "ship"]
for name, anchor in zip(names_2d, anchors_2d, strict=True):
    z = point_2d[0]
    dot, lengths = float(z @ anchor), (float(z.norm()), float(anchor.norm()))
    print(f"{name:5} {dot:5.2f} / ({lengths[0]:.2f} · {lengths[1]:.2f}) = {dot / lengths[0] / lengths[1]:5.2f}")
relative_representation(point_2d, anchors_2d)

# %% [markdown]
# Now we change the coordinates of point and anchors alike: turn the plane, shrink all vectors, shift
# the plane.
#
# **Before you run the next cell:** which of the changes will leave the three cosines as they are?

# %% tags=["figure"]
angle = torch.tensor(50.0).deg2rad()
turn = torch.tensor([[angle.cos(), angle.sin()], [-angle.sin(), angle.cos()]]).numpy()
changes = {
    "as it is": lambda rows: rows,
    "turned by 50°": lambda rows: rows @ turn,
    "turned and shrunk": lambda rows: 0.6 * rows @ turn,
    "shifted": lambda rows: rows + np.array([0.5, -2.0]),
}
show(
    relative_under_changes(point_2d.numpy(), anchors_2d.numpy(), changes, names_2d),
    "A star and three anchors in the plane, in four versions, and below each the cosines of the star with the "
    "anchors. Turning and shrinking leave the bars as they were; shifting changes all of them.",
)

# %% [markdown]
# *What you see:* above, the picture changes every time. Below, the filled bars are the cosines now and the
# black outlines those of the first panel. Turning and shrinking leave them where they were; the shift does
# not. **Break it:** add a change of your own to `changes` in the cell above (the last exercise of this chapter
# collects them).
#
# ### Exercise 03.1 · Relative representation
#
# **Difficulty** ●○○○○ · **Minutes** 5
#
# Write the definition for whole matrices, without a loop. With `unit_rows` of chapter 02 one line is enough; two
# more if you scale the rows yourself.


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
# Scale every row to length 1 first, in `z` and in `anchors`. Then a cosine is a dot product, and all dot
# products of rows are one matrix product.
#
# </details>
#
# <details><summary>What you should see</summary>
#
# A green verdict, and for `my_relative_representation(point_2d, anchors_2d)` the three numbers of the
# example.
#
# </details>

# %% [markdown]
# ## The same with real embeddings
#
# A **rotation** of a $d$-dimensional space is a $d × d$ matrix $Q$ with $Q Q^T = I$ (this allows mirrors as
# well). Moschella et al. start from an observation: two trainings of one network from different random
# starts often differ by about such a matrix. They learn the same relations and lay them out another way.
# Why does it not matter here? Lengths and dot products stay:
#
# $$(Q z) \cdot (Q a) = z^T Q^T Q a = z \cdot a$$
#
# and a cosine is made of nothing else. Scaling cancels: each cosine divides by the lengths. (The formula writes
# vectors as columns. In code they are rows, so $Q z$ becomes `z @ Q.T`; we write `z @ Q`, which applies $Q^T$, and
# that is a rotation too.)
#
# A random rotation comes from the QR decomposition of a matrix of random numbers.

# %%
stamps = load_pairs("stamps")
train, validation = stamps.splits["train"], stamps.splits["validation"]
bank = AnchorBank.build(stamps.split("train", "validation"), image_encoder, text_encoder)
anchors = bank.subset(slice(0, len(train)))
new = bank.subset(slice(len(train), None))
captions = new.pairs.caption.tolist()
print(f"{len(anchors)} anchors and {len(new)} new stamps")


def random_rotation(d, generator):
    """Return a random (d, d) rotation."""
    q, r = torch.linalg.qr(torch.randn(d, d, generator=generator))
    return q * r.diagonal().sign()  # makes all rotations equally likely


generator = torch.Generator().manual_seed(seed)

# %% [markdown]
# ### Exercise 03.2 · Test the invariance
#
# **Difficulty** ●●○○○ · **Minutes** 10
#
# Write the test yourself: given embeddings, anchors and a matrix, apply the matrix to every vector and
# return the largest absolute change of an entry of the relative representation. (The function
# `relative_representation` of the library is at hand.)


# %% tags=["exercise"]
def my_largest_change(z: Tensor, anchors: Tensor, matrix: Tensor) -> float:
    """Largest absolute change of the relative representation when each row v becomes v @ matrix.

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
# The anchors live in the same space as `z`. What happens to one happens to the other.
#
# </details>
#
# <details><summary>What you should see</summary>
#
# A green verdict. With `random_rotation(new.image.shape[1], generator)` on the pictures, `new.image` and
# `anchors.image`, the result is rounding; with the rotation on `z` alone it would be large.
#
# </details>
#
# Now the same test on the stamps.
#
# **Before you run the next cell:** embeddings are stored as 32-bit floats. After a random rotation in all
# dimensions, how large will the largest change of an entry be?

# %%
from asif_lib.course.checks import largest_change  # the library's way of exercise 03.2

lines = ["| encoder | d | change | largest change of an entry |", "|---|---|---|---|"]
for modality in ("image", "text"):
    z, a = getattr(new, modality), getattr(anchors, modality)
    d = z.shape[1]
    before = relative_representation(z, a)
    turned = max(largest_change(z, a, random_rotation(d, generator)) for _ in range(1 if fast else 3))
    sizes = torch.rand(len(z), 1, generator=generator) * 10 + 0.1
    scaled = float((relative_representation(sizes * z, 7 * a) - before).abs().max())
    stretch = torch.diag(torch.logspace(-0.5, 0.5, d))
    stretched = largest_change(z, a, stretch)
    for change, value in (
        (f"rotation, largest of {1 if fast else 3}", turned),
        ("scale, another for each vector", scaled),
        ("stretch, another for each coordinate", stretched),
    ):
        lines.append(f"| {modality} | {d} | {change} | {value:.1e} |")
display(Markdown("\n".join(lines)))

# %% [markdown]
# *What you see:* after a rotation and a change of scale only rounding is left. The last row of each encoder
# is the control: a stretch that differs from coordinate to coordinate is no rotation, and it does change
# the entries. So the test can fail.
#
# ### A stranger with the same mind
#
# What is it good for? Imagine a second encoder that sees the same things and writes them down in other
# coordinates: all its vectors are turned and three times as long. You get its embeddings of the held-out
# pictures, and you are to tell which of them belongs to which picture.
#
# **Before you run the next cell:** how often will the nearest embedding be the right one, if you compare
# coordinates? If you compare relative representations? And if the stranger lists its anchors in another order?

# %%
rotation = random_rotation(new.image.shape[1], generator)
stranger, its_anchors = 3 * new.image @ rotation, 3 * anchors.image @ rotation
order = torch.randperm(len(anchors), generator=generator)
mine = relative_representation(new.image, anchors.image)
matches = {
    "coordinates": relative_representation(new.image, stranger),
    "relative representations": relative_representation(mine, relative_representation(stranger, its_anchors)),
    "relative, the stranger's anchors in another order": relative_representation(
        mine, relative_representation(stranger, its_anchors[order])
    ),
}
rows_found = [f"| {name} | {recall_at(s, torch.eye(len(new)).bool(), 1, seed=seed)} |" for name, s in matches.items()]
display(
    Markdown(
        "| compared by | right picture is nearest [95 % interval] |\n|---|---|\n"
        + "\n".join(rows_found)
        + f"\n\nChance: {1 / len(new):.1%}."
    )
)

# %% [markdown]
# *What you see:* coordinates are worthless between two strangers, though these two know exactly the same. Their
# relations to shared landmarks are all that is needed, and the order of the landmarks is all that must be agreed.

# %% [markdown]
# ## What a shift breaks, and what centring repairs
#
# A **shift** adds one vector $t$ to every embedding: $z + t$, $a + t$. Angles are measured at the origin,
# and the shift moves everything away from there. **Centring** undoes it: take the mean $m$ of the anchors
# off both, and use $\cos(z_i - m, a_j - m)$. A shift moves $m$ by $t$ as well, and the difference is as
# before.
#
# **Before you run the next cell:** we shift by a random vector of a typical length. Sketch the entries
# after against the entries before: still a line? Which one? And what becomes of the entries if the shift is ten
# times as long?

# %%
how_far = 1  # length of the shift, in typical lengths of an embedding
z, a = new.image, anchors.image
direction = torch.randn(z.shape[1], generator=generator)
direction *= a.norm(dim=1).mean() / direction.norm()
shift = how_far * direction
centred = relative_representation(z, a, mean=a.mean(dim=0))
plain = relative_representation(z, a)
moved = z + shift, a + shift
some = torch.randperm(plain.numel(), generator=generator)[:3_000]


def pick(matrix):
    """Return some entries, the same ones of every matrix."""
    return matrix.ravel()[some].numpy()


show(
    before_after(
        pick(plain),
        {
            "rotation": pick(relative_representation(z @ rotation, a @ rotation)),
            "shift": pick(relative_representation(*moved)),
        },
    ),
    "Entries after against entries before. After a rotation they lie on the diagonal; after a shift all are "
    "larger and squeezed together.",
)

# %%
show(
    before_after(
        pick(centred),
        {
            "rotation, centred": pick(
                relative_representation(z @ rotation, a @ rotation, mean=(a @ rotation).mean(dim=0))
            ),
            "shift, centred": pick(relative_representation(*moved, mean=moved[1].mean(dim=0))),
        },
    ),
    "The same with centring: after a rotation and after a shift the entries lie on the diagonal.",
)


# %%
def row_of_shift(name, before, after):
    """Return a line of the table: what a shift does to the entries."""
    order = spearmanr(before.ravel(), after.ravel()).statistic
    gap = float((after - before).abs().max())
    return f"| {name} | {gap:.1e} | {float(after.min()):.3f} to {float(after.max()):.3f} | {order:.2f} |"


lines = [
    "| shift, in lengths of an embedding | largest change | entries after it | rank correlation, after and before |",
    "|---|---|---|---|",
]
for far in dict.fromkeys((how_far, 10)):
    t = far * direction
    after = relative_representation(z + t, a + t)
    after_centred = relative_representation(z + t, a + t, mean=(a + t).mean(dim=0))
    lines.append(row_of_shift(f"{far}, as they are", plain, after))
    lines.append(row_of_shift(f"{far}, centred", centred, after_centred))
to_shift = relative_representation(torch.cat([z, a]), direction[None])
display(
    Markdown(
        "\n".join(lines)
        + f"\n\nBefore any shift the entries lie from {float(plain.min()):.3f} to {float(plain.max()):.3f}. The cosines of "
        f"the embeddings with the shift lie from {float(to_shift.min()):.2f} to {float(to_shift.max()):.2f}: nearly right "
        "angles."
    )
)

# %% [markdown]
# *What you see:* no line is left. The shift lifts all entries and squeezes them together, as if everything had
# become alike, and the cloud is thick: which entry is larger than which changes too (the last column; 1 would be the
# same order). The longer the shift, the worse. With centring, rotation and shift both leave the entries on the
# diagonal.
#
# Why does the shift lift every entry here, while in the plane some bars went down? In so many dimensions a random
# direction is nearly at a right angle to every embedding, so that it adds the same large positive number, its squared
# length, to every dot product. The plane has no room for that: there the shift pulled some vectors towards
# each other and others apart.
#
# ### Exercise 03.3 · Centring
#
# **Difficulty** ●●○○○ · **Minutes** 5
#
# Return the relative representation with the anchors' mean taken off both sides.


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
# `anchors.mean(dim=0)` has one entry for each coordinate. First take it off, then scale to length 1: the
# order matters.
#
# </details>
#
# <details><summary>What you should see</summary>
#
# A green verdict, also for embeddings that were shifted far away.
#
# </details>
#
# ## How many landmarks does it take?
#
# With all anchors, a row of the relative representation has as many entries as there are anchors. Do we need so
# many? Take a new picture and, among the other new pictures, the four whose descriptions by *all* anchors are most
# like its own. How many of these four stay, if only some anchors are used, drawn at random? (`neighbours_kept` of the
# library does that: two relative representations with the mean taken off, the four nearest rows by cosine in each, and
# the share that both have in common, mean over the pictures.)
#
# **Before you run the next cell:** how many anchors does it take to keep half of the neighbours?

# %%
numbers = [count for count in (2, 5, 10, 20, 50, 100, 200) if count < len(anchors)] + [len(anchors)]
kept = np.array([neighbours_kept(anchors, new, numbers, seed=s) for s in range(1 if fast else 3)])
show(
    line_chart(
        {
            "mean of the draws": (numbers, kept.mean(axis=0)),
            "worst draw": (numbers, kept.min(axis=0)),
            "best draw": (numbers, kept.max(axis=0)),
        },
        xlabel="number of anchors",
        ylabel="share of the 4 nearest pictures that stay",
        logx=10,
        percent=True,
    ),
    "Share of the four nearest pictures that stay against the number of anchors. It rises steadily with the "
    "logarithm of the number, and is past half long before all anchors are used.",
)
enough = int(np.argmax(kept.mean(axis=0) >= 0.5))  # the last number always is: all anchors are the yardstick
less = f"{kept.mean(axis=0)[enough - 1]:.0%} with {numbers[enough - 1]}, " if enough else ""
display(Markdown(f"On average there stay {less}{kept.mean(axis=0)[enough]:.0%} with {numbers[enough]} anchors."))

# %%
figure, words = neighbours_with(anchors, new, 20, seed=seed)
show(figure, words)

# %% [markdown]
# *What you see:* left the neighbours with all anchors, right those with twenty; a star marks those that stay. A few
# landmarks place a picture roughly; a few dozen keep about half of its neighbours, and each doubling adds some. (With
# all anchors all stay, by definition: they are the yardstick.) The knob turns the number; it needs a running kernel,
# and the two figures above say the same without one.

# %%
anchor_count_knob(anchors, new, count=20, seed=seed)

# %% [markdown]
# ## The common part of real embeddings
#
# Is this shift a thought experiment, or do real embeddings have one? Take random pairs of stamps. Most show
# different things, so let us look at their cosines.
#
# **Before you run the next cell:** where will the cosines of unrelated pictures lie: around zero? And those
# of unrelated captions?

# %%
rows, columns = torch.triu_indices(len(anchors), len(anchors), offset=1)


def pair_cosines(z, mean=None):
    """Return the cosines of all pairs of two anchors, as an array."""
    u = unit_rows(z, mean)
    return (u @ u.T)[rows, columns].numpy()


panels = {
    f"pictures ({names[0].split('.')[0]})": (
        pair_cosines(anchors.image),
        pair_cosines(anchors.image, anchors.image_mean),
    ),
    f"captions ({names[1]})": (
        pair_cosines(anchors.text),
        pair_cosines(anchors.text, anchors.text_mean),
    ),
}
show(
    cosines_before_after(panels),
    "Histograms of the cosines of pairs, for pictures and for captions. As they are, they centre well above zero; "
    "after centring, on zero.",
)

# %%
lines = ["| | mean cosine of pairs | centred | squared length of the mean unit vector |", "|---|---|---|---|"]
for (name, (before, after)), z in zip(panels.items(), (anchors.image, anchors.text), strict=True):
    m = unit_rows(z).mean(dim=0)
    lines.append(f"| {name} | {before.mean():.3f} | {after.mean():.3f} | {float(m @ m):.3f} |")
display(Markdown("\n".join(lines)))

# %% [markdown]
# *What you see:* unrelated pictures, and unrelated captions, have a cosine far above zero. All vectors
# share a **common part** and lie in a cone around it. Its size is the last column: scale all rows to length
# 1 and take their mean; the squared length of that mean *is* the mean cosine of all pairs (each vector with
# itself counted too, hence the small difference). Once the mean is off, unrelated things have cosines
# around 0, as one would like.
#
# ### Where does it come from?
#
# Three suspects, each easy to question:
#
# 1. **No negative numbers.** If an encoder's last step makes every coordinate zero or positive, no two
#    embeddings can be more than a right angle apart.
# 2. **What all pictures share.** All stamps stand on white. How close is an empty white picture to the mean?
# 3. **What all captions share.** Nearly all are of the form “A … .” We take the article and the full stop
#    off the validation captions; and we ask how close a caption that says nothing, “A thing.”, is to the
#    mean.
#
# **Before you run the next two cells:** which suspect do you believe?


# %%
def stripped(caption):
    """Return a caption without its article and full stop."""
    for article in ("A ", "An ", "The "):
        caption = caption.removeprefix(article)
    return caption.rstrip(".")


def common(z):
    """Return the squared length of the mean unit vector."""
    m = unit_rows(z).mean(dim=0)
    return float(m @ m)


def to_mean(z, mean):
    """Return the mean cosine of embeddings with a mean embedding."""
    return float(relative_representation(z, mean[None]).mean())


# %%
white = embed(image_encoder, [Image.new("RGB", (224, 224), "white")], progress=False)
nothing = embed(text_encoder, ["A thing."], progress=False)
bare = embed(text_encoder, [stripped(c) for c in captions], progress=False)
signs = [float((z < 0).float().mean()) for z in (anchors.image, anchors.text)]
display(
    Markdown(
        f"1. Negative coordinates: pictures {signs[0]:.0%}, captions {signs[1]:.0%}.\n"
        f"2. Cosine with the mean of the pictures: a stamp {to_mean(new.image, anchors.image_mean):.2f} on average, a "
        f"white picture {to_mean(white, anchors.image_mean):.2f}.\n"
        f"3. Cosine with the mean of the captions: a caption {to_mean(new.text, anchors.text_mean):.2f} on average, "
        f"“A thing.” {to_mean(nothing, anchors.text_mean):.2f}. Common part of the validation captions: "
        f"{common(new.text):.3f} as they are, {common(bare):.3f} without article and full stop."
    )
)

# %% [markdown]
# *What you see* (with the offline encoders): the image encoder gives no negative number at all, which alone
# forces a common part. White is not the culprit: an empty picture is *less* like the mean than a typical
# stamp is. With captions it is in part the form: “A thing.” is closer to the mean than a typical caption,
# and without article and full stop the common part shrinks. It does not vanish: short names of things are
# alike for a text encoder in any case.
#
# None of this tells one stamp from another. That is why we take it off.

# %% [markdown]
# ## Hubs
#
# The common part does harm in one more way. Count how often each anchor is among the nearest of the others. If
# all were equal, each would be there equally often. Some are there far too often: they are **hubs**
# (Radovanović and others, 2010), near to everything because they are near to the common part. A hub answers for
# many, and says little about each.
#
# ### Exercise 03.4 · Who is everybody's neighbour?
#
# **Difficulty** ●●○○○ · **Minutes** 10
#
# Given cosines of items with anchors, count for each anchor how many items have it among their $k$ nearest
# anchors. Anchors that are nobody's neighbour count 0.


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
# `topk(k, dim=1).indices` gives the neighbours of each item. Throw all these numbers on one heap with `ravel()`
# and count them: `torch.bincount` does that, and its `minlength` keeps those that never occur.
#
# </details>
#
# <details><summary>What you should see</summary>
#
# A green verdict. The sum of your counts is the number of items times $k$.
#
# </details>
#
# **Before you run the next two cells:** if all anchors were equal, each would be among the ten nearest of ten
# others. How often is the greatest hub there? And which stamp would you guess it is?

# %%
from asif_lib.course.checks import times_nearest  # the library's way of exercise 03.4

hub_counts, hubs, nearness = {}, {}, []
for modality, what in (("image", "pictures"), ("text", "captions")):
    z = getattr(anchors, modality)
    for how, mean in (("as they are", None), ("centred", getattr(anchors, f"{modality}_mean"))):
        similarity = relative_representation(z, z, mean=mean).fill_diagonal_(-torch.inf)
        counts = times_nearest(similarity, 10)
        ordered = counts.sort(descending=True, stable=True)
        places = np.unique(np.geomspace(1, len(z), 14).astype(int))
        hub_counts[f"{what}, {how}"] = places, ordered.values[places - 1].numpy()
        hubs[f"{what},\n{how}"] = [
            (stamps.pictures[train[i]], f"{anchors.pairs.caption[i]}\n{int(counts[i])} times")
            for i in ordered.indices[:5].tolist()
        ]
        if mean is None:
            mean_of_all = getattr(anchors, f"{modality}_mean")
            greatest = relative_representation(z[ordered.indices[:5]], mean_of_all[None])
            nearness.append(
                f"{what} {float(greatest.min()):.2f} to {float(greatest.max()):.2f} (all: {to_mean(z, mean_of_all):.2f} on "
                "average)"
            )
show(
    line_chart(
        hub_counts,
        xlabel="rank of the anchor, the greatest hub first",
        ylabel="among the 10 nearest of others",
        logx=10,
    ),
    "How often an anchor is among the ten nearest of the others, against its rank. As they are, a few captions are "
    "there very often; centred, the curves of pictures and captions start lower and fall more evenly.",
)

# %%
show(
    picture_rows(hubs),
    "The five greatest hubs of pictures and captions, as they are and centred, with how often each is among the "
    "ten nearest of another anchor.",
)
display(Markdown(f"Cosine of the five greatest hubs, as they are, with the mean: {'; '.join(nearness)}."))

# %% [markdown]
# *What you see:* as they are, a handful of captions are among the nearest of several times as many stamps as they
# should be: plain captions of the form “A …”, whose embeddings lie closer to the mean of all captions than others do
# (the line above). They say no less than others; they stand in the middle. Centring cuts the greatest hub
# of the captions to less than half. This is no accident: a vector near the mean is near to all, and once the mean
# is taken off, it points nowhere in particular. Pictures keep some of their hubs: digits and signs, which are near
# to one another.

# %% [markdown]
# ## Two strangers, one description
#
# Now the step that makes ASIF. An image embedding and a text embedding have no common coordinates, not even
# the same number of them. But anchor $j$ is a *pair*. So describe a picture by its cosines with the
# anchors' **pictures**, and a caption by its cosines with the anchors' **captions**. Both descriptions have
# one entry for each anchor, and entry $j$ means the same thing in both: how much like pair $j$. Now they
# can be compared, again by a cosine.
#
# For each held-out picture we score all captions of the held-out stamps and look at which rank its own
# comes. **R@k** (recall at $k$) is the share of pictures whose own caption is among the first $k$. A
# caption with the same text counts as its own. Chance is what guessing would give.
#
# **Before you run the next cell:** three guesses, please. R@1 with centring? R@1 without? And
# with the captions of the anchors shuffled?

# %%
relevant = same_text(captions, captions)
ks = [1, 5, 10]
scores = {}
for name, means in {
    "as they are": (None, None),
    "centred": (anchors.image_mean, anchors.text_mean),
}.items():
    pictures = relative_representation(new.image, anchors.image, mean=means[0])  # (q, n)
    texts = relative_representation(new.text, anchors.text, mean=means[1])  # (q, n)
    scores[name] = relative_representation(pictures, texts)  # (q, q): row = picture, column = caption
control = []  # the captions of the anchors dealt out anew
for _ in range(20):
    shuffled = anchors.text[torch.randperm(len(anchors), generator=generator)]
    texts = relative_representation(new.text, shuffled, mean=anchors.text_mean)
    found = ranks(relative_representation(pictures, texts), relevant)  # pictures: the centred ones
    control.append([float((found < k).mean()) for k in ks])
control = np.array(control)
measured = {name: [recall_at(s, relevant, k, seed=seed) for k in ks] for name, s in scores.items()}
same = relevant.sum(dim=1).numpy()  # right captions for each picture
total = len(captions)
chance = [float(np.mean(1 - comb(total - same, k) / comb(total, k))) for k in ks]
show(
    recall_points(ks, measured, chance),
    "Recall at 1, 5 and 10 with intervals. Both ways are above chance; centred representations find clearly "
    "more captions than uncentred ones.",
)

# %%
lines = ["| relative representations | R@1 | R@5 | R@10 |", "|---|---|---|---|"]
for name, found in measured.items():
    cells = [f"{m.value:.1%} [{m.low:.1%}, {m.high:.1%}]" for m in found]
    lines.append(f"| {name}, picture → caption | {' | '.join(cells)} |")
for name, s in scores.items():
    found = [recall_at(s.T, relevant, k, seed=seed) for k in ks]
    cells = [f"{m.value:.1%} [{m.low:.1%}, {m.high:.1%}]" for m in found]
    lines.append(f"| {name}, caption → picture | {' | '.join(cells)} |")
lines.append(f"| chance | {' | '.join(f'{c:.1%}' for c in chance)} |")
cells = [f"{c.mean():.1%} ({c.min():.1%} to {c.max():.1%})" for c in control.T]
lines.append(f"| centred, anchors' captions shuffled: mean and range of {len(control)} | {' | '.join(cells)} |")
right = {name: ranks(s, relevant) < 10 for name, s in scores.items()}
gain = paired_difference(right["centred"], right["as they are"], seed=seed)
display(
    Markdown(
        "\n".join(lines)
        + f"\n\n{total} held-out stamps (validation), {len(anchors)} anchors. Centring adds {100 * gain.value:.1f} "
        f"points to R@10 of picture → caption, 95 % interval [{100 * gain.low:.1f}, {100 * gain.high:.1f}], paired "
        "over the same pictures."
    )
)
for k, m in ((1, measured["centred"][0]), (10, measured["centred"][2])):
    record(f"stamps (validation), dense relative representations, caption among {total}, R@{k}", m.value, m.ci, m.n)

# %% [markdown]
# *What you see:* well above chance, though nobody trained anything, and neither encoder has seen the
# other's world. With the captions of the anchors shuffled only chance is left, on average over the shuffles: it is the pairs
# that carry the meaning. (One shuffle is one map for all pictures at once and may lie off chance to either side, as
# their range shows.) Centred representations find far more than uncentred ones. Why do uncentred ones find fewer?
# Because the common part makes all descriptions alike; what tells them apart is small beside it:

# %%
spread = [
    f"| {name} | {float(s.mean()):.3f} | {float(s.std()):.3f} | {float(s.diagonal().mean()):.3f} |"
    for name, s in scores.items()
]
display(
    Markdown(
        "| scores | mean of all | standard deviation | mean of a picture and its own caption |\n|---|---|---|---|\n"
        + "\n".join(spread)
    )
)

# %% [markdown]
# *What you see:* uncentred, every picture resembles every caption, and the right one stands out by a hair.
# Centred, the scores spread around zero, and the right ones lie well above.
#
# ### Exercise 03.5 · Find the caption
#
# **Difficulty** ●●●○○ · **Minutes** 15
#
# Put it together yourself: this function is a model that connects pictures and text. For each new picture return
# the row of the caption that fits best. Describe pictures by the anchors' pictures, captions by the anchors'
# captions, both with the mean of their anchors taken off, and compare the descriptions by their cosine.


# %% tags=["exercise"]
def best_caption(z_image: Tensor, z_text: Tensor, image_anchors: Tensor, text_anchors: Tensor) -> Tensor:
    """Row of the caption that fits each picture best.

    z_image: (q, d_image), new pictures
    z_text: (t, d_text), new captions, in any order
    image_anchors, text_anchors: (n, d_image) and (n, d_text); row j of both belongs to pair j
    returns: (q,) int64, rows of z_text
    """
    ### BEGIN SOLUTION
    pictures = relative_representation(z_image, image_anchors, mean=image_anchors.mean(dim=0))
    captions = relative_representation(z_text, text_anchors, mean=text_anchors.mean(dim=0))
    return relative_representation(pictures, captions).argmax(dim=1)
    ### END SOLUTION


# %% tags=["check"]
check_best_caption(best_caption)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `relative_representation(z, anchors, mean=…)` gives a description (use it twice, with two means), and a third
# time it compares descriptions, since entry $(i, j)$ of its result is a cosine of two rows. Which axis holds the
# captions then?
#
# </details>
#
# <details><summary>What you should see</summary>
#
# A green verdict. On the held-out stamps, `best_caption(new.image, new.text, anchors.image, anchors.text)` is the
# picture's own row about as often as R@1 of the table says.
#
# </details>
#
# ### Break it: slide the captions by one row
#
# All pictures, all captions, all vectors stay. Only the pairing slips: anchor picture $j$ now stands beside the
# caption of its neighbour in the list. `slip` says by how many rows.
#
# **Before you run the next cell:** what will R@10 be? (The
# split was drawn at random: neighbours in the list have nothing in common.)

# %%
lines = ["| captions of the anchors | R@10 |", "|---|---|"]


def recall_after(slip):
    """Return R@10 with the anchors' captions moved by so many rows."""
    texts = relative_representation(new.text, anchors.text.roll(slip, dims=0), mean=anchors.text_mean)
    return recall_at(relative_representation(pictures, texts), relevant, 10, seed=seed)


for slip, name in ((0, "in their place"), (1, "1 row off"), (100, "100 rows off")):
    lines.append(f"| {name} | {recall_after(slip)} |")
many = np.array([recall_after(slip).value for slip in range(1, 21)])
lines.append(f"| 1 to 20 rows off: mean and range | {many.mean():.1%} ({many.min():.1%} to {many.max():.1%}) |")
display(Markdown("\n".join(lines) + f"\n\nChance: {chance[2]:.1%}."))

# %% [markdown]
# *What you see:* one row off, and nothing better than chance is left: the split was drawn at random, so the next row is
# any other stamp. One slip is one map for all pictures at once, so its R@10 may lie off chance to either side, outside
# its own interval too, which draws pictures and not maps; the last line has the mean over many slips. A bank's two matrices are worth no more than the agreement of their row numbers.
# Sort one of them by accident, and everything still runs, without any error.
#
# ## Look at it
#
# Recall is a number; here are the captions themselves. In the order of the split we take the first two
# animals whose own caption came first, and the first animal whose caption came far behind.
#
# **Before you run the next cell:** what will the wrong captions be like? Random ones?

# %%
rank = ranks(scores["centred"], relevant)
animal = new.pairs.group.str.startswith("animals").to_numpy()
picked = [*np.flatnonzero(animal & (rank == 0))[:2], np.flatnonzero(animal & (rank >= 10))[0]]
results = []
for i in picked:
    order = scores["centred"][i].argsort(descending=True, stable=True).tolist()
    texts, shown = [], []
    for j in order:  # a caption that occurs twice is shown once
        if captions[j] not in texts:
            texts.append(captions[j])
            own = captions[j] == captions[i]
            if len(texts) <= 5 or own:
                shown.append((len(texts), captions[j], float(scores["centred"][i, j]), own))
    results.append(shown)
show(
    caption_search([stamps.pictures[validation[i]] for i in picked], results),
    "Three held-out pictures with the captions that scored highest. For two their own caption stands first; for "
    "the third it stands further behind, and is shown below the first five.",
)

# %% [markdown]
# *What you see:* where the own caption wins (✔), those behind it often come from the same corner of the
# world. In the last one they do look random: its own caption stands far behind, with its rank, and those in front have
# little to do with the picture. Where no anchor near to a picture has a caption that speaks of the same thing, what is
# left is chance likeness.
#
# ## An investigation: what leaves it alone?
#
# You have seen two changes of coordinates that a relative representation survives and two that it does not. What
# about mirrors? Taking a coordinate away, or adding one? Swapping coordinates? Another length for each vector?
# Setting negative numbers to zero? Is everything harmless linear, and everything linear harmless?
#
# ### Exercise 03.6 · Survivors
#
# **Difficulty** ●●●●○ · **Minutes** 30
#
# Invent changes of coordinates, predict what each does, and bring evidence. Your function gets embeddings and
# anchors, and returns a dictionary: under the name of each change a pair of the change itself and the largest
# absolute change of an entry that it causes, with `z` and anchors changed alike:
#
#     {"all twice as long": (lambda rows: 2 * rows, 0.0), …}
#
# A change is a function that turns rows `(m, d)` into as many rows of any width, each row by itself. Wanted are at
# least two that leave all entries alone (up to rounding), **one of them not linear**, and at least two that do
# not, **one of them linear**. (Linear: $f(x + y) = f(x) + f(y)$ for all vectors; whatever a matrix does is
# linear.) The check recomputes your numbers on data that you have not seen.


# %% tags=["exercise"]
def survivors(z: Tensor, anchors: Tensor) -> dict[str, tuple]:
    """Changes of coordinates with the largest absolute change of an entry of the relative representation.

    z: (q, d), embeddings
    anchors: (n, d), embeddings of the anchors
    returns: {name: (change, largest)}, where change turns rows (m, d) into rows (m, any width)
    """
    ### BEGIN SOLUTION
    d = z.shape[1]
    rotation = torch.linalg.qr(torch.randn(d, d)).Q  # drawn once, so that z and anchors get the same
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

# %% [markdown]
# <details><summary>Hint</summary>
#
# Collect your changes in a dictionary of functions first, then measure all of them in one loop, as in exercise
# 03.2. Build matrices from `z.shape[1]`, and draw random numbers once, outside the change. For the survivor that
# is not linear: a cosine sees the direction of a vector. What of the vector does it not see?
#
# </details>
#
# <details><summary>What you should see</summary>
#
# A green verdict that lists your survivors and the others. Survivors are rotations, mirrors, any order of the
# coordinates, zeros appended, and any change of lengths, also another one for each vector: that one is not
# linear. Of all matrices, only multiples of rotations and mirrors (with or without more dimensions) survive for
# all vectors: those that keep all angles. Two encoders whose spaces differ by more than that have relative
# representations that differ as well, and how much they do is what chapter 02 measured.
#
# </details>
#
# What you have solved so far:

# %%
show_progress("03")

# %% [markdown]
# ## Summary
#
# - A relative representation describes an item by its cosines with the anchors. Its length is the number of
#   anchors, not the dimension of the encoder.
# - Rotation and scale leave it alone, up to rounding; a stretch does not. A shift breaks it; taking the
#   anchors' mean off repairs that.
# - Real embeddings have such a shift built in: a common part, from coordinates that are never negative, or
#   from the form that all captions share. It makes hubs; centring makes them smaller.
# - With pairs as anchors, pictures and captions get descriptions that can be compared, and the captions of
#   held-out pictures are found far above chance, without any training.
#
# **What would prove us wrong.** A rotation that changes entries by more than rounding. Recall above chance
# with shuffled captions of the anchors: then it would not be the pairs that carry the meaning. Or recall on
# pictures of another kind that falls to chance although their nearest anchors are near.
#
# **Next:** [04 · Sparsification](04_sparsification.ipynb). So far every anchor has a say about every
# picture, near or far. Chapter 02 showed that only near ones know anything. What if we listen to those
# alone?

# %% [markdown] tags=["teacher"]
# ### Timing
#
# **50 minutes.** Trento and the plane (5), exercise 03.1 (5), rotation and the stranger with the same mind (10),
# the shift and centring with their two figures (10), two strangers, recall and the slipped captions (15), summary
# (5). Exercises 03.2 to 03.4 at home.
#
# **90 minutes.** The same, with 03.2 and 03.3 in class (15 more), the number of landmarks with its knob (5 more) and
# 03.5 in pairs (20 more): it is the whole method but for chapter 04. 03.6 at home, or as a game: a team names a
# change, the others bet, the code decides.
#
# ### What students get wrong
#
# - **Only `z` is rotated, not the anchors.** The change is then large. Ask where the anchors live.
# - **The new items' own mean is taken off.** It works for 150 pictures and fails for one. Ask what
#   `z - z.mean(0)` is for a single picture.
# - **Length 1 first, mean afterwards.** The rows are not of length 1 any more. Ask what the diagonal of the
#   anchors with themselves should be.
# - **“A relative representation needs encoders of one dimension.”** Its width is the number of anchors. Ask for the
#   shapes of both descriptions of a pair.
# - **“Everything linear is harmless.”** The stretch says otherwise; and each vector's own length is harmless without
#   being linear.
# - **“The anchors must be good pictures.”** They must be the *same* on both sides, row by row. Show the slipped
#   captions.
#
# ### Discussion
#
# - Two people describe a town by distances to landmarks. What if one of them is wrong about a landmark?
#   > **Answer.** Then one entry of every description is wrong, on one side. One among hundreds does little harm,
#   > and the entry has a name, so it can be found (chapter 02 did). A matrix that was learnt has no such place.
# - Why take off the mean of the anchors, and not of the new pictures?
#   > **Answer.** The description of a picture must not depend on which other pictures happen to stand beside it. The
#   > anchors are always the same.
# - Rotations leave everything alone. Do two networks differ by a rotation only?
#   > **Answer.** Two trainings of one network often nearly do; two kinds of network do not. The picture encoder and
#   > the text encoder here certainly differ by more, and so the right caption comes first for some pictures only.
# - What would happen with a single anchor? With two?
#   > **Answer.** One number tells how much like that anchor everything is, and after scaling to length 1 only its
#   > sign is left. Two give an angle. The curve of kept neighbours shows how slowly it gets better.
