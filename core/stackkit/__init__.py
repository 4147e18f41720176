"""stackkit: stacked classifiers on frozen, pretrained vision networks."""

__version__ = "0.1.0"
