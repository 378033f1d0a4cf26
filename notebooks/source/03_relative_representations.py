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
# - explain why embeddings of unrelated pictures have a cosine far above zero;
# - find the caption of a held-out picture with two encoders that never met.
#
# **Minutes** 45 · **Before this** [02 · Anchors](02_anchors.ipynb)
#
# **What runs** The stamps: the training split as anchors, the validation split as new pictures; the test
# split is not touched. About 15 seconds on 2 CPU cores with the embeddings in the cache.

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
from asif_lib.checks import (
    check_centred_representation,
    check_largest_change,
    check_relative_representation,
    largest_change,
)
from asif_lib.evaluation import paired_difference, ranks, recall_at, same_text
from asif_lib.figures import (
    before_after,
    caption_search,
    cosines_before_after,
    recall_points,
    relative_under_changes,
    show,
    use_style,
)
from asif_lib.relative import unit_rows

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

# %%
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
# not.
#
# ### Exercise 03.1 · Relative representation
#
# **Difficulty** ●●○○○ · **Minutes** 5
#
# Write the definition for whole matrices, without a loop.


# %% tags=["exercise"]
def my_relative_representation(z: Tensor, anchors: Tensor) -> Tensor:
    """Cosines with the anchors.

    z: (q, d), embeddings
    anchors: (n, d), embeddings of the anchors by the same encoder
    returns: (q, n), entry (i, j) is the cosine of z[i] and anchors[j]
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
#
# **Before you run the next cell:** embeddings are stored as 32-bit floats. After a random rotation in all
# dimensions, how large will the largest change of an entry be?

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
# A green verdict. With `random_rotation(1280, generator)` on the pictures the result is rounding; with the
# rotation on `z` alone it would be large.
#
# </details>

# %% [markdown]
# ## What a shift breaks, and what centring repairs
#
# A **shift** adds one vector $t$ to every embedding: $z + t$, $a + t$. Angles are measured at the origin,
# and the shift moves everything away from there. **Centring** undoes it: take the mean $m$ of the anchors
# off both, and use $\cos(z_i - m, a_j - m)$. A shift moves $m$ by $t$ as well, and the difference is as
# before.
#
# **Before you run the next cell:** we shift by a random vector of a typical length. Sketch the entries
# after against the entries before: still a line? Which one?

# %%
z, a = new.image, anchors.image
shift = torch.randn(z.shape[1], generator=generator)
shift *= a.norm(dim=1).mean() / shift.norm()
rotation = random_rotation(z.shape[1], generator)
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
gaps = {
    "as they are": relative_representation(*moved) - plain,
    "centred": relative_representation(*moved, mean=moved[1].mean(dim=0)) - centred,
}
display(
    Markdown(
        "| relative representation | largest change under the shift |\n|---|---|\n"
        + "\n".join(f"| {name} | {float(gap.abs().max()):.1e} |" for name, gap in gaps.items())
    )
)

# %% [markdown]
# *What you see:* the shift lifts all entries and squeezes them together, as if everything had become alike.
# With centring, rotation and shift both leave the entries on the diagonal.
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
    returns: (q, n)
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
# **Before you run the next cell:** which suspect do you believe?


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


white = embed(image_encoder, [Image.new("RGB", (224, 224), "white")], progress=False)
nothing = embed(text_encoder, ["A thing."], progress=False)
bare = embed(text_encoder, [stripped(c) for c in captions], progress=False)
to_mean = {
    "a stamp": relative_representation(new.image, anchors.image_mean[None]).mean(),
    "a white picture": relative_representation(white, anchors.image_mean[None]),
    "a caption": relative_representation(new.text, anchors.text_mean[None]).mean(),
    "“A thing.”": relative_representation(nothing, anchors.text_mean[None]),
}
signs = [float((z < 0).float().mean()) for z in (anchors.image, anchors.text)]
display(
    Markdown(
        f"1. Negative coordinates: pictures {signs[0]:.0%}, captions {signs[1]:.0%}.\n"
        + "2. Cosine with the mean: "
        + ", ".join(f"{name} {float(value):.2f}" for name, value in to_mean.items())
        + " (stamps and captions on average).\n"
        + f"3. Common part of the validation captions: {common(new.text):.3f} as they are, "
        + f"{common(bare):.3f} without article and full stop."
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
# other's world. With the captions of the anchors shuffled only chance is left: it is the pairs that carry
# the meaning. Centred representations find far more than uncentred ones. Why do uncentred ones find fewer?
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
# world. In the last one the own caption stands below the first five, with its rank.
#
# ## Summary
#
# - A relative representation describes an item by its cosines with the anchors. Its length is the number of
#   anchors, not the dimension of the encoder.
# - Rotation and scale leave it alone, up to rounding; a stretch does not. A shift breaks it; taking the
#   anchors' mean off repairs that.
# - Real embeddings have such a shift built in: a common part, from coordinates that are never negative, or
#   from the form that all captions share.
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
