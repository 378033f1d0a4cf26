# %% [markdown]
# # 01 · Encoders: what each one knows alone
#
# > **Question.** What does a frozen encoder know, and what can it not compare?
#
# <details><summary>Goals, minutes, path, what runs</summary>
#
# - say what identifies an encoder, and why its preprocessing belongs to it;
# - compute a matrix of cosines and find nearest neighbours with it;
# - judge by eye and by number whether neighbours make sense;
# - use controls (random weights, colours, shared words) to see what training added;
# - explain why an image embedding and a text embedding have nothing to compare.
#
# **Minutes** {minutes} · **Before this** [00 · Start here](00_start_here.ipynb)
#
# **What runs** The stamps of the train and validation splits, so the test split stays
# closed. About 20 seconds on 2 CPU cores, but longer the first time.
#
# </details>

# %% tags=["parameters", "hide-input"]
# Set up this chapter. To choose encoders, device or pictures, open this cell.
profile = "offline"  # or "hub": larger encoders
device = "auto"  # "auto", "cpu", "cuda" or "mps"
seed = 0  # of everything that is drawn at random
fast = False  # True: a third of the pictures
pairs = "stamps"  # or a folder of pictures with captions

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageOps
from torch import Tensor

import asif_book.figures as draw
from asif_book.chapters.chapter_01.lessons import (
    PICTURE_CHANGES,
    encoder_views,
    nearest_others,
    pooled,
    word_pieces,
)
from asif_book.chapters.opening import open_chapter
from asif_book.checks import (
    check_cosine_matrix,
    check_disturbance,
    check_mean_pooling,
    check_nearest_neighbours,
    check_same_group_share,
    check_standardise,
)
from asif_lib import AsifError, embed, relative_representation
from asif_lib.encoders import load_image_encoder, open_picture
from asif_lib.evaluation import mean_with_interval

draw.use_style()

image_encoder, text_encoder, stamps, _ = open_chapter(profile, device, pairs)
stamps = stamps.split("train", "validation")
if fast:
    stamps = stamps.subset(range(0, len(stamps), 3))
n = len(stamps)
group = np.array([g.split("/")[0] for g in stamps.groups])  # (n,): "animals", …
print(f"This chapter uses {n} captioned pictures.")

# %% tags=["hide-input"]
# Draw a stamp and the five that the image encoder finds most similar.
picture_vectors = embed(image_encoder, stamps.pictures, progress=False)
first = int(np.argmax(group == "vehicles"))
values, near = nearest_others(picture_vectors, [first], 5)  # (1, 5) each
draw.show(draw.neighbour_rows(stamps.pictures, stamps.captions, [first], near, values))

# %% [markdown]
# ## 1 · An encoder's identity
#
# An encoder is a function with many numbers inside, its **weights**. Training found the
# weights, and now they are frozen. If one weight changes, or the way in which a picture
# is prepared, embeddings may change.
#
# So an encoder *is* its weights, its preprocessing and its dimension, whatever its name
# is. This *dimension* says how many numbers an embedding has. In code, `dim=1` names an
# axis of a tensor.

# %% tags=["hide-input"]
# Show the identity of both encoders in a table.
encoders = {"image encoder": image_encoder, "text encoder": text_encoder}
facts = ["name", "source", "checksum", "preprocessing", "dim"]
about = {
    column: {fact: f"{getattr(encoder.identity, fact)!s:.39}" for fact in facts}
    for column, encoder in encoders.items()
}
pd.DataFrame(about)

# %% [markdown]
# ## 2 · What the encoder sees
#
# The encoder wants a square of fixed size, three colour channels, and values around 0.
# So each picture goes through five steps:
#
# 1. It is laid over white.
# 2. It is put on a white square, so that long things keep their ends.
# 3. The square is scaled until it is a little larger than needed.
# 4. The square is cropped at the centre.
# 5. Its values are shifted and scaled.
#
# These steps belong to the encoder, and its identity names them. So a stamp, a photo
# and your own picture are prepared alike, whether you give a path or the pixels.
#
# **Before you run the next cell:** imagine a long, thin thing without the white square.
# What would a crop at the centre leave of it?

# %% tags=["hide-input"]
# Draw what the image encoder sees of two pictures.
sizes = [Image.open(file).size for file in stamps.pictures]
longest = max(range(n), key=lambda i: max(sizes[i]) / min(sizes[i]))
flower = next((i for i, c in enumerate(stamps.captions) if "flower" in c.lower()), 0)
views = [encoder_views(image_encoder, stamps.pictures[i]) for i in (longest, flower)]
draw.show(draw.what_the_encoder_sees(views))

picture = stamps.pictures[longest]
tensor = image_encoder.prepare(open_picture(picture))  # (3, 224, 224)
print(f"The encoder gets a tensor of the shape {tuple(tensor.shape)}.")
print(f"Its values go from {tensor.min():.2f} to {tensor.max():.2f}.")

# %% [markdown]
# **What you see.** The input of the encoder is always the same small square. The last
# column leaves out the white square, so the ends of long things are gone.
#
# Another preparation gives other embeddings from the same weights, and no error message
# warns you.

# %% [markdown]
# ### Exercise 01.1 · The last step before the encoder
#
# **Difficulty** ●○○○○ · **Minutes** 4
#
# The last step subtracts a mean from each colour channel, and then divides by a
# standard deviation. Each channel has its own two numbers, which come with the encoder.


# %% tags=["exercise"]
def standardise(pictures: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Subtract each channel's mean and divide by its standard deviation.

    pictures: shape (b, 3, h, w), float32, values from 0 to 1
    mean, std: shape (3,), float32
    returns: shape (b, 3, h, w), float32
    """
    ### BEGIN SOLUTION
    # Each channel has a mean of its own: as (3, 1, 1) it fits pictures of any size.
    ### END SOLUTION


# %% tags=["check"]
check_standardise(standardise)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Shapes are lined up from the right, so (3,) beside (b, 3, h, w) would be taken for the
# *width*. `mean[:, None, None]` has shape (3, 1, 1), which lines up with (3, h, w).
#
# </details>
# <details><summary>What you should see</summary>
#
# Our encoder's mean and standard deviation are all 0.5, so black becomes −1 and white
# becomes 1.
#
# </details>

# %% [markdown]
# ## 3 · Neighbours among pictures
#
# Now both encoders embed all stamps, which gives a matrix for the pictures and one for
# the captions. Row $i$ of both belongs to stamp $i$.

# %%
picture_vectors = embed(image_encoder, stamps.pictures)  # (n, d_image)
caption_vectors = embed(text_encoder, stamps.captions)  # (n, d_text)
print(f"The matrix of pictures has the shape {tuple(picture_vectors.shape)}.")
print(f"The matrix of captions has the shape {tuple(caption_vectors.shape)}.")

# %% [markdown]
# ### Exercise 01.2 · All cosines at once
#
# **Difficulty** ●●○○○ · **Minutes** 10
#
# The *rows* of two matrices are vectors. Return the matrix of all cosines: entry
# $(i, j)$ is the cosine of row $i$ of the first and row $j$ of the second. You need no
# loop, because one matrix product gives all cosines if the rows have length 1. A row of
# zeros has cosine 0 with everything.


# %% tags=["exercise"]
def cosine_matrix(a: Tensor, b: Tensor) -> Tensor:
    """Return the cosines of the rows of two matrices.

    a: shape (q, d), float32
    b: shape (n, d), float32
    returns: shape (q, n), float32
    """
    ### BEGIN SOLUTION
    # When each row has length 1, one matrix product holds all cosines.
    ### END SOLUTION


# %% tags=["check"]
check_cosine_matrix(cosine_matrix)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `a.norm(dim=1, keepdim=True)` has shape (q, 1), one length for each row.
# `torch.nn.functional.normalize(a, dim=1)` divides by the lengths and leaves a row of
# zeros alone. `b.T` turns rows into columns.
#
# </details>
# <details><summary>What you should see</summary>
#
# `cosine_matrix(picture_vectors, picture_vectors)` is a symmetric square matrix with
# ones on its diagonal.
#
# </details>

# %% [markdown]
# ### Exercise 01.3 · Nearest neighbours
#
# **Difficulty** ●●●○○ · **Minutes** 8
#
# The **nearest neighbours** of a row are the rows with the largest cosine. Return, for
# each row, the positions of its $m$ nearest neighbours, the nearest first. A row is not
# a neighbour of itself. Beware: two rows may hold the same picture, so the row itself
# need not come first.


# %% tags=["exercise"]
def nearest_neighbours(z: Tensor, m: int) -> Tensor:
    """Return the positions of the m nearest neighbours of each row, by cosine.

    z: shape (n, d), float32
    returns: shape (n, m), int64, the nearest first, without the row itself;
        equal cosines in any order
    """
    ### BEGIN SOLUTION
    # A row is its own nearest neighbour: hide the diagonal, then take the m largest.
    ### END SOLUTION


# %% tags=["check"]
check_nearest_neighbours(nearest_neighbours)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Which value can you write onto the diagonal (`fill_diagonal_`) of the cosines, so that
# a row never finds itself? Then `topk(m, dim=1)` gives values and indices.
#
# </details>
# <details><summary>What you should see</summary>
#
# `nearest_neighbours(picture_vectors, 5)` has one row for each picture, and the next
# figure shows five of these rows.
#
# </details>

# %% [markdown]
# If an encoder knows something, pictures of similar things get similar embeddings. To
# see this, we take the first stamp of each of five groups, because we must not choose
# stamps that look good.
#
# **Before you run the next cell:** the image encoder never saw a caption. Will the
# neighbours of an animal be the same animal, the same colour, or the same pose?

# %% tags=["hide-input"]
# Draw the nearest neighbours of five pictures.
of_five = ("animals", "clothes", "food", "household", "vehicles")
queries = [int(np.argmax(group == g)) for g in of_five if g in group]
queries = queries or list(range(5))  # pairs without such groups: the first five
values, near = nearest_others(picture_vectors, queries, 5)  # (5, 5) each
draw.show(draw.neighbour_rows(stamps.pictures, stamps.captions, queries, near, values))

# %% [markdown]
# **What you see.** Each row starts with a framed picture, and its nearest neighbours
# follow with their cosines. Although the encoder did not get the captions, most
# neighbours make sense. But some make sense only by shape or by colour, so find one of
# each kind. The order within a row means more than the cosines, because they differ
# from row to row.

# %% [markdown]
# ## 4 · Neighbours among captions
#
# Now we do the same with the text encoder, which never saw a picture. It reads a text
# as **tokens**, which are words or pieces of words.
#
# **Before you run the next cell:** “A seahorse.” looks almost like “A horse.” in
# writing, but “A donkey.” does not. Which of the two will be the nearer neighbour of “A
# horse.”?

# %% tags=["hide-input"]
# Draw the nearest captions with their stamps.
horse = next((i for i, c in enumerate(stamps.captions) if "horse" in c.lower()), 0)
rows = [*queries, horse]
values, near = nearest_others(caption_vectors, rows, 3)  # (6, 3) each
for text in ("A horse.", "A seahorse.", "A donkey."):
    print(f"The tokens of “{text}” are:", *word_pieces(text_encoder, text))
draw.show(draw.neighbour_rows(stamps.pictures, stamps.captions, rows, near, values))

# %% [markdown]
# **What you see.** Most neighbours share a meaning, even if they share no word. But
# spelling has an influence, because the encoder reads pieces of words. The printed
# lines show the pieces, and `##` marks a piece that continues a word. A piece of
# “seahorse” resembles the token “horse”, and the last row shows how much this matters.

# %% [markdown]
# ### Exercise 01.4 · From tokens to one vector
#
# **Difficulty** ●●●○○ · **Minutes** 12
#
# How does a sentence of any length become *one* vector? The text encoder computes a
# vector for each token and takes their mean, which is called **mean pooling**.
#
# The texts of a batch have different lengths, so padding fills up the short ones.
# Because padding must not count, a mask has 1 for a real token and 0 for padding. A
# text without any token gets the vector of zeros.


# %% tags=["exercise"]
def mean_pooling(tokens: Tensor, mask: Tensor) -> Tensor:
    """Return the mean of the real tokens' vectors for each text.

    tokens: shape (n, t, d), float32: n texts of t tokens
    mask: shape (n, t), int64: 1 where there is a token, 0 where there is padding
    returns: shape (n, d), float32
    """
    ### BEGIN SOLUTION
    # The mask is a weight: padding counts 0 times, in the sum and in the count.
    ### END SOLUTION


# %% tags=["check"]
check_mean_pooling(mean_pooling)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `mask[:, :, None]` has shape (n, t, 1) and multiplies every dimension of a token
# alike. Divide by the number of real tokens, not by t. `clamp_min(1)` keeps you from
# dividing by 0.
#
# </details>
# <details><summary>What you should see</summary>
#
# The mean of the real tokens, scaled to length 1, is the encoder's output.
#
# </details>

# %% tags=["hide-input"]
# Compare two means with the encoder's output.
by_length = sorted((stamps.captions[i] for i in queries), key=len)
two = [by_length[0], by_length[-1]]  # the shortest and the longest caption
tokens, mask, gaps = pooled(text_encoder, two)
for words, real in zip(tokens, mask.tolist(), strict=True):
    print("Tokens:", *words)
    print("Mask:", *real)
for name, (short, long) in gaps.items():
    print(f"The mean of {name} differs from the encoder's output by at most")
    print(f"{short:.1e} for the shorter caption, and {long:.1e} for the longer one.")

# %% [markdown]
# **What you see.** Padding fills up the shorter caption, and there its mask is 0. The
# mean of all tokens counts the padding too, which spoils the vector of the shorter
# caption only. The first and the last token (`[CLS]` and `[SEP]` here) are no words.
# They mark the beginning and the end of a text, and count like all real tokens.

# %% [markdown]
# ### Exercise 01.5 · From neighbours to a number
#
# **Difficulty** ●●○○○ · **Minutes** 6
#
# Five rows are no measurement. But the stamps come in groups, such as animals, food and
# vehicles, which no encoder knew. So we can count: what share of all neighbours belongs
# to the same group as its row?
#
# **Predict first:** if groups had nothing to do with neighbours, would the share be one
# over the number of groups?


# %% tags=["exercise"]
def same_group_share(neighbours: Tensor, group: Tensor) -> float:
    """Return the share of all neighbours that are of the group of their row.

    neighbours: shape (n, m), int64: positions of the m neighbours of each row
    group: shape (n,), int64: the number of each row's group
    returns: between 0 and 1
    """
    ### BEGIN SOLUTION
    # Look up the groups of the neighbours, compare them, and average over all of them.
    ### END SOLUTION


# %% tags=["check"]
check_same_group_share(same_group_share)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `group[neighbours]` looks up the group of every neighbour, in shape (n, m). Compare it
# with `group[:, None]`, of shape (n, 1). The mean of trues and falses needs `.float()`.
#
# </details>
# <details><summary>What you should see</summary>
#
# A large group meets itself more often, so the share by chance is above one over the
# number of groups. The next section computes this share.
#
# </details>

# %% [markdown]
# ## 5 · Is that more than colour, or words in common?
#
# **For what share of the stamps is the nearest neighbour from the same group?** The
# share means little without **controls**, which show what can be had without training:
#
# - *chance*: a random other stamp is in the same group now and then;
# - *colour histogram*: 64 numbers count how often each of 64 colours occurs;
# - *random weights*: the network is the same, but without training;
# - *shared words*: for captions, we count how often each word occurs.
#
# The thin line through a dot is the **95 % interval**. It says how far the share might
# move with other stamps of the same kind (chapter 05).
#
# **Before you run the next two cells:** sort the five dots by what you expect. Is the
# untrained network at chance?

# %%
from asif_lab.benchmark.control_encoders import colour_histogram
from sklearn.feature_extraction.text import CountVectorizer

colours = np.stack([colour_histogram(p) for p in stamps.pictures])  # (n, 64)
locator = image_encoder.identity.locator
untrained = load_image_encoder(locator, device=device, random_seed=seed)
random_vectors = embed(untrained, stamps.pictures)  # (n, d_image)
words = CountVectorizer().fit_transform(stamps.captions).toarray()  # (n, words)

# %% tags=["hide-input"]
# Draw how often the nearest neighbour is of the same group.
embeddings = {
    f"pictures: {image_encoder.identity.name[:20]}": picture_vectors,
    "pictures: colour histogram": torch.tensor(colours).float(),
    "pictures: random weights": random_vectors,
    f"captions: {text_encoder.identity.name}": caption_vectors,
    "captions: shared words": torch.tensor(words).float(),
}
measures = {}
for name, z in embeddings.items():
    first = nearest_others(z, range(n), 1).indices[:, 0]  # (n,): the nearest other
    measures[name] = mean_with_interval(group[first] == group, seed)
chance = np.mean([(group == g).sum() - 1 for g in group]) / (n - 1)
xlabel = "nearest neighbour of the same group, share of stamps; 95 % interval"
draw.show(draw.interval_dots({"": measures}, xlabel=xlabel, chance=chance))

# %% [markdown]
# **What you see.** Both trained encoders reach far beyond their controls, and the thin
# lines do not meet. But no control is at chance, the dotted line.
#
# Colour alone tells something about the group. A network with random weights does so,
# too, because pixels still pass through it. So training added only the distance between
# the trained encoder and random weights.

# %% [markdown]
# ## 6 · What an encoder minds
#
# We can also change a picture, and see how far its embedding moves. We make four
# changes to each of the five stamps.
#
# **Before you run the next two cells:** upside down, without colours, out of focus, or
# with a grey background: which change moves the embeddings most? Which changes most for
# you?

# %%
originals = [open_picture(stamps.pictures[i]) for i in queries]
changed, own = {}, {}
for name, change in PICTURE_CHANGES.items():
    changed[name] = [change(picture) for picture in originals]
    z = embed(image_encoder, changed[name], progress=False)  # (5, d)
    # all cosines; chapter 03 explains the name
    cosines = relative_representation(z, picture_vectors[queries])  # (5, 5)
    own[name] = cosines.diag()  # (5,): each with its own original
    print(f"A picture {name} has the cosine {own[name].mean():.2f} on average.")

# %% tags=["hide-input"]
# Draw the five pictures with the cosine that each change leaves.
gallery, titles = [*originals], ["as it is"] * len(originals)
for name, pictures in changed.items():
    gallery += pictures
    titles += [f"{name}: {cosine:.2f}" for cosine in own[name]]
small = [ImageOps.contain(picture, (96, 96)) for picture in gallery]
draw.show(draw.show_pictures(small, titles, columns=len(originals)))

# %% [markdown]
# **What you see.** If a thing is out of focus, you still know it at once, although its
# embedding moves. If it is upside down, the effect depends on the thing.

# %% [markdown]
# ### Exercise 01.6 · A change that the encoder does not mind
#
# **Difficulty** ●●●●○ · **Minutes** 15
#
# This exercise is open. Find a change that moves the *pixels* a lot, but the
# *embedding* hardly. The check averages over twelve stamps. The pixels must move by at
# least 25 of their 255 levels, on average over pixels and channels. The cosine with the
# original must stay at 0.95 or more.
#
# Your function returns a picture of the same size. Say beforehand why your change
# should work: what did training teach the encoder to overlook?


# %% tags=["exercise"]
def disturb(picture: Image.Image) -> Image.Image:
    """Change a picture so that its pixels move a lot and its embedding hardly.

    picture: RGB, size (w, h)
    returns: RGB, size (w, h)
    """
    ### BEGIN SOLUTION
    # A mirror moves nearly every pixel, and the picture still shows the same.
    # Usual mistake. Noise or a crop moves the embedding more than the pixels.
    return ImageOps.mirror(picture)
    ### END SOLUTION


# %% tags=["check"]
check_disturbance(disturb)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Training shows the same picture many times, each time a little different, but always
# with the same class. In what ways may a photo differ and still show the same thing?
# `help(ImageOps)` lists functions that change a picture.
#
# </details>
# <details><summary>What you should see</summary>
#
# Two different changes can do it, one of the geometry and one of the light. Random
# weights may pass, too, because only centred cosines (chapter 03) show what training
# taught.
#
# </details>

# %% [markdown]
# ## 7 · Across the two: nothing to compare
#
# A **modality** is a kind of data with an encoder of its own, so pictures are one
# modality, and text is another. Within each modality the cosine works well. So why not
# take the cosine of a picture and a caption?

# %%
try:
    result = relative_representation(picture_vectors[:1], caption_vectors)
except AsifError as error:
    print(f"{type(error).__name__}: {error}")
else:
    print(f"The result has the shape {tuple(result.shape)}. Does it mean anything?")

# %% [markdown]
# If the widths differ, there is no dot product. But we could *force* equal width in
# three ways:
#
# - *cut*: keep only the first dimensions of both embeddings;
# - *project*: multiply both by random matrices;
# - *principal axes*: subtract the mean, and express both by their directions of largest
#   spread. We turn each direction so that the sum of its cubed coordinates is positive.
#
# Then each picture scores all captions, and each caption occurs once. What share of the
# wrong captions scores *below* the right one, averaged over pictures? Blind guessing
# gives one half. Because a random map can be lucky or unlucky for all pictures
# together, we draw 20 of them.
#
# **Before you run the next cell:** which of the three will be better than chance?

# %% tags=["hide-input"]
# Write down two ways to force equal width, and how to count.
once = [i for i in range(n) if stamps.captions.index(stamps.captions[i]) == i]
x, y = picture_vectors[once], caption_vectors[once]  # (q, d_image), (q, d_text)
width = min(x.shape[1], y.shape[1], len(once))
torch.manual_seed(seed)


def below(a, b):
    """Return for each picture (row of a) the share of wrong captions below its own."""
    scores = relative_representation(a, b)  # (q, q)
    above = (scores > scores.diag()[:, None]).sum(dim=1)  # (q,)
    return 1 - above.numpy() / (len(b) - 1)


def principal_axes(z):
    """Express by the directions of largest spread: (q, d) → (q, width)."""
    z = z - z.mean(dim=0)
    z = (z @ torch.linalg.svd(z, full_matrices=False).Vh.T)[:, :width]
    return z * (z**3).sum(dim=0).sign()


# %% tags=["hide-input"]
# Force equal width in three ways, and count the wrong captions below the right one.
cut = x[:, :width], y[:, :width]
ways = {"cut": cut, "principal axes": (principal_axes(x), principal_axes(y))}
print(f"With {width} dimensions, this share of the wrong captions is below the right:")
for name, both in ways.items():
    print(f"For “{name}”, it is {mean_with_interval(below(*both), seed)}.")
projected = [[z @ torch.randn(z.shape[1], width) for z in (x, y)] for _ in range(20)]
shares = [below(*both).mean() for both in projected]
print(f"For “project”, it is {np.mean(shares):.1%} on average,")
print(f"and the 20 maps give {min(shares):.1%} to {max(shares):.1%}.")

# %% [markdown]
# **What you see.** The average over random maps shows nothing. It tends to one half for
# *any* encoders, because a map and its negative add up to 100 %. Some maps are better
# by luck, but without captioned pictures nobody could tell which. The principal axes
# have hardly anything in common. Over 20 draws of test pairs, the share is 52.1 %
# [50.1, 54.1] on stamps and 56.1 % [54.0, 58.2] on emoji
# (`benchmarks/accuracy/steps.md`).
#
# **Before you run the next cell:** draw the cosines with own captions and the cosines
# with other captions as two curves on paper.

# %% tags=["hide-input"]
# Draw the cosines of own and of other captions.
matrix = relative_representation(*cut)  # (q, q)
diagonal = torch.eye(len(matrix), dtype=torch.bool)
series = {
    "picture and its own caption": matrix[diagonal].numpy(),
    "picture and another caption": matrix[~diagonal].numpy(),
}
draw.show(draw.cosine_histograms(series, "cosine, cut to equal width (no unit)"))

# %% [markdown]
# **What you see.** The solid outline (own captions) and the dashed one (other captions)
# lie on each other. Dimension 17 of a picture and dimension 17 of a caption have
# nothing to do with each other, because each training settled its own axes. Neither a
# cosine nor equal width can repair that.
#
# But both encoders put an animal near other animals. **The neighbourhoods may agree
# although the coordinates do not.** The next chapter measures how far they agree.

# %% [markdown] tags=["progress"]
# The exercises that you have solved:

# %% tags=["progress", "hide-input"]
# Show the exercises that you have solved.
from asif_book import show_progress

show_progress("01")

# %% [markdown]
# ## Summary
#
# - An encoder is its weights, its preprocessing and its dimension.
# - Within one modality the cosine finds neighbours that make sense, more often than
#   colours, words in common and random weights do. But these controls, too, are above
#   chance.
# - Across modalities a cosine has nothing to compare, and at forced widths next to
#   nothing.
#
# **What would prove us wrong.** If random weights did as well as trained ones, the
# neighbours would come from the pixels. If a map made *without* captioned pictures
# found captions far above chance, the spaces would share axes.
#
# **Where next.** [02 · Anchors](02_anchors.ipynb) asks whether similar pictures have
# similar captions, because ASIF needs nothing more.
#
# [Sources](references.md): Tan 2019, Reimers 2019, Wang 2020.

# %% [markdown] tags=["teacher"]
# ### Timing
#
# - **50 minutes.** Identity and preprocessing 10 (exercise 01.1 together), cosines and
#   neighbours 15 (01.2 in pairs), the controls 10 (predict aloud), across the two 10,
#   questions 5.
# - **90 minutes.** As above, with 01.3 and 01.5 in class and “What an encoder minds” as
#   a bet. Home: 01.4, and 01.6 as a contest: move the pixels as far as you can at a
#   cosine of 0.95.
#
# ### What students get wrong
#
# - *Normalising columns.* They write `z / z.norm(dim=0)` and the shapes fit, so nothing
#   warns them. Ask: what is one row? One picture. So whose length do you want?
# - *Broadcasting by luck.* `pictures - mean` fails for most sizes and works when the
#   width happens to be 3. Ask for the two shapes, written one below the other.
# - *Chance as one over the number of groups.* Groups differ in size. Let them compute
#   it for two groups of 1 and 9.
# - *“The cosine is 0.8, so they are similar.”* Cosines are only comparable within one
#   encoder, and often only within a row.
#
# ### Discussion
#
# 1. The random network is clearly above chance. Does it “know” something?
#
#    > **Answer.** It passes on what is in the pixels: colours, amount of white, coarse
#    > shape. A report of the trained number alone claims all of it for training.
#
# 2. Could a clever rotation line up the two spaces without any captioned pair?
#
#    > **Answer.** Perhaps partly: research on unsupervised alignment matches the shapes
#    > of two clouds. But some random maps are better by luck, and without pairs nobody
#    > can tell which.
#
# 3. Is an encoder that ignores mirror images better?
#
#    > **Answer.** For naming animals, yes. For reading text, no.
#
# ### Exit questions
#
# 1. Two pictures have the cosine 0.8, two captions have the cosine 0.6. Which two are
#    more alike?
#
#    > **Answer.** Nobody can say, because a cosine can be compared only with other
#    > cosines of the same encoder.
#
# 2. The embeddings of the pictures and of the captions are cut to the same width. May
#    we now compare a picture with a caption?
#
#    > **Answer.** The code runs, but the result means nothing, because the two encoders
#    > never agreed on what an axis means.
#
# 3. An encoder with random weights finds neighbours above chance. What follows for the
#    result of the trained encoder?
#
#    > **Answer.** A part of the result comes from the pixels alone, for example from
#    > colour and coarse shape. So we compare the trained encoder with this control, and
#    > not only with chance.
