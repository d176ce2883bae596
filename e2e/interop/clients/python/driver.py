"""Answers the operations of ../operations.ts, one JSON object a line, with a client's functions."""

import base64
import json
import sys
import traceback


def serve(operations):
    """`operations` has a method per operation, named as it is, which takes its fields."""
    for line in sys.stdin:
        request = json.loads(line)
        try:
            method = getattr(operations, request.pop("op"))
            answer = {"ok": True, **(method(**request) or {})}
        except Exception as error:
            traceback.print_exc()
            answer = {"ok": False, "error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


def to_bytes(text):
    return None if text is None else base64.b64decode(text)


def to_text(data):
    return None if data is None else base64.b64encode(data).decode()


def record_json(partition, offset, key, value, headers):
    return {
        "partition": partition,
        "offset": offset,
        "key": to_text(key),
        "value": to_text(value),
        "headers": [[name, to_text(data)] for name, data in headers or []],
    }
