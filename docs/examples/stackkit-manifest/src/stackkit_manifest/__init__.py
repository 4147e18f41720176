"""Declare the dataset `manifest`; dataset.py and table.py implement it."""

from stackkit.api import DatasetSpec, Option, hookimpl, limit_option


@hookimpl
def stackkit_datasets() -> list[DatasetSpec]:
    """Return the dataset `manifest`."""
    return [
        DatasetSpec(
            name="manifest",
            summary="images listed in a CSV table: path, label, optionally split and box",
            factory="stackkit_manifest.dataset:manifest",
            options=(
                Option(name="file", default=None, type=str, help="CSV or TSV file (required)"),
                Option(
                    name="root",
                    default=None,
                    type=str,
                    help="folder that paths are relative to; default: the folder of the table",
                ),
                Option(name="crop", default=False, help="crop every image to its box"),
                limit_option(),
            ),
        )
    ]
