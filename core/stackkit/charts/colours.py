"""The colours of all pictures, by name, so that a page can give them other values in dark mode.

Series have the colours of Okabe and Ito, which people with colour vision deficiency can tell apart. On a
light ground those with a contrast of at least 3:1 are used, on a dark ground their lighter relatives.

References
----------
M. Okabe and K. Ito, "Color universal design: how to make figures and presentations that are friendly to
colorblind people", 2008.

"""

from __future__ import annotations

from collections.abc import Mapping

# matplotlib does not know names such as currentColor. It draws with these stand-ins, which `style`
# replaces in the finished SVG.
INK = "#010203"
FAINT = "#010204"
LINE = "#010205"
GROUND = "#010206"
BLUE = "#0072b2"
ORANGE = "#d55e00"
GREEN = "#009e73"
PURPLE = "#cc79a7"

STAND_INS: Mapping[str, str] = {
    INK: "currentColor",
    FAINT: "var(--faint, #5a6562)",
    LINE: "var(--line, #d5dbd9)",
    GROUND: "var(--sheet, #ffffff)",
    BLUE: f"var(--chart-blue, {BLUE})",
    ORANGE: f"var(--chart-orange, {ORANGE})",
    GREEN: f"var(--chart-green, {GREEN})",
    PURPLE: f"var(--chart-purple, {PURPLE})",
}
"""What stands in the SVG for each colour that matplotlib draws with."""
