"""The server of `bias-toolkit live`: on this machine alone, and only for those who know its token."""

from __future__ import annotations

import contextlib
import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.words import visible_name
from bias_toolkit.report.page.page import Page, policy_of, render, scripts_of
from bias_toolkit.study.live.views import MOST_BYTES, Asked, LiveViews, Shown

ADDRESS = "127.0.0.1"
MOST_TEXT = 2**16
"""Bytes of a request that is no photograph."""
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def live_app(views: LiveViews, page: Page, token: str, host: str) -> ASGIApp:
    """The application: the page, the pictures and the views, below the path `/<token>/` of `host` (address and port).

    A browser names no file: an image is one of the study's, by its id, or was sent as bytes.
    """
    html = render(page)

    async def show(request: Request) -> Response:
        return HTMLResponse(html)

    async def picture(request: Request) -> Response:
        shown = Shown.model_validate(dict(request.query_params))
        return Response(await run_in_threadpool(views.png, shown), media_type="image/png")

    async def answer(request: Request) -> Response:
        asked = Asked.model_validate_json(await _body(request, MOST_TEXT))
        return JSONResponse(await run_in_threadpool(views.answer, asked))

    async def photograph(request: Request) -> Response:
        content = await _body(request, MOST_BYTES)
        return JSONResponse({"image": await run_in_threadpool(views.take, content)})

    app = Starlette(
        routes=[
            Route(f"/{token}/", show),
            Route(f"/{token}/picture", picture),
            Route(f"/{token}/views", answer, methods=["POST"]),
            Route(f"/{token}/photograph", photograph, methods=["POST"]),
        ],
        exception_handlers={
            InputError: lambda _, error: _sentence(422, str(error)),
            ValidationError: lambda _, error: _sentence(400, "The page asked for what there is not."),
            HTTPException: lambda _, error: _sentence(error.status_code, error.detail),
            Exception: lambda _, error: _sentence(500, "The program has a fault, which the terminal shows."),
        },
    )
    policy = policy_of(scripts_of(page), page.is_live)
    return Guard(app, token, host, HEADERS | {"Content-Security-Policy": f"{policy}; frame-ancestors 'none'"})


async def _body(request: Request, most: int) -> bytes:
    """The body of a request; HTTPException if it has more than `most` bytes."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > most:
            raise HTTPException(413, f"The file has more than {most // 2**20} MB; choose a smaller one.")
    return bytes(content)


def _sentence(status: int, text: str) -> Response:
    return JSONResponse({"error": visible_name(text)}, status)


class Guard:
    """Lets a request through only if it has the token, and comes from the server's own page or no page at all.

    The `Host` must be the server's own: a page of another site, whose name was made to lead to this machine, names that
    site (DNS rebinding). The `Origin` must be the server's own, too. All answers get `headers`.
    """

    def __init__(self, app: ASGIApp, token: str, host: str, headers: dict[str, str]) -> None:
        self._app = app
        self._token = token.encode()
        self._host = host.encode()
        self._headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            # A websocket, which the page does not open.
            await send({"type": "websocket.close"})
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", []), *self._headers]}
            await send(message)

        app = self._app if self._is_allowed(scope) else _sentence(403, "This request is refused.")
        await app(scope, receive, send_with_headers)

    def _is_allowed(self, scope: Scope) -> bool:
        given: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            given.setdefault(name, []).append(value)
        token = scope["path"].removeprefix("/").partition("/")[0].encode("utf-8", "surrogateescape")
        return (
            given.get(b"host") == [self._host]
            and given.get(b"origin", [b"http://" + self._host]) == [b"http://" + self._host]
            and given.get(b"sec-fetch-site", [b"none"])[0] in (b"none", b"same-origin")
            and secrets.compare_digest(token, self._token)
        )


def serve(views: LiveViews, page: Page, *, port: int = 0, opens: bool = True, told: Callable[[str], Any]) -> None:
    """Serve the page until the process is interrupted. `told` gets its address, which has the token.

    `port` 0 is a free one. `opens` says whether the address is opened in the browser. Raises InputError if the port
    is taken.
    """
    with _listening(port) as listening:
        host = f"{ADDRESS}:{listening.getsockname()[1]}"
        token = secrets.token_urlsafe(32)
        app = live_app(views, page, token, host)
        config = uvicorn.Config(
            # Another loop would take the signals for itself.
            app,
            loop="asyncio",
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
        address = f"http://{host}/{token}/"
        told(address)
        if opens:
            threading.Thread(target=_open, args=(address,), daemon=True).start()
        uvicorn.Server(config).run([listening])


@contextlib.contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    """A socket of this machine that listens already, so that a browser may be opened."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((ADDRESS, port))
        except (OSError, OverflowError) as error:
            raise InputError(
                f"--port {port} cannot be used ({getattr(error, 'strerror', None) or error}); name another one, or "
                "leave it out."
            ) from error
        listening.listen()
        yield listening


def _open(address: str) -> None:
    with contextlib.suppress(webbrowser.Error):
        browser = webbrowser.get()
        # A browser of the terminal would take it over.
        if type(browser) is not webbrowser.GenericBrowser:
            browser.open(address)
