"""Which front end asks is told from what it is known to send."""

from __future__ import annotations

from typing import Any

import pytest

from hopx_kernel.progress import find_front_end


@pytest.mark.parametrize(
    ("content", "metadata", "environ", "parent_command", "front_end"),
    [
        ({"allow_stdin": True}, {"cellId": "c1"}, {}, "", "widgets"),
        ({"allow_stdin": True}, {}, {"JPY_SESSION_NAME": "/a.ipynb"}, "", "widgets"),
        ({"allow_stdin": False}, {}, {"VOILA_REQUEST_URL": "http://x"}, "", "widgets"),
        ({"allow_stdin": True}, {}, {}, "/usr/bin/python3\0/usr/bin/jupyter-console\0--kernel\0hopx", "text"),
        ({"allow_stdin": True}, {}, {}, "python\0-m\0jupyter_console\0", "text"),
        ({"allow_stdin": True}, {}, {}, "/usr/bin/python3\0/usr/bin/jupyter\0console\0", "text"),
        ({"allow_stdin": False}, {}, {}, "/usr/bin/python3\0/usr/bin/papermill\0", "batch"),
        ({"allow_stdin": True}, {}, {}, "/usr/bin/python3\0/usr/bin/jupyter-lab\0", "widgets"),
        ({}, {}, {}, "", "widgets"),
    ],
)
def test_front_end_is_found(
    content: dict[str, Any], metadata: dict[str, Any], environ: dict[str, str], parent_command: str, front_end: str
) -> None:
    assert find_front_end(content, metadata, environ, parent_command) == front_end
