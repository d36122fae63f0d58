"""The served HTTP API, as a client sees it. Every call answers with a value, also when nobody answers."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from harness.types import Answer

TIMEOUT_S = 120.0
"""Longest silence in one call; the first inference may still compile."""


class Api:
    """One deployment's API at `base_url`, e.g. `http://127.0.0.1:8000`."""

    def __init__(self, base_url: str, *, timeout_s: float = TIMEOUT_S, transport: Any = None) -> None:
        # trust_env=False: a proxy set for the internet must not stand between the harness and this machine
        self._client = httpx.Client(base_url=base_url, timeout=timeout_s, trust_env=False, transport=transport)

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, path: str) -> Answer:
        """GET `path`."""
        return self._call("GET", path)

    def post(self, path: str, body: object) -> Answer:
        """POST `body` as JSON to `path`."""
        return self._call("POST", path, json=body)

    def health(self) -> Answer:
        """GET /health: 200 and an empty body when the engine says it lives."""
        return self.get("/health")

    def models(self) -> Answer:
        """GET /v1/models."""
        return self.get("/v1/models")

    def version(self) -> str | None:
        """vLLM's version as served, or None."""
        body = self.get("/version").body
        version = body.get("version") if isinstance(body, dict) else None
        return version if isinstance(version, str) else None

    def chat(self, model: str, messages: Sequence[Mapping[str, str]], **more: object) -> Answer:
        """POST /v1/chat/completions at temperature 0 unless `more` says otherwise."""
        return self.post("/v1/chat/completions", {"model": model, "messages": list(messages), "temperature": 0} | more)

    def _call(self, method: str, path: str, **more: Any) -> Answer:
        begun = time.monotonic()
        url = str(self._client.base_url.join(path))
        try:
            response = self._client.request(method, path, **more)
        except httpx.HTTPError as error:
            reason = f"{type(error).__name__}: {error}"
            return Answer(method=method, url=url, status=None, text=reason, seconds=time.monotonic() - begun)
        return Answer(
            method=method, url=url, status=response.status_code, text=response.text, seconds=time.monotonic() - begun
        )
