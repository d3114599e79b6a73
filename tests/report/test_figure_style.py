"""Series differ without colour, for colour-blind readers and on grey paper; text is broken where its line ends."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from rerankbench.report.style import COLOURS, LEVELS, PAGE_IN, QUIET, SMALL, look, width_of, wrapped

# Machado, Oliveira and Fernandes, A Physiologically-based Model for Simulation of Color Vision Deficiency (2009), severity 1, linear RGB.
DEFICIENCIES = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])


def _linear(colour: str) -> np.ndarray:
    values = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _lab(linear: np.ndarray) -> np.ndarray:
    xyz = TO_XYZ @ np.clip(linear, 0, 1) / (TO_XYZ @ np.ones(3))
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_the_measure_of_lightness_is_right() -> None:
    assert _lab(_linear("#ffffff")) == pytest.approx([100, 0, 0], abs=0.01)
    assert _lab(_linear("#777777"))[0] == pytest.approx(50.03, abs=0.05)  # sRGB 119 is the middle grey of L* 50


def test_the_first_three_series_differ_on_grey_paper() -> None:
    lightness = [_lab(_linear(colour))[0] for colour in COLOURS[:3]]
    assert min(abs(a - b) for a, b in itertools.combinations(lightness, 2)) >= 10


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_the_first_four_series_differ_for_colour_blind_readers(deficiency: str) -> None:
    seen = [_lab(np.array(DEFICIENCIES[deficiency]) @ _linear(colour)) for colour in COLOURS[:4]]
    # A difference of 2.3 is just noticeable; ten is seen at a glance.
    assert min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen, 2)) >= 10


def test_series_differ_by_shape_and_dash_alone() -> None:
    assert len({(look(i).marker, look(i).dash) for i in range(28)}) == 28
    assert len({(look(i).colour, look(i).marker, look(i).dash) for i in range(84)}) == 84


def test_levels_differ_from_each_other_by_dash_and_stand_out_from_white() -> None:
    assert len(set(LEVELS)) == len(LEVELS)
    luminance = (TO_XYZ @ _linear(QUIET))[1]
    assert 1.05 / (luminance + 0.05) >= 7  # WCAG's contrast of enhanced text


def test_text_is_broken_at_blanks_and_words_only_where_they_are_too_long() -> None:
    pytest.importorskip("matplotlib")
    lines = wrapped("one two three four five six seven eight nine ten " + "z" * 100, 1.0, SMALL).split("\n")
    assert " ".join(lines).replace(" ", "") == "onetwothreefourfivesixseveneightnineten" + "z" * 100
    assert max(width_of(line, SMALL) for line in lines) <= 1.0
    assert all("z" not in line or set(line) == {"z"} for line in lines)


def test_a_text_of_too_many_lines_ends_in_dots() -> None:
    pytest.importorskip("matplotlib")
    assert wrapped("short", 1.0, SMALL, lines=1) == "short"
    cut = wrapped("one two three four five six seven eight nine ten", 0.6, SMALL, lines=2)
    first, second = cut.split("\n")
    assert "one" in first
    assert second.endswith("…")
    assert max(width_of(first, SMALL), width_of(second, SMALL)) <= 0.6


def test_widths_are_those_of_the_font() -> None:
    pytest.importorskip("matplotlib")
    # DejaVu Sans: every digit is 1303 of 2048 units wide, so that ten of them in 7 points are 70 × 0.6362 / 72 inches.
    assert width_of("0123456789", 7) == pytest.approx(70 * 1303 / 2048 / 72, rel=0.03)
    assert wrapped("", PAGE_IN, SMALL) == ""
