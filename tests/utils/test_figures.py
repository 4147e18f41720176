"""Figures are written the same way everywhere."""

from stackkit.utils.figures import bracketed, ends, in_percent, in_points, p_value, percent


def test_figures_have_one_decimal_and_no_negative_zero() -> None:
    assert [in_percent(each) for each in (0.9149, -0.0004, -0.004, 1)] == [
        "91.5",
        "0.0",
        "-0.4",
        "100.0",
    ]
    assert [in_points(each) for each in (0.0071, -0.0004, -0.004)] == ["+0.7", "+0.0", "-0.4"]
    assert percent(0.05) == "5.0 %"
    assert ends((-0.0004, 0.028)) == "0.0 to 2.8"
    assert bracketed((-0.0004, 0.028), in_points) == "[+0.0, +2.8]"
    assert [p_value(each) for each in (0.0009, 0.001, 1)] == ["< 0.001", "0.001", "1.000"]
