"""docs/CAPACITY.md and its plots are what ``make capacity`` writes."""

from xml.etree import ElementTree as ET

import pytest

from local.capacity import page

TEXT = page.PAGE.read_text("utf-8")


def test_the_page_is_up_to_date():
    assert page.render(TEXT) == TEXT, "run make capacity"


def test_the_plots_are_up_to_date():
    assert {path.name: path.read_text("utf-8") for path in page.PLOTS.iterdir()} == page.plots(), (
        "run make capacity"
    )


@pytest.mark.parametrize("path", sorted(page.PLOTS.iterdir()), ids=lambda path: path.name)
def test_a_plot_is_an_image_that_the_page_shows(path):
    root = ET.fromstring(path.read_text("utf-8"))  # noqa: S314 - our own file

    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert len(root.findall("{http://www.w3.org/2000/svg}polyline")) > 10
    assert f"](capacity/{path.name})" in TEXT
