# %% [markdown]
# # 00 · Start here: two strangers meet
#
# > **Question.** One model has only ever looked at pictures. Another has only ever read
# > text. Can they understand each other, if nobody trains them to?
#
# ![One model sees a black kangaroo, the other reads the words kangaroo and
# sheep](drawings/strangers.svg)<br>
#
# <details><summary>Goals, minutes, path, what runs</summary>
#
# - say in two sentences how ASIF turns two separate models into one image–text model;
# - compute the cosine of two vectors, the only comparison that the whole method uses;
# - name the captioned pictures that decided an answer, and the share of each;
# - show a case in which the model fails, and say why.
#
# **Minutes** {minutes} · **Before this** nothing but a little Python. If PyTorch is new
# to you, read the [appendix](90_pytorch.ipynb) first.
#
# **What runs** A few hundred captioned pictures: the stamps of the free drawing program
# Tux Paint. About 15 seconds on 2 CPU cores; the first run also fetches and encodes the
# pictures, so allow a minute or two. With other pairs or encoders, the text still
# speaks of the stamps.
#
# </details>

# %% tags=["parameters", "hide-input", "quiz"]
# Set up this chapter. To choose encoders, device or pictures, open this cell.
profile = "offline"  # or "hub": larger encoders
device = "auto"  # "auto", "cpu", "cuda" or "mps"
seed = 0  # of everything that is drawn at random
pairs = "stamps"  # or a folder of pictures with captions

import numpy as np
import torch
from torch import Tensor

import asif_book.figures as draw
from asif_book import record
from asif_book.chapters.chapter_00.lessons import draw_rivals, first_task
from asif_book.chapters.opening import SILHOUETTE, first_held_out, open_chapter
from asif_book.checks import check_cosine, check_shares
from asif_book.widgets import Quiz, your_picture
from asif_lib import ASIF, contributions
from asif_lib.evaluation import mean_with_interval

draw.use_style()
image_encoder, text_encoder, stamps, everything = open_chapter(profile, device, pairs)
encoders = {"image_encoder": image_encoder, "text_encoder": text_encoder}
anchors = stamps.splits["train"] + stamps.splits["validation"]
bank, test = everything.subset(anchors), stamps.splits["test"]  # rows of `everything`
model = ASIF(bank, **encoders, device=device)

Quiz("before", pairs)

# %% [markdown] tags=["core"]
# ## 1 · Eight answers
#
# Two models that never met answer here: each of eight new pictures gets one of eight
# labels, nouns from the eight captions. **Before you see the answers,** bet on how many
# are right.

# %% tags=["hide-input"]
# Draw eight pictures and, after a bet, their answers.
shown, labels = first_task(stamps)  # rows of `everything`, and a noun for each
pictures = model.images(everything.image[shown])  # 8 descriptions of pictures
texts = model.texts([f"a photo of a {label}." for label in labels])  # 8 of texts
scores = pictures.similarity(texts).numpy()  # (8, 8): row = picture, column = label
answers = scores.argmax(axis=1)  # (8,): the column of the best label
eight, answered = everything.pairs.picture[shown], [labels[j] for j in answers]
draw.show(draw.labelled_pictures(eight, answered, labels, columns=4, bet=True))

# %% [markdown]
# **What you see.** After your bet each picture has the model's answer: a tick for a
# right answer, a cross for a wrong one. A random guess gets one of eight right, on
# average. Eight pictures prove little, so section 6 takes all new pictures.

# %% [markdown] tags=["core"]
# ## 2 · One anchor, another answer
#
# You can see why this model answers as it does, and you can change its mind. Here it
# takes the black shape of a kangaroo for a sheep. Each row of the next table is one
# captioned picture, an **anchor**. The model adds up the products below each label
# (green bars), and the larger sum wins.
#
# <span class="on-screen">**Untick “A baby sheep (a lamb).”**, look at the two sums, and
# tick it again. Try other rows.</span>

# %% tags=["hide-input"]
# Draw one decision as a table. Its boxes work without Python.
row = first_held_out(stamps, SILHOUETTE)
two = labels[:2] if row in shown else ("kangaroo", "sheep")
others = [i for i in range(len(stamps)) if i != row]
other = ASIF(everything.subset(others), **encoders, device=device)  # without this one
asked = stamps.pictures[row], stamps.captions[row], everything.image[[row]]
draw.score_ledger(other, *asked, two, other.prompts(two))

# %% [markdown]
# **What you see.** Without the lamb the answer is “kangaroo”, although nothing was
# trained: you took one pair out of a list. The other rows change too, because
# another anchor takes the lamb's place and all numbers are scaled again (section 4).
# (We chose this example because one anchor decides it. All other stamps are its
# anchors.) The rest of the chapter explains this table.

# %% [markdown] tags=["core"]
# ## 3 · Two strangers and a phrase book
#
# An **encoder** is a function that turns a picture, or a text, into a list of numbers:
# its **embedding**. Our encoders are **frozen**: they stay exactly as we found them.
#
# The image encoder learned to sort photographs into classes that had a number but no
# name, so it never met a word. The text encoder learned to put sentences of similar
# meaning close together. Some of these sentences were two captions of one picture, but
# the text encoder never saw the picture. The embeddings of the two need not even have
# the same length.

# %%
for name, encoder in encoders.items():
    print(f"{name}: {encoder.identity.dim} numbers")
print(f"{len(bank)} anchors in the bank, {len(test)} test pictures outside")

# %% [markdown]
# Because the two have no common language, we give them a phrase book: pictures, each
# with its caption. The image encoder embeds the picture, and the text encoder embeds
# the caption. The two lists of embeddings, row beside row, are a **bank** of anchors.
#
# The pictures are split once and for all. This bank holds *train* and *validation*. The
# **test** pictures stay outside, so that they are new to the model.

# %% tags=["hide-input"]
# Draw one anchor of each of twelve groups.
group = bank.pairs.group.str.split("/").str[0]  # "animals/mammals" → "animals"
some = bank.pairs.iloc[np.argsort(group.duplicated(), kind="stable")[:12]]
draw.show(draw.show_pictures(some.picture, some.caption))

# %% [markdown]
# **What you see.** Twelve of the anchors. The two encoders meet only in such pairs.

# %% [markdown] tags=["core"]
# ## 4 · The trick
#
# Take a new picture. Instead of looking at its embedding, ask only **which anchors'
# pictures look like it**. For a new text, ask only **which anchors' captions read like
# it**. Now both are described in the same terms, by anchors. If a picture and a text
# name the same anchors, they belong together.

# %% [markdown]
# ![A picture and a sentence are compared with the same anchors; the products of their
# similarities add up to the score](drawings/method.svg)
#
# **What you see.** A picture, a sentence, and between them their anchors. Bars are
# numbers of one side: blue (●) for the picture, vermilion (■) for the sentence. A green
# frame marks an anchor that both sides keep, with the product of its two numbers.
#
# Before anything is compared, the mean of the anchors is subtracted on each side,
# because all embeddings share it, so that it tells nothing apart (**centring**, chapter
# 03). Then four steps turn the similarities of each side into a short list:
#
# 1. keep the $k$ largest and discard the others;
# 2. set negative ones to 0;
# 3. raise them to a power $p$;
# 4. scale the list to length 1,
#
# where $k$ is a tenth of the number of anchors, and $p$ is 2. Chapter 04 takes the
# steps one by one.
#
# The result is a **sparse vector** with one entry for each anchor, 0 if the anchor was
# not kept. The bars of the drawing are such entries.
#
# **Before you run the next two cells:** take the drum of section 1, and the
# words “a photo of a drum.” The bank holds no drum. Which anchors will look like one?
# Which captions will read like one? Will the strongest anchor be the same on both
# sides?

# %%
kept = [vectors.to_dense() > 0 for vectors in (pictures, texts)]  # (8, n) bool each
both = (kept[0] & kept[1]).sum(dim=1).float().mean()  # (): mean of the 8 pictures
counts = [side.sum(dim=1).float() for side in kept]  # (8,) each
# words keep a tenth of all anchors; if unrelated, also a tenth of the picture's
by_chance = (counts[0] * counts[1]).mean() / len(bank)
print(f"each side keeps {counts[0].mean():.0f} of {len(bank)} anchors")
print(f"kept by both: {both:.1f}; by two unrelated choices: {by_chance:.1f}")

# %% tags=["hide-input"]
# Draw the strongest anchors of the picture and of the words.
drum = 3 % len(shown)
titles = f"the picture of the {labels[drum]}", f"“a photo of a {labels[drum]}.”"
draw.show(draw.two_profiles(pictures[[drum]], texts[[drum]], bank.pairs, titles))

# %% [markdown]
# **What you see.** Blue bars are entries of the picture: these anchors look like the
# drum to the image encoder. Vermilion bars are entries of the words: these captions
# read like “drum” to the text encoder. The longest bar of each side belongs to another
# anchor.
#
# A filled bar is an anchor that both sides keep. (The other side's bar may be too short
# to be drawn.) Although the encoders were asked separately, the eight pictures share
# more anchors with their words than two unrelated choices would (the printed line). The
# method lives on this overlap, and on how large the shared entries are.

# %% [markdown]
# > **How exercises work.** Replace the line that begins with `raise` by your own code,
# > run the cell (Shift+Enter), then run the check below it. After a change, run both
# > again. If the check says `NameError`, the cell above it was not run, or it has an
# > error. Try before you open the hint. The file `my_progress.json`, beside the
# > notebook, keeps your solved exercises, and the last cells of each chapter show them.

# %% [markdown] tags=["core"]
# ## 5 · Who decided?
#
# The **score** of a picture and a label is the **cosine** of their two sparse vectors:
# 1 for the same direction, and 0 without a common anchor. The answer is the label with
# the largest score. This is called **zero-shot classification**, because
# no anchor was labelled for the task.

# %% tags=["hide-input"]
# Draw the scores of the eight pictures and the eight labels.
draw.show(draw.score_table(eight, labels, scores, right=range(len(shown))))

# %% [markdown]
# **What you see.** A larger score has a fuller green, or a longer bar. The tick
# stands at the right label, and the answer is bold.
#
# Because both vectors have length 1, the score is a sum with one term for each anchor:
# the picture's entry $x_i$ times the text's entry $y_i$.
#
# $$\text{score}=\cos(x,y)=\frac{\sum_ix_i\,y_i}{\|x\|\,\|y\|}=\sum_ix_i\,y_i$$
#
# This term is the anchor's **contribution**. The table of section 2 lists
# contributions, which are the exact arithmetic of the answer.
#
# **Before you run the next cell:** which anchors decided for “mallet”?

# %%
# Draw the anchors that decided for three answers.
rows, lines = [], []
for i in (i for i in (0, 3, 4) if i < len(shown)):  # the kangaroo, drum, mallet
    reasons = contributions(pictures[[i]], texts[[answers[i]]], bank.pairs)
    score = scores[i, answers[i]]
    rows.append((eight.iloc[i], f"{labels[answers[i]]}, score {score:.2f}", reasons))
    total = reasons.contribution.sum()
    lines += [f"The contributions add up to {total:.6f}, and the score is {score:.6f}."]
draw.show(draw.deciding_anchors(rows))
print(*lines, sep="\n")

# %% [markdown]
# **What you see.** Each picture with the model's answer, then the three anchors with
# the largest contributions, each with its share of the score. Other anchors hold the
# rest. The printed lines compare each score with the sum of its contributions.
#
# Some reasons are good. Others are odd: although the answer is right, its reason is
# weak.

# %% [markdown]
# ### Exercise 00.2 · Shares of a score
#
# **Difficulty** ●●○○○ · **Minutes** 5
#
# Predict first: an anchor has a large entry on the picture's side and none on the
# text's side. What is its share of the score?
#
# Then write the function. It gets the two vectors over the $n$ anchors and returns each
# anchor's share. The shares add up to 1. If the vectors have no anchor in common, the
# score is 0 and every share is 0.


# %% tags=["exercise"]
def shares(image: Tensor, text: Tensor) -> Tensor:
    """Return each anchor's share of the score of a picture and a text.

    image, text: shape (n,), float32, no negative entries, length 1
    returns: shape (n,), float32; all zeros if the score is 0
    """
    ### BEGIN SOLUTION
    # The score is the sum of the contributions, so divide each of them by this sum.
    ### END SOLUTION


# %% tags=["check"]
check_shares(shares)

# %% [markdown]
# <details><summary>Hint</summary>
#
# The contributions are the products, entry by entry: `image * text`. By which number do
# you divide them, so that they add up to 1? And if this number is 0?
#
# </details>
# <details><summary>What you should see</summary>
#
# Only anchors that both sides keep have a share. With `pictures.to_dense()[0]` and
# `texts.to_dense()[0]`, the largest shares are those in the first row of the figure.
#
# </details>

# %% [markdown] tags=["number", "core"]
# ## 6 · How often is it right?
#
# Each test picture gets eight captions: its own, and seven captions of other test
# pictures, drawn at random. Does its own caption score highest?
#
# As a control, we shuffle the captions of the bank, so that hardly any anchor keeps its
# own. Pictures, captions and encoders stay the same; only the pairing is gone.
#
# A share is printed with its **95 % interval** in brackets, which says how far the
# share might move with other test pictures of the same kind (chapter 05).
#
# **Before you run the next cell:** guess the percentage with the true bank, then the
# one with a shuffled bank. Chance is one in eight.

# %% tags=["hide-input"]
# Draw seven other captions for each picture, and say what counts as a win.
captions = [stamps.captions[i] for i in test]
CHOICES, SHUFFLES = min(8, len(set(captions))), 10
rng = np.random.default_rng(seed)
rivals = draw_rivals(captions, CHOICES - 1, rng)  # (150, 7): rows of other captions


def own_caption_wins(similarity):  # (150, 150), pictures × captions → (150,) bool
    return (similarity.diag()[:, None] > similarity.gather(1, rivals)).all(dim=1)


# %%
similarity = model.similarity(everything.image[test], everything.text[test])
wins = own_caption_wins(similarity)  # (150,) bool
result = mean_with_interval(wins, seed)

shuffled = []  # of each shuffled bank, which test pictures win: (150,) bool
for _ in range(SHUFFLES):
    order = torch.from_numpy(rng.permutation(len(bank)))
    wrong = ASIF(bank.replace(text=bank.text[order]), device=device)
    scores_of_wrong = wrong.similarity(everything.image[test], everything.text[test])
    shuffled.append(own_caption_wins(scores_of_wrong))

# %% tags=["hide-input"]
# Draw each test picture lit where its own caption wins, and print the two shares.
rows = {"the true bank": wins, "one shuffled bank": shuffled[0]}
draw.show(draw.lit_pictures([stamps.pictures[i] for i in test], rows))
names = f"{image_encoder.identity.name} × {text_encoder.identity.name}"
what, chance = f"own caption wins among {CHOICES}", f"chance {1 / CHOICES:.1%}"
record(f"held-out stamps: {what}, {names}", result, note=chance)
print(f"{what}: {result} ({chance})")
lucky = [won.float().mean().item() for won in shuffled]
ends = f"from {min(lucky):.1%} to {max(lucky):.1%}"
print(f"with {SHUFFLES} shuffled banks: {np.mean(lucky):.1%}, {ends}")

# %% [markdown]
# **What you see.** A picture is lit where its own caption wins. The shuffled banks
# scatter around chance, although they hold the same pictures and captions. So the link
# between the two encoders is in the *pairs*.

# %% [markdown] tags=["core"]
# ## 7 · A failure
#
# We take **the first test picture for which a wrong caption won**, with the reasons for
# both captions.
#
# **Before you run the next cell:** what kind of picture do you expect to fail?

# %% tags=["hide-input"]
# Draw the anchors that decided the first failure.
failures = [row for row, good in enumerate(wins) if not good]
for row in failures[:1]:
    rival = rivals[row, similarity[row, rivals[row]].argmax()].item()
    image = model.images(everything.image[[test[row]]])
    rows = []
    for title, i in (("wrong, won", rival), ("right, lost", row)):
        text = model.texts(everything.text[[test[i]]])
        heading = f"{title}: {captions[i]} Score {similarity[row, i]:.2f}"
        reasons = contributions(image, text, bank.pairs)
        rows.append((everything.pairs.picture[test[row]], heading, reasons))
    draw.show(draw.deciding_anchors(rows))
first = "; ".join(captions[row] for row in failures[:10])
print(f"{len(failures)} pictures fail. The first ten: {first}")

# %% [markdown]
# **What you see.** The same picture twice: above with the caption that won, below with
# its own. Ask of each anchor: does its picture show the same *thing*, or only the same
# shape, colour or style of drawing? And does its caption speak of the same thing? If no
# anchor is good on both sides, weak anchors decide.

# %% [markdown] tags=["core"]
# ## 8 · The story of this book
#
# Now ask about the eight pictures again, with new labels. Each label takes the place of
# the braces in the template.
#
# **Before you run the next cell:** in section 1, the kangaroo got its own label. Which
# will win now: kangaroo, dog, deer, marsupial, Australia, or something that jumps?

# %%
my_picture = 0  # 0 to 7: a picture of section 1
my_labels = ["kangaroo", "dog", "deer", "marsupial"]
my_labels += ["Australia", "something that jumps"]
my_template = "a photo of a {}."
mine = model.classify(pictures[[my_picture]], my_labels, templates=[my_template])
draw.show(draw.label_scores(my_labels, mine.scores[0], eight.iloc[my_picture]))

# %% [markdown]
# **What you see.** The labels, the best first: the kangaroo became a **deer**, with
# twice the score of “kangaroo”.
#
# Try other labels, and another template. If all labels miss, the scores get small, but
# one still wins: the model has no “none of these”.
#
# **This red kangaroo is the story of the book.** Chapter 06 asks which anchors decided
# here, and what it costs to take them out. Chapter 07 adds one pair, and asks again.

# %% [markdown]
# ## 9 · A picture of your own, and the cosine

# %% [markdown] tags=["full"]
# Try a picture of your own, from a file, with labels of your own. The pictures stay on
# this machine.
#
# Teach the page of `asif page stamps` your mug, and ask a second photograph.

# %% tags=["full", "hide-input"]
# Open the upload: a picture of your own.
your_picture(model, ["kangaroo", "dog", "mug", "face"])

# %% [markdown]
# ### Exercise 00.1 · Cosine
#
# **Difficulty** ●○○○○ · **Minutes** 8
#
# “Similar” always means one thing here: the **cosine** of the angle between two vectors
# $a$ and $b$,
#
# $$
# \cos(a, b) = \frac{\sum_i a_i b_i}{\|a\| \, \|b\|},
# \qquad \|a\| = \sqrt{\sum_i a_i^2} .
# $$
#
# The cosine is 1 for the same direction, 0 for a right angle and −1 for opposite
# directions. Lengths do not matter, because the formula divides by them. A zero vector
# has no direction, so we define its cosine with every vector as 0. Write the function.


# %% tags=["exercise"]
def cosine(a: Tensor, b: Tensor) -> Tensor:
    """Return the cosine of two vectors.

    a, b: shape (d,), float32
    returns: shape (), float32; 0 if a or b is all zeros
    """
    ### BEGIN SOLUTION
    # A dot product grows with both lengths; divided by them, only the direction counts.
    ### END SOLUTION


# %% tags=["check"]
check_cosine(cosine)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `a @ b` is the sum of the products. `a.norm()` is the length. Test first whether a
# length is 0.
#
# </details>
# <details><summary>What you should see</summary>
#
# `cosine(torch.tensor([3.0, 4.0]), torch.tensor([4.0, 3.0]))` is 0.96. Multiply one
# vector by 7: the cosine stays the same. Multiply it by −1: the sign changes.
#
# </details>

# %% [markdown] tags=["progress"]
# The exercises that you have solved:

# %% tags=["progress", "hide-input"]
# Show the exercises that you have solved.
from asif_book import show_progress

show_progress("00")

# %% [markdown]
# ## Summary
#
# - Two frozen encoders, which never met, become one image–text model through a bank of
#   captioned pictures. Nothing is trained.
# - A picture is described by the anchors that it looks like, and a text by the anchors
#   that it reads like. The score is the cosine of the two descriptions.
# - A score is a sum over named anchors, so every answer comes with its exact reasons.
# - If no anchor of the bank is good on both sides, the model guesses from weak anchors.
# - The whole method is one file, `asif_lib/method.py`; chapters 03 and 04 build it.
#
# **What would prove us wrong.** Shuffled banks that do better than chance: then
# something other than the pairs carries the meaning. Or contributions that do not add
# up to the score: then our reasons are wrong.
#
# **Where next.** On the core path, [03](03_relative_representations.ipynb): why may we
# describe a picture by other pictures? Else [01](01_encoders.ipynb): what does each
# stranger know alone?
#
# [Sources](references.md): Norelli 2023.

# %% [markdown] tags=["teacher"]
# ### Timing
#
# - **50 minutes.** The eight answers and the lamb 5, “The trick” together 10, exercise
#   00.1 in pairs 8, who decided and exercise 00.2 10, the shuffled bank 7, the deer 5,
#   exit questions 5.
# - **90 minutes.** The first plan of this guide, with a start-up and a summary.
#
# Before the figure of section 7, let pairs name a kind of picture that fails. A rule
# takes the failure there, so that nobody can pick a harmless one.
#
# ### What students get wrong
#
# - *“It was trained on the captions.”* Ask which numbers changed when the bank was
#   built. No number changed: the bank only stores embeddings.
# - *“The score is a probability.”* The scores of one picture need not add up to 1, and
#   there is no “none of these”. Let them give three labels that are all wrong.
# - *They mix up entry and contribution.* An anchor may be first for the picture and
#   have no share at all. Ask which number multiplies its entry.
#
# ### Discussion
#
# 1. Why does the shuffled bank fall to chance, although both encoders are as good as
#    before?
#
#    > **Answer.** All that ties the encoders together is which picture goes with which
#    > caption. After the shuffle, the two descriptions name unrelated anchors.
#
# 2. Whose pictures and words are in the bank, and who decides?
#
#    > **Answer.** The collectors of the pairs decide what the model can say: it has no
#    > name for a thing that is far from every anchor. Here they are volunteers of a
#    > children's program.
#
# ### Exit questions
#
# 1. You add one captioned picture to the bank. Which numbers of the model change? Which
#    do not?
#
#    > **Answer.** The bank gets one more row on each side, and its means move a little.
#    > No weight of an encoder changes: nothing is trained.
#
# 2. An anchor's picture looks very much like yours. Its caption has nothing to do with
#    the label. What does this anchor contribute to the score?
#
#    > **Answer.** Nothing, or nearly nothing. A contribution is the product of two
#    > entries, and the text's entry is 0 or small.
#
# 3. All captions of the bank are shuffled. Both encoders stay as they are. What happens
#    to the answers, and why?
#
#    > **Answer.** They fall to about chance. The pairs are the only link between the
#    > encoders, and the shuffle destroys the pairs.
