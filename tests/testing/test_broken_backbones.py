"""Each check of a backbone finds a toy with one fault, and no other check does."""

import pytest

from stackkit.testing.checks import backbone

BROKEN = {
    "feature-width": """
        class Made(Sound):
            def extract(self, images):
                return super().extract(images).astype(np.float64)
    """,
    "row-independence": """
        class Made(Sound):
            def extract(self, images):  # batch normalisation in training mode
                features = super().extract(images)
                return (features - features.mean(axis=0)) / np.sqrt(features.var(axis=0) + 1e-3)
    """,
    "repeatability": """
        class Made(Sound):
            def extract(self, images):  # dropout that was left on
                features = super().extract(images)
                return features * np.random.default_rng().integers(0, 2, features.shape, dtype=np.uint8)
    """,
    "stable-revision": """
        import os

        class Made(Sound):
            def __init__(self, *, seed):
                super().__init__(seed=seed)
                self.revision = f"toy-seed{seed}-{os.getpid()}"
    """,
    "telling-revision": """
        class Made(Sound):
            def __init__(self, *, seed):
                super().__init__(seed=seed)
                self.revision = "toy"
    """,
    "portable-weights": """
        from pathlib import Path

        class Made(Sound):
            trained, weights_file = True, Path(__file__)

            def __init__(self, *, seed, weights_file=None):
                super().__init__(seed=seed)  # the copy is not read
    """,
    "finite-features": """
        class Made(Sound):
            def extract(self, images):
                spread = images.reshape(len(images), -1).std(axis=1, keepdims=True)
                return super().extract(images) / np.float32(spread)
    """,
    "readiness": """
        class Made(Sound):
            def prepare(self, probe, tell):
                self.weights = self.weights.astype(np.float16).astype(np.float32)
                return super().prepare(probe, tell)
    """,
    "runs": """
        class Made(Sound):
            def extract(self, images):
                if len(images) == 18:
                    raise RuntimeError("no batch of 18")
                return super().extract(images)
    """,
}

SPECS = {"portable-weights": {"weights_file": "True"}}


def test_a_sound_backbone_passes(toy, failed):
    toy("backbone")
    assert failed() == {}


def test_every_check_has_its_toy():
    assert set(BROKEN) == {check.name for check in backbone.CHECKS}


@pytest.mark.parametrize("check", BROKEN)
def test_only_the_faulty_property_is_found(toy, failed, check):
    toy("backbone", BROKEN[check], **SPECS.get(check, {}))
    assert list(failed()) == [check]


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("self.weights_file = weights_file or Path(__file__)", ""),
        ("self.weights_file = None", "weights_file is None, but trained is True"),
        ("self.weights_file = __file__", "weights_file is no path of a file"),
        (
            "self.weights_file = weights_file or Path(__file__); "
            "self.revision = str(self.weights_file.parent)",
            "with a copy of the file the revision is",
        ),
    ],
)
def test_weights_that_cannot_travel_are_found(toy, failed, body, found):
    code = f"""
        from pathlib import Path

        class Made(Sound):
            trained = True

            def __init__(self, *, seed, weights_file=None):
                super().__init__(seed=seed)
                {body}
    """
    toy("backbone", code, weights_file="True")
    assert found in failed().get("portable-weights", "none" if found else "")


@pytest.mark.parametrize(
    "code",
    [
        """
        class Made(Sound):
            made = 0

            def __init__(self, *, seed):
                super().__init__(seed=seed)
                Made.made += 1
                self.weights = self.weights + np.float32(Made.made > 1)
        """,
        """
        class Made(Sound):
            calls = 0

            def extract(self, images):
                self.calls += 1
                return super().extract(images) + np.float32(self.calls)
        """,
        """
        import os

        class Made(Sound):
            def extract(self, images):
                return super().extract(images) * np.float32(os.getpid())
        """,
    ],
    ids=["of another object", "of another call", "of another process"],
)
def test_features_that_differ_fail_repeatability_only(toy, failed, code):
    toy("backbone", code)
    assert list(failed()) == ["repeatability"]


@pytest.mark.parametrize(
    ("body", "check", "found"),
    [
        ("raise KeyError('w')", "feature-width", "extract raised KeyError: 'w'"),
        ("pass", "feature-width", "extract returns NoneType, not an array"),
        ("return [[1.0] * 4] * len(images)", "feature-width", "extract returns list, not an array"),
        ("images //= 2", "feature-width", "extract raised ValueError: output array is read-only"),
        (
            "images.flags.writeable = True; images[:] = 0; return super().extract(images)",
            "feature-width",
            "extract writes into the images it is given",
        ),
        (
            "return super().extract(images) * np.float32('nan')",
            "finite-features",
            "not finite for a ramp, black, noise",
        ),
        (
            "return super().extract(images) + np.float32(len(images) / 100)",
            "row-independence",
            "in a batch of 3 an image has other features than alone",
        ),
    ],
)
def test_one_fault_is_reported_once(toy, failed, body, check, found):
    toy("backbone", f"class Made(Sound):\n    def extract(self, images):\n        {body}\n")
    (fault,) = failed().items()
    assert fault[0] == check
    assert found in fault[1]


@pytest.mark.parametrize(
    ("member", "check", "found"),
    [
        ("image_size = property()", "feature-width", "AttributeError"),
        ("feature_dim = '4'", "feature-width", "expected features of shape (6, '4'), got (6, 4)"),
        ("trained = 'no'", "feature-width", "trained must be True or False, got 'no'"),
        ("revision = property(lambda self: 7, lambda self, text: None)", "stable-revision", "got 7"),
    ],
)
def test_members_must_be_there_and_have_the_right_type(toy, failed, member, check, found):
    toy("backbone", f"class Made(Sound):\n    {member}\n")
    (fault,) = failed().items()
    assert fault[0] == check
    assert found in fault[1]


TWO_WAYS = """
    class Made(Sound):
        def __init__(self, *, seed, signs, pooling):
            super().__init__(seed=seed)
            if pooling == "gem":
                raise ImportError("no gem here")
            self.signs, self.pooling = signs, pooling
            self.revision = {revision}

        def extract(self, images):
            features = super().extract(images)
            features = np.sign(features) if self.signs else features
            return -features if self.pooling == "min" else features
"""
OPTIONS = (
    "(Option(name='seed', default=0, help='of the weights'),"
    " Option(name='signs', default=False, help='keep nothing but signs'),"
    " Option(name='pooling', default='max', choices=('max', 'min', 'highest', 'gem'), help='how'))"
)


@pytest.mark.parametrize(
    ("revision", "found"),
    [
        ('f"toy-{seed}-{signs}-{pooling}"', None),
        ("f\"toy-{seed}-{signs}-{pooling == 'min'}\"", None),
        ('f"toy-{seed}-{pooling}"', "toy and toy:signs=true have other features"),
        ('f"toy-{seed}-{signs}"', "toy and toy:pooling=min have other features"),
    ],
)
def test_every_option_that_changes_features_must_change_the_revision(toy, failed, revision, found):
    toy("backbone", TWO_WAYS.replace("{revision}", revision), options=OPTIONS)
    assert list(failed()) == (["telling-revision"] if found else [])
    assert (found or "") in failed().get("telling-revision", "")


def test_a_device_that_rounds_differently_passes(toy, failed):
    """Features are shared between machines, and a GPU's differ in later digits."""
    code = """
        class Made(Sound):
            def __init__(self, *, seed, device):
                super().__init__(seed=seed)
                self.rounding = np.float32(1.01 if device == "gpu" else 1)

            def extract(self, images):
                return super().extract(images) * self.rounding
    """
    device = "Option(name='device', default='cpu', choices=('cpu', 'gpu'), help='where')"
    toy("backbone", code, options=f"(Option(name='seed', default=0, help='of the weights'), {device})")
    assert failed() == {}


def test_images_of_the_author_are_used_too(toy, failed, bird_folder):
    """This toy fails on images that are not noise, black, white or a ramp."""
    toy(
        "backbone",
        """
        class Made(Sound):
            def extract(self, images):
                features = super().extract(images)
                features[6:] = np.nan
                return features
    """,
    )
    found = failed(images=[next(bird_folder.rglob("*.jpg"))])
    assert "features are not finite for one of your images" in found["finite-features"]
