"""Which feature maps of a model are useful besides the last one, and their channels.

There are two per model: the last ones at 1/8 and at 1/16 of the image's size, more or less, where
everything that the network computes passes through one layer. The names are those of Keras 3.
ConvNeXt has no layer with a name at these places.
"""

from __future__ import annotations

from stackkit_plugins.keras_applications.models import Model

_LAYERS: dict[str, dict[str, int]] = {
    "vgg16": {"block4_conv3": 512, "block5_conv3": 512},
    "vgg19": {"block4_conv4": 512, "block5_conv4": 512},
    "resnet50": {"conv3_block4_out": 512, "conv4_block6_out": 1024},
    "resnet101": {"conv3_block4_out": 512, "conv4_block23_out": 1024},
    "resnet152": {"conv3_block8_out": 512, "conv4_block36_out": 1024},
    "resnet50-v2": {"conv3_block4_preact_relu": 512, "conv4_block6_preact_relu": 1024},
    "resnet101-v2": {"conv3_block4_preact_relu": 512, "conv4_block23_preact_relu": 1024},
    "resnet152-v2": {"conv3_block8_preact_relu": 512, "conv4_block36_preact_relu": 1024},
    "inception-v3": {"mixed2": 288, "mixed7": 768},
    "inception-resnet-v2": {"block35_10_ac": 320, "block17_20_ac": 1088},
    "xception": {"block4_sepconv1_act": 256, "block13_sepconv1_act": 728},
    "densenet121": {"pool3_relu": 512, "pool4_relu": 1024},
    "densenet169": {"pool3_relu": 512, "pool4_relu": 1280},
    "densenet201": {"pool3_relu": 512, "pool4_relu": 1792},
    "mobilenet": {"conv_pw_5_relu": 256, "conv_pw_11_relu": 512},
    "mobilenet-v2": {"block_5_add": 32, "block_12_add": 96},
    "mobilenet-v3-small": {"expanded_conv_2_add": 24, "expanded_conv_7_add": 48},
    "mobilenet-v3-large": {"expanded_conv_5_add": 40, "expanded_conv_11_add": 112},
    "nasnet-mobile": {"normal_concat_3": 264, "normal_concat_8": 528},
    "nasnet-large": {"normal_concat_5": 1008, "normal_concat_12": 2016},
    "efficientnet-b0": {"block3b_add": 40, "block5c_add": 112},
    "efficientnet-b1": {"block3c_add": 40, "block5d_add": 112},
    "efficientnet-b2": {"block3c_add": 48, "block5d_add": 120},
    "efficientnet-b3": {"block3c_add": 48, "block5e_add": 136},
    "efficientnet-b4": {"block3d_add": 56, "block5f_add": 160},
    "efficientnet-b5": {"block3e_add": 64, "block5g_add": 176},
    "efficientnet-b6": {"block3f_add": 72, "block5h_add": 200},
    "efficientnet-b7": {"block3g_add": 80, "block5j_add": 224},
    "efficientnetv2-b0": {"block3b_add": 48, "block5e_add": 112},
    "efficientnetv2-b1": {"block3c_add": 48, "block5f_add": 112},
    "efficientnetv2-b2": {"block3c_add": 56, "block5f_add": 120},
    "efficientnetv2-b3": {"block3c_add": 56, "block5g_add": 136},
    "efficientnetv2-s": {"block3d_add": 64, "block5i_add": 160},
    "efficientnetv2-m": {"block3e_add": 80, "block5n_add": 176},
    "efficientnetv2-l": {"block3g_add": 96, "block5s_add": 224},
}


def layer_names(model: Model) -> tuple[str, ...]:
    """Return the names of useful layers of a model, in the order of the network; () if it has none."""
    return tuple(_LAYERS.get(model.name, {}))


def layer_channels(model: Model, layer: str, alpha: float = 1.0) -> int:
    """Return the channels of one of `layer_names`, for one of the model's width multipliers."""
    channels = _LAYERS[model.name][layer]
    if not model.alphas:
        return channels
    # The rule of the MobileNets: the nearest multiple of 8, upwards if rounding removes more than 10 %.
    scaled = channels * alpha
    nearest = max(8, int(scaled + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * scaled else nearest
