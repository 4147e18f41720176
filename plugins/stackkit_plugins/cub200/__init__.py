"""Dataset: Caltech-UCSD Birds-200-2011, 200 species in 11,788 photographs with an official split."""

from stackkit.api import DatasetSpec, Option, hookimpl, limit_option

_URL = "https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz?download=1"
_MD5 = "97eceeb196236b17998738112f37df78"


@hookimpl
def stackkit_datasets() -> list[DatasetSpec]:
    """Offer `cub200`."""
    return [
        DatasetSpec(
            name="cub200",
            summary="Caltech-UCSD Birds-200-2011: 200 species, 11,788 photographs, official split",
            factory="stackkit_plugins.cub200.dataset:cub200",
            unavailable_reason="stackkit_plugins.cub200.dataset:unavailable_reason",
            fetch="stackkit_plugins.cub200.fetch:fetch",
            options=(
                Option(
                    name="root",
                    default=None,
                    type=str,
                    help="the unpacked CUB_200_2011 folder or URL; default: that of `stackkit fetch`",
                ),
                limit_option(),
                Option(name="url", default=_URL, help="URL that `stackkit fetch` downloads"),
                Option(name="md5", default=_MD5, help="expected MD5 of the archive"),
            ),
        )
    ]
