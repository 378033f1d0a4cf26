# %% [markdown]
# # 07 · Editing a model
#
# > **Question.** Can a model learn and forget in a second?
#
# A trained network keeps its knowledge in millions of weights, but an ASIF model keeps
# it in a list of pairs. So you teach it by adding pairs, and it forgets when you take
# pairs out.
#
# <details><summary>Goals, minutes, path, what runs</summary>
#
# - repair a wrong answer with one pair, count the side effects, and undo the edit;
# - teach a new kind of picture, and prove that nothing changed elsewhere;
# - make the model forget a class and a contributor, down to the files;
# - find a poisoned pair by its explanation;
# - choose ten pictures that teach as much as many more.
#
# **Minutes** {minutes} · **Before this** [06 ·
# Interpretability](06_interpretability.ipynb) · **What runs** The stamps, and 2,300
# pictures of Fashion-MNIST. About 40 seconds on 2 cores once the embeddings are in the
# cache; the first time, a minute or two more.
#
# </details>

# %% tags=["parameters", "hide-input"]
# Set up this chapter. To choose encoders, device or pictures, open this cell.
profile = "offline"  # or "hub": larger encoders, from the hub
device = "auto"  # "auto", "cpu", "cuda" or "mps"
pairs = "stamps"  # or a folder of pictures with captions
seed = 0  # for samples, lessons and intervals
fast = False  # True: fewer pictures, lessons and settings

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import ImageOps

import asif_book.figures as draw
from asif_book import record
from asif_book.chapters.chapter_07.lessons import answers_of, to_teach
from asif_book.chapters.measuring import timed
from asif_book.chapters.opening import SILHOUETTE, first_held_out, open_chapter
from asif_lib import ASIF, AnchorBank, embed, load_labelled
from asif_lib.encoders import open_picture
from asif_lib.evaluation import (
    in_points,
    mean_with_interval,
    paired_difference,
    ranks,
    same_text,
)
from asif_lib.machine import for_small_matrices
from asif_lib.zeroshot import make_prompts

draw.use_style()

from asif_book.checks import (
    LessonTask,
    check_add,
    check_found,
    check_harm,
    check_lesson,
    check_running_mean,
    check_unchanged,
)
from asif_lib.defaults import DEFAULT_K_SHARE

image_encoder, text_encoder, stamps, bank = open_chapter(profile, device, pairs)
print(bank)

# %% tags=["hide-input"]
# Draw the answer for the red kangaroo of chapter 00.
row = first_held_out(stamps)  # the photograph of the red kangaroo
held_out, others = stamps.splits["test"], stamps.splits["train"]
old = bank.subset(others + stamps.splits["validation"])  # the anchors
no_shape = old.subset(np.flatnonzero(old.pairs.id != SILHOUETTE).tolist())
questions = bank.subset(held_out)  # 150 stamps with their captions
captions = questions.pairs.caption.tolist()
same = same_text(captions, captions)  # (150, 150): a repeated caption counts as right
caption, template, labels = to_teach(stamps, row)
z = bank.image[[row]]  # (1, d_image), the photograph itself
prompts = embed(text_encoder, make_prompts(labels, [template]), progress=False)
answer = labels[int(ASIF(old, device=device).similarity(z, prompts)[0].argmax())]
draw.show(draw.labelled_pictures([stamps.pictures[row]], [answer], labels[:1]))

# %% [markdown] tags=["core"]
# ## 1 · One pair more
#
# Chapter 00 ended with a mistake: the model calls the photograph of a red kangaroo a
# deer. Chapter 06 took four good anchors out to turn this answer. Now we *add* one pair
# instead: the mirror image of the photograph, with the caption “A kangaroo.”
#
# The photograph itself is **held out**, so no anchor shows it. The anchors are all
# stamps that are not test pictures, with $k = n/10$ and $p = 2$.
#
# **Before you run the next two cells:** one anchor joins hundreds of others. Will it be
# enough? And did the *other* kangaroo among the anchors, the black shape of chapter 00,
# help so far?

# %%
mirrored = ImageOps.mirror(open_picture(stamps.pictures[row]))
one_more = old.add(mirrored, caption)  # a new bank, with one pair more
banks = {"before": old, "one pair added": one_more}
banks["without the black kangaroo"] = no_shape
scores = {}
for name, anchors in banks.items():
    scores[name] = ASIF(anchors, device=device).similarity(z, prompts)[0]  # (6,)
draw.show(draw.versions(labels, scores))

# %% tags=["hide-input"]
# Draw the best anchors of both answers.
shown = [*old.pairs.picture, mirrored]
stages = answers_of({0: old, 1: one_more}, shown, z, prompts, labels)
draw.best_anchors(stamps.pictures[row], labels[0], stages)

# %% [markdown]
# **What you see.** Click “one pair added”, and the bars of the first figure move. In
# the second figure, a green bar is the contribution of an anchor to the answer (■).
# Above, the doe has the longest bar. Below, the new pair in its thick frame has nearly
# all of the score, so the answer turns.
#
# The mirror image is an easy teacher, because it shows the same animal in the same
# pose. The third version has a surprise: *without* the black kangaroo, the score of
# “kangaroo” is larger. The label's list has length 1, so the large entry of the black
# kangaroo makes all other entries smaller. But its picture resembles the photograph
# little, so it adds less than it takes. A good anchor needs the right name and a
# similar picture.

# %% [markdown] tags=["number"]
# What did the new pair cost elsewhere? Each of the 150 held-out stamps looks for its
# own caption among all 150. **R@1** is the share of stamps that find it in the first
# place.
#
# **Before you run the next cell:** for how many of the 150 stamps does the right
# caption gain or lose the first place?

# %%
first = {}  # before and after: which stamps find their own caption, (150,) bool
for name, anchors in (("before", old), ("after", one_more)):
    model = ASIF(anchors, device=device)
    found = ranks(model.similarity(questions.image, questions.text), same) < 1
    first[name] = found
    print(f"R@1 {name} the edit is {found.mean():.1%}.")
changed = [captions[i] for i in np.flatnonzero(first["before"] != first["after"])]
print("The first place changed for", "; ".join(changed) or "no stamp")
gain = paired_difference(first["after"], first["before"], seed)
print(f"After minus before, that is {in_points(gain)}.")

# %% [markdown]
# **What you see.** Only the kangaroo changed. The last line is a **paired difference**:
# both models answer for the same pictures, so we compare picture by picture. In
# brackets stands its 95 % **interval**, which contains all changes that agree with
# these pictures. It reaches below 0, because a single change among 150 proves little.
# So a gain, no change and a small loss are all possible.

# %% [markdown] tags=["full"]
# On the disk, each edit makes a new **version** of the bank, so `history` can list the
# changes, and `undo` can take the last one back.

# %% tags=["full"]
folder = tempfile.TemporaryDirectory()
old.save(Path(folder.name) / "story")
stored = AnchorBank.load(Path(folder.name) / "story")
edited, took = timed(lambda: stored.add(one_more.subset([len(old)])))
back = edited.undo()
print(f"The edit made version {edited.version} in {took:.2f} seconds.")
equal = torch.equal(back.image, stored.image) and back.pairs.equals(stored.pairs)
print(f"Version {back.version} is equal to the first: {equal}.")
changes = edited.history()[["version", "change", "count"]]
changes.style.hide(axis="index")

# %% [markdown]
# ### Your own ASIF
#
# Now you put together what you wrote: 03.1 and 03.2 compare and centre, 04.2 shortens
# the lists, 00.2 gives reasons, and 03.3 finds the caption. The next cell takes your
# solved functions from the saved notebooks of this folder. It puts them into
# `my_asif.py`, a file that imports only torch, and prints the folder of this file. If a
# function is missing or wrong, the library's takes its place.
#
# The second cell compares your scores of 150 test pictures with the library's. The
# library adds the same numbers in another order, so rounding may differ.

# %% tags=["screen"]
from asif_book.chapters.chapter_07.own import check_my_asif, make_my_asif

mine, missing = make_my_asif()

# %%
check_my_asif(mine, missing, old, questions)

# %% [markdown]
# **What you see.** The differences are rounding. Now ask *your* file which of the 150
# captions belongs to the photograph. Your `best_caption` answers without the four
# steps, once with the old anchors and once with the pair that you add.

# %%
my_picture = stamps.pictures[row]  # or the path of yours
my_caption = "A kangaroo."  # or yours, for the pair that is added
my_captions = captions  # or a list of yours
mirrored = ImageOps.mirror(open_picture(my_picture))  # not the picture itself
z = embed(image_encoder, [my_picture], progress=False)  # (1, d_image)
texts = embed(text_encoder, my_captions, progress=False)  # (c, d_text)
for name, anchors in (("Before", old), ("Then", old.add(mirrored, my_caption))):
    best = mine.best_caption(z, texts, anchors.image, anchors.text)  # (1,)
    print(f"{name}, your file answers: {my_captions[best.item()]}")

# %% [markdown]
# **What you see.** One pair was enough for *your* model, too.
#
# ### What you can say now
#
# You have seen the whole method, and you own a copy. You can say:
#
# - Two encoders that never met become one image–text model, because captioned pictures,
#   the anchors, stand between them.
# - A picture is described by the anchors that it looks like, and a text by the anchors
#   that it reads like. Entry 7 of both belongs to anchor 7, so we can compare them.
# - A wrong answer is repaired by editing a list. The edit needs no training, its side
#   effects can be counted, and it can be undone.
#
# The core path ends here. One picture proves little, so the deeper sections measure
# many. [11 · Your forty pictures](11_your_forty_pictures.ipynb) makes a model of a
# folder of your own. If you have ten minutes more, put your own picture and captions
# into the cell with `my_picture`.

# %% tags=["quiz", "hide-input"]
# The eight questions of chapter 00 again, and then your answers to both tests.
from asif_book.widgets import Quiz

Quiz("after", pairs)

# %% [markdown] tags=["full"]
# ## 2 · A kind of picture that the model does not know
#
# Fashion-MNIST has small grey pictures of clothing, which we turn to black on white.
# Its parts share no picture. The **pool** has captioned pictures to teach from, the
# **validation** pictures make all choices, and the **test** pictures choose nothing.

# %% tags=["hide-input"]
# Load the clothes, and draw lessons, pictures for validation and the test.
from asif_lib.defaults import DEFAULT_TEMPLATE

fashion = load_labelled("fashion_mnist")
classes = fashion.classes
prompts = make_prompts(classes, [DEFAULT_TEMPLATE])
labels_text = embed(text_encoder, prompts, progress=False)  # (10, 384)
most = 10 if fast else 20  # pairs of each class in the longest lesson
lessons = 2 if fast else 5  # lessons without a picture in common
part = fashion.split("train").sample(10 * most * lessons, seed)
tried = fashion.split("validation").sample(100 if fast else 300, seed)
by_class = [np.flatnonzero(part.labels == c) for c in range(len(classes))]
test_split = fashion.split("test")
seen = {id(x) for x in test_split.sample(1_000, seed).pictures}  # those of chapter 05
unseen = [i for i, x in enumerate(test_split.pictures) if id(x) not in seen]
test_data = test_split.subset(unseen).sample(200 if fast else 1_000, seed)

# %% tags=["hide-input"]
# Embed the clothes.
from asif_book.chapters.classes import captioned, inverted

pool_pairs = captioned(part)
pool = bank.embed(pool_pairs, image_encoder, text_encoder, progress=False)
z_tried, z_test = (  # (300, 1280), (1000, 1280)
    embed(image_encoder, [inverted(x) for x in data.pictures], progress=False)
    for data in (tried, test_data)
)
print(f"{len(pool)} pairs to teach, {len(tried)} pictures for validation")
print(f"{len(test_data)} for the test")

# %% tags=["hide-input"]
# Draw one pair of each class.
from asif_book.chapters.chapter_07.lessons import enlarged

of_each = pool_pairs.subset([rows[0] for rows in by_class])
pictures = [enlarged(picture) for picture in of_each.pictures]
draw.show(draw.show_pictures(pictures, of_each.captions, columns=5))


# %% tags=["hide-input"]
# Find out which pictures get their class.
@for_small_matrices()
def right_answers(bank, z, labels, k, p):
    """Whether each picture, (q, d_image), gets its class: (q,) bool."""
    model = ASIF(bank, k, p, device=device)
    given = model.similarity(z, labels_text).argmax(dim=1).numpy()
    decided = (model.images(z).values[:, 0] > 0).numpy()  # else no anchor is similar
    return (given == labels) & decided


# %% [markdown]
# ### Exercise 07.1 · Teach it something
#
# **Difficulty** ●●○○○ · **Minutes** 8
#
# A model is two matrices, a mean, and $k$. Add $m$ new pairs at the end, with the new
# pictures in their order. The captions come in another order: the caption of new
# picture $i$ is row `partner[i]` of the new captions.
#
# Return four results: the picture matrix, the caption matrix, the mean of all picture
# embeddings, and $k$. (The mean is subtracted before the cosine; captions have a mean
# of their own.) $k$ is a tenth of the anchors, rounded to the nearest whole number, and
# at least 1.


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
    new_text: (m, d_text), all float32; partner: (m,) int64;
    returns image (n + m, d_image), text (n + m, d_text), mean (d_image,) and k, an int.
    """
    ### BEGIN SOLUTION
    # A pair adds one row to both matrices; mean and k follow from the new bank.
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
# A ✔ verdict. **Now break it:** leave `partner` out. No error is raised, but every new
# picture has the caption of another.
#
# </details>

# %% [markdown] tags=["full", "number"]
# ## 3 · Learning
#
# A **lesson** adds $m$ pairs of each class, and a longer lesson holds the shorter ones.
# For each size the validation pictures choose $k/n$ and $p$, and the test pictures are
# asked. A second curve keeps $k = n/10$ and $p = 2$.
#
# **Before you run the next cell:** with 1 pair of each class, ten in all, what accuracy
# do you expect? With 20?

# %%
# Draw the accuracy after lessons of growing size.
from asif_book.chapters.chapter_07.lessons import learning_sweep

sizes = [0, 1, 5, 10] if fast else [0, 1, 2, 5, 10, 20]


def lesson(number, per_class):
    """A bank of `per_class` pairs of each class; two lessons share no picture."""
    own = slice(number * most, number * most + per_class)
    return pool.subset([i for rows in by_class for i in rows[own]])


grid = ([0.02, 0.1], [2, 8]) if fast else ([0.02, 0.05, 0.1, 0.2], [1, 2, 4, 8, 16])
asks = (z_tried, tried.labels), (z_test, test_data.labels)
chosen, right, kept = {}, {}, {}  # by size; right, kept: (lessons, q) bool
for size in sizes:
    banks = [bank.add(lesson(i, size)) for i in range(lessons)] if size else [bank]
    found = learning_sweep(banks, labels_text, *asks, *grid)
    chosen[size], right[size], kept[size] = found


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
# List the accuracies, record two, and compare the settings of k and p.
rows = {}
for size, (mean, each) in curve(right).items():
    gain = paired_difference(right[size].mean(axis=0), kept[size].mean(axis=0), seed)
    spread = f"{each.min():.0%} to {each.max():.0%}"
    row = {"accuracy": str(mean).partition(", n")[0], "lessons": spread}
    row |= zip(("k / n", "p"), map("{:g}".format, chosen[size]), strict=True)
    rows[size] = row | {"minus k = n / 10, p = 2": in_points(gain)}
    if size in (10, 20):
        note = f"mean of {lessons} lessons; chance 10%"
        name = f"Fashion-MNIST, {10 * size} pairs added to the 793 stamps"
        record(name, mean, note=note)
pd.DataFrame(rows).T.rename_axis("pairs of each class")

# %% [markdown]
# **What you see.** Both lines climb steepest at their left end. The small dots are the
# lessons: with few pairs it matters much *which* pairs they are. On the solid line
# validation chose $k$ and $p$ for each size. Even after the smallest edit, the interval
# of the gain (the last column) lies above 0.
#
# ### Exercise 07.2 · A mean without a second look
#
# **Difficulty** ●●○○○ · **Minutes** 7
#
# Each edit changes the mean that is subtracted from every picture. You have the mean of
# the $n$ old rows, the $m$ rows that come, and the $r$ rows that go (they are among the
# $n$). Return the new mean, of $n + m - r$ rows. Either $m$ or $r$ may be 0.


# %% tags=["exercise"]
def my_mean(
    mean: torch.Tensor, n: int, added: torch.Tensor, removed: torch.Tensor
) -> torch.Tensor:
    """The mean after an edit.

    mean: (d,), of n rows; added: (m, d); removed: (r, d), rows that are part of the n;
    all float32; returns the new mean, (d,) float32.
    """
    ### BEGIN SOLUTION
    # Mean times count is the sum: add and subtract rows there, divide by the new count.
    ### END SOLUTION


# %% tags=["check"]
check_running_mean(my_mean)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Means do not add up; sums do. What is the sum of $n$ rows whose mean you know?
#
# </details>
# <details><summary>What you should see</summary>
#
# A ✔ verdict.
#
# </details>

# %% [markdown] tags=["full"]
# ## 4 · Did anything change elsewhere?
#
# A network that is trained further forgets old things. Does an edited bank? The anchors
# and the 150 questions are those of section 1. The measure is the **mean recall**: for
# each stamp the mean of “first” and “among the first ten”, over both directions.
#
# “We found no significant difference” proves nothing, because with few questions one
# never does. A proof of **equivalence** names a **margin** beforehand, the largest
# change that would not matter. Then it shows that the whole interval lies within the
# margin. Our margin is 5 points. (To be honest: we settled on it after a first look.)
#
# ### Exercise 07.3 · Prove that nothing changed
#
# **Difficulty** ●●●●○ · **Minutes** 15
#
# The same questions were answered before and after an edit. Return one of three words
# for the mean of `after` minus `before`, by its paired 95 % interval:
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
    # “Unchanged” needs the whole interval within the margin, “changed” beyond it.
    ### END SOLUTION


# %% tags=["check"]
check_unchanged(my_verdict)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Draw intervals over a line with 0 and both margins. An interval can miss 0 and be
# “unchanged”.
#
# </details>
# <details><summary>What you should see</summary>
#
# A ✔ verdict. One input has too few questions to tell anything.
#
# </details>

# %% [markdown]
# “Before” is the bank of section 1. “After” has the longest lesson in it, once with the
# same $k$ and $p$, once with those chosen for clothes.
#
# **Before you run the next cell:** where will the interval be longer, and will both lie
# within 5 points?

# %% tags=["hide-input"]
# Measure the recall of the stamps, and say whether it is unchanged.
from asif_book.chapters.measuring import recall_of_pairs

MARGIN = 0.05


def recall_of_stamps(bank, k, p):
    """For each held-out stamp the mean of R@1 and R@10 over both directions, (150,)."""
    model = ASIF(bank, k, p, device=device)
    return recall_of_pairs(model.similarity(questions.image, questions.text), same)


def in_words(gap):
    """A difference in points, and whether its interval lies within the margin."""
    shown = gap.low > -MARGIN and gap.high < MARGIN
    verdict = "unchanged" if shown else "not shown to be unchanged"
    return f"{in_points(gap)}, {verdict} within 5 points"


# %% tags=["hide-input"]
# Teach the lessons, and choose settings for the larger banks.
k_old = max(1, round(DEFAULT_K_SHARE * len(old)))
taught = [old.add(lesson(i, sizes[-1])) for i in range(lessons)]
fraction, p_new = chosen[sizes[-1]]
k_new = round(fraction * len(taught[0]))
before = recall_of_stamps(old, k_old, 2)
after = {
    f"as before: k = {k_old}, p = 2": (k_old, 2),
    f"chosen again: k = {k_new}, p = {p_new:g}": (k_new, p_new),
}

# %% tags=["hide-input"]
# Draw the change of the recall of stamps after the lessons.
gaps, verdicts = {}, {}
for name, (k, p) in after.items():
    found = np.mean([recall_of_stamps(b, k, p) for b in taught], axis=0)
    gaps[name] = paired_difference(found, before, seed)
    verdicts[name] = in_words(gaps[name]).rpartition(", ")[2]
axis = {"xlabel": "change of mean recall, points; 95 % interval", "zero": True}
draw.show(draw.interval_dots({"": gaps}, **axis, margin=MARGIN, notes=verdicts))

# %% [markdown]
# **What you see.** “Unchanged” means that the whole line lies between the dashed lines.
# In the upper row it is short, so the stamps hardly notice the lesson. In the lower
# row, new $k$ and $p$ change more: choosing again is an edit, too.

# %% [markdown] tags=["full"]
# ## 5 · Forgetting
#
# **Before you run the next cell:** the model has learned all ten classes and now
# forgets the bags, while “bag” stays among the labels. What accuracy will be left on
# bags: nothing, chance, or the same as before any lesson?

# %% tags=["hide-input"]
# Forget the bags, and ask the bank before and after.
FORGOTTEN = "bag"
full = bank.add(lesson(0, sizes[-1]))
group = f"fashion_mnist/{FORGOTTEN}"
without_bags, took = timed(lambda: full.remove(group=group))
print(f"{len(full) - len(without_bags)} pairs removed in {took:.3f} seconds")
k_full = round(fraction * len(full))
answered = {
    name: right_answers(b, z_test, test_data.labels, k_full, p_new)
    for name, b in (("before", full), ("bags forgotten", without_bags))
}
of_class = [test_data.labels == c for c in range(len(classes))]  # (q,) bool each

# %% tags=["hide-input"]
# Draw the accuracy of each class before and after.
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
answered["before any lesson"] = right_answers(bank, z_test, test_data.labels, None, 2)
for name, found in answered.items():
    print(f"bags, {name}: {mean_with_interval(found[is_bag], seed)}")
a, b = (answered[name][~is_bag] for name in ("bags forgotten", "before"))
print(f"other classes, after minus before: {in_words(paired_difference(a, b, seed))}")
small = taught[0].remove(group=group)
a, b = (recall_of_stamps(x, k_old, 2) for x in (small, taught[0]))
print(f"held-out stamps: {in_words(paired_difference(a, b, seed))}")

# %% [markdown]
# **What you see.** In the row of the bag, the cross (bags forgotten) is far from the
# diamond. Accuracy on bags falls below its value before any lesson, because a
# bag is now most similar to clothes of other classes.
#
# ### Exercise 07.4 · Does the bank remember you?
#
# **Difficulty** ●●●○○ · **Minutes** 10
#
# Is this picture an anchor? A visitor says so if the cosine of its nearest anchor is
# above a limit. Another picture above the limit is a **false alarm**. Take as the limit
# the smallest of the others' cosines with at most the share `alarm` of the others above
# it. Return the share of the anchors above it.


# %% tags=["exercise"]
def my_found(members: torch.Tensor, others: torch.Tensor, alarm: float) -> float:
    """The share of the anchors' pictures that is found, at few false alarms.

    members: (m,) float32, cosines of pictures that are anchors; others: (o,) float32,
    of pictures that are not; alarm: from 0 to below 1; returns a share.
    """
    ### BEGIN SOLUTION
    # The limit comes from pictures that are no anchors; count the anchors above it.
    ### END SOLUTION


# %% tags=["check"]
check_found(my_found)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Sort the others, the largest first. If 2 may be above the limit, where is the limit?
#
# </details>
# <details><summary>What you should see</summary>
#
# A ✔ verdict. If all cosines are equal, nothing is found.
#
# </details>

# %% [markdown]
# Both halves of the held-out stamps join the bank in turn, and visitors ask about all
# 150, also with damaged copies. One visitor sees the nearest anchor, the other only the
# score of the own caption. An **AUC** (06.5) of 0.5 is a coin, and 1 knows all anchors.
#
# **Before you run the next cell:** which damage hides an anchor best? After the
# removal, what will the AUC be?

# %% tags=["hide-input"]
# Ask before and after anchors leave, with the picture and with copies of it.
from asif_book.chapters.chapter_07.lessons import ALARM, COPIES, remembered

small = [
    ImageOps.contain(open_picture(stamps.pictures[i]), (320, 320)) for i in held_out
]
copies = {"the picture itself": questions.image}  # each (150, 1280)
for name, damage in COPIES.items():
    damaged = [damage(picture) for picture in small]
    copies[name] = embed(image_encoder, damaged, progress=False)
visits = remembered(old, questions, copies, 1 if fast else 2)

# %% tags=["hide-input"]
# Draw how well anchors are told from other stamps.
shown = {}
for of in visits.itertuples():
    if (of.bank, of.sees) != ("removed", "score"):
        shown.setdefault(f"{of.sees} seen, {of.bank}", {})[of.copy] = of.auc
xlabel = "AUC, mean of four halves; 95 % interval"
draw.show(draw.interval_dots(shown, xlabel=xlabel, chance=0.5, plain=True))
title = f"anchors found, at {ALARM:.0%} false alarms"
visits[title] = visits.sees + " seen, " + visits.bank
found = visits.pivot(index=title, columns="copy", values="found")[[*copies]]
found.style.format("{:.0%}")

# %% [markdown]
# **What you see.** While a pair is in the bank, the nearest anchor gives the picture
# itself away. One score tells much, too, and a JPEG hides little. After the removal the
# marks lie on the dotted line, because the bank is the old bank, bit for bit. So a
# visitor who asks only now learns nothing. But a visitor who also asked before sees who
# left: the AUC is 0.95 to 0.99 (`benchmarks/accuracy/visitors.md`).
# *Unlearned exactly is not unlearned secretly.*
#
# **A contributor.** Ben wants his pictures back. `remove` only *marks* pairs as
# removed, so it can be undone. `compact` writes the other pairs into new files and
# deletes the old files, with their history.
#
# **Before you run the next cell:** after `remove`, are Ben's captions still on the
# disk? After `compact`?

# %% tags=["hide-input"]
# Make pairs of Ben's, and a bank on the disk that he shares with Ada.
BEN = "from Ben's wardrobe"


def given_by(bank, name):
    return bank.replace(pairs=bank.pairs.assign(contributor=name))


bens_pairs = pool_pairs.subset([rows_of[-1] for rows_of in by_class])
captions = [caption.replace(".", f" {BEN}.") for caption in bens_pairs.captions]
ids = [f"ben/{pair_id}" for pair_id in bens_pairs.ids]
bens_pairs = replace(bens_pairs, captions=captions, ids=ids)
bens = bank.embed(bens_pairs, image_encoder, text_encoder, progress=False)

# %% tags=["hide-input"]
# Save a bank that Ada teaches, and plan three edits.
home = Path(folder.name) / "shared"
given_by(bank, "Tux Paint").save(home)
shared = AnchorBank.load(home).add(given_by(lesson(0, 1), "Ada"))
edits = {
    "Ben's pairs added": lambda bank: bank.add(given_by(bens, "Ben")),
    "removed": lambda bank: bank.remove(contributor="Ben"),
    "compacted": lambda bank: bank.compact(),
}

# %% tags=["hide-input"]
# Add Ben's pairs, remove them, compact the bank, and look into its files.
from asif_book.chapters.chapter_07.lessons import files_hold

rows, histories = [], {}
for edit, run in edits.items():
    shared, took = timed(lambda run=run, bank=shared: run(bank))
    row = {"edit": edit, "pairs": len(shared)}
    row["of them Ben's"] = (shared.pairs.contributor == "Ben").sum()
    for what, content in (("caption", BEN), ("first embedding", bens.image[0])):
        row[f"his {what} in the files"] = "yes" if files_hold(home, content) else "no"
    rows.append(row | {"seconds": f"{took:.3f}"})
    histories[edit] = shared.history().set_index("version").drop(columns="time")

# %% tags=["hide-input"]
# Show what each edit left in the files, and the history.
from IPython.display import display

display(
    pd.DataFrame(rows).set_index("edit"), histories["removed"], histories["compacted"]
)

# %% [markdown]
# **What you see.** In the row “removed” the files still hold Ben's pairs. In the row
# “compacted” they are gone, and so is the history. The *cache of embeddings* and
# backups lie outside the bank.

# %% [markdown] tags=["full", "number"]
# ## 6 · A poisoned pair
#
# A contributor may also add a wrong pair. We plant one in a bank with a short lesson:
# an ankle boot, with the caption “a photo of a dress.” Of all such pairs, this one does
# most harm on the validation pictures.
#
# **Before you run the next cell:** one pair among some 800. By how many points can it
# lower the accuracy?

# %% tags=["hide-input"]
# Prepare a healthy bank, and pairs of ankle boots with a wrong caption.
VICTIM, LIE = classes.index("ankle boot"), classes.index("dress")
short = min(2, sizes[-1])
healthy = bank.add(lesson(0, short))
rows_of_victim = [i for i in by_class[VICTIM] if i not in set(by_class[VICTIM][:most])]
of_victim = pool.subset(rows_of_victim)  # pictures that no first lesson holds
short_fraction, short_p = chosen.get(short, chosen[1])
k_short = max(1, round(short_fraction * len(healthy)))
victims = tried.labels == VICTIM  # (300,) bool


def with_a_lie(row):
    """The pair of one picture of an ankle boot with the wrong caption."""
    pair = of_victim.subset([row])
    caption = DEFAULT_TEMPLATE.replace("{}", classes[LIE])
    table = pair.pairs.assign(id="planted", caption=caption, group="unknown")
    return pair.replace(text=labels_text[[LIE]], pairs=table)


# %% tags=["hide-input"]
# Plant each wrong pair in turn, and keep the most harmful one.
def found_by(bank, rows=slice(None)):
    """Which of these validation pictures get their class, (300,) bool for all."""
    return right_answers(bank, z_tried[rows], tried.labels[rows], k_short, short_p)


lies = range(len(of_victim))
right_boots = [found_by(healthy.add(with_a_lie(i)), victims).sum() for i in lies]
worst = int(np.argmin(right_boots))  # of equals, the first
poisoned = healthy.add(with_a_lie(worst))
before, after = found_by(healthy), found_by(poisoned)

# %% tags=["hide-input"]
# Compare the banks before and after.
harmed = {}
for name, rows in (("all classes", victims | True), ("ankle boot only", victims)):
    gap = in_points(paired_difference(after[rows], before[rows], seed))
    means = {
        "before": f"{before[rows].mean():.1%}",
        "then": f"{after[rows].mean():.1%}",
    }
    harmed[name] = means | {"change": gap}
pd.DataFrame(harmed).T.rename_axis("validation")

# %% [markdown]
# Suppose that we only notice the harm.
#
# ### Exercise 07.5 · Who did the harm?
#
# **Difficulty** ●●●○○ · **Minutes** 12
#
# You have the vectors of $q$ pictures and of the $c$ prompts, over the same $n$
# anchors, and the true classes. A picture is given the class whose prompt has the
# largest dot product with it. Anchor $j$ contributes to a class the picture's entry $j$
# times the prompt's entry $j$. The **harm** of an anchor, on one picture, is its
# contribution to the given class minus its contribution to the true class. Return the
# harm of each anchor, its mean over all pictures.


# %% tags=["exercise"]
def my_harm(
    images: torch.Tensor, prompts: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor:
    """How much each anchor speaks for the class given and against the true one.

    images: (q, n), prompts: (c, n), float32, no entry below 0; labels: (q,) int64, the
    true classes; returns the harm of each anchor, (n,) float32.
    """
    ### BEGIN SOLUTION
    # An anchor harms by what it gives to the label given, less that of the true one.
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
# A ✔ verdict. The chapter's lessons have this mean as `mean_contributions`.
#
# </details>

# %% [markdown]
# **Before you run the next cell:** will the planted pair come first of all anchors? And
# will the **audit** of chapter 06 find it? It asks of each pair whether the *other*
# pairs agree with it.

# %%
from asif_book.chapters.chapter_07.lessons import mean_contributions

model = ASIF(poisoned, k_short, short_p, device=device)
images, prompts = model.images(z_tried[victims]), model.texts(labels_text)
given = images.similarity(prompts).argmax(dim=1).tolist()
truth = tried.labels[victims].tolist()
suspects = mean_contributions(images, prompts, given, truth, poisoned.pairs)
harmful = (suspects.contribution > 0).sum()
print(f"{harmful} of {len(poisoned)} anchors do any harm on ankle boots")

# %% tags=["hide-input"]
# Draw the five most harmful anchors, and print the places of the planted pair.
from asif_lib.explain import rank_pairs

ids, pictures = stamps.ids + pool_pairs.ids, stamps.pictures + pool_pairs.pictures
pictures_of = dict(zip(ids, pictures, strict=True))
pictures_of["planted"] = pictures_of[of_victim.pairs.id[worst]]
top = suspects.head(5)
shown = [enlarged(open_picture(pictures_of[i])) for i in top.id]
rows = zip(shown, top.caption, top.contribution, strict=True)
xlabel = "mean contribution to the label given, minus to the true one (no unit)"
draw.show(draw.anchor_bars("the five that do most harm", rows, xlabel=xlabel))
audit = rank_pairs(poisoned)
places = [int(t.index[t.id == "planted"][0]) + 1 for t in (suspects, audit)]
print(f"place of the planted pair by harm on ankle boots: {places[0]}")
print(f"place in the audit of the whole bank: {places[1]} of {len(audit)}")

# %% [markdown]
# **What you see.** A green bar is the harm of an anchor. But look at the pictures: a
# sneaker may look like a boot, so it does harm although its caption is right. A person
# decides. The audit fails here: the other pairs know too little of clothes to
# contradict this one.

# %% [markdown]
# Now take out the suspect, and measure on the *test* pictures, which had no part in
# finding it.

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

# %% [markdown] tags=["full"]
# ## 7 · Which pairs to add?
#
# Each pair costs somebody a caption. Which pairs of each class should you add?

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

# %% [markdown] tags=["full"]
# ### Exercise 07.6 · Ten pictures, well chosen
#
# **Difficulty** ●●●●● · **Minutes** 20
#
# An open question. Choose `per_class` pictures of each class from the pool, by looking
# at the embeddings of the pool alone. The model is taught these, with $k = n/10$ and
# $p = 8$, and must do better than after random lessons. Two ideas: the most **typical**
# pictures, and the most **diverse** ones (farthest first, as in exercise 02.5).
#
# `task.measure(my_lesson(*task.pool, per_class))` tells for each validation picture
# whether it gets its class. The check opens the test pictures for at most three
# lessons.


# %% tags=["full", "exercise"]
def my_lesson(
    image: torch.Tensor, labels: torch.Tensor, per_class: int
) -> torch.Tensor:
    """Positions in the pool of the pictures to teach, per_class of each class.

    image: (m, d), embeddings of the pool; labels: (m,) int64, classes 0 to c - 1;
    returns (c * per_class,) int64.
    """
    ### BEGIN SOLUTION
    # Of each class, take the pictures that are most like the mean of their class.
    # Usual mistake. The rare ones: a picture unlike its class teaches little of it.
    directions = torch.nn.functional.normalize(image - image.mean(dim=0), dim=1)
    chosen = []
    for c in range(int(labels.max()) + 1):
        rows = (labels == c).nonzero()[:, 0]
        own = directions[rows]
        likeness = own @ own.mean(dim=0)  # the mean cosine with its own class
        chosen.append(rows[likeness.topk(per_class).indices])
    return torch.cat(chosen)
    ### END SOLUTION


# %% tags=["full", "check"]
check_lesson(my_lesson, task)

# %% [markdown] tags=["full"]
# <details><summary>Hint</summary>
#
# `(labels == c).nonzero()[:, 0]` lists the positions of class $c$ in the pool. Where
# in the cloud of a class is a picture that can answer for many?
#
# </details>
# <details><summary>What you should see</summary>
#
# A ✔ verdict with a gain of many points.
#
# </details>

# %% [markdown]
# Typical pictures are compared with random lessons.
#
# **Before you run the next cell:** at which size will the random lessons have caught
# up?


# %% tags=["hide-input"]
# Choose the typical pictures of each class.
def typical_lesson(per_class):
    """The pairs of each class with the largest mean cosine with their class."""
    directions = pool.image - pool.image_mean
    directions = torch.nn.functional.normalize(directions, dim=1)  # (m, 1280)
    rows = []
    for own in by_class:
        x = directions[own.tolist()]
        rows += own[(x @ x.mean(dim=0)).topk(per_class).indices.numpy()].tolist()
    return pool.subset(rows)


# %% tags=["hide-input"]
# Draw the accuracy after typical and after random lessons.
answers, gaps = {}, {}  # by size: (q,) bool
for size in sizes[1:]:
    one = bank.add(typical_lesson(size))
    k, p = max(1, round(chosen[size][0] * len(one))), chosen[size][1]
    answers[size] = right_answers(one, z_test, test_data.labels, k, p)
    gap = paired_difference(answers[size], right[size].mean(axis=0), seed)
    gaps[size] = in_points(gap)
typical = {size: (mean_with_interval(r, seed), []) for size, r in answers.items()}
random_lessons = {size: c for size, c in curve(right).items() if size}
compared = {"typical pictures": typical, "drawn at random": random_lessons}
draw.show(draw.learning_curve(compared, chance=0.1))
pd.DataFrame({"typical minus random": gaps}).rename_axis("pairs of each class")

# %% [markdown]
# **What you see.** At the left end the solid line (typical pictures) is far above the
# dashed line (drawn at random). To the right they meet.

# %% tags=["hide-input"]
# Delete the files of this chapter.
folder.cleanup()

# %% [markdown] tags=["progress"]
# The exercises that you have solved:

# %% tags=["progress", "hide-input"]
# Show the exercises that you have solved.
from asif_book import show_progress

show_progress("07")

# %% [markdown] tags=["teacher"]
# ### Timing
#
# **50 minutes.** Section 1 with its guess on the board, 07.1 and each student's own
# `my_asif.py` (25 minutes), the learning curve (8), section 4's paragraph on
# equivalence with a drawing (7), the poisoned pair without its exercise (8), the
# summary (2). At home: the exercises. `asif class` counts the own model as 07.7.
#
# **90 minutes.** Sections 1 to 3 with 07.1 and 07.2 (35), 07.3 in pairs, each drawing
# intervals for the other (15), sections 4 and 5 (10), section 6 with 07.5 (15), ideas
# for 07.6 on the board before anybody measures (15). At home: 07.4, 07.6.
#
# In section 1, ask why all held-out pictures are asked before and after: a repair that
# helps one picture may harm others.
#
# ### What students get wrong
#
# - *"It learned, so weights changed."* Seen as talk of "training on 200 pictures". Ask
#   which numbers in the encoders differ afterwards.
# - *"One pair repaired it, so the model now knows kangaroos."* Ask for a picture of a
#   kangaroo in another pose, with a file from the web.
# - *"No significant change, so unchanged."* Seen in 07.3. Ask what the same test would
#   say with five questions.
# - *"Removed is deleted."* Seen as surprise in section 5. Ask where else the picture
#   is: backups, the cache, the student's own screenshot.
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
# 2. Could somebody poison the bank so that harm is not found by `mean_contributions`?
#
# > **Answer.** Yes: with many pairs that each do a little, or with a pair that matters
# > only for a picture that no validation set holds.
#
# ### Exit questions
#
# 1. One pair is added, and the wrong answer turns into the right one. What was trained?
#
#    > **Answer.** Nothing. Each matrix of the bank got one row, and the means moved a
#    > little. Both encoders are the same as before.
#
# 2. The new picture is the mirror image of the picture in question. Why is that an easy
#    teacher? Name a harder test.
#
#    > **Answer.** The two embeddings are nearly equal, so the new anchor is by far the
#    > nearest. A harder test asks about other kangaroos, in other poses, that nobody
#    > has looked at.
#
# 3. After the edit, hardly any other test stamp changes its result. May you say that
#    the edit harms nothing?
#
#    > **Answer.** Only for pictures of this kind and for this measure. Other pictures
#    > were not asked, and a rank may have changed without a change of the first place.

# %% [markdown]
# ## Summary
#
# - The knowledge of an ASIF model is a list. Adding a pair appends a row to two
#   matrices and moves the mean; removing takes the row out. The result equals a rebuilt
#   bank.
# - One pair can turn a wrong answer. A few pairs of a new kind lift the accuracy there.
# - Deeper: after an edit choose $k$ and $p$ again, on pictures of all kinds that
#   matter.
# - Deeper: forgetting is final after `compact`, in the bank's files only.
# - Deeper: a wrong pair is found by its contributions to wrong answers. A person
#   decides.
#
# **What would prove us wrong.** If held-out stamps changed by more than 5 points after
# a lesson in clothes, learning would have its price elsewhere.
#
# **Where next.** [11 · Your forty pictures](11_your_forty_pictures.ipynb) makes a model
# of a folder of your own. [08 · Scaling](08_scaling.ipynb) asks what the kangaroo's
# pair costs at 1.6 million anchors.
#
# [Sources](references.md): Norelli 2023, Xiao 2017.
