"""Sentence encoders that need no sentence-transformers: a BERT or MPNet, and the mean over its tokens.

Both text encoders of the profiles are built this way. sentence-transformers takes about three seconds to import, and
gives the same embeddings, bit for bit. The encoder that this library ships does not wait for `transformers` either.
"""

import functools
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch.nn import Embedding, LayerNorm, Linear, ModuleDict, ModuleList

from asif_lib.files import read_json

_MODELS = ("bert", "mpnet")
_ANY = ("max_seq_length", "embedding_dimension", "word_embedding_dimension", "include_prompt")
_ANY += ("__version__", "model_type", "prompts", "similarity_fn_name")
"""Settings whose value is read here, or changes no embedding."""
_EXPECTED = {
    "pooling_mode": "mean",
    "pooling_mode_mean_tokens": True,
    "transformer_task": "feature-extraction",
    "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
    "module_output_name": "token_embeddings",
}
"""The values of a mean over tokens; any other setting must be off."""


def is_mean_of_tokens(folder) -> bool:
    """Whether a sentence-transformers folder holds what `MeanOfTokens` computes, and nothing else.

    That is a BERT or MPNet, pooling by the mean and, perhaps, a normalisation, without a default prompt. A folder
    with any other setting, or a damaged one, is left to sentence-transformers.
    """
    folder = Path(folder)
    try:
        layers = read_json(folder / "modules.json", list[dict])
        names = [layer["type"].rpartition(".")[2] for layer in layers]
        model = _settings(folder / "config.json")
        beside = "sentence_bert_config.json", "config_sentence_transformers.json"
        others = [_settings(folder / name) for name in beside]
        pooling = _settings(folder / layers[1]["path"] / "config.json")
        return (
            names in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])
            and layers[0]["path"] == ""
            and not any((folder / layer["path"] / "config.json").exists() for layer in layers[2:])
            and model["model_type"] in _MODELS
            and "auto_map" not in model
            and not (folder / "adapter_config.json").exists()
            and ("pooling_mode" in pooling or pooling.get("pooling_mode_mean_tokens"))
            and all(map(_is_usual, (*others, pooling)))
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return False


def _settings(file):
    return read_json(file, dict) if file.exists() else {}


def _is_usual(settings):
    return all(key in _ANY or value in (_EXPECTED.get(key), None, False) for key, value in settings.items())


class Transformer(torch.nn.Module):
    """A transformer and its tokenizer: features of tokens in, ``token_embeddings`` (b, t, dim) added."""

    def __init__(self, folder, max_seq_length, shipped):
        super().__init__()
        self.folder, self.max_seq_length = folder, max_seq_length
        if shipped:
            self.model, self.features = Bert(folder), token_features(folder, max_seq_length)
            return
        from transformers import AutoModel

        self.model, loaded = AutoModel.from_pretrained(folder, use_safetensors=True, output_loading_info=True)
        if lacking := [key for key in sorted(loaded["missing_keys"]) if not key.startswith("pooler.")]:
            raise ValueError(f"its weights lack {lacking[0]}")
        if max_seq_length is None:
            positions = self.model.config.max_position_embeddings
            self.max_seq_length = min(self.tokenizer.model_max_length, positions)
            self.tokenizer.model_max_length = self.max_seq_length
        options = {"padding": True, "truncation": "longest_first", "return_tensors": "pt"}
        self.features = functools.partial(self.tokenizer, **options)

    @functools.cached_property
    def tokenizer(self):
        """The tokenizer of `transformers`."""
        from transformers import AutoTokenizer

        limit = {} if self.max_seq_length is None else {"model_max_length": self.max_seq_length}
        return AutoTokenizer.from_pretrained(self.folder, **limit)

    def forward(self, features):
        """Return the features with the embeddings of the tokens."""
        return {**features, "token_embeddings": self.model(**features)[0]}


class Pooling(torch.nn.Module):
    """The mean over the tokens of a sentence, without padding: ``sentence_embedding`` (b, dim) added."""

    def forward(self, features):
        tokens = features["token_embeddings"]
        mask = features["attention_mask"].unsqueeze(-1).to(tokens.dtype)
        wide = torch.promote_types(tokens.dtype, torch.float32)
        mean = (tokens * mask).sum(dim=1, dtype=wide) / mask.sum(dim=1, dtype=wide).clamp(min=1e-9)
        return {**features, "sentence_embedding": mean.to(tokens.dtype)}


class Normalize(torch.nn.Module):
    """Sentence embeddings brought to unit length."""

    def forward(self, features):
        return {**features, "sentence_embedding": F.normalize(features["sentence_embedding"], dim=-1)}


class MeanOfTokens(torch.nn.Sequential):
    """A sentence encoder with the layers, the tokenizer and the limit that `SentenceTransformer` would give it.

    Parameters
    ----------
    folder : path
        For which `is_mean_of_tokens` holds.
    shipped : bool
        Whether it is the folder of the package with all-MiniLM-L6-v2, as published.
    """

    def __init__(self, folder, shipped=False):
        layers = read_json(Path(folder) / "modules.json", list[dict])
        max_seq_length = _settings(Path(folder) / "sentence_bert_config.json").get("max_seq_length")
        ends = [Normalize()] if len(layers) == 3 else []
        super().__init__(Transformer(folder, max_seq_length, shipped), Pooling(), *ends)
        self.max_seq_length = self[0].max_seq_length  # tokens that are read; the rest of a text is cut

    @property
    def tokenizer(self):
        """The tokenizer of the transformer."""
        return self[0].tokenizer

    @torch.inference_mode()
    def encode(self, texts) -> torch.Tensor:
        """Return the (n, dim) embeddings of n strings, computed as one batch."""
        device = next(self.parameters()).device
        features = {name: tensor.to(device) for name, tensor in self[0].features(list(texts)).items()}
        return self(features)["sentence_embedding"]


# -- BERT without `transformers`, which takes seconds to import; the token embeddings are the same bits ----------


class Undrawn(Linear):
    """A linear layer whose weights are loaded, and so not drawn at random before."""

    def reset_parameters(self):
        """Do nothing."""


class Layer(torch.nn.Module):
    """Attention and two linear layers, each with a sum and a norm after it, under the names in the file."""

    def __init__(self, dim, wide, heads, eps):
        super().__init__()
        self.heads = heads
        looks = ModuleDict({name: Undrawn(dim, dim) for name in ("query", "key", "value")})
        self.attention = ModuleDict({"self": looks, "output": _sum_and_norm(dim, dim, eps)})
        self.intermediate = ModuleDict({"dense": Undrawn(dim, wide)})
        self.output = _sum_and_norm(wide, dim, eps)

    def forward(self, x, mask):
        """Return (b, t, dim) features of x (b, t, dim); the mask is (b, 1, 1, t), or None without padding."""
        query, key, value = (
            look(x).view(*x.shape[:2], self.heads, -1).transpose(1, 2) for look in self.attention["self"].values()
        )
        seen = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        x = _add(self.attention["output"], seen.transpose(1, 2).reshape(x.shape), x)
        return _add(self.output, F.gelu(self.intermediate["dense"](x)), x)


def _sum_and_norm(dim_in, dim_out, eps):
    return ModuleDict({"dense": Undrawn(dim_in, dim_out), "LayerNorm": LayerNorm(dim_out, eps)})


def _add(parts, new, x):
    return parts["LayerNorm"](parts["dense"](new) + x)


class Bert(torch.nn.Module):
    """The model in a folder with ``config.json`` and ``model.safetensors``: features of tokens in, embeddings out."""

    def __init__(self, folder):
        super().__init__()
        config = read_json(Path(folder) / "config.json", dict)
        weights = load_file(Path(folder) / "model.safetensors")
        dim, eps = config["hidden_size"], config["layer_norm_eps"]
        names = [f"{kind}_embeddings" for kind in ("word", "position", "token_type")]
        tables = {name: Embedding.from_pretrained(weights[f"embeddings.{name}.weight"]) for name in names}
        self.embeddings = ModuleDict({**tables, "LayerNorm": LayerNorm(dim, eps)})
        sizes = dim, config["intermediate_size"], config["num_attention_heads"], eps
        self.encoder = ModuleDict({"layer": ModuleList(Layer(*sizes) for _ in range(config["num_hidden_layers"]))})
        self.load_state_dict({name: weights[name] for name in self.state_dict()}, assign=True)

    def forward(self, input_ids, token_type_ids, attention_mask):
        """Return a tuple of one (b, t, dim) tensor: the embeddings of t tokens in each of b texts.

        Parameters
        ----------
        input_ids, token_type_ids, attention_mask : Tensor of shape (b, t)
        """
        words, positions, types, norm = self.embeddings.values()
        x = norm(words(input_ids) + types(token_type_ids) + positions.weight[: input_ids.shape[1]])
        mask = None if attention_mask.all() else attention_mask.bool()[:, None, None, :]
        for layer in self.encoder["layer"]:
            x = layer(x, mask)
        return (x,)


def token_features(folder, limit):
    """Return a function from n strings to the (n, t) tensors that a `Bert` takes; tokens after the limit are cut."""
    pad = read_json(Path(folder) / "tokenizer_config.json", dict)["pad_token"]
    tokenizer = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
    tokenizer.enable_truncation(limit)
    tokenizer.enable_padding(pad_id=tokenizer.token_to_id(pad), pad_token=pad)
    names = {"input_ids": "ids", "token_type_ids": "type_ids", "attention_mask": "attention_mask"}

    def features(texts):
        tokens = tokenizer.encode_batch(texts)
        return {name: torch.tensor([getattr(each, key) for each in tokens]) for name, key in names.items()}

    return features
