# %% [markdown]
# # 05 · Zero-shot evaluation
#
# > **Question.** How good is it, and how sure are we?
#
# The model is complete: it has two frozen encoders, a bank of anchors, $k$ and $p$. Now
# we measure the model on pictures that had no part in any choice. A number alone says
# little, so each number stands beside an interval, chance and simpler methods.
#
# <details><summary>Goals, minutes, path, what runs</summary>
#
# - find the captions of held-out stamps, and compare ASIF with five baselines;
# - give a number its interval, and compare two methods question by question;
# - classify stamps and clothes by the names of their classes, and turn scores into
#   probabilities.
#
# **Minutes** {minutes} · **Before this** [04 · Sparsification](04_sparsification.ipynb)
# · **What runs** All stamps, and some thousand pictures of Fashion-MNIST. About 25
# seconds on 2 CPU cores with the embeddings in the cache.
#
# </details>

# %% tags=["parameters", "hide-input"]
# Set up this chapter. To choose encoders, device or pictures, open this cell.
profile = "offline"  # or "hub": larger encoders, from the hub
device = "auto"  # "auto", "cpu", "cuda" or "mps"
pairs = "stamps"  # or a folder of pictures with captions
seed = 0  # for samples and intervals
fast = False  # True: fewer pictures, seeds and settings

from collections import Counter
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch

import asif_book.figures as draw
from asif_book import record
from asif_lib import ASIF, embed, load_labelled
from asif_lib.evaluation import (
    accuracy,
    in_points,
    mean_with_interval,
    paired_difference,
    ranks,
    recall_at,
    same_text,
)

draw.use_style()

from asif_book.chapters.classes import class_names, classes_of, inverted, with_classes
from asif_book.chapters.measuring import over_draws, scoreboard
from asif_book.chapters.opening import open_chapter
from asif_book.checks import (
    WordingTask,
    check_average_templates,
    check_bootstrap,
    check_paired_difference,
    check_prompts,
    check_recall_with_ties,
    check_wording,
)

image_encoder, text_encoder, stamps, everything = open_chapter(profile, device, pairs)
train, validation, test = (stamps.splits[s] for s in ("train", "validation", "test"))

# %% tags=["hide-input"]
# Draw eight answers of a model with the settings of chapter 04.
small_bank, bank = everything.subset(train), everything.subset(train + validation)
small_model = ASIF(small_bank, device=device, text_encoder=text_encoder)
model = ASIF(bank, device=device, text_encoder=text_encoder)
names, classes = class_names(stamps), classes_of(stamps)  # of each pair; all classes
rows = with_classes(stamps, validation, classes)[0][:8]
given = small_model.classify(everything.image[rows], classes).best
given = [name or "nothing decides" for name in given]
pictures, right = [stamps.pictures[i] for i in rows], [names[i] for i in rows]
draw.show(draw.labelled_pictures(pictures, given, right, columns=4))

# %% [markdown]
# ## 1 · Retrieval: from the scoreboard to the test
#
# The scoreboard of chapters 03 and 04 counts how often a *validation* stamp finds its
# caption, with the training stamps as anchors. But $k$ and $p$ were chosen on these
# same stamps, so its last number is a little too good. The *test* stamps had no part in
# that choice.

# %% tags=["hide-input"]
# Draw which split sees what.
draw.who_sees_what(stamps)

# %% [markdown]
# **What you see.** Each lane is a **split**. First the training stamps are the anchors
# (solid), and the validation stamps ask (outlined). When $k$ and $p$ are chosen, the
# validation stamps become anchors too, and the test stamps ask. No cell chooses
# anything by their answers.
#
# **Before you run the next cell:** on the way to the test, we first ask other questions
# and then add anchors. Which step will change R@1 more?

# %% tags=["hide-input"]
# Draw the scoreboard with two steps from its last row to the test.
captions = stamps.captions


def first_place(anchors, asked):
    """R@1, picture → caption, of the stamps of a bank, with an interval."""
    texts = asked.pairs.caption.tolist()
    similarity = ASIF(anchors, device=device).similarity(asked.image, asked.text)
    return recall_at(similarity, same_text(texts, texts), 1, seed)


board, chance = scoreboard(everything, stamps.splits, seed=seed)
asked = everything.subset(test)
board["05 · test stamps as questions"] = first_place(small_bank, asked)
board["05 · and validation stamps as anchors"] = first_place(bank, asked)
xlabel = "R@1, picture → caption, with 95 % interval"
draw.show(draw.interval_dots({"stamps": board}, xlabel=xlabel, chance=chance))

# %% [markdown]
# **What you see.** When anchors are added, R@1 falls a little. But such bars do not
# tell whether a step is sure, as section 5 explains. The last row is the number that
# this chapter reports.

# %% [markdown]
# ## 2 · A bag of words?
#
# So far the wrong captions belong to other stamps. Now a wrong caption is a copy of the
# right caption, with a single change. To exchange the roles of two things, we put two
# stamps side by side. No anchor shows a stamp that is asked. How often does the copy
# win?
#
# **Before you run the next cell:** which change will the model notice worst?

# %% tags=["hide-input"]
# Make wrong captions by each rule.
from asif_lab.wrong_captions import CHANGES, wrong_captions

from asif_lib.errors import DataError

order = np.random.default_rng(seed).permutation(len(captions)).tolist()
wrong = {"another stamp's caption": dict(enumerate(captions[i] for i in order))}
for what, (rule, example) in CHANGES.items():
    print(f"A change of {what} makes “{rule(example)}” of “{example}”")
    try:
        wrong[what] = wrong_captions(captions, what)
    except DataError as error:
        print(f"    {error}")

# %% tags=["hide-input"]
# Count how often the wrong captions win.
from asif_book.chapters.chapter_05.lessons import wrong_wins

wins = {}
for what, of in wrong.items():
    rows = [i for i in order if i in of and of[i] != captions[i]][: 30 if fast else 150]
    z = embed(text_encoder, [of[i] for i in rows], progress=False)  # (m, 384)
    wins[what] = mean_with_interval(wrong_wins(everything, rows, z), seed)

# %% tags=["hide-input"]
# Change who does what, in two pictures side by side.
from asif_book.chapters.chapter_05.lessons import side_by_side

try:
    asked = stamps.split("test")
    both, *told = side_by_side(asked.pictures, asked.captions)
    print(f"A change of role makes “{told[1][0]}” of “{told[0][0]}”")
    images = model.images(embed(image_encoder, both, progress=False))
    own, copy = (images.similarity(model.texts(t)).diagonal() for t in told)  # (m,)
    wins["role"] = mean_with_interval((copy >= own).numpy(), seed)
except DataError as error:
    print(error)

# %% tags=["hide-input"]
# Draw how often a wrong caption wins, for each rule.
xlabel = "the wrong caption wins, with 95 % interval"
draw.show(draw.interval_dots({"stamps": wins}, xlabel=xlabel, chance=0.5))

# %% [markdown]
# **What you see.** A caption of another stamp hardly ever wins. But a copy with another
# colour, or with “left” the other way round, wins about as often as a coin (dotted
# line). So a good recall does not show that the model reads colours or roles.

# %% [markdown]
# ## 3 · Find the caption, find the picture
#
# For each test picture the model ranks all test captions, and for each caption all
# pictures. We count R@1 and R@10. If two stamps have the same caption, both count as
# right.
#
# We compare ASIF with five simple methods, which learn from the same anchors:
#
# - **nearest anchor**: the picture borrows the caption of the most similar anchor;
# - **ridge**: one matrix, with small entries, turns image embeddings into text
#   embeddings;
# - **Procrustes**: both sides are reduced to equally many main directions, and a
#   rotation or mirror brings the pictures closest to their captions;
# - **CCA**, canonical correlation analysis: we find pairs of directions along which
#   pictures and captions vary together;
# - **CSA**: as in CCA, but a pair of directions counts more if it varies together more.
#
# Their settings are chosen on the validation split, too.
#
# **Before you run the next two cells:** which R@1 will ASIF reach, and which of the
# five comes closest?

# %%
from asif_lab import METHODS, choose

same_pairs = same_text(captions, captions)  # (793, 793) bool
split = [(train, validation)]
methods, settings = {"ASIF": model}, {}
for name in ("nearest anchor", "ridge", "Procrustes", "CCA", "CSA"):
    make = METHODS[name]
    found = choose(make, everything.image, everything.text, split, same_pairs)
    settings[name] = found.settings  # the best on the validation split
    methods[name] = make(**found.settings).fit(bank.image, bank.text)

# %% tags=["hide-input"]
# Find the place of the right answer for all methods, in both directions.
image, text = everything.image[test], everything.text[test]  # (150, 1280), (150, 384)
scores = {m: method.similarity(image, text) for m, method in methods.items()}
test_captions = [captions[i] for i in test]
same = same_text(test_captions, test_captions)  # (150, 150) bool
WAYS = ("picture → caption", "caption → picture")
place = {(m, WAYS[0]): ranks(s, same) for m, s in scores.items()}  # of the right answer
place |= {(m, WAYS[1]): ranks(s.T, same) for m, s in scores.items()}  # (150,) each

# %% tags=["hide-input"]
# Draw R@1 of all methods in both directions. Draw R@10 in both directions. Record.
from scipy.stats import hypergeom

rights = same.sum(dim=1).numpy()  # right answers of each question
for k in (1, 10):
    chance = hypergeom.sf(0, len(test), rights, k).mean()
    dots = {way: {} for way in WAYS}
    for (m, way), places in place.items():
        dots[way][m] = mean_with_interval(places < k, seed)
    xlabel = f"R@{k} on held-out stamps, with 95 % interval"
    draw.show(draw.interval_dots(dots, xlabel=xlabel, chance=chance))
    asif, note = dots[WAYS[0]]["ASIF"], f"chance {chance:.1%}"
    record(f"held-out stamps, caption among 150, R@{k}", asif, note=note)

# %% [markdown]
# **What you see.** All dots stand far to the right of **chance**, the result of a
# random order. Section 5 asks whether ASIF is better than ridge. But first we doubt the
# number itself, because some test captions stand *word for word* among the anchors.
#
# **Before you run the next two cells:** will R@1 fall if we count only pictures whose
# caption is new? How far will it fall if we shuffle the anchors' captions?

# %%
known = set(bank.pairs.caption)
new = np.array([caption not in known for caption in test_captions])  # (150,) bool
first = place["ASIF", "picture → caption"] < 1  # (150,) bool: R@1 is its mean
shuffle = np.random.default_rng(seed).permutation(len(bank))
shuffled = ASIF(bank.replace(text=bank.text[shuffle]), device=device)
first_shuffled = ranks(shuffled.similarity(image, text), same) < 1  # (150,) bool

# %% tags=["hide-input"]
# Print R@1 for new captions, for known ones, and with shuffled captions. Record.
for words, which in (("no anchor has", new), ("an anchor has", ~new)):
    if which.any():
        found = mean_with_interval(first[which], seed)
        where = f"R@1 where {words} the same caption"
        record(f"held-out stamps, caption among 150, {where}", found)
        print(f"The {where} is {found}.")
found = mean_with_interval(first_shuffled, seed)
print(f"The R@1 with the anchors' captions shuffled is {found}.")

# %% [markdown]
# **What you see.** If only new captions count, R@1 falls, but not to chance. If the
# anchors' captions are shuffled, R@1 is about chance.

# %% tags=["hide-input"]
# Draw four right answers and four wrong ones.
answers = scores["ASIF"].argmax(dim=1).numpy()  # (150,)
order = np.random.default_rng(seed).permutation(len(test))
shown = [i for i in order if first[i]][:4] + [i for i in order if not first[i]][:4]
said, own = ([test_captions[i] for i in rows] for rows in (answers[shown], shown))
pictures = [stamps.pictures[test[i]] for i in shown]
draw.show(draw.labelled_pictures(pictures, said, own, columns=4))

# %% [markdown]
# ### Exercise 05.1 · Recall with ties
#
# **Difficulty** ●●●○○ · **Minutes** 10
#
# Because sparse vectors often share no anchor, many scores are exactly 0, so they tie.
# Write recall@k so that a right answer in a tie stands *behind* all wrong answers of
# the tie. A question is found if its best right answer is among the first $k$. Other
# right answers do not stand in its way, so count only the wrong answers before the best
# right one.


# %% tags=["exercise"]
def my_recall(scores: torch.Tensor, relevant: torch.Tensor, k: int) -> float:
    """Recall@k, where a tie does not count as found.

    scores: (q, t) float32; relevant: (q, t) bool, at least one True in each row;
    returns a share.
    """
    ### BEGIN SOLUTION
    # Count the wrong answers that score as high as the best right one, with the ties.
    ### END SOLUTION


# %% tags=["check"]
check_recall_with_ties(my_recall)

# %% [markdown]
# <details><summary>Hint</summary>
#
# First find the score of the best right answer of each row:
# `scores.masked_fill(~relevant, -torch.inf).amax(dim=1)`. Then count the wrong answers
# with a score at least as large. If they are fewer than $k$, the question is found.
#
# </details>
# <details><summary>What you should see</summary>
#
# If all scores are equal, recall@5 among 12 candidates is 0.
#
# </details>

# %% [markdown] tags=["number"]
# **Break it on purpose:** now a tie counts as found. We ask the model with a small $k$,
# and a silent “model” that says 0 to everything.
#
# **Before you run the next cell:** what R@1 will the silent model get?

# %%
small = ASIF(bank, min(3, model.k), device=device)
compared = {
    f"ASIF with k = {model.k}": scores["ASIF"],
    "ASIF with a small k": small.similarity(image, text),
    "The silent model": torch.zeros_like(scores["ASIF"]),
}
for name, s in compared.items():
    strict = float((ranks(s, same) < 1).mean())
    best_right = s.masked_fill(~same, -torch.inf).amax(dim=1, keepdim=True)  # (150, 1)
    careless = float(((s > best_right).sum(dim=1) < 1).float().mean())
    print(f"{name} has R@1 {strict:.1%}, and {careless:.1%} if a tie counts.")

# %% [markdown]
# **What you see.** The more often scores tie at 0, the more points the careless count
# gives away.

# %% [markdown]
# ## 4 · How sure is a number?
#
# The bars of section 3 are **95 % bootstrap intervals**, which say how far the number
# might move with other questions of the same kind. To make one, draw as many questions
# as there are, but *with replacement*, so that some come twice and some not at all.
# Compute R@1 of these questions. Repeat this 2,000 times, and cut off 2.5 % of the
# results at each end.
#
# **Before you run the next cell:** how much shorter would the interval be with four
# times as many questions?

# %% tags=["hide-input"]
# Draw the interval of R@1 for more and more of the questions.
shown = {}
for share in (1 / 16, 1 / 4, 1):
    some = first[: max(2, round(share * len(first)))]
    shown[f"{len(some)} questions"] = mean_with_interval(some, seed)
xlabel = "R@1 of ASIF, picture → caption, with 95 % interval"
draw.show(draw.interval_dots({"test stamps": shown}, xlabel=xlabel))

# %% [markdown]
# **What you see.** Each row has about four times as many questions as the row above, so
# its bar is about half as long.

# %% [markdown]
# ### Exercise 05.2 · How sure are we?
#
# **Difficulty** ●●●○○ · **Minutes** 10
#
# Write the bootstrap interval of a mean. Its ends are the percentiles 2.5 and 97.5 of
# the means of many resamples. The same seed must give the same interval, but another
# seed draws other resamples. Because two correct solutions draw different numbers, the
# check allows a difference of 0.02.


# %% tags=["exercise"]
def my_interval(items: torch.Tensor, resamples: int, seed: int) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval (low, high) of the mean.

    items: (n,) float32; resamples: how many to draw; seed: of the random generator.
    """
    ### BEGIN SOLUTION
    # Draw n of n items with replacement, many times; keep the middle 95 % of the means.
    ### END SOLUTION


# %% tags=["check"]
check_bootstrap(my_interval)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `torch.randint(n, (resamples, n), generator=…)` draws positions with replacement, one
# row for each resample. `items[draws]` holds the items of all resamples at once.
#
# </details>
# <details><summary>What you should see</summary>
#
# If all items are equal, the interval has length 0.
#
# </details>

# %% [markdown]
# ## 5 · Is one method better?
#
# Overlapping bars do not tell, because both methods answered the *same* questions, and
# some questions are hard for both. So we compare question by question. The **paired
# difference** of a question is 1 if only the first method is right, −1 if only the
# second is, and otherwise 0. If the interval of its mean excludes 0, the difference is
# more than the luck of these questions.

# %% tags=["hide-input"]
# Draw each question by the methods that are right, in R@10.
asif, ridge = (place[name, WAYS[0]] < 10 for name in ("ASIF", "ridge"))  # (150,) bool
draw.paired_squares(asif, ridge, ("ASIF", "ridge"))

# %% tags=["hide-input"]
# Compare ASIF with each baseline, question by question.
gaps = pd.DataFrame(
    {
        f"R@{k}, {way}": {
            name: paired_difference(place["ASIF", way] < k, place[name, way] < k, seed)
            for name in settings
        }
        for k in (1, 10)
        for way in WAYS
    }
).rename_axis("ASIF minus …, points")

# %% tags=["hide-input"]
# Show the differences in a table.
drawn = over_draws(profile, pairs)  # of the stamps and the offline encoders only
if len(drawn):
    gaps[f"{drawn.seeds.iloc[0]} draws, mean recall"] = -1 * drawn.gap[gaps.index]
bold = {True: "font-weight: bold", False: ""}
shown = gaps.style.format(lambda gap: in_points(gap).replace(" points", ""))
shown.map(lambda gap: bold[bool(gap.low > 0 or gap.high < 0)])

# %% [markdown]
# **What you see.** In the table, bold intervals exclude 0, and the others cannot tell.
# But of many intervals a few exclude 0 by luck (chapter 09), and the first four columns
# rest on *one* split. So the last column, which is stored, uses twenty draws of train,
# validation and test stamps. It gives the mean of R@1, R@5 and R@10, with intervals
# over draws and stamps. There ASIF is ahead of all five baselines.

# %% [markdown]
# ### Exercise 05.3 · Is a better than b?
#
# **Difficulty** ●●●○○ · **Minutes** 10
#
# `a` and `b` hold the results of two methods for the same $n$ questions. They may be
# any numbers, such as 1 for right and 0 for wrong. Return the mean of $a - b$, and its
# 95 % percentile bootstrap interval. A question that is drawn again is drawn for both.
# The check allows 0.02 for the two ends, but the mean does not depend on the draws.


# %% tags=["exercise"]
def my_comparison(
    a: torch.Tensor, b: torch.Tensor, resamples: int, seed: int
) -> tuple[float, float, float]:
    """The mean of a - b and its 95 % interval: (difference, low, high).

    a, b: (n,) float32, of the same questions; resamples: how many to draw;
    seed: of the random generator.
    """
    ### BEGIN SOLUTION
    # Both methods answered the same items, so resample the differences of the items.
    ### END SOLUTION


# %% tags=["check"]
check_paired_difference(my_comparison)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Take the difference of every question, because the rest is the bootstrap of exercise
# 05.2.
#
# </details>
# <details><summary>What you should see</summary>
#
# A method compared with itself gives 0, from 0 to 0.
#
# </details>

# %% [markdown]
# **Break it on purpose:** what happens if we forget that the questions were the same?
#
# **Before you run the next cell:** which interval will be shorter?

# %% tags=["hide-input"]
# Draw the paired and the unpaired intervals.
from asif_lib.evaluation import Measure


def unpaired_difference(a, b):
    """The interval that forgets the pairing of the questions; for comparison only."""
    rng = np.random.default_rng(seed)
    one, other = (x[rng.integers(len(x), size=(2_000, len(x)))] for x in (a, b))
    ends = np.quantile(one.mean(axis=1) - other.mean(axis=1), [0.025, 0.975])
    return Measure(np.mean(a) - np.mean(b), *ends, len(a))


gaps = {"paired": {}, "unpaired": {}}
for name in settings:
    one, other = (place[m, WAYS[0]] < 10 for m in ("ASIF", name))  # (150,) bool
    gaps["paired"][f"ASIF minus {name}"] = paired_difference(one, other, seed)
    gaps["unpaired"][f"ASIF minus {name}"] = unpaired_difference(one, other)
xlabel = "difference in R@10, picture → caption, points; 95 % interval"
draw.show(draw.interval_dots(gaps, xlabel=xlabel, zero=True))

# %% [markdown]
# **What you see.** The paired bars are shorter, because a hard question is hard for
# both methods, so that its difficulty cancels.

# %% [markdown]
# ## 6 · Classes by name
#
# **Zero-shot classification** asks for a class instead of a caption. A **prompt
# template**, such as “a photo of a {}.”, takes the name of each class. The class with
# the most similar prompt wins.

# %% [markdown]
# ### Exercise 05.4 · Labels into templates
#
# **Difficulty** ●○○○○ · **Minutes** 4
#
# Put every label into every template, in the place of `{}`. Return one flat list, label
# by label: first all templates with the first label, then all templates with the
# second, and so on.


# %% tags=["exercise"]
def my_prompts(labels: list[str], templates: list[str]) -> list[str]:
    """Every label in every template, label by label.

    labels: c strings; templates: m strings, each with one {};
    returns a list of (c · m) strings.
    """
    ### BEGIN SOLUTION
    # Labels outside, templates inside: the prompts of a label stand together.
    # Usual mistake. The loops are exchanged, so 05.5 averages different labels.
    return [template.replace("{}", label) for label in labels for template in templates]
    ### END SOLUTION


# %% tags=["check"]
check_prompts(my_prompts)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `"a photo of a {}.".replace("{}", "cat")` puts a label into its place. Write two
# loops, and let the outer one run over the labels.
#
# </details>
# <details><summary>What you should see</summary>
#
# The labels cat and dog in the templates “a {}” and “the {}” give: a
# cat, the cat, a dog, the dog.
#
# </details>

# %% [markdown]
# ### Exercise 05.5 · Average over templates
#
# **Difficulty** ●●○○○ · **Minutes** 5
#
# You have the scores of all prompts in the order of exercise 05.4, so the $m$ prompts
# of each label stand together. Average the scores of each label's prompts, and return
# the position of the best label.


# %% tags=["exercise"]
def my_zero_shot(scores: torch.Tensor, c: int, m: int) -> torch.Tensor:
    """The best label of each picture, by the mean over its m prompts.

    scores: (q, c * m), label by label; returns (q,) int64, positions from 0 to c - 1.
    """
    ### BEGIN SOLUTION
    # The columns stand label by label: reshape to (q, c, m), and average over m.
    ### END SOLUTION


# %% tags=["check"]
check_average_templates(my_zero_shot)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Turn the (q, c · m) matrix into (q, c, m) with `reshape`, so that the last axis runs
# over the templates.
#
# </details>
# <details><summary>What you should see</summary>
#
# **Now break it:** reshape to `(len(scores), m, c)` and average over
# `dim=1`.
#
# </details>

# %% [markdown]
# Now we need classes. The stamps lie in folders such as `animals/birds`, whose names
# the model never saw. Folders with at least four test stamps are our classes, and we
# name them in plain words.
#
# The validation split decides which template we take. If there are several templates, a
# label's score is the **mean** of its prompts' scores, or the **largest** (max).
#
# **Before you run the next cell:** stamps are drawings and photographs. Will “a photo
# of a” help or harm?

# %% tags=["hide-input"]
# Write down four templates.
sizes = Counter(names[i] for i in test if names[i] in classes).values()
print(f"Each class has {min(sizes)} to {max(sizes)} test stamps, {sum(sizes)} in all.")
TEMPLATES = {
    "name alone": ("{}",),
    "a …": ("a {}.",),
    "a photo of a …": ("a photo of a {}.",),
    "all three": ("{}", "a {}.", "a photo of a {}."),
}


# %% tags=["hide-input"]
# Ask with each template, and with two ways to reduce them.
def compare_templates(model, z, classes, labels):
    """Accuracy on pictures (q, d_image) for each way to reduce and each template."""
    accuracies = {"mean": {}, "max": {}}
    for how, found in accuracies.items():
        for name, templates in TEMPLATES.items():
            answer = model.classify(z, classes, templates=templates, reduce=how)
            found[name] = accuracy(answer.predicted, labels, seed)
    return accuracies


# %% tags=["hide-input"]
# Draw the accuracy of each template on stamps, and choose one.
asked, labels = with_classes(stamps, validation, classes)
by_template = compare_templates(small_model, everything.image[asked], classes, labels)
xlabel = f"accuracy on {len(asked)} validation stamps, with 95 % interval"
draw.show(draw.interval_dots(by_template, xlabel=xlabel))
values = {name: measure.value for name, measure in by_template["mean"].items()}
best = max(values, key=values.get)  # of equal values, it takes the first
print(f"With the mean, the validation stamps choose “{best}”.")

# %% [markdown] tags=["number"]
# **What you see.** On these few stamps the wording matters little. We take the best
# template with the mean, and ask the test stamps. The next figure also shows chance,
# and a “model” that always answers the most frequent class.
#
# **Before you run the next two cells:** what accuracy do you expect, and which two
# classes will the model mix up most?

# %%
from asif_lib.zeroshot import make_prompts


def zero_shot(similarity, z, classes, templates):
    """Best class of embeddings (q, d_image), the scores summed over templates: (q,)."""
    scores = 0
    for template in templates:
        prompts = make_prompts(classes, [template])
        scores += similarity(z, embed(text_encoder, prompts, progress=False))  # (q, c)
    return scores.argmax(dim=1)


# %% tags=["hide-input"]
# Draw the accuracy of each method on stamps, and record that of ASIF.
asked, labels = with_classes(stamps, test, classes)
z = everything.image[asked]  # (88, 1280)
predicted = {}
for name, method in methods.items():
    predicted[name] = zero_shot(method.similarity, z, classes, TEMPLATES[best])
sizes = Counter(names[i] for i in train + validation)
frequent = max(classes, key=lambda name: sizes[name])
predicted[f"always “{frequent}”"] = np.full(len(labels), classes.index(frequent))
measured = {name: accuracy(guess, labels, seed) for name, guess in predicted.items()}
xlabel = f"zero-shot accuracy, {len(classes)} classes, {len(asked)} stamps"
chance = 1 / len(classes)
draw.show(draw.interval_dots({"test stamps": measured}, xlabel=xlabel, chance=chance))
name = f"held-out stamps, zero-shot, {len(classes)} classes"
record(name, measured["ASIF"], note=f"chance {chance:.1%}")

# %% tags=["hide-input"]
# Compare ASIF with ridge, and draw which answers ASIF gives.
from asif_lib.evaluation import confusion_of, mcnemar

right = {name: np.asarray(guess) == labels for name, guess in predicted.items()}
gap = in_points(paired_difference(right["ASIF"], right["ridge"], seed))
only_asif, only_ridge, p_value = mcnemar(right["ASIF"], right["ridge"])
print(f"ASIF minus ridge is {gap}.")
print(f"Only ASIF is right for {only_asif} stamps, and only ridge for {only_ridge}.")
print(f"The p-value of McNemar's test is {p_value:.3f}.")
on_stamps = model.classify(z, classes, templates=TEMPLATES[best])
counts = confusion_of(on_stamps, labels)[classes].to_numpy()  # (13, 13)
draw.show(draw.confusion_matrix(counts, classes))

# %% [markdown]
# **What you see.** All six methods are far to the right of chance and of the most
# frequent class. Ridge has a higher number than ASIF, and the interval of their
# difference says whether these stamps can tell. **McNemar's test** looks at the stamps
# that only *one* of the two gets right. If both methods were equally good, each such
# stamp would be a toss of a coin. The **p-value** is the chance of a result at least as
# uneven.

# %% tags=["hide-input"]
# Draw twelve mistakes of the zero-shot labels.
guess = on_stamps.predicted.numpy()  # (88,), -1 where nothing decides
wrong = np.flatnonzero((guess != labels) & (guess >= 0))[:12]
given, true = ([classes[of[i]] for i in wrong] for of in (guess, labels))
wrong_pictures = [stamps.pictures[asked[i]] for i in wrong]
if len(wrong):
    draw.show(draw.labelled_pictures(wrong_pictures, given, true, columns=6))

# %% [markdown]
# **What you see.** In brackets stands the true label. But some mistakes are open to
# doubt, because a stamp has one folder only: is a toy bear a mammal?

# %% [markdown] tags=["number"]
# ## 7 · Pictures of another kind
#
# Fashion-MNIST holds small grey pictures of clothing in ten classes, **white on
# black**. Because the stamps stand on white, we swap light and dark if that helps on
# the validation split. Here all stamps are anchors.
#
# **Before you run the next cell:** by chance one answer in ten is right. What accuracy
# do you expect?

# %%
fashion = load_labelled("fashion_mnist")
full_model = ASIF(everything, device=device, text_encoder=text_encoder)
tried = fashion.split("validation").sample(100 if fast else 300, seed)
z_plain = embed(image_encoder, tried.pictures, progress=False)  # (300, 1280)
turned = [inverted(picture) for picture in tried.pictures]
z_tried = embed(image_encoder, turned, progress=False)  # (300, 1280)
for name, z in (("white on black", z_plain), ("black on white", z_tried)):
    guess = full_model.classify(z, fashion.classes).predicted
    print(f"For {name}, the accuracy is {accuracy(guess, tried.labels, seed)}.")

# %% tags=["hide-input"]
# Draw the accuracy of each template on clothes.
by_template = compare_templates(full_model, z_tried, fashion.classes, tried.labels)
xlabel = f"accuracy on {len(tried)} validation pictures, with 95 % interval"
draw.show(draw.interval_dots(by_template, xlabel=xlabel, chance=0.1))
choices = {("mean", name): m.value for name, m in by_template["mean"].items()}
# with a single template, the mean and the max are the same
choices["max", "all three"] = by_template["max"]["all three"].value
how, best = max(choices, key=choices.get)  # of equal values, it takes the first
print(f"The validation pictures choose “{best}”, with the {how} over templates.")

# %% tags=["hide-input"]
# Measure the accuracy of each method on clothes.
sample = fashion.split("test").sample(200 if fast else 1_000, seed)
turned = [inverted(picture) for picture in sample.pictures]
z_test = embed(image_encoder, turned, progress=False)  # (1000, 1280)
templates = TEMPLATES[best]
answer = full_model.classify(z_test, fashion.classes, templates=templates, reduce=how)
guess = answer.predicted.numpy()  # (1000,)
measured, notes = {"ASIF": accuracy(guess, sample.labels, seed)}, {}
for name, chosen in settings.items():
    method = METHODS[name](**chosen).fit(everything.image, everything.text)
    other = zero_shot(method.similarity, z_test, fashion.classes, templates).numpy()
    measured[name] = accuracy(other, sample.labels, seed)
    gap = paired_difference(guess == sample.labels, other == sample.labels, seed)
    notes[name] = f"ASIF {in_points(gap)}".replace(" points", "")

# %% tags=["hide-input"]
# Draw the accuracy of each method, and record that of ASIF.
name = "Fashion-MNIST, zero-shot, 10 classes, 793 stamps as anchors"
record(name, measured["ASIF"], note=f"chance {1 / len(fashion.classes):.1%}")
xlabel = (
    f"zero-shot accuracy, {len(sample)} test pictures; below, ASIF minus the method"
)
dots = {"test pictures": measured}
draw.show(draw.interval_dots(dots, xlabel=xlabel, chance=0.1, notes=notes))

# %% tags=["hide-input"]
# Draw which answers ASIF gives.
counts = confusion_of(answer, sample.labels)[fashion.classes].to_numpy()  # (10, 10)
draw.show(draw.confusion_matrix(counts, fashion.classes))
clothes = sum(group.startswith("clothes") for group in stamps.groups)
print(f"Of the {len(stamps)} anchors, {clothes} show clothes.")

# %% [markdown]
# **What you see.** ASIF is better than chance, but its accuracy is low, and ridge, CCA
# and CSA do better. The matrix shows *how* ASIF fails: a few prompts take most
# pictures. Few anchors are clothing, so chapter 07 adds such anchors. It also tries the
# two switches of chapter 09.

# %% tags=["hide-input"]
# Seal the pictures of the next exercise.
sealed = fashion.split("train").sample(100 if fast else 500, seed)
turned = [inverted(picture) for picture in sealed.pictures]
z_sealed = embed(image_encoder, turned, progress=False)  # (500, 1280)
validation_set, test_set = (z_tried, tried.labels), (z_sealed, sealed.labels)
task = WordingTask(full_model, fashion.classes, validation_set, test_set)
print(f"You choose by {len(tried)} pictures, and {len(sealed)} others are sealed.")

# %% [markdown]
# ### Exercise 05.6 · A wording that helps
#
# **Difficulty** ●●●●● · **Minutes** 30
#
# This question is open. Find prompts for the ten classes with which the model does
# better than with "a photo of a {}.", and prove it. You may use other names
# (`"a purse"` for a bag), other templates, or a description of the pictures. If a class
# has several prompts, their scores are averaged.
#
# `measure(prompts)` tells which validation pictures got their class: (n,) bool.
# `prompts` holds one list of strings for each class. Measure at least two wordings, and
# return the best within five seconds.
#
# If your choice helps there, the check opens the sealed pictures and compares it with
# “a photo of a {}.” picture by picture. A difference whose whole interval lies above 0
# is a **proof**. An honest gain that is not sure counts as a **result**.
#
# **The sealed pictures are opened for three wordings, and no more.** So write all three
# down before the first look. Each interval leaves out 0.05 / 3, so that luck alone is
# called a proof in at most about 5 % of such investigations. This promise no longer
# holds if a look helps you to write the next wording.


# %% tags=["exercise"]
def my_wording(classes: list[str], measure: Callable) -> list[list[str]]:
    """Prompts that beat "a photo of a {}.", chosen on the validation split.

    classes: c names; measure(prompts): (n,) bool, which pictures got their class;
    returns c lists of strings.
    """
    ### BEGIN SOLUTION
    # Write a few wordings down before you look, measure each, and keep the best.
    # Usual mistake. Many wordings are tried, so the winner is the luckiest of them.
    templates = ["a photo of a {}.", "a grey {}", "a photo of a {} on white."]
    templates += ["a grey photo of a {}."]
    wordings = [[[t.replace("{}", name)] for name in classes] for t in templates]
    return max(wordings, key=lambda prompts: float(measure(prompts).float().mean()))
    ### END SOLUTION


# %% tags=["check"]
check_wording(my_wording, task)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Write down five wordings before you measure the first. What do the pictures look like?
# Which classes does the confusion matrix hardly ever name? You get the best of a list
# with `max(wordings, key=lambda prompts: float(measure(prompts).float().mean()))`.
#
# </details>
# <details><summary>What you should see</summary>
#
# You see the gain on validation, and the difference on the sealed pictures with its
# interval. On few validation pictures a gain of two or three points may be luck.
#
# </details>

# %% [markdown] tags=["number"]
# ## 8 · May it say “I do not know”?
#
# An answer with the score 0.3 may be right nearly always or nearly never, so we want a
# **probability**. The **softmax with a temperature** $T$ gives label $c$ the share
# $\exp(s_c / T)$ of the sum over all labels. This changes no answer. With a large $T$
# all labels are nearly equal, but with a small $T$ the best label gets nearly
# everything. The probability of the answer is its **confidence**. It is **calibrated**
# if, for example, 80 % of the answers with the confidence 80 % are right.
#
# The test labels must not choose $T$, so we ask pairs of the bank. Each of its pictures
# chooses among as many captions as there are labels: its own, and captions of other
# pairs. We take the $T$ that makes the own captions most probable.
#
# **Before you run the next cell:** the model answers only the more confident half of
# the questions. What share of these answers will be right on stamps, and on clothes?

# %% tags=["hide-input"]
# Fit the temperatures.
from asif_book.chapters.chapter_05.lessons import temperature_of_pairs

asked = {
    "stamps": (model, on_stamps.scores, labels),  # (88, 13)
    "Fashion-MNIST": (full_model, answer.scores, sample.labels),  # (1000, 10)
}
sure, correct, told = {}, {}, {}  # by name: (q,) the confidence; whether it is right
for name, (asif, s, true) in asked.items():
    t = temperature_of_pairs(asif, s.shape[1], seed)
    told[name] = {"T": f"{t:.3f}", "fitted on pairs": str(len(asif.bank))}
    sure[f"{name}, T = 1"] = torch.softmax(s, dim=1).amax(dim=1).numpy()
    sure[name] = torch.softmax(s / t, dim=1).amax(dim=1).numpy()
    correct[name] = correct[f"{name}, T = 1"] = s.argmax(dim=1).numpy() == true

# %% tags=["hide-input"]
# Draw what the confidence is worth.
from asif_book.chapters.chapter_05.lessons import coverage_curve, reliability

shown, told["stamps, T = 1"] = (*asked, "stamps, T = 1"), {"T": "1"}
tables = {name: reliability(sure[name], correct[name], bins=5) for name in shown}
curves = {name: coverage_curve(sure[name], correct[name]) for name in asked}
draw.show(draw.trust_curves(tables, {n: sure[n] for n in shown}, curves))

# %% tags=["hide-input"]
# Show what the confidence is worth in a table.
from asif_book.chapters.chapter_05.lessons import calibration_error

for name in shown:
    gap = mean_with_interval(sure[name] - correct[name], seed)
    print(draw.worst_bin(name, tables[name]))
    error, floor = calibration_error(sure[name], correct[name], seed=seed)
    told[name]["confidence minus accuracy"] = in_points(gap)
    told[name]["ECE"] = f"{error.value:.1%} [{error.low:.1%}, {error.high:.1%}]"
    told[name]["its floor"] = f"{floor.value:.1%} (≤\N{NO-BREAK SPACE}{floor.high:.1%})"
    if name in asked:  # the accuracy at the coverage of 50 %
        told[name]["surer half, right"] = f"{curves[name].accuracy[4]:.1%}"
pd.DataFrame(told.values(), index=list(told)).fillna("")

# %% [markdown]
# **What you see.** *First panel:* each mark is a fifth of the answers, sorted by
# confidence. On the dotted line the confidence is calibrated. *Second panel:* with
# $T = 1$ (stars) all confidences are small, although most answers are right.
#
# The **expected calibration error** (ECE) is the mean distance from the line. Its
# **floor** is the ECE of calibrated answers with these confidences, which leave the
# line only by luck. With the bank's temperature, the interval of confidence minus
# accuracy holds 0 for both sets. But both ECEs exceed their floor, so the answers are
# not yet calibrated.
#
# *Third panel:* to the left, the model keeps silent on more of its least confident
# answers. For stamps silence pays, but for clothes even the most confident tenth is
# often wrong. Even a picture that fits *none* of the labels can get 90 %, and chapter
# 06 shows an alarm with its limits.

# %% [markdown] tags=["progress"]
# The exercises that you have solved:

# %% tags=["progress", "hide-input"]
# Show the exercises that you have solved.
from asif_book import show_progress

show_progress("05")

# %% [markdown] tags=["teacher"]
# ### Timing
#
# **50 minutes.** Sections 1 and 3 with exercise 05.1 and the silent model (20 minutes),
# sections 4 and 5 up to the paired table (10), section 6 with 05.4, the confusion
# matrix (15). At home: the rest.
#
# **90 minutes.** Sections 1 to 5 with exercises 05.1 to 05.3 (50 minutes), 05.4 and
# 05.5 (15), section 7 and a common start of 05.6 (20): collect
# wordings on the board *before* anybody measures. At home: the rest.
#
# ### What students get wrong
#
# - *"The intervals overlap, so there is no difference."* Seen in any report with bars
#   and error bars. Ask: what if both methods fail on the same 40 questions?
# - *"The interval holds 0, so the methods are equally good."* Ask how long the interval
#   is, and how long it would be with four times as many questions (half as long).
# - *"A tie is half right."* Ask what the silent model would get under each rule.
# - *"Validation said +3 points, so it is +3 points."* Seen in 05.6. Ask for the paired
#   interval on validation itself, and how many wordings were tried.
# - *"The score is a probability."* Ask what happens to the other scores when a label is
#   added. Nothing happens to them, but probabilities would change.
# - *"It is 95 % sure, so the picture shows one of the labels."* Seen in section 8. Ask
#   for the labels "pencil" and "spoon", and a picture of a horse: the probabilities add
#   up to 1 all the same.
#
# ### Discussion
#
# 1. Is it fair to count a caption as wrong if it describes the picture as well as its
#    own?
#
# > **Answer.** The data cannot know, because they have only one caption for each
# > picture. R@10 softens this defect. Because the defect is the same for all methods,
# > comparisons suffer less from it than absolute numbers.
#
# 2. In 05.6 the test split is opened for three wordings that are written down first.
#    Why?
#
# > **Answer.** If nothing helps, every look may still call luck a proof, and over
# > several looks these chances add up. If their number is fixed, one divides 0.05 by it
# > (Bonferroni). A wording that was made up after a look may fit the luck of these very
# > pictures, and no such sum holds for it.
#
# ### Exit questions
#
# 1. The 95 % intervals of two methods overlap. Are the methods equally good?
#
#    > **Answer.** We cannot say so from the bars, because both methods answered the
#    > same questions. So compare them question by question, and look at the interval of
#    > the difference.
#
# 2. Why do we choose k and p on validation, and not on the test split?
#
#    > **Answer.** The best of many settings is also a lucky one, so its result on the
#    > split that chose it is too good.
#
# 3. The classes of a task change. What must be done to an ASIF model before it can
#    answer?
#
#    > **Answer.** Write the new class names into the template and embed these texts.
#    > The bank stays as it is, because nothing is trained.

# %% [markdown]
# ## Summary
#
# - Choose on one split, and test on another. Give every number its interval and its
#   chance level.
# - Compare two methods question by question, and do not count a tie as found.
# - On held-out stamps ASIF finds captions and classes far above chance. Over twenty
#   draws it finds captions better than five baselines, but chapter 09 names four that
#   are not behind. On Fashion-MNIST ridge, CCA and CSA are better (one split).
# - A temperature that is fitted inside the bank turns scores into confidences, which
#   are not yet calibrated. Answers of low confidence can be held back.
#
# **What would prove us wrong.** If other pictures reversed the draws of section 5,
# ASIF's lead would belong to the stamps. If shuffled captions gave more than chance,
# something would leak from the questions into the bank.
#
# **Where next.** [06 · Interpretability](06_interpretability.ipynb) asks which anchors
# decided. The paper's own numbers stand in [09](09_the_paper.ipynb).
#
# [Sources](references.md): Efron 1979, McNemar 1947, Dunn 1961, Guo 2017, Hotelling
# 1936, Schönemann 1966, Shigeto 2015, Li 2025, Xiao 2017.
