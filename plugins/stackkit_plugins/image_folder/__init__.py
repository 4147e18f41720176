"""Dataset: any folder of images with one subfolder per class."""

from stackkit.api import (
    DatasetSpec,
    Option,
    hookimpl,
    limit_option,
    min_per_class_option,
    pixel_options,
)


@hookimpl
def stackkit_datasets() -> list[DatasetSpec]:
    """Offer `image-folder`."""
    return [
        DatasetSpec(
            name="image-folder",
            summary="your images: one folder per class, optionally in train/, val/, test/",
            factory="stackkit_plugins.image_folder.dataset:image_folder",
            options=(
                Option(
                    name="root",
                    default=None,
                    type=str,
                    help="the folder or URL that contains the class folders (required)",
                ),
                Option(
                    name="layout",
                    default="auto",
                    choices=("auto", "classes", "splits"),
                    help="what the folders in root are; splits: read only train/, val/ and test/",
                ),
                Option(
                    name="group",
                    default=None,
                    type=str,
                    help="regular expression that finds the group (nest, video) in an image's path",
                ),
                min_per_class_option(),
                limit_option(),
                *pixel_options(),
            ),
        )
    ]
