"""BERT without `transformers`, which takes seconds to import. The token embeddings are the same bits."""

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch.nn import Embedding, LayerNorm, Linear, ModuleDict, ModuleList

from asif_lib.files import read_json


class Undrawn(Linear):
    """A linear layer whose weights are loaded, and so not drawn at random before."""

    def reset_parameters(self):
        """Do nothing."""


class Layer(torch.nn.Module):
    """Attention and two linear layers, each with a sum and a norm after it; the names are those of the weights."""

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
        """Return a tuple of one (b, t, dim) tensor: the embeddings of t tokens in each of b texts."""
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
