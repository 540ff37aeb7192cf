"""An extension of the tests' Jupyter server: what was asked of it for a path that holds ``canary-<name>``.

The server knows it for certain: the browser's driver cannot say of every request what it carried, and may wait for ever.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from jupyter_server.utils import url_path_join
from tornado.web import RequestHandler

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

__all__ = ["LIST"]

#: GET gives a JSON list of ``[name, whether it came with the session's cookie]``; DELETE empties it.
LIST = "canaries"

_seen: list[tuple[str, bool]] = []


class _Canary(RequestHandler):
    """Stands for all of the server's own addresses, which a page's session opens."""

    def get(self, name: str) -> None:
        _seen.append((name, "Cookie" in self.request.headers))
        self.set_status(404)

    post = get

    def check_xsrf_cookie(self) -> None:
        """Nothing is protected here: that a request comes at all is what counts."""


class _List(RequestHandler):
    def get(self) -> None:
        self.write(json.dumps(_seen))

    def delete(self) -> None:
        _seen.clear()

    def check_xsrf_cookie(self) -> None:
        """The tests themselves ask."""


def _load_jupyter_server_extension(app: ServerApp) -> None:
    base = app.web_app.settings["base_url"]
    app.web_app.add_handlers(
        ".*$", [(url_path_join(base, r"canary-(.+)"), _Canary), (url_path_join(base, LIST), _List)]
    )
