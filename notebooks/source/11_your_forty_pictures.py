# %% [markdown]
# # 11 · Your forty pictures
#
# > **Question.** You have ten pictures of each of four things. What can you do today?
#
# You can have a model that knows your four things, without training. The chapter needs
# a folder with a few folders in it, and the name of each inner folder is the name of
# what its pictures show. Put your own folder beside this notebook, and call it
# `my_pictures`. Without such a folder, the chapter uses forty pictures of clothing.
#
# <details><summary>Goals, minutes, path, what runs</summary>
#
# - make a model of a folder of pictures, save it, and use it in five lines;
# - say how accurate it will be with 1, 4 or 10 pictures of a class;
# - find the pictures that decided, and a picture in the wrong folder;
# - say when a linear probe is the better choice.
#
# **Minutes** {minutes} · **Before this** [07 ·
# Editing a model](07_editing.ipynb), section 1
#
# **What runs** The stamps and forty pictures of Fashion-MNIST, or your own. About a
# minute on 2 cores. The edition for a browser does not have this chapter, because it
# knows the embeddings of the stamps only.
#
# </details>

# %% tags=["parameters", "hide-input"]
# Set up this chapter. To choose your folder or another example, open this cell.
profile = "offline"  # or "hub": larger encoders, from the hub
device = "auto"  # "auto", "cpu", "cuda" or "mps"
own_folder = "my_pictures"  # class folders, twenty pictures or more
example = "clothing"  # without a folder; or "photographs" (139 MB once), or "emoji"
seed = 0  # of draws and intervals
fast = False  # True: fewer draws

import tempfile
from pathlib import Path

import numpy as np
import torch
from asif_lab.few_pictures import by_repeated_splits

import asif_book.figures as draw
from asif_book.chapters.chapter_11.lessons import measured_before, your_folder
from asif_book.chapters.opening import open_chapter
from asif_book.checks import check_taught
from asif_lib import ASIF, AnchorBank, Pairs, contributions, embed, load_labelled
from asif_lib.bank import concatenate
from asif_lib.encoders import open_picture
from asif_lib.evaluation import recommend

draw.use_style()
image_encoder, text_encoder, _, stamps = open_chapter(profile, device)
scratch = tempfile.TemporaryDirectory()
folder = your_folder(own_folder, example, scratch.name)
home = folder.parent  # your model is saved beside your folder
print("the pictures of", "your folder" if folder == Path(own_folder) else example)

# %% tags=["hide-input"]
# Draw the first pictures of each folder.
everything = load_labelled(folder)
first = [
    np.flatnonzero(everything.labels == c)[:3] for c in range(len(everything.classes))
]
shown = [i for rows in first for i in rows]
large = [open_picture(everything.pictures[i]).resize((96, 96)) for i in shown]
names = [everything.classes[everything.labels[i]] for i in shown]
draw.show(draw.show_pictures(large, names, columns=6))

# %% [markdown] tags=["open"]
# ## 1 · A folder in, a model out
#
# Five cells make the model, and you can copy them into a script of your own. The first
# cell reads the folder. A fifth of the pictures is kept aside, because only pictures
# that the model has not seen can tell how good it is.

# %%
everything = load_labelled(folder)
mine = everything.split("train", "validation")  # these become anchors
asked = everything.split("test")  # and these are asked later
print(everything)

# %% [markdown]
# An anchor needs a caption. The name of the folder is enough for now, so each picture
# gets “a photo of a …” with its class. Then your pairs and the stamps are joined into
# one bank: the stamps bring words that you did not teach, and your pictures bring what
# your things look like.

# %%
names = [mine.classes[label] for label in mine.labels]
captions = [f"a photo of a {name}." for name in names]
ids = [f"{file.parent.name}/{file.name}" for file in mine.pictures]
pairs = Pairs("mine", mine.pictures, captions, ids, names, {})
own = AnchorBank.build(pairs, image_encoder, text_encoder)
bank = concatenate([stamps, own], "mine")  # stamps: AnchorBank.load("stamps")
print(bank)

# %% [markdown]
# Which $k$, which $p$, and do the two switches `hubs` and `whiten` help here? You need
# not know, because `recommend` asks the bank itself: it holds out parts of the bank in
# turn, and lets the other pairs find them. It changes the defaults only if the gain is
# sure.

# %%
advice = recommend(bank, progress=False)
bank = bank.keep_settings(**advice.settings)
print(advice)

# %% [markdown]
# **Before you run the next cell:** the cell saves the model, opens it again, and asks
# the pictures that you kept aside. How many of them will get the name of their folder,
# if the stamps alone are asked, and how many with yours?

# %%
bank.save(home / "mine")
model = ASIF(AnchorBank.load(home / "mine"))
answer = model.classify(asked.pictures, asked.classes)
truth = [asked.classes[label] for label in asked.labels]
before = ASIF(stamps).classify(asked.pictures, asked.classes)
for name, found in (("the stamps alone", before), ("with your pictures", answer)):
    right = sum(a == b for a, b in zip(found.best, truth, strict=True))
    print(f"{name}: {right} of {len(truth)} are right")

# %% tags=["hide-input"]
# Draw the pictures that were asked with their answers.
large = [open_picture(picture).resize((96, 96)) for picture in asked.pictures]
draw.show(draw.labelled_pictures(large, answer.best, truth, columns=8))

# %% [markdown]
# **What you see.** A check mark stands where the answer is the name of the folder. One
# more right answer proves nothing: section 2 draws the split many times.
#
# The fifth cell asks for reasons. A score is a sum over anchors, as in every chapter,
# so the model can name the pictures that decided.

# %%
question = asked.pictures[0]
word = model.texts(model.prompts([answer.best[0]]))
reasons = contributions(model.images([question]), word, model.bank.pairs)
reasons[["id", "caption", "contribution"]].head(5)

# %% tags=["hide-input"]
# Draw the picture and the anchors that decided.
best = reasons.head(5)
rows = [
    (open_picture(reason.picture), reason.caption, reason.contribution)
    for reason in best.itertuples()
]
draw.show(draw.labelled_pictures(large[:1], answer.best[:1], truth[:1]))
xlabel = "contribution to the score (no unit)"
draw.show(draw.anchor_bars("decided by", rows, xlabel=xlabel))

# %% [markdown]
# **What you see.** A green bar is the contribution of an anchor. If one of these
# pictures should not be there, take it out with `bank.remove(ids=["…"])`, and the model
# has never seen it.
#
# **Use it.** Your model is the folder `mine`. Five lines of a script are enough:
#
# ```python
# from asif_lib import ASIF, AnchorBank
#
# model = ASIF(AnchorBank.load("./mine"))  # it keeps its settings
# answer = model.classify(["new.jpg"], ["bag", "dress"])
# print(answer.best)
# ```
#
# A terminal needs one: `asif classify new.jpg --bank ./mine --labels "a bag,a dress"`.
# At the end, run the second cell once more with `everything` in the place of `mine`, so
# that no picture is wasted, and save the new bank.

# %% [markdown] tags=["open"]
# ## 2 · How many pictures are enough?
#
# The answer was measured with 1,000 photographs of CIFAR-10 and with 1,000 pictures of
# clothing, in ten classes each (`benchmarks/accuracy/forty.py`). Eight times, some
# pictures of each class were drawn, and five ways learned from the same ones:
#
# - **ASIF, the stamps and yours**, with both switches, as in section 1;
# - **ASIF, yours alone**, without the stamps; $k$ is the number of pictures of a class;
# - **class means**: a picture gets the class whose mean embedding is the most similar;
# - **nearest picture**: a picture gets the class of the most similar picture;
# - a **linear probe**: a classifier that is trained on your embeddings (scikit-learn's
#   logistic regression, whose strength C is chosen by cross-validation).
#
# **Before you run the next cell:** which way wins with 1 picture of each class, and
# which one with 20? How many points does the trained probe gain?

# %%
photographs, clothing = (measured_before(name) for name in ("photographs", "clothing"))
draw.show(draw.learning_curve(photographs, chance=0.1))

# %% tags=["hide-input"]
# Draw the same for clothing.
draw.show(draw.learning_curve(clothing, chance=0.1))

# %% [markdown]
# **What you see.** With 1 or 2 photographs of each class, ASIF with the stamps is ahead
# of every other way, because the stamps know a little of the words already. With 4 and
# more, ASIF, the class means and the probe lie so near to each other that their
# intervals hardly differ. The nearest picture falls behind, because it listens to one
# picture only. Without a picture, at 0, only a bank of other pictures has an answer.
#
# **When to take the probe.** Take it if you have ten pictures or more of each class, if
# the classes will not change, and if nobody asks for reasons: it is as accurate, and
# smaller. ASIF gives you three things more. It names the pictures that decided, it
# forgets one of them in a moment, and you can ask for a word without a picture.
#
# **Do better captions help?** We wrote three other captions for each class of
# photographs, such as “a kitten with big eyes”. If your pictures have these captions
# and you ask with one prompt, accuracy *falls* by 3.5 points, because fewer anchors
# agree with the prompt. If you ask with all four, the gain is in doubt. So keep the
# caption and the prompt alike, and rather add a picture.
#
# Now the same for your own folder. In each draw some of your pictures are the anchors,
# and the others are asked.

# %% tags=["hide-input"]
# Draw the accuracy on your own folder, by repeated splits.
names = [everything.classes[label] for label in everything.labels]
captions = [f"a photo of a {name}." for name in names]
ids = [f"{file.parent.name}/{file.name}" for file in everything.pictures]
pairs = Pairs("mine", everything.pictures, captions, ids, names, {})
all_own = AnchorBank.build(pairs, image_encoder, text_encoder, progress=False)
prompts = embed(text_encoder, [f"a photo of a {c}." for c in everything.classes])
smallest = int(np.bincount(everything.labels).min())
sizes = [size for size in (0, 1, 2, 4, 8, 10, 20) if size < smallest]
switches = {"hubs": 0.5, "whiten": 0.8}
found, _ = by_repeated_splits(
    stamps, all_own, everything.labels, prompts, sizes, switches,
    draws=3 if fast else 8, seed=seed,
)  # fmt: skip
draw.show(draw.learning_curve(found, chance=1 / len(everything.classes)))

# %% [markdown]
# **What you see.** The intervals are wide, because forty pictures are few. If the lines
# still climb at the right end, more pictures will help.

# %% [markdown] tags=["open"]
# ## 3 · Which of my pictures are doubtful?
#
# A picture may lie in the wrong folder. `asif bank review` compares each caption with
# the captions of similar pictures. Here it finds little, because all pictures of a
# folder have the same caption, so the captions of a folder always agree. But there is a
# question that works with few pictures: take a picture out, and ask the others for its
# name.
#
# To see whether it works, we put one picture into the wrong folder.

# %%
moved, kind = own.pairs.id[0], (mine.labels[0] + 1) % len(mine.classes)
table, text = own.pairs.copy(), own.text.clone()
table.loc[0, "group"] = mine.classes[kind]  # the next folder
text[0] = prompts[kind]  # and its caption
mixed = own.replace(text=text, pairs=table)
suspect = concatenate([stamps, mixed], "mine").keep_settings(**advice.settings)

# %% [markdown]
# **Before you run the next cell:** each of your pictures is asked without itself. Will
# the moved picture be the most doubtful one?

# %%
leads, owners = {}, zip(mixed.pairs.id, mixed.pairs.group, own.image, strict=True)
for id, group, picture in owners:
    others = ASIF(suspect.remove(ids=[id]))  # all pictures but this one
    scores = others.similarity(picture[None], prompts)[0]  # (c,)
    own_folder = everything.classes.index(group)
    rest = [score for c, score in enumerate(scores.tolist()) if c != own_folder]
    leads[id] = float(scores[own_folder]) - max(rest)  # below 0: another is better
doubtful = sorted(leads, key=leads.get)[:5]
print("moved:", moved, "· most doubtful:", doubtful)

# %% tags=["hide-input"]
# Draw the five most doubtful pictures with these differences.
pictures = dict(zip(own.pairs.id, own.pairs.picture, strict=True))
folders = dict(zip(mixed.pairs.id, mixed.pairs.group, strict=True))
large = [open_picture(pictures[id]).resize((96, 96)) for id in doubtful]
titles = [f"in “{folders[id]}”\n{leads[id]:+.2f}" for id in doubtful]
draw.show(draw.show_pictures(large, titles, columns=5))

# %% [markdown]
# **What you see.** The number is the score of a picture's own folder, minus the best
# score of another folder. Below 0, the other pictures would put it elsewhere. A picture
# in its right folder may be doubted too, if it is unlike the others, so look before you
# decide. `suspect.remove(ids=[moved])` takes the moved one out. For your own folder put
# `own` in the place of `mixed`, and `bank` in the place of `suspect`; then save what is
# left.

# %% [markdown] tags=["open"]
# ## 4 · Why a house became less of a house
#
# Teaching has one surprise. We ask the stamps for a picture of two city houses, and the
# answer is “house”. Now we teach the word “house” with one picture more: a wooden
# cottage.
#
# **Before you run the next cell:** will the score of “house” for the city houses rise,
# or fall?

# %%
place, pictures = "town/houses/cartoon", stamps.pairs.set_index("id").picture
city, cottage = f"{place}/cityhouse.png", f"{place}/wooden_cottage.png"
swiss_house, ruins = f"{place}/swisshome.png", "town/cartoon/ruins.png"
known = stamps.remove(ids=[city, cottage])  # no anchor shows the question
with_cottage = known.add(pictures[cottage], "a photo of a house.")
with_two = with_cottage.add(pictures[swiss_house], "a photo of a house.")
with_castle = with_two.add(pictures[ruins], "a photo of a castle.")

# %% tags=["hide-input"]
# Draw the scores of three words for the city houses, version by version.
versions = {"before": known, "a cottage taught": with_cottage}
versions |= {"a Swiss house, too": with_two, "and a castle": with_castle}
z = embed(image_encoder, [pictures[city]], progress=False)
labels = ["house", "castle", "ship"]
scores = {
    name: ASIF(version, device=device).classify(z, labels).scores[0]
    for name, version in versions.items()
}
draw.show(draw.versions(labels, scores))

# %% [markdown]
# **What you see.** Click the versions. After the cottage, the score of “house” is less
# than half, and the city houses become a castle. No other word has changed much.
#
# The reason is the length of the list. The new caption *is* the prompt, so the new
# anchor gets the largest entry in the list of the word “house”. The list is scaled to
# length 1 again, and so all its other entries become smaller. A picture that resembles
# the cottage gets more from the new anchor than it loses. The city houses do not
# resemble it, so they only lose.
#
# What can you do?
#
# - Teach a picture that looks like the pictures that you will ask, or several different
#   ones. In the third version the Swiss house lifts the score again.
# - Teach the rivals too, as section 1 does, because then the lists of all words become
#   longer. In the fourth version a castle is taught, and the answer is “house” again.
# - Compare the scores of one model with each other, never with the scores of yesterday.
#
# ### Exercise 11.1 · Why a house became less of a house
#
# **Difficulty** ●●○○○ · **Minutes** 7
#
# You have the list of a picture and the list of a word, before they are scaled to
# length 1. A pair is taught whose caption is the word's own prompt. So the word's list
# gets one more entry, 1, and the picture's list gets one more entry, `like`. It is 0 if
# the picture does not resemble the new one. Return the score before and after.


# %% tags=["exercise"]
def my_taught(image: torch.Tensor, text: torch.Tensor, like: float) -> torch.Tensor:
    """Return the score of a picture and a word before and after a pair is taught.

    image, text: (n,) float32, no entry below 0, not scaled; like: from 0 to 1;
    returns (2,) float32.
    """
    ### BEGIN SOLUTION
    # Both lists get an entry, and each is scaled to length 1 with it.
    ### END SOLUTION


# %% tags=["check"]
check_taught(my_taught)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `torch.cat([text, torch.ones(1)])` adds an entry. `torch.nn.functional.normalize(x,
# dim=0)` scales a list to length 1, and leaves a list of zeros as it is.
#
# </details>
# <details><summary>What you should see</summary>
#
# A ✔ verdict. With `like = 0`, the score can only fall.
#
# </details>

# %% tags=["hide-input"]
# Delete the files of the example; your own folder and your model stay.
scratch.cleanup()

# %% [markdown] tags=["progress"]
# The exercises that you have solved:

# %% tags=["progress", "hide-input"]
# Show the exercises that you have solved.
from asif_book import show_progress

show_progress("11")

# %% [markdown] tags=["teacher"]
# ### Timing
#
# **50 minutes.** Section 1 with pictures that the students brought (20), the two curves
# with the guesses on the board (10), section 3 with a picture that a neighbour has
# moved (10), section 4 and the summary (10). At home: 11.1. Ask each pair of students a
# week before to photograph four things at home, ten pictures of each.
#
# ### What students get wrong
#
# - *“It was trained on my pictures.”* Ask which file has changed. A list got longer.
# - *“Eight of eight, so it is perfect.”* Ask for the interval of eight right answers.
# - *“I taught it houses, so it knows houses better.”* Section 4 is for them.
#
# ### Discussion
#
# 1. A hospital has ten pictures of each of four findings. Would you take the probe?
#
#    > **Answer.** Accuracy alone does not decide it. A doctor wants to see the pictures
#    > that decided, and a patient may ask that hers be removed. Both speak for ASIF. A
#    > test on many new pictures is needed in any case.
#
# ### Exit questions
#
# 1. Why does ASIF with the stamps have an answer before it has seen one of your
#    pictures?
#
#    > **Answer.** The stamps are anchors too, so the words and the new picture can be
#    > compared through them.
#
# 2. A pair is taught, and the score of its own word falls for another picture. Why?
#
#    > **Answer.** The new anchor has a large entry in the word's list, the list is
#    > scaled to length 1 again, and so the other entries shrink.

# %% [markdown]
# ## Summary
#
# - A folder with a few folders in it becomes a model in five cells, and nothing is
#   trained. `recommend` chooses its settings.
# - With 1 or 2 pictures of a class, a bank of other pictures helps. From 4 on, a linear
#   probe is as accurate, but it gives no reasons.
# - A picture that is asked without itself shows whether it lies in the wrong folder.
# - A taught pair makes the list of its word longer, so that the word may become weaker
#   elsewhere.
#
# **What would prove us wrong.** If the probe were surely ahead of ASIF with the stamps
# at 1 or 2 pictures of each class, your pictures would be better off without a bank.
#
# **Where next.** `asif page ./mine` makes a page of your model. [06 ·
# Interpretability](06_interpretability.ipynb) says what reasons are worth.
#
# [Sources](references.md): Norelli 2023.
