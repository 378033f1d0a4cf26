# %% [markdown] code=["bank/"] steps=["edit"]
# # 07 · Editing a model
#
# > **Question.** Can a model learn and forget in a second?
#
# A trained network keeps its knowledge in millions of weights. Nobody can point at the
# weight that holds a certain picture. An ASIF model keeps its knowledge in a list of
# pairs. To teach it, add pairs. To make it forget, take them out.
#
# <details><summary>Goals, minutes, what runs</summary>
#
# - teach the model a new kind of picture, with one to twenty pairs of each class;
# - choose $k$ and $p$ again, since the best ones move with the bank;
# - prove that nothing changed elsewhere, which is more than failing to find a change;
# - make it forget a class, and everything from one contributor, down to the files on
#   the disk;
# - find a poisoned pair by its explanation, and take it out;
# - choose ten pictures that teach as much as many more.
#
# **Minutes** 45 to read, 72 more with the exercises · **Before this** [06 ·
# Interpretability](06_interpretability.ipynb) · **What runs** 793 captioned stamps and
# 2,300 pictures of Fashion-MNIST. Of these, 1,000 teach, 300 are for validation (known
# from chapter 05), and 1,000 for the test. The chapter takes about 40 seconds on 2
# cores once the embeddings are in the cache; the first time, a minute or two more. Its
# files go to a temporary folder, which is deleted at the end.
#
# </details>

# %% tags=["parameters"]
profile = "offline"  # or "hub": larger encoders, and EuroSAT as a second new domain
device = "auto"  # "auto", "cpu", "cuda" or "mps"
seed = 0  # for samples, lessons and intervals
fast = False  # True: fewer pictures, lessons and settings

# %% tags=["hide-input"]
# The tools of this chapter. You need not read this cell; run it.
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import asif_book.figures as draw
from asif_book import record
from asif_book.measuring import timed
from asif_lib import ASIF, AnchorBank, embed, load_labelled
from asif_lib.evaluation import in_points, mean_with_interval, paired_difference
from asif_lib.machine import for_small_matrices

draw.use_style()

# %% tags=["hide-input"]
# The checks, the encoders, the stamps and their bank. You need not read this cell.
from asif_book.checks import (
    LessonTask,
    check_add,
    check_forget,
    check_harm,
    check_lesson,
    check_running_mean,
    check_unchanged,
)
from asif_book.lessons import open_chapter
from asif_lib.defaults import DEFAULT_K_SHARE, DEFAULT_P

image_encoder, text_encoder, stamps, bank = open_chapter(profile, device)
print(bank)

# %% [markdown]
# ## 1 · A kind of picture that the model does not know
#
# Fashion-MNIST again: small grey pictures of clothing, which we turn to black on white.
# Chapter 05 ended there with a modest result. The pictures come in four parts that
# share no picture:
#
# - a **pool** of captioned pictures, from which we take the pairs to teach: "a photo of
#   a shirt." and so on (one template for all names, so that "a photo of a trousers." is
#   among them);
# - a part of the training pictures **for validation**: all choices are made there;
# - **test** pictures, none of them used in chapter 05, which choose nothing;
# - and the stamps, which should not notice any of this.

# %% tags=["hide-input"]
# Load the clothes, and say when an answer is right.
from asif_lib.defaults import DEFAULT_TEMPLATE
from asif_lib.zeroshot import make_prompts

fashion = load_labelled("fashion_mnist")
classes = fashion.classes
prompts = make_prompts(classes, [DEFAULT_TEMPLATE])
labels_text = embed(text_encoder, prompts, progress=False)  # (10, 384)
most = 10 if fast else 20  # pairs of each class in the longest lesson
lessons = 2 if fast else 5  # lessons without a picture in common
part = fashion.split("train").sample(10 * most * lessons, seed)
tried = fashion.split("validation").sample(100 if fast else 300, seed)
by_class = [np.flatnonzero(part.labels == c) for c in range(len(classes))]


@for_small_matrices()
def right_answers(bank, z, labels, k, p):
    """Whether each picture, (q, d_image), gets its class: (q,) bool."""
    model = ASIF(bank, k, p, device=device)
    given = model.similarity(z, labels_text).argmax(dim=1).numpy()
    decided = (model.images(z).values[:, 0] > 0).numpy()  # else no anchor is similar
    return (given == labels) & decided


# %% [markdown]
# The next drawing shows what an edit does to one decision. The bank gets ten pairs, one
# of each class; then fifty; then a hundred. After each edit we ask about the same
# picture. We fix the rule before we look: **the first validation picture that gets a
# wrong label from the stamps alone, and its right label with a hundred pairs**.
#
# Each row shows the five **best anchors**: those that contribute most to the answer.
#
# **Before you run the next cell:** which stamps will speak for the first answer? And
# can an answer that has become right turn wrong again?

# %% tags=["hide-input"]
# Add the pairs, find the picture, and draw its best anchors.
from asif_book.lessons import captioned, enlarged, first_corrected, inverted

ten_each = part.subset([rows[i] for i in range(10) for rows in by_class])
shop = captioned(ten_each)  # 100 pairs; the first ten are one of each class
new = bank.embed(shop, image_encoder, text_encoder, progress=False)
banks = {0: bank} | {m: bank.add(new.subset(range(m))) for m in (10, 50, 100)}
pictures = [*bank.pairs.picture, *map(enlarged, shop.pictures)]
z = embed(image_encoder, [inverted(x) for x in tried.pictures], progress=False)
asked, answers = first_corrected(banks, pictures, z, labels_text, tried.labels, classes)
picture = enlarged(inverted(tried.pictures[asked]))
draw.best_anchors(picture, classes[tried.labels[asked]], answers)

# %% [markdown]
# **What you see.** In the first row all frames are dashed: only stamps can speak, and
# the score is small. From the second row on the frames are thick: the pairs that have
# arrived hold the best places. One green bar of the second row is the longest of all,
# because the picture's class has a single pair there. With more pairs the score is a
# sum of many short bars.
#
# Read the answers (■) from top to bottom. The words “the answer turns” mark a change.
# A right answer can turn wrong again: each new pair speaks for its own class and
# against the others. So one picture proves little, and section 2 counts many.
#
# One choice comes next. The encoder cuts an eighth off each side length, as in its
# training; on photographs that is background. These pictures have no background: a
# shirt fills its 28 pixels. A white frame of two pixels on each side would save the
# sleeves from the cut.
#
# **Before you run the next cell:** will a frame help a model that knows no such
# pictures? And a model that has been taught ten pairs of each class, framed like the
# questions?

# %% tags=["hide-input"]
# Choose how the clothes are shown, on the validation split.
from asif_book.lessons import framed

VIEWS = {"as they are": inverted, "framed": framed}
k_share, p_default = DEFAULT_K_SHARE, DEFAULT_P  # chosen for the stamps
choices = {}  # by anchors and view: (q,) bool
for name, view in VIEWS.items():
    z = embed(image_encoder, [view(x) for x in tried.pictures], progress=False)
    lesson = captioned(ten_each, view)
    taught = bank.add(lesson, image_encoder, text_encoder, progress=False)
    for anchors, b in (("793 stamps", bank), ("with ten pairs of each class", taught)):
        k = round(k_share * len(b))
        choices[anchors, name] = right_answers(b, z, tried.labels, k, p_default)
for (anchors, name), right in choices.items():
    print(f"{anchors}, {name}, validation: {mean_with_interval(right, seed)}")
for anchors in ("793 stamps", "with ten pairs of each class"):
    plain, in_frame = (choices[anchors, name] for name in VIEWS)
    gain = paired_difference(in_frame, plain, seed)
    print(f"{anchors}, framed minus as they are: {in_points(gain)}")

# %% [markdown]
# **What you see.** The last two lines are the differences. They are small, and an
# interval that holds 0 proves nothing either way. So the next cell keeps the pictures
# as they are, unless the last interval lies above 0. The validation split is there for
# such choices.

# %% tags=["hide-input"]
# Embed the pool and the questions, and draw one pair of each class.
chosen_view = "framed" if gain.low > 0 else "as they are"
view = VIEWS[chosen_view]
test_split = fashion.split("test")
seen = {id(x) for x in test_split.sample(1_000, seed).pictures}  # those of chapter 05
unseen = [i for i, x in enumerate(test_split.pictures) if id(x) not in seen]
test_data = test_split.subset(unseen).sample(200 if fast else 1_000, seed)
pool_pairs = captioned(part, view)
pool, took = timed(
    lambda: bank.embed(pool_pairs, image_encoder, text_encoder, progress=False)
)
z_tried, z_test = (  # (300, 1280), (1000, 1280)
    embed(image_encoder, [view(x) for x in data.pictures], progress=False)
    for data in (tried, test_data)
)
print(f"pictures from here on: {chosen_view}")
print(f"embedding the pool took {took:.1f} seconds, or was in the cache")
print(f"{len(pool)} pairs to teach")
print(f"{len(tried)} pictures for validation, {len(test_data)} for the test")
first_of_each = [rows[0] for rows in by_class]
draw.show(
    draw.show_pictures(
        [enlarged(pool_pairs.pictures[i]) for i in first_of_each],
        [pool_pairs.captions[i] for i in first_of_each],
        columns=5,
    )
)

# %% [markdown]
# ### Exercise 07.1 · Teach it something
#
# **Difficulty** ●●○○○ · **Minutes** 8
#
# A model is two matrices, a mean, and $k$. Add $m$ new pairs at the end. The pictures
# and the captions come from two offices that did not agree on an order: the caption of
# new picture $i$ is row `partner[i]` of the new captions. The new pictures keep their
# order.
#
# Return four things. First come both matrices. Then comes the mean of all picture
# embeddings, which is subtracted before the cosine. (For captions it would be the same
# line.) The last is $k$: a tenth of the anchors, rounded to the nearest whole number,
# and at least 1.


# %% tags=["exercise"]
def my_add(
    image: torch.Tensor,
    text: torch.Tensor,
    new_image: torch.Tensor,
    new_text: torch.Tensor,
    partner: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, int]:
    """Add m pairs to a bank of n.

    image: (n, d_image), text: (n, d_text); new_image: (m, d_image),
    new_text: (m, d_text); partner: (m,) int64;
    returns image (n + m, d_image), text (n + m, d_text), the mean of image (d_image,),
    and k.
    """
    ### BEGIN SOLUTION
    image = torch.cat([image, new_image])
    text = torch.cat([text, new_text[partner]])
    return image, text, image.mean(dim=0), max(1, round(len(image) / 10))
    ### END SOLUTION


# %% tags=["check"]
check_add(my_add)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `torch.cat([a, b])` puts the rows of b below the rows of a. `new_text[partner]` is a
# matrix whose row $i$ is row `partner[i]` of `new_text`.
#
# </details>
# <details><summary>What you should see</summary>
#
# A ✔ verdict. **Now break it:** leave `partner` out. The shapes stay right, no
# error is raised, and every new picture has the caption of another. Only the values
# tell. For this reason the library keeps an id with every row.
#
# </details>

# %% [markdown]
# ## 2 · Learning
#
# Here is the library's way: `bank.add(pairs, image_encoder, text_encoder)`, or
# `bank.add(other_bank)` if the pairs are embedded already. On the disk, each edit makes
# a new **version** of the bank. Only the new rows are written: the cost depends on the
# added pairs, not on the size of the bank.
#
# We build a bank in a temporary folder and teach it in steps. A lesson of $m$ pairs per
# class holds the shorter lessons.
#
# **Before you run the next cell:** 200 pairs are to be added. Will it take
# milliseconds, seconds or minutes, when the embeddings are there?

# %%
from itertools import pairwise


def lesson(number, per_class):
    """A bank of `per_class` pairs of each class; two lessons share no picture."""
    first = number * most
    return pool.subset(
        [i for rows in by_class for i in rows[first : first + per_class]]
    )


sizes = [0, 1, 5, 10] if fast else [0, 1, 2, 5, 10, 20]
folder = tempfile.TemporaryDirectory()
bank.save(Path(folder.name) / "growing")
growing = AnchorBank.load(Path(folder.name) / "growing")
rows = [(growing.version, 0, len(growing), "–")]
for before, after in pairwise(sizes):
    new = pool.subset([i for rows_of in by_class for i in rows_of[before:after]])
    growing, took = timed(lambda growing=growing, new=new: growing.add(new))
    rows.append((growing.version, after, len(growing), f"{took:.3f}"))
columns = ["version", "pairs of each class", "anchors", "seconds for the edit"]
pd.DataFrame(rows, columns=columns).style.hide(axis="index")

# %%
growing.history()

# %% [markdown]
# **What you see.** Each row of the first table is an edit, and a new version. An edit
# writes some rows: milliseconds. It fits nothing, and touches no row that was there.
# Only the encoding of the new pictures, once before, takes longer.
#
# Did it help? For each size we choose $k/n$ and $p$ on the validation pictures, with
# the mean over all lessons, and then ask the test pictures. The other curve keeps the
# values of the stamps: $k = n/10$ and $p = 2$.
#
# **Before you run the next cell:** with 1 pair of each class, ten in all beside 793
# stamps, what accuracy do you expect? With 20? And how much will it matter *which*
# pictures were added?

# %%
from asif_book.lessons import learning_sweep

grid = ([0.02, 0.1], [2, 8]) if fast else ([0.02, 0.05, 0.1, 0.2], [1, 2, 4, 8, 16])
questions = (z_tried, tried.labels), (z_test, test_data.labels)
tables, chosen, right, kept = {}, {}, {}, {}  # by size; right, kept: (lessons, q) bool
for size in sizes:
    banks = [bank.add(lesson(i, size)) for i in range(lessons)] if size else [bank]
    found = learning_sweep(banks, labels_text, *questions, *grid)
    tables[size], chosen[size], right[size], kept[size] = found


def curve(right):
    """For each size the mean with its interval, and the mean of each lesson."""
    means = {
        size: mean_with_interval(r.mean(axis=0), seed) for size, r in right.items()
    }
    return {size: (means[size], r.mean(axis=1)) for size, r in right.items()}


compared = {
    "k and p chosen for each size": curve(right),
    "k = n/10, p = 2": curve(kept),
}
draw.show(draw.learning_curve(compared, chance=0.1))

# %% tags=["hide-input"]
# Show the accuracies in a table.
rows = []
for size, (mean, each) in curve(right).items():
    row = {
        "pairs of each class": size,
        "k/n, p, by validation": "{:g}, {:g}".format(*chosen[size]),
    }
    row["accuracy, mean of the lessons"] = str(mean)
    row["lessons, from … to …"] = f"{each.min():.1%} to {each.max():.1%}"
    rows.append(row | {"k = n/10, p = 2": f"{kept[size].mean():.1%}"})
pd.DataFrame(rows).style.hide(axis="index")

# %% tags=["hide-input"]
# Record two accuracies, and compare the settings of k and p.
for size in [size for size in (10, 20) if size in sizes]:
    mean, each = curve(right)[size]
    record(
        f"Fashion-MNIST, {10 * size} pairs added to the 793 stamps",
        mean,
        note=f"mean of {lessons} lessons, {each.min():.0%} to {each.max():.0%}; "
        "chance 10%",
    )
print("chosen k and p minus k = n/10 and p = 2:")
for size in sizes[1:]:
    a, b = right[size].mean(axis=0), kept[size].mean(axis=0)
    gain = in_points(paired_difference(a, b, seed))
    print(f"{size} of each class ({10 * size / len(bank):.1%} more pairs): {gain}")

# %% [markdown]
# **What you see.** Both lines climb steepest at their left end: the first ten pairs do
# most of it. The small dots are the lessons: they say how much it matters which pairs
# they were. With one pair of each class the dots are far apart; with more they come
# closer together. The bar through each mark is the interval over the test pictures, the
# dots are over lessons. They answer different questions, and a report should give both.
#
# And $k$ and $p$? The solid line with circles has the settings that validation chose
# for each bank, the dashed line with squares the settings of the stamps. The last
# printed lines compare the two on the same test pictures. The gain does not wait for a
# large edit: the smallest edit has it, too, and its interval lies above 0. Here is the
# sweep on the validation pictures before and after.
#
# **Before you run the next cell:** the added pictures are much more like the questions
# than any stamp is. Which settings will be bad then: small $k$ or large, small $p$ or
# large?

# %% tags=["hide-input"]
# Draw the accuracy for every k and p, before and after the longest lesson.
ends = {f"{size} pairs of each class": tables[size] for size in (0, sizes[-1])}
draw.show(draw.sweep_heatmaps(ends, value="accuracy, validation"))
for name, table in ends.items():
    low, high = table.value.min(), table.value.max()
    print(f"{name}, validation, over all settings: {low:.1%} to {high:.1%}")

# %% [markdown]
# **What you see.** In the left panel, before, no setting helps much: the framed cell is
# only a little better than its neighbours. The bottom row, a very small $k$, is worst,
# because no single stamp can be trusted. In the right panel, after, the bottom row is
# as good as any. The left column, a small $p$, is bad in the rows of many anchors.
# There many stamps that are only a little similar outvote the few near pictures. From
# the middle column on, a larger $p$ brings next to nothing.
#
# The chosen settings stand in the table above. With cells so near to each other,
# another validation split may well choose others. So choose again after an edit, even a
# small one. It costs a look at the validation pictures, and the lines above say how
# much it brings.
#
# ### Two switches more
#
# `ASIF` has two more settings. With `hubs` an anchor of a dense region weighs less.
# With `whiten` the directions in which the bank's pictures vary most no longer decide
# all cosines. [Chapter 09](09_the_paper.ipynb), section 3, explains both. They are off
# by default. Clothes are of another kind than stamps: should we switch them on here?
# Ten pairs of each class are added. As before, the validation pictures choose all four
# settings, with the mean over the lessons. Then the test pictures are asked once.
#
# **Before you run the next cell:** chosen $k$ and $p$ brought some points. Will the two
# switches bring more, or less?

# %% tags=["hide-input"]
# Choose the two switches on the validation pictures, and measure on the test pictures.
from asif_book.lessons import switch_sweep

taught = [bank.add(lesson(i, 10)) for i in range(lessons)]
switches = (0, 0.25, 0.5), (None, 0.5, 0.8)  # hubs, whiten
asked = z_tried, tried.labels
table = switch_sweep(taught, labels_text, asked, [0.1, 0.2], [1, 2, 4], *switches)
best = table.loc[table.value.idxmax()]
settings = {"k": int(best.k), "p": int(best.p)}
settings |= {"hubs": float(best.hubs), "whiten": best.whiten}


@for_small_matrices()
def with_switches(banks):
    """Ask the test pictures with the chosen settings: the answers, (lessons, q)."""
    models = [ASIF(taught, **settings, device=device) for taught in banks]
    scores = [model.similarity(z_test, labels_text) for model in models]
    given = torch.stack(scores).argmax(dim=2).numpy()
    return given == test_data.labels


switched = with_switches(taught)
mean, each = mean_with_interval(switched.mean(axis=0), seed), switched.mean(axis=1)
gain = paired_difference(switched.mean(axis=0), right[10].mean(axis=0), seed)
print(f"chosen: {settings}")
print(f"with the switches: {mean}; lessons {each.min():.1%} to {each.max():.1%}")
print(f"minus chosen k and p alone: {in_points(gain)}")
record(
    "Fashion-MNIST, 100 pairs added to the 793 stamps, hubs and whitening chosen",
    mean,
    note=f"inductive; mean of {lessons} lessons, {each.min():.0%} to {each.max():.0%}",
)
table["whiten"] = [f"{w:g}" if w else "off" for w in table.whiten]
table["hubs"] = table.hubs.map("{:g}".format)
table.pivot_table("value", "hubs", "whiten", "max").style.format("{:.1%}")

# %% [markdown]
# **What you see.** The table holds the validation accuracy for each pair of switches,
# with the best $k$ and $p$. Rows are `hubs` (0 is off), columns are `whiten`. The upper
# right cell is the method without both. The best cells have close neighbours: do not
# carry these values to other pictures. The printed lines compare on the test
# pictures: the interval of the gain lies above 0. Both switches look at the bank only,
# so each picture still gets its answer alone. The rest of the chapter leaves them off.
#
# Now look at some answers. Below the figure is a knob: the same twelve test pictures
# after another number of pairs. (The knob needs a running kernel. The figure does not.)
#
# **Before you turn it:** which class will be learned first, and which last? And can a
# picture be lost again when more pairs of its class are added?

# %% tags=["hide-input"]
# Draw twelve answers, and open the knob: the size of the lesson.
from IPython.display import display

from asif_book.widgets.parts import Answer, Knob, words_above

shown = np.random.default_rng(seed).permutation(len(test_data))[:12]
shown_pictures = [enlarged(view(test_data.pictures[i])) for i in shown]
true = [classes[label] for label in test_data.labels[shown]]


def answers_after(size):
    """Twelve test pictures with the labels that they get after a lesson."""
    taught = bank.add(lesson(0, size)) if size else bank
    k, p = max(1, round(chosen[size][0] * len(taught))), chosen[size][1]
    model = ASIF(taught, k, p, device=device, text_encoder=text_encoder)
    given = model.classify(z_test[shown.tolist()], classes).best
    right = sum(np.equal(given, true))
    title = f"With {size} pairs of each class {right} of 12 get their class"
    return draw.labelled_pictures(shown_pictures, given, true, title=title)


def step(size):
    figure = answers_after(size)
    return words_above((figure, figure.alt))


draw.show(answers_after(sizes[-1]))
knob, answer = Knob("pairs of each class", sizes, 0), Answer()
answer.follow(step, knob)
display(knob, answer)

# %% tags=["hide-input"]
# Show the accuracy of each class in a table.
of_class = [test_data.labels == c for c in range(len(classes))]  # (q,) bool each
table = pd.DataFrame(
    {size: [right[size].mean(axis=0)[of].mean() for of in of_class] for size in sizes},
    index=classes,
)
table = table.sort_values(sizes[-1], ascending=False, kind="stable")
print("accuracy on the test pictures of each class, mean of the lessons,")
print("against the pairs of each class")
table.style.format("{:.0%}")

# %% [markdown]
# **What you see.** A ✔ marks a right label, a ✘ with a thick frame a wrong one; the
# true label stands in brackets. Twelve pictures are an illustration; the table counts
# all test pictures of each class (its columns: pairs of each class). Boots, trousers
# and bags have outlines of their own and end at the top. At the bottom stand the
# garments with sleeves: they share an outline, and at this size people mix them up as
# well. And not every right picture stays right: look at the row of the t-shirt. Before
# any lesson, this label took many garments with sleeves (its dark column in chapter
# 05), and so the t-shirts, too. Then the other garments got pairs that speak for them.
# A curve that rises on average loses some pictures on its way.
#
# ### Exercise 07.2 · A mean without a second look
#
# **Difficulty** ●●○○○ · **Minutes** 7
#
# The mean is subtracted from every picture, so each edit changes it. A bank of 1.6
# million anchors should not be read again for that. You have the mean of the $n$ old
# rows, the $m$ rows that come, and the $r$ rows that go (they are among the $n$).
# Return the mean of the $n + m - r$ rows after the edit. Either $m$ or $r$ may be 0.


# %% tags=["exercise"]
def my_mean(
    mean: torch.Tensor, n: int, added: torch.Tensor, removed: torch.Tensor
) -> torch.Tensor:
    """The mean after an edit.

    mean: (d,), of n rows; added: (m, d); removed: (r, d), rows that are part of the n;
    returns (d,).
    """
    ### BEGIN SOLUTION
    total = n * mean + added.sum(dim=0) - removed.sum(dim=0)
    return total / (n + len(added) - len(removed))
    ### END SOLUTION


# %% tags=["check"]
check_running_mean(my_mean)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Means do not add up; sums do. What is the sum of $n$ rows whose mean you know? And
# what is the sum of no rows?
#
# </details>
# <details><summary>What you should see</summary>
#
# A ✔ verdict. The library keeps the sums as whole numbers in a fixed unit instead
# of floating-point numbers. So after a thousand edits the mean is the same, bit for
# bit, as the mean of a rebuilt bank.
#
# </details>

# %%
rebuilt = growing.subset(slice(None))  # the same rows, in memory, as if built at once
equal = torch.equal(growing.image_mean, rebuilt.image_mean)
print("means of the edited bank and of a rebuilt one are equal:", equal)

# %% [markdown]
# ## 3 · Did anything change elsewhere?
#
# A network that is trained further on new data forgets old things; the field calls it
# catastrophic forgetting. Does an edited bank forget? We hold the test stamps out: 643
# stamps are the anchors, the other 150 are the questions, as in chapter 05. The measure
# is the mean recall of chapter 04: for each stamp the mean of "first" and "among the
# first ten", over both directions.
#
# "We found no significant difference" would prove nothing: with few questions one never
# does. A proof of **equivalence** names a **margin** beforehand, the largest change
# that one would shrug off. (The figure below draws it: the margin is the band between
# the dashed lines.) Then it shows that the whole interval of the paired difference lies
# within the margin. Our margin is 5 points. To be honest: we settled on it while
# writing this chapter, after a first look at intervals like these. Yours should come
# first.
#
# ### Exercise 07.3 · Prove that nothing changed
#
# **Difficulty** ●●●●○ · **Minutes** 15
#
# The same questions were answered before and after an edit. Say one of three things
# about the mean of `after` minus `before`, by its 95 % interval, question by question:
#
# - `"unchanged"`: the whole interval lies between minus the margin and the margin;
# - `"changed"`: the whole interval lies beyond the margin, on one side or the other;
# - `"cannot tell"`: anything else.
#
# `paired_difference(a, b)` from `asif_lib.evaluation` gives you the interval of the
# mean of $a - b$: its `.low` and `.high`. The mean ± 1.96 standard errors does as well.


# %% tags=["exercise"]
def my_verdict(before: torch.Tensor, after: torch.Tensor, margin: float) -> str:
    """Whether an edit changed the answers by more than a margin.

    before, after: (n,) float32, result of each question; margin: above 0, in the same
    unit; returns "unchanged", "changed" or "cannot tell".
    """
    ### BEGIN SOLUTION
    gap = paired_difference(after, before)
    if -margin < gap.low and gap.high < margin:
        return "unchanged"
    return "changed" if gap.low > margin or gap.high < -margin else "cannot tell"
    ### END SOLUTION


# %% tags=["check"]
check_unchanged(my_verdict)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Draw a line with 0, the margin and minus the margin on it, and lay intervals over it:
# short and long ones, with and without 0. Which of the three answers does each deserve?
# There is one that misses 0 and is "unchanged" all the same.
#
# </details>
# <details><summary>What you should see</summary>
#
# A ✔ verdict. One input has very few questions: it can tell nothing, though the
# measured change is 0. Another has a real change that is too small to matter.
#
# </details>

# %% [markdown]
# Now the stamps. "Before" is the bank of 643 stamps with $k = 64$ and $p = 2$. "After"
# has the longest lesson in it, once with the same $k$ and $p$, once with the values
# that we chose for Fashion-MNIST.
#
# **Before you run the next cell:** where will the interval be longer, and will both lie
# within 5 points?

# %% tags=["hide-input"]
# Measure the recall of the stamps before and after the lessons.
from asif_book.measuring import recall_of_pairs
from asif_lib.evaluation import same_text

MARGIN = 0.05
questions = bank.subset(stamps.splits["test"])  # 150 stamps
old = bank.subset(stamps.splits["train"] + stamps.splits["validation"])  # 643 anchors
captions = questions.pairs.caption.tolist()
same = same_text(captions, captions)  # (150, 150) bool


def recall_of_stamps(bank, k, p):
    """For each held-out stamp the mean of R@1 and R@10 over both directions, (150,)."""
    model = ASIF(bank, k, p, device=device)
    return recall_of_pairs(model.similarity(questions.image, questions.text), same)


def in_words(gap):
    """A difference in points, and whether its interval lies within the margin."""
    shown = gap.low > -MARGIN and gap.high < MARGIN
    verdict = "unchanged" if shown else "not shown to be unchanged"
    return f"{in_points(gap)}, {verdict} within 5 points"


k_old = round(k_share * len(old))
taught = [old.add(lesson(i, sizes[-1])) for i in range(lessons)]
fraction, p_new = chosen[sizes[-1]]
k_new = round(fraction * len(taught[0]))
before = recall_of_stamps(old, k_old, 2)
after = {
    f"as before: k = {k_old}, p = 2": [recall_of_stamps(b, k_old, 2) for b in taught],
    f"chosen again: k = {k_new}, p = {p_new:g}": [
        recall_of_stamps(b, k_new, p_new) for b in taught
    ],
}
gaps = {
    name: paired_difference(np.mean(found, axis=0), before, seed)
    for name, found in after.items()
}

# %% tags=["hide-input"]
# Draw and record the change of the recall.
xlabel = "change of mean recall, points; 95 % interval"
draw.show(draw.within_margin(gaps, MARGIN, xlabel=xlabel))
gap = next(iter(gaps.values()))
record(
    f"stamps after {10 * sizes[-1]} pairs of clothing were added: "
    "change of mean recall",
    100 * gap,
    unit="points",
    note=f"same k and p; mean of {lessons} lessons; margin 5 points",
)
print(f"before: {mean_with_interval(before, seed)}")
for name, gap in gaps.items():
    print(f"{name}: {in_words(gap)}")

# %% [markdown]
# **What you see.** Each dot is a change, the line through it the interval; "unchanged"
# means that the whole line lies between the dashed lines. In the upper row, with the
# same $k$ and $p$, the line is short, since most stamps keep their anchors. A picture
# of clothing is in the top $k$ of few stamps. The mean moves, and with it every cosine
# a little. In the lower row, new $k$ and $p$ change more, for better and for worse.
# Choosing again is an edit, too, and it must be tested like one. A model for both kinds
# of picture should choose on both.

# %% [markdown]
# ## 4 · Forgetting
#
# ### Exercise 07.4 · Forget a group
#
# **Difficulty** ●●●○○ · **Minutes** 10
#
# The opposite of learning. Groups are paths: `food/fruit` lies in `food`, and
# `foodstuff` does not. Remove a group and everything below it from both matrices. The
# other rows keep their order. Return, as the third result, the position of each row in
# the old bank: so the table with the captions can follow.


# %% tags=["exercise"]
def my_forget(
    image: torch.Tensor, text: torch.Tensor, groups: list[str], group: str
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The bank without a group and its subgroups.

    image: (n, d_image), text: (n, d_text), groups: n paths;
    returns image (m, d_image), text (m, d_text) and the positions (m,) int64 in the old
    bank.
    """
    ### BEGIN SOLUTION
    keep = [g != group and not g.startswith(group + "/") for g in groups]
    keep = torch.tensor(keep)
    return image[keep], text[keep], keep.nonzero()[:, 0]
    ### END SOLUTION


# %% tags=["check"]
check_forget(my_forget)

# %% [markdown]
# <details><summary>Hint</summary>
#
# One mask for both matrices: a tensor of $n$ bools, True where the row stays. A path
# belongs to `food` if it begins with `food/`, or is `food` itself.
# `mask.nonzero()[:, 0]` lists the positions where it is True.
#
# </details>
# <details><summary>What you should see</summary>
#
# A ✔ verdict. **Now break it:** return `text` as it was. No error is raised until
# somebody asks for a picture's caption, and then each answer is a caption from some
# rows further up.
#
# </details>

# %% [markdown]
# **A class.** The condition is written as for a table:
# `bank.remove(where="group = 'fashion_mnist/bag'")`. `group` is a column of
# `bank.pairs`, and so are `id`, `caption` and `picture`.
#
# **Before you run the next cell:** the model has learned all ten classes and now
# forgets the bags, while "bag" stays among the labels. What accuracy will be left on
# bags: none, chance, or the same as before any lesson? And on the other nine classes?

# %%
FORGOTTEN = "bag"
full = bank.add(lesson(0, sizes[-1]))
condition = f"group = 'fashion_mnist/{FORGOTTEN}'"
without_bags, took = timed(lambda: full.remove(where=condition))
print(f"{len(full) - len(without_bags)} pairs removed in {took:.3f} seconds")
k_full = round(fraction * len(full))
answered = {
    name: right_answers(b, z_test, test_data.labels, k_full, p_new)
    for name, b in (("before", full), ("bags forgotten", without_bags))
}
by_label = {
    name: {
        c: mean_with_interval(found[of], seed)
        for c, of in zip(classes, of_class, strict=True)
    }
    for name, found in answered.items()
}
xlabel = "accuracy on the test pictures of each class, with 95 % interval"
draw.show(draw.interval_dots(by_label, xlabel=xlabel, chance=0.1))

# %% tags=["hide-input"]
# Measure what the removal changed elsewhere.
is_bag = of_class[classes.index(FORGOTTEN)]
k = round(k_share * len(bank))
answered["before any lesson"] = right_answers(bank, z_test, test_data.labels, k, 2)
for name, found in answered.items():
    print(f"bags, {name}: {mean_with_interval(found[is_bag], seed)}")
a, b = (answered[name][~is_bag] for name in ("bags forgotten", "before"))
print(f"other classes, after minus before: {in_words(paired_difference(a, b, seed))}")
small = taught[0].remove(where=condition)
a, b = (recall_of_stamps(x, k_old, 2) for x in (small, taught[0]))
print(f"held-out stamps: {in_words(paired_difference(a, b, seed))}")

# %% [markdown]
# **What you see.** In the row of the bag, the square (bags forgotten) is far from the
# circle (before). In all other rows the two lie together: the bags are gone, and
# nothing else went with them. Accuracy on bags falls to nothing, far below its value
# before any lesson. How? Before, a picture of a bag had only stamps to turn to. Now it
# is most similar to the other grey pictures of clothing, which all speak for other
# classes. Forgetting a class is not going back in time.
#
# Note the limit of forgetting: the picture encoder still knows the look of a bag, and a
# few stamps may show bags. The *pairs* are forgotten, exactly; no more was promised.
#
# **A contributor.** Ben wants his pictures back. That is a right in many countries, and
# here it is one line, if the table says who gave what. We add a column for it. Ben's
# captions have words of their own, so that we can look for them afterwards, in the
# files.
#
# `remove` only *marks* pairs as removed: that is quick, and it can be undone. `compact`
# writes the other pairs into new files and deletes the old files, with their history.
#
# **Before you run the next cell:** after `remove`, are Ben's captions still on the
# disk? After `compact`?

# %% tags=["hide-input"]
# Add Ben's pairs, remove them, compact the bank, and look into its files.
from asif_book.lessons import files_hold

BEN = "from Ben's wardrobe"


def given_by(bank, name):
    return bank.replace(pairs=bank.pairs.assign(contributor=name))


last_of_each = pool_pairs.subset([rows_of[-1] for rows_of in by_class])
captions = [caption.replace(".", f" {BEN}.") for caption in last_of_each.captions]
ids = ["ben/" + pair_id for pair_id in last_of_each.ids]
bens_pairs = replace(last_of_each, captions=captions, ids=ids)
bens = bank.embed(bens_pairs, image_encoder, text_encoder, progress=False)
draw.show(draw.show_pictures(bens_pairs.pictures, captions, columns=5))
home = Path(folder.name) / "shared"
given_by(bank, "Tux Paint").save(home)
shared = AnchorBank.load(home).add(given_by(lesson(0, 1), "Ada"))

edits = {
    "Ben's pairs added": lambda bank: bank.add(given_by(bens, "Ben")),
    "removed": lambda bank: bank.remove(where="contributor = 'Ben'"),
    "compacted": lambda bank: bank.compact(),
}
rows, histories = [], {}
for edit, run in edits.items():
    shared, took = timed(lambda run=run, bank=shared: run(bank))
    rows.append(
        {
            "edit": edit,
            "pairs": len(shared),
            "of them Ben's": (shared.pairs.contributor == "Ben").sum(),
            "his caption in the files": files_hold(home, BEN),
            "his first embedding in the files": files_hold(home, bens.image[0]),
            "seconds": f"{took:.3f}",
        }
    )
    histories[edit] = shared.history()
pd.DataFrame(rows).style.hide(axis="index")

# %% tags=["hide-input"]
# Show the history of the bank, before and after.
display(histories["removed"], histories["compacted"])

# %% [markdown]
# **What you see.** Look along the row “removed”. The model no longer uses the pairs,
# and the files still hold them. In the row “compacted” they are gone from the bank's
# files, and so is the history, which had named the condition. Two things are outside
# the bank: Ben's pictures themselves, and the *cache of embeddings*, which knows each
# picture by its checksum. A promise of deletion must empty the cache as well, and
# backups, and copies. A promise is as good as the list of places that it covers.

# %% [markdown]
# ## 5 · Versions
#
# As long as a bank is not compacted, each edit can be undone. `diff` lists the changes
# from one bank to another.

# %%
latest = growing.remove(where="group = 'fashion_mnist/shirt'")
change = growing.diff(latest)
removed = change.change.value_counts()["removed"]
back = latest.undo()
print(f"version {growing.version} to {latest.version}: {removed} pairs removed")
same_bank = growing.diff(back).empty
print(
    f"undone: version {back.version}, {len(back)} pairs; nothing differs: {same_bank}"
)
change.head(3).style.hide(axis="index")

# %% [markdown]
# ## 6 · A poisoned pair
#
# A contributor who may add pairs may also add a wrong one. We plant a single pair in a
# bank with a short lesson: a picture of an ankle boot, with the caption "a photo of a
# dress.". Which picture? We take the one that does most harm on the validation
# pictures: a person with bad intentions would find it by trying. (We found the two
# classes in the same way; most others do less.) Suppose that nobody tells us which pair
# it was. We only notice, on the validation pictures, that something has become worse.
#
# **Before you run the next cell:** one pair among some 800. By how many points can it
# lower the accuracy? On which class?

# %% tags=["hide-input"]
# Plant each wrong pair in turn, and keep the most harmful one.
VICTIM, LIE = classes.index("ankle boot"), classes.index("dress")
short = min(2, sizes[-1])
healthy = bank.add(lesson(0, short))
rows_of_victim = [i for i in by_class[VICTIM] if i not in set(by_class[VICTIM][:most])]
of_victim = pool.subset(rows_of_victim)  # pictures that no first lesson holds
short_fraction, short_p = chosen.get(short, chosen[1])
k_short = round(short_fraction * len(healthy))
victims = tried.labels == VICTIM  # (300,) bool


def with_a_lie(row):
    """The pair of one picture of an ankle boot with the wrong caption."""
    pair = of_victim.subset([row])
    caption = DEFAULT_TEMPLATE.replace("{}", classes[LIE])
    table = pair.pairs.assign(id="planted", caption=caption, group="unknown")
    return pair.replace(text=labels_text[[LIE]], pairs=table)


def answers_of(bank, rows):
    """Which of these validation pictures get their class, (rows,) bool."""
    return right_answers(bank, z_tried[rows], tried.labels[rows], k_short, short_p)


harmed = [
    answers_of(healthy.add(with_a_lie(i)), victims) for i in range(len(of_victim))
]
worst = int(np.argmin([answers.sum() for answers in harmed]))  # of equals, the first
planted = with_a_lie(worst)
poisoned = healthy.add(planted)
everybody = np.ones(len(tried), bool)
for name, rows in (("all classes", everybody), ("ankle boot only", victims)):
    before, after = (answers_of(b, rows) for b in (healthy, poisoned))
    print(f"validation, {name}: {before.mean():.1%} before, {after.mean():.1%} after")
    print(f"    {in_points(paired_difference(after, before, seed))}")

# %% [markdown]
# **What you see.** Compare “before” and “after” in each line: one pair does visible
# harm if its picture is near to many others. Now find it. A score is a sum over
# anchors, so we can ask each anchor for its contribution.
#
# ### Exercise 07.5 · Who did the harm?
#
# **Difficulty** ●●●○○ · **Minutes** 12
#
# You have the vectors of $q$ pictures and of the $c$ prompts, over the same $n$
# anchors, and the true classes. A picture is given the class whose prompt has the
# largest dot product with it. Anchor $j$ contributes to a class the picture's entry $j$
# times the prompt's entry $j$. The **harm** of an anchor, on one picture, is its
# contribution to the given class minus its contribution to the true class. Return its
# mean over all pictures. (For a picture that got its class, every harm is 0.)


# %% tags=["exercise"]
def my_harm(
    images: torch.Tensor, prompts: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor:
    """How much each anchor speaks for the class given and against the true one.

    images: (q, n), prompts: (c, n), dense sparse vectors, no entry below 0;
    labels: (q,) int64, the true classes; returns (n,).
    """
    ### BEGIN SOLUTION
    given = (images @ prompts.T).argmax(dim=1)
    return (images * (prompts[given] - prompts[labels])).mean(dim=0)
    ### END SOLUTION


# %% tags=["check"]
check_harm(my_harm)

# %% [markdown]
# <details><summary>Hint</summary>
#
# First the class given to each picture. `prompts[given]` is then a (q, n) matrix: for
# each picture the prompt of its class. Multiply it with the pictures, entry by entry.
#
# </details>
# <details><summary>What you should see</summary>
#
# A ✔ verdict. The library's `influence(images, prompts, given, against=labels)` is
# the same sum without dense matrices.
#
# </details>

# %% [markdown]
# **Before you run the next cell:** will the planted pair come first of all anchors? And
# will the audit of chapter 06 find it? The audit asks of each pair whether the *other*
# pairs agree with it.

# %%
from asif_lib.encoders import open_picture
from asif_lib.explain import influence

model = ASIF(poisoned, k_short, short_p, device=device)
images, prompts = model.images(z_tried[victims]), model.texts(labels_text)
given = images.similarity(prompts).argmax(dim=1).tolist()
truth = tried.labels[victims].tolist()
suspects = influence(images, prompts, given, poisoned.pairs, against=truth)
harm = np.zeros(len(poisoned))  # of each anchor
harm[suspects.anchor] = suspects.contribution
draw.show(draw.harm_profile(harm, poisoned.pairs.caption.tolist()))
print(f"{(harm > 0).sum()} of {len(harm)} anchors do any harm on ankle boots")

# %% tags=["hide-input"]
# Draw the five most harmful anchors.
ids, pictures = stamps.ids + pool_pairs.ids, stamps.pictures + pool_pairs.pictures
pictures_of = dict(zip(ids, pictures, strict=True))
pictures_of["planted"] = pictures_of[of_victim.pairs.id[worst]]
top = suspects.head(5)
draw.show(
    draw.show_pictures(
        [enlarged(open_picture(pictures_of[i])) for i in top.id],
        [f"{row.caption} {100 * row.contribution:.1f}" for row in top.itertuples()],
        columns=5,
        title="most harm, in hundredths of a score",
    )
)

# %% tags=["hide-input"]
# Print the place of the planted pair in both lists.
from asif_lib.explain import rank_pairs

audit = rank_pairs(poisoned)
places = [int(t.index[t.id == "planted"][0]) + 1 for t in (suspects, audit)]
print(f"place of the planted pair by harm on ankle boots: {places[0]}")
print(f"place in the audit of the whole bank: {places[1]} of {len(audit)}")
seen_there = "yes" if places[1] <= 12 else "no"
print(f"among the twelve that chapter 06 looks at: {seen_there}")

# %% [markdown]
# **What you see.** A green bar is the harm of an anchor, and the longest stands on top.
# But look at the pictures, not at the bars alone. An ankle boot with the caption of a
# dress is wrong for anybody who sees it. An anchor may do harm and still be right: a
# sneaker may look like a boot. So the bars name suspects, and a person decides.
#
# Does the audit of chapter 06 find it? The last line answers. The audit looks for pairs
# that the others contradict. The others are stamps and a few pictures of clothing, in
# grey like this one: they hardly know enough to contradict. A lie shows here on a
# question on which it does harm.
#
# Now take out the suspect that we have looked at, and measure on the *test* pictures,
# which had no part in finding it.

# %%
healed = poisoned.remove(ids=["planted"])
answers = {
    name: right_answers(b, z_test, test_data.labels, k_short, short_p)
    for name, b in (("healthy", healthy), ("poisoned", poisoned), ("healed", healed))
}
for name, found in answers.items():
    print(f"{name}: {mean_with_interval(found, seed)}")
gap = paired_difference(answers["healed"], answers["poisoned"], seed)
print(f"healed minus poisoned: {in_points(gap)}")
same_answers = np.array_equal(answers["healed"], answers["healthy"])
print(f"healed and healthy banks give the same answers: {same_answers}")

# %% tags=["hide-input"]
# Plant the same pair in a larger bank, and then the pair that harms this bank most.
crowded = bank.add(lesson(0, sizes[-1]))
asked = z_tried[victims], tried.labels[victims]
harmed = [
    right_answers(crowded.add(with_a_lie(i)), *asked, k_full, p_new).sum()
    for i in range(len(of_victim))
]
honest = right_answers(crowded, z_test, test_data.labels, k_full, p_new)
gaps = {}
for name, row in (("the same pair", worst), ("its own worst", int(np.argmin(harmed)))):
    b = crowded.add(with_a_lie(row))
    lied_to = right_answers(b, z_test, test_data.labels, k_full, p_new)
    gaps[name] = in_points(paired_difference(lied_to, honest, seed))
print(f"beside {sizes[-1]} pairs of each class:")
print("\n".join(f"   {name}: {gap}" for name, gap in gaps.items()))

# %% [markdown]
# **What you see.** The line “healed” repeats the line “healthy”: the healed bank is the
# healthy bank, exactly. The last lines are a second lesson. We searched the larger bank
# for a liar of its own, and that does less harm than ours did in the small bank: beside
# many honest neighbours one liar is outvoted.

# %% [markdown]
# ## 7 · Which pairs to add?
#
# Each pair costs somebody a caption. If you may add only one or two of each class,
# which? The dots of the learning curve say that it matters a good deal. The pool is
# labelled here, so that you can choose by class; in life one would look at many
# pictures and write captions for a few.

# %%
per_class = 1
task = LessonTask(
    (bank.image, bank.text),
    (pool.image, torch.from_numpy(part.labels)),
    labels_text,
    (z_tried, torch.from_numpy(tried.labels)),
    (z_test, torch.from_numpy(test_data.labels)),
    per_class=per_class,
    seed=seed,
)
chance = np.mean([task.measure(other).float().mean() for other in task.random])
print(f"{per_class} of each class, drawn at random, validation: {chance:.1%}")
print(f"(mean of {len(task.random)} lessons)")

# %% [markdown]
# ### Exercise 07.6 · Ten pictures, well chosen
#
# **Difficulty** ●●●●● · **Minutes** 20
#
# An open question. Choose `per_class` pictures of each class from the pool, by looking
# at the embeddings of the pool alone. The model is taught these, with $k = n/10$ and
# $p = 8$, and must do better than after random lessons. People have had two ideas: the
# most **typical** pictures, and the most **diverse** ones (farthest first, as in
# exercise 02.5). Which is better for one picture of each class? And for five? (For
# five, set `per_class = 5` in the cell above, run it and the check again.)
#
# `task.measure(my_lesson(*task.pool, per_class))` tells for each validation picture
# whether it gets its class. Use it as often as you like, in a cell of your own. The
# check opens the test pictures. Each further lesson that it judges makes the interval
# wider, as in chapter 05; the same lesson again is no new look. Running the cell that
# makes `task` sets the count of looks back to 0. So settle on your lesson by
# `task.measure` first.


# %% tags=["exercise"]
def my_lesson(
    image: torch.Tensor, labels: torch.Tensor, per_class: int
) -> torch.Tensor:
    """Positions in the pool of the pictures to teach, per_class of each class.

    image: (m, d), embeddings of the pool; labels: (m,) int64, classes 0 to c - 1;
    returns (c * per_class,) int64.
    """
    ### BEGIN SOLUTION
    directions = torch.nn.functional.normalize(image - image.mean(dim=0), dim=1)
    chosen = []
    for c in range(int(labels.max()) + 1):
        rows = (labels == c).nonzero()[:, 0]
        own = directions[rows]
        likeness = own @ own.mean(dim=0)  # the mean cosine with its own class
        chosen.append(rows[likeness.topk(per_class).indices])
    return torch.cat(chosen)
    ### END SOLUTION


# %% tags=["check"]
check_lesson(my_lesson, task)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `(labels == c).nonzero()[:, 0]` lists the positions of class $c$ in the pool. Draw a
# class as a cloud of points. One picture shall answer for as many questions as
# possible: where in the cloud would you put it? Which number, computed from the cosines
# within the class, is large there? And what do the five best by that number have in
# common: do they help each other?
#
# </details>
# <details><summary>What you should see</summary>
#
# A ✔ verdict with a gain of many points. A picture that is near to many questions
# at once earns its caption; a picture that is near to few wastes it. With more pictures
# of each class the advantage shrinks. Keep what `task.measure` says of the losing idea,
# too; the rest of this section measures one of the two for several sizes.
#
# </details>

# %% [markdown]
# How far does this carry? Typical pictures against random lessons, for several sizes,
# on the test pictures.
#
# **Before you run the next cell:** at which size will the random lessons have caught
# up? (Remember the cost: to know which picture is typical, the whole pool was looked
# at, though not captioned.)


# %% tags=["hide-input"]
# Choose typical pictures, measure what they teach, and draw the curve.
def typical_lesson(per_class):
    """The pairs of each class with the largest mean cosine with their class."""
    directions = pool.image - pool.image_mean
    directions = torch.nn.functional.normalize(directions, dim=1)  # (m, 1280)
    rows = []
    for own in by_class:
        x = directions[own.tolist()]
        rows += own[(x @ x.mean(dim=0)).topk(per_class).indices.numpy()].tolist()
    return pool.subset(rows)


typical = {}  # by size: (q,) bool
for size in sizes[1:]:
    taught_typical = bank.add(typical_lesson(size))
    k = max(1, round(chosen[size][0] * len(taught_typical)))
    p = chosen[size][1]
    typical[size] = right_answers(taught_typical, z_test, test_data.labels, k, p)
means = {size: (mean_with_interval(r, seed), []) for size, r in typical.items()}
random_lessons = {size: c for size, c in curve(right).items() if size}
compared = {"typical pictures": means, "drawn at random": random_lessons}
draw.show(draw.learning_curve(compared, chance=0.1))

# %% tags=["hide-input"]
# Record the accuracy, and compare typical with random lessons.
found, _ = means[1]
record(
    "Fashion-MNIST, 10 pairs added to the 793 stamps, the most typical picture of each "
    "class",
    found,
    note=f"drawn at random: {right[1].mean():.0%}",
)
for size, answers in typical.items():
    gap = in_points(paired_difference(answers, right[size].mean(axis=0), seed))
    both = f"typical {answers.mean():.1%}, random {right[size].mean():.1%}"
    print(f"{size} of each class: {both}, difference {gap}")

# %% [markdown]
# **What you see.** At the left end the solid line (typical pictures) is far above the
# dashed line (drawn at random). To the right they meet. A few well-chosen pairs teach
# as much as many random ones. Nothing was trained for this either: to choose is to look
# at the pool.
#
# ### A hundred pairs, well chosen
#
# Typical pictures resemble each other. So the tenth typical shirt teaches little that
# the first did not. And a real pool has no labels: it has no “each class”. Here is an
# idea that needs none. Divide the whole pool into a hundred **clusters**, groups of
# pictures that are close to each other (k-means of scikit-learn). From each cluster
# take the picture next to its centre, and write captions for these hundred only.
#
# K-means begins at random centres. So each seed gives another lesson. All settings stay
# as section 2 chose them for random lessons. So only the pairs differ.
#
# **Before you run the next cell:** five random lessons of a hundred pairs stand in
# section 2. By how many points will the chosen pairs beat them? Will each class get ten
# captions?

# %% tags=["hide-input"]
# Choose a hundred pictures by clusters, teach them with the switches, and measure.
from sklearn.cluster import KMeans


def next_to_centres(i, count=100):
    """One row of the pool for each cluster; the labels are not looked at."""
    x = torch.nn.functional.normalize(pool.image - pool.image_mean, dim=1).numpy()
    clusters = KMeans(count, n_init=3, random_state=i).fit(x)  # of (m, 1280)
    likeness = (x * clusters.cluster_centers_[clusters.labels_]).sum(axis=1)
    return pd.Series(likeness).groupby(clusters.labels_).idxmax().tolist()


rows = [next_to_centres(i) for i in range(lessons)]
answers = with_switches([bank.add(pool.subset(own)) for own in rows])
found, each = mean_with_interval(answers.mean(axis=0), seed), answers.mean(axis=1)
gain = paired_difference(answers.mean(axis=0), switched.mean(axis=0), seed)
record(
    "Fashion-MNIST, 100 pairs chosen by clusters, added to the 793 stamps, hubs and "
    "whitening chosen",
    found,
    note=f"inductive; mean of {lessons} lessons, {each.min():.0%} to {each.max():.0%}",
)
captions = [np.bincount(part.labels[own], minlength=len(classes)) for own in rows]
print(f"captions of a class: {np.min(captions)} to {np.max(captions)}")
print(f"accuracy: {found}; lessons {each.min():.1%} to {each.max():.1%}")
print(f"minus the random lessons: {in_points(gain)}")
at_random = mean_with_interval(switched.mean(axis=0), seed)
means = {"drawn at random": at_random, "next to centres": found}
xlabel = f"accuracy, mean of {lessons} lessons of 100 pairs; 95 % interval"
draw.show(draw.interval_dots({"with the switches": means}, xlabel=xlabel))

# %% [markdown]
# **What you see.** The lower dot, the chosen pairs, is to the right of the random ones.
# The two share their questions, so read the printed difference: its interval begins
# close to 0, and the proof is weak. And the lessons differ: k-means from another seed
# is another lesson. The classes get unequal numbers of captions, because no label was
# looked at. So a pool without labels is enough, and only a hundred captions are
# written. Here the pool holds equally many pictures of each class. A real pool may be
# less even.

# %% [markdown]
# ## 8 · Another new world: satellite pictures
#
# The paper's authors tell this story with EuroSAT, satellite pictures of ten kinds of
# land. With `profile = "hub"` the next cell does the same with the larger encoders:
# torchvision downloads EuroSAT (about 90 MB), the folder names become words, and
# everything else is the code from above. In the offline profile it says so and does
# nothing.
#
# **Before you run it (in the hub profile):** with no pair added, will the model be
# nearer to chance than with clothes, or farther?


# %% tags=["hide-input"]
# Teach satellite pictures, where the internet is at hand.
def teach_land(land):
    """The curves of section 2 for EuroSAT: chosen k and p, and the answers by size."""
    part = land.split("train").sample(10 * most * lessons, seed)
    held_out = [
        land.split(split).sample(len(like), seed)
        for split, like in (("validation", tried), ("test", test_data))
    ]
    land_pool = bank.embed(captioned(part, lambda x: x), image_encoder, text_encoder)
    rows = [np.flatnonzero(part.labels == c) for c in range(len(land.classes))]
    prompts = embed(text_encoder, make_prompts(land.classes, [DEFAULT_TEMPLATE]))
    questions = [
        (embed(image_encoder, data.pictures), data.labels) for data in held_out
    ]
    found = {}
    for size in sizes:
        starts = range(0, most * lessons, most) if size else [0]
        chosen_rows = [[i for r in rows for i in r[a : a + size]] for a in starts]
        banks = [bank.add(land_pool.subset(r)) if size else bank for r in chosen_rows]
        found[size] = learning_sweep(banks, prompts, *questions, *grid)
    return found


if profile == "hub":
    land = load_labelled("eurosat")
    found = teach_land(land)
    of_chosen = curve({size: result[2] for size, result in found.items()})
    of_default = curve({size: result[3] for size, result in found.items()})
    compared = {
        "k and p chosen for each size": of_chosen,
        "k = n/10, p = 2": of_default,
    }
    draw.show(draw.learning_curve(compared, chance=1 / len(land.classes)))
    for size, (mean, each) in of_chosen.items():
        spread = f"lessons {each.min():.1%} to {each.max():.1%}"
        print(f"{size} of each class: {mean}, {spread}; k/n, p {found[size][1]}")
else:
    print('EuroSAT comes from the internet; set profile = "hub" to run this part')

# %% [markdown]
# **What you see.** In the hub profile there is a second pair of lines, to compare with
# the lines of section 2. Read its numbers with their intervals. Offline we claim
# nothing about it. There, `asif bank build NAME --from FOLDER` and the code above do
# the same with a folder of your own pictures.
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

show_progress("07")

# %% [markdown] tags=["teacher"]
# ### Timing
#
# **50 minutes.** Section 1 without the frame (5 minutes), exercise 07.1 (8), section 2
# with the learning curve and the knob (12), section 3's paragraph on equivalence with a
# drawing on the board and the stamps (10), the poisoned pair without its exercise (10),
# 5 minutes for the summary. At home: 07.2 to 07.5, sections 4 and 7.
#
# **90 minutes.** Sections 1 and 2 with 07.1 and 07.2 (30), 07.3 in pairs, each drawing
# intervals for the other (15), sections 3 and 4 (15), section 6 with 07.5 (15), a
# common start of 07.6: collect ideas on the board before anybody measures (15). At
# home: 07.4, the rest of 07.6, section 8 where there is internet.
#
# ### What students get wrong
#
# - *"It learned, so weights changed."* Seen as talk of "training on 200 pictures". Ask
#   which numbers in the encoders differ afterwards.
# - *"No significant change, so unchanged."* Seen in 07.3. Ask what the same test would
#   say with five questions.
# - *"Add a row to the picture matrix, and later to the other one."* Seen in 07.1 and
#   07.4. Ask what caption the new picture has in between.
# - *"The new mean is the mean of the means."* Seen in 07.2. Ask for the mean of a class
#   of 30 and a class of 2.
# - *"Removed is deleted."* Seen as surprise in section 4. Ask where else the picture
#   is: backups, the cache, the student's own screenshot.
# - *"The most harmful anchor is wrong."* Ask to see its picture. A right anchor between
#   two classes does harm, too.
# - *"Chosen on validation, so the number on validation is the result."* Ask what the
#   sweep of section 2 would show if all cells were equally good (chapter 04).
#
# ### Discussion
#
# 1. A patient asks that her picture be forgotten. Which parts of an ASIF system have to
#    be looked at?
#
# > **Answer.** The pair in the bank, its history until `compact`, the cache of
# > embeddings, backups and copies, the picture itself, and results that were printed
# > with it. If she was part of *their* training data, the encoders too, which no edit
# > of a bank can change.
#
# 2. Why should the margin be named before one measures? (Ours was not.)
#
# > **Answer.** After the fact one can always find a margin that the interval fits into.
# > The margin says what change would matter to somebody, and that has nothing to do
# > with the measurement.
#
# 3. The best $p$ rose after the lessons, and with it the recall of stamps changed a
#    little. Whose $p$ should a model have that serves both?
#
# > **Answer.** The $p$ of a validation set which holds both kinds in the proportions of
# > use. Or two models over one bank: $k$ and $p$ cost nothing to change for each
# > question, if its kind is known.
#
# 4. Could somebody poison the bank so that harm is not found by `influence`?
#
# > **Answer.** Yes: with many pairs that each do a little, or with a pair that matters
# > only for a picture that no validation set holds. The explanation finds harm on the
# > pictures that one looks at.
#
# 5. In 07.6 the typical pictures were chosen with the labels of the whole pool. Is that
#    cheating?
#
# > **Answer.** It is a cost to be named. Without labels one can cluster the pool and
# > caption the centre of each cluster. A cluster need not be a class, so the gain will
# > be smaller. Measuring it is a good project.

# %% [markdown]
# ## Summary
#
# - The knowledge of an ASIF model is a list. Adding a pair appends a row to two
#   matrices and moves the mean; removing takes the row out. The result is exactly the
#   same as after a rebuild.
# - A few pairs of a new kind lift the accuracy there from modest to useful. Which pairs
#   they are matters most when they are few.
# - $k$ and $p$ belong to the bank. After an edit choose them again, on validation
#   pictures of all kinds that matter. For pictures of another kind than the bank's, try
#   `hubs` and `whiten`, too.
# - "Unchanged" is a claim that needs a margin and an interval within it.
# - Forgetting is exact for the pairs. It is final after `compact`, in the bank's files;
#   caches, copies and the encoders are other places.
# - A wrong pair is found by its contributions to wrong answers, and a person looks at
#   it before it goes.
#
# **What would prove us wrong.** If held-out stamps changed by more than 5 points after
# a lesson in clothes, learning here would have its price elsewhere, as in networks.
# If the edited bank gave another answer than a rebuilt bank, "exact" would be false:
# the library's tests compare them bit for bit. If lessons of other pictures of the same
# classes reached far less than ours, our pool would have been lucky: raise `seed` and
# see.
#
# **Where next.** Everything here had a thousand anchors. Try it on pictures of your
# own: `asif bank add NAME FOLDER` teaches,
# `asif bank remove NAME --where "group = 'food'"` forgets, and `asif bank history NAME`
# tells what was done. [08 · Scaling](08_scaling.ipynb) has the next question: what does
# it cost at 1.6 million anchors?
