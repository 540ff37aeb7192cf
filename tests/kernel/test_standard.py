"""Jupyter's own tests of a kernel, with every sample filled in, against the installed kernelspec."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import IPython
import jupyter_kernel_test
import pytest
from jupyter_kernel_test.msgspec_v5 import validate_message

from .client import TIMEOUT


@pytest.fixture(scope="module", autouse=True)
def _installed(hopx_kernelspec: str) -> Iterator[None]:
    """The kernelspec that the classes below name, and time for what they wait for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jupyter_kernel_test, "TIMEOUT", TIMEOUT)
        yield


class Patient:
    """What the suite does by waiting for fractions of a second, done by waiting for the messages themselves."""

    kc: Any

    def flush_channels(self) -> None:
        """Take what earlier requests have left: everything before the answer to one more."""
        msg_id = self.kc.kernel_info()
        while self._next("shell")["parent_header"]["msg_id"] != msg_id:
            continue
        while (message := self._next("iopub"))["parent_header"].get("msg_id") != msg_id or (
            message["content"].get("execution_state") != "idle"
        ):
            continue

    def execute_helper(self, *args: Any, **kwargs: Any) -> Any:
        channel = self.kc.iopub_channel
        get_msg = channel.get_msg
        channel.get_msg = lambda **_: get_msg(timeout=TIMEOUT)
        try:
            return super().execute_helper(*args, timeout=TIMEOUT, **kwargs)  # type: ignore[misc]
        finally:
            del channel.get_msg

    def _next(self, channel: str) -> Any:
        message = getattr(self.kc, f"get_{channel}_msg")(timeout=TIMEOUT)
        validate_message(message)
        return message


class TestStandard(Patient, jupyter_kernel_test.KernelTests):
    kernel_name = "hopx"
    language_name = "python"
    file_extension = ".py"
    code_hello_world = "print('hello, world')"
    code_stderr = "import sys; print('oops', file=sys.stderr)"
    completion_samples: ClassVar[list[dict[str, Any]]] = [
        {"text": "zi", "matches": {"zip"}},
        {"text": "impor", "matches": {"import"}},
        # IPython 8 without jedi knows no attribute that begins with underscores.
        *([{"text": "len.__na", "matches": {"__name__"}}] if IPython.version_info >= (9,) else []),
        {"text": "x = 'a'.isal", "matches": {"isalnum", "isalpha"}},
    ]
    complete_code_samples: ClassVar[list[str]] = ["1", "print('a')", "def f(x):\n  return x*2\n\n\n", "%time 1", "!ls"]
    incomplete_code_samples: ClassVar[list[str]] = ["print('''hello", "def f(x):\n  x*2", "for x in y:", "%%bash"]
    invalid_code_samples: ClassVar[list[str]] = ["import = 7q", "1 +* 2", "x = )"]
    code_page_something = "zip?"
    code_generate_error = "raise ValueError('on purpose')"
    code_execute_result: ClassVar[list[dict[str, str]]] = [
        {"code": "1+2+3", "result": "6"},
        {"code": "'it' + 's'", "result": "'its'"},
        {"code": "[n*n for n in range(1, 4)]", "result": "[1, 4, 9]"},
        {
            "code": "from IPython.display import HTML; HTML('<b>bold</b>')",
            "mime": "text/html",
            "result": "<b>bold</b>",
        },
    ]
    code_display_data: ClassVar[list[dict[str, str]]] = [
        {"code": "from IPython.display import HTML, display; display(HTML('<b>test</b>'))", "mime": "text/html"},
        {"code": "from IPython.display import Math, display; display(Math('\\\\frac{1}{2}'))", "mime": "text/latex"},
        {"code": "from IPython.display import Markdown, display; display(Markdown('*a*'))", "mime": "text/markdown"},
        {"code": "from IPython.display import JSON, display; display(JSON({'a': 1}))", "mime": "application/json"},
        {
            "code": "from IPython.display import SVG, display\n"
            'display(SVG(\'<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>\'))',
            "mime": "image/svg+xml",
        },
        {
            "code": "import base64\nfrom IPython.display import Image, display\n"
            "display(Image(base64.b64decode('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7'), format='gif'))",
            "mime": "image/gif",
        },
    ]
    code_history_pattern = "1?2*"
    supported_history_operations = ("tail", "range", "search")
    code_inspect_sample = "zip"
    code_clear_output = "from IPython.display import clear_output; clear_output()"


class TestWelcome(jupyter_kernel_test.IopubWelcomeTests):
    kernel_name = "hopx"
    support_iopub_welcome = True
