"""A plugin with a dataset of breakable images, cheap backbones and recording aggregators."""

TOYS = """
    import os
    from pathlib import Path
    import numpy as np
    from PIL import Image
    from stackkit.api import *

    @hookimpl
    def stackkit_datasets():
        return [DatasetSpec(name="flaky", summary="", factory="toyland:Flaky")]

    @hookimpl
    def stackkit_backbones():
        number = Option(name="number", default=0, help="")
        toy = BackboneSpec(name="toy", summary="", factory="toyland:Toy", options=(number,))
        return [toy, BackboneSpec(name="flat", summary="", factory="toyland:Flat")]

    @hookimpl
    def stackkit_aggregators():
        witness = AggregatorSpec(name="witness", summary="", factory="toyland:Witness")
        return [witness, AggregatorSpec(name="unlucky", summary="", factory="toyland:Unlucky")]

    class Flaky:
        \"\"\"36 images of three classes; those listed in the variable BROKEN cannot be decoded.\"\"\"
        classes, notes = ("a", "b", "c"), ()
        samples = [Sample(id=f"s{i:02}", label=i % 3) for i in range(36)]

        def image(self, i):
            if str(i) in os.environ.get("BROKEN", "").split():
                raise OSError("gone bad")
            noise = np.random.default_rng(i).integers(0, 200, (8, 8, 3))
            noise[..., i % 3] += 20
            return Image.fromarray(noise.astype(np.uint8))

        def fingerprint(self, i):
            return f"flaky{i}"

    class Toy:
        image_size, feature_dim, trained = 8, 6, True

        def __init__(self, number=0):
            self.revision = str(number)
            mix = np.random.default_rng(number).integers(-8, 9, (192, 6))  # exact sums
            self.mix = mix.astype(np.float32) / 2**12

        def extract(self, images):
            return images.reshape(len(images), -1).astype(np.float32) @ self.mix

    class Flat:
        image_size, feature_dim, revision, trained = 8, 4, "1", True

        def extract(self, images):
            return np.full((len(images), 4), 0.5, np.float32)

    class Witness:
        \"\"\"Saves what it receives in the folder of the variable WITNESS.\"\"\"
        fit_on = "out-of-fold"

        def fit(self, probabilities, labels):
            self.known, self.labels = probabilities, labels

        def predict(self, probabilities):
            folder = Path(os.environ["WITNESS"])
            number = len(list(folder.iterdir()))
            np.savez(folder / f"{number}.npz", known=self.known, labels=self.labels, new=probabilities)
            return probabilities.mean(axis=0).argmax(axis=1)

    class Unlucky(Witness):
        def fit(self, probabilities, labels):
            raise ValueError("out of luck")
"""
