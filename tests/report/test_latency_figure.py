"""Times are stacked by part, each device has a panel and an axis of its own, and the paper's hardware is named."""

from __future__ import annotations

from typing import Any

import pytest

from report.drawing import A100, CPU, LATENCY, plotted


@pytest.fixture(autouse=True)
def matplotlib() -> None:
    pytest.importorskip("matplotlib")


def _panels(drawn: Any) -> dict[str, Any]:
    return {a.get_title(): a for a in drawn.findobj(lambda artist: hasattr(artist, "get_xlim")) if a.axison}


def test_parts_are_stacked_and_a_whole_is_one_bar() -> None:
    with plotted(LATENCY) as drawn:
        bars = [(bar.get_x(), bar.get_width()) for bar in _panels(drawn)[A100].patches]
    assert bars == [(0.0, 0.5), (0.5, 0.13), (0.0, 4.58)]


def test_every_device_has_an_axis_of_its_own() -> None:
    with plotted(LATENCY) as drawn:
        panels = _panels(drawn)
        assert set(panels) == {A100, CPU}
        assert [bar.get_width() for bar in panels[CPU].patches] == [20.0]
        assert panels[A100].get_xlim()[1] < 20 < panels[CPU].get_xlim()[1]
        assert not panels[A100].get_shared_x_axes().joined(panels[A100], panels[CPU])


def test_the_whole_time_and_the_speed_up_stand_behind_the_bars() -> None:
    with plotted(LATENCY) as drawn:
        said = {title: [text.get_text() for text in axis.texts] for title, axis in _panels(drawn).items()}
    assert said == {A100: ["0.63 s, 7.3× faster", "4.58 s"], CPU: ["20.0 s"]}


def test_our_interval_is_that_of_the_whole() -> None:
    with plotted(LATENCY) as drawn:
        (bars,) = _panels(drawn)[CPU].collections
        assert [float(x) for x, _ in bars.get_segments()[0]] == [18.0, 22.0]


def test_what_was_not_measured_is_named_below() -> None:
    assert "Not measured here: slow" in LATENCY.words()
    assert LATENCY.exit_code() == 4
