"""What the operator sets, and what is said when it is wrong."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest
from conftest import OpenWorld

from seedance_mcp.errors import NotConfigured
from seedance_mcp.money.prices import load_prices
from seedance_mcp.settings import DEFAULT_BASE_URL, Settings, check_settings, is_loopback, load_settings
from seedance_mcp.tools.variables import ignored_variables


def test_the_providers_own_variable_names_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEEDANCE_BASE_URL")
    assert load_settings().base_url == DEFAULT_BASE_URL
    assert load_settings().api_key is None
    monkeypatch.setenv("JIMMYAI_API_KEY", " sk_1 ")
    monkeypatch.setenv("JIMMYAI_BASE_URL", "https://other.example.com/")
    settings = load_settings()
    assert settings.base_url == "https://other.example.com"
    assert settings.api_key
    assert settings.api_key.get_secret_value() == "sk_1"
    monkeypatch.setenv("SEEDANCE_API_KEY", "sk_2")
    found = load_settings().api_key
    assert found
    assert found.get_secret_value() == "sk_2"
    assert "sk_2" not in repr(load_settings())


def test_blanks_around_an_edition_and_an_address_are_of_no_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEDANCE_EDITION", " 2026-09 ")
    monkeypatch.setenv("SEEDANCE_BASE_URL", " https://[2001:db8::1]:8443/ ")
    settings = load_settings()
    assert (settings.edition, settings.base_url) == ("2026-09", "https://[2001:db8::1]:8443")


@pytest.mark.parametrize("value", ["", "  ", "${user_config.api_key}", "'${KEY}'", "$KEY", "%KEY%", "{}", "${}", '""'])
def test_an_empty_key_or_a_placeholder_counts_as_none(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("SEEDANCE_API_KEY", value)
    assert load_settings().api_key is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SEEDANCE_API_KEY", "sk_ü"),
        ("SEEDANCE_API_KEY", "sk 1"),
        ("SEEDANCE_API_KEY", "sk\x07"),
        ("SEEDANCE_API_KEY", '"sk_1'),
        ("SEEDANCE_API_KEY", "sk_'1"),
        ("SEEDANCE_BASE_URL", "http://example.com"),
        ("SEEDANCE_BASE_URL", "ftp://example.com"),
        ("SEEDANCE_BASE_URL", "https://user@example.com"),
        ("SEEDANCE_BASE_URL", "https://example.com?a=b"),
        ("SEEDANCE_BASE_URL", "nonsense"),
        ("SEEDANCE_LOG_LEVEL", "LOUD"),
        ("SEEDANCE_SCHEMA_PROFILE", "round"),
        ("SEEDANCE_POLL_FLOOR_SECONDS", "0"),
        ("SEEDANCE_SANDBOX", "perhaps"),
    ],
)
def test_a_wrong_variable_is_named_and_its_value_is_not(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(NotConfigured) as caught:
        load_settings()
    assert name in caught.value.message
    assert value not in caught.value.message or value == "0"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("MAX_COST_PER_DAY", "much", "cannot be read; allowed: a number from 0 to 1000000000, in JimiCoin"),
        ("MAX_COST_TOTAL", "-1", "too low; allowed: a number from 0 to 1000000000, in JimiCoin"),
        ("CONFIRM_ABOVE", "nan", "cannot be read; allowed: a number from 0 to 1000000000, in JimiCoin"),
        ("DEDUPE_SECONDS", "-1", "too low; allowed: a number from 0 to 31536000"),
        ("MAX_COST_PER_DAY", "1e400", "too high; allowed: a number from 0 to 1000000000, in JimiCoin"),
        ("DEDUPE_SECONDS", "1e12", "too high; allowed: a number from 0 to 31536000"),
        ("DEDUPE_SECONDS", "inf", "too high; allowed: a number from 0 to 31536000"),
        ("POLL_FLOOR_SECONDS", "1e300", "too high; allowed: a number from 0.001 to 3600"),
        ("MODELS", " , ", "names no model or route: leave it out to offer all"),
        ("BASE_URL", "https://example.com:99999", "must be https://host: what stands there is no name, no address or no port"),
        ("BASE_URL", "https://exa mple.com", "must be https://host: what stands there is no name, no address or no port"),
        ("BASE_URL", "https://example..com", "must be https://host: what stands there is no name, no address or no port"),
        ("BASE_URL", "https://ex\u200bample.com", "must be https://host: what stands there is no name, no address or no port"),
        ("POLL_FLOOR_SECONDS", "0", "too low; allowed: a number from 0.001 to 3600"),
        ("HTTP_REQUESTS_PER_MINUTE", "1.5", "cannot be read; allowed: a whole number from 1"),
        ("ALLOW_UNPRICED", "perhaps", "cannot be read; allowed: 1 or 0"),
        ("SCHEMA_PROFILE", "round", "cannot be read; allowed: auto, union or flat"),
        ("LOG_LEVEL", "LOUD", "cannot be read; allowed: DEBUG, INFO, WARNING, ERROR or CRITICAL"),
        ("BASE_URL", "nonsense", "must be https://host without user, query or fragment"),
        ("HTTP_TOKENS", "a:0123456789abcdef,a:fedcba9876543210", "names must be unique"),
        *(
            (
                "HTTP_TOKENS",
                value,
                f"{wrong}; allowed: name:token pairs, comma separated, each token of 16 ASCII characters or more",
            )
            for value, wrong in {
                "a:0123456789abcdef, bob:hunter2": "pair 2 has too short a token",
                "only-a-token": "pair 1 has no token",
                ":only-a-token": "pair 1 has no name",
                "a:ünder-the-stars-0": "pair 1 has a token that is not ASCII",
            }.items()
        ),
    ],
)
def test_what_is_wrong_and_what_is_allowed_are_told_in_our_words(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(f"SEEDANCE_{name}", value)
    with pytest.raises(NotConfigured) as caught:
        load_settings()
    assert caught.value.message == f"SEEDANCE_{name}: {told}"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_no_setting_is_refused_in_the_words_of_a_library(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"SEEDANCE_{name.upper()}", "?? ü")
    told = " ".join(check_settings().problems)
    assert "Input should" not in told
    assert "Value error" not in told
    assert "??" not in told


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:1", True),
        ("http://[::1]:1", True),
        ("http://localhost", True),
        ("http://10.0.0.1", False),
        ("x", False),
    ],
)
def test_loopback_is_this_machine_alone(url: str, here: bool) -> None:  # noqa: FBT001
    assert is_loopback(url) is here


def test_the_floor_is_low_on_loopback_alone() -> None:
    assert Settings(base_url="http://127.0.0.1:1").min_poll_interval_seconds == 0.2
    assert Settings(base_url="https://example.com").min_poll_interval_seconds == 5
    assert Settings(base_url="https://example.com", sandbox=True).min_poll_interval_seconds == 0.2
    assert Settings(base_url="https://example.com", poll_floor_seconds=9).min_poll_interval_seconds == 9


def test_media_roots_are_separated_as_in_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SEEDANCE_MEDIA_ROOTS", os.pathsep.join([str(tmp_path / "a"), "", "~/pictures"]))
    assert load_settings().upload_roots == [tmp_path / "a", tmp_path / "home" / "pictures"]


FOLDERS = ("DATA_DIR", "OUTPUT_DIR", "PRICES", "MEDIA_ROOTS")


@pytest.mark.parametrize("name", FOLDERS)
@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("data", "must be an absolute path, or begin with ~/"),
        ("./data", "must be an absolute path"),
        ("/srv/vid\udcffeos", "must be text"),
        ("/srv/a\nb", "must be text"),
        ("C:\\data" if os.name == "posix" else "/data", "must be an absolute path"),
        ('"/quoted"', "must be without the quotes around it"),
        ("'/quoted", "must be without the quotes around it"),
        ("~nobody-of-this-name/x", "its ~ names no home folder"),
        *(
            (value, "a variable in it was not filled in")
            for value in (
                "${HOME}/x",
                "${user_config.folder}",
                "/x/${A}/y",
                "/x/$USER",
                "%USERPROFILE%\\x",
                "/x/{}",
                "$(pwd)/x",
            )
        ),
    ],
)
def test_a_folder_means_the_same_in_every_working_directory(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(f"SEEDANCE_{name}", value)
    _, (problem,) = check_settings()
    assert problem.startswith(f"SEEDANCE_{name}: ")
    assert told in problem


@pytest.mark.parametrize("name", FOLDERS)
@pytest.mark.parametrize("value", ["~/x", " /x y ", "/x%20y", "/100%/x", "/C$/x"])
def test_a_plain_absolute_folder_is_taken(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"SEEDANCE_{name}", value)
    found = getattr(load_settings(), name.lower())
    assert [Path(value.strip()).expanduser()] == (found if isinstance(found, list) else [found])


def test_a_relative_data_folder_of_the_desktop_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert load_settings().data_dir.is_absolute()


@pytest.mark.parametrize("root", ["/", "~", "~/..", "~/../..", "~/../home"])
def test_a_media_root_that_holds_the_home_folder_is_refused(monkeypatch: pytest.MonkeyPatch, root: str) -> None:
    monkeypatch.setenv("SEEDANCE_MEDIA_ROOTS", f"~/fine{os.pathsep}{root}")
    (told,) = check_settings()[1]
    assert told.startswith("SEEDANCE_MEDIA_ROOTS: must name no whole disk")


@pytest.mark.parametrize("start", ["/", "~", "~/.."])
def test_a_working_folder_that_holds_the_home_folder_is_no_media_root(monkeypatch: pytest.MonkeyPatch, start: str) -> None:
    Path.home().mkdir()
    monkeypatch.chdir(Path(start).expanduser())
    home = Path.home().resolve()
    assert not any(home.is_relative_to(root) for root in load_settings().upload_roots)


SAFETY = ("MAX_COST_PER_VIDEO", "MAX_COST_PER_DAY", "MAX_COST_TOTAL", "CONFIRM_ABOVE", "HTTP_TOKENS", "HTTP_OAUTH_ISSUER")


@pytest.mark.parametrize("name", SAFETY)
@pytest.mark.parametrize("value", ["${user_config.limit}", "${X}", "$X", "%X%", "{}", "${}", "${X:-}", " ${X} ", '"5"', "5,0"])
def test_a_limit_or_a_lock_that_cannot_be_read_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"SEEDANCE_{name}", value)
    assert f"SEEDANCE_{name}: " in " ".join(check_settings()[1])


@pytest.mark.parametrize("name", ["HTTP_OAUTH_ISSUER", "HTTP_OAUTH_AUDIENCE"])
def test_an_address_of_oauth_with_a_placeholder_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("SEEDANCE_HTTP_OAUTH_ISSUER", "https://issuer.example.com")
    monkeypatch.setenv("SEEDANCE_HTTP_OAUTH_AUDIENCE", "https://here.example.com")
    assert check_settings()[1] == []
    monkeypatch.setenv(f"SEEDANCE_{name}", "https://${HOST}/mcp")
    assert f"SEEDANCE_{name}: must be printable ASCII without" in " ".join(check_settings()[1])


@pytest.mark.parametrize(
    "token", ["${TOKEN_OF_ALICE}", "$TOKEN_OF_ALICE_X", "%TOKEN_OF_ALICE%", "${TOKEN_OF_ALICE:-}", "x${TOKEN_OF_ALICE}"]
)
def test_a_token_that_was_not_filled_in_opens_nothing(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv("SEEDANCE_HTTP_TOKENS", f"bob:0123456789abcdef,alice:{token}")
    (told,) = check_settings()[1]
    assert told.startswith("SEEDANCE_HTTP_TOKENS: pair 2 has a token that was not filled in; allowed: ")


@pytest.mark.parametrize("key", ['"sk_1"', "'sk_1'", ' "sk_1" ', "`sk_1`", '" sk_1 "'])
def test_the_quotes_around_a_key_are_taken_off(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("SEEDANCE_API_KEY", key)
    found = load_settings().api_key
    assert found
    assert found.get_secret_value() == "sk_1"


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("SEEDANCE_MAX_COST_PER_DAYS", "SEEDANCE_MAX_COST_PER_DAY"),
        ("SEEDENCE_MAX_COST_PER_DAY", "SEEDANCE_MAX_COST_PER_DAY"),
        ("SEDANCE_DATA_DIR", "SEEDANCE_DATA_DIR"),
        ("seedance_api_keys", "SEEDANCE_API_KEY"),
        ("JIMMY_API_KEY", "JIMMYAI_API_KEY"),
        ("SEEDANCE_DAILY_LIMIT", ""),
        ("SEEDANCEMAXCOST", ""),
        ("SEEDANCE_\x1b[31mQQQQ", ""),
    ],
)
def test_a_variable_without_effect_is_told_by_name(name: str, near: str) -> None:
    (told,) = ignored_variables({name: "secret-value", "SEED": "1", "SESSION_MANAGER": "x", "SEEDANCE_API_KEY": "${X}"})
    assert ": unknown variable, it has no effect" in told
    assert "secret-value" not in told
    assert told.isprintable()
    assert near in told


def test_a_placeholder_that_counts_as_not_set_is_told_and_many_names_are_counted() -> None:
    assert ignored_variables({"SEEDANCE_SANDBOX": "${X}"}) == [
        "SEEDANCE_SANDBOX: a placeholder that was not filled in, so it counts as not set"
    ]
    told = ignored_variables({f"SEEDANCE_{number:02}": "" for number in range(20)})
    assert (len(told), told[-1]) == (9, "12 more variables have no effect")


def test_videos_go_to_the_videos_folder_where_there_is_one(tmp_path: Path) -> None:
    assert Settings().output_dir == tmp_path / "home" / "seedance-videos"
    (tmp_path / "home" / "Videos").mkdir(parents=True)
    assert Settings().output_dir == tmp_path / "home" / "Videos" / "seedance-videos"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no toml", "cannot be used"),
        ("", "it holds no"),
        ('[[prices]]\nname = "x"\nper = "second"\nunit_price = 1\n', "it holds prices; allowed: as_of"),
        ('[[price]]\nname = "x"\nper = "second"\nunit_price = 1\n' * 2, "more than one price of x"),
        ('[[price]]\nname = "x"\nper = "month"\nunit_price = 1\n', "second, task"),
        ('[[price]]\nname = "x"\nper = "task"\nunit_price = -1\n', "a number from 0"),
        ('[[price]]\nname = "x"\nper = "task"\n', "unit_price"),
        ("price = 7\n", "cannot be used"),
    ],
)
def test_a_wrong_price_file_says_what_is_wrong(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(NotConfigured, match=words):
        load_prices(path)
    with pytest.raises(NotConfigured, match="cannot be used"):
        load_prices(tmp_path / "missing.toml")


def test_a_price_file_of_a_windows_editor_is_read(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_bytes(b'\xef\xbb\xbfas_of = 2026-09-30\r\n[[price]]\r\nname = "x"\r\nper = "task"\r\nunit_price = 1\r\n')
    assert load_prices(path)["x"].unit == 1


@pytest.mark.anyio
async def test_an_agent_that_looks_at_the_balance_hears_of_a_limit_that_has_no_effect(
    open_world: OpenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_world() as world:
        assert (await world.call("get_balance"))["warnings"] == []
        monkeypatch.setenv("SEEDANCE_MAX_COST_PER_DAYS", "5")
        (told,) = (await world.call("get_balance"))["warnings"]
    assert told.startswith("SEEDANCE_MAX_COST_PER_DAYS: unknown variable, it has no effect")


@pytest.mark.parametrize("name", [name for name in Settings.model_fields if name.startswith(("max_cost_", "confirm_"))])
@pytest.mark.parametrize("value", ["${user_config.limit}", "$LIMIT", "%LIMIT%", "much"])
def test_a_limit_that_cannot_be_read_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"SEEDANCE_{name.upper()}", value)
    with pytest.raises(NotConfigured, match=f"SEEDANCE_{name.upper()}: "):
        load_settings()


SIGNING = f"whsec_{base64.b64encode(bytes(32)).decode()}"


@pytest.mark.parametrize(
    ("url", "secret", "told"),
    [
        ("nonsense", SIGNING, "SEEDANCE_NOTIFY_URL: must be https://, or http:// with a private address or name"),
        ("http://example.com/", SIGNING, "SEEDANCE_NOTIFY_URL: must be https://, or http:// with a private address or name"),
        ("http://8.8.8.8/", SIGNING, "SEEDANCE_NOTIFY_URL: must be https://, or http:// with a private address or name"),
        ("https://example.com/", "", "SEEDANCE_NOTIFY_SECRET: must be set together with SEEDANCE_NOTIFY_URL"),
        ("", SIGNING, "SEEDANCE_NOTIFY_SECRET: must be set together with SEEDANCE_NOTIFY_URL"),
        ("https://example.com/", "whsec_c2hvcnQ=", "SEEDANCE_NOTIFY_SECRET: must be whsec_ and the base64 of 24 to 64 bytes"),
        ("https://example.com/", "no base64", "SEEDANCE_NOTIFY_SECRET: must be whsec_ and the base64 of 24 to 64 bytes"),
    ],
)
def test_a_webhook_needs_an_address_of_its_own_and_a_secret(
    monkeypatch: pytest.MonkeyPatch, url: str, secret: str, told: str
) -> None:
    monkeypatch.setenv("SEEDANCE_NOTIFY_URL", url)
    monkeypatch.setenv("SEEDANCE_NOTIFY_SECRET", secret)
    checked = check_settings()
    assert checked.problems[0].startswith(told)
    assert checked.settings.notify_url is checked.settings.notify_secret is None


@pytest.mark.parametrize(
    "url", ["https://example.com/hook?token=1", "http://10.0.0.7:8080/", "http://hooks/", "http://a.internal"]
)
def test_a_webhook_may_be_private(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("SEEDANCE_NOTIFY_URL", url)
    monkeypatch.setenv("SEEDANCE_NOTIFY_SECRET", SIGNING)
    found = load_settings().notify_url
    assert found
    assert found.get_secret_value() == url
    assert url not in repr(load_settings())
