"""Each promise of a backbone is broken by a toy that this check, and no other, finds."""

import pytest

from stackkit.testing.checks import backbone

BROKEN = {
    "members": """
        class Made(Sound):
            trained = None
    """,
    "feature-width": """
        class Made(Sound):
            def extract(self, images):
                return super().extract(images).astype(np.float64)
    """,
    "images-untouched": """
        class Made(Sound):
            def extract(self, images):
                features = super().extract(images)
                images //= 2
                return features
    """,
    "row-independence": """
        class Made(Sound):
            def extract(self, images):  # batch normalisation in training mode
                features = super().extract(images)
                return (features - features.mean(axis=0)) / np.sqrt(features.var(axis=0) + 1e-3)
    """,
    "batch-size-invariance": """
        class Made(Sound):
            def extract(self, images):
                return super().extract(images) + np.float32(len(images) / 100)
    """,
    "repeatability": """
        class Made(Sound):
            def extract(self, images):  # dropout that was left on
                features = super().extract(images)
                return features * np.random.default_rng().integers(0, 2, features.shape, dtype=np.uint8)
    """,
    "repeatability-across-processes": """
        import os

        class Made(Sound):
            def extract(self, images):
                return super().extract(images) * np.float32(os.getpid())
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
    "finite-features": """
        class Made(Sound):
            def extract(self, images):
                spread = images.reshape(len(images), -1).std(axis=1, keepdims=True)
                return super().extract(images) / np.float32(spread)
    """,
    "thread-safety": """
        import time

        class Made(Sound):
            def extract(self, images):
                self.buffer = super().extract(images)
                time.sleep(0.02)
                return self.buffer
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


def test_a_sound_backbone_breaks_nothing(toy, broken):
    toy("backbone")
    assert broken() == {}


def test_every_promise_has_its_toy():
    assert list(BROKEN) == [promise.name for promise in backbone.PROMISES]


@pytest.mark.parametrize("promise", BROKEN)
def test_only_the_broken_promise_is_found(toy, broken, promise):
    toy("backbone", BROKEN[promise])
    assert list(broken()) == [promise]


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
    ],
    ids=["of another object", "of another call"],
)
def test_features_that_differ_are_a_matter_of_repeatability_alone(toy, broken, code):
    toy("backbone", code)
    assert list(broken()) == ["repeatability"]


@pytest.mark.parametrize(
    ("body", "promise", "found"),
    [
        ("raise KeyError('w')", "feature-width", "extract raised KeyError: 'w'"),
        ("pass", "feature-width", "extract returns NoneType, not an array"),
        ("return [[1.0] * 4] * len(images)", "feature-width", "extract returns list, not an array"),
        (
            "return super().extract(images) * np.float32('nan')",
            "finite-features",
            "not finite for a ramp, black, noise",
        ),
    ],
)
def test_one_fault_is_told_once_and_what_builds_on_it_is_skipped(toy, broken, body, promise, found):
    toy("backbone", f"class Made(Sound):\n    def extract(self, images):\n        {body}\n")
    assert list(broken()) == [promise]
    assert found in broken()[promise]


def test_every_member_that_is_wrong_is_named(toy, broken):
    toy(
        "backbone",
        """
        class Made(Sound):
            image_size = property()
            feature_dim, trained = "4", "no"

            @property
            def revision(self):
                return {}["weights"]

            @revision.setter
            def revision(self, text):
                pass
    """,
    )
    found = broken()
    assert list(found) == ["members"]
    for words in (
        "image_size",
        "feature_dim is '4': a whole number above 0 is wanted",
        "reading revision raises KeyError",
        "trained is 'no': True or False is wanted",
    ):
        assert words in found["members"]


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
        ('f"toy-{seed}-{pooling}"', "toy and toy:signs=true give other features"),
        ('f"toy-{seed}-{signs}"', "toy and toy:pooling=min give other features"),
    ],
)
def test_any_choice_that_changes_features_must_change_the_revision(toy, broken, revision, found):
    toy("backbone", TWO_WAYS.replace("{revision}", revision), options=OPTIONS)
    assert list(broken()) == (["telling-revision"] if found else [])
    assert (found or "") in broken().get("telling-revision", "")


def test_a_device_that_rounds_otherwise_is_no_fault(toy, broken):
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
    assert broken() == {}


def test_an_image_of_the_authors_is_tried_too(toy, broken, bird_folder):
    """This toy fails on images whose middle is neither random, nor black, white or a ramp."""
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
    photograph = next(bird_folder.rglob("*.jpg"))
    assert (
        "features are not finite for an image of yours" in broken(images=[photograph])["finite-features"]
    )
