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
# - name the captioned pictures that decided an answer, and compute the share of each;
# - say how often the answers are right, and what is left of this without the pairs;
# - show a case in which the model fails, and say why.
#
# **Minutes** {minutes} · **Before this** nothing but a little Python. If PyTorch is new
# to you, read the [appendix](90_pytorch.ipynb) first.
#
# **What runs** A few hundred captioned pictures, the stamps of the free drawing program
# Tux Paint, for about 15 seconds on 2 CPU cores. The first run also fetches and encodes
# the pictures, so allow a minute or two. With other pairs or encoders, the text still
# speaks of the stamps.
#
# </details>

# %% tags=["parameters", "hide-input", "quiz"]
# Set up this chapter. To choose encoders, device or pictures, open this cell.
profile = "offline"  # or "hub": larger encoders
device = "auto"  # "auto", "cpu", "cuda" or "mps"
seed = 0  # the seed of everything that is drawn at random
pairs = "stamps"  # or a folder of pictures with captions

import numpy as np
import torch

import asif_book.figures as draw
from asif_book.chapters.chapter_00 import lessons
from asif_book.checks import check_cosine, check_shares
from asif_book.widgets import Quiz, your_picture
from asif_lib import ASIF, contributions

encoders, stamps, everything, test, model = lessons.set_up(profile, device, pairs)
Quiz("before", pairs)

# %% [markdown] tags=["core"]
# ## 1 · Eight answers
#
# Here two models that never met answer as one. They get eight new pictures, and give
# each picture one of eight labels, which are nouns from the captions of these pictures.
# **Before you see the answers,** bet on how many of the eight are right.

# %% tags=["hide-input"]
# Draw eight pictures and, after a bet, their answers.
shown, labels = lessons.first_task(stamps)  # rows of `everything`, a noun for each
eight = everything.pairs.picture[shown]
pictures = model.images(everything.image[shown])  # 8 descriptions of pictures
texts = model.texts([f"a photo of a {label}." for label in labels])  # 8 of texts
scores = pictures.similarity(texts).numpy()  # (8, 8): row = picture, column = label
answers = scores.argmax(axis=1)  # (8,): the column of the best label
kangaroo, drum, mallet = (i % len(shown) for i in (0, 3, 4))
answered = [labels[column] for column in answers]
draw.show(draw.labelled_pictures(eight, answered, labels, columns=4, bet=True))

# %% [markdown]
# **What you see.** After your bet, each answer of the model has a tick if it is right,
# and a cross if it is wrong. Guessing gets one of eight right, on average. Eight
# pictures prove little, so section 6 takes all new pictures.

# %% [markdown] tags=["core"]
# ## 2 · One anchor, another answer
#
# You can see why this model answers as it does, and you can change its mind. For
# example, it takes the black shape of a kangaroo for a sheep. Each row of the next
# table is one captioned picture, an **anchor**. The model adds up the products below
# each label, which are the green bars, and the label with the larger sum wins.
#
# <span class="on-screen">**Untick “A baby sheep (a lamb).”** and look at the two sums.
# Then tick it again, and try other rows.</span>

# %% tags=["hide-input"]
# Draw one decision as a table. Its boxes work without Python.
from asif_book.chapters.opening import SILHOUETTE, first_held_out

row = first_held_out(stamps, SILHOUETTE)
two = labels[:2] if row in shown else ("kangaroo", "sheep")
others = [i for i in range(len(stamps)) if i != row]
other = ASIF(everything.subset(others), **encoders, device=device)  # without this one
asked = stamps.pictures[row], stamps.captions[row], everything.image[[row]]
draw.score_ledger(other, *asked, two, other.prompts(two))

# %% [markdown]
# **What you see.** Without the lamb the answer is “kangaroo”. Nothing was trained: you
# took one pair out of a list. The other rows change too, because another anchor takes
# the lamb's place and all numbers are scaled again, as section 4 explains. We chose
# this example because a single anchor decides it.

# %% [markdown] tags=["core"]
# ## 3 · Two strangers and a phrase book
#
# An **encoder** is a function that turns a picture, or a text, into a list of numbers:
# its **embedding**. Our encoders are **frozen**: they stay exactly as we found them.
#
# The image encoder learned to sort photographs into classes that had a number but no
# name, so it never met a word. The text encoder learned to put sentences of similar
# meaning close together. Some of these sentences were two captions of one picture, but
# the text encoder never saw the picture.
#
# Because the two have no common language, we give them a phrase book: pictures, each
# with its caption. The image encoder embeds each picture, and the text encoder embeds
# its caption. The two lists of embeddings, row beside row, are a **bank** of anchors.
# The **test** pictures stay outside the bank, so that they are new to the model.

# %% tags=["hide-input"]
# Draw five anchors of the bank, and their embeddings as strips.
bank = model.bank
draw.show(draw.bank_strips(bank.subset(range(0, len(bank), len(bank) // 5)[:5])))

# %% [markdown]
# **What you see.** Five of the anchors. A cell of a strip is one number, and a fuller
# colour is a larger number. The two strips of a pair do not even have the same length,
# so they cannot be compared. The encoders meet only in such pairs.

# %% [markdown] tags=["core"]
# ## 4 · The trick
#
# Take a new picture. Instead of looking at its embedding, ask only **which anchors'
# pictures look like it**. For a new text, ask only **which anchors' captions read like
# it**. Now both are described in the same terms, because both are described by anchors.
# If a picture and a text name the same anchors, they belong together.

# %% [markdown]
# ![A picture and a sentence are compared with the same anchors; the products of their
# similarities add up to the score](drawings/method.svg)
#
# **What you see.** A picture, a sentence, and between them their anchors. A bar is a
# number of one side: blue (●) for the picture, vermilion (■) for the sentence. A green
# frame marks an anchor that both sides keep, with the product of its two numbers.
#
# First the mean of the anchors is subtracted on each side, because all embeddings share
# it and so it tells nothing apart (**centring**, chapter 03). Then four steps turn the
# similarities of a side into a short list:
#
# 1. keep the $k$ largest and discard the others;
# 2. set negative ones to 0;
# 3. raise them to a power $p$;
# 4. scale the list to length 1.
#
# Here $k$ is a tenth of the number of anchors, and $p$ is 2. The result is a **sparse
# vector**, with one entry for each anchor, 0 if the anchor was not kept.
#
# **Before you run the next cell:** take the drum of section 1 and the words “a photo of
# a drum.” The bank holds no drum. Will the strongest anchor be the same on both sides?

# %% tags=["hide-input"]
# Draw the strongest anchors of the picture and of the words.
titles = f"the picture of the {labels[drum]}", f"“a photo of a {labels[drum]}.”"
draw.show(draw.two_profiles(pictures[[drum]], texts[[drum]], bank.pairs, titles))

# %% [markdown]
# **What you see.** The blue anchors look like the drum to the image encoder, and the
# captions of the vermilion ones read like “drum” to the text encoder. The longest bar
# of each side belongs to another anchor. A filled bar is an anchor that both sides
# keep, although the other side's bar may be too short to be drawn.
#
# How many anchors do both sides keep? If the two choices were unrelated, they would
# share about a tenth of a tenth.

# %%
kept_by_picture = pictures.to_dense() > 0  # (8, n) bool, n is the number of anchors
kept_by_words = texts.to_dense() > 0  # (8, n) bool
kept_by_both = (kept_by_picture & kept_by_words).sum(dim=1)  # (8,)
unrelated = kept_by_picture.sum(dim=1) * kept_by_words.sum(dim=1) / len(bank)  # (8,)
print(f"A side keeps {model.k} of {len(bank)} anchors.")
print(f"On average, both sides keep {kept_by_both.float().mean():.1f} of them.")
print(f"Two unrelated choices would share {unrelated.mean():.1f}.")

# %% [markdown]
# **What you see.** Although the encoders were asked separately, a picture and its words
# share more anchors than two unrelated choices would. The method lives on this overlap,
# and on how large the shared entries are.

# %% [markdown]
# > **How exercises work.** Replace the line that begins with `raise` by your own code,
# > run the cell (Shift+Enter), and then run the check below it. After a change, run
# > both again. If the check says `NameError`, the cell above it was not run or has an
# > error. Try before you open the hint. The file `my_progress.json` keeps your solved
# > exercises.

# %% [markdown] tags=["core"]
# ## 5 · Who decided?
#
# The answer is the label with the largest **score**: the **cosine** of two sparse
# vectors, one of the picture and one of the label. This is called **zero-shot
# classification**, because no anchor was labelled for the task.

# %% tags=["hide-input"]
# Draw the scores of the eight pictures and the eight labels.
draw.show(draw.score_table(eight, labels, scores, right=range(len(shown))))

# %% [markdown]
# **What you see.** A larger score has a fuller green, or a longer bar. The tick stands
# at the right label, and the answer is bold.
#
# The cosine divides by both lengths, so a longer vector changes nothing. Here both
# lengths are 1, so the score is a sum with one term for each anchor: the picture's
# entry $x_i$ times the text's entry $y_i$. Without a common anchor it is 0.
#
# $$\text{score}=\cos(x,y)=\frac{\sum_ix_i\,y_i}{\|x\|\,\|y\|}=\sum_ix_i\,y_i$$
#
# This term is the anchor's **contribution**. The table of section 2 lists
# contributions, which are the exact arithmetic of the answer.
#
# **Before you run the next cell:** which anchors decided for “mallet”?

# %%
# Draw the anchors that decided for three answers.
decisions = []  # a picture, its answer, and the contribution of each anchor
for i in sorted({kangaroo, drum, mallet}):
    answer, score = answers[i], scores[i, answers[i]]
    reasons = contributions(pictures[[i]], texts[[answer]], bank.pairs)
    decisions.append((eight.iloc[i], f"{labels[answer]}, score {score:.2f}", reasons))
    total = reasons.contribution.sum()
    print(f"The contributions add up to {total:.6f}, and the score is {score:.6f}.")
draw.show(draw.deciding_anchors(decisions))

# %% [markdown]
# **What you see.** Beside each picture stand the three anchors with the largest
# contributions, each with its share of the score. Other anchors hold the rest. Some
# reasons are good. Others are odd: although the answer is right, its reason is weak.

# %% [markdown]
# ### Exercise 00.2 · Shares of a score
#
# **Difficulty** ●●○○○ · **Minutes** 5
#
# Predict first: an anchor has a large entry on the picture's side and none on the
# text's side. What is its share of the score?
#
# Then write the function. It gets the two vectors over the $n$ anchors and returns each
# anchor's share. The shares add up to 1. But if the vectors have no anchor in common,
# the score is 0 and every share is 0.


# %% tags=["exercise"]
def shares(image: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
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
# pictures, drawn at random. Does its own caption have the highest score?
#
# As a control, we shuffle the captions of the bank, so that hardly any anchor keeps its
# own. Pictures, captions and encoders stay the same; only the pairing is gone.
#
# A share is printed with its **95 % interval** in brackets, which says how far the
# share might move with other test pictures of the same kind (chapter 05).
#
# **Before you run the next cell:** guess the percentage with the true bank, and with a
# shuffled bank. Chance is one in eight.

# %%
rng = np.random.default_rng(seed)
rivals = lessons.draw_rivals(test.pairs.caption, 7, rng)  # (150, 7), rows of `test`
wins = lessons.own_caption_wins(model, test, rivals)  # (150,) bool

wins_of_shuffled = []  # the same for each of ten shuffled banks
for _ in range(10):
    order = rng.permutation(len(bank))
    shuffled = ASIF(bank.replace(text=bank.text[order]), device=device)
    wins_of_shuffled.append(lessons.own_caption_wins(shuffled, test, rivals))

# %% tags=["hide-input"]
# Draw each test picture lit where its own caption wins, and print the shares.
from asif_book import record
from asif_lib.evaluation import mean_with_interval

rows = {"the true bank": wins, "one shuffled bank": wins_of_shuffled[0]}
draw.show(draw.lit_pictures(test.pairs.picture, rows))
result, choices = mean_with_interval(wins, seed), rivals.shape[1] + 1
names = " × ".join(encoder.identity.name for encoder in encoders.values())
what, chance = f"own caption wins among {choices}", f"chance {1 / choices:.1%}"
record(f"held-out stamps: {what}, {names}", result, note=chance)
print(f"With the true bank, the {what} for {result} ({chance}).")
lucky = [won.float().mean().item() for won in wins_of_shuffled]
print(f"With ten shuffled banks, it wins for {np.mean(lucky):.1%} on average,")
print(f"from {min(lucky):.1%} to {max(lucky):.1%}.")

# %% [markdown]
# **What you see.** A picture is lit where its own caption wins. The shuffled banks
# scatter around chance, although they hold the same pictures and captions. So the link
# between the two encoders is in the *pairs*.

# %% [markdown] tags=["core"]
# ## 7 · A failure
#
# We take **the first test picture for which a wrong caption won**.
#
# **Before you run the next cell:** what kind of picture do you expect to fail?

# %% tags=["hide-input"]
# Draw the anchors that decided the first failure.
failures = [row for row, won in enumerate(wins) if not won]  # rows of `test`
if failures:
    decisions = lessons.won_and_lost(model, test, rivals, failures[0])
    draw.show(draw.deciding_anchors(decisions))
first = " · ".join(test.pairs.caption[failures[:10]])
print(f"{len(failures)} pictures fail. The captions of the first ten: {first}")

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
# **What you see.** The kangaroo became a **deer**, with twice the score of “kangaroo”.
# Try other labels, and another template. If all labels miss, the scores get small, but
# one still wins, because the model has no “none of these”.
#
# **This red kangaroo is the story of the book.** Chapter 06 asks which anchors decided
# here, and what it costs to take them out. Chapter 07 adds one pair and asks again.

# %% [markdown]
# ## 9 · A picture of your own, and the cosine

# %% [markdown] tags=["full"]
# Try a picture and labels of your own. The picture stays on this machine. On the page
# of `asif page stamps` you can also teach your mug, and ask a second photograph of it.

# %% tags=["full", "hide-input"]
# Open the upload: a picture of your own.
your_picture(model, ["kangaroo", "dog", "mug", "face"])

# %% [markdown]
# ### Exercise 00.1 · Cosine
#
# **Difficulty** ●○○○○ · **Minutes** 8
#
# “Similar” always means one thing in this book: the **cosine** of section 5. For any
# two vectors $a$ and $b$ it is the sum of the products $a_i b_i$, divided by both
# lengths, where $\|a\| = \sqrt{\sum_i a_i^2}$. It is 1 for the same direction, 0 for a
# right angle and −1 for opposite directions. A zero vector has no direction, so we
# define its cosine with every vector as 0. Write the function.


# %% tags=["exercise"]
def cosine(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
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
# - If no anchor is good on both sides, the model guesses from weak anchors.
# - The whole method is one file, `asif_lib/method.py`; chapters 03 and 04 build it.
#
# **What would prove us wrong.** If shuffled banks did better than chance, something
# other than the pairs would carry the meaning. If the contributions did not add up to
# the score, our reasons would be wrong.
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
