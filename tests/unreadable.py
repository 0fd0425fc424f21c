"""Lines and bodies that are no JSON-RPC message, and the ids of the errors that answer them."""

from __future__ import annotations

from typing import Any

HALF = "\\ud83d"
DEEP = "[" * 300 + "]" * 300


def request(id_: str, method: str = "ping", params: str = "{}") -> str:
    return f'{{"jsonrpc":"2.0","id":{id_},"method":"{method}","params":{params}}}'


def call(id_: str, prompt: str) -> str:
    arguments = f'{{"dry_run":true,"request":{{"model":"seedance2.0-md","prompt":{prompt}}}}}'
    return request(id_, "tools/call", f'{{"name":"create_video","arguments":{arguments}}}')


# line, and the ids of the errors that answer it
LINES: list[tuple[str, list[Any]]] = [
    (request(f'"{HALF}"'), ["\ud83d"]),
    (request(f'"a{HALF}b"', "tools/list"), ["a\ud83db"]),
    (call("11", f'"a fox {HALF}"'), [11]),
    (call("12", DEEP), [12]),
    (request('"deep"', params='{"_meta":' + "[" * 100_000 + "}"), ["deep"]),
    (f"[{request('13')},{request('14')}]", [13, 14]),
    ("[]", [None]),
    ('[{"jsonrpc":"2.0","method":"notifications/x"},{"jsonrpc":"2.0","id":15,"result":{}}]', []),
    ('{"jsonrpc":"2.0","id":16,"method":"pi', [16]),
    ('{"jsonrpc":"1.0","id":17,"method":"ping"}', [17]),
    ('{"id":18,"method":"ping"}', [18]),
    ('{"jsonrpc":"2.0","id":19,"method":5}', [19]),
    ('{"jsonrpc":"2.0","id":20,"method":"ping","params":[1]}', [20]),
    ('{"params":{"id":7},"jsonrpc":"2.0","method":7,"id":21}', [21]),
    *((request(odd), [None]) for odd in ("null", "1.5", "true", "[1]", "{}", '"\\q"')),
    ("not json", [None]),
    ("5", [None]),
    ('"' + '\\"' * 50_000, [None]),
    ("", []),
    (f'{{"jsonrpc":"2.0","method":"notifications/x","params":{{"a":"{HALF}"}}}}', []),
    (f'{{"jsonrpc":"2.0","id":22,"result":{{"a":"{HALF}"}}}}', []),
    (f'{{"jsonrpc":"2.0","id":23,"error":{{"a":"{HALF}"}}}}', []),
]
