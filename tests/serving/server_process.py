"""Runs a server whose answers take the seconds that its argument says; tests end it with signals."""

import sys
import time

from support.serving import COLOURS, ColourPredictor

from stackkit.serving.about import About
from stackkit.serving.access import Access
from stackkit.serving.limits import Limits
from stackkit.serving.running import run
from stackkit.serving.server import listen


class SlowPredictor(ColourPredictor):
    def predict(self, images, sources):  # type: ignore[no-untyped-def]
        time.sleep(float(sys.argv[1]))
        return super().predict(images, sources)


def tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    about = About(name="colours", classes=COLOURS, networks=("colour",))
    with listen("127.0.0.1", 0) as listening:
        run(SlowPredictor(), about, listening, limits=Limits(), access=Access(), tell=tell, crashed=tell)
