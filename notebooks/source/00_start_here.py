# %% [markdown]
# # 00 · Start here: two strangers meet
#
# > **Question.** One model has only ever looked at pictures. Another has only ever read text. Can they
# > understand each other, if nobody trains them to?
#
# **After this chapter you can**
#
# - say in two sentences how ASIF turns two separate models into one image–text model;
# - compute the cosine of two vectors, the only comparison that the whole method uses;
# - ask the model to choose among labels that you wrote yourself;
# - name the captioned pictures that decided an answer, and say what share each had;
# - show a case in which it fails, and say why.
#
# **Minutes** 5 to read, 9 more with the exercises · **Before this** nothing but a little Python
#
# **What runs** A few hundred captioned pictures, the stamps of the free drawing program Tux Paint. About
# 15 seconds on 2 CPU cores. The very first time, the pictures are fetched and encoded: allow a minute or two.

# %% tags=["parameters"]
profile = "offline"  # "offline": encoders that install as packages; "hub": larger ones, as in the paper
device = "auto"  # "auto", "cpu", "cuda" or "mps"
seed = 0  # of everything that is drawn at random
fast = False  # no effect in this chapter: nothing here is slow

# %%
# The tools of this chapter. You need not read this cell, nor code below that only draws a figure; run it.
from dataclasses import replace

import numpy as np
import torch
from IPython.display import Markdown, display
from torch import Tensor

from asif_lib import (
    ASIF,
    AnchorBank,
    contributions,
    load_image_encoder,
    load_pairs,
    load_text_encoder,
    record,
)
from asif_lib.course.checks import check_cosine, check_shares
from asif_lib.course.progress import show_progress
from asif_lib.evaluation import mean_with_interval
from asif_lib.figures import (
    deciding_anchors,
    score_table,
    show,
    show_pictures,
    two_profiles,
    use_style,
)
from asif_lib.widgets import your_picture

use_style()

# %%
names = {
    "offline": ("efficientnet_lite0", "all-MiniLM-L6-v2"),
    "hub": ("vit_base_patch16_224.augreg_in21k_ft_in1k", "all-mpnet-base-v2"),
}[profile]
image_encoder = load_image_encoder(names[0], device=device)
text_encoder = load_text_encoder(names[1], device=device)

# %% [markdown]
# ## The two strangers
#
# An **encoder** is a function that turns a picture, or a text, into a list of numbers: its **embedding**. Ours
# are frozen. They stay exactly as we found them.
#
# The image encoder learned to sort photographs into numbered classes. People made up the classes, but it was
# given their numbers only, never a word. The text encoder learned to put sentences of similar meaning close
# together. Some of those sentences once described pictures, but it was given the words only, never a
# picture. Their embeddings need not even have the same length:

# %%
display(
    Markdown(
        f"- image encoder: {image_encoder.identity}\n"
        f"- text encoder: {text_encoder.identity}\n\n"
        f"The text encoder turns “A kangaroo.” into {text_encoder.identity.dim} numbers; the "
        f"image encoder turns a picture into {image_encoder.identity.dim}."
    )
)

# %% [markdown]
# ## What they have in common
#
# We give them a phrase book: pictures, each with its caption. The image encoder embeds the picture, the text
# encoder embeds the caption. Such a pair is called an **anchor**, and the two lists of embeddings, row beside
# row, are a **bank** of anchors.
#
# The pictures are split once and for all into train, validation and test. The bank gets train and
# validation. The **test** pictures stay out: nobody tells the model which caption belongs to them.

# %%
pairs = load_pairs("stamps")
whole = AnchorBank.build(pairs, image_encoder, text_encoder)
in_bank = pairs.splits["train"] + pairs.splits["validation"]  # their positions among all pairs
bank = whole.subset(in_bank)
test = pairs.splits["test"]
model = ASIF(bank, image_encoder=image_encoder, text_encoder=text_encoder, device=device)
group_of = [group.split("/")[0] for group in pairs.groups]
print(f"{len(bank)} anchors in the bank; {len(test)} test pictures held out")
print(model)

# %%
first_of_group = {}
for i in in_bank:
    first_of_group.setdefault(group_of[i], i)
some = sorted(first_of_group.values())[:12]
show(
    show_pictures([pairs.pictures[i] for i in some], [pairs.captions[i] for i in some], columns=6),
    "Twelve anchors, one from each of twelve groups, each a picture with its caption below it: "
    + " ".join(pairs.captions[i] for i in some),
)

# %% [markdown]
# *What you see.* One anchor from each of twelve groups. Everything the two encoders will ever know of each
# other is in pairs like these.

# %% [markdown]
# ## The trick
#
# Take a new picture. Do not look at its embedding; ask only **which anchors' pictures look like it**. Take a
# new text. Ask only **which anchors' captions read like it**. Now both are described in the same terms: by
# anchors. If a picture and a text name the same anchors, they belong together.
#
# Four small steps make the description crisp: keep the $k$ largest similarities and forget the rest, set those
# below 0 to 0, raise them to a power $p$, scale the list to length 1. What is left is a **sparse vector**, with
# one entry for each anchor that was kept. Chapter 04 takes the steps one by one.
#
# The line that begins with `ASIF`, above, prints the settings: `k`, a tenth of the number of anchors, and `p`,
# which is 2, are the $k$ and $p$ of these steps (chapter 04); `center` says that the mean of the anchors is taken
# off before anything is compared (chapter 03).
#
# We need test pictures, and we must not pick the ones that work. So the rule is fixed before we look: **the
# first test picture of each of eight groups**. Their labels are the plain nouns of their captions.
#
# **Before you run the next cell:** the first of them is a kangaroo. Which anchors will the image encoder find
# similar to it? Which will the text encoder find similar to the words “a photo of a kangaroo”? Will the
# strongest be the same on both sides?

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
shown = [next(i for i in test if group_of[i] == group) for group in labels]
pictures = model.images(whole.image[shown])  # one sparse vector for each picture
texts = model.texts([f"a photo of a {label}." for label in labels.values()])  # and for each label


def strongest(vectors, row, top=7):
    """The strongest anchors of one sparse vector: position, picture, caption, entry."""
    return [
        (anchor, pairs.pictures[in_bank[anchor]], bank.pairs.caption[anchor], entry)
        for anchor, entry in zip(vectors.indices[row, :top].tolist(), vectors.values[row, :top].tolist(), strict=True)
    ]


left, right = strongest(pictures, 0), strongest(texts, 0)
kept_by_picture, kept_by_text = (set(v.indices[0, v.values[0] > 0].tolist()) for v in (pictures[[0]], texts[[0]]))
both = kept_by_picture & kept_by_text
expected = len(kept_by_picture) * len(kept_by_text) / len(bank)
print(f"anchors kept by the picture {len(kept_by_picture)}, by the words {len(kept_by_text)}, by both {len(both)}")
print(f"by both, if the two choices had nothing to do with each other: about {expected:.1f}")

# %% tags=["figure"]
show(
    two_profiles(left, right, both, ["the picture of a kangaroo", "the words “a photo of a kangaroo.”"]),
    "Two bar charts. Left, the seven anchors whose pictures are most similar to the kangaroo: "
    + " ".join(row[2] for row in left)
    + " Right, the seven anchors whose captions are most similar to the words: "
    + " ".join(row[2] for row in right)
    + " Kept by the other side too: "
    + " ".join(dict.fromkeys(row[2] for row in left + right if row[0] in both)),
)

# %% [markdown]
# *What you see.* Left, what the picture looks like, according to the image encoder. Right, what the words
# mean, according to the text encoder. The two lists differ, and their strongest anchors need not be the same.
# But a filled bar is an anchor that the other side keeps too, perhaps further down than is drawn; a hollow bar
# is kept on one side only. The encoders were asked separately, and yet they share more anchors than two
# unrelated choices would. That overlap is all that we need.

# %% [markdown]
# > **How exercises work.** Replace the line that begins with `raise` by your own, run the cell (Shift+Enter), then run
# > the check below it. Changed something? Run both again. If the check says `NameError`, the cell above it was not
# > run, or it has an error. Try before you open the hint. The last cells of each chapter show what you have solved; it
# > is kept in `my_progress.json`, beside the notebook.

# %% [markdown]
# ### Exercise 00.1 · Cosine
#
# **Difficulty** ●○○○○ · **Minutes** 4
#
# “Similar” always means one thing here: the **cosine** of the angle between two vectors $a$ and $b$,
#
# $$\cos(a, b) = \frac{\sum_i a_i b_i}{\|a\| \, \|b\|}, \qquad \|a\| = \sqrt{\sum_i a_i^2} .$$
#
# It is 1 for the same direction, 0 for a right angle, −1 for opposite directions; lengths do not matter. A
# vector of zeros has no direction: agree that its cosine with anything is 0. Write the function.


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
# `a @ b` is the sum of the products. `a.norm()` is the length. Test first whether a length is 0.
#
# </details>
# <details><summary>What you should see</summary>
#
# `cosine(torch.tensor([3.0, 4.0]), torch.tensor([4.0, 3.0]))` is 0.96. If you multiply one vector by 7, nothing
# changes; if you multiply it by −1, the sign does.
#
# </details>

# %% [markdown]
# ## Eight pictures, eight labels
#
# The **score** of a picture and a label is the cosine of their two sparse vectors. The answer is the label with
# the largest score. This is **zero-shot classification**: no picture was ever labelled for this task.
#
# **Before you run the next cell:** for how many of the eight pictures will the right label win? Guessing gets
# one of eight, on average.

# %%
scores = pictures.similarity(texts).numpy()
words = list(labels.values())
answers = [words[j] for j in scores.argmax(axis=1)]
show(
    score_table([pairs.pictures[i] for i in shown], words, scores, right=range(len(words))),
    "A table of scores, a row for each picture and a column for each label. "
    + "; ".join(
        f"the picture of the {word} gets the answer {answer}" for word, answer in zip(words, answers, strict=True)
    ),
)
hits = sum(answer == word for answer, word in zip(answers, words, strict=True))
display(Markdown(f"**{hits} of {len(words)}** pictures get their own label."))

# %% [markdown]
# *What you see.* One row for each picture, one column for each label. The frame marks the right label; bold is
# the model's answer. Look also at the second largest number of each row: it shows what the model finds
# confusable.
#
# Eight pictures prove little. We will measure on all test pictures in a moment.

# %% [markdown]
# ## Who decided?
#
# A score is a sum with one term for each anchor: the picture's entry times the text's entry. We call a term
# the anchor's **contribution**. So the model can always show its reasons, and they are the exact arithmetic
# of the answer, not a story told afterwards.
#
# **Before you run the next cell:** which anchors decided for “drum”? There may be no drum like this one in the
# bank.


# %%
def reasons(image, text, top=3):
    """The `top` anchors of a score: picture, caption, share of the score."""
    table = contributions(image, text, bank.pairs)
    shares = table.contribution / table.contribution.sum()
    return [
        (pairs.pictures[in_bank[anchor]], caption, share)
        for anchor, caption, share in zip(table.anchor[:top], table.caption[:top], shares[:top], strict=True)
    ]


rows, alts = [], []
for row, i in enumerate(shown):
    best = int(scores[row].argmax())
    why = reasons(pictures[[row]], texts[[best]])
    rows.append((pairs.pictures[i], f"{words[best]}, score {scores[row, best]:.2f}", why))
    alts.append(f"{words[best]}: " + ", ".join(f"{caption} {share:.0%}" for _, caption, share in why))
show(
    deciding_anchors(rows),
    "For each picture the answer and the three anchors with the largest share of the score. " + "; ".join(alts),
)

# %% [markdown]
# *What you see.* Left of the line, the held-out picture with the model's answer. Right of it, the three anchors
# with the largest contributions and their share of the score; the rest is spread over other anchors. Some
# reasons are as you would give them. Others are odd: they are right answers for weak reasons, and it is good
# that you can tell.

# %%
one = contributions(pictures[[0]], texts[[0]], bank.pairs)
display(
    Markdown(
        f"The first score is {scores[0, 0]:.6f}. It has {len(one)} contributions, and they add up to "
        f"{one.contribution.sum():.6f}."
    )
)

# %% [markdown]
# ### Exercise 00.2 · Shares of a score
#
# **Difficulty** ●●○○○ · **Minutes** 5
#
# Predict first: an anchor has a large entry on the picture's side and is missing on the text's side. What is
# its share of the score?
#
# Then write the function: given the two vectors over the $n$ anchors, return each anchor's share. The shares
# of all anchors add up to 1. If the two have no anchor in common, the score is 0 and every share is 0.


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
# The contributions are the products, entry by entry: `image * text`. What do you divide them by, so that they
# add up to 1? And what if that is 0?
#
# </details>
# <details><summary>What you should see</summary>
#
# Only anchors that both sides keep have a share. With `pictures.to_dense()[0]` and `texts.to_dense()[0]` the
# three largest shares are those in the first row of the figure above.
#
# </details>

# %% [markdown]
# ## How often is it right?
#
# Now all test pictures, and a rule that needs no labels of ours: each picture gets eight captions, its own and
# seven captions of other test pictures, drawn at random. Does its own caption score highest?
#
# And a control: shuffle the bank, so that every anchor has another anchor's caption. All pictures, all captions
# and both encoders are the same as before. Only the pairing is gone.
#
# **Before you run the next cell:** guess two percentages, with the true bank and with a shuffled one. Chance is
# one in eight.

# %%
CHOICES, SHUFFLES = 8, 10
captions = [pairs.captions[i] for i in test]
rng = np.random.default_rng(seed)
rivals = torch.tensor(  # for each test picture, the rows of seven test pictures with other captions
    [
        [j for j in rng.permutation(len(test)).tolist() if captions[j] != captions[row]][: CHOICES - 1]
        for row in range(len(test))
    ]
)


def own_caption_wins(similarity):
    """For each test picture: does its own caption score above all its rivals? Bool, (tests,)."""
    return similarity.diag() > similarity.gather(1, rivals).amax(dim=1)


# %%
similarity = model.similarity(whole.image[test], whole.text[test])
wins = own_caption_wins(similarity)
result = mean_with_interval(wins, seed)

shuffled = []
for _ in range(SHUFFLES):
    mixed = replace(bank, text=bank.text[torch.from_numpy(rng.permutation(len(bank)))])
    scores_mixed = ASIF(mixed, device=device).similarity(whole.image[test], whole.text[test])
    shuffled.append(own_caption_wins(scores_mixed).float().mean().item())

# %%
record(
    f"held-out stamps: own caption wins among {CHOICES}, {image_encoder.identity.name} × {text_encoder.identity.name}",
    result.value,
    ci=result.ci,
    n=result.n,
    note=f"chance {1 / CHOICES:.1%}",
)
display(
    Markdown(
        f"**{result.value:.1%}** of {result.n} held-out pictures choose their own caption among {CHOICES} "
        f"(95 % interval {result.low:.1%} to {result.high:.1%}; chance {1 / CHOICES:.1%}).\n\n"
        f"With a shuffled bank: {np.mean(shuffled):.1%} on average over {SHUFFLES} shuffles, from "
        f"{min(shuffled):.1%} to {max(shuffled):.1%}."
    )
)

# %% [markdown]
# The interval says how much the number might move with other test pictures of the same kind. The shuffled banks
# scatter around chance: what the model knows is in the *pairs*. Chapter 05 measures all this properly, against
# other methods, and with many more captions to choose from.

# %% [markdown]
# ## A failure
#
# It would be dishonest to stop here. The next cell takes **the first test picture, in the order of the split,
# for which a wrong caption won**, and shows the reasons for the wrong caption and for the right one.
#
# **Before you run the next cell:** what kind of picture do you expect to fail?

# %%
row = wins.tolist().index(False)
won, own = rivals[row, similarity[row, rivals[row]].argmax()].item(), row
image = model.images(whole.image[[test[row]]])
rows, alts = [], []
for title, caption_row in (("wrong, won", won), ("right, lost", own)):
    text = model.texts(whole.text[[test[caption_row]]])
    why = reasons(image, text)
    score = similarity[row, caption_row].item()
    rows.append((pairs.pictures[test[row]], f"{title}: {captions[caption_row]} Score {score:.2f}", why))
    alts.append(
        f"{title}: {captions[caption_row]} score {score:.2f}, because of "
        + (", ".join(f"{caption} {share:.0%}" for _, caption, share in why) or "no anchor at all")
    )
show(deciding_anchors(rows), "One held-out picture twice. " + "; ".join(alts))
failures = [captions[r] for r, good in enumerate(wins) if not good]
display(Markdown(f"{len(failures)} pictures fail. The first ten: " + " · ".join(failures[:10])))

# %% [markdown]
# *What you see.* The same picture twice: above with the caption that won, below with its own. Ask of
# each anchor: does its picture resemble the held-out picture in what it *is*, or only in shape, colour or style
# of drawing? And does its caption really speak of the same thing? Where the bank has no anchor that is good on
# both sides, weak ones decide.

# %% [markdown]
# ## Your turn: your own labels
#
# Write any labels you like, and any row of the eight pictures. Try labels that are *almost* right. Try labels
# that all miss: the model has no way to say “none of these”, but the scores get small. Each label takes the
# place of the braces in the template, as in the eight labels above; for “Australia” you may want another one.

# %%
my_picture = 0  # 0 to 7
my_labels = ["kangaroo", "dog", "deer", "marsupial", "Australia", "something that jumps"]
my_template = "a photo of a {}."

mine = model.classify(pictures[[my_picture]], my_labels, templates=[my_template])
for label, score in sorted(zip(my_labels, mine.scores[0].tolist(), strict=True), key=lambda item: -item[1]):
    print(f"{score:.3f}  {label}")

# %% [markdown]
# Is the label on top the one that you would have chosen? If not, look back at the anchors of this picture in
# the figure with the bars: there the answer was made.
#
# And now a picture of your own, from a file or from the camera, against labels of your own. The pictures stay on
# this machine.

# %%
your_picture(model, ["kangaroo", "dog", "mug", "face"])

# %% [markdown]
# ## Your progress
#
# What you have solved in this chapter so far:

# %%
show_progress("00")

# %% [markdown]
# ## Summary
#
# - Two frozen encoders, which never met, become one image–text model through a bank of captioned pictures.
# - A picture is described by the anchors it looks like, a text by the anchors it reads like; the score is the
#   cosine of the two descriptions.
# - Nothing is trained. A score is a sum over named anchors, so every answer comes with its exact reasons.
# - It is often right and often wrong; where the bank has no anchor that is good on both sides, it guesses from
#   weak ones.
#
# ## What would prove us wrong
#
# If the shuffled banks had done better than chance, then something other than the pairs would carry the meaning,
# and our explanation would be wrong. If other held-out pictures of the same kind scored far outside the
# interval, our measurement would be wrong. And if the contributions did not add up to the score, so would our
# reasons be.
#
# ## Where next
#
# [01 · Encoders](01_encoders.ipynb): what does each stranger know alone, and why can the two not be compared
# directly?

# %% [markdown] tags=["teacher"]
# ### Timing
#
# - **50 minutes.** Read “The trick” together 10, exercise 00.1 in pairs 8, the eight pictures with a bet on the hits 7,
#   who decided and exercise 00.2 10, the shuffled bank 10, own labels 5.
# - **90 minutes.** As above, then 20 minutes with pictures of the students' own (the last section), and 20 minutes in
#   which each pair looks for a failure and explains it by the deciding anchors.
#
# ### What students get wrong
#
# - *“It was trained on the captions.”* Ask which numbers changed when the bank was built. None: it was stored.
# - *“The score is a probability.”* The scores of one picture need not add up to 1, and there is no “none of these”. Let
#   them give three labels that are all wrong.
# - *Entry and contribution are mixed up.* An anchor may be first for the picture and have no share at all. Ask what it
#   is multiplied by.
# - *Eight of eight would prove it.* Ask how often a fair guesser of one in eight gets three right.
#
# ### Discussion
#
# 1. Why does the shuffled bank fall to chance, although both encoders are as good as before?
#
#    > **Answer.** All that the encoders know of each other is which picture goes with which caption. Shuffled, the two
#    > descriptions name anchors that have nothing to do with each other.
#
# 2. Is a right answer for a weak reason a right answer?
#
#    > **Answer.** In the table it counts. In use it will fail on the next picture that shares the weak reason only, a
#    > white background for example. ASIF at least shows it.
#
# 3. Whose pictures and words are in the bank, and who decides?
#
#    > **Answer.** Whoever collects the pairs decides what the model can say: what is not near any anchor cannot be
#    > named. Here they are the drawings and photographs of volunteers of a children's program.
