"""A client of the Seedance API with no help and no repair, for tests of the fake server and for trying it by hand."""

from __future__ import annotations

import base64
import io
from typing import Any

import requests
from PIL import Image

from .fake_seedance import FakeSeedance

FAST = "seedance-1-0-pro-fast-251015"
PRO = "seedance-1-0-pro-250528"
PRO_1_5 = "seedance-1-5-pro-251215"
V2 = "dreamina-seedance-2-0-260128"
V2_FAST = "dreamina-seedance-2-0-fast-260128"
V2_MINI = "dreamina-seedance-2-0-mini-260615"
V2_5 = "dreamina-seedance-2-5-260628"


class PlainClient:
    """Speaks to the server as the provider's documents say; a broken connection is requests' own exception."""

    def __init__(self, server: FakeSeedance, key: str = "test-key") -> None:
        self.tasks = f"{server.base_url}/contents/generations/tasks"
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Bearer {key}"
        # Without the key: for the files.
        self.files = requests.Session()
        self.files.trust_env = False

    def ask(self, method: str, path: str = "", **kwargs: Any) -> requests.Response:
        """Send one request to the tasks, or to ``path`` below them."""
        return self.session.request(method, self.tasks + path, timeout=20, **kwargs)

    def create(self, **fields: Any) -> str:
        """Order a video that has to be taken; the fields are those of order()."""
        answer = self.ask("POST", json=order(**fields))
        assert answer.status_code == 200, answer.text
        return answer.json()["id"]

    def poll(self, task: str) -> dict[str, Any]:
        """Look at a task that has to be there."""
        answer = self.ask("GET", f"/{task}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def download(self, url: str, **headers: str) -> requests.Response:
        """Fetch a file, without the key."""
        return self.files.get(url, headers=headers, timeout=60)


def order(content: list[dict[str, Any]] | None = None, **fields: Any) -> dict[str, Any]:
    """The body of a create request: text only and with the default model, unless said otherwise."""
    return {"model": FAST, "content": content or [{"type": "text", "text": "A boat drifts by."}]} | fields


def picture(width: int = 400, height: int = 300, form: str = "png", declared: str | None = None) -> str:
    """A data URL of one colour, of ``form`` and said to be ``declared``."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(file, form)
    return f"data:image/{declared or form};base64,{base64.b64encode(file.getvalue()).decode()}"


def image(url: str | None = None, role: str | None = "first_frame") -> dict[str, Any]:
    """An image for ``content``."""
    item: dict[str, Any] = {"type": "image_url", "image_url": {"url": picture() if url is None else url}}
    return item | ({"role": role} if role else {})


def error_of(answer: requests.Response, status: int) -> dict[str, str]:
    """The error of a refused request, whose body has to have the service's shape."""
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert list(error) == ["code", "message", "param", "type"]
    assert error["message"].endswith(f"Request id: {answer.headers['X-Request-Id']}")
    assert "request_id" not in answer.text
    return error
