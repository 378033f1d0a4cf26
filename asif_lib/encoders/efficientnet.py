"""EfficientNet-Lite without timm, which takes seconds to import. The embeddings are the same bits.

Each batch norm is folded into the convolution before it, as in a `frozen_graph`. The order and the shapes of the
weights tell all but the strides.
"""

import torch
import torch.nn.functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights

STRIDES = (1, 2, 2, 2, 1, 2, 1)
"""Of the first block of each stage. A stage begins where the number of channels changes."""
NORM_EPS = 1e-3


class Convolution(torch.nn.Module):
    """A convolution and its batch norm. With a stride it pads as TensorFlow does: odd pixels go right and below."""

    def __init__(self, weight, norm, stride=1, activation=True):
        super().__init__()
        scale, shift, mean, variance = norm
        self.weight, self.bias = fuse_conv_bn_weights(weight, None, mean, variance, NORM_EPS, scale, shift)
        self.groups = len(weight) if weight.shape[1] == 1 else 1  # depthwise, or over all channels
        self.stride, self.activation = stride, activation

    def forward(self, x):
        """Return the (b, out, h / stride, w / stride) features of x (b, in, h, w)."""
        kernel, padding = self.weight.shape[-1], self.weight.shape[-1] // 2
        if self.stride > 1:
            height, width = (max((-(-n // self.stride) - 1) * self.stride + kernel - n, 0) for n in x.shape[2:])
            x = F.pad(x, (width // 2, width - width // 2, height // 2, height - height // 2))
            padding = 0
        x = F.conv2d(x, self.weight, self.bias, self.stride, padding, groups=self.groups)
        return F.relu6(x, inplace=True) if self.activation else x


class Residual(torch.nn.Sequential):
    """Layers whose input is added to their output."""

    def forward(self, x):
        """Return the sum, of the shape of x."""
        return super().forward(x) + x


class EfficientNetLite(torch.nn.Sequential):
    """The model from (b, 3, h, w) float32 pictures to (b, dim) embeddings.

    Parameters
    ----------
    weights : dict
        The state dict, in the order of the layers. Its names are not used; the classifier at its end is left out.
    config : dict
        timm's data config. As in a model of timm, it becomes the attribute `pretrained_cfg`.
    """

    def __init__(self, weights, config):
        tensors = [tensor for tensor in weights.values() if tensor.ndim]  # without the counts of batches
        layers = [(tensors[i], tensors[i + 1 : i + 5]) for i in range(0, len(tensors) - 2, 5)]
        parts, strides, channels = [Convolution(*layers[0], stride=2)], iter(STRIDES), len(layers[0][0])
        for i, (weight, norm) in enumerate(layers):
            if weight.shape[1] > 1:
                continue
            out = len(layers[i + 1][0])  # a depthwise convolution stands between one that widens and one that narrows
            stride = 1 if out == channels else next(strides)
            wide = [Convolution(*layers[i - 1])] if len(parts) > 1 else []
            block = [*wide, Convolution(weight, norm, stride), Convolution(*layers[i + 1], activation=False)]
            parts.append((Residual if out == channels else torch.nn.Sequential)(*block))
            channels = out
        super().__init__(*parts, Convolution(*layers[-1]), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
        self.pretrained_cfg, self.head_hidden_size = config, len(layers[-1][0])
