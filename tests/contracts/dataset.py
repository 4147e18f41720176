"""What every dataset plugin owes the host; each dataset's tests inherit this suite."""

import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import pytest

from stackkit.api import Dataset, DatasetSpec, OptionValue, UsageError

HEAVY = ("numpy", "PIL", "requests", "mlxtend", "h5py", "sklearn", "tensorflow")


def create(plugin: ModuleType, **given: OptionValue) -> Any:
    """The plugin's dataset as the host makes it: every declared option arrives as a keyword."""
    (spec,) = plugin.stackkit_datasets()
    defaults = {option.name: option.default for option in spec.options}
    assert given.keys() <= defaults.keys()
    return spec.load()(**{**defaults, **given})


class DatasetContract:
    """Inherit, name the plugin's module, and give the options that make a small dataset of it."""

    plugin: ModuleType

    @pytest.fixture
    def options(self) -> dict[str, OptionValue]:
        """The options every dataset of this suite is made with."""
        return {}

    @pytest.fixture
    def dataset(self, options: dict[str, OptionValue]) -> Dataset:
        return create(self.plugin, **options)

    @pytest.fixture
    def some(self, dataset: Dataset) -> list[int]:
        """A dozen sample numbers, spread over the dataset, the first and the last among them."""
        last = len(dataset.samples) - 1
        return sorted({round(last * step / 11) for step in range(12)})

    def test_the_plugin_offers_one_dataset_spec_with_a_summary(self):
        (spec,) = self.plugin.stackkit_datasets()
        assert isinstance(spec, DatasetSpec)
        assert spec.summary
        assert "limit" in {option.name for option in spec.options}

    def test_listing_the_plugin_imports_nothing_heavy(self):
        code = f"import sys, {self.plugin.__name__} as p; p.stackkit_datasets(); print(*sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert not set(HEAVY) & set(done.stdout.split())

    def test_classes_are_distinct_names_and_labels_index_them(self, dataset):
        assert len(set(dataset.classes)) == len(dataset.classes) >= 2
        assert all(type(name) is str and name for name in dataset.classes)
        assert all(type(sample.label) is int for sample in dataset.samples)
        assert {sample.label for sample in dataset.samples} <= set(range(len(dataset.classes)))

    def test_ids_are_unique_text_in_one_line(self, dataset):
        ids = [sample.id for sample in dataset.samples]
        assert len(set(ids)) == len(ids) > 0
        assert all(type(name) is str and name.isprintable() and name.encode() for name in ids)

    def test_splits_are_the_three_known_ones_or_none(self, dataset):
        assert {sample.split for sample in dataset.samples} <= {"train", "val", "test", None}

    def test_notes_are_single_lines(self, dataset):
        assert all(note and note.isprintable() for note in dataset.notes)

    def test_making_it_twice_gives_the_same_samples_and_fingerprints(self, dataset, options, some):
        again = create(self.plugin, **options)
        assert list(again.samples) == list(dataset.samples)
        assert list(again.classes) == list(dataset.classes)
        assert [again.fingerprint(i) for i in some] == [dataset.fingerprint(i) for i in some]

    def test_images_are_rgb_and_the_same_every_time(self, dataset, some):
        for i in some:
            image = dataset.image(i)
            assert image.mode == "RGB"
            assert min(image.size) > 0
            assert image.tobytes() == dataset.image(i).tobytes()

    def test_threads_read_the_same_images_as_one_alone(self, dataset, some):
        alone = [dataset.image(i).tobytes() for i in some]
        with ThreadPoolExecutor(4) as pool:
            together = pool.map(lambda i: dataset.image(i).tobytes(), some * 3)
        assert list(together) == alone * 3

    def test_fingerprints_are_short_ascii_and_differ_between_images(self, dataset, some):
        texts = [dataset.fingerprint(i) for i in some]
        assert all(text.isascii() and 0 < len(text) <= 64 for text in texts)
        assert len(set(texts)) == len({dataset.image(i).tobytes() for i in some})

    @pytest.mark.parametrize("limit", [1, 2, 1_000_000])
    def test_a_limit_keeps_at_most_that_many_per_class_in_order(self, dataset, options, limit):
        limited = create(self.plugin, **{**options, "limit": limit})
        assert list(limited.classes) == list(dataset.classes)
        kept = set(limited.samples)
        assert list(limited.samples) == [sample for sample in dataset.samples if sample in kept]
        whole = Counter(sample.label for sample in dataset.samples)
        wanted = {label: min(limit, count) for label, count in whole.items()}
        assert Counter(sample.label for sample in limited.samples) == wanted

    def test_a_limit_leaves_images_with_their_ids(self, dataset, options):
        limited = create(self.plugin, **{**options, "limit": 1})
        number = {sample.id: i for i, sample in enumerate(dataset.samples)}
        for i, sample in enumerate(limited.samples):
            assert limited.fingerprint(i) == dataset.fingerprint(number[sample.id])

    @pytest.mark.parametrize("limit", [0, -1])
    def test_a_limit_below_one_is_refused(self, options, limit):
        with pytest.raises(UsageError, match=f"limit={limit}"):
            create(self.plugin, **{**options, "limit": limit})
