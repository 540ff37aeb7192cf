"""Unmodified tqdm and rich.progress show as the same bars."""

from __future__ import annotations

import pytest

from .conftest import Kernel


@pytest.mark.parametrize("module", ["tqdm", "tqdm.auto", "tqdm.notebook"])
def test_unmodified_tqdm_shows_as_bars(kernel: Kernel, module: str) -> None:
    output = kernel.run(
        f"from {module} import tqdm, trange\nimport time\nfor i in trange(3, desc='outer'):\n"
        "    bar = tqdm(range(20), desc='inner', leave=False)\n    for j in bar: bar.set_postfix(loss=0.5)"
    )
    assert output.text == ""
    lines = output.record.splitlines()
    assert "✓ outer" in lines[1] and "3/3" in lines[1]
    assert "✓ inner" in lines[2] and "20/20" in lines[2] and "loss 0.5" in lines[2]


def test_tqdm_loop_that_raises_has_failed(kernel: Kernel) -> None:
    output = kernel.run("from tqdm import tqdm\nfor i in tqdm(range(10), desc='work'):\n    if i == 4: 1 / 0")
    assert "✗ work" in output.record and "4/10" in output.record and output.text == ""


def test_tqdm_that_writes_to_a_file_is_left_alone(kernel: Kernel) -> None:
    output = kernel.run(
        "import io\nfrom tqdm import tqdm\nfile = io.StringIO()\nfor i in tqdm(range(3), file=file): pass\nprint('3/3' in file.getvalue())"
    )
    assert output.text == "True\n" and not output.views and not output.bars


def test_unmodified_rich_progress_shows_as_bars(kernel: Kernel) -> None:
    output = kernel.run(
        "from rich.progress import Progress, track as rich_track\nimport time\n"
        "for i in rich_track(range(10), description='[red]one[/red]'): time.sleep(0.01)\n"
        "with Progress() as p:\n    t, u = p.add_task('two', total=4), p.add_task('three', total=9)\n"
        "    for i in range(4): p.advance(t); p.advance(u)"
    )
    assert output.text == ""
    assert "✓ one" in output.record and "10/10" in output.record
    assert "\n✓ two" in output.record and "4/4" in output.record
    assert "\n■ three" in output.record and "4/9" in output.record
