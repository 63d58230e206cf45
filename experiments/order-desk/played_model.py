"""An endpoint that plays a model at the order desk, by rules: the experiment without a key.

It does what a capable model does with the careful prompt. With the plain one it makes mistakes that
models make: it acts without looking, and tries things that the status forbids.

    python experiments/order-desk/played_model.py 9411
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

ALLOWED = {"cancel_order": "open", "change_address": "open", "refund": "returned"}
"""What each tool needs the status to be."""


def wanted(question: str) -> tuple[str, dict[str, Any]] | None:
    """The tool that a question asks for, and its arguments without the order; None for a look."""
    text = question.lower()
    if "refund" in text or "money back" in text:
        amount = re.search(r"(\d+(?:\.\d+)?) (?:euros|€)", text)
        return "refund", {"amount": float(amount[1])} if amount else {}
    if "cancel" in text:
        return "cancel_order", {}
    address = re.search(r"(?:send it to|address is now|address to) (.+?)[.!?]?$", question)
    return ("change_address", {"address": address[1]}) if address else None


def reply_to(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """The next message of the played model: a call, or its last words."""
    careful = "look it up" in str(messages[0]["content"])
    question = next(m["content"] for m in reversed(messages) if m["role"] == "user")
    replies = [m["content"] for m in messages if m["role"] == "tool"]
    order = re.search(r"\b[A-Z]\d+\b", question)
    if order is None:
        return {"content": "Which order is it? Please tell me its number."}
    act, call = wanted(question), {"order_id": order[0]}
    if not replies and (careful or act is None):
        return _calls("look_up_order", call)
    known = _object(replies[0]) if replies else {}
    if act is None:
        if "status" not in known:
            return {"content": f"I cannot find order {order[0]}."}
        return {"content": f"Order {order[0]} is {known['status']}."}
    name, arguments = act
    if careful and (len(replies) > 1 or known.get("status") != ALLOWED[name]):
        done = len(replies) > 1
        return {"content": "Done." if done else "I am sorry, that is not possible any more."}
    if not careful and replies:
        failed = "error" in _object(replies[-1])
        return {"content": "I am sorry, that did not work." if failed else "Done."}
    if name == "refund":
        arguments = {"amount": known.get("total", 10.0)} | arguments
    return _calls(name, call | arguments)


def _calls(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {"content": None, "tool_calls": [{"id": name, "type": "function", "function": function}]}


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        message = {"role": "assistant", **reply_to(body["messages"])}
        reason = "tool_calls" if message.get("tool_calls") else "stop"
        self._send(
            {
                "id": "played",
                "object": "chat.completion",
                "model": body["model"],
                "choices": [{"index": 0, "finish_reason": reason, "message": message}],
                "usage": {"prompt_tokens": 200, "completion_tokens": 20, "total_tokens": 220},
            }
        )

    def do_GET(self) -> None:
        self._send({"object": "list", "data": [{"id": "clerk", "object": "model"}]})

    def log_message(self, *_: Any) -> None:
        """Say nothing of each call."""

    def _send(self, value: dict[str, Any]) -> None:
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class PlayedModel:
    """The endpoint, in a thread. Example: `with PlayedModel() as played: print(played.url)`."""

    def __init__(self, port: int = 0) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


if __name__ == "__main__":
    with PlayedModel(int(sys.argv[1]) if len(sys.argv) > 1 else 9411) as played:
        print(f'[providers.played]\nbase_url = "{played.url}"\nfree = true')  # noqa: T201
        print("serves until Ctrl-C", flush=True)  # noqa: T201
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
