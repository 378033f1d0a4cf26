# %% [markdown] code=["sparse.py", "search/"] steps=["keep k", "power p"]
# # 04 · Sparsification
#
# > **Question.** Why forget most of the similarities?
#
# In chapter 03 a picture became a list of numbers, one for each anchor: its cosine with
# that anchor. ASIF does not compare these lists as they are. It forgets most of the
# entries first, and gives the large entries more weight.
#
# <details><summary>Goals, minutes, what runs</summary>
#
# - carry out the four steps of sparsification by hand: top $k$, clamp, power,
#   normalise;
# - turn the knobs $k$ and $p$, and look at the vector of one picture;
# - choose $k$ and $p$ by measuring, on a validation split, and see the effect of
#   peeking at the test;
# - build a trap for a program that forgets the clamp, and see the effect of a very
#   large $p$;
# - find the $k$ largest of a stream of anchors without ever holding the dense matrix.
#
# **Minutes** 35 to read, 61 more with the exercises · **Before this** [03 · Relative
# representations](03_relative_representations.ipynb)
#
# **What runs** The stamps of the train split as anchors, the stamps of the validation
# split as questions; the test split stays closed. This takes about 20 seconds on 2 CPU
# cores, once the embeddings are in the cache.
#
# </details>

# %% tags=["parameters"]
profile = "offline"  # or "hub": larger encoders, as in the paper
device = "auto"  # "auto", "cpu", "cuda" or "mps"
seed = 0  # for the intervals
fast = False  # True: fewer values of k and p

# %% tags=["hide-input"]
# The tools of this chapter. Run this cell; you need not read it.
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import torch

import asif_book.figures as draw
from asif_book import record
from asif_book.lessons import open_chapter
from asif_lib import ASIF, relative_representation, sparsify
from asif_lib.evaluation import mean_with_interval, paired_difference, ranks, same_text

draw.use_style()

# %%
_, _, pairs, everything = open_chapter(profile, device)
bank = everything.subset(pairs.splits["train"])  # the anchors of this chapter
held_out = everything.subset(pairs.splits["validation"])  # to choose k and p
n = len(bank)
print(f"{n} anchors, {len(held_out)} stamps for validation")

# %% tags=["hide-input"]
# The checks of this chapter's exercises. Run this cell; you need not read it.
from asif_book.checks import (
    check_choice,
    check_clamp_and_power,
    check_sparsify,
    check_top_k,
    check_trap,
)

# %% [markdown]
# ## 1 · Four steps, by hand
#
# Take one row of a relative representation: the cosines of one picture with five
# anchors. Two numbers belong to the method. $k$ is the number of entries that stay. $p$
# is the exponent.
#
# 1. **Top $k$.** Keep the $k$ largest entries and set the others to 0.
# 2. **Clamp.** Set negative entries to 0.
# 3. **Power.** Raise each entry to the power $p$. With $p > 1$, large entries gain on
#    small ones.
# 4. **Normalise.** Divide the row by its length, so that its length is 1.
#
# **Before you run the next cell:** the cosines are 0.8, −0.6, 0.4, 0.1 and −0.2, with
# $k = 4$ and $p = 2$. Which anchors have an entry above 0 in the end? How many times
# larger is the first entry than the third: still twice?

# %%
row = torch.tensor([[0.8, -0.6, 0.4, 0.1, -0.2]])  # (1, 5)
k, p = 4, 2
largest = row.topk(k).indices  # (1, 4)
top_k = torch.zeros_like(row).scatter(1, largest, row.gather(1, largest))
clamped = top_k.clamp_min(0)
powered = clamped**p
normalised = powered / powered.norm()
same = torch.allclose(sparsify(row, k, p).to_dense(), normalised)
print("the library gives the same:", same)
steps = {
    "cosines": row,
    f"1 · top k = {k}": top_k,
    "2 · clamp at 0": clamped,
    f"3 · power p = {p}": powered,
    "4 · normalise": normalised,
}
table = pd.DataFrame({name: step[0].numpy() for name, step in steps.items()})
table.set_axis([f"anchor {i}" for i in range(1, 6)]).T.round(3)

# %% [markdown]
# **What you see.** The table has a row for each step. In the row of the power, a ratio
# of 2 has become a ratio of 4. In the row of top $k$, anchor 5 is kept with a negative
# entry, since only three of the five are positive. The row of the clamp removes it
# again, before the power could make it positive.

# %% [markdown]
# The next table does the same with real cosines. The picture is a stamp of a beaver,
# which is not an anchor. The rows are twelve anchors: the six most similar ones, and
# six from the rest. A filled blue bar (●) is an entry of the picture. A dashed outline
# is a cosine that a step has forgotten. The two sliders set $k$ and $p$. (They answer
# in the page, without a kernel.)
#
# **Before you move them:** at which $k$ does the clamp have something to do? With $p =
# 8$, in which column do the blue bars almost vanish, and which step brings them back?

# %% tags=["hide-input"]
# Draw the four steps for a stamp of a beaver.
ids = held_out.pairs.id.tolist()
chosen = ids.index("animals/mammals/rodents/beaver.png")
picture = held_out.image[[chosen]]  # (1, d)
relative = relative_representation(picture, bank.image, mean=bank.image_mean)  # (1, n)
places = np.r_[:6, np.linspace(40, n - 1, 6).astype(int)]  # 0 is the most similar one
twelve = relative[0].argsort(descending=True)[places]
anchors = bank.pairs.loc[twelve.tolist()]
cosines = relative[0, twelve]  # (12,)
pictures, captions = anchors.picture.tolist(), anchors.caption.tolist()
draw.four_steps("A stamp of a beaver.", cosines, pictures, captions, k=6, p=2)

# %% [markdown]
# **What you see.** The dashed line below a row is the cut after $k$ entries. The clamp
# has something to do when a blue bar to the left of zero stands above this line: in its
# column the bar turns into an outline. The column *power* has shorter bars than the
# column before it, and the small ones lose most. In the column *normalise* all bars
# have grown by one common factor, so the small ones stay small.

# %% [markdown]
# ### Exercise 04.1 · Clamp, then power
#
# **Difficulty** ●○○○○ · **Minutes** 4
#
# Write steps 2 and 3, in one line: negative entries become 0, and then every entry is
# raised to the power $p$. The exponent need not be whole. Do not change the input.


# %% tags=["exercise"]
def my_clamp_and_power(relative: torch.Tensor, p: float) -> torch.Tensor:
    """Set negative entries to 0, then raise to the power p.

    relative: (…, n) cosines, any number of rows; returns the same shape.
    """
    ### BEGIN SOLUTION
    return relative.clamp_min(0) ** p
    ### END SOLUTION


# %% tags=["check"]
check_clamp_and_power(my_clamp_and_power)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `x.clamp_min(0)` is a new tensor with 0 in place of negative entries. `x ** p` raises
# every entry.
#
# </details>
# <details><summary>What you should see</summary>
#
# A ✔ verdict. **Now break it:** exchange the two steps, run the check again, and
# read its message.
#
# </details>

# %% [markdown]
# ### Exercise 04.2 · The four steps
#
# **Difficulty** ●●○○○ · **Minutes** 8
#
# Write all four steps for a whole matrix: each row is one picture. Return a dense
# matrix with zeros for the forgotten entries. A row without any positive entry stays a
# row of zeros. If entries tie at the $k$-th place, keep any of them, but no more than
# $k$ in all.


# %% tags=["exercise"]
def my_sparsify(relative: torch.Tensor, k: int, p: float) -> torch.Tensor:
    """Keep the k largest entries of each row, clamp, raise to the power p, normalise.

    relative: (q, n) cosines; returns (q, n), rows of length 1 (or all zeros).
    """
    ### BEGIN SOLUTION
    values, indices = relative.topk(k, dim=1)
    values = torch.nn.functional.normalize(values.clamp_min(0) ** p, dim=1)
    return torch.zeros_like(relative).scatter(1, indices, values)
    ### END SOLUTION


# %% tags=["check"]
check_sparsify(my_sparsify)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `relative.topk(k, dim=1)` gives the values and their positions.
# `torch.zeros_like(relative).scatter(1, positions, values)` puts values back into
# place. `torch.nn.functional.normalize(x, dim=1)` leaves a row of zeros as it is.
#
# </details>
# <details><summary>What you should see</summary>
#
# A ✔ verdict: your function agrees with the library on all inputs. One of them has
# $k = n$ and an even $p$, so that the clamp matters; another has a row without a
# positive entry. **Now break it:** leave out the clamp, and see which of the inputs
# notices.
#
# </details>

# %% [markdown]
# ## 2 · One picture, before and after
#
# Here is the beaver again. The upper panel of the next figure sorts its cosines with
# all anchors, the largest first. The lower panel shows only the $k$ entries that stay,
# after the power and the normalisation, for three values of $p$. Below the panels stand
# the pictures of the six most similar anchors.
#
# **Before you run the next cell:** the six most similar anchors now compete with all
# others. About what share of all the cosines is below zero?

# %%
k = round(0.1 * n)
vectors = {f"p = {p}": sparsify(relative, k, p) for p in (1, 2, 8)}
first_six = vectors["p = 2"].indices[0, :6].tolist()  # the most similar anchors
six = bank.pairs.loc[first_six]
beaver = held_out.pairs.picture[chosen], relative[0], vectors
draw.show(draw.sparse_vector(*beaver, list(six.picture), list(six.caption)))
negative = float((relative < 0).float().mean())
print(f"{held_out.pairs.caption[chosen]} {negative:.0%} of its cosines are negative")
for name, vector in vectors.items():
    share = float((vector.values[0, :6] ** 2).sum())
    print(f"{name}: the six anchors hold {share:.0%} of the sum of squares")

# %% [markdown]
# **What you see.** In the upper panel the dark area left of the dashed line is kept;
# the pale area is forgotten. The edge of the areas has no step that says "similar up to
# here": it falls smoothly. Any $k$ is a choice. The lower panel shows a second, softer
# way to forget, the power. On the line with triangles, $p = 8$, most of the kept
# entries are almost zero. (All squared entries of a vector add up to 1.)
#
# Now look at the effect on an answer. The next figure ranks the 150 validation captions
# for the same picture, with $k = n/10$ and $p = 2$. The picture's own caption has a
# check mark. Below it are two knobs: they draw the same figure for other $k$, other $p$
# and other pictures. (They need a running kernel. The figure above them does not.)
#
# **Before you turn them:** with $p$ at 16, will the ranking change much? And with $k =
# 1$: how many captions can have a score above 0?

# %% tags=["hide-input"]
# Draw the ranking of the captions, and open the knobs.
from asif_book.widgets import sparse_knobs, sparse_step

draw.show(*sparse_step(bank, held_out, chosen, k, 2))
sparse_knobs(bank, held_out, row=chosen, k=k)

# %% [markdown]
# **What you see.** Each bar on the right is the score of a caption. The bar with a
# check mark is the picture's own. With $k = 1$ the picture is one anchor and each
# caption is one anchor. Only captions that hit the same anchor have a bar; all others
# tie at 0. Try to find a picture whose own caption comes first only with a small $k$,
# and a picture that needs a large one. You will find both. So we choose by measuring
# many pictures, and not by looking at one.

# %% [markdown]
# ## 3 · Choosing k and p
#
# We choose both numbers by a **sweep**: try every combination and keep the best. (The
# figure below draws it: each cell is a combination.) The score of a combination must
# come from pictures that are neither anchors nor test pictures, so we use the
# validation split. The task: for each of the 150 pictures find its caption among the
# 150 captions, and for each caption find its picture.
#
# **Recall@1** (R@1) is the share for which the right one comes first, **recall@10**
# (R@10) the share for which it is among the first ten. One number sums this up: the
# mean of R@1 and R@10, which we call the *mean recall*.
#
# **Before you run the next two cells:** where will the best cell be: few anchors or
# many, small $p$ or large? And how will the top row look, where $k = n$ and every entry
# stays?

# %%
captions = held_out.pairs.caption.tolist()
same = same_text(captions, captions)  # (150, 150): a repeated caption counts as right
results = {}  # for each k, p: (2, 150)


def mean_recall(scores):
    """Return for each stamp the mean of "is first" and "is among ten", (2, 150).

    scores: (150, 150), pictures × captions
    returns: first from picture to caption, then from caption to picture
    """
    return np.stack(
        [
            np.mean([ranks(s, same) < r for r in (1, 10)], axis=0)
            for s in (scores, scores.T)
        ]
    )


def evaluate(k, p):
    """Return the mean recall of a setting, and keep it for each stamp."""
    if (k, p) not in results:
        model = ASIF(bank, k, p, device=device)
        results[k, p] = mean_recall(model.similarity(held_out.image, held_out.text))
    return results[k, p].mean()


# %%
from asif_lib.evaluation import in_points, sweep

fractions = [0.02, 0.1, 1.0] if fast else [0.02, 0.05, 0.1, 0.2, 0.4, 1.0]
powers = [1, 2, 8] if fast else [1, 2, 3, 4, 8, 16]
both = sweep(evaluate, fractions, powers, n)
tables = {
    way: both.assign(
        value=[results[row.k, row.p][i].mean() for row in both.itertuples()]
    )
    for i, way in enumerate(("picture → caption", "caption → picture"))
}
draw.show(draw.sweep_heatmaps(tables, value="mean of R@1 and R@10"))
best = both.loc[both.value.idxmax()]
best_k, best_p = int(best.k), best.p
print(f"best for both: k = {best_k} ({best.fraction:g} of the anchors), p = {best_p:g}")

# %% [markdown]
# **What you see.** Each cell is a setting, and the frame marks the best one of its
# panel. Look along the column of $p = 1$: there it helps to cut. Now look along $p =
# 2$: from a tenth of the anchors upwards, little changes. There are two reasons. The
# clamp has already removed the negative entries, so the two top rows differ hardly at
# all. And the power has made the small entries so small that cutting them off changes
# little. $k$ and $p$ are two tools for one job.
#
# How sure are we? The interval below belongs to a **paired difference**: both settings
# answer for the same stamps, and we look at the differences, stamp by stamp. If the
# interval holds 0, these stamps cannot tell the two settings apart.


# %% tags=["hide-input"]
# Compare the chosen setting with others, stamp by stamp, and record one gain.
def items(k, p):
    """Return the mean recall of a setting for each stamp, (150,)."""
    evaluate(k, p)
    return results[k, p].mean(axis=0)


paper_k = min(800, n)  # the paper's k = 800 is more than the anchors we have
others = {
    f"all entries, k = {n}, p = {best_p:g}": (n, best_p),
    f"all entries, k = {n}, p = 1": (n, 1),
    f"the paper's numbers, k = min(800, n) = {paper_k}, p = 8": (paper_k, 8),
}
chosen_items = items(best_k, best_p)
gaps = {
    name: paired_difference(chosen_items, items(*o), seed) for name, o in others.items()
}
gap = [*gaps.values()][-1]
record(
    "choosing k and p: gain over k = min(800, n), p = 8 in mean recall",
    100 * gap,
    unit="points",
    note="stamps, validation split, where they were chosen",
)
print("mean recall of the chosen setting, on validation:")
print(f"   {mean_with_interval(chosen_items, seed)}")

# %% tags=["hide-input"]
# Show the differences in a table.
pd.DataFrame(
    {
        "difference, points": {name: 100 * gap.value for name, gap in gaps.items()},
        "from": {name: 100 * gap.low for name, gap in gaps.items()},
        "to (95 % interval)": {name: 100 * gap.high for name, gap in gaps.items()},
    }
).rename_axis("chosen setting minus …").round(1)

# %% [markdown]
# Two warnings belong to this table. The chosen setting was the best of many *on these
# very stamps*, so its number is a little too good. Chapter 05 measures it on stamps
# that played no part. And `min(800, n)` means that **no entry is discarded** as long as
# $n$ is at most 800. With a small bank, the paper's $k = 800$ keeps every anchor. The
# vectors are then dense, and nothing warns you.
#
# How much too good? Let us break the rule on purpose, with a known truth. Suppose that
# 36 settings are all *equally* good: each finds the right caption for 30 % of all
# pictures. We measure all of them on the same 150 pictures and take the best. In one
# world we report its value on the pictures that chose it, in the other its value on 150
# new pictures.
#
# **Before you run the next cell:** the truth is 30 %. What will the best of 36 show, on
# average over 500 such experiments?

# %%
luck = np.random.default_rng(seed)
hits = luck.random((2, 500, 36, 150)) < 0.3  # experiments × settings × pictures, twice
chosen_on, new = hits.mean(axis=3)  # (500, 36), (500, 36)
winners = chosen_on.argmax(axis=1)[:, None]  # (500, 1): the best setting of each
seen = np.take_along_axis(chosen_on, winners, axis=1).mean()
unseen = np.take_along_axis(new, winners, axis=1).mean()
print(f"any one setting: {chosen_on[:, :1].mean():.1%} on average")
print(f"the best of 36, on the pictures that chose it: {seen:.1%}")
print(f"the best of 36, on new pictures: {unseen:.1%}")

# %% [markdown]
# **What you see.** The second line, the best of 36, is better than the truth by pure
# luck. The last line, on new pictures, has no luck. Nobody cheated: choosing *is*
# looking. So the pictures that chose cannot also be the pictures that judge. A test
# split that has been opened for several settings has become a second validation split.

# %% [markdown]
# ### Exercise 04.3 · Choose without peeking
#
# **Difficulty** ●●●○○ · **Minutes** 12
#
# Write the choice. You get a function `evaluate(k, p, split)` that returns two numbers:
# the value of a setting and its **standard error**. The standard error is the typical
# change of the value with other pictures. `split` is `"validation"` or `"test"`.
# Proceed by the *one-standard-error rule*:
#
# 1. Find the best value on the validation split.
# 2. Subtract from it the standard error of the best setting. Settings with at least
#    this value count as just as good.
# 3. Of these take the one with the smallest $k$; if several have it, the smallest $p$
#    among them.
# 4. Return $k$, $p$ and the *test* value of this setting.
#
# The check counts the settings for which you open the test split.


# %% tags=["exercise"]
def my_choice(
    evaluate: Callable, ks: list[int], ps: list[float]
) -> tuple[int, float, float]:
    """Return the smallest setting as good as the best: (k, p, its test value).

    evaluate(k, p, split) returns (value, standard error)
    ks and ps: the numbers to try, in any order
    """
    ### BEGIN SOLUTION
    found = {(k, p): evaluate(k, p, "validation") for k in ks for p in ps}
    best, error = max(found.values())
    k, p = min(
        setting for setting, (value, _) in found.items() if value >= best - error
    )
    value, _ = evaluate(k, p, "test")
    return k, p, value
    ### END SOLUTION


# %% tags=["check"]
check_choice(my_choice)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Keep the results in a dictionary: `found[k, p] = evaluate(k, p, "validation")`. Python
# compares tuples entry by entry. So `max` of (value, error) pairs is the pair with the
# largest value. And `min` of (k, p) pairs is the pair with the smallest $k$, and among
# those the smallest $p$.
#
# </details>
# <details><summary>What you should see</summary>
#
# A ✔ verdict. **Now break it:** choose by `"test"` instead, and read the message of
# the check.
#
# </details>

# %% [markdown]
# ## 4 · Why the clamp comes before the power
#
# An even power makes a negative number positive: $(-0.3)^2 = 0.09$. Without the clamp,
# an anchor that is *unlike* the picture would count like a similar one. But only
# negative entries that were kept can do harm. So the question is: from which $k$ on do
# the kept entries reach below zero?
#
# **Before you run the next cell:** at which share $k/n$ does this begin? (The figure in
# section 2 has the answer for the beaver.)

# %% tags=["hide-input"]
# Draw how many vectors keep a negative entry, for each k.
views = {  # (150, n) each
    "pictures": relative_representation(
        held_out.image, bank.image, mean=bank.image_mean
    ),
    "captions": relative_representation(held_out.text, bank.text, mean=bank.text_mean),
}
grid = np.linspace(0.04, 1, 25)  # k / n
kept = np.clip(np.round(grid * n).astype(int), 1, n)
reaches = {}
for name, matrix in views.items():
    smallest = matrix.sort(dim=1, descending=True).values[:, kept - 1]  # (150, 25)
    reaches[name] = grid, (smallest < 0).float().mean(dim=0).numpy()
labels = {
    "xlabel": "entries kept, k / n",
    "ylabel": "vectors that keep\na negative entry",
}
marks = {"default k = n / 10": 0.1}
draw.show(draw.line_chart(reaches, **labels, percent=True, marks=marks))

# %% tags=["hide-input"]
# Print from which k on the clamp matters.
first = min(int((m > 0).sum(dim=1).min()) for m in views.values()) + 1
print(
    f"the first negative entry is kept at k = {first}, {first / n:.0%} of the anchors"
)
plain = {  # without subtracting the mean
    "pictures": relative_representation(held_out.image, bank.image),
    "captions": relative_representation(held_out.text, bank.text),
}
for name in views:
    with_mean, without = (float((m[name] < 0).float().mean()) for m in (views, plain))
    print(f"negative cosines, {name}: {with_mean:.0%}; without centring {without:.0%}")

# %% [markdown]
# **What you see.** At the dotted line, $k = n/10$, both curves are at 0: the trap never
# springs. At the right end, $k = n$, both are at 100 %: it springs for every vector. So
# it can sleep in a program for years. It needs a large $k$ *and* an even $p$ *and*
# negative cosines, from the encoders or from centring.
#
# What does it cost when it springs? We keep everything ($k = n$) and compare with and
# without the clamp. For an odd $p$ the sign survives the power, so we look at $p = 3$
# too.
#
# **Before you run the next cell:** for $p = 2$, will the missing clamp cost nothing,
# some points, or nearly everything? For $p = 8$?


# %% tags=["hide-input"]
# Score with and without the clamp, and draw the recalls.
def powered_scores(p, clamp):
    """Score all captions for all pictures with every entry kept, (150, 150)."""
    kept = [m.clamp_min(0) if clamp else m for m in views.values()]
    image_side, text_side = (torch.nn.functional.normalize(m**p, dim=1) for m in kept)
    return image_side @ text_side.T


measured = {  # for each stamp, (150,)
    name: {
        f"p = {p}": mean_recall(powered_scores(p, clamp)).mean(axis=0)
        for p in (2, 3, 8)
    }
    for name, clamp in (("with clamp", True), ("without", False))
}
dots = {
    name: {p: mean_with_interval(found, seed) for p, found in by_power.items()}
    for name, by_power in measured.items()
}
xlabel = "mean of R@1 and R@10, both directions; 95 % interval"
draw.show(draw.interval_dots(dots, xlabel=xlabel, title=f"all {n} entries kept"))
for p, found in measured["with clamp"].items():
    gap = paired_difference(found, measured["without"][p], seed)
    print(f"{p}: the clamp brings {in_points(gap)}")

# %% [markdown]
# **What you see.** In each row, compare the circle (with the clamp) and the square
# (without). The loss is a few points, and only if $p$ is even and small. Negative
# cosines here are smaller in size than the largest positive ones, so a large power
# makes them vanish beside the positive ones.
#
# A mistake that costs a few points is worse than a mistake that breaks everything:
# nobody looks for it. On these stamps the clamp has no measurable cost, so the library
# always applies it.

# %% [markdown]
# ### Exercise 04.4 · Build the trap
#
# **Difficulty** ●●●●○ · **Minutes** 12
#
# On average the clamp brings a few points; for a single answer it can decide
# everything. Show it: invent the cosines of one picture and two captions with $n$
# anchors such that
#
# - with the clamp, the **first** caption has the higher score;
# - without the clamp, the **second** one wins;
# - each wins by at least 0.1.
#
# All entries are kept ($k = n$) and $p = 2$, so the score is the cosine of the squared
# vectors. All your numbers must be cosines. There are many right answers; the check
# computes both scores for 3, 10 and 200 anchors. Think first: at what kind of anchor
# does a program without the clamp see a false similarity?


# %% tags=["exercise"]
def my_trap(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines for which a missing clamp makes the wrong caption win.

    n: anchors, at least 3
    returns: the picture (n,) and two captions (2, n), all from -1 to 1
    """
    ### BEGIN SOLUTION
    image, captions = torch.zeros(n), torch.zeros(2, n)
    # picture and first caption are both like anchor 0
    image[0] = captions[0, 0] = 0.5
    # picture and second caption are both *unlike* anchor 1
    image[1] = captions[1, 1] = -0.8
    return image, captions
    ### END SOLUTION


# %% tags=["check"]
check_trap(my_trap)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Two anchors are enough; the others may be 0. The picture and the first caption are
# similar to one of them. At the other one, picture and second caption need cosines that
# look like a large similarity once they are squared.
#
# </details>
# <details><summary>What you should see</summary>
#
# A ✔ verdict. Two things that are unlike the same anchor need not be alike: a
# teapot and a motorway are both very unlike an otter.
#
# </details>

# %% [markdown]
# ## 5 · When p grows without end
#
# Divide a vector by its largest entry. The largest is then 1, the others are below 1,
# and with growing $p$ they go to 0. So as $p \to \infty$ one entry is left: a picture
# becomes **its nearest anchor**, and nothing else.
#
# Suppose we do this to the picture only. A caption keeps all its cosines with the
# anchors' captions. The picture has one entry left, at its nearest anchor. So the score
# is one cosine: between the caption and *the caption of that anchor*. This is the
# simplest method of all: borrow the caption of the most similar anchor and compare
# texts. The library has it as a baseline, `NearestAnchorCaption`.
#
# The method itself raises *both* sides to the power $p$. Then the caption shrinks to
# one anchor, too.
#
# **Before you run the next cell:** as $p$ grows, for how many of the 150 pictures will
# ASIF and the baseline name the same caption? If only the picture is powered? If both
# are?

# %%
from asif_lib.evaluation import NearestAnchorCaption

baseline = NearestAnchorCaption().fit(bank.image, bank.text)
borrowed = baseline.similarity(held_out.image, held_out.text).argmax(dim=1)  # (150,)
exponents = [1, 2, 8, 64] if fast else [1, 2, 4, 8, 16, 32, 64, 128]
weight, one_sided, two_sided = [], [], []
for p in exponents:
    model = ASIF(bank, k, p, device=device)
    images, texts = model.images(held_out.image), model.texts(held_out.text)
    weight.append(float((images.values[:, 0] ** 2).mean()))
    one = images.to_dense() @ views["captions"].T  # (150, 150)
    one_sided.append(float((one.argmax(dim=1) == borrowed).float().mean()))
    two = images.similarity(texts)  # (150, 150)
    two_sided.append(float((two.argmax(dim=1) == borrowed).float().mean()))

# %% tags=["hide-input"]
# Draw the three shares for each p.
series = {
    "same caption, only the picture powered": (exponents, one_sided),
    "same caption, both powered (ASIF)": (exponents, two_sided),
    "share of the nearest anchor in the picture's vector": (exponents, weight),
}
labels = {"xlabel": "exponent p (log scale)", "ylabel": "share"}
draw.show(draw.line_chart(series, **labels, logx=2, percent=True))
print(f"p = {exponents[-1]}, the same caption as NearestAnchorCaption:")
print(
    f"   only the picture powered {one_sided[-1]:.0%}, both powered {two_sided[-1]:.0%}"
)

# %% [markdown]
# **What you see.** The line with triangles rises to nearly 100 %: the picture's vector
# does shrink to its nearest anchor. The line with circles rises with it: with the
# picture alone powered, nearly all answers become the answers of
# `NearestAnchorCaption`. The dashed line with squares, both sides powered, levels off
# far below. For a good part of the pictures the answer is another, however large $p$
# is.
#
# Why? When the caption, too, shrinks to its nearest anchors, a picture and a caption
# meet only in anchors that are near to *both*. In the limit one anchor decides for each
# pair. Divide each vector by its largest entry: the deciding anchor has the largest
# product $x_i \, y_i$ of the two entries. Let us check that.

# %%
# each vector divided by its largest entry, (150, n) each
image_side, text_side = (
    m.clamp_min(0) / m.amax(dim=1, keepdim=True) for m in views.values()
)
# the largest product over the anchors, for every picture and caption, (150, 150)
one_anchor = torch.stack([(x * text_side).amax(dim=1) for x in image_side])
for p in (8, 64):
    two = ASIF(bank, n, p, device=device).similarity(held_out.image, held_out.text)
    agree = (two.argmax(dim=1) == one_anchor.argmax(dim=1)).float().mean()
    print(f"p = {p}: the same caption as 'one anchor decides' for {agree:.0%}")

# %% [markdown]
# **What you see.** The larger $p$, the more often one anchor decides. But how large may
# $p$ be in a computer? A cosine below 1 to a large power becomes very small.
#
# **Before you run the next cell:** will the vectors survive $p = 256$?

# %%
power = 256
largest = float(views["pictures"].amax(dim=1).median())
tiny = torch.finfo(torch.float32).smallest_normal
print(f"a typical largest cosine is {largest:.2f}")
print(f"   to the power {power}: {largest**power:.0e}")
print(f"float32 holds ordinary numbers down to about {tiny:.0e}")
plain = views["pictures"].clamp_min(0) ** power  # (150, n)
ours = sparsify(views["pictures"], k, power).values  # (150, k)
for name, vectors in (("powered as they are", plain), ("in the library", ours)):
    zeros = int((vectors.norm(dim=1) == 0).sum())
    print(f"cosines {name}: {zeros} of {len(vectors)} vectors are all zeros")

# %% [markdown]
# **What you see.** Powered as they are, most vectors do not survive. Their entries are
# smaller than the smallest number that the computer can hold, and become 0. A zero
# vector is similar to nothing.
#
# The library divides each vector by its largest entry *before* the power. After the
# normalisation this makes no difference. But the largest entry is now 1, and 1 to any
# power is 1.

# %% [markdown]
# ## 6 · A stream of anchors
#
# A sparse vector is small. But this helps little if the dense matrix must be made
# first. So the library never makes it, and neither will you.

# %% [markdown]
# ### Exercise 04.5 · The k largest of a stream
#
# **Difficulty** ●●●●○ · **Minutes** 15
#
# The anchors do not fit into memory. They come from the disk in **blocks** of some
# rows, one after the other, and each only once. (Chapter [08](08_scaling.ipynb) begins
# with a drawing of this.) For every picture find the $k$ largest cosines with *all*
# anchors, and the positions of these anchors: positions count on over all blocks. All
# rows have length 1, so a cosine is a dot product. Keep only the $k$ best so far, merge
# each block into them, and discard the block.
#
# The blocks need not all have the same size, and a block may hold fewer anchors than
# $k$. There are at least $k$ anchors in all. The check watches how many numbers you
# hold at one moment.


# %% tags=["exercise"]
def my_top_k(
    queries: torch.Tensor, blocks: Iterator[torch.Tensor], k: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the k largest cosines of each query, and the positions of their anchors.

    queries: (q, d), rows of length 1; blocks: each (b, d), rows of length 1
    returns: (q, k) values, the largest first, and (q, k) int64 indices
    """
    ### BEGIN SOLUTION
    values = torch.full((len(queries), k), -torch.inf)  # every cosine beats this
    indices = torch.zeros((len(queries), k), dtype=torch.int64)
    start = 0
    for block in blocks:
        best, where = (queries @ block.T).topk(min(k, len(block)), dim=1)
        values, order = torch.cat([values, best], dim=1).topk(k, dim=1)
        indices = torch.cat([indices, where + start], dim=1).gather(1, order)
        start += len(block)
    return values, indices
    ### END SOLUTION


# %% tags=["check"]
check_top_k(my_top_k)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Begin with $k$ places that hold $-\infty$. In each block: `topk` of the block's
# cosines (at most as many as the block has), `torch.cat` them to the best so far,
# `topk` again. This second `topk` also returns the order in which the values were
# taken; `indices.gather(1, order)` takes the joined indices in the same order. Count
# how many anchors have passed, and add that number to a block's positions.
#
# </details>
# <details><summary>What you should see</summary>
#
# A ✔ verdict. **Now break it:** write `torch.cat(list(blocks))` and one `topk`. The
# values are right, and the check tells how much you held. Your ten lines are the core
# of `sparse_relative_representation`.
#
# </details>

# %% [markdown] tags=["progress"]
# The exercises of this chapter that you have solved so far (kept on this machine only):

# %% tags=["progress", "hide-input"]
# Show the exercises that you have solved.
from asif_book import show_progress

show_progress("04")

# %% [markdown] tags=["teacher"]
# ### Timing
#
# **50 minutes.** Sections 1 and 2 with exercise 04.1 and the knobs (15 minutes); the
# sweep of section 3 with the "best of 36" experiment (15); exercise 04.2 (10) or, with
# a strong class, 04.4 in pairs (10); the summary (5). At home: 04.3, 04.5 and section
# 5.
#
# **90 minutes.** Sections 1 to 4 with 04.1 to 04.4 (60 minutes; let pairs show each
# other their traps), section 6 with 04.5 (25; begin with a drawing of the stream on the
# board), 5 minutes for the summary. At home: section 5.
#
# ### What students get wrong
#
# - *"The clamp is there because cosines must be positive."* Seen as a clamp after the
#   power. Ask: what is $(-0.3)^2$, and what does the clamp do to it then?
# - *"The validation result of the winner is its accuracy."* Seen as the same number in
#   both columns of a report. Ask: if all 36 settings were equally good, what would the
#   best of them show?
# - *"A larger k keeps more information, so it can't harm."* True for the dense vector
#   with $p = 2$, false with $p = 1$. Ask for the column of $p = 1$ in the heat map.
# - *"topk over a block gives the index."* Seen as indices below the block size. Ask
#   which anchor is number 3 of the second block.
# - *"I don't build the matrix, I only keep a list of tiles."* Ask how many numbers the
#   list holds at the end.
#
# ### Discussion
#
# 1. Why does the best $p$ depend on the number of anchors?
#
#    > **Answer.** With many anchors there are many near ones and many more that are
#    > slightly similar. A large $p$ is needed for the near ones to outweigh the sum of
#    > the others. With few anchors a large $p$ leaves only one or two that count, and
#    > their captions decide alone. The sweep shows it for our $n$; the paper's $p = 8$
#    > belongs to 1.6 million.
#
# 2. Would it be fair to choose $k$ and $p$ for ASIF on validation, and to give the
#    baselines of chapter 05 no such choice?
#
#    > **Answer.** No. A comparison should give each method the same chance to be tuned,
#    > on the same split. So chapter 05 chooses the settings of every method on the
#    > validation split.
#
# 3. The clamp discards the negative part of a relative vector. What could it have told
#    us?
#
#    > **Answer.** That picture and caption are unlike the same anchors. In high
#    > dimensions nearly everything is a little unlike nearly everything, so it says
#    > little; but "little" is a measurement, not a proof. One could keep the signs with
#    > an odd $p$: section 4 has $p = 3$ without the clamp.
#
# 4. Why does the one-standard-error rule prefer the smaller $k$?
#
#    > **Answer.** Within the error the settings cannot be told apart, so other reasons
#    > may decide. A smaller $k$ costs less memory and time, and an explanation with
#    > fewer anchors is easier to read.

# %% [markdown]
# ## Summary
#
# - Sparsification has four steps: top $k$, clamp, power, normalise. The order matters:
#   the clamp comes before the power.
# - $k$ and $p$ do one job: they forget small similarities, one sharply and one softly.
#   On our bank $p$ matters more, and from a tenth of the anchors upwards $k$ hardly
#   matters.
# - They are chosen on a validation split. The paper's $k = 800$ and $p = 8$ belong to a
#   bank of 1.6 million anchors; here `min(800, n)` would forget nothing.
# - A large $p$ lets single anchors decide. If only the picture is powered, the limit is
#   the caption of the nearest anchor.
# - The best of many settings looks better than it is; the test split is opened once.
# - Computing sparse vectors needs no dense matrix: blocks, and the $k$ best so far, are
#   enough. Chapter [08](08_scaling.ipynb) counts the bytes.
#
# **What would prove us wrong.** Suppose that on another bank dense vectors with $p = 1$
# found captions as well as the chosen setting, or better. (The interval of the paired
# difference would not reach above 0.) Then forgetting would serve memory only. Suppose
# that the best $k/n$ and $p$ changed from one validation split to the next by more than
# a neighbouring cell. Then our choice would be luck.
#
# Try another split: put these three lines at the top of the cell that defines
# `mean_recall` (section 3), then run that cell and the sweep. Afterwards run the cell
# that loads the stamps again.
#
# ```python
# both = pairs.splits["train"] + pairs.splits["validation"]
# mixed = np.random.default_rng(1).permutation(both).tolist()
# bank, held_out = everything.subset(mixed[:n]), everything.subset(mixed[n:])
# ```
#
# **Where next.** So far, every number came from the stamps on which we chose. [05 ·
# Zero-shot evaluation](05_zero_shot.ipynb) opens the test split.
