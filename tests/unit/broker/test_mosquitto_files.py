"""Mosquitto's files say what the table of rights says; the access rules are read here as Mosquitto reads them."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.access import Rights, rights_table
from broker.contract.topics import CHANNELS, KINDS
from broker.mosquitto.cli import layout_of, run, write
from broker.mosquitto.files import MosquittoLayout, acl_text, conf_text, passwd_text
from broker.nats.admission import in_server_terms
from broker.nats.subjects import subject_of
from broker.password_hash import hash_password
from city.errors import ConfigError
from city.runtime.settings import load_settings

DEVICES = {"bin-1": "bin", "bin-2": "bin", "truck-1": "truck", "ap-1": "ap", "cam-1": "camera"}
LAYOUT = MosquittoLayout(Path("/etc/m"), Path("/var/m"), 1883)

users = st.sampled_from([*DEVICES, "ingest", "gateway", "simulator", "stranger"])
topics = st.builds(
    "/".join,
    st.one_of(
        st.tuples(
            st.sampled_from(["kota", "kota2", "$SYS"]),
            st.sampled_from(["v1", "v2"]),
            st.sampled_from(["kupang", "atambua"]),
            st.sampled_from([*KINDS, "bus"]),
            st.sampled_from([*DEVICES, "bin-3"]),
            st.sampled_from([*CHANNELS, "other"]),
        ),
        st.lists(st.sampled_from(["kota", "v1", "kupang", "bin", "bin-1", "telemetry", "receipt", "", "$SYS", "v3"])),
    ),
).filter(bool)


def table(*, demo: bool) -> dict[str, Rights]:
    gateways = {"gateway": ["v3", "v3/+/bin", "v1/#", "+/telemetry", "/bin"]}
    return rights_table("kupang", DEVICES, demo=demo, gateways=gateways)


class MosquittoAcl:
    """Evaluates an `acl_file`: of a user's own lines first those that deny, then those that allow; else no."""

    def __init__(self, text: str) -> None:
        """Read the file."""
        self._lines: dict[str, list[tuple[str, str]]] = {}
        user = ""
        for line in text.splitlines():
            word, _, rest = line.partition(" ")
            if word == "user":
                user = rest
            elif word == "topic":
                access, _, topic_filter = rest.partition(" ")
                self._lines.setdefault(user, []).append((access, topic_filter))
            else:
                assert word in ("", "#")

    def allows(self, user: str, access: str, topic: str) -> bool:
        hits = {word for word, topic_filter in self._lines.get(user, []) if self._matches(topic_filter, topic)}
        return "deny" not in hits and access in hits

    @staticmethod
    def _matches(topic_filter: str, topic: str) -> bool:
        if topic.startswith("$") != topic_filter.startswith("$"):
            return False
        pattern = "/".join(re.escape(level).replace(r"\+", "[^/]*") for level in topic_filter.split("/"))
        if pattern.endswith(r"/\#"):
            pattern = pattern.removesuffix(r"/\#") + "(/.*)?"
        return re.fullmatch(pattern.replace(r"\#", ".*"), topic) is not None


def nats_allows(rights: Rights, access: str, topic: str) -> bool:
    """Evaluates permissions as nats-server does: what is denied, then what is allowed."""
    permission = in_server_terms(rights)["pub" if access == "write" else "sub"]
    tokens = subject_of(topic).split(".")
    denied = any(nats_covers(pattern.split("."), tokens) for pattern in permission["deny"])
    return not denied and any(nats_covers(pattern.split("."), tokens) for pattern in permission.get("allow", [">"]))


def nats_covers(pattern: list[str], tokens: list[str]) -> bool:
    if pattern[-1:] == [">"]:
        return len(tokens) >= len(pattern) and nats_covers(pattern[:-1], tokens[: len(pattern) - 1])
    return len(pattern) == len(tokens) and all(
        part in ("*", token) for part, token in zip(pattern, tokens, strict=True)
    )


@given(user=users, topic=topics, access=st.sampled_from(["read", "write"]), demo=st.booleans())
def test_both_brokers_allow_the_same(user: str, topic: str, access: str, *, demo: bool) -> None:
    rights = table(demo=demo)
    # Ingest is in nats-server's configuration, and no wildcard of MQTT reaches what begins with a dollar sign.
    if user in rights and user != "ingest" and not topic.startswith("$"):
        allowed = MosquittoAcl(acl_text(rights)).allows(user, access, topic)
        assert nats_allows(rights[user], access, topic) == allowed


def test_nothing_stands_before_the_first_user_where_it_would_hold_for_the_nameless() -> None:
    before, _, _ = acl_text(table(demo=True)).partition("\nuser ")
    assert "topic" not in before


def test_passwords_are_hashed_as_mosquitto_does_and_the_same_every_time() -> None:
    text = passwd_text(["bin-1", "ingest"], lambda user: hash_password(user, f"secret-{user}"))
    assert text == passwd_text(["bin-1", "ingest"], lambda user: hash_password(user, f"secret-{user}"))
    user, _, hashed = text.splitlines()[0].partition(":")
    _, kind, iterations, salt, digest = hashed.split("$")
    assert (user, kind, len(base64.b64decode(salt))) == ("bin-1", "7", 12)
    again = hashlib.pbkdf2_hmac("sha512", b"secret-bin-1", base64.b64decode(salt), int(iterations))
    assert base64.b64decode(digest) == again
    assert "secret" not in text


def test_no_two_accounts_share_a_salt() -> None:
    lines = passwd_text(["bin-1", "bin-2"], lambda user: hash_password(user, "the same")).splitlines()
    assert lines[0].split("$")[3] != lines[1].split("$")[3]


def test_a_queue_holds_a_day_and_is_bounded() -> None:
    conf = conf_text(LAYOUT, accounts=633)
    queued = int(re.findall(r"^max_queued_messages (\d+)$", conf, re.MULTILINE)[0])
    assert queued >= 15 * 86_400
    assert re.search(r"^max_queued_bytes [1-9]", conf, re.MULTILINE)
    assert "max_queued_messages 100000\n" in conf_text(LAYOUT, accounts=3)


def test_a_listener_with_tls_is_added_only_when_asked_for() -> None:
    assert re.findall(r"^listener (.*)$", conf_text(LAYOUT, accounts=1), re.MULTILINE) == ["1883"]
    with_tls = conf_text(LAYOUT._replace(tls=Path("/tls"), bind="::"), accounts=1)
    assert re.findall(r"^listener (.*)$", with_tls, re.MULTILINE) == ["1883 ::", "8883 ::"]
    assert with_tls.count("\nuse_username_as_clientid true\n") == 2
    assert "keyfile /tls/server.key\n" in with_tls


def test_files_are_written_once_and_for_this_user_alone(tmp_path: Path) -> None:
    settings = load_settings(data=tmp_path / "data")
    layout = layout_of(settings, tmp_path / "out")
    assert write(settings, layout) == {"mosquitto.conf": True, "acl": True, "passwd": True}
    assert write(settings, layout) == {"mosquitto.conf": False, "acl": False, "passwd": False}
    assert {path.stat().st_mode & 0o777 for path in layout.folder.iterdir() if path.is_file()} == {0o600}
    without = load_settings(data=tmp_path / "data", demo=False)
    assert write(without, layout) == {"mosquitto.conf": False, "acl": True, "passwd": True}


def test_files_of_a_broker_with_an_account_of_its_own_can_be_read_by_its_group(tmp_path: Path) -> None:
    name = "root" if os.geteuid() == 0 else os.environ.get("USER", "")
    if not name:
        pytest.skip("this user has no name")
    settings = load_settings(data=tmp_path / "data")
    layout = layout_of(settings, tmp_path / "out", user=name)
    write(settings, layout)
    assert {path.stat().st_mode & 0o777 for path in layout.folder.iterdir() if path.is_file()} == {0o640}
    assert f"\nuser {name}\n" in (layout.folder / "mosquitto.conf").read_text()


def test_what_was_written_and_what_to_do_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--out", str(tmp_path / "out"), "--data", str(tmp_path / "data")]
    assert run(options) == 0
    assert "start Mosquitto" in capsys.readouterr().out
    (tmp_path / "out" / "acl").write_text("")
    assert run(options) == 0
    assert "SIGHUP" in capsys.readouterr().out
    assert run(options) == 0
    assert all(line.startswith("unchanged ") for line in capsys.readouterr().out.splitlines())


@pytest.mark.parametrize(
    "options", [["--tls-dir", "nowhere"], ["--user", "no-such-account"], ["--mqtt-port", "0"], ["--tls-port", "70000"]]
)
def test_what_cannot_work_is_refused(tmp_path: Path, options: list[str]) -> None:
    with pytest.raises(ConfigError):
        run(["--out", str(tmp_path / "out"), "--data", str(tmp_path / "data"), *options])
