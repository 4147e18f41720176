"""Compare stackkit with timm on PyTorch, from a folder of images to features.

    python3 -m venv peer && peer/bin/pip install torch timm
    python benchmarks/peer.py --images ../shared/data/CUB_200_2011/images --python peer/bin/python

Both compute ResNet50 at 224 pixels with random weights (the arithmetic is the same as with trained
ones) on the same JPEG files: timm with a PyTorch DataLoader as in its documentation, stackkit with
`extract` after its engine trial. They take turns, each in a separate process. Times are those of
whole processes, including imports. Speed and memory are compared, not the features: details of the
architectures and the weights differ.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from extraction import Bench, run_process

PEER = """
import sys, timm, torch, numpy as np
from torch.utils.data import DataLoader, Dataset
from PIL import Image
from pathlib import Path

class Folder(Dataset):
    def __init__(self, root, transform):
        self.files, self.transform = sorted(Path(root).rglob("*.jpg")), transform
    def __len__(self): return len(self.files)
    def __getitem__(self, i):
        with Image.open(self.files[i]) as image:
            return self.transform(image.convert("RGB"))

model = timm.create_model("resnet50", pretrained=False, num_classes=0).eval()
config = timm.data.resolve_model_data_config(model)
transform = timm.data.create_transform(**config, is_training=False)
rows = []
with torch.inference_mode():
    for batch in DataLoader(Folder(sys.argv[1], transform), batch_size=32, num_workers=1):
        rows.append(model(batch).numpy())
np.save(sys.argv[2], np.concatenate(rows))
"""


def main() -> None:
    """Measure and print images per second, memory and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, required=True, help="folder with JPEG files")
    parser.add_argument("--python", type=Path, required=True, help="Python with timm and torch")
    parser.add_argument("--count", type=int, default=512, help="number of images")
    parser.add_argument("--rounds", type=int, default=3, help="number of runs of each")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stackkit-peer-") as name:
        scratch = Path(name)
        bench = Bench(scratch, options.images, "resnet50", "random,size=224")
        folder = bench.folder(options.count)
        script = scratch / "peer.py"
        script.write_text(PEER)
        bench.stackkit(folder, "auto")
        ours, theirs = [], []
        for _ in range(options.rounds):
            peer = [str(script), str(folder), str(scratch / "features.npy")]
            theirs.append(run_process(peer, python=str(options.python)))
            outcome = bench.stackkit(folder, "auto")
            ours.append((outcome.seconds, outcome.peak_bytes))
        for who, runs in (("timm", theirs), ("stackkit", ours)):
            rate = options.count / statistics.median(seconds for seconds, _ in runs)
            print(f"{who:<9} {rate:6.2f} images/s   {max(peak for _, peak in runs) / 1e9:.2f} GB")
        ratios = [them[0] / us[0] for them, us in zip(theirs, ours, strict=True)]
        span = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"stackkit / timm: {statistics.median(ratios):.2f} ({span})")


if __name__ == "__main__":
    main()
