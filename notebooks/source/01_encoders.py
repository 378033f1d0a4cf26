# %% [markdown] code=["encoders/"] steps=["encode"]
# # 01 · Encoders: what each one knows alone
#
# > **Question.** What does a frozen encoder know, and what can it not compare?
#
# <details><summary>Goals, minutes, what runs</summary>
#
# - say what identifies an encoder, and why its preprocessing belongs to it;
# - compute a matrix of cosines and find nearest neighbours with it;
# - judge by eye and by number whether neighbours make sense;
# - say which changes of a picture move its embedding, and which do not;
# - use controls (random weights, colours, shared words) to see what training added;
# - explain why an image embedding and a text embedding have nothing to compare, even at
#   equal width.
#
# **Minutes** 40 to read, 55 more with the exercises · **Before this** [00 · Start
# here](00_start_here.ipynb)
#
# **What runs** The stamps of the train and validation splits; the test split stays
# closed. This takes about 20 seconds on 2 CPU cores. In the first run, two encoders
# read all pictures: allow a minute or two more.
#
# </details>

# %% tags=["parameters"]
profile = "offline"  # or "hub": larger encoders, as in the paper
device = "auto"  # "auto", "cpu", "cuda" or "mps"
seed = 0  # of everything that is drawn at random
fast = False  # True: a third of the pictures

# %% tags=["hide-input"]
# The tools of this chapter. Run this cell; you need not read it.
import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageOps
from torch import Tensor

import asif_book.figures as draw
from asif_book import record
from asif_lib import AsifError, embed, relative_representation
from asif_lib.datasets import load_pairs
from asif_lib.defaults import PROFILES
from asif_lib.encoders import load_image_encoder, load_text_encoder, open_picture
from asif_lib.evaluation import in_points, mean_with_interval, paired_difference

draw.use_style()

# %% tags=["hide-input"]
# The checks of this chapter's exercises. Run this cell; you need not read it.
from asif_book.checks import (
    check_cosine_matrix,
    check_disturbance,
    check_mean_pooling,
    check_nearest_neighbours,
    check_same_group_share,
    check_standardise,
)

# %% tags=["hide-input"]
# Load the encoders and the captioned pictures.
names = PROFILES[profile]
image_encoder = load_image_encoder(names.image_encoder, device=device)
text_encoder = load_text_encoder(names.text_encoder, device=device)

stamps = load_pairs("stamps").split("train", "validation")
if fast:
    stamps = stamps.subset(range(0, len(stamps), 3))
n = len(stamps)
print(f"{n} captioned pictures")

# %% [markdown]
# ## 1 · An encoder's identity
#
# An encoder is a function with many numbers inside, its **weights**. Training found the
# weights, and now they are frozen. Change one weight, or the way a picture is prepared,
# and every embedding changes.
#
# So an encoder *is* its weights (we keep a checksum of them), its preprocessing and its
# dimension, under any name. (Here a dimension is one number of the embedding. In
# `dim=1` it is an axis of a tensor.) Embeddings of two encoders must never stand in one
# list, and the library refuses to put them there.

# %% tags=["hide-input"]
# Show the identity of both encoders in a table.
encoders = {"image encoder": image_encoder, "text encoder": text_encoder}
facts = ["name", "source", "checksum", "preprocessing", "dim", "digest"]
pd.DataFrame(
    {
        column: [str(getattr(encoder.identity, fact)) for fact in facts]
        for column, encoder in encoders.items()
    },
    facts,
)

# %% [markdown]
# - *checksum*: the SHA-256 of the weights. Two files with the same checksum hold the
#   same weights.
# - *dim*: the number of entries of an embedding.
# - *digest*: a short fingerprint of checksum, preprocessing and dimension.

# %% [markdown]
# ## 2 · What the encoder sees
#
# The encoder wants a square of fixed size, three colour channels, and values around 0.
# A stamp is a picture of any shape, cut out on a transparent background. So each
# picture goes through five steps:
#
# 1. lay it over white;
# 2. pad it to a square;
# 3. scale it until its shorter side is a little larger than needed;
# 4. crop the centre;
# 5. shift and scale its values.
#
# We look at the stamp whose shape is farthest from a square, and at a flower.
#
# **Before you run the next cell:** imagine a long, thin thing that is *not* padded to a
# square first. What would a crop at the centre leave of it?

# %% tags=["hide-input"]
# Draw what the image encoder sees of two pictures.
from asif_book.lessons import encoder_views

sizes = [Image.open(picture.path).size for picture in stamps.pictures]
longest = max(range(n), key=lambda i: max(sizes[i]) / min(sizes[i]))
flower = next((i for i, c in enumerate(stamps.captions) if "flower" in c.lower()), 0)
views = [encoder_views(image_encoder, stamps.pictures[i]) for i in (longest, flower)]
draw.show(draw.what_the_encoder_sees(views))

picture = stamps.pictures[longest]
tensor = image_encoder.transform(open_picture(picture))  # (3, 224, 224)
print(f"{tuple(tensor.shape)}, values from {tensor.min():.2f} to {tensor.max():.2f}")

# %% [markdown]
# **What you see.** The first column is the file (grey: transparent), the second the
# picture as we read it. The third column is the input of the encoder, always the same
# small square, without a narrow rim. The last column is the input without the padding:
# the ends of long things are gone.
#
# The line below the figure shows the values that really enter: they are no colours any
# more. Another preparation of the pictures gives other embeddings, from the same
# weights and without any error message.

# %% [markdown]
# ### Exercise 01.1 · The last step before the encoder
#
# **Difficulty** ●○○○○ · **Minutes** 4
#
# The encoder was trained on values around 0. So the last step subtracts a mean from
# each colour channel and divides by a standard deviation, again one for each channel.
# Both come with the encoder; we may not choose them. Fill in the one line.


# %% tags=["exercise"]
def standardise(pictures: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Subtract each channel's mean and divide by its standard deviation.

    pictures: shape (b, 3, h, w), float32, values from 0 to 1
    mean, std: shape (3,), float32
    returns: shape (b, 3, h, w), float32
    """
    ### BEGIN SOLUTION
    return (pictures - mean[:, None, None]) / std[:, None, None]
    ### END SOLUTION


# %% tags=["check"]
check_standardise(standardise)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Shapes are lined up from the right: (3,) beside (b, 3, h, w) would be taken for the
# *width*. `mean[:, None, None]` has shape (3, 1, 1), which lines up with (3, h, w).
#
# </details>
# <details><summary>What you should see</summary>
#
# A ✔ verdict. Our encoder's mean and standard deviation are all 0.5, so black
# becomes −1 and white becomes 1. Other encoders have three different means.
#
# </details>

# %%
picture_vectors = embed(image_encoder, stamps.pictures)  # (n, d_image)
caption_vectors = embed(text_encoder, stamps.captions)  # (n, d_text)
print(f"pictures {tuple(picture_vectors.shape)}")
print(f"captions {tuple(caption_vectors.shape)}")

# %% [markdown]
# ### Exercise 01.2 · All cosines at once
#
# **Difficulty** ●●○○○ · **Minutes** 10
#
# In chapter 00 you computed the cosine of two vectors. Here are two matrices whose
# *rows* are vectors. Return the matrix of all cosines: entry $(i, j)$ is the cosine of
# row $i$ of the first and row $j$ of the second. Use no loops: scale the rows to length
# 1, then one matrix product gives all cosines. A row of zeros has cosine 0 with
# everything.


# %% tags=["exercise"]
def cosine_matrix(a: Tensor, b: Tensor) -> Tensor:
    """Return the cosines of the rows of two matrices.

    a: shape (q, d), float32
    b: shape (n, d), float32
    returns: shape (q, n), float32
    """
    ### BEGIN SOLUTION
    a = torch.nn.functional.normalize(a, dim=1)
    b = torch.nn.functional.normalize(b, dim=1)
    return a @ b.T
    ### END SOLUTION


# %% tags=["check"]
check_cosine_matrix(cosine_matrix)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `a.norm(dim=1, keepdim=True)` has shape (q, 1): one length for each row.
# `torch.nn.functional.normalize(a, dim=1)` divides by the lengths and leaves a row of
# zeros alone. `b.T` turns rows into columns.
#
# </details>
# <details><summary>What you should see</summary>
#
# `cosine_matrix(picture_vectors, picture_vectors)` is a square matrix with ones on its
# diagonal, and it is symmetric.
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
    z = torch.nn.functional.normalize(z, dim=1)
    cosines = z @ z.T
    cosines.fill_diagonal_(-2)
    return cosines.topk(m, dim=1).indices
    ### END SOLUTION


# %% tags=["check"]
check_nearest_neighbours(nearest_neighbours)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Compute the square matrix of cosines. Which value can you write onto the diagonal
# (`fill_diagonal_`), so that a row never finds itself? Then `topk(m, dim=1)` gives
# values and indices.
#
# </details>
# <details><summary>What you should see</summary>
#
# `nearest_neighbours(picture_vectors, 5)` has one row for each picture. The next figure
# shows five of these rows as pictures.
#
# </details>

# %% [markdown]
# ## 3 · Neighbours among pictures
#
# If an encoder knows something, pictures of similar things get similar embeddings. We
# take the first stamp of each of five groups, so that we do not choose the ones that
# look good.
#
# **Before you run the next cell:** the image encoder never saw a caption. Will the
# neighbours of an animal be the same animal, the same colour, or the same pose?

# %% tags=["hide-input"]
# Find the neighbours of five pictures, and draw them. (These lines also solve 01.3.)
group = np.array([g.split("/")[0] for g in stamps.groups])  # (n,)
of_five = ("animals", "clothes", "food", "household", "vehicles")
queries = [int(np.flatnonzero(group == g)[0]) for g in of_five]


def cosines_with_others(z):
    """Return the cosines of all rows, (n, n); a row is not its own neighbour: −∞."""
    return relative_representation(z, z).fill_diagonal_(-torch.inf)


values, near = cosines_with_others(picture_vectors)[queries].topk(5, dim=1)  # (5, 5)
draw.show(draw.neighbour_rows(stamps.pictures, stamps.captions, queries, near, values))

# %% [markdown]
# **What you see.** Each row starts with a framed picture, and goes on with its nearest
# neighbours. Above each neighbour stands its cosine. The captions below are printed for
# you; the encoder did not get them. Most neighbours make sense, some only by shape or
# by colour: find one of each kind.
#
# The cosines differ from row to row. The order within a row means more than the value
# does.

# %% [markdown]
# ## 4 · Neighbours among captions
#
# The same for the text encoder, which never saw a picture.
#
# **Before you run the next cell:** “A seahorse.” looks almost like “A horse.” in
# writing, and “A donkey.” does not. Which of the two will be the nearer neighbour of “A
# horse.”?

# %% tags=["hide-input"]
# Find the nearest captions, and draw them with their stamps.
from asif_book.lessons import word_pieces

horse = next((i for i, c in enumerate(stamps.captions) if "horse" in c.lower()), 0)
rows = [*queries, horse]
values, near = cosines_with_others(caption_vectors)[rows].topk(3, dim=1)  # (6, 3)
for text in ("A horse.", "A seahorse.", "A donkey."):
    print(text, "→", *word_pieces(text_encoder, text))
draw.show(draw.neighbour_rows(stamps.pictures, stamps.captions, rows, near, values))

# %% [markdown]
# **What you see.** Each row starts with the caption of a framed stamp. Its neighbours
# stand to the right, each with its cosine. The pictures are there for you; the encoder
# did not get them. Most neighbours share a meaning, even if they share no word. But
# spelling has an influence. The encoder reads pieces of words, which the lines above
# the figure print; `##` marks a piece that continues a word. A piece of “seahorse”
# resembles the token “horse”. The last row shows how much this matters.
#
# If a row names the same caption twice, two stamps have the same caption. Later
# chapters take care to count them correctly.

# %% [markdown]
# ### Exercise 01.4 · From tokens to one vector
#
# **Difficulty** ●●●○○ · **Minutes** 12
#
# How does a sentence of any length become *one* vector? The text encoder cuts a text
# into **tokens** (words or parts of words), computes a vector for each token, and takes
# their mean: **mean pooling**.
#
# The texts of a batch have different lengths, so padding fills up the short ones. A
# mask marks the real tokens: 1 for a token, 0 for padding. Padding must not count. A
# text without any token gets the vector of zeros.


# %% tags=["exercise"]
def mean_pooling(tokens: Tensor, mask: Tensor) -> Tensor:
    """Return the mean of the real tokens' vectors for each text.

    tokens: shape (n, t, d), float32: n texts of t tokens
    mask: shape (n, t), int64: 1 where there is a token, 0 where there is padding
    returns: shape (n, d), float32
    """
    ### BEGIN SOLUTION
    weights = mask.float()[:, :, None]
    return (tokens * weights).sum(dim=1) / weights.sum(dim=1).clamp_min(1)
    ### END SOLUTION


# %% tags=["check"]
check_mean_pooling(mean_pooling)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `mask[:, :, None]` has shape (n, t, 1) and multiplies every dimension of a token
# alike. Divide by the number of real tokens, not by t; `clamp_min(1)` keeps you from
# dividing by 0.
#
# </details>
# <details><summary>What you should see</summary>
#
# The next cell pools the encoder's own token vectors for two captions of different
# length. The mean of the real tokens, scaled to length 1, is the encoder's output.
#
# </details>

# %% tags=["hide-input"]
# Compare the mean of the real tokens with the output. (These lines also solve 01.4.)
from asif_book.lessons import token_vectors
from asif_lib.relative import unit_rows

by_length = sorted((stamps.captions[i] for i in queries), key=len)
two = [by_length[0], by_length[-1]]  # the shortest and the longest caption
# the tokens of each text, their vectors (2, t, d), and the mask of real tokens (2, t)
tokens, vectors, mask = token_vectors(text_encoder, two)
for words, real in zip(tokens, mask.tolist(), strict=True):
    print(*words)
    print("mask:", *real)
output = text_encoder.encode(two, progress=False)  # (2, d)
sums = (vectors * mask[:, :, None]).sum(dim=1)  # (2, d)
of_real = sums / mask.sum(dim=1, keepdim=True)  # (2, d)
print("largest difference from the encoder's output, for each caption:")
for name, mean in {"real tokens": of_real, "all tokens": vectors.mean(dim=1)}.items():
    gaps = (unit_rows(mean) - output).abs().amax(dim=1)
    print(f"   mean of {name}:", *(f"{gap:.1e}" for gap in gaps))

# %% [markdown]
# **What you see.** The two lines of the mask: padding fills up the shorter caption;
# there its mask is 0. The last lines: counting the padding spoils the vector of the
# shorter caption. The longer caption has no padding, so its vector does not change.
#
# The first and the last real token (`[CLS]` and `[SEP]` here; other encoders write
# `<s>` and `</s>`) are no words. The tokenizer adds them to mark the beginning and the
# end of a text. They count in the mean like all real tokens.

# %% [markdown]
# ### Exercise 01.5 · From neighbours to a number
#
# **Difficulty** ●●○○○ · **Minutes** 6
#
# Looking at five rows is no measurement. The stamps come in folders (animals, food,
# vehicles, …), and no encoder knew the folders. So we can count: what share of all
# neighbours belongs to the same group as its row?
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
    return float((group[neighbours] == group[:, None]).float().mean())
    ### END SOLUTION


# %% tags=["check"]
check_same_group_share(same_group_share)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `group[neighbours]` looks up the group of every neighbour at once: shape (n, m).
# Compare it with the group of the row, `group[:, None]`, which has shape (n, 1). The
# mean of trues and falses needs `.float()` first.
#
# </details>
# <details><summary>What you should see</summary>
#
# A ✔ verdict. And to your prediction: a large group meets itself more often, so the
# share by chance is above one over the number of groups. The next section computes
# chance exactly.
#
# </details>

# %% [markdown]
# ## 5 · Is that more than colour, or words in common?
#
# Now we measure: **for what share of the stamps is the nearest neighbour from the same
# group?**
#
# A number means little without **controls**:
#
# - *chance*: a random other stamp is in the same group now and then;
# - *colour histogram*: 64 numbers that count how often each of 64 colours occurs;
# - *random weights*: the same network without training. It has the same architecture
#   and sees the same pixels;
# - for captions, *shared words*: how often each word occurs.
#
# Each share has a 95 % interval, made by the **bootstrap**: in the figure, the thin
# line at the end of a bar. Draw as many stamps as there are, with replacement, and take
# the share again. Do this many times, and keep the middle 95 % of the results. The
# interval says how much the share might move with other stamps of the same kind. (In
# chapter 05 you write it yourself.)
#
# **Before you run the next cell:** sort the five rows by what you expect. Is the
# untrained network at chance?

# %%
from sklearn.feature_extraction.text import CountVectorizer

from asif_lib.evaluation.benchmark.control_encoders import colour_histogram

untrained = load_image_encoder(names.image_encoder, device=device, random_seed=seed)
colours = np.stack([colour_histogram(p) for p in stamps.pictures])  # (n, 64)
words = CountVectorizer().fit_transform(stamps.captions).toarray()  # (n, words)
embeddings = {
    f"pictures: {image_encoder.identity.name[:20]}": picture_vectors,
    "pictures: colour histogram": torch.tensor(colours),
    "pictures: random weights": embed(untrained, stamps.pictures),
    f"captions: {text_encoder.identity.name}": caption_vectors,
    "captions: shared words": torch.tensor(words),
}
same_group = {}  # for each stamp: is its nearest neighbour of the same group? (n,) bool
for name, z in embeddings.items():
    first = cosines_with_others(z).topk(1, dim=1).indices[:, 0]  # (n,)
    same_group[name] = group[first] == group
measures = {name: mean_with_interval(hit, seed) for name, hit in same_group.items()}
chance = np.mean([(group == g).sum() - 1 for g in group]) / (n - 1)
xlabel = "nearest neighbour of the same group (% of stamps)"
meanings = ["picture", "control", "control", "text", "control"]
draw.show(draw.bars_with_intervals(measures, chance, xlabel, meanings))

# %% tags=["hide-input"]
# Compare the encoders with their controls, and record the shares.
trained, colour, random_weights, captions, shared_words = same_group.values()
for name, a, b in (
    ("trained weights over random ones", trained, random_weights),
    ("trained weights over colours", trained, colour),
    ("text encoder over shared words", captions, shared_words),
):
    gain = paired_difference(a, b, seed)  # a minus b, stamp by stamp
    print(f"{name}: {in_points(gain)}")
kind = "same group as the nearest other stamp"
for name in [*measures][:1] + [*measures][2:4]:  # the encoders and the random weights
    record(f"{kind}, {name}", measures[name], note=f"chance {chance:.1%}")

# %% [markdown]
# **What you see.** The first and the fourth bar are the trained encoders. Both reach
# far beyond the bars of their controls, and the thin lines at their ends, the 95 %
# intervals, do not meet. The paired differences below, taken over the very same stamps,
# confirm it.
#
# But no control is at chance, the dashed line. Colour alone tells something about the
# group. A network with random weights does too, since pixels still pass through it.
# Training added the distance between the bar of a control and the bar of its encoder.
#
# (A group can also be easy because some of its pictures come from one artist and look
# alike. The controls profit from that too, which is one more reason to have them.)

# %% [markdown]
# ## 6 · What an encoder minds
#
# The cosines of other pictures show what an encoder finds similar. There is one more
# way to ask: change the *same* picture and see how far its embedding moves. We take the
# five stamps from above and four changes.
#
# **Before you run the next cell:** upside down, without colours, out of focus, or with
# a grey background: which change moves the embeddings most? Which changes most for you?

# %%
from asif_book.lessons import PICTURE_CHANGES

originals = [open_picture(stamps.pictures[i]) for i in queries]
gallery, titles, kept = [*originals], ["as it is"] * len(originals), {}
for name, change in PICTURE_CHANGES.items():
    changed = [change(picture) for picture in originals]
    z = embed(image_encoder, changed, progress=False)  # (5, d)
    # all cosines, as your `cosine_matrix` gives them; chapter 03 explains the name
    cosines = relative_representation(z, picture_vectors[queries])  # (5, 5)
    kept[name] = cosines.diag().numpy()  # (5,): each with its own original
    gallery += changed
    titles += [f"{name}: {cosine:.2f}" for cosine in kept[name]]
small = [ImageOps.contain(picture, (96, 96)) for picture in gallery]
draw.show(draw.show_pictures(small, titles, columns=len(originals)))

# %% tags=["hide-input"]
# Show the cosines in a table.
table = pd.DataFrame(kept, [stamps.captions[i] for i in queries])
table.loc["mean"] = table.mean()
table.round(2)

# %% [markdown]
# **What you see.** The first row shows the stamps as they are, and each further row one
# change. The number below a picture is the cosine of its embedding with the embedding
# of the original. The smallest mean of the table belongs to the change that moves the
# embeddings most. How much does this change mean for you? Out of focus, you still know
# each thing at once; the encoder has learned to look at textures and edges. Upside
# down, the effect depends on the thing: compare the stamps in the first column.

# %% [markdown]
# ### Exercise 01.6 · A change that the encoder does not mind
#
# **Difficulty** ●●●●○ · **Minutes** 15
#
# Now the other way round, and this exercise is open: find a change that moves the
# *pixels* a lot and the *embedding* hardly. The check averages over twelve stamps. The
# pixels must move by at least 25 of their 255 levels, on average over pixels and
# channels. The cosine with the original must stay at 0.95 or more.
#
# Any function of a picture will do, if it returns a picture of the same size. There is
# more than one answer. Say beforehand why your change should work: what did training
# teach the encoder to overlook?


# %% tags=["exercise"]
def disturb(picture: Image.Image) -> Image.Image:
    """Change a picture so that its pixels move a lot and its embedding hardly.

    picture: RGB, size (w, h)
    returns: RGB, size (w, h)
    """
    ### BEGIN SOLUTION
    return ImageOps.mirror(picture)
    ### END SOLUTION


# %% tags=["check"]
check_disturbance(disturb)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Training shows the same picture many times, each time a little different, and always
# with the same class. In what ways may a photo differ and still show the same thing?
# `ImageOps` and `ImageEnhance`, both from PIL, hold many changes. `ImageOps` is
# imported above; `help(ImageOps)` lists its functions. Try what you know from your
# phone.
#
# </details>
# <details><summary>What you should see</summary>
#
# The verdict tells both numbers, also when they do not suffice. Two very different
# changes can do it, one of the geometry and one of the light. Then try to be greedy:
# how far can you move the pixels at a cosine of 0.95?
#
# </details>

# %% [markdown]
# ## 7 · Across the two: nothing to compare
#
# Pictures are one **modality**, and text is another: kinds of data, each with an
# encoder of its own. (They are the left and the right side of the method's picture in
# chapter 00.) Within each modality, the cosine works well. So why not take the cosine
# of a picture and a caption? We try.

# %%
try:
    result = relative_representation(picture_vectors[:1], caption_vectors)
except AsifError as error:
    print(f"{type(error).__name__}: {error}")
else:
    print(f"equal widths, shape {tuple(result.shape)}. Do the numbers mean anything?")

# %% [markdown]
# If the widths differ, there is no dot product. We could *force* equal width:
#
# - *cut*: keep only the first dimensions of the longer embedding;
# - *project*: multiply the embedding by a random matrix;
# - *principal axes*: subtract the mean, and express both embeddings by their directions
#   of largest spread, in order.
#
# Then every picture looks for its own caption among all captions. **Recall@k** is the
# share of pictures whose own caption is among the $k$ best. Each caption counts once
# here: of stamps that share a caption, we keep the first. Besides recall, we count the
# share of wrong captions that score *below* the right one, averaged over pictures.
# Blind guessing gives one half.
#
# **Before you run the next cell:** which of the three do you expect to be better than
# chance?

# %%
once = [i for i in range(n) if stamps.captions.index(stamps.captions[i]) == i]
x, y = picture_vectors[once], caption_vectors[once]  # (q, d_image), (q, d_text)
width = min(x.shape[1], y.shape[1], len(once))
generator = torch.Generator().manual_seed(seed)


def project(z):
    """Multiply by a random matrix: (q, d) → (q, width)."""
    return z @ torch.randn(z.shape[1], width, generator=generator)


def principal_axes(z):
    """Express by the directions of largest spread: (q, d) → (q, width)."""
    z = z - z.mean(dim=0)
    return (z @ torch.linalg.svd(z, full_matrices=False).Vh.T)[:, :width]


forced = {
    "cut": (x[:, :width], y[:, :width]),
    "project": (project(x), project(y) if y.shape[1] != width else y),
    "principal axes": (principal_axes(x), principal_axes(y)),
}

# %% tags=["hide-input"]
# Count the wrong captions above the right one, and show the recalls in a table.
from asif_lib.evaluation import share_with_interval


def wrong_above(a, b):
    """Count the captions (rows of b) above the own one of each picture (row of a)."""
    scores = relative_representation(a, b)  # (q, q)
    return (scores > scores.diag()[:, None]).sum(dim=1).numpy()  # (q,)


above = {name: wrong_above(a, b) for name, (a, b) in forced.items()}
others = len(once) - 1
below = {name: mean_with_interval(1 - a / others, seed) for name, a in above.items()}
table = pd.DataFrame(
    {
        "R@1": {
            name: share_with_interval(a == 0, "exact") for name, a in above.items()
        },
        "R@10": {name: mean_with_interval(a < 10, seed) for name, a in above.items()},
        "wrong captions below the right one": below,
    }
)
table.loc["chance"] = f"{1 / len(once):.1%}", f"{10 / len(once):.1%}", "50.0%"
name = "a picture's own caption above a wrong one, embeddings cut to equal width"
record(name, below["cut"], note="chance 50 %")
print(f"{width} dimensions")
xlabel = "wrong captions below the right one"
draw.show(draw.interval_dots({"share": below}, xlabel=xlabel, chance=0.5))
table

# %% [markdown]
# The interval of R@1 is not a bootstrap. Without a single hit, every resample has no
# hit either, and the bootstrap would report an interval of no width. So we use the
# **exact binomial** interval. The interval contains every true share that is consistent
# with the hits that we counted. (You need not know how it is computed.)
#
# All intervals speak of other pictures under *the same map*. But one random map can be
# lucky or unlucky, and then it is so for all pictures at once. So we draw many maps:
# other random matrices, and other signs of the principal axes, since these signs mean
# nothing.

# %% tags=["hide-input"]
# Draw other random maps, and count again.
DRAWS = 20
axes_x, axes_y = forced["principal axes"]
coins = [torch.randint(0, 2, (width,), generator=generator) for _ in range(DRAWS)]
signs = 2 * torch.stack(coins) - 1  # (20, width), each −1 or 1
draws = {
    "project": [wrong_above(project(x), forced["project"][1]) for _ in signs],
    "principal axes": [wrong_above(axes_x * sign, axes_y) for sign in signs],
}
print(f"wrong captions below the right one, {DRAWS} draws:")
for name, drawn in draws.items():
    shares = [1 - a.mean() / others for a in drawn]
    mean, low, high = np.mean(shares), min(shares), max(shares)
    print(f"   {name}: {mean:.1%} on average, from {low:.1%} to {high:.1%}")

# %% [markdown]
# The draws lie on both sides of one half. Some are better by luck, and without
# captioned pictures nobody could tell which.
#
# **Before you run the next cell:** draw two curves on paper: the cosines of pictures
# with their own captions, and the cosines with other captions.

# %% tags=["hide-input"]
# Draw the cosines of own and of other captions.
matrix = relative_representation(*forced["cut"])  # (q, q)
diagonal = torch.eye(len(matrix), dtype=torch.bool)
series = {
    "picture and its own caption": matrix[diagonal].numpy(),
    "picture and another caption": matrix[~diagonal].numpy(),
}
xlabel = "cosine of picture and caption, cut to equal width (no unit)"
draw.show(draw.cosine_histograms(series, xlabel))
own = matrix.diag().numpy()
gap = mean_with_interval(own - (matrix.sum(dim=1).numpy() - own) / others, seed)
print("own minus mean of the others, for each picture:")
print(f"   {gap.value:+.4f} [{gap.low:+.4f}, {gap.high:+.4f}], n = {gap.n}")

# %% [markdown]
# **What you see.** The solid outline (own captions) and the dashed one (other captions)
# lie on each other. Dimension 17 of a picture and dimension 17 of a caption have
# nothing to do with each other. Each encoder's training settled its own axes, from its
# own random start. Neither a cosine nor equal width can repair that.
#
# And yet both encoders put an animal near an animal. **The neighbourhoods may agree
# although the coordinates do not.** ASIF enters through this door, and the next chapter
# measures how wide it is.

# %% [markdown] tags=["progress"]
# The exercises of this chapter that you have solved so far:

# %% tags=["progress", "hide-input"]
# Show the exercises that you have solved.
from asif_book import show_progress

show_progress("01")

# %% [markdown]
# ## Summary
#
# - An encoder is its weights, its preprocessing and its dimension; the library keeps
#   them as its identity.
# - Within one modality the cosine finds neighbours that make sense, well above colours,
#   words in common and random weights. The controls are themselves above chance.
# - Across modalities there is nothing to compare, at the original widths or at forced
#   ones.
#
# **What would prove us wrong.** If random weights did as well as the trained ones, the
# neighbours would come from the architecture and the pixels, not from training. If a
# cut, or any map made *without* captioned pictures, found captions well above chance,
# the two spaces would share axes after all. Both would show in the numbers above.
#
# **Where next.** A map made *with* captioned pictures is another matter. [02 ·
# Anchors](02_anchors.ipynb) asks whether similar pictures have similar captions. ASIF
# needs nothing more.

# %% [markdown] tags=["teacher"]
# ### Timing
#
# - **50 minutes.** Identity and preprocessing 10 (exercise 01.1 together), cosines and
#   neighbours 15 (01.2 in class, in pairs), the controls 10 (predict aloud, then run),
#   across the two 10, questions 5. Home: 01.3, 01.4.
# - **90 minutes.** As above, with 01.3 and 01.5 in class and “What an encoder minds” as
#   a bet: before the cell runs, each group names the change that moves the embedding
#   most. Home: 01.4, and 01.6 as a small contest: move the pixels as far as you can at
#   a cosine of 0.95.
#
# ### What students get wrong
#
# - *Normalising columns.* They write `z / z.norm(dim=0)` and the shapes fit, so nothing
#   warns them. Ask: what is one row? One picture. So whose length do you want?
# - *Broadcasting by luck.* `pictures - mean` fails for most sizes and works when the
#   width happens to be 3. Ask for the two shapes, written one below the other, from the
#   right.
# - *Dropping the first neighbour.* “The first is always the row itself” is true until
#   two pictures are the same. Ask what happens with duplicates, which real data always
#   has.
# - *Chance as one over the number of groups.* Groups differ in size. Let them compute
#   it for two groups of 1 and 9.
# - *“The cosine is 0.8, so they are similar.”* Cosines of one encoder are only
#   comparable with cosines of the same encoder, and often only within a row. Compare
#   two rows of the figure.
#
# ### Discussion
#
# 1. The random network is clearly above chance. Does it “know” something?
#
#    > **Answer.** It passes on the information in the pixels: colours, amount of white,
#    > coarse shape. This is information about the group, but training did not put it
#    > there. A report of the trained number alone claims all of it for training.
#
# 2. Two laboratories use “the same” encoder, and one resizes pictures with another
#    filter. What can go wrong?
#
#    > **Answer.** The embeddings differ a little, and nothing raises an error. A bank
#    > from one laboratory is then compared with queries from the other. So
#    > preprocessing belongs to the identity.
#
# 3. Could a clever rotation line up the two spaces without any captioned pair?
#
#    > **Answer.** Perhaps partly: research on unsupervised alignment tries to match the
#    > shapes of two clouds. But among random maps some are better by luck, and without
#    > pairs nobody can tell which. A few hundred pairs decide it.
#
# 4. Is an encoder that ignores mirror images better?
#
#    > **Answer.** For naming animals, yes. For reading text, or telling a left hand
#    > from a right one, no. The choices made in its training decide what an encoder
#    > overlooks.
