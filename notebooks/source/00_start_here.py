# %% [markdown]
# # 00 · Start here: two strangers meet
#
# > **Question.** One model has only ever looked at pictures. Another has only ever read
# > text. Can they understand each other, if nobody trains them to?
#
# <details><summary>Goals, minutes, what runs</summary>
#
# - say in two sentences how ASIF turns two separate models into one image–text model;
# - compute the cosine of two vectors, the only comparison that the whole method uses;
# - ask the model to choose among labels that you wrote yourself;
# - name the captioned pictures that decided an answer, and the share of each;
# - show a case in which the model fails, and say why.
#
# **Minutes** 20 to read, 13 more with the exercises · **Before this** nothing but a
# little Python. If PyTorch is new to you, read the [appendix](90_pytorch.ipynb) first.
#
# **What runs** A few hundred captioned pictures: the stamps of the free drawing program
# Tux Paint. This takes about 15 seconds on 2 CPU cores. The first run also fetches and
# encodes the pictures: allow a minute or two.
#
# </details>

# %% tags=["parameters"]
profile = "offline"  # or "hub": larger encoders, as in the paper
device = "auto"  # "auto", "cpu", "cuda" or "mps"
seed = 0  # of everything that is drawn at random
fast = False  # no effect in this chapter: nothing here is slow

# %% tags=["hide-input"]
# The tools of this chapter. Run this cell; you need not read it.

import numpy as np
import torch
from torch import Tensor

import asif_book.figures as draw
from asif_book import record
from asif_book.checks import check_cosine, check_shares
from asif_lib import ASIF, AnchorBank, contributions
from asif_lib.evaluation import mean_with_interval

draw.use_style()

# %% tags=["hide-input"]
# Load the two encoders of the profile.
from asif_lib import load_image_encoder, load_text_encoder
from asif_lib.defaults import PROFILES

names = PROFILES[profile]
image_encoder = load_image_encoder(names.image_encoder, device=device)
text_encoder = load_text_encoder(names.text_encoder, device=device)

# %% [markdown]
# ## 1 · The two strangers
#
# An **encoder** is a function that turns a picture, or a text, into a list of numbers:
# its **embedding**. Our encoders are frozen. They stay exactly as we found them.
#
# The image encoder learned to sort photographs into numbered classes. People made up
# the classes, but the encoder got only their numbers, never a word.
#
# The text encoder learned to put sentences of similar meaning close together. Some of
# the sentences once described pictures, but the encoder got only the words, never a
# picture.
#
# Their embeddings need not even have the same length:

# %%
for encoder in (image_encoder, text_encoder):
    print(encoder.identity)
print("“A kangaroo.” becomes", text_encoder.identity.dim, "numbers,")
print("a picture becomes", image_encoder.identity.dim, "numbers")

# %% [markdown]
# ## 2 · What they have in common
#
# We give them a phrase book: pictures, each with its caption. The image encoder embeds
# the picture, and the text encoder embeds the caption. Such a pair is called an
# **anchor**. The two lists of embeddings, row beside row, are a **bank** of anchors.
# (The picture of the method stands at the top of this chapter. A box in its middle is
# an anchor, and the whole column is the bank. That picture has 792 anchors, and this
# chapter has fewer. So the numbers differ a little.)
#
# You need not follow every line of code. Read the comments, and what the cell prints.
#
# The pictures are split once and for all into train, validation and test. The bank gets
# train and validation. The **test** pictures stay outside: the model never learns their
# captions.

# %%
from asif_lib import load_pairs

pairs = load_pairs("stamps")
everything = AnchorBank.build(pairs, image_encoder, text_encoder)
bank = everything.subset(pairs.splits["train"] + pairs.splits["validation"])
test = pairs.splits["test"]  # rows of `everything`
model = ASIF(
    bank, image_encoder=image_encoder, text_encoder=text_encoder, device=device
)
print(f"{len(bank)} anchors in the bank; {len(test)} test pictures held out")
print(model)

# %% tags=["hide-input"]
# Draw one anchor of each of twelve groups.
group = bank.pairs.group.str.split("/").str[0]  # "animals/mammals" → "animals"
some = bank.pairs[~group.duplicated()].head(12)
draw.show(draw.show_pictures(some.picture, some.caption))

# %% [markdown]
# **What you see.** Twelve anchors, one from each of twelve groups: a picture with its
# caption below it. The two encoders learn of each other only through pairs like these.
#
# The next picture is the one at the top of this chapter, with the photographs in place
# of the drawings.

# %% tags=["hide-input"]
# Draw the method in one picture.
draw.method_picture(everything)

# %% [markdown]
# ## 3 · The trick
#
# Take a new picture. Do not look at its embedding; ask only **which anchors' pictures
# look like it**. Take a new text. Ask only **which anchors' captions read like it**.
# Now both are described in the same terms: by anchors. If a picture and a text name the
# same anchors, they belong together.
#
# Four small steps make the description crisp. Keep the $k$ largest similarities and
# discard the others. Set negative similarities to 0. Raise them to a power $p$. Scale
# the list to length 1. The result is a **sparse vector**: one entry for each anchor
# that was kept. (In the picture at the top, its entries are the bars: blue (●) for the
# picture, vermilion (■) for the sentence.) Chapter 04 takes the steps one by one.
#
# The line above that begins with `ASIF` prints the settings. `k` is a tenth of the
# number of anchors, and `p` is 2: these are the $k$ and $p$ of the four steps (chapter
# 04). `center` says that the mean of the anchors is subtracted before every comparison
# (chapter 03).
#
# We need test pictures, and we must not pick the ones that work. So we fix a rule
# before we look: **the first test picture of each of eight groups**. Their labels are
# the plain nouns of their captions.
#
# **Before you run the next cell:** the first picture is a kangaroo. Which anchors will
# the image encoder find similar to it? Which anchors will the text encoder find similar
# to the words “a photo of a kangaroo”? Will the strongest anchor be the same on both
# sides?

# %%
labels = {
    "animals": "kangaroo",
    "clothes": "cowboy hat",
    "food": "green pepper",
    "hobbies": "drum",
    "household": "mallet",
    "people": "man in a suit",
    "plants": "desert rose",
    "vehicles": "sailboat",
}
group_of = everything.pairs.group.str.split("/").str[0]
shown = [next(i for i in test if group_of[i] == group) for group in labels]
pictures = model.images(everything.image[shown])  # 8 sparse vectors
texts = model.texts([f"a photo of a {label}." for label in labels.values()])  # 8 more

# the anchors that the kangaroo's picture keeps, and those that its words keep
kept = [set(v.indices[0][v.values[0] > 0].tolist()) for v in (pictures, texts)]
# a tenth of the bank by each side: by luck the second side has a tenth of the first's
by_chance = len(kept[0]) * len(kept[1]) / len(bank)
print(f"anchors kept by the picture {len(kept[0])}, by the words {len(kept[1])}")
print(f"by both {len(kept[0] & kept[1])}; by two unrelated choices: {by_chance:.1f}")

# %% tags=["hide-input"]
# Draw the strongest anchors of the picture and of the words.
titles = ["the picture of a kangaroo", "the words “a photo of a kangaroo.”"]
draw.show(draw.two_profiles(pictures[[0]], texts[[0]], bank.pairs, titles))

# %% [markdown]
# **What you see.** The bars on the left are entries of the picture. Their anchors look
# like the kangaroo, according to the image encoder. The bars on the right are entries
# of the words. The captions of their anchors read like the words, according to the text
# encoder. The two lists differ, and the longest bars need not belong to the same
# anchor.
#
# A filled bar is an anchor that the other side keeps too, perhaps further down than the
# figure reaches. A hollow bar is kept on one side only. The encoders were asked
# separately, and yet they share more anchors than two unrelated choices would. The
# method needs nothing but this overlap.

# %% [markdown]
# > **How exercises work.** Replace the line that begins with `raise` by your own code,
# > run the cell (Shift+Enter), then run the check below it. After a change, run both
# > again. If the check says `NameError`, the cell above it was not run, or it has an
# > error. Try before you open the hint. The last cells of each chapter show the
# > exercises that you have solved. The file `my_progress.json`, beside the notebook,
# > keeps them.

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
# directions. Lengths do not matter. A zero vector has no direction. We define its
# cosine with every vector as 0. Write the function.


# %% tags=["exercise"]
def cosine(a: Tensor, b: Tensor) -> Tensor:
    """Return the cosine of two vectors.

    a, b: shape (d,), float32
    returns: shape (), float32; 0 if a or b is all zeros
    """
    ### BEGIN SOLUTION
    lengths = a.norm() * b.norm()
    return a @ b / lengths if lengths > 0 else torch.tensor(0.0)
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
# `cosine(torch.tensor([3.0, 4.0]), torch.tensor([4.0, 3.0]))` is 0.96. If you multiply
# one vector by 7, the cosine stays the same. If you multiply it by −1, the cosine
# changes its sign.
#
# </details>

# %% [markdown]
# ## 4 · Eight pictures, eight labels
#
# The **score** of a picture and a label is the cosine of their two sparse vectors. (In
# the picture at the top, it is the sum on the last line.) The answer is the label with
# the largest score. This is **zero-shot classification**: no picture was ever labelled
# for this task.
#
# **Before you run the next cell:** for how many of the eight pictures will the right
# label win? A random guess gets one of eight, on average.

# %%
words = list(labels.values())
scores = pictures.similarity(texts).numpy()  # (8, 8): row = picture, column = label
answers = scores.argmax(axis=1)  # (8,): the column of the best label
own = np.arange(8)  # label j belongs to picture j
draw.show(draw.score_table(everything.pairs.picture[shown], words, scores, right=own))
print(f"{(answers == own).sum()} of 8 pictures get their own label")

# %% [markdown]
# **What you see.** One row for each picture, one column for each label; a darker cell
# is a larger score. The frame marks the right label; bold print marks the model's
# answer. Look also at the second largest number of each row: it belongs to the label
# that the model confuses most easily with its answer.
#
# Eight pictures prove little. We will measure on all test pictures in a moment.

# %% [markdown]
# ## 5 · Who decided?
#
# A score is a sum with one term for each anchor: the picture's entry times the text's
# entry. We call a term the anchor's **contribution**: in the picture at the top, the
# green product in an anchor's box. So the model can always show its reasons. They are
# the exact arithmetic of the answer, not a story told afterwards.
#
# **Before you run the next cell:** which anchors decided for “drum”? Perhaps the bank
# holds no drum like this one.

# %%
rows = []
for i, (row, column) in zip(shown, enumerate(answers.tolist()), strict=True):
    reasons = contributions(pictures[[row]], texts[[column]], bank.pairs)
    heading = f"{words[column]}, score {scores[row, column]:.2f}"
    rows.append((everything.pairs.picture[i], heading, reasons))
draw.show(draw.deciding_anchors(rows))

# %% [markdown]
# **What you see.** Left of the vertical line, the held-out picture with the model's
# answer. Right of it, the three anchors with the largest contributions. The percentage
# above each anchor is its share of the score. Other anchors hold the rest.
#
# Some reasons are the ones that you would give. Others are odd: the answer is right for
# a weak reason, and the figure lets you see it.

# %%
one = contributions(pictures[[0]], texts[[0]], bank.pairs)
print(f"the first score is {scores[0, 0]:.6f}")
print(f"its {len(one)} contributions add up to {one.contribution.sum():.6f}")

# %% [markdown]
# ### Exercise 00.2 · Shares of a score
#
# **Difficulty** ●●○○○ · **Minutes** 5
#
# Predict first: an anchor has a large entry on the picture's side and is missing on the
# text's side. What is its share of the score?
#
# Then write the function. It gets the two vectors over the $n$ anchors and returns each
# anchor's share. The shares of all anchors add up to 1. If the two vectors have no
# anchor in common, the score is 0 and every share is 0.


# %% tags=["exercise"]
def shares(image: Tensor, text: Tensor) -> Tensor:
    """Return each anchor's share of the score of a picture and a text.

    image, text: shape (n,), float32, no negative entries, length 1
    returns: shape (n,), float32; all zeros if the score is 0
    """
    ### BEGIN SOLUTION
    contribution = image * text
    score = contribution.sum()
    return contribution / score if score > 0 else contribution
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
# `texts.to_dense()[0]` the three largest shares are the shares in the first row of the
# figure above.
#
# </details>

# %% [markdown]
# ## 6 · How often is it right?
#
# Now we take all test pictures, and a rule that needs no labels of ours. Each picture
# gets eight captions: its own, and seven captions of other test pictures, drawn at
# random. Does its own caption score highest?
#
# And a control: shuffle the bank, so that every anchor has another anchor's caption.
# All pictures, all captions and both encoders are the same as before. Only the pairing
# is gone.
#
# **Before you run the next cell:** guess two percentages, with the true bank and with a
# shuffled one. Chance is one in eight.

# %% tags=["hide-input"]
# Draw seven other captions for each picture, and say what counts as a win.
from asif_book.lessons import draw_rivals

CHOICES, SHUFFLES = 8, 10
captions = [pairs.captions[i] for i in test]
rng = np.random.default_rng(seed)
rivals = draw_rivals(captions, CHOICES - 1, rng)  # (150, 7): rows of other captions


def own_caption_wins(similarity):
    """Test for each picture whether its own caption scores above all its rivals.

    similarity: (150, 150), pictures × captions; returns (150,) bool
    """
    return similarity.diag() > similarity.gather(1, rivals).amax(dim=1)


# %%
similarity = model.similarity(everything.image[test], everything.text[test])
wins = own_caption_wins(similarity)  # (150,) bool
result = mean_with_interval(wins, seed)

shuffled = []
for _ in range(SHUFFLES):
    order = torch.from_numpy(rng.permutation(len(bank)))
    wrong = ASIF(bank.replace(text=bank.text[order]), device=device)
    scores_of_wrong = wrong.similarity(everything.image[test], everything.text[test])
    shuffled.append(own_caption_wins(scores_of_wrong).float().mean().item())

# %% tags=["hide-input"]
# Record and print the two shares.
encoders = f"{image_encoder.identity.name} × {text_encoder.identity.name}"
record(
    f"held-out stamps: own caption wins among {CHOICES}, {encoders}",
    result,
    note=f"chance {1 / CHOICES:.1%}",
)
print(f"own caption wins among {CHOICES}: {result} (chance {1 / CHOICES:.1%})")
print(f"with a shuffled bank: {np.mean(shuffled):.1%}, mean of {SHUFFLES} shuffles")
print(f"   from {min(shuffled):.1%} to {max(shuffled):.1%}")

# %% [markdown]
# The brackets hold the 95 % interval. It says how much the number might move with other
# test pictures of the same kind. The shuffled banks scatter around chance: the model's
# knowledge is in the *pairs*. Chapter 05 measures all this properly, against other
# methods, and with many more captions to choose from.

# %% [markdown]
# ## 7 · A failure
#
# An honest chapter does not stop here. The next cell takes **the first test picture, in
# the order of the split, for which a wrong caption won**. It shows the reasons for the
# wrong caption and for the right one.
#
# **Before you run the next cell:** what kind of picture do you expect to fail?

# %% tags=["hide-input"]
# Find the first failure, and draw the anchors that decided it.
row = wins.tolist().index(False)
rival = rivals[row, similarity[row, rivals[row]].argmax()].item()
image = model.images(everything.image[[test[row]]])
rows = []
for title, i in (("wrong, won", rival), ("right, lost", row)):
    reasons = contributions(image, model.texts(everything.text[[test[i]]]), bank.pairs)
    heading = f"{title}: {captions[i]} Score {similarity[row, i]:.2f}"
    rows.append((everything.pairs.picture[test[row]], heading, reasons))
draw.show(draw.deciding_anchors(rows))
failures = [captions[i] for i, good in enumerate(wins) if not good]
print(f"{len(failures)} pictures fail. The first ten:", *failures[:10], sep="\n   ")

# %% [markdown]
# **What you see.** The same picture twice: in the upper row with the caption that won,
# in the lower row with its own. Ask two questions about each anchor right of the line.
# Does its picture resemble the held-out picture in the *thing* that it shows, or only
# in shape, colour or style of drawing? And does its caption really speak of the same
# thing? If no anchor of the bank is good on both sides, weak anchors decide.

# %% [markdown]
# ## 8 · Your turn: your own labels
#
# Write any labels you like, and the number of one of the eight pictures. Try labels
# that are *almost* right. Try labels that all miss: the model has no way to say “none
# of these”, but the scores get small. Each label takes the place of the braces in the
# template, as in the eight labels above. For “Australia” you may want another template.

# %%
my_picture = 0  # 0 to 7
my_labels = [
    "kangaroo",
    "dog",
    "deer",
    "marsupial",
    "Australia",
    "something that jumps",
]
my_template = "a photo of a {}."

mine = model.classify(pictures[[my_picture]], my_labels, templates=[my_template])
for i in mine.scores[0].argsort(descending=True).tolist():
    print(f"{mine.scores[0, i]:.3f}  {my_labels[i]}")

# %% [markdown]
# Is the label on top the one that you would have chosen? If not, look back at the
# anchors of this picture in the figure with the bars: they made the answer.
#
# Now try a picture of your own, from a file or from the camera, with labels of your
# own. The pictures stay on this machine.

# %% tags=["hide-input"]
# Open the upload: a picture of your own.
from asif_book.widgets import your_picture

your_picture(model, ["kangaroo", "dog", "mug", "face"])

# %% [markdown] tags=["progress"]
# The exercises of this chapter that you have solved so far:

# %% tags=["progress", "hide-input"]
# Show the exercises that you have solved.
from asif_book import show_progress

show_progress("00")

# %% [markdown]
# ## Summary
#
# - Two frozen encoders, which never met, become one image–text model through a bank of
#   captioned pictures.
# - A picture is described by the anchors that it looks like, and a text by the anchors
#   that it reads like. The score is the cosine of the two descriptions.
# - Nothing is trained. A score is a sum over named anchors, so every answer comes with
#   its exact reasons.
# - The model is often right and often wrong. If no anchor of the bank is good on both
#   sides, the model guesses from weak anchors.
#
# **What would prove us wrong.** If the shuffled banks had done better than chance,
# something other than the pairs would carry the meaning, and our explanation would be
# wrong. If other held-out pictures of the same kind scored far outside the interval,
# our measurement would be wrong. If the contributions did not add up to the score, our
# reasons would be wrong.
#
# **Where next.** [01 · Encoders](01_encoders.ipynb): what does each stranger know
# alone, and why can we not compare the two directly?

# %% [markdown] tags=["teacher"]
# ### Timing
#
# - **50 minutes.** Read “The trick” together 10, exercise 00.1 in pairs 8, the eight
#   pictures with a bet on the hits 7, who decided and exercise 00.2 10, the shuffled
#   bank 10, own labels 5.
# - **90 minutes.** As above, then 20 minutes with the students' own pictures (the last
#   section). In the last 20 minutes each pair of students looks for a failure and
#   explains it by the deciding anchors.
#
# ### What students get wrong
#
# - *“It was trained on the captions.”* Ask which numbers changed when the bank was
#   built. No number changed: the bank only stores embeddings.
# - *“The score is a probability.”* The scores of one picture need not add up to 1, and
#   there is no “none of these”. Let them give three labels that are all wrong.
# - *They mix up entry and contribution.* An anchor may be first for the picture and
#   have no share at all. Ask which number multiplies its entry.
# - *Eight of eight would prove it.* Ask how often a fair guesser of one in eight gets
#   three right.
#
# ### Discussion
#
# 1. Why does the shuffled bank fall to chance, although both encoders are as good as
#    before?
#
#    > **Answer.** The encoders know only one thing of each other: which picture goes
#    > with which caption. After the shuffle, the two descriptions name unrelated
#    > anchors.
#
# 2. Is a right answer for a weak reason a right answer?
#
#    > **Answer.** In the table it counts. In use it will fail on the next picture that
#    > shares only the weak reason, a white background for example. ASIF at least shows
#    > the reason.
#
# 3. Whose pictures and words are in the bank, and who decides?
#
#    > **Answer.** The collectors of the pairs decide what the model can say: the model
#    > has no name for a thing that is far from every anchor. Here they are the drawings
#    > and photographs of volunteers of a children's program.
