"""An endpoint that also speaks OpenAI's files and batches pages."""

from __future__ import annotations

import json
import time
from typing import Any

from aiohttp import web

from tests.helpers.endpoint import FaultyEndpoint, completion


class BatchEndpoint(FaultyEndpoint):
    """Works on a batch a little with each look at it; `ready` says when it may be done."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.ready = True
        self.page = "/v1/chat/completions"
        self.ends = "completed"
        self.line = answered
        self.looks = 0
        self.upload_queries: list[str] = []
        self.fail_next: list[tuple[str, int]] = []

    def add_routes(self, app: web.Application) -> None:
        for base in ("/v1", "/openai"):  # OpenAI's, Azure's
            app.router.add_post(f"{base}/files", self._upload)
            app.router.add_get(f"{base}/files/{{id}}/content", self._content)
            app.router.add_post(f"{base}/batches", self._create)
            app.router.add_get(f"{base}/batches", self._all)
            app.router.add_get(f"{base}/batches/{{id}}", self._one)

    def _fails(self, what: str) -> web.Response | None:
        if self.fail_next and self.fail_next[0][0] == what:
            _, status = self.fail_next.pop(0)
            return web.json_response({"error": {"message": "not now"}}, status=status)
        return None

    async def _upload(self, request: web.Request) -> web.Response:
        self.upload_queries.append(request.query_string)
        failed = self._fails("files")
        if failed is not None:
            return failed
        form = await request.post()
        assert form["purpose"] == "batch"
        name = f"file-{len(self.files) + 1}"
        self.files[name] = form["file"].file.read()  # type: ignore[union-attr]
        return web.json_response({"id": name, "object": "file"})

    async def _content(self, request: web.Request) -> web.Response:
        return web.Response(body=self.files[request.match_info["id"]])

    async def _create(self, request: web.Request) -> web.Response:
        body = await request.json()
        assert body["endpoint"] == self.page
        assert body["completion_window"] == "24h"
        name = f"batch_{len(self.batches) + 1}"
        lines = [json.loads(line) for line in self.files[body["input_file_id"]].splitlines()]
        self.batches[name] = {
            "id": name,
            "status": "validating",
            "created_at": int(time.time()),
            "metadata": body["metadata"],
            "request_counts": {"total": len(lines), "completed": 0, "failed": 0},
            "lines": lines,
        }
        failed = self._fails("batches")
        return failed or web.json_response(self._shown(name))

    async def _all(self, request: web.Request) -> web.Response:
        return web.json_response({"data": [self._shown(name) for name in self.batches]})

    async def _one(self, request: web.Request) -> web.Response:
        self.looks += 1
        failed = self._fails("look")
        if failed is not None:
            return failed
        batch = self.batches[request.match_info["id"]]
        if batch["status"] == "validating":
            batch["status"] = "in_progress"
        elif batch["status"] == "in_progress" and self.ready:
            self._finish(batch)
        return web.json_response(self._shown(batch["id"]))

    def _finish(self, batch: dict[str, Any]) -> None:
        batch["status"] = self.ends
        out, errors = [], []
        for number, item in enumerate(batch["lines"]):
            result = self.line(item, number)
            if result is not None:
                target = out if (result["response"] or {}).get("status_code") == 200 else errors
                target.append(json.dumps({"custom_id": item["custom_id"], **result}).encode())
        for name, lines in (("output_file_id", out), ("error_file_id", errors)):
            if lines:
                batch[name] = f"file-{len(self.files) + 1}"
                self.files[batch[name]] = b"\n".join(reversed(lines)) + b"\n"  # in any order
        batch["request_counts"]["completed"] = len(out)

    def _shown(self, name: str) -> dict[str, Any]:
        return {key: value for key, value in self.batches[name].items() if key != "lines"}


def answered(item: dict[str, Any], number: int) -> dict[str, Any] | None:
    """A line of the output file: the last message as the answer."""
    text = item["body"]["messages"][-1]["content"]
    return {"response": {"status_code": 200, "body": completion(text)}, "error": None}
