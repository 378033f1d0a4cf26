# %% [markdown]
# # 01 · Encoders: what each one knows alone
#
# > **Question.** What does a frozen encoder know, and what can it not compare?
#
# **After this chapter you can**
#
# - say what identifies an encoder, and why its preprocessing belongs to it;
# - compute a matrix of cosines and find nearest neighbours with it;
# - judge by eye and by number whether neighbours make sense;
# - say which changes of a picture an encoder minds, and which it does not;
# - use controls (random weights, colours, shared words) to see what training added;
# - explain why an image embedding and a text embedding have nothing to compare, even at equal width.
#
# **Minutes** 40 to read, 47 more with the exercises · **Before this** [00 · Start here](00_start_here.ipynb)
#
# **What runs** The stamps of the train and validation splits; the test split is not touched. About 20 seconds
# on 2 CPU cores. The very first time, two encoders read all pictures: allow a minute or two more.

# %% tags=["parameters"]
profile = "offline"  # "offline": encoders that install as packages; "hub": larger ones, as in the paper
device = "auto"  # "auto", "cpu", "cuda" or "mps"
seed = 0  # of everything that is drawn at random
fast = False  # True: a third of the pictures

# %%
# The tools of this chapter. You need not read this cell, nor code below that only draws a figure; run it.
import numpy as np
import torch
from IPython.display import Markdown, display
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from scipy.stats import binomtest
from sklearn.feature_extraction.text import CountVectorizer
from torch import Tensor

from asif_lib import (
    AsifError,
    embed,
    load_image_encoder,
    load_pairs,
    load_text_encoder,
    record,
    relative_representation,
)
from asif_lib.course.checks import (
    check_cosine_matrix,
    check_disturbance,
    check_mean_pooling,
    check_nearest_neighbours,
    check_same_group_share,
    check_standardise,
)
from asif_lib.course.progress import show_progress
from asif_lib.encoders import open_picture
from asif_lib.evaluation import mean_with_interval, paired_difference
from asif_lib.figures import (
    bars_with_intervals,
    cosine_histograms,
    neighbour_rows,
    show,
    show_pictures,
    use_style,
    what_the_encoder_sees,
)

use_style()

# %%
names = {
    "offline": ("efficientnet_lite0", "all-MiniLM-L6-v2"),
    "hub": ("vit_base_patch16_224.augreg_in21k_ft_in1k", "all-mpnet-base-v2"),
}[profile]
image_encoder = load_image_encoder(names[0], device=device)
text_encoder = load_text_encoder(names[1], device=device)

stamps = load_pairs("stamps").split("train", "validation")
if fast:
    stamps = stamps.subset(range(0, len(stamps), 3))
n = len(stamps)
print(f"{n} captioned pictures")

# %% [markdown]
# ## An encoder's identity
#
# An encoder is a function with many numbers inside, its **weights**, which were found by training and are now
# frozen. Change one weight, or the way a picture is prepared, and every embedding changes. So an encoder *is*
# its weights (we keep a checksum of them), its preprocessing and its dimension, whatever it is called. Embeddings
# of two encoders must never be mixed, and the library refuses to.

# %%
rows = ["| | image encoder | text encoder |", "|---|---|---|"]
for what in ("name", "source", "checksum", "preprocessing", "dim", "digest"):
    cells = [str(getattr(encoder.identity, what)) for encoder in (image_encoder, text_encoder)]
    cells = [cell[:16] + " …" if what == "checksum" else cell for cell in cells]
    rows.append(f"| {what} | {cells[0]} | {cells[1]} |")
display(Markdown("\n".join(rows)))

# %% [markdown]
# - *checksum*: the SHA-256 of the weights. Two files with the same checksum hold the same weights.
# - *dim*: how many numbers an embedding has.
# - *digest*: a short fingerprint of checksum, preprocessing and dimension.

# %% [markdown]
# ## What the encoder sees
#
# The encoder wants a square of fixed size, three colour channels, and values around 0. A stamp is a picture
# cut out on a transparent background, of any shape. So each picture is laid over white, padded to a square,
# scaled so that its shorter side is a little larger than needed, cropped at the centre, and its values are
# shifted and scaled.
#
# We look at the stamp whose shape is farthest from a square, and at a flower.
#
# **Before you run the next cell:** what would a crop at the centre leave of a long, thin thing, if it were *not*
# padded to a square first?

# %%
normalise = image_encoder.transform.transforms[-1]  # the last step: (value - mean) / std, for each channel


def seen(picture):
    """What enters the encoder, with the last step undone so that we can look at it."""
    tensor = image_encoder.transform(open_picture(picture))
    mean, std = (torch.as_tensor(v).view(3, 1, 1) for v in (normalise.mean, normalise.std))
    return (tensor * std + mean).clamp(0, 1).permute(1, 2, 0).numpy()


def wanted(text):
    """The first stamp whose caption contains `text`, else the first of all."""
    return next((i for i, caption in enumerate(stamps.captions) if text in caption.lower()), 0)


sizes = [Image.open(picture.path).size for picture in stamps.pictures]
longest = max(range(n), key=lambda i: max(sizes[i]) / min(sizes[i]))
chosen = [longest, wanted("flower")]
show(
    what_the_encoder_sees(
        [(Image.open(p.path), open_picture(p), seen(p), seen(p.path)) for p in (stamps.pictures[i] for i in chosen)]
    ),
    "Two stamps ("
    + " ".join(stamps.captions[i] for i in chosen)
    + ") in four columns: the file, grey where it is transparent; the same on a white square; the small square "
    "that the encoder sees, without a narrow rim; and what would be left if it were not padded to a square.",
)
tensor = image_encoder.transform(open_picture(stamps.pictures[chosen[0]]))
print(f"shape {tuple(tensor.shape)}, values from {tensor.min():.2f} to {tensor.max():.2f}")

# %% [markdown]
# *What you see.* Left to right: the file; the picture as we read it; what enters the encoder, always the same small
# square, without a narrow rim; and what would enter without the padding, where the ends of long things are gone. The line
# below the figure says which values really enter: they are no colours any more. Whoever prepares pictures in
# another way gets other embeddings, from the same weights, without any error message.

# %% [markdown]
# ### Exercise 01.1 · The last step before the encoder
#
# **Difficulty** ●○○○○ · **Minutes** 4
#
# The encoder was trained on values that lie around 0. So the last step takes a mean off each colour channel and
# divides by a standard deviation, again one for each channel. Both come with the encoder, and they are no
# parameters that we may choose. Fill in the one line.


# %% tags=["exercise"]
def standardise(pictures: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Take each channel's mean off and divide by its standard deviation.

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
# Shapes are lined up from the right: (3,) beside (b, 3, h, w) would be taken for the *width*. `mean[:, None, None]`
# has shape (3, 1, 1), which lines up with (3, h, w).
#
# </details>
# <details><summary>What you should see</summary>
#
# A green verdict. Our encoder's mean and standard deviation are all 0.5, so that black becomes −1 and white
# becomes 1; others have three different means.
#
# </details>

# %%
picture_vectors = embed(image_encoder, stamps.pictures)
caption_vectors = embed(text_encoder, stamps.captions)
print(f"pictures {tuple(picture_vectors.shape)}, captions {tuple(caption_vectors.shape)}")

# %% [markdown]
# ### Exercise 01.2 · All cosines at once
#
# **Difficulty** ●●○○○ · **Minutes** 6
#
# In chapter 00 you computed the cosine of two vectors. Here are two matrices whose *rows* are vectors. Return
# the matrix of all cosines: entry $(i, j)$ is the cosine of row $i$ of the first and row $j$ of the second.
# No loops: scale the rows to length 1, then one matrix product does it. A row of zeros has cosine 0 with
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
# `a.norm(dim=1, keepdim=True)` has shape (q, 1): one length for each row. `torch.nn.functional.normalize(a,
# dim=1)` divides by it and leaves a row of zeros alone. `b.T` turns rows into columns.
#
# </details>
# <details><summary>What you should see</summary>
#
# `cosine_matrix(picture_vectors, picture_vectors)` is a square matrix with ones on its diagonal, and it is
# symmetric.
#
# </details>

# %% [markdown]
# ### Exercise 01.3 · Nearest neighbours
#
# **Difficulty** ●●●○○ · **Minutes** 8
#
# The **nearest neighbours** of a row are the rows with the largest cosine. Return, for each row, the positions
# of its $m$ nearest neighbours, the nearest first. A row is not a neighbour of itself. Beware: the same picture
# may be there twice.


# %% tags=["exercise"]
def nearest_neighbours(z: Tensor, m: int) -> Tensor:
    """Return the positions of the m nearest neighbours of each row, by cosine, without the row itself.

    z: shape (n, d), float32
    returns: shape (n, m), int64, the nearest first; equal cosines in any order
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
# Compute the square matrix of cosines. Which value can you write onto the diagonal (`fill_diagonal_`), so that a
# row never finds itself? Then `topk(m, dim=1)` gives values and indices.
#
# </details>
# <details><summary>What you should see</summary>
#
# `nearest_neighbours(picture_vectors, 5)` has one row for each picture. The next figure shows five of those rows
# as pictures.
#
# </details>

# %% [markdown]
# ## Neighbours among pictures
#
# If an encoder knows something, pictures of similar things get similar embeddings. We take the first stamp of
# each of five groups, so that we do not choose the ones that look good.
#
# **Before you run the next cell:** the image encoder never saw a caption. Will the neighbours of an animal be the
# same animal, the same colour, or the same pose?

# %%
group = np.array([g.split("/")[0] for g in stamps.groups])
queries = [int(np.flatnonzero(group == g)[0]) for g in ("animals", "clothes", "food", "household", "vehicles")]


def neighbours(z, m):
    """Cosines and positions of the m nearest neighbours of each row, without the row itself."""
    return relative_representation(z, z).fill_diagonal_(-2).topk(m, dim=1)


cosines, positions = neighbours(picture_vectors, 5)
show(
    neighbour_rows(
        [(stamps.pictures[i], stamps.captions[i]) for i in queries],
        [[(stamps.pictures[j], stamps.captions[j]) for j in positions[i].tolist()] for i in queries],
        cosines[queries],
    ),
    "Five stamps, each with its five nearest neighbours under the image encoder. "
    + "; ".join(
        f"{stamps.captions[i]} has " + " ".join(stamps.captions[j] for j in positions[i].tolist()) for i in queries
    ),
)

# %% [markdown]
# *What you see.* Each row starts with a picture, framed, and goes on with its nearest neighbours. The captions
# are printed for you; the encoder did not get them. Most neighbours make sense, some only by shape or by colour:
# find one of each kind. Note also that the cosines differ from row to row. The order within a row carries the
# meaning, more than the value does.

# %% [markdown]
# ## Neighbours among captions
#
# The same for the text encoder, which never saw a picture.
#
# **Before you run the next cell:** “A seahorse.” looks almost like “A horse.” in writing, and “A donkey.” does
# not. Which of the two will be the nearer neighbour of “A horse.”?

# %%
text_cosines, text_positions = neighbours(caption_vectors, 3)


def shorten(text):
    return text if len(text) <= 60 else text[:57] + "…"


lines = ["| caption | its three nearest neighbours (cosine) |", "|---|---|"]
for i in [*queries, wanted("horse")]:
    near = [
        f"{shorten(stamps.captions[j])} ({value:.2f})"
        for j, value in zip(text_positions[i].tolist(), text_cosines[i].tolist(), strict=True)
    ]
    lines.append(f"| {shorten(stamps.captions[i])} | {' · '.join(near)} |")
display(Markdown("\n".join(lines)))
for text in ("A horse.", "A seahorse.", "A donkey."):
    print(text, "→", *text_encoder.model.tokenizer.tokenize(text))

# %% [markdown]
# *What you see.* Most neighbours share a meaning, even where they share no word. But spelling has a say: the
# encoder reads pieces of words, which the last lines print (`##` marks a piece that goes on with a word). The piece of
# the seahorse is not the token of the horse, but a similar one, and the row of the horse tells how far that can pull.
# Where the same neighbour stands there twice, two stamps have the same caption. Later chapters take care to count that.

# %% [markdown]
# ### Exercise 01.4 · From tokens to one vector
#
# **Difficulty** ●●●○○ · **Minutes** 8
#
# How does a sentence of any length become *one* vector? The text encoder cuts a text into **tokens** (words
# or parts of words), computes a vector for each, and takes their mean: **mean pooling**. Texts in a batch
# have different lengths, so the short ones are filled up with padding, and a mask says which tokens are real:
# 1 for a token, 0 for padding. Padding must not count. A text without any token gets the vector of zeros.


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
# `mask[:, :, None]` has shape (n, t, 1) and multiplies every dimension of a token alike. Divide by how many real
# tokens there are, not by t; `clamp_min(1)` keeps you from dividing by 0.
#
# </details>
# <details><summary>What you should see</summary>
#
# The next cell does it with the encoder's own tokens, for two captions of different length: the mean of the real
# tokens, scaled to length 1, is the encoder's output.
#
# </details>

# %%
by_length = sorted((stamps.captions[i] for i in queries), key=len)
two_captions = [by_length[0], by_length[-1]]
tokenizer = text_encoder.model.tokenizer
batch = tokenizer(
    two_captions, padding=True, truncation=True, max_length=text_encoder.model.max_seq_length, return_tensors="pt"
).to(text_encoder.model.device)
mask = batch["attention_mask"].cpu()
for ids, row in zip(batch["input_ids"].tolist(), mask.tolist(), strict=True):
    print(" ".join(tokenizer.convert_ids_to_tokens(ids)))
    print("mask:", *row)
with torch.inference_mode():
    token_vectors = text_encoder.model[0](dict(batch))["token_embeddings"].float().cpu()
output = text_encoder.encode(two_captions, progress=False)
masked = (token_vectors * mask[:, :, None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)
print(f"token vectors {tuple(token_vectors.shape)}; largest difference from the encoder's output, for each caption:")
for name, mean in {"mean of the real tokens": masked, "mean of all, padding too": token_vectors.mean(dim=1)}.items():
    gaps = (torch.nn.functional.normalize(mean, dim=1) - output).abs().amax(dim=1)
    print(f"   {name}: " + ", ".join(f"{gap:.1e}" for gap in gaps.tolist()))

# %% [markdown]
# *What you see.* The shorter caption is filled up with padding, where its mask is 0. Counting the padding spoils
# its vector; the longer caption has none, and nothing changes. The first and the last real token (`[CLS]` and
# `[SEP]` here; other encoders write `<s>` and `</s>`) are no words: the tokenizer adds them to mark where a text
# begins and ends, and they count in the mean like all real tokens.

# %% [markdown]
# ### Exercise 01.5 · From neighbours to a number
#
# **Difficulty** ●●○○○ · **Minutes** 6
#
# Looking at five rows is no measurement. The stamps come in folders (animals, food, vehicles, …), and no encoder
# knew them. So we can count: of all neighbours, what share is of the same group as the row that they belong to?
#
# **Predict first:** if groups had nothing to do with neighbours, would the share be one over the number of
# groups?


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
# `group[neighbours]` looks up the group of every neighbour at once: shape (n, m). Compare it with the group of the
# row, `group[:, None]`, which has shape (n, 1). The mean of trues and falses needs `.float()` first.
#
# </details>
# <details><summary>What you should see</summary>
#
# A green verdict. And to your prediction: a large group meets itself more often, so the share by chance is above
# one over the number of groups. The next section takes chance as it really is.
#
# </details>

# %% [markdown]
# ## Is that more than colour, or words in common?
#
# Now we measure: **for what share of the stamps is the nearest neighbour from the same group?**
#
# A number means little without **controls**:
#
# - *chance*: a random other stamp is in the same group now and then;
# - *colour histogram*: 64 numbers that say how often each of 64 colours occurs;
# - *random weights*: the same network, untrained. It has the same architecture and sees the same pixels;
# - for captions, *shared words*: how often each word occurs.
#
# Each share has a 95 % interval, made by the **bootstrap**: draw as many stamps as there are, with replacement, take
# the share again, do it many times, and keep the middle 95 % of the results. It tells how much the share might move
# with other stamps of the same kind. (In chapter 05 you write it yourself.)
#
# **Before you run the next cell:** sort the five rows by what you expect. Is the untrained network at chance?


# %% tags=["figure"]
def colour_histogram(picture):
    """The counts of 4 × 4 × 4 colours in a small copy of the picture, shape (64,)."""
    levels = np.asarray(open_picture(picture).resize((64, 64))) // 64
    return np.bincount((levels @ np.array([16, 4, 1])).ravel(), minlength=64)


random_encoder = load_image_encoder(names[0], device=device, random_seed=seed)
embeddings = {
    f"pictures: {image_encoder.identity.name[:20]}": picture_vectors,
    "pictures: colour histogram": torch.tensor(np.stack([colour_histogram(p) for p in stamps.pictures])),
    "pictures: random weights": embed(random_encoder, stamps.pictures),
    f"captions: {text_encoder.identity.name}": caption_vectors,
    "captions: shared words": torch.tensor(CountVectorizer().fit_transform(stamps.captions).toarray()),
}
same_group = {name: group[neighbours(z, 1).indices[:, 0]] == group for name, z in embeddings.items()}
measures = {name: mean_with_interval(hit, seed) for name, hit in same_group.items()}
chance = np.mean([(group == g).sum() - 1 for g in group]) / (n - 1)
show(
    bars_with_intervals(
        list(measures), list(measures.values()), chance, "nearest neighbour of the same group (% of stamps)"
    ),
    "Bars with 95 % intervals. " + "; ".join(f"{name} {m}" for name, m in measures.items()) + f"; chance {chance:.1%}.",
)

# %%
trained, histogram, untrained, text_trained, words = same_group.values()
for what, a, b in (
    ("trained weights over random ones", trained, untrained),
    ("trained weights over colours", trained, histogram),
    ("text encoder over shared words", text_trained, words),
):
    gain = paired_difference(a, b, seed)
    print(f"{what}: {100 * gain.value:+.1f} points [{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]")
kind = "same group as the nearest other stamp"
for name in [*measures][:1] + [*measures][2:4]:  # all but the histogram and the shared words
    record(f"{kind}, {name}", measures[name].value, ci=measures[name].ci, n=n, note=f"chance {chance:.1%}")

# %% [markdown]
# *What you see.* Both trained encoders stand far to the right of their controls, and the paired differences,
# taken over the very same stamps, say so too. But no control is at chance. Colour alone tells something about
# the group, and so does a network with random weights, since pixels still pass through it. What lies between
# a control and its encoder is what training added. (A group can also be easy because some of its pictures
# come from one hand and look alike. The controls profit from that too, which is one more reason to have them.)

# %% [markdown]
# ## What an encoder minds
#
# Cosines of other pictures tell what an encoder finds similar. One more way to ask: change the *same* picture and
# see how far its embedding moves. We take the five stamps of above and four changes.
#
# **Before you run the next cell:** upside down, without colours, out of focus, or with a grey background: which
# change moves the embeddings most? Which changes most for you?


# %%
def blurred(picture):
    return picture.filter(ImageFilter.GaussianBlur(max(picture.size) / 40))


def on_grey(picture):
    pixels = np.asarray(picture)
    white = (pixels > 250).all(axis=2, keepdims=True)
    return Image.fromarray(np.where(white, 128, pixels).astype(np.uint8))


changes = {
    "upside down": ImageOps.flip,
    "without colours": lambda picture: ImageEnhance.Color(picture).enhance(0),
    "out of focus": blurred,
    "on grey": on_grey,
}

# %%
originals = [open_picture(stamps.pictures[i]) for i in queries]
gallery, titles, kept = list(originals), ["as it is"] * len(originals), {}
for name, change in changes.items():
    changed = [change(picture) for picture in originals]
    moved = relative_representation(embed(image_encoder, changed, progress=False), picture_vectors[queries]).diag()
    gallery += changed
    titles += [f"{name}: {value:.2f}" for value in moved.tolist()]
    kept[name] = moved
show(
    show_pictures(  # all drawn at one size, as the encoder sees them; one of the stamps is a small file
        [ImageOps.contain(picture, (96, 96)) for picture in gallery], titles, columns=len(originals)
    ),
    "Five stamps in five rows: as they are, upside down, without colours, out of focus, and on a grey background, each "
    "with the cosine to the original. "
    + "; ".join(f"{name}, cosine {moved.mean():.2f} on average" for name, moved in kept.items())
    + ".",
)

# %%
furthest = min(kept, key=lambda name: kept[name].mean())
turned = kept["upside down"]
most, least = (stamps.captions[queries[at]] for at in (turned.argmin(), turned.argmax()))
display(
    Markdown(
        "*What you see.* Below each picture stands the cosine of its embedding with that of the original. The change "
        f"that moves the embeddings most is *{furthest}*, with a cosine of {kept[furthest].mean():.2f} on average. How "
        "much does it change for you? Out of focus you still know each thing at once; the encoder has learned to look "
        f"at textures and edges. Upside down, much depends on the thing: “{least}” moves least (cosine "
        f"{turned.max():.2f}), “{most}” most ({turned.min():.2f})."
    )
)

# %% [markdown]
# ### Exercise 01.6 · A change that the encoder does not mind
#
# **Difficulty** ●●●●○ · **Minutes** 15
#
# Now the other way round, and this one is open: find a change that moves the *pixels* a lot and the *embedding*
# hardly. Averaged over twelve stamps, the pixels must move by at least 25 of their 255 levels, and the cosine with
# the original must stay at 0.95 or more. Any function of a picture will do that returns a picture of the same
# size. There is more than one answer. Say beforehand why your change should work: what was the encoder trained
# to overlook?


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
# Training shows the same picture many times, each time a little different, and always with the same class. In what ways
# may a photo differ and still show the same thing? `ImageOps` and `ImageEnhance`, both from PIL and imported above, hold
# many changes; `help(ImageOps)` lists some. Try what you know from your phone.
#
# </details>
# <details><summary>What you should see</summary>
#
# The verdict tells both numbers, also when they do not suffice. Two very different changes can do it, one of the
# geometry and one of the light. Then try to be greedy: how far can you move the pixels at a cosine of 0.95?
#
# </details>

# %% [markdown]
# ## Across the two: nothing to compare
#
# Pictures are one **modality**, text is another: kinds of data, each with an encoder of its own. Within each modality,
# the cosine works well. So why not take the cosine of a picture and a caption? We try.

# %%
try:
    result = relative_representation(picture_vectors[:1], caption_vectors)
except AsifError as error:
    print(f"{type(error).__name__}: {error}")
else:
    print(
        f"these two happen to have equal widths: numbers come out, shape {tuple(result.shape)}. Do they mean anything?"
    )

# %% [markdown]
# Where the widths differ, there is no dot product. We could *force* equal width:
#
# - *cut*: keep only the first dimensions of the longer embedding;
# - *project*: multiply it by a random matrix;
# - *principal axes*: express both by their directions of largest spread, in order, without the mean.
#
# Then every picture looks for its own caption among all captions. **Recall@k** is the share of pictures whose
# own caption is among the $k$ best. Each caption counts once here: of stamps that share a caption, we keep the
# first. Besides recall, we count the share of wrong captions that score *below* the right one, averaged over
# pictures; blind guessing gives one half.
#
# **Before you run the next cell:** which of the three do you expect to be better than chance?

# %%
once = [i for i in range(n) if stamps.captions.index(stamps.captions[i]) == i]
x, y = picture_vectors[once], caption_vectors[once]
width = min(x.shape[1], y.shape[1], len(once))
generator = torch.Generator().manual_seed(seed)


def project(z):
    return z @ torch.randn(z.shape[1], width, generator=generator)


def principal_axes(z):
    z = z - z.mean(dim=0)
    return (z @ torch.linalg.svd(z, full_matrices=False).Vh.T)[:, :width]


forced = {
    "cut": (x[:, :width], y[:, :width]),
    "project": (project(x), project(y) if y.shape[1] != width else y),
    "principal axes": (principal_axes(x), principal_axes(y)),
}


# %%
def wrong_above(a, b):
    """For each picture (row of a): how many wrong captions (rows of b) score above its own."""
    scores = relative_representation(a, b)
    return (scores > scores.diag()[:, None]).sum(dim=1).numpy()


above = {name: wrong_above(a, b) for name, (a, b) in forced.items()}
ten = {name: mean_with_interval(better < 10, seed) for name, better in above.items()}
below = {name: mean_with_interval(1 - better / (len(once) - 1), seed) for name, better in above.items()}
record(
    "a picture's own caption above a wrong one, embeddings cut to equal width", below["cut"].value,
    ci=below["cut"].ci, n=below["cut"].n, note="chance 50 %",
)  # fmt: skip


# %%
def show_measure(m):
    return f"{m.value:.1%} [{m.low:.1%}, {m.high:.1%}]"


lines = ["| way | R@1 | R@10 | wrong captions below the right one |", "|---|---|---|---|"]
for name, better in above.items():
    first = binomtest(int((better == 0).sum()), len(once)).proportion_ci(method="exact")
    lines.append(
        f"| {name} | {(better == 0).mean():.1%} [{first.low:.1%}, {first.high:.1%}] | {show_measure(ten[name])} | "
        f"{show_measure(below[name])} |"
    )
lines.append(f"| *chance* | {1 / len(once):.1%} | {10 / len(once):.1%} | 50.0% |")
display(Markdown("\n".join(lines)))
print(f"{len(once)} pictures, {len(once)} captions, {width} dimensions")

# %% [markdown]
# The interval of R@1 is not a bootstrap, which with no hit at all would draw no hit for ever and report an interval of
# no width. It is the **exact binomial** one: it holds those true shares with which as few hits as we saw, or as many,
# would be no surprise. (You need not know how that is computed.) All intervals speak of other pictures under *the same map*. But a map that was
# made at random can lie off chance, to either side, for all pictures at once. So we draw many: other random
# matrices, and other signs of the principal axes, whose signs mean nothing.

# %%
DRAWS = 20
axes_x, axes_y = forced["principal axes"]
signs = [torch.randint(0, 2, (width,), generator=generator) * 2 - 1 for _ in range(DRAWS)]
draws = {
    "project": [wrong_above(project(x), forced["project"][1]) for _ in range(DRAWS)],
    "principal axes": [wrong_above(axes_x * sign, axes_y) for sign in signs],
}
for name, drawn in draws.items():
    below = [1 - (better / (len(once) - 1)).mean() for better in drawn]
    print(
        f"{name}, {DRAWS} draws: wrong captions below the right one {np.mean(below):.1%} on average, "
        f"from {min(below):.1%} to {max(below):.1%}"
    )

# %% [markdown]
# The draws lie on both sides of one half. Some are better by luck, and without captioned pictures nobody could
# tell which.
#
# **Before you run the next cell:** draw two curves on paper, one for the cosines of pictures with their own
# captions, one for pictures with others' captions.

# %%
matrix = relative_representation(*forced["cut"])
own = matrix.diag().numpy()
others = matrix[~torch.eye(len(matrix), dtype=torch.bool)].numpy()
show(
    cosine_histograms(
        {"picture and its own caption": own, "picture and another caption": others},
        "cosine of picture and caption, cut to equal width (no unit)",
    ),
    f"Two outlines that lie on each other: cosines with the own caption, mean {own.mean():.3f}, and with "
    f"other captions, mean {others.mean():.3f}; both spread by about {others.std():.2f} around 0.",
)
gap = mean_with_interval(own - (matrix.sum(dim=1).numpy() - own) / (len(matrix) - 1), seed)
print(f"own less others, per picture: {gap.value:+.4f} [{gap.low:+.4f}, {gap.high:+.4f}], n = {gap.n}")

# %% [markdown]
# *What you see.* The two outlines lie on each other. Dimension 17 of a picture and dimension 17 of a caption have
# nothing to do with each other: each encoder's axes were settled by its own training, from its own random
# start. No cosine can repair that, and neither can equal width.
#
# And yet both encoders put an animal near an animal. **The neighbourhoods may agree although the coordinates do
# not.** That is the door through which ASIF enters, and the next chapter measures how wide it is.

# %% [markdown]
# ## Your progress
#
# What you have solved in this chapter so far:

# %%
show_progress("01")

# %% [markdown]
# ## Summary
#
# - An encoder is its weights, its preprocessing and its dimension; the library keeps them as its identity.
# - Within one modality the cosine finds neighbours that make sense, well above colours, words in common and
#   random weights; the controls are themselves above chance.
# - Across modalities there is nothing to compare, at the original widths or at forced ones.
#
# ## What would prove us wrong
#
# If random weights did as well as the trained ones, the neighbours would come from the architecture and the
# pixels, not from training. If a cut, or any map made *without* captioned pictures, found captions well above
# chance, then the two spaces would share axes after all. Both would show in the numbers above.
#
# ## Where next
#
# A map made *with* captioned pictures is another matter. [02 · Anchors](02_anchors.ipynb) asks whether pictures
# that are similar have captions that are similar, which is all that ASIF needs.

# %% [markdown] tags=["teacher"]
# ### Timing
#
# - **50 minutes.** Identity and preprocessing 10 (exercise 01.1 together), cosines and neighbours 15 (01.2 in class, in
#   pairs), the controls 10 (predict aloud, then run), across the two 10, questions 5. Home: 01.3, 01.4.
# - **90 minutes.** As above, with 01.3 and 01.5 in class and “What an encoder minds” as a bet: each table names the
#   change that moves the embedding most before the cell runs. Home: 01.4, and 01.6 as a small contest: who moves
#   the pixels furthest at a cosine of 0.95?
#
# ### What students get wrong
#
# - *Normalising columns.* They write `z / z.norm(dim=0)` and the shapes fit, so nothing warns them. Ask: what is one
#   row? One picture. So whose length do you want?
# - *Broadcasting by luck.* `pictures - mean` fails for most sizes and works when the width happens to be 3. Ask for the
#   two shapes, written one below the other, from the right.
# - *Dropping the first neighbour.* “The first is always the row itself” is true until two pictures are the same. Ask
#   what happens with duplicates, which real data always has.
# - *Chance as one over the number of groups.* Groups differ in size. Have them compute it for two groups of 1 and 9.
# - *“The cosine is 0.8, so they are similar.”* Cosines of one encoder are only comparable with cosines of the same
#   encoder, and often only within a row. Compare two rows of the figure.
#
# ### Discussion
#
# 1. The random network is clearly above chance. Does it “know” something?
#
#    > **Answer.** It passes on what is in the pixels: colours, amount of white, coarse shape. That is information about
#    > the group, but nothing that training put there. Whoever reports only the trained number claims it all.
#
# 2. Two laboratories use “the same” encoder, and one resizes pictures with another filter. What can go wrong?
#
#    > **Answer.** The embeddings differ a little, nothing raises an error, and a bank of one is compared with queries of
#    > the other. That is why preprocessing belongs to the identity.
#
# 3. Could a clever rotation line up the two spaces without any captioned pair?
#
#    > **Answer.** Perhaps partly: research on unsupervised alignment tries to match the shapes of two clouds. But among
#    > random maps some are better by luck, and without pairs nobody can tell which. A few hundred pairs decide it.
#
# 4. Is an encoder that ignores mirror images better?
#
#    > **Answer.** For naming animals, yes. For reading text, or telling a left hand from a right one, no. What an encoder
#    > overlooks is a choice that somebody made in its training.
