"""A table of all models of keras.applications: what must be known before Keras is imported."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One architecture.

    Attributes
    ----------
    name : str
        Name of the backbone.
    function : str
        Name in keras.applications.
    module : str
        Submodule of keras.applications with its `preprocess_input`.
    size : int
        Default side of the images in pixels.
    widths : tuple of (float, int)
        Number of features for each width multiplier alpha; one entry for 1.0 if there is no such
        option.
    file : str
        Name of the ImageNet weights without the classifier. A template over `alpha` and `rows`,
        where `rows` is the size if it is one of `trained_sizes`, else 224.
    smallest : int
        Minimum side of the images that Keras accepts, in pixels.
    trained_sizes : tuple of int
        Sizes that have ImageNet weights of their own.
    top_layers : int
        Number of further layers with weights in a file that includes the classifier.
    scales_imagenet : bool
        Whether Keras adds a scaling of the input for ``weights="imagenet"`` alone.

    """

    name: str
    function: str
    module: str
    size: int
    widths: tuple[tuple[float, int], ...]
    file: str
    smallest: int = 32
    trained_sizes: tuple[int, ...] = ()
    top_layers: int = 1
    scales_imagenet: bool = False

    @property
    def alphas(self) -> tuple[float, ...]:
        """Width multipliers with ImageNet weights; empty if the model has no such option."""
        return tuple(alpha for alpha, _ in self.widths) if len(self.widths) > 1 else ()

    def width(self, alpha: float = 1.0) -> int:
        """Return the number of features for one of `alphas`."""
        return dict(self.widths)[alpha]

    def megabytes(self, alpha: float = 1.0) -> float:
        """Return the approximate size of the ImageNet weights file in MB."""
        return _MEGABYTES[self.name][[known for known, _ in self.widths].index(alpha)]

    def weights_file(self, *, size: int, alpha: float = 1.0) -> str:
        """Return the name of the ImageNet weights file that Keras asks for."""
        rows = size if size in self.trained_sizes else 224
        return self.file.format(alpha=_alpha_text(self.module, alpha), rows=rows)


def _alpha_text(module: str, alpha: float) -> str:
    if module != "mobilenet":
        return str(float(alpha))
    return {1.0: "1_0", 0.75: "7_5", 0.5: "5_0", 0.25: "2_5"}.get(alpha, "")  # MobileNet's own notation


_TF_KERNELS = "_weights_tf_dim_ordering_tf_kernels_notop.h5"


def _model(
    name: str, function: str, size: int, width: int, file: str, *, module: str = "", smallest: int = 32
) -> Model:
    return Model(
        name=name,
        function=function,
        module=module or name.replace("-", "_"),
        size=size,
        widths=((1.0, width),),
        file=file,
        smallest=smallest,
        top_layers=3 if function.startswith("VGG") else 1,
        scales_imagenet=module == "efficientnet",
    )


def _convnext(variant: str, width: int) -> Model:
    file = f"convnext_{variant.lower()}_notop.h5"
    name = f"convnext-{variant.lower()}"
    return _model(name, f"ConvNeXt{variant}", 224, width, file, module="convnext")


def _efficientnet(variant: str, size: int, width: int) -> Model:
    name = f"efficientnet-{variant.lower()}"
    file = f"efficientnet{variant.lower()}_notop.h5"
    return _model(name, f"EfficientNet{variant}", size, width, file, module="efficientnet")


def _efficientnet_v2(variant: str, size: int, width: int) -> Model:
    name = f"efficientnetv2-{variant.lower()}"
    file = f"{name}_notop.h5"
    return _model(name, f"EfficientNetV2{variant}", size, width, file, module="efficientnet_v2")


def _densenet(layers: int, width: int) -> Model:
    name = f"densenet{layers}"
    return _model(name, f"DenseNet{layers}", 224, width, name + _TF_KERNELS, module="densenet")


def _resnet(layers: int, size: int = 224) -> Model:
    name = f"resnet{layers}"
    return _model(name, f"ResNet{layers}", size, 2048, name + _TF_KERNELS, module="resnet")


def _resnet_v2(layers: int) -> Model:
    name = f"resnet{layers}-v2"
    file = f"resnet{layers}v2{_TF_KERNELS}"
    return _model(name, f"ResNet{layers}V2", 224, 2048, file, module="resnet_v2")


def _vgg(layers: int, size: int) -> Model:
    name = f"vgg{layers}"
    return _model(name, f"VGG{layers}", size, 512, name + _TF_KERNELS)


MODELS: tuple[Model, ...] = (
    # 244 instead of the native 224: the published recipe's size for VGG19 and ResNet50.
    _vgg(16, size=224),
    _vgg(19, size=244),
    _resnet(50, size=244),
    _resnet(101),
    _resnet(152),
    _resnet_v2(50),
    _resnet_v2(101),
    _resnet_v2(152),
    _model("inception-v3", "InceptionV3", 299, 2048, "inception_v3" + _TF_KERNELS, smallest=75),
    _model(
        "inception-resnet-v2",
        "InceptionResNetV2",
        299,
        1536,
        "inception_resnet_v2" + _TF_KERNELS,
        smallest=75,
    ),
    _model("xception", "Xception", 299, 2048, "xception" + _TF_KERNELS, smallest=71),
    _densenet(121, 1024),
    _densenet(169, 1664),
    _densenet(201, 1920),
    Model(
        name="mobilenet",
        function="MobileNet",
        module="mobilenet",
        size=224,
        widths=((0.25, 256), (0.5, 512), (0.75, 768), (1.0, 1024)),
        file="mobilenet_{alpha}_{rows}_tf_no_top.h5",
        trained_sizes=(128, 160, 192, 224),
    ),
    Model(
        name="mobilenet-v2",
        function="MobileNetV2",
        module="mobilenet_v2",
        size=224,
        widths=((0.35, 1280), (0.5, 1280), (0.75, 1280), (1.0, 1280), (1.3, 1664), (1.4, 1792)),
        file="mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{alpha}_{rows}_no_top.h5",
        trained_sizes=(96, 128, 160, 192, 224),
    ),
    Model(
        name="mobilenet-v3-small",
        function="MobileNetV3Small",
        module="mobilenet_v3",
        size=224,
        widths=((0.75, 432), (1.0, 576)),
        file="weights_mobilenet_v3_small_224_{alpha}_float_no_top_v2.h5",
        top_layers=2,
    ),
    Model(
        name="mobilenet-v3-large",
        function="MobileNetV3Large",
        module="mobilenet_v3",
        size=224,
        widths=((0.75, 720), (1.0, 960)),
        file="weights_mobilenet_v3_large_224_{alpha}_float_no_top_v2.h5",
        top_layers=2,
    ),
    _model("nasnet-mobile", "NASNetMobile", 224, 1056, "nasnet_mobile_no_top.h5", module="nasnet"),
    _model("nasnet-large", "NASNetLarge", 331, 4032, "nasnet_large_no_top.h5", module="nasnet"),
    _efficientnet("B0", 224, 1280),
    _efficientnet("B1", 240, 1280),
    _efficientnet("B2", 260, 1408),
    _efficientnet("B3", 300, 1536),
    _efficientnet("B4", 380, 1792),
    _efficientnet("B5", 456, 2048),
    _efficientnet("B6", 528, 2304),
    _efficientnet("B7", 600, 2560),
    _efficientnet_v2("B0", 224, 1280),
    _efficientnet_v2("B1", 240, 1280),
    _efficientnet_v2("B2", 260, 1408),
    _efficientnet_v2("B3", 300, 1536),
    _efficientnet_v2("S", 384, 1280),
    _efficientnet_v2("M", 480, 1280),
    _efficientnet_v2("L", 480, 1280),
    _convnext("Tiny", 768),
    _convnext("Small", 768),
    _convnext("Base", 1024),
    _convnext("Large", 1536),
    _convnext("XLarge", 2048),
)

_MEGABYTES: dict[str, tuple[float, ...]] = {
    "vgg16": (59,),
    "vgg19": (80,),
    "resnet50": (94,),
    "resnet101": (171,),
    "resnet152": (233,),
    "resnet50-v2": (94,),
    "resnet101-v2": (171,),
    "resnet152-v2": (233,),
    "inception-v3": (87,),
    "inception-resnet-v2": (217,),
    "xception": (83,),
    "densenet121": (28,),
    "densenet169": (51,),
    "densenet201": (73,),
    "mobilenet": (0.9, 3.3, 7.3, 13),
    "mobilenet-v2": (1.6, 2.8, 5.5, 9.0, 15, 17),
    "mobilenet-v3-small": (2.3, 3.8),
    "mobilenet-v3-large": (7.2, 12),
    "nasnet-mobile": (17,),
    "nasnet-large": (340,),
    "efficientnet-b0": (16,),
    "efficientnet-b1": (26,),
    "efficientnet-b2": (31,),
    "efficientnet-b3": (43,),
    "efficientnet-b4": (71,),
    "efficientnet-b5": (114,),
    "efficientnet-b6": (164,),
    "efficientnet-b7": (256,),
    "efficientnetv2-b0": (24,),
    "efficientnetv2-b1": (28,),
    "efficientnetv2-b2": (35,),
    "efficientnetv2-b3": (52,),
    "efficientnetv2-s": (81,),
    "efficientnetv2-m": (213,),
    "efficientnetv2-l": (471,),
    "convnext-tiny": (111,),
    "convnext-small": (198,),
    "convnext-base": (350,),
    "convnext-large": (785,),
    "convnext-xlarge": (1393,),
}
"""Four bytes per parameter without the classifier, for each of a model's widths."""
