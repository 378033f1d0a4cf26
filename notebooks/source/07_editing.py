# %% [markdown]
# # 07 · Editing a model
#
# > **Question.** Can a model learn and forget in a second?
#
# A trained network keeps what it has learned in millions of weights; nobody can point at the one that holds a
# certain picture. An ASIF model keeps it in a list of pairs. To teach it, add pairs. To make it forget, take them
# out.
#
# **After this chapter you can**
#
# - teach the model a kind of picture that it does not know, with one to twenty pairs of each class;
# - choose $k$ and $p$ again, since the best ones move with the bank;
# - prove that nothing changed elsewhere, which is more than failing to find a change;
# - make it forget a class, and everything from one contributor, down to the files on the disk;
# - find a poisoned pair by its explanation, and take it out;
# - choose ten pictures that teach as much as many more.
#
# **Minutes** 40 to read, 70 more with the exercises · **Before this**
# [06 · Interpretability](06_interpretability.ipynb) · **What runs** 793 captioned stamps and 2,300 pictures of
# Fashion-MNIST: 1,000 to teach, 300 for validation (known from chapter 05), 1,000 for the test; about 25 seconds on 2
# cores once the embeddings are in the cache; the first time, a minute or two more. Files are written to a temporary folder, which is deleted at the end

# %% tags=["parameters"]
profile = "offline"  # or "hub": larger encoders, and EuroSAT as a second new domain
device = "auto"  # "auto", "cpu", "cuda" or "mps"
seed = 0  # for samples, lessons and intervals
fast = False  # True: fewer pictures, lessons and settings

# %%
import tempfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from time import perf_counter

import numpy as np
import pyarrow.parquet as pq
import torch
from IPython.display import Markdown, display
from PIL import ImageOps

from asif_lib import (
    ASIF,
    AnchorBank,
    Pairs,
    embed,
    load_image_encoder,
    load_labelled,
    load_pairs,
    load_text_encoder,
    record,
    relative_representation,
    sparsify,
)
from asif_lib.course.checks import (
    LessonTask,
    check_add,
    check_forget,
    check_harm,
    check_lesson,
    check_running_mean,
    check_unchanged,
)
from asif_lib.course.progress import show_progress
from asif_lib.encoders import open_picture
from asif_lib.evaluation import (
    mean_with_interval,
    paired_difference,
    ranks,
    same_text,
    sweep,
)
from asif_lib.explain import influence, rank_pairs
from asif_lib.figures import (
    harm_profile,
    interval_dots,
    labelled_pictures,
    learning_curve,
    show,
    show_pictures,
    sweep_heatmaps,
    use_style,
    within_margin,
)
from asif_lib.widgets.parts import Answer, Knob, words_above

use_style()
image_name, text_name = {
    "offline": ("efficientnet_lite0", "all-MiniLM-L6-v2"),
    "hub": ("vit_base_patch16_224.augreg_in21k_ft_in1k", "all-mpnet-base-v2"),
}[profile]
image_encoder = load_image_encoder(image_name, device=device)
text_encoder = load_text_encoder(text_name, device=device)
stamps = load_pairs("stamps")
bank = AnchorBank.build(stamps, image_encoder, text_encoder)
print(bank)

# %% [markdown]
# ## 1 · A kind of picture that the model does not know
#
# Fashion-MNIST again: small grey pictures of clothing, which we turn to black on white with `ImageOps.invert`.
# Chapter 05 ended there with a modest result. The pictures come in four parts that share no picture:
#
# - a **pool** of captioned pictures, from which we take the pairs to teach: "a photo of a shirt." and so on (one
#   template for all names, so that "a photo of a trousers." is among them);
# - a part of the training pictures **for validation**: there we choose everything that is to be chosen;
# - **test** pictures, none of them used in chapter 05, which choose nothing;
# - and the stamps, which should not notice any of this.
#
# One choice comes first. The encoder cuts an eighth off each side length, as it was trained to; on photographs that
# is background. These pictures have no background: a shirt fills its 28 pixels. A white frame of two pixels
# on each side would save the sleeves from the cut.
#
# **Before you run the next cell:** will a frame help a model that knows no such pictures? And one that has been
# taught ten pairs of each class, framed like the questions?

# %%
TEMPLATE = "a photo of a {}."
fashion = load_labelled("fashion_mnist")
classes = fashion.classes
labels_text = embed(text_encoder, [TEMPLATE.replace("{}", name) for name in classes], progress=False)
most = 10 if fast else 20  # pairs of each class in the longest lesson
lessons = 2 if fast else 5  # lessons without a picture in common


def plain(picture):
    return ImageOps.invert(picture)


def framed(picture):
    return ImageOps.expand(ImageOps.invert(picture), border=2, fill=255)


def enlarged(picture):
    """For our eyes, not for the encoder."""
    return picture.resize((96, 96))


VIEWS = {"as they are": plain, "framed": framed}


def as_pairs(data, change):
    """Labelled pictures as captioned ones."""
    captions = [TEMPLATE.replace("{}", data.classes[label]) for label in data.labels]
    ids = [f"{data.name}/{i:04}" for i in range(len(data))]
    groups = [f"{data.name}/{data.classes[label]}" for label in data.labels]
    return Pairs(data.name, [change(p) for p in data.pictures], captions, ids, groups, {}, data.licence)


def right_answers(bank, z, labels, k, p, prompts=labels_text):
    """For each picture: does it get its class? (q,) bool"""
    model = ASIF(bank, k, p, device=device)
    return (model.similarity(z, prompts).argmax(dim=1).numpy() == labels) & (model.images(z).values[:, 0] > 0).numpy()


part = fashion.split("train").sample(10 * most * lessons, seed)
tried = fashion.split("validation").sample(100 if fast else 300, seed)
by_class = [np.flatnonzero(part.labels == c) for c in range(len(classes))]
ten_each = part.subset([i for rows in by_class for i in rows[:10]])
choices = {}
for name, change in VIEWS.items():
    z = embed(image_encoder, [change(p) for p in tried.pictures], progress=False)
    taught = bank.add(as_pairs(ten_each, change), image_encoder, text_encoder, progress=False)
    choices[name] = {
        "793 stamps": right_answers(bank, z, tried.labels, round(0.1 * len(bank)), 2),
        "and ten pairs of each class": right_answers(taught, z, tried.labels, round(0.1 * len(taught)), 2),
    }
for anchors in choices["framed"]:
    gap = paired_difference(choices["framed"][anchors], choices["as they are"][anchors], seed)
    print(f"{anchors}, validation:")
    for name in choices:
        print(f"    {name}: {mean_with_interval(choices[name][anchors], seed)}")
    print(f"    framed less as they are: {100 * gap.value:+.1f} points [{100 * gap.low:+.1f}, {100 * gap.high:+.1f}]")

# %% [markdown]
# **What you see.** The differences are small, and an interval that holds 0 proves nothing either way. One of the two
# views must be taken all the same, so the next cell takes the one with the higher number after the lesson. That is
# what a validation split is for.

# %%
best = max(choices, key=lambda name: choices[name]["and ten pairs of each class"].mean())
view = VIEWS[best]
count = 200 if fast else 1_000
test_split = fashion.split("test")
seen = {id(picture) for picture in test_split.sample(1_000, seed).pictures}  # those of chapter 05
unseen = test_split.subset([i for i, picture in enumerate(test_split.pictures) if id(picture) not in seen])
pool_data, test_data = part, unseen.sample(count, seed)
start = perf_counter()
pool_pairs = as_pairs(pool_data, view)
pool = bank.embed(pool_pairs, image_encoder, text_encoder, progress=False)
z_tried = embed(image_encoder, [view(p) for p in tried.pictures], progress=False)
z_test = embed(image_encoder, [view(p) for p in test_data.pictures], progress=False)
print(f"pictures from here on: {best}")
print(f"embedding took {perf_counter() - start:.1f} seconds (from the cache, where it was done before)")
print(f"{len(pool)} pairs to teach, {len(tried)} pictures for validation, {len(test_data)} for the test")
first_of_each = [rows[0] for rows in by_class]
show(
    show_pictures(
        [enlarged(pool_pairs.pictures[i]) for i in first_of_each],
        [pool_pairs.captions[i] for i in first_of_each],
        columns=5,
    ),
    "Ten pairs to teach, one of each class: small grey pictures of clothing on white, with captions like "
    "“a photo of a shirt.”",
)

# %% [markdown]
# ### Exercise 07.1 · Teach it something
#
# **Difficulty** ●●○○○ · **Minutes** 8
#
# A model is two matrices, a mean, and $k$. Add $m$ new pairs at the end. The pictures and the captions come from
# two offices that did not agree on an order: the caption of new picture $i$ is row `partner[i]` of the new
# captions. The new pictures keep their order. Return both matrices, the mean of all picture embeddings (the one that is taken off before the cosine;
# for captions it would be the same line), and $k$: a tenth of the anchors, rounded to the nearest whole number, and at
# least 1.


# %% tags=["exercise"]
def my_add(
    image: torch.Tensor,
    text: torch.Tensor,
    new_image: torch.Tensor,
    new_text: torch.Tensor,
    partner: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, int]:
    """Add m pairs to a bank of n.

    image: (n, d_image), text: (n, d_text); new_image: (m, d_image), new_text: (m, d_text); partner: (m,) int64;
    returns image (n + m, d_image), text (n + m, d_text), the mean of image (d_image,), and k.
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
# `torch.cat([a, b])` puts the rows of b below those of a. `new_text[partner]` is a matrix whose row $i$ is row
# `partner[i]` of `new_text`.
#
# </details>
# <details><summary>What you should see</summary>
#
# A green verdict. **Now break it:** leave `partner` out. The shapes stay right, no error is raised, and every new
# picture has another one's caption. Only the values tell. That is why the library keeps an id with every row.
#
# </details>

# %% [markdown]
# ## 2 · Learning
#
# Here is the library's way: `bank.add(pairs, image_encoder, text_encoder)`, or `bank.add(other_bank)` where the pairs
# are embedded already. On the disk, each edit makes a new **version** of the bank. Only the new rows are written: the
# cost depends on what is added, not on how much is there.
#
# We build a bank in a temporary folder and teach it in steps. A lesson of $m$ pairs per class holds the shorter
# lessons.
#
# **Before you run the next cell:** 200 pairs are to be added. Will it take milliseconds, seconds or minutes, when
# the embeddings are there?


# %%
def lesson(number, per_class):
    """A bank of so many pairs of each class; lessons of different numbers share no picture."""
    first = number * most
    return pool.subset([i for rows in by_class for i in rows[first : first + per_class]])


sizes = [0, 1, 5, 10] if fast else [0, 1, 2, 5, 10, 20]
folder = tempfile.TemporaryDirectory()
bank.save(Path(folder.name) / "growing")
growing = AnchorBank.load(Path(folder.name) / "growing")
lines = ["| version | pairs of each class | anchors | seconds for the edit |", "|---|---|---|---|"]
lines.append(f"| {growing.version} | 0 | {len(growing)} | – |")
for before, after in pairwise(sizes):
    new = pool.subset([i for rows in by_class for i in rows[before:after]])
    start = perf_counter()
    growing = growing.add(new)
    seconds = perf_counter() - start
    lines.append(f"| {growing.version} | {after} | {len(growing)} | {seconds:.3f} |")
display(Markdown("\n".join(lines)))
display(growing.history())

# %% [markdown]
# **What you see.** An edit is a matter of writing some rows. Nothing is fitted, and no row that was there is touched.
# What takes time is to look at the new pictures once, before: the line above says how long.
#
# Did it help? For each size we choose $k/n$ and $p$ on the validation pictures, with the mean over all lessons, and
# then ask the test pictures. The other curve keeps what was chosen for the stamps: $k = n/10$ and $p = 2$.
#
# **Before you run the next cell:** with 1 pair of each class, ten in all beside 793 stamps, what accuracy do you
# expect? With 20? And how much will it matter *which* pictures were added?

# %% tags=["figure"]
fractions = [0.02, 0.1] if fast else [0.02, 0.05, 0.1, 0.2]
powers = [2, 8] if fast else [1, 2, 4, 8, 16]


def learn(bank, lesson, prompts, validation, test, sizes, lessons):
    """For each size: the sweep on validation, the choice, and what each lesson's bank answers to the test.

    Returns dicts by size: the table of the sweep, (fraction, p), and (lessons, q) bools of the test, chosen and kept.
    """
    tables, chosen, right, kept = {}, {}, {}, {}
    for size in sizes:
        banks = [bank.add(lesson(number, size)) if size else bank for number in range(lessons if size else 1)]
        n = len(banks[0])
        views = []
        for b in banks:
            text = relative_representation(prompts, b.text, mean=b.text_mean)
            pictures = [relative_representation(z, b.image, mean=b.image_mean) for z, _ in (validation, test)]
            views.append((*pictures, text))

        def answers(k, p, which, labels, views=views):
            found = [sparsify(v[which], k, p).similarity(sparsify(v[2], k, p)).argmax(dim=1).numpy() for v in views]
            return np.stack([one == labels for one in found])

        table = sweep(
            lambda k, p, answers=answers: answers(k, p, 0, validation[1]).mean(), fractions, powers, n, progress=False
        )
        best = table.loc[table.value.idxmax()]
        tables[size], chosen[size] = table, (float(best.fraction), float(best.p))
        right[size] = answers(int(best.k), best.p, 1, test[1])
        kept[size] = answers(max(1, round(0.1 * n)), 2, 1, test[1])
    return tables, chosen, right, kept


def curve(right):
    """Per size: the mean over lessons with its interval over the test pictures, and each lesson's accuracy."""
    return {size: (mean_with_interval(r.mean(axis=0), seed), r.mean(axis=1)) for size, r in right.items()}


tables, chosen, right, kept = learn(
    bank, lesson, labels_text, (z_tried, tried.labels), (z_test, test_data.labels), sizes, lessons
)
show(
    learning_curve({"k and p chosen for each size": curve(right), "k = n/10, p = 2": curve(kept)}, chance=0.1),
    "Accuracy on Fashion-MNIST against the pairs added for each class. With none it is modest; one pair of each "
    "class lifts it far, and it goes on rising more slowly. With k and p chosen for each size the curve lies higher.",
)
lines = [
    "| pairs of each class | k/n, p, by validation | accuracy, mean of the lessons, 95 % interval over pictures "
    "| lessons, from … to … | k = n/10, p = 2 |",
    "|---|---|---|---|---|",
]
for size in sizes:
    mean, each = curve(right)[size]
    same = kept[size].mean()
    lines.append(
        f"| {size} | {chosen[size][0]:g}, {chosen[size][1]:g} | {mean} | {each.min():.1%} to {each.max():.1%} "
        f"| {same:.1%} |"
    )
display(Markdown("\n".join(lines)))

# %%
for size in [size for size in (10, 20) if size in sizes]:
    mean, each = curve(right)[size]
    record(
        f"Fashion-MNIST, {10 * size} pairs added to the 793 stamps",
        mean.value,
        ci=mean.ci,
        n=mean.n,
        note=f"mean of {lessons} lessons, {each.min():.0%} to {each.max():.0%}; chance 10%",
    )
for size in sizes[1:]:
    gap = paired_difference(right[size].mean(axis=0), kept[size].mean(axis=0), seed)
    print(
        f"{size} of each class ({10 * size / len(bank):.1%} more pairs), chosen k and p less k = n/10 and p = 2: {100 * gap.value:+.1f} points "
        f"[{100 * gap.low:+.1f}, {100 * gap.high:+.1f}]"
    )

# %% [markdown]
# **What you see.** The first ten pairs do most of it. The dots say how much it matters which ones they were: with one
# pair of each class the lessons are far apart, with more they draw together. The interval is over the test pictures,
# the dots are over lessons; they answer different questions, and a report should give both.
#
# And $k$ and $p$? The last lines compare, on the same test pictures, the settings that validation chose for each bank
# with those of the stamps. The gain does not wait for a large edit: the smallest one has it, too, and its interval lies
# above 0. Here is the sweep on the validation pictures before and after.
#
# **Before you run the next cell:** the added pictures are much more like the questions than any stamp is. Which
# settings will be bad then: small $k$ or large, small $p$ or large?

# %%
show(
    sweep_heatmaps(
        {f"{size} pairs of each class": tables[size] for size in (0, sizes[-1])}, value="accuracy, validation"
    ),
    "Two heat maps of accuracy over k/n and p. Without added pairs all cells are low, those of the smallest k/n and of "
    "p = 1 lowest. With them all are high; only small p together with large k/n is worse, and from p = 4 on the cells "
    "are nearly alike.",
)
for size in (0, sizes[-1]):
    found = tables[size].value
    print(f"{size} pairs of each class, validation, over all settings: {found.min():.1%} to {found.max():.1%}")

# %% [markdown]
# **What you see.** Before, no setting helps much: the best cell is better than its neighbours by little. A very small
# $k$ is worst, since no single stamp can be trusted. After, a very small $k$ is as good as any, and what is bad is a
# small $p$ with many anchors: there the many stamps that are only a little similar outvote the few near pictures. From
# the middle column on, a larger $p$ brings next to nothing. The settings that were chosen stand in the table above; as
# cells so near to each other go, another validation split may well choose others. So choose again after an edit, even
# a small one: it costs a look at the validation pictures, and the lines above say what it brings.
#
# Now look at some answers. Below the figure is a knob: the same twelve test pictures after another number of pairs.
# (The knob needs a running kernel. The figure does not.)
#
# **Before you turn it:** which class will be learned first, and which last? And can a picture be lost again when more
# pairs of its class are added?

# %%
shown = np.random.default_rng(seed).permutation(len(test_data))[:12]


def answers_after(size):
    """Twelve test pictures with the labels that they get after a lesson."""
    taught = bank.add(lesson(0, size)) if size else bank
    fraction, p = chosen[size]
    model = ASIF(taught, max(1, round(fraction * len(taught))), p, device=device, text_encoder=text_encoder)
    given = model.classify(z_test[shown.tolist()], classes, templates=[TEMPLATE]).best
    true = [classes[label] for label in test_data.labels[shown]]
    pictures = [enlarged(view(test_data.pictures[i])) for i in shown]
    words = f"With {size} pairs of each class {sum(np.equal(given, true))} of 12 get their class"
    return labelled_pictures(pictures, given, true, title=words), f"{words}: {', '.join(map(str, given))}."


show(*answers_after(sizes[-1]))
knob, answer = Knob("pairs of each class", sizes, 0), Answer()
answer.follow(lambda size: words_above(answers_after(size)), knob)
display(knob, answer)
lines = ["| accuracy on test pictures, mean of the lessons | " + " | ".join(map(str, sizes)) + " |"]
lines.append("|---" * (1 + len(sizes)) + "|")
last = np.mean(right[sizes[-1]], axis=0)
for c in sorted(range(len(classes)), key=lambda c: -last[test_data.labels == c].mean()):
    rows = [np.mean(right[size], axis=0)[test_data.labels == c].mean() for size in sizes]
    lines.append(f"| {classes[c]} | " + " | ".join(f"{share:.0%}" for share in rows) + " |")
display(Markdown("\n".join(lines)))

# %% [markdown]
# **What you see.** Twelve pictures are an illustration; the table counts all test pictures of each class (its columns:
# pairs of each class). What has an outline of its own is right early, the one or other class even before any lesson.
# At the bottom stand the garments with sleeves: they share an outline, and at this size people mix them up as well. And
# not every picture that is right stays right: each added pair speaks for its own class and against the others, and each
# size has a $k$ and $p$ of its own. A curve that rises on average loses some pictures on its way.
#
# ### Exercise 07.2 · A mean without a second look
#
# **Difficulty** ●●○○○ · **Minutes** 7
#
# The mean is taken off every picture, so each edit changes it. A bank of 1.6 million anchors should not be read again
# for that. You have the mean of the $n$ rows that were there, the $m$ rows that come, and the $r$ rows that go (they
# are among the $n$). Return the mean of the $n + m - r$ rows that are there afterwards. Either $m$ or $r$ may be 0.


# %% tags=["exercise"]
def my_mean(mean: torch.Tensor, n: int, added: torch.Tensor, removed: torch.Tensor) -> torch.Tensor:
    """The mean after an edit.

    mean: (d,), of n rows; added: (m, d); removed: (r, d), rows that are part of the n; returns (d,).
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
# Means do not add up; sums do. What is the sum of $n$ rows whose mean you know? And what is the sum of no rows?
#
# </details>
# <details><summary>What you should see</summary>
#
# A green verdict. The library keeps the sums as whole numbers in a fixed unit instead of floating-point numbers, so
# that after a thousand edits the mean is the same bit for bit as that of a bank built anew.
#
# </details>

# %%
rebuilt = growing.subset(slice(None))  # the same rows, in memory, as if built at once
print("means of the edited bank and of a rebuilt one are equal:", torch.equal(growing.image_mean, rebuilt.image_mean))

# %% [markdown]
# ## 3 · Did anything change elsewhere?
#
# A network that is trained further on new data forgets old things; the field calls it catastrophic forgetting. Does
# an edited bank? We hold the test stamps out: 643 stamps are the anchors, the other 150 are the questions, as in
# chapter 05. The measure is the mean recall of chapter 04: for each stamp the mean of "first" and "among the first
# ten", over both directions.
#
# "We found no significant difference" would prove nothing: with few questions one never does. To prove **equivalence**
# one names a **margin** beforehand, the largest change that one would shrug off, and shows that the whole interval of
# the paired difference lies within it. Ours is 5 points. To be honest about it: we settled on it while writing this
# chapter, after a first look at intervals like these. Yours should come first.
#
# ### Exercise 07.3 · Prove that nothing changed
#
# **Difficulty** ●●●●○ · **Minutes** 15
#
# The same questions were answered before and after an edit. Say one of three things about the mean of `after` less
# `before`, by its 95 % interval, question by question:
#
# - `"unchanged"`: the whole interval lies between minus the margin and the margin;
# - `"changed"`: the whole interval lies beyond the margin, on one side or the other;
# - `"cannot tell"`: anything else.
#
# `paired_difference(a, b)` from `asif_lib.evaluation.measures` gives you the interval of the mean of $a - b$: its `.low` and
# `.high`. The mean ± 1.96 standard errors does as well.


# %% tags=["exercise"]
def my_verdict(before: torch.Tensor, after: torch.Tensor, margin: float) -> str:
    """Whether an edit changed the answers by more than a margin.

    before, after: (n,) float32, what each question got; margin: above 0, in the same unit; returns "unchanged",
    "changed" or "cannot tell".
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
# Draw a line with 0, the margin and minus the margin on it, and lay intervals over it: short and long ones, with and
# without 0. Which of the three answers does each deserve? There is one that misses 0 and is "unchanged" all the same.
#
# </details>
# <details><summary>What you should see</summary>
#
# A green verdict. The inputs hold one with so few questions that nothing can be told, though the measured change is
# 0; and one with a real change that is too small to matter.
#
# </details>

# %% [markdown]
# Now the stamps. "Before" is the bank of 643 stamps with $k = 64$ and $p = 2$; "after" has the longest lesson in it,
# once with the same $k$ and $p$, once with those that we chose for Fashion-MNIST.
#
# **Before you run the next cell:** where will the interval be longer, and will both lie within 5 points?

# %%
MARGIN = 0.05
asked = stamps.splits["test"]
old = bank.subset(stamps.splits["train"] + stamps.splits["validation"])
texts = [stamps.captions[i] for i in asked]
same = same_text(texts, texts)


def recall_of_stamps(bank, k, p):
    """For each held-out stamp the mean of R@1 and R@10 over both directions, (150,)."""
    scores = ASIF(bank, k, p, device=device).similarity(questions.image, questions.text)
    return np.mean([ranks(s, same) < top for s in (scores, scores.T) for top in (1, 10)], axis=0)


def unchanged(gap):
    inside = gap.low > -MARGIN and gap.high < MARGIN
    return "unchanged within 5 points" if inside else "not shown to be unchanged within 5 points"


questions = bank.subset(asked)
k_old = round(0.1 * len(old))
taught = [old.add(lesson(number, sizes[-1])) for number in range(lessons)]
fraction, p_new = chosen[sizes[-1]]
k_new = round(fraction * len(taught[0]))
before = recall_of_stamps(old, k_old, 2)
after = {
    f"the same k = {k_old}, p = 2": [recall_of_stamps(b, k_old, 2) for b in taught],
    f"k = {k_new}, p = {p_new:g}, chosen for clothes": [recall_of_stamps(b, k_new, p_new) for b in taught],
}
gaps = {name: paired_difference(np.mean(found, axis=0), before, seed) for name, found in after.items()}
show(
    within_margin(gaps, MARGIN, xlabel="change of mean recall after less before, points; 95 % interval"),
    "The change of recall on held-out stamps after learning clothes, with the same k and p and with new ones, as "
    "intervals around a change near 0, between dashed lines at plus and minus the margin: "
    + "; ".join(f"{name}: {100 * gap.value:+.1f} points" for name, gap in gaps.items()),
)
gap = next(iter(gaps.values()))
record(
    f"stamps after {10 * sizes[-1]} pairs of clothing were added: change of mean recall",
    100 * gap.value,
    ci=(100 * gap.low, 100 * gap.high),
    n=gap.n,
    unit="points",
    note=f"same k and p; mean of {lessons} lessons; margin 5 points",
)
print(f"before: {mean_with_interval(before, seed)}")
for name, gap in gaps.items():
    print(f"{name}: {100 * gap.value:+.1f} points [{100 * gap.low:+.1f}, {100 * gap.high:+.1f}], {unchanged(gap)}")

# %% [markdown]
# **What you see.** With the same $k$ and $p$ the interval is short, since most stamps keep their anchors: a picture of
# clothing is in the top $k$ of few of them. What moves is the mean, and with it every cosine a little. New $k$ and $p$
# change more, for better and for worse: choosing again is an edit, too, and it must be tested like one. Whoever
# serves both kinds of picture should choose on both.

# %% [markdown]
# ## 4 · Forgetting
#
# ### Exercise 07.4 · Forget a group
#
# **Difficulty** ●●●○○ · **Minutes** 10
#
# The opposite of learning. Groups are paths: `food/fruit` lies in `food`, and `foodstuff` does not.
# Remove a group and everything below it from both matrices. The rows that stay keep their order. Return, as the third
# result, which row of the old bank each row was: that is how the table with the captions can follow.


# %% tags=["exercise"]
def my_forget(
    image: torch.Tensor, text: torch.Tensor, groups: list[str], group: str
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The bank without a group and its subgroups.

    image: (n, d_image), text: (n, d_text), groups: n paths; returns image (m, d_image), text (m, d_text) and the
    positions (m,) int64 in the old bank.
    """
    ### BEGIN SOLUTION
    keep = torch.tensor([g != group and not g.startswith(group + "/") for g in groups])
    return image[keep], text[keep], keep.nonzero()[:, 0]
    ### END SOLUTION


# %% tags=["check"]
check_forget(my_forget)

# %% [markdown]
# <details><summary>Hint</summary>
#
# One mask for both matrices: a tensor of $n$ bools, True where the row stays. A path belongs to `food` if it begins
# with `food/`, or is `food` itself. `mask.nonzero()[:, 0]` lists the positions where it is True.
#
# </details>
# <details><summary>What you should see</summary>
#
# A green verdict. **Now break it:** return `text` as it was. Nothing raises an error until somebody asks for a
# picture's caption, and then each answer is a caption from some rows further up.
#
# </details>

# %% [markdown]
# **A class.** The condition is that of a table: `bank.remove(where="group = 'fashion_mnist/bag'")`. `group` is a column
# of `bank.pairs`, and so are `id`, `caption` and `picture`.
#
# **Before you run the next cell:** the model has learned all ten classes and now forgets the bags, while "bag" stays
# among the labels. What accuracy will be left on bags: none, chance, or what it was before any lesson? And
# what about the other nine classes?

# %%
FORGOTTEN = "bag"
full = bank.add(lesson(0, sizes[-1]))
start = perf_counter()
without_bags = full.remove(where=f"group = 'fashion_mnist/{FORGOTTEN}'")
print(f"{len(full) - len(without_bags)} pairs removed in {perf_counter() - start:.3f} seconds")
k_full = round(fraction * len(full))
is_bag = test_data.labels == classes.index(FORGOTTEN)
answered = {
    "before": right_answers(full, z_test, test_data.labels, k_full, p_new),
    "bags forgotten": right_answers(without_bags, z_test, test_data.labels, k_full, p_new),
}
show(
    interval_dots(
        {
            name: {label: mean_with_interval(found[test_data.labels == c], seed) for c, label in enumerate(classes)}
            for name, found in answered.items()
        },
        xlabel="accuracy on the test pictures of each class, with 95 % interval",
        chance=0.1,
    ),
    "Accuracy by class before and after the bags were forgotten: that of bags falls to nothing, the others stay.",
)
never = right_answers(bank, z_test, test_data.labels, round(0.1 * len(bank)), 2)
print(f"bags before: {mean_with_interval(answered['before'][is_bag], seed)}")
print(f"bags forgotten: {mean_with_interval(answered['bags forgotten'][is_bag], seed)}")
print(f"bags before any lesson: {mean_with_interval(never[is_bag], seed)}")
gap = paired_difference(answered["bags forgotten"][~is_bag], answered["before"][~is_bag], seed)
print(
    f"other classes, after less before: {100 * gap.value:+.1f} points [{100 * gap.low:+.1f}, {100 * gap.high:+.1f}], "
    f"{unchanged(gap)}"
)
small = taught[0].remove(where=f"group = 'fashion_mnist/{FORGOTTEN}'")
gap = paired_difference(recall_of_stamps(small, k_old, 2), recall_of_stamps(taught[0], k_old, 2), seed)
print(f"held-out stamps: {100 * gap.value:+.1f} points [{100 * gap.low:+.1f}, {100 * gap.high:+.1f}], {unchanged(gap)}")

# %% [markdown]
# **What you see.** The bags are gone, and nothing else went with them. Accuracy on bags falls to nothing, far below what
# it was before any lesson. How? Before, a picture of a bag had only stamps to turn to. Now it is
# most similar to the other grey pictures of clothing, which all speak for other classes. Forgetting a class is not
# going back in time.
#
# Note what forgetting does *not* do: the picture encoder still knows what a bag looks like, and a few stamps may show
# bags. The *pairs* are forgotten, exactly; no more was promised.
#
# **A contributor.** Ben wants his pictures back. That is a right in many countries, and here it is one line, if the
# table says who gave what. We add a column for it, and Ben's captions have words of his own, so that we can look for
# them afterwards, in the files.
#
# `remove` only *marks* pairs as removed: that is quick, and it can be undone. `compact` writes what is left into new
# files and deletes the old ones, with their history.
#
# **Before you run the next cell:** after `remove`, are Ben's captions still on the disk? After `compact`?

# %%
BEN = "from Ben's wardrobe"


def given_by(bank, name):
    return replace(bank, pairs=bank.pairs.assign(contributor=name))


def holds(folder, words, row):
    """Whether any file of a bank holds those words, or the bytes of that embedding."""
    files = [f for f in Path(folder).rglob("*") if f.is_file()]
    tables = [pq.read_table(f).to_pandas() for f in files if f.suffix == ".parquet"]
    in_tables = any(table.astype(str).apply(lambda c: c.str.contains(words).any()).any() for table in tables)
    in_bytes = any(words.encode() in f.read_bytes() for f in files)
    return in_tables or in_bytes, any(row.numpy().tobytes() in f.read_bytes() for f in files)


bens_pairs = pool_pairs.subset([rows[-1] for rows in by_class])
bens_pairs = replace(bens_pairs, captions=[c.replace(".", f" {BEN}.") for c in bens_pairs.captions])
bens = bank.embed(bens_pairs, image_encoder, text_encoder, progress=False)
bens = given_by(replace(bens, pairs=bens.pairs.assign(id="ben/" + bens.pairs.id)), "Ben")
home = Path(folder.name) / "shared"
given_by(bank, "Tux Paint").save(home)
shared = AnchorBank.load(home).add(given_by(lesson(0, 1), "Ada"))


def line(what, bank, seconds):
    caption, embedding = ("yes" if found else "no" for found in holds(home, BEN, bens.image[0]))
    of_ben = int((bank.pairs.contributor == "Ben").sum())
    return f"| {what} | {len(bank)} | {of_ben} | {caption} | {embedding} | {seconds:.3f} |"


lines = [
    "| | pairs | of them Ben's | his caption in the files | his first embedding in the files | seconds |",
    "|---|---|---|---|---|---|",
]
histories = []
for what, edit in (
    ("Ben's pairs added", lambda bank: bank.add(bens)),
    ("removed", lambda bank: bank.remove(where="contributor = 'Ben'")),
    ("compacted", lambda bank: bank.compact()),
):
    start = perf_counter()
    shared = edit(shared)
    lines.append(line(what, shared, perf_counter() - start))
    histories.append(shared.history())
display(Markdown("\n".join(lines)), *histories[1:])

# %% [markdown]
# **What you see.** After `remove` the model no longer uses the pairs, and the files still hold them. After `compact`
# they are gone from the bank's files, and the history with them, which had named the condition. Two things are not the
# bank's: Ben's pictures themselves, and the *cache of embeddings*, which knows each picture by its checksum. Whoever
# promises deletion must empty that as well, and backups, and copies. A promise is as good as the list of places that
# it covers.

# %% [markdown]
# ## 5 · Versions
#
# As long as a bank is not compacted, each edit can be undone. `diff` says what changes from one bank to another.

# %%
latest = growing.remove(where="group = 'fashion_mnist/shirt'")
change = growing.diff(latest)
print(f"version {growing.version} to {latest.version}: {change.change.value_counts().to_dict()}")
display(change.head(3).style.hide(axis="index"))
back = latest.undo()
print(f"undone: version {back.version}, {len(back)} pairs; nothing differs: {growing.diff(back).empty}")

# %% [markdown]
# ## 6 · A poisoned pair
#
# Who may add pairs may also add a wrong one. We plant a single pair in a bank with a short lesson: a picture of an ankle
# boot, with the caption "a photo of a dress.". Which picture? The one that does most harm on the validation pictures,
# as somebody with bad intentions would find it, by trying. (The two classes we found in the same way; most others do
# less.) Suppose that nobody tells us which pair it was. We only notice, on the validation pictures, that something has
# become worse.
#
# **Before you run the next cell:** one pair among some 800. By how many points can it lower the accuracy? On which
# class?

# %%
VICTIM, LIE = classes.index("ankle boot"), classes.index("dress")
short = min(2, sizes[-1])
healthy = bank.add(lesson(0, short))
of_victim = pool.subset([i for i in by_class[VICTIM] if i not in set(by_class[VICTIM][:most])])
short_fraction, short_p = chosen.get(short, chosen[1])
k_short = round(short_fraction * len(healthy))
victims = tried.labels == VICTIM


def with_a_lie(row):
    """The pair of one picture of an ankle boot with the wrong caption."""
    pair = of_victim.subset([row])
    false = {"id": "planted", "caption": TEMPLATE.replace("{}", classes[LIE]), "group": "unknown"}
    return replace(pair, text=labels_text[[LIE]], pairs=pair.pairs.assign(**false))


def still_right(row):
    bank = healthy.add(with_a_lie(row))
    return right_answers(bank, z_tried[victims], tried.labels[victims], k_short, short_p).sum()


worst = min(range(len(of_victim)), key=still_right)  # of equals, the first
planted = with_a_lie(worst)
poisoned = healthy.add(planted)
for name, rows in (("all classes", np.ones(len(tried), bool)), (f"{classes[VICTIM]} only", victims)):
    answers = [right_answers(b, z_tried[rows], tried.labels[rows], k_short, short_p) for b in (healthy, poisoned)]
    gap = paired_difference(answers[1], answers[0], seed)
    print(
        f"validation, {name}: {answers[0].mean():.1%} before, {answers[1].mean():.1%} after; "
        f"{100 * gap.value:+.1f} points [{100 * gap.low:+.1f}, {100 * gap.high:+.1f}]"
    )

# %% [markdown]
# **What you see.** One pair does visible harm where its picture is near to many others. Now find it. A score is a sum
# over anchors, so we can ask each anchor what it gave.
#
# ### Exercise 07.5 · Who did the harm?
#
# **Difficulty** ●●●○○ · **Minutes** 12
#
# You have the vectors of $q$ pictures and of the $c$ prompts, over the same $n$ anchors, and the true classes. A
# picture is given the class whose prompt has the largest dot product with it. What anchor $j$ contributes to a class
# is the picture's entry $j$ times the prompt's entry $j$. The **harm** of an anchor, on one picture, is what it
# contributes to the class given less what it contributes to the true class. Return its mean over all pictures. (For
# a picture that got its class, every harm is 0.)


# %% tags=["exercise"]
def my_harm(images: torch.Tensor, prompts: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """How much each anchor speaks for the class given and against the true one.

    images: (q, n), prompts: (c, n), dense sparse vectors, none negative; labels: (q,) int64, the true classes;
    returns (n,).
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
# First the class given to each picture. `prompts[given]` is then a (q, n) matrix: for each picture the prompt of its
# class. Multiply it with the pictures, entry by entry.
#
# </details>
# <details><summary>What you should see</summary>
#
# A green verdict. The library's `influence(images, prompts, given, against=labels)` is the same sum without dense
# matrices.
#
# </details>

# %% [markdown]
# **Before you run the next cell:** will the planted pair come first of all anchors? And will the audit of chapter 06
# have found it, which asks of each pair whether the *other* pairs agree with it?

# %%
model = ASIF(poisoned, k_short, short_p, device=device)
images, prompts = model.images(z_tried[victims]), model.texts(labels_text)
given = images.similarity(prompts).argmax(dim=1)
suspects = influence(images, prompts, given.tolist(), poisoned.pairs, against=tried.labels[victims].tolist())
harm = np.zeros(len(poisoned))
harm[suspects.anchor] = suspects.contribution
show(
    harm_profile(harm, poisoned.pairs.caption.tolist()),
    f"Bars of the harm that anchors do on pictures of ankle boots, the worst first: {int((harm > 0).sum())} of "
    f"{len(harm)} anchors do any.",
)
pictures_of = dict(zip(stamps.ids + pool_pairs.ids, stamps.pictures + pool_pairs.pictures, strict=True))
pictures_of["planted"] = pictures_of[of_victim.pairs.id[worst]]
top = suspects.head(5)
show(
    show_pictures(
        [enlarged(open_picture(pictures_of[i])) for i in top.id],
        [f"{c} {100 * h:.1f}" for c, h in zip(top.caption, top.contribution, strict=True)],
        columns=5,
        title="most harm, in hundredths of a score",
    ),
    "The five anchors with the most harm, with their captions: " + "; ".join(top.caption),
)
print(f"{int((harm > 0).sum())} of {len(harm)} anchors do any harm on ankle boots")

# %%
audit = rank_pairs(poisoned)
by_harm, by_audit = (int(table.index[table.id == "planted"][0]) + 1 for table in (suspects, audit))
print(f"place of the planted pair by harm on ankle boots: {by_harm}")
print(f"place in the audit of the whole bank: {by_audit} of {len(audit)}")
print(f"among the first twelve of the audit, as chapter 06 looks at them: {'yes' if by_audit <= 12 else 'no'}")

# %% [markdown]
# **What you see.** Look at the pictures, not at the bars alone: an ankle boot with the caption of a dress is wrong for
# anybody who sees it. An anchor may do harm and still be right, as a sneaker is that looks like a boot. So the bars name
# suspects, and a person decides. Does the audit of chapter 06 find it? The last line says it. The audit looks for pairs
# that the others contradict, and the others are stamps and a few pictures of clothing, in grey like this one: they
# hardly know enough to contradict. What finds a lie here is a question on which it does harm.
#
# Now take out the suspect that we have looked at, and measure on the *test* pictures, which had no part in finding it.

# %%
healed = poisoned.remove(ids=["planted"])
answers = {
    name: right_answers(b, z_test, test_data.labels, k_short, short_p)
    for name, b in (("healthy", healthy), ("poisoned", poisoned), ("healed", healed))
}
for name, found in answers.items():
    print(f"{name}: {mean_with_interval(found, seed)}")
gap = paired_difference(answers["healed"], answers["poisoned"], seed)
print(f"healed less poisoned: {100 * gap.value:+.1f} points [{100 * gap.low:+.1f}, {100 * gap.high:+.1f}]")
print(f"healed and healthy banks give the same answers: {np.array_equal(answers['healed'], answers['healthy'])}")
crowded = bank.add(lesson(0, sizes[-1]))
pair = [right_answers(b, z_test, test_data.labels, k_full, p_new) for b in (crowded, crowded.add(planted))]
gap = paired_difference(pair[1], pair[0], seed)
print(
    f"the same pair beside {sizes[-1]} pairs of each class: {100 * gap.value:+.1f} points "
    f"[{100 * gap.low:+.1f}, {100 * gap.high:+.1f}]"
)

# %% [markdown]
# **What you see.** The healed bank is the healthy bank, exactly. The last line is a second lesson: beside many honest
# neighbours one liar is outvoted. A bank is as easy to poison as it is thin.

# %% [markdown]
# ## 7 · Which pairs to add?
#
# Each pair costs somebody a caption. If you may add only one or two of each class, which? The dots of the learning
# curve say that it matters a good deal. The pool is labelled here, so that you can choose by class; in life one would
# look at many pictures and write captions for a few.

# %%
per_class = 1
task = LessonTask(
    (bank.image, bank.text),
    (pool.image, torch.from_numpy(pool_data.labels)),
    labels_text,
    (z_tried, torch.from_numpy(tried.labels)),
    (z_test, torch.from_numpy(test_data.labels)),
    per_class=per_class,
    seed=seed,
)
chance = np.mean([task.measure(other).float().mean() for other in task.random])
print(f"{per_class} of each class, drawn at random, validation: {chance:.1%} (mean of {len(task.random)} lessons)")

# %% [markdown]
# ### Exercise 07.6 · Ten pictures, well chosen
#
# **Difficulty** ●●●●● · **Minutes** 20
#
# An open question. Choose `per_class` pictures of each class from the pool, by looking at the embeddings of the pool
# alone. The model is taught these, with $k = n/10$ and $p = 8$, and must do better than after lessons drawn at random.
# Two ideas that people have had: the most **typical** pictures, and the most **diverse** ones (farthest first, as in
# exercise 02.5). Which is better for one picture of each class? And for five? (For five, set `per_class = 5` in the cell
# above, run it and the check again.)
#
# `task.measure(my_lesson(*task.pool, per_class))` tells for each validation picture whether it gets its class: use it
# as often as you like, in a cell of your own. The check opens the test pictures, and each further lesson that it
# judges makes the interval wider, as in chapter 05; the same lesson again is no new look. Running the cell that makes
# `task` sets the count of looks back to 0: so settle on your lesson by `task.measure` first.


# %% tags=["exercise"]
def my_lesson(image: torch.Tensor, labels: torch.Tensor, per_class: int) -> torch.Tensor:
    """Positions in the pool of the pictures to teach, per_class of each class.

    image: (m, d), embeddings of the pool; labels: (m,) int64, classes 0 to c - 1; returns (c * per_class,) int64.
    """
    ### BEGIN SOLUTION
    directions = torch.nn.functional.normalize(image - image.mean(dim=0), dim=1)
    chosen = []
    for c in range(int(labels.max()) + 1):
        rows = (labels == c).nonzero()[:, 0]
        own = directions[rows]
        likeness = own @ own.mean(dim=0)  # the mean cosine with the pictures of its own class
        chosen.append(rows[likeness.topk(per_class).indices])
    return torch.cat(chosen)
    ### END SOLUTION


# %% tags=["check"]
check_lesson(my_lesson, task)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `(labels == c).nonzero()[:, 0]` lists the positions of class $c$ in the pool. Draw a class as a cloud of points: where
# in it would you put the one picture that shall answer for as many questions as possible? Which number, computed from
# the cosines within the class, is large there? And what do the five best by that number have in common: do they help
# each other?
#
# </details>
# <details><summary>What you should see</summary>
#
# A green verdict with a gain of many points. A picture that is near to many questions at once earns its caption; one
# that is near to few wastes it. With more pictures of each class the advantage shrinks. Keep what `task.measure` says
# of the idea that lost, too; the rest of this section measures one of the two for several sizes.
#
# </details>

# %% [markdown]
# How far does this carry? Typical pictures against random lessons, for several sizes, on the test pictures.
#
# **Before you run the next cell:** at which size will the random lessons have caught up? (Remember what was paid: to
# know which picture is typical, the whole pool was looked at, though not captioned.)


# %%
def typical_lesson(per_class):
    rows = []
    directions = torch.nn.functional.normalize(pool.image - pool.image_mean, dim=1)
    for own in by_class:
        x = directions[own.tolist()]
        rows += own[(x @ x.mean(dim=0)).topk(per_class).indices.numpy()].tolist()
    return pool.subset(rows)


typical_right = {}
for size in sizes[1:]:
    taught_typical = bank.add(typical_lesson(size))
    k_typical = max(1, round(chosen[size][0] * len(taught_typical)))
    typical_right[size] = right_answers(taught_typical, z_test, test_data.labels, k_typical, chosen[size][1])
show(
    learning_curve(
        {
            "typical pictures": {s: (mean_with_interval(r, seed), []) for s, r in typical_right.items()},
            "drawn at random": {s: c for s, c in curve(right).items() if s},
        },
        chance=0.1,
    ),
    "Accuracy against the pairs added for each class: with few pairs the typical pictures are far ahead of random "
    "lessons, and with many the curves come together.",
)
found = mean_with_interval(typical_right[1], seed)
record(
    "Fashion-MNIST, 10 pairs added to the 793 stamps, the most typical picture of each class",
    found.value,
    ci=found.ci,
    n=found.n,
    note=f"drawn at random: {right[1].mean():.0%}",
)
for size, answers in typical_right.items():
    gap = paired_difference(answers, right[size].mean(axis=0), seed)
    print(
        f"{size} of each class: typical {answers.mean():.1%}, random {right[size].mean():.1%}, difference "
        f"{100 * gap.value:+.1f} points [{100 * gap.low:+.1f}, {100 * gap.high:+.1f}]"
    )

# %% [markdown]
# **What you see.** A few well-chosen pairs teach as much as many that came by chance. Nothing was trained for this
# either: to choose is to look at the pool.

# %% [markdown]
# ## 8 · Another new world: satellite pictures
#
# The paper's authors tell this story with EuroSAT, satellite pictures of ten kinds of land. With `profile = "hub"` the
# next cell does the same with the larger encoders: torchvision downloads EuroSAT (about 90 MB), the folder names become
# words, and everything else is the code from above. In the offline profile it says so and does nothing.
#
# **Before you run it (in the hub profile):** with no pair added, will the model be nearer to chance than with
# clothes, or farther?

# %%
if profile == "hub":
    land = load_labelled("eurosat")
    land_part = land.split("train").sample(10 * most * lessons, seed)
    land_tried = land.split("validation").sample(len(tried), seed)
    land_test = land.split("test").sample(len(test_data), seed)
    land_rows = [np.flatnonzero(land_part.labels == c) for c in range(len(land.classes))]
    land_pool = bank.embed(as_pairs(land_part, lambda picture: picture), image_encoder, text_encoder)
    land_text = embed(text_encoder, [TEMPLATE.replace("{}", name) for name in land.classes])

    def land_lesson(number, per_class):
        first = number * most
        return land_pool.subset([i for rows in land_rows for i in rows[first : first + per_class]])

    _, land_chosen, land_right, land_kept = learn(
        bank,
        land_lesson,
        land_text,
        (embed(image_encoder, land_tried.pictures), land_tried.labels),
        (embed(image_encoder, land_test.pictures), land_test.labels),
        sizes,
        lessons,
    )
    show(
        learning_curve(
            {"k and p chosen for each size": curve(land_right), "k = n/10, p = 2": curve(land_kept)},
            chance=1 / len(land.classes),
        ),
        "Accuracy on EuroSAT against the pairs added for each class.",
    )
    for size in sizes:
        mean, each = curve(land_right)[size]
        print(f"{size} of each class: {mean}, lessons {each.min():.1%} to {each.max():.1%}; k/n, p {land_chosen[size]}")
else:
    print('EuroSAT comes from the internet; set profile = "hub" in the first cell to run this part')

# %% [markdown]
# **What you see.** In the hub profile, a second curve to hold against the first; read its numbers with their intervals.
# Offline we claim nothing about it. There, `asif bank build NAME --from FOLDER` and the code above do the same with a
# folder of your own pictures.
#
# The temporary folder goes now, with the banks in it.

# %%
folder.cleanup()

# %% [markdown]
# Which exercises of this chapter have you solved? (Kept on this machine only.)

# %%
show_progress("07")

# %% [markdown] tags=["teacher"]
# ### Timing
#
# **50 minutes.** Section 1 without the frame (5 minutes), exercise 07.1 (8), section 2 with the learning curve and the
# knob (12), section 3's paragraph on equivalence with a drawing on the board and the stamps (10), the poisoned pair
# without its exercise (10), 5 minutes for the summary. At home: 07.2 to 07.5, sections 4 and 7.
#
# **90 minutes.** Sections 1 and 2 with 07.1 and 07.2 (30), 07.3 in pairs, each drawing intervals for the other (15),
# sections 3 and 4 (15), section 6 with 07.5 (15), a common start of 07.6: collect ideas on the board before anybody
# measures (15). At home: 07.4, the rest of 07.6, section 8 where there is internet.
#
# ### What students get wrong
#
# - *"It learned, so weights changed."* Seen as talk of "training on 200 pictures". Ask which numbers in the encoders
#   differ afterwards.
# - *"No significant change, so unchanged."* Seen in 07.3. Ask what the same test would say with five questions.
# - *"Add a row to the picture matrix, and later to the other one."* Seen in 07.1 and 07.4. Ask what caption the new
#   picture has in between.
# - *"The new mean is the mean of the means."* Seen in 07.2. Ask for the mean of a class of 30 and a class of 2.
# - *"Removed is deleted."* Seen as surprise in section 4. Ask where else the picture is: backups, the cache, the
#   student's own screenshot.
# - *"The most harmful anchor is wrong."* Ask to see its picture. A right anchor between two classes does harm, too.
# - *"Chosen on validation, so the number on validation is the result."* Ask what the sweep of section 2 would show if
#   all cells were equally good (chapter 04).
#
# ### Discussion
#
# 1. A patient asks that her picture be forgotten. Which parts of an ASIF system have to be looked at?
#
# > **Answer.** The pair in the bank, its history until `compact`, the cache of embeddings, backups and copies, the
# > picture itself, results that were printed with it; and, if she was part of *their* training data, the encoders,
# > which no edit of a bank can change.
#
# 2. Why should the margin be named before one measures? (Ours was not.)
#
# > **Answer.** After the fact one can always find a margin that the interval fits into. The margin says what change
# > would matter to somebody, and that has nothing to do with the measurement.
#
# 3. The best $p$ rose after the lessons, and with it the recall of stamps changed a little. Whose $p$ should a model
#    have that serves both?
#
# > **Answer.** That of a validation set which holds both kinds in the proportions of use. Or two models over one bank:
# > $k$ and $p$ cost nothing to change for each question, if one knows of which kind it is.
#
# 4. Could somebody poison the bank so that harm is not found by `influence`?
#
# > **Answer.** Yes: with many pairs that each do a little, or with a pair that matters only for a picture that no
# > validation set holds. The explanation finds what hurts on the pictures that one looks at.
#
# 5. In 07.6 the typical pictures were chosen with the labels of the whole pool. Is that cheating?
#
# > **Answer.** It is a cost to be named. Without labels one can cluster the pool and caption the centre of each
# > cluster; a cluster need not be a class, so the gain will be smaller. Measuring it is a good project.

# %% [markdown]
# ## Summary
#
# - What an ASIF model knows is a list. Adding a pair appends a row to two matrices and moves the mean; removing takes
#   the row out. The result is exactly what a rebuild would give.
# - A few pairs of a new kind lift the accuracy there from modest to useful; which pairs they are matters most when they
#   are few.
# - $k$ and $p$ belong to the bank. After an edit choose them again, on validation pictures of all kinds that matter.
# - "Unchanged" is a claim that needs a margin and an interval within it.
# - Forgetting is exact for the pairs. It is final after `compact`, in the bank's files; caches, copies and the encoders
#   are other places.
# - A wrong pair is found by what it contributes to wrong answers, and a person looks at it before it goes.
#
# **What would prove us wrong.** If held-out stamps changed by more than 5 points after a lesson in clothes, learning
# here would have its price elsewhere, as it has in networks. If the edited bank gave another answer than a bank built
# anew, "exact" would be false: the library's tests compare them bit for bit. If lessons of other pictures of the same
# classes reached far less than ours, our pool would have been lucky: raise `seed` and see.
#
# **Where next.** Everything here had a thousand anchors. Try it on pictures of your own: `asif bank add NAME FOLDER`
# teaches, `asif bank remove NAME --where "group = 'food'"` forgets, and `asif bank history NAME` tells what was done.
