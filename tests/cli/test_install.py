"""`seedance-mcp install`: every file takes the entry, whatever it looks like, and `--undo` restores it byte for byte."""

from __future__ import annotations

import json
import os
import re
import stat
import sys
import tomllib
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seedance_mcp.cli import jsonc_edit, main, yaml_edit
from seedance_mcp.cli.mcp_clients import BY_NAME, CLIENTS, ClientApp, own_command
from seedance_mcp.errors import InvalidRequest
from seedance_mcp.origin import requirement

BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"
KEY = "sk_very_secret_0123"
COMMAND = ["--command", "/opt/se dance", "serve"]
ENTRY = {"command": "/opt/se dance", "args": ["serve"]}
ENTRIES: dict[str, dict[str, Any]] = {
    "claude-desktop": ENTRY,
    "claude-code": {"type": "stdio", **ENTRY, "env": {"SEEDANCE_API_KEY": "${SEEDANCE_API_KEY:-}"}},
    "cursor": {**ENTRY, "env": {"SEEDANCE_API_KEY": "${env:SEEDANCE_API_KEY}"}},
    "vscode": {"type": "stdio", **ENTRY, "env": {"SEEDANCE_API_KEY": "${input:seedance-api-key}"}},
    "codex": {**ENTRY, "env_vars": ["SEEDANCE_API_KEY"]},
    "gemini": {**ENTRY, "env": {"SEEDANCE_API_KEY": "$SEEDANCE_API_KEY"}},
    "windsurf": {**ENTRY, "env": {"SEEDANCE_API_KEY": "${env:SEEDANCE_API_KEY}"}},
    "devin": ENTRY,
    "zed": ENTRY,
    "lmstudio": ENTRY,
    "opencode": {
        "type": "local",
        "enabled": True,
        "command": ["/opt/se dance", "serve"],
        "environment": {"SEEDANCE_API_KEY": "{env:SEEDANCE_API_KEY}"},
    },
    "cline": ENTRY,
    "goose": {
        "enabled": True,
        "type": "stdio",
        "name": "seedance",
        "description": "Seedance videos",
        "timeout": 300,
        "cmd": "/opt/se dance",
        "args": ["serve"],
        "env_keys": ["SEEDANCE_API_KEY"],
    },
    "copilot": {"type": "local", "tools": ["*"], **ENTRY, "env": {"SEEDANCE_API_KEY": "${SEEDANCE_API_KEY}"}},
}
URL = "https://video.example.com/mcp"


def bearer(token: str) -> dict[str, Any]:
    return {"headers": {"Authorization": f"Bearer {token}"}}


REMOTE: dict[str, dict[str, Any]] = {
    "claude-code": {"type": "http", "url": URL, **bearer("${SEEDANCE_TOKEN}")},
    "cursor": {"url": URL, **bearer("${env:SEEDANCE_TOKEN}")},
    "vscode": {"type": "http", "url": URL, **bearer("${input:seedance-token}")},
    "codex": {"url": URL, "bearer_token_env_var": "SEEDANCE_TOKEN"},
    "gemini": {"httpUrl": URL, **bearer("$SEEDANCE_TOKEN")},
    "windsurf": {"serverUrl": URL, **bearer("${env:SEEDANCE_TOKEN}")},
    "devin": {"url": URL},
    "zed": {"url": URL},
    "lmstudio": {"url": URL},
    "opencode": {"type": "remote", "enabled": True, "url": URL, **bearer("{env:SEEDANCE_TOKEN}")},
    "cline": {"type": "streamableHttp", "url": URL},
    "goose": {
        **ENTRIES["goose"],
        "type": "streamable_http",
        "uri": URL,
        **bearer("${SEEDANCE_TOKEN}"),
        "env_keys": ["SEEDANCE_TOKEN"],
    },
    "copilot": {"type": "http", "tools": ["*"], "url": URL, **bearer("${SEEDANCE_TOKEN}")},
}
for name in ("cmd", "args"):
    REMOTE["goose"].pop(name)
COMMENT = r"# \w+|/\*.*?\*/|// c, "
INPUT = {"type": "promptString", "id": "seedance-api-key", "description": "Seedance API key", "password": True}


@pytest.fixture(autouse=True)
def a_home_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("XDG_CONFIG_HOME", "APPDATA", "CODEX_HOME", "CLAUDE_CONFIG_DIR", "COPILOT_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")


def written(client: ClientApp, content: bytes | None) -> Path:
    path = client.path()
    path.parent.mkdir(parents=True, exist_ok=True)
    for each in path.parent.iterdir():
        if each.is_file():
            each.unlink()
    if content is not None:
        path.write_bytes(content)
    return path


def plain(text: str) -> str:
    """JSON without comments and trailing commas, by other means than ours."""
    text = re.sub(r'("(?:\\.|[^"\\])*")|//[^\r\n]*|/\*.*?\*/', lambda found: found[1] or "", text, flags=re.DOTALL)
    return re.sub(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])', lambda found: found[1] or "", text)


def value_of(client: ClientApp, content: bytes) -> dict[str, Any]:
    text = content.decode("utf-8-sig")
    if client.format == "yaml":
        return yaml.safe_load(text) or {}
    return tomllib.loads(text) if client.format == "toml" else json.loads(plain(text).strip() or "{}")


def with_entry(client: ClientApp, value: dict[str, Any]) -> dict[str, Any]:
    entry = ENTRIES[client.name]
    servers: dict[str, Any] = value.get(client.servers) or {}
    if client.nested in servers:
        known = {name: each for name, each in entry.items() if name not in client.not_nested}
        return {**value, client.servers: {**servers, client.nested: {**servers[client.nested], "seedance": known}}}
    wanted = {**value, client.servers: {**servers, "seedance": entry}}
    if client.input:
        others = [each for each in value.get("inputs", []) if each != INPUT]
        wanted["inputs"] = [*others, INPUT]
    return wanted


NAMES = st.sampled_from(["command", "a b", "ü", 'q"\\', "//", "x"])
LEAVES = st.sampled_from([None, True, -1.5e3, "", "// no comment", "/* nor */", 'a "q", }', "狐", "back\\slash"])
THINGS = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2), max_leaves=4
)


@st.composite
def jsonc_files(draw: st.DrawFn, servers: str, nested: str) -> bytes:
    """What people and editors leave in a configuration: any spacing, comments, trailing commas, line ends, a mark at the start."""
    value = draw(st.dictionaries(NAMES, THINGS, max_size=3))
    if draw(st.booleans()):
        value[servers] = draw(
            st.dictionaries(st.sampled_from(["one", "two", "seedance"]), st.just({"command": "x"}), max_size=3)
        )
        if nested and draw(st.booleans()):
            value[servers] = {nested: value[servers], "timeout": {"startup": 30}}
    if draw(st.booleans()):
        value["inputs"] = draw(st.lists(st.sampled_from([{"id": "other"}, {"id": "third", "x": []}]), max_size=2))
    line = draw(st.sampled_from(["\n", "\r\n"]))
    gaps = ["", "", " ", line, f"{line}    ", f"{line}\t", f' // c, " {{ {line}', '/* , ] " */', f"{line}{line}"]

    def gap() -> str:
        return draw(st.sampled_from(gaps))

    def text(node: Any) -> str:
        if isinstance(node, dict):
            items = cast("dict[str, Any]", node).items()
            return inside("{}", [f"{json.dumps(name)}{gap()}:{gap()}{text(each)}" for name, each in items])
        return inside("[]", [text(each) for each in cast("list[Any]", node)]) if isinstance(node, list) else json.dumps(node)

    def inside(marks: str, parts: list[str]) -> str:
        spaced = [f"{gap()}{part}{gap()}" for part in parts]
        last = draw(st.sampled_from(["", ","])) if parts else ""
        return f"{marks[0]}{','.join(spaced)}{last}{gap()}{marks[1]}"

    whole = text(value) if draw(st.integers(0, 9)) else ""
    return (draw(st.sampled_from(["", BOM])) + gap() + whole + gap()).encode()


@st.composite
def toml_files(draw: st.DrawFn) -> bytes:
    head = ["# mine", 'model = "gpt"', "", "n = [\n  1, # one\n  2,\n]", "'q u' = 1"]
    tables = [
        "[a]\nb=1",
        "  [mcp_servers.one] # first\n  command='x'",
        '[mcp_servers.two]\ncommand = "y"\n[mcp_servers.two.env]\nA = "1"',
        '[mcp_servers.seedance]\ncommand = "old"\nmine = 1',
        "[[list]]\nz = 1 # last",
        "# a comment\n",
    ]
    lines = [*draw(st.lists(st.sampled_from(head), unique=True)), *draw(st.lists(st.sampled_from(tables), unique=True))]
    if draw(st.integers(0, 5)) == 0:
        lines = ["mcp_servers = { one = { command = 'x' } } # short"]
    text = draw(st.sampled_from(["", BOM])) + "\n".join(lines) + draw(st.sampled_from(["", "\n", "\n\n\n"]))
    return text.replace("\n", draw(st.sampled_from(["\n", "\r\n"]))).encode()


@st.composite
def yaml_files(draw: st.DrawFn) -> bytes:
    """What Goose and people leave in its file, with our entry in it or not, at any indentation."""
    step = draw(st.sampled_from(["  ", "    ", " "]))
    blocks = [
        f"one: # first\n{step}{step}enabled: true\n{step}{step}args:\n{step}{step}- -y\n",
        f"two:\n{step}{step}envs:\n{step}{step}{step}A: 'x: y'\n\n",
        "three: {type: builtin, name: three}\n",
        f"seedance:\n{step}{step}cmd: old # mine\n{step}{step}args: []\n",
        f"'seedance': {{cmd: old}}\n{step}# a comment\n",
    ]
    chosen = draw(st.lists(st.sampled_from(blocks), unique_by=lambda each: each.split(":")[0].strip("'"), max_size=4))
    title = (
        "extensions: # all\n"
        if chosen
        else draw(st.sampled_from(["extensions: {}\n", "extensions:\n", "extensions: ~ # none\n"]))
    )
    parts = ["---\n", "# mine\n", "GOOSE_MODEL: stub\n", "text: |-\n  seedance: no\n  extensions:\n", "last:\n- a\n- b\n"]
    before = draw(st.lists(st.sampled_from(parts), unique=True))
    middle = [title, *(f"{step}{each}" for each in chosen)] * draw(st.booleans())
    after = draw(st.sampled_from(["", "other: 1 # o\n", "\n\n# end\n"]))
    whole = "".join([*sorted(before, key=lambda each: each != "---\n"), *middle, after])
    text = draw(st.sampled_from(["", BOM])) + (whole if draw(st.booleans()) else whole.removesuffix("\n"))
    return text.replace("\n", draw(st.sampled_from(["\n", "\r\n"]))).encode()


def contents(client: ClientApp) -> st.SearchStrategy[bytes | None]:
    kinds = {"toml": toml_files, "yaml": yaml_files}
    texts = kinds[client.format]() if client.format in kinds else jsonc_files(client.servers, client.nested)
    return st.one_of(st.just(None), *[texts] * 6)


@pytest.mark.slow
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_every_file_takes_the_entry_and_undo_restores_it_byte_for_byte(client: ClientApp) -> None:
    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(contents(client))
    def in_and_out(content: bytes | None) -> None:
        path = written(client, content)
        before = value_of(client, content or b"")
        assert main.main(["install", client.name, *COMMAND]) == 0
        installed = path.read_bytes()
        assert value_of(client, installed) == with_entry(client, before)
        assert installed.startswith(BOM.encode()) is (content or b"").startswith(BOM.encode())
        if b"seedance" not in (content or b""):
            assert re.findall(COMMENT, installed.decode()) == re.findall(COMMENT, (content or b"").decode())
        assert main.main(["install", client.name, "--undo"]) == 0
        assert (path.read_bytes() if path.exists() else None) == content
        assert [each for each in path.parent.iterdir() if each.is_file()] == [path] * (content is not None)

    in_and_out()


@pytest.mark.slow
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_undo_after_a_change_by_others_removes_only_the_entry(client: ClientApp, capsys: pytest.CaptureFixture[str]) -> None:
    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(contents(client).filter(lambda content: b"seedance" not in (content or b"")))
    def changed(content: bytes | None) -> None:
        path = written(client, content)
        before = value_of(client, content or b"")
        assert main.main(["install", client.name, *COMMAND]) == 0
        path.write_bytes(path.read_bytes() + (b"\n" if client.format == "json" else b"\n# theirs\n"))
        capsys.readouterr()
        assert main.main(["install", client.name, "--undo"]) == 0
        assert "only the entry is removed" in capsys.readouterr().out
        left = value_of(client, path.read_bytes())
        assert "seedance" not in json.dumps(left)
        assert {name: each for name, each in left.items() if each not in ({}, [], None)} == {
            name: each for name, each in before.items() if each not in ({}, [], None)
        }
        for copy in path.parent.glob("*before-seedance*"):
            copy.unlink()

    changed()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"a": 1}', '{"a": 1, "mcpServers": {"seedance": ENTRY}}'),
        (
            '{\n  "mcpServers": {\n    "x": {} // mine\n  }\n}',
            '{\n  "mcpServers": {\n    "x": {}, // mine\n    "seedance": ENTRY\n  }\n}',
        ),
        ("{\r\n\t// none\r\n}", '{\r\n\t// none\r\n\t"mcpServers": {\r\n\t\t"seedance": ENTRY\r\n\t}\r\n}'),
        ('{"a": 1,}', '{"a": 1, "mcpServers": {"seedance": ENTRY},}'),
        ('{\n  "a": 1, // mine\n}', '{\n  "a": 1, // mine\n  "mcpServers": {\n    "seedance": ENTRY\n  },\n}'),
        ('{"mcpServers": {"seedance": 7, "y": {}}}', '{"mcpServers": {"seedance": ENTRY, "y": {}}}'),
        ('{\n "mcpServers": {}\n}', '{\n "mcpServers": {\n  "seedance": ENTRY\n }\n}'),
        (
            '{\n "mcpServers": {\n  "x": {},\n  "y": {}\n }\n}',
            '{\n "mcpServers": {\n  "x": {},\n  "y": {},\n  "seedance": ENTRY\n }\n}',
        ),
        (
            '{\n "mcpServers": {\n  "x": {}, "y": {}\n }\n}',
            '{\n "mcpServers": {\n  "x": {}, "y": {},\n  "seedance": ENTRY\n }\n}',
        ),
        ('{"mcpServers": 1, "mcpServers": {"x": 1}}', '{"mcpServers": 1, "mcpServers": {"x": 1, "seedance": ENTRY}}'),
        ("\n// mine", '\n// mine\n{\n  "mcpServers": {\n    "seedance": ENTRY\n  }\n}\n'),
    ],
)
def test_the_change_is_as_small_as_it_can_be(before: str, after: str) -> None:
    made = jsonc_edit.put(before, ("mcpServers", "seedance"), [])
    assert made == after.replace("ENTRY", "[]")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            '{\n  "s": {\n    "a": {\n      "old": 1\n    }, // mine\n    "b": 2\n  }\n}\n',
            '{\n  "s": {\n    "a": {\n      "x": [\n        1\n      ]\n    }, // mine\n    "b": 2\n  }\n}\n',
        ),
        (
            '{\r\n\t"s": {\r\n\t\t"a": 7\r\n\t}\r\n}',
            '{\r\n\t"s": {\r\n\t\t"a": {\r\n\t\t\t"x": [\r\n\t\t\t\t1\r\n\t\t\t]\r\n\t\t}\r\n\t}\r\n}',
        ),
        ('{\n "s": {"a": 7}\n}', '{\n "s": {"a": {\n  "x": [\n   1\n  ]\n }}\n}'),
    ],
)
def test_a_replaced_entry_has_the_indentation_of_its_line(before: str, after: str) -> None:
    assert jsonc_edit.put(before, ("s", "a"), {"x": [1]}) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"s": {"a": 1, "b": 2}}', '{"s": {"b": 2}}'),
        ('{"s": {"b": 2, "a": 1}}', '{"s": {"b": 2}}'),
        ('{"s": {"b": 2, "a": 1,}}', '{"s": {"b": 2,}}'),
        ('{"s":{"b":2,"a":1}}', '{"s":{"b":2}}'),
        ('{"s": {\n  // keep\n  "a": 1, "b": 2\n}}', '{"s": {\n  // keep\n"b": 2\n}}'),
        ('{"s": {"b": 2}}', '{"s": {"b": 2}}'),
        ('{"s": 1}', '{"s": 1}'),
        ("{}", "{}"),
        ("", ""),
    ],
)
def test_removing_an_entry_leaves_its_neighbours(before: str, after: str) -> None:
    assert jsonc_edit.remove(before, ("s", "a")) == after


@pytest.mark.parametrize(
    ("name", "before", "theirs", "after"),
    [
        ("cursor", '{"a": 1}', '{"a": 2}', '{"a": 2}'),
        ("vscode", '{\n  "a": 1,\n}\n', '{\n  "a": 2,\n}\n', '{\n  "a": 2,\n}\n'),
        ("vscode", '{"a": 1, "servers": {}}', '{"a": 2, "servers": {}}', '{"a": 2, "servers": {\n}\n}'),
        ("vscode", '{"a": 1, "inputs": []}', '{"a": 2, "inputs": []}', '{"a": 2, "inputs": [\n]}'),
        ("codex", "a = 1\n", "a = 2\n", "a = 2\n\n"),
    ],
)
def test_undo_removes_containers_made_for_the_entry_and_names_a_copy_that_differs(
    name: str, before: str, theirs: str, after: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(BY_NAME[name], before.encode())
    assert main.main(["install", name, *COMMAND]) == 0
    (copy,) = path.parent.glob("*before-seedance*")
    path.write_bytes(path.read_bytes().replace(before[:6].encode(), theirs[:6].encode()).replace(b"1", b"2"))
    capsys.readouterr()
    assert main.main(["install", name, "--undo"]) == 0
    assert path.read_text("utf-8") == after
    assert f"only the entry is removed. Its earlier content: {copy}\n" in capsys.readouterr().out
    assert copy.read_text("utf-8") == before
    assert main.main(["install", name, "--undo"]) == 0
    assert path.read_text("utf-8") == after
    assert f"Nothing to change.\nIts earlier content: {copy}\n" in capsys.readouterr().out


@pytest.mark.parametrize("content", [None, b'{"a": 1}'])
def test_undo_deletes_a_redundant_copy(content: bytes | None, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(BY_NAME["cursor"], content)
    assert main.main(["install", "cursor", *COMMAND]) == 0
    path.write_bytes(path.read_bytes().replace(b"serve", b"other"))
    capsys.readouterr()
    assert main.main(["install", "cursor", "--undo"]) == 0
    assert json.loads(path.read_bytes()) == json.loads(content or b"{}")
    assert list(path.parent.iterdir()) == [path]
    assert "earlier content" not in capsys.readouterr().out


def test_a_container_with_a_comment_of_others_stays() -> None:
    path = written(BY_NAME["vscode"], b"{}")
    assert main.main(["install", "vscode", *COMMAND]) == 0
    path.write_bytes(path.read_bytes().replace(b'"servers": {', b'"servers": { // mine'))
    assert main.main(["install", "vscode", "--undo"]) == 0
    assert "// mine" in path.read_text("utf-8")
    assert "inputs" not in path.read_text("utf-8")


@pytest.mark.parametrize("text", ['{"s": {"x": 1}}', '{"s": [1]}', '{"s": 1}', "{}", "", '{"s": [/* mine */]}'])
def test_prune_keeps_what_is_not_an_empty_container(text: str) -> None:
    assert jsonc_edit.prune(text, "s") == text


PLACES = {
    "claude-desktop": (
        "/h/Library/Application Support/Claude/claude_desktop_config.json",
        "C:/r/Claude/claude_desktop_config.json",
        "/h/.config/Claude/claude_desktop_config.json",
    ),
    "claude-code": ("/h/.claude.json", "C:/u/.claude.json", "/h/.claude.json"),
    "cursor": ("/h/.cursor/mcp.json", "C:/u/.cursor/mcp.json", "/h/.cursor/mcp.json"),
    "vscode": (
        "/h/Library/Application Support/Code/User/mcp.json",
        "C:/r/Code/User/mcp.json",
        "/h/.config/Code/User/mcp.json",
    ),
    "codex": ("/h/.codex/config.toml", "C:/u/.codex/config.toml", "/h/.codex/config.toml"),
    "gemini": ("/h/.gemini/settings.json", "C:/u/.gemini/settings.json", "/h/.gemini/settings.json"),
    "windsurf": tuple(f"{home}/.codeium/windsurf/mcp_config.json" for home in ("/h", "C:/u", "/h")),
    "devin": tuple(f"{config}/devin/mcp_config.json" for config in ("/h/.config", "C:/r", "/h/.config")),
    "zed": ("/h/.config/zed/settings.json", "C:/r/Zed/settings.json", "/h/.config/zed/settings.json"),
    "lmstudio": tuple(f"{home}/.lmstudio/mcp.json" for home in ("/h", "C:/u", "/h")),
    "opencode": tuple(f"{home}/.config/opencode/opencode.json" for home in ("/h", "C:/u", "/h")),
    "cline": tuple(f"{home}/.cline/data/settings/cline_mcp_settings.json" for home in ("/h", "C:/u", "/h")),
    "goose": ("/h/.config/goose/config.yaml", "C:/r/Block/goose/config/config.yaml", "/h/.config/goose/config.yaml"),
    "copilot": tuple(f"{home}/.copilot/mcp-config.json" for home in ("/h", "C:/u", "/h")),
}


@pytest.mark.parametrize("name", PLACES)
def test_each_client_has_its_path_on_each_platform(name: str) -> None:
    environments = ({"HOME": "/h"}, {"USERPROFILE": "C:/u", "APPDATA": "C:/r"}, {"HOME": "/h"})
    found = [BY_NAME[name].path(*each) for each in zip(("darwin", "win32", "linux"), environments, strict=True)]
    assert found == [Path(place) for place in PLACES[name]]


def test_variables_that_move_a_folder_are_followed() -> None:
    moved = {"HOME": "/h", "XDG_CONFIG_HOME": "/x", "CODEX_HOME": "/c", "CLAUDE_CONFIG_DIR": "/d"}
    found = [str(BY_NAME[name].path("linux", moved)) for name in ("vscode", "codex", "claude-code")]
    assert found == ["/x/Code/User/mcp.json", "/c/config.toml", "/d/.claude.json"]
    assert str(BY_NAME["vscode"].path("win32", {"USERPROFILE": "C:/u"})) == "C:/u/AppData/Roaming/Code/User/mcp.json"
    assert BY_NAME["cursor"].path("linux", {}) == Path.home() / ".cursor" / "mcp.json"
    moves = [{"CLINE_DIR": "/a"}, {"CLINE_DIR": "/a", "CLINE_DATA_DIR": "/b"}, {"CLINE_MCP_SETTINGS_PATH": "/c.json"}]
    found = [str(BY_NAME["cline"].path("linux", {"HOME": "/h", **each})) for each in moves]
    assert found == ["/a/data/settings/cline_mcp_settings.json", "/b/settings/cline_mcp_settings.json", "/c.json"]


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ('{"mcp": {"servers": {"other": {"type": "local"}}}}', ("mcp", "servers")),
        ('{"mcp": {"servers": {}}}', ("mcp", "servers")),
        ('{"mcp": {"servers": {"type": "local", "command": ["x"]}}}', ("mcp",)),
        ('{"mcp": {"servers": {"enabled": false}}}', ("mcp",)),
        ('{"mcp": {"other": {"type": "local"}}}', ("mcp",)),
    ],
)
def test_opencode_2_is_known_by_its_file(content: str, where: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    path = written(BY_NAME["opencode"], content.encode())
    assert main.main(["install", "opencode", "--sandbox"]) == 0
    found = json.loads(path.read_bytes())
    for name in where:
        found = found[name]
    assert ("enabled" in found["seedance"]) is (len(where) == 1)
    assert main.main(["install"]) == 0
    assert f"installed in {path}, sandbox, starts /" in capsys.readouterr().out
    assert main.main(["install", "opencode", "--undo"]) == 0
    assert path.read_bytes() == content.encode()


def test_an_entry_of_opencode_1_is_found_and_removed_in_a_file_of_opencode_2(capsys: pytest.CaptureFixture[str]) -> None:
    path = written(BY_NAME["opencode"], b'{"mcp": {"servers": {}, "seedance": {"type": "local", "command": ["/opt/x"]}}}')
    assert main.main(["install"]) == 0
    assert f"installed in {path}, starts /opt/x" in capsys.readouterr().out
    assert main.main(["install", "opencode", "--undo"]) == 0
    assert json.loads(path.read_bytes()) == {"mcp": {"servers": {}}}


def test_undo_after_several_installations_restores_the_first_content(capsys: pytest.CaptureFixture[str]) -> None:
    path = written(BY_NAME["cursor"], b'{"a":1}')
    for command in (COMMAND, ["--command", "uvx"], ["--sandbox", "--command", "uvx"], ["--sandbox", "--command", "uvx"]):
        assert main.main(["install", "cursor", *command]) == 0
    assert json.loads(path.read_bytes())["mcpServers"]["seedance"] == {
        "command": "uvx",
        "args": ["--from", requirement("sandbox"), "seedance-mcp"],
        "env": {"SEEDANCE_SANDBOX": "1"},
    }
    assert "Nothing to change." in capsys.readouterr().out
    assert main.main(["install", "cursor", "--undo"]) == 0
    assert path.read_bytes() == b'{"a":1}'
    assert main.main(["install", "cursor", "--undo"]) == 0
    assert "Nothing to change." in capsys.readouterr().out
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(("content", "told"), [(None, "there was none before"), (b"{}", "as it was before, byte for byte")])
def test_undo_says_what_it_leaves(content: bytes | None, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    written(BY_NAME["cursor"], content)
    assert main.main(["install", "cursor", "--sandbox"]) == 0
    assert "Limits: none, and nothing is charged there." in capsys.readouterr().out
    assert main.main(["install", "cursor", "--undo"]) == 0
    assert told in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "rest"), [("codex", '[projects."/a"]\ntrust_level = "trusted"\n'), ("goose", "theme: dark\n")]
)
def test_what_others_wrote_around_the_entry_stays_when_it_goes(name: str, rest: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEDANCE_MAX_COST_PER_DAY", "5")
    path = written(BY_NAME[name], None)
    assert main.main(["install", name, *COMMAND]) == 0
    path.write_text(f"# above\n{path.read_text('utf-8')}# close\n\n# below\n\n# of the rest\n{rest}", "utf-8")
    assert main.main(["install", name, "--undo"]) == 0
    left = path.read_text("utf-8")
    assert [line for line in left.splitlines() if line.startswith("#")] == ["# above", "# close", "# below", "# of the rest"]
    assert left.endswith(f"# of the rest\n{rest}")
    assert "seedance" not in left


@pytest.mark.parametrize(
    ("content", "told"), [("mcp_servers = 'seedance'", "must be a table"), ("[mcp_servers.seedance", "Invalid TOML")]
)
def test_undo_leaves_what_it_cannot_read(content: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(BY_NAME["codex"], content.encode())
    assert main.main(["install", "codex", "--undo"]) == 2
    assert told in capsys.readouterr().err
    assert path.read_text("utf-8") == content


def test_an_entry_that_a_user_wrote_by_hand_is_replaced_whole_and_comes_back() -> None:
    by_hand = b'[mcp_servers.seedance]\n# mine\nurl = "https://old.example.com"\n'
    path = written(BY_NAME["codex"], by_hand)
    assert main.main(["install", "codex", *COMMAND]) == 0
    assert tomllib.loads(path.read_text("utf-8")) == {"mcp_servers": {"seedance": ENTRIES["codex"]}}
    assert b"# mine\n" in path.read_bytes()
    assert main.main(["install", "codex", "--undo"]) == 0
    assert path.read_bytes() == by_hand


@pytest.mark.parametrize("name", ["codex", "goose", "cursor"])
def test_another_installation_replaces_the_whole_entry_in_a_file_that_others_changed(name: str) -> None:
    client = BY_NAME[name]
    path = written(client, None)
    assert main.main(["install", name, *COMMAND]) == 0
    theirs = b"\n" if client.format == "json" else b"\n# theirs\n"
    path.write_bytes(path.read_bytes() + theirs)
    assert main.main(["install", name, "--url", URL]) == 0
    assert value_of(client, path.read_bytes())[client.servers] == {"seedance": REMOTE[name]}
    assert theirs.strip() in path.read_bytes()
    assert main.main(["install", name, *COMMAND]) == 0
    assert value_of(client, path.read_bytes())[client.servers] == {"seedance": ENTRIES[name]}


def test_an_installation_names_the_copy_of_what_was_there(capsys: pytest.CaptureFixture[str]) -> None:
    before = b'{\n  "a": 1\n}\n'
    path = written(BY_NAME["cursor"], before)
    assert main.main(["install", "cursor", "--sandbox"]) == 0
    (copy,) = path.parent.glob("*before-seedance*")
    told = capsys.readouterr().out
    assert f"Its earlier content: {copy}\nKey: none: the sandbox needs none.\n" in told
    assert "The entry:" not in told
    assert copy.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "left"), [(None, None), (b"", b""), (b'{"mcpServers": {"seedance": {}}}', b'{"mcpServers": {}}')]
)
def test_undo_of_what_was_not_installed_here_claims_nothing_and_leaves_the_containers(
    content: bytes | None, left: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(BY_NAME["cursor"], content)
    assert main.main(["install", "cursor", "--undo"]) == 0
    told = capsys.readouterr().out
    assert (path.read_bytes() if path.exists() else None) == left
    assert not any(claim in told for claim in ("there was none before", "as it was before", "changed since"))


@pytest.mark.parametrize("content", [None, b"{}"])
def test_a_dry_run_shows_the_change_and_writes_nothing(content: bytes | None, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(BY_NAME["vscode"], content)
    assert main.main(["install", "vscode", "--dry-run", *COMMAND]) == 0
    assert '+      "command": "/opt/se dance",' in capsys.readouterr().out
    assert (path.read_bytes() if path.exists() else None) == content
    assert main.main(["install", "vscode", *COMMAND]) == 0
    installed = path.read_bytes()
    assert main.main(["install", "vscode", "--undo", "--dry-run"]) == 0
    assert path.read_bytes() == installed


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_key_is_written_only_on_request_and_with_mode_0600(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEEDANCE_API_KEY", KEY)
    path = written(BY_NAME["claude-desktop"], b"{}\n")
    path.chmod(0o644)
    assert main.main(["install", "claude-desktop", *COMMAND]) == 0
    assert KEY.encode() not in path.read_bytes()
    assert mode(path) == 0o644
    assert main.main(["install", "claude-desktop", "--key-from-env", *COMMAND]) == 0
    assert json.loads(path.read_bytes())["mcpServers"]["seedance"]["env"] == {"SEEDANCE_API_KEY": KEY}
    assert mode(path) == 0o600
    assert main.main(["install", "claude-desktop", "--undo"]) == 0
    assert (path.read_bytes(), mode(path)) == (b"{}\n", 0o644)
    assert KEY not in capsys.readouterr().out


def others_file(client: ClientApp, length: int) -> bytes:
    """The file of a client with a secret of another server, and something so long that its line is cut."""
    filler = "x" * length
    if client.format == "toml":
        return f"[{client.servers}.other]\ncommand = '{filler}'\n[{client.servers}.other.env]\nTOKEN = 'theirs'\n".encode()
    if client.format == "yaml":
        return f"{client.servers}:\n  other: {{cmd: '{filler}', envs: {{TOKEN: theirs}}}}\n".encode()
    other = {"other": {"command": filler, "env": {"TOKEN": "theirs"}, "headers": {"Authorization": "Bearer theirs"}}}
    return json.dumps({client.servers: other}, indent=2 if length == 1 else None).encode()


@pytest.mark.parametrize("length", [1, 200])
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_secrets_of_other_servers_are_not_shown_in_any_client(
    client: ClientApp, length: int, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(client, others_file(client, length))
    assert main.main(["install", client.name, *COMMAND]) == 0
    assert main.main(["install"]) == 0
    assert b"theirs" in path.read_bytes()
    path.write_bytes(path.read_bytes() + b"\n")
    for words in (["--url", URL], ["--undo", "--dry-run"], ["--undo"]):
        assert main.main(["install", client.name, *words]) == (2 if words[0] == "--url" and not client.url_field else 0)
    shown = capsys.readouterr()
    assert "theirs" not in shown.out + shown.err
    assert "se dance" in shown.out


@pytest.mark.parametrize("name", ["claude-desktop", "codex"])
def test_the_entry_is_shown_whole_if_long_lines_are_cut(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEEDANCE_API_KEY", KEY)
    long = {
        "claude-desktop": '{"mcpServers": {"other": {"x": "LONG"}}}',
        "codex": 'mcp_servers = { other = { x = "LONG" } }\n',
    }
    path = written(BY_NAME[name], long[name].replace("LONG", "x" * 200).encode())
    by_key = ["--key-from-env"] if name == "claude-desktop" else []
    assert main.main(["install", name, *by_key, "--dry-run", *COMMAND]) == 0
    told = capsys.readouterr().out
    text = told.split("The entry:\n")[1].split("Limits:")[0]
    shown = json.loads(text)["seedance"] if by_key else tomllib.loads(text)["mcp_servers"]["seedance"]
    assert shown == ({**ENTRY, "env": {"SEEDANCE_API_KEY": "********"}} if by_key else ENTRIES[name])
    assert KEY not in told
    assert main.main(["install", name, *COMMAND]) == 0
    assert main.main(["install", name, "--undo"]) == 0
    assert "…" in capsys.readouterr().out
    assert b"x" * 200 in path.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "key", "told"),
    [
        (["cursor", "--key-from-env"], KEY, "needs no key in its file"),
        (["claude-desktop", "--key-from-env"], "", "SEEDANCE_API_KEY is not set in this shell"),
        (["cursor", "--token-from-env"], "", "belong to --url"),
        (["cursor", "--sign-in"], "", "belong to --url"),
        (["cursor", "--command"], "", "--command needs the command that the client starts"),
    ],
)
def test_options_that_make_no_entry_are_refused(
    arguments: list[str], key: str, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEEDANCE_API_KEY", key)
    assert main.main(["install", *arguments]) == 2
    assert told in capsys.readouterr().err
    assert not BY_NAME[arguments[0]].path().exists()


def test_a_symlink_stays_a_symlink(tmp_path: Path) -> None:
    path = written(BY_NAME["codex"], None)
    target = tmp_path / "dotfiles" / "codex.toml"
    target.parent.mkdir()
    path.symlink_to(target)
    assert main.main(["install", "codex", *COMMAND]) == 0
    assert path.is_symlink()
    assert tomllib.loads(target.read_text("utf-8"))["mcp_servers"]["seedance"] == ENTRIES["codex"]
    assert main.main(["install", "codex", "--undo"]) == 0
    assert path.is_symlink()
    assert not target.exists()


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("cursor", b"{", "Invalid JSON at line 1"),
        ("cursor", b'{\n"a" 1}', "Invalid JSON at line 2"),
        ("cursor", b'{\n"a":1,,}', "Invalid JSON at line 2"),
        ("cursor", b"{a:1}", "Invalid JSON"),
        ("cursor", b"{1:1}", "Invalid JSON"),
        ("cursor", b'{"a":/}', "Invalid JSON"),
        ("cursor", b"{} {}", "Invalid JSON"),
        ("cursor", b"[" * 20_000, "Invalid JSON"),
        ("cursor", b"[]", "The whole file must be an object"),
        ("cursor", b'{"mcpServers": []}', "mcpServers must be an object"),
        ("vscode", b'{"inputs": {}}', "inputs must be a list"),
        ("cursor", '{"ü": 1}'.encode("latin-1"), "not UTF-8"),
        ("codex", b"a = ", "Invalid TOML"),
        ("codex", b"mcp_servers = 1", "mcp_servers must be a table"),
    ],
)
def test_an_invalid_file_is_named_and_left_unchanged(
    name: str, content: bytes, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(BY_NAME[name], content)
    assert main.main(["install", name]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert str(path) in error
    assert list(path.parent.iterdir()) == [path]
    assert path.read_bytes() == content


def test_a_folder_that_cannot_be_created_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    home = BY_NAME["cursor"].path().parent
    home.parent.mkdir(parents=True)
    home.write_text("a file where the folder should be", "utf-8")
    assert main.main(["install", "cursor"]) == 2
    assert "cannot be changed" in capsys.readouterr().err


def test_a_copy_that_cannot_be_written_leaves_the_file_unchanged() -> None:
    path = written(BY_NAME["cursor"], b"{}")
    assert main.main(["install", "cursor", *COMMAND]) == 0
    (copy,) = path.parent.glob("*before-seedance*")
    assert main.main(["install", "cursor", "--undo"]) == 0
    copy.mkdir()
    assert main.main(["install", "cursor", *COMMAND]) == 2
    assert path.read_bytes() == b"{}"
    assert sorted(path.parent.iterdir()) == [path, copy]


def test_the_entry_starts_this_installation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (command,) = own_command(sandbox=False)
    assert os.access(command, os.X_OK)
    cached = str(tmp_path / "archive-v0" / "x")
    uvx, *rest = own_command(sandbox=True, prefix=cached, environment={"UV": "/usr/bin/uv"})
    assert [uvx, *rest] == ["/usr/bin/uvx", "--from", requirement("sandbox"), "seedance-mcp"]
    assert own_command(sandbox=False, prefix=cached, environment={})[0] == "uvx"
    monkeypatch.setattr("sysconfig.get_path", {"scripts": str(tmp_path)}.get)
    assert own_command(sandbox=False) == [sys.executable, "-m", "seedance_mcp"]


GIVEN = {
    "SEEDANCE_MAX_COST_PER_VIDEO": "0.5",
    "SEEDANCE_MAX_COST_PER_DAY": "100",
    "SEEDANCE_MAX_COST_TOTAL": "0",
    "SEEDANCE_CONFIRM_ABOVE": "2",
    "SEEDANCE_OUTPUT_DIR": "/films",
    "SEEDANCE_DOWNLOAD_PROXY": "http://127.0.0.1:7890",
}


@pytest.mark.parametrize("sandbox", [[], ["--sandbox"]])
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_limits_of_the_shell_are_written_into_the_entry(
    client: ClientApp, sandbox: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {**GIVEN, "SEEDANCE_API_KEY": KEY, "SEEDANCE_LOG_LEVEL": "INFO"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SEEDANCE_MAX_COST_PER_DAY", "1e2")
    path = written(client, None)
    assert main.main(["install", client.name, *sandbox, *COMMAND]) == 0
    found = value_of(client, path.read_bytes())
    usual = {"SEEDANCE_SANDBOX": "1"} if sandbox else ENTRIES[client.name].get(client.environment, {})
    assert found[client.servers]["seedance"][client.environment] == {**usual, **GIVEN}
    assert ("inputs" in found) is (client.name == "vscode" and not sandbox)
    assert ("env_vars" in found[client.servers]["seedance"]) is (client.name == "codex" and not sandbox)
    limits = ", ".join(f"{name}={value}" for name, value in GIVEN.items() if "_MAX_" in name)
    assert f"Limits: {limits}, written into the entry." in capsys.readouterr().out


def test_a_proxy_with_a_password_is_not_written_into_the_entry(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEEDANCE_DOWNLOAD_PROXY", "http://me:hidden@127.0.0.1:7890")
    assert main.main(["install", "cursor", *COMMAND]) == 0
    assert "hidden" not in BY_NAME["cursor"].path().read_text() + capsys.readouterr().out


def test_a_relative_output_folder_is_refused_and_nothing_is_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEEDANCE_OUTPUT_DIR", "videos")
    assert main.main(["install", "claude-desktop", *COMMAND]) == 2
    assert "SEEDANCE_OUTPUT_DIR: must be an absolute path" in capsys.readouterr().err
    assert not BY_NAME["claude-desktop"].path().exists()


def test_an_invalid_limit_is_refused_and_not_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEEDANCE_LOG_LEVEL", "LOUD")
    assert main.main(["install", "cursor", *COMMAND]) == 0
    monkeypatch.setenv("SEEDANCE_MAX_COST_PER_DAY", "much")
    assert main.main(["install", "cursor", *COMMAND]) == 2
    error = capsys.readouterr().err
    assert "SEEDANCE_MAX_COST_PER_DAY: " in error
    assert "LOG_LEVEL" not in error


@pytest.mark.parametrize(
    "before",
    [
        '{"mcpServers": {"other": {"env": {"TOKEN": "others-secret"}}}}',
        '{\n  "token": "others-secret"\n}\n',
        '{\n  "mcpServers": {\n    "other": {"command": "x", "env": {"TOKEN": "others-secret"}}\n  }\n}\n',
        '// \x1b[31mred\x9b\n{"TOKEN": "others-secret", "mcpServers": {}} // \x1b[31mred\n',
    ],
)
def test_nothing_of_other_servers_and_nothing_that_a_terminal_obeys_is_shown(
    before: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = BY_NAME["cursor"].path()
    path.parent.mkdir(parents=True)
    path.write_text(before, "utf-8")
    for words in (["--sandbox", "--command", "uvx"], ["--undo"]):
        assert main.main(["install", "cursor", *words]) == 0
        told = capsys.readouterr().out
        assert "others-secret" not in told
        assert set(told) & set("\x1b\x9b") == set()
        assert ("SEEDANCE_SANDBOX" in told) or words == ["--undo"]


@pytest.mark.parametrize("content", [None, b'{"a": 1} // mine', b""], ids=["no file", "a file", "an empty file"])
@pytest.mark.parametrize("name", REMOTE)
def test_a_server_over_http_is_entered_without_its_token_and_undone_byte_for_byte(
    name: str, content: bytes | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEEDANCE_TOKEN", KEY)
    client = BY_NAME[name]
    content = content and {"toml": b"a = 1 # mine", "yaml": b"a: 1 # mine"}.get(client.format, content)
    path = written(client, content)
    assert main.main(["install", name, *COMMAND]) == 0
    assert main.main(["install", name, "--url", URL]) == 0
    found = value_of(client, path.read_bytes())
    assert found[client.servers]["seedance"] == REMOTE[name]
    assert [each["id"] for each in found.get("inputs", [])] == ["seedance-token"] * (name == "vscode")
    told = capsys.readouterr().out
    assert KEY not in told + path.read_text("utf-8")
    assert "Token: " in told
    assert main.main(["install", name, "--url", URL, "--sign-in"]) == 0
    assert "Authorization" not in path.read_text("utf-8")
    assert "none: the client lets you sign in" in capsys.readouterr().out
    assert main.main(["install", name, "--undo"]) == 0
    assert (path.read_bytes() if path.exists() else None) == content


def test_a_token_is_written_only_on_request_and_with_mode_0600(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(BY_NAME["zed"], b"{}\n")
    path.chmod(0o644)
    assert main.main(["install", "zed", "--url", URL, "--token-from-env"]) == 2
    assert "SEEDANCE_TOKEN is not set in this shell" in capsys.readouterr().err
    monkeypatch.setenv("SEEDANCE_TOKEN", KEY)
    assert main.main(["install", "zed", "--url", URL, "--token-from-env"]) == 0
    assert json.loads(path.read_bytes())["context_servers"]["seedance"] == {"url": URL, **bearer(KEY)}
    assert mode(path) == 0o600
    assert main.main(["install", "zed", "--undo"]) == 0
    assert (path.read_bytes(), mode(path)) == (b"{}\n", 0o644)
    assert KEY not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["claude-desktop", "--url", URL], "Claude Desktop takes no address in its file"),
        (["cursor", "--url", URL, "--token-from-env"], "Cursor needs no token in its file"),
        (["vscode", "--url", URL, "--token-from-env"], "VS Code asks for it at the first start"),
        (["cursor", "--url", URL, "--sandbox"], "are for a server that the client starts"),
        (["cursor", "--sign-in"], "belong to --url"),
        (["cursor", "--url", "video.example.com/mcp"], "--url was video.example.com/mcp; allowed: http or https"),
        (["cursor", "--url", f"https://me:{KEY}@example.com/mcp"], "--url was example.com/mcp; allowed"),
        (["cursor", "--url", f"https://example.com/mcp?token={KEY}"], "--url was https://example.com/mcp; allowed"),
        (["cursor", "--url", f"https://example.com/mcp#{KEY}"], "files keep no secrets"),
        (["cursor", "--url", "https://[/mcp"], "allowed: http or https"),
        (["cursor", "--url", "http://video.example.com/mcp"], "allowed off this machine: https"),
        (["cursor", "--url", "http://10.0.0.1/mcp"], "allowed off this machine: https"),
    ],
)
def test_an_address_that_cannot_be_entered_is_refused_and_nothing_is_written(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["install", *arguments]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert KEY not in error
    assert not BY_NAME[arguments[0]].path().exists()


@pytest.mark.parametrize("url", ["http://127.0.0.1:8931/mcp", "http://localhost:8931/mcp", "http://[::1]:8931/mcp"])
def test_a_server_of_this_machine_needs_no_https(url: str) -> None:
    assert main.main(["install", "lmstudio", "--url", url]) == 0
    assert json.loads(BY_NAME["lmstudio"].path().read_bytes())["mcpServers"]["seedance"] == {"url": url}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", None),
        ("extensions:\n  other: {}\n", None),
        (
            "other: 1\nextensions:\n    seedance:\n        cmd: /x y\n        args:\n        - a\n        - 'b''c'\n",
            ["a", "b'c"],
        ),
        ('extensions:\n  seedance:\n    cmd: /x y\n    # c\n    args:\n      - a\n    envs:\n      A: "1"\n  x: 1\n', ["a"]),
    ],
)
def test_an_entry_that_goose_wrote_anew_is_read(text: str, found: list[str] | None) -> None:
    entry = yaml_edit.read(text, "extensions")
    assert (entry and (entry["cmd"], entry["args"])) == (found and ("/x y", found))


@pytest.mark.parametrize(
    "text", ["extensions: {a: {}}\n", "extensions: [a]\n", "extensions:\n- a\n", "extensions: &all\n  a: 1\n"]
)
def test_extensions_that_do_not_stand_on_lines_of_their_own_are_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(BY_NAME["goose"], text.encode())
    for words in ([], ["--undo"]):
        assert main.main(["install", "goose", *COMMAND[: 0 if words else None], *words]) == 2
        assert "with each server on lines of its own" in capsys.readouterr().err
    assert main.main(["install"]) == 0
    assert "goose           ~/.config" not in capsys.readouterr().out
    assert path.read_text("utf-8") == text


def test_an_entry_in_a_form_that_is_not_read_is_named() -> None:
    with pytest.raises(InvalidRequest, match="seedance has a line that cannot be read"):
        yaml_edit.read("extensions:\n  seedance:\n    ? complex\n", "extensions")
