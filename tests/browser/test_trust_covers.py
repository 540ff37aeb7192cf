"""What an output would lie over of the page, by the page's own classes and by rules that hide what they set."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from .lab import LabPage
from .test_trust import _ON_TOP

pytestmark = pytest.mark.browser

_SHOW = "from IPython.display import HTML, display\ndisplay(HTML({!r}))\nprint('it is there')"

#: Each would cover the notebook: by a class of the page's own, and by what no look at a rule's text sees.
COVERS = {
    "class of the page": '<div class="Toastify__toast-container" style="width:100vw;height:100vh;background:red">log in</div>',
    "value of an attribute": "<style>.z {margin-top:attr(title type(*)); height:200vh; background:red}</style>"
    "<div class='z' title='-900px'>log in</div>",
    "nested rule": "<style>.z {color:red; &.y {position:attr(title type(*)); top:0; left:0; width:100vw; height:100vh}}"
    "</style><div class='z y' title='fixed'>log in</div>",
}


@pytest.mark.parametrize("name", COVERS)
def test_output_covers_nothing_of_the_page_also_when_it_is_opened_again(lab_page: LabPage, name: str) -> None:
    path = lab_page.open_notebook("1", _SHOW.format(COVERS[name]), "2", "3")
    before = lab_page.page.evaluate(_ON_TOP)
    assert len(before) >= 3 and not any(is_covered for *_, is_covered in before)
    lab_page.run_to_end(1)
    expect(lab_page.output(1)).to_contain_text("it is there")
    lab_page.screenshot(f"covers-{name.replace(' ', '-')}")
    assert lab_page.page.evaluate(_ON_TOP) == before
    lab_page.save()
    lab_page.page.goto(f"{lab_page.url}lab/tree/{path.name}?reset")
    expect(lab_page.output(1)).to_contain_text("it is there", timeout=60_000)
    assert not any(is_covered for *_, is_covered in lab_page.page.evaluate(_ON_TOP))
