"""The codec engine: the forms of codecs, and what none of them can do."""

from __future__ import annotations

import json
import socket
import threading
from typing import Any

import msgspec
import pytest

from ingest.codecs.engine import CALL_MEMORY_BYTES, CodecError, Engine, LoadedCodec, serve
from ingest.codecs.wire import MESSAGE_MAX_BYTES, OUTPUT_MAX_BYTES, Request, Response, receive, send

AT_MS = 1_772_366_400_000.0
FRAME = bytes([0x01, 0x02, 0xFF])

UPLINK = "function decodeUplink(input) { return { data: { n: input.bytes.length, port: input.fPort } }; }"
FORMS = {
    "function": UPLINK,
    "constant": "const decodeUplink = ({ bytes, fPort }) => ({ data: { n: bytes.length, port: fPort } });",
    "both generations": UPLINK + "\nfunction Decoder() { throw new Error('old'); }",
    "export of a declaration": "export " + UPLINK,
    "export default of a declaration": "export default " + UPLINK,
    "export list": UPLINK + "\nexport { decodeUplink };\n",
    "export default of an object": UPLINK.replace("decodeUplink", "read") + "\nexport default { decodeUplink: read };",
    "module.exports": "module.exports = { " + UPLINK.removeprefix("function ") + " };",
    "exports": "exports.decodeUplink = " + UPLINK.replace(" decodeUplink", "") + ";",
    "exports of a transpiler": "'use strict'; Object.defineProperty(exports, '__esModule', { value: true });"
    "exports.default = { decodeUplink: (i) => ({ data: { n: i.bytes.length, port: i.fPort } }) };",
    "undefined exports": "if (typeof module !== 'undefined') { module.exports = later; } var later;" + UPLINK,
    "implicit global": UPLINK.replace("return ", "return answer = "),
    "prototype of all objects": "Object.prototype.first = function () { return this[0]; };" + UPLINK,
    "carriage returns and a comment": "// v1\r\n/* TS013 */\r\n" + UPLINK,
    "silent console": "console.log('loaded');" + UPLINK,
}
OLDER = {
    "Decoder": "function Decoder(bytes, port) { return { n: bytes.length, port: port }; }",
    "Decode": "function Decode(fPort, bytes, variables) { return { n: bytes.length, port: fPort }; }",
}
REFUSED = {
    "endless call": ("function decodeUplink() { for (;;) {} }", "longer than 50 ms"),
    "endless script": ("for (;;) {}", "longer than 500 ms"),
    "endless regular expression": (
        "function decodeUplink() { return /^(a+)+$/.test('a'.repeat(40) + 'b'); }",
        "longer than 50 ms",
    ),
    "endless recursion": ("function decodeUplink(i) { return decodeUplink(i) + 1; }", "call stack"),
    "all memory": (
        "function decodeUplink() { const a = []; for (;;) a.push(new Array(10000).fill(1)); }",
        f"more than {CALL_MEMORY_BYTES >> 20} MB",
    ),
    "a long text": ("function decodeUplink() { return 'x'.repeat(2 ** 30); }", "string length"),
    "a large answer": (
        f"function decodeUplink() {{ return 'é'.repeat({OUTPUT_MAX_BYTES // 2}); }}",
        "larger than 64 KiB",
    ),
    "an array of the whole memory": ("function decodeUplink() { new Uint8Array(2 ** 34); }", "array buffer length"),
    "a wait": (
        "function decodeUplink() { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); }",
        "cannot block",
    ),
    "an error": ("function decodeUplink() { throw new Error('unknown port'); }", "unknown port"),
    "a text that is thrown": ("function decodeUplink() { throw 'half \\ud800'; }", "half "),
    "nothing thrown": ("function decodeUplink() { throw null; }", "null"),
    "no value": ("function decodeUplink() {}", "no value"),
    "a circle": ("function decodeUplink() { const a = {}; a.a = a; return a; }", "circular"),
    "no decoder": ("var x = 1;", "none of decodeUplink"),
    "another file": ("const fs = require('fs');", "require is not defined"),
    "an import": ("import fs from 'fs';\n" + UPLINK, "SyntaxError"),
    "no JavaScript": ("def decode(payload): pass", "SyntaxError"),
}


def decode(source: str, data: bytes = FRAME, port: int = 2) -> Any:
    return json.loads(LoadedCodec(source).decode(data, port, AT_MS))


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_a_codec_is_called(form: str) -> None:
    assert decode(FORMS[form]) == {"data": {"n": 3, "port": 2}}


@pytest.mark.parametrize("form", OLDER)
def test_the_older_forms_give_the_values_alone(form: str) -> None:
    assert decode(OLDER[form]) == {"data": {"n": 3, "port": 2}}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_goes_wrong_is_said_and_ends(kind: str) -> None:
    source, reason = REFUSED[kind]
    with pytest.raises(CodecError, match=reason):
        decode(source)


def test_the_time_of_receipt_is_a_date() -> None:
    assert decode("function decodeUplink(i) { return i.recvTime.toISOString(); }") == "2026-03-01T12:00:00.000Z"


def test_a_codec_reaches_nothing_of_the_machine() -> None:
    names = [
        "std",
        "os",
        "process",
        "require",
        "print",
        "fetch",
        "XMLHttpRequest",
        "setTimeout",
        "WebAssembly",
        "Worker",
    ]
    source = f"function decodeUplink() {{ return {names}.filter((name) => name in globalThis); }}"
    assert decode(source) == []


def test_the_reading_half_of_buffer() -> None:
    source = """
    function decodeUplink(input) {
      const b = Buffer.from(input.bytes), part = b.slice(1);
      return {
        hex: b.toString('hex'), base64: b.toString('base64'), again: Buffer.from('AQL/', 'base64').toString('hex'),
        from_hex: Array.from(Buffer.from('0102ff', 'hex')), text: Buffer.from('aé').toString(),
        be: b.readUInt16BE(0), le: b.readUint16LE(0), signed: b.readInt8(2),
        part: part.readInt16BE(), three: b.readUIntBE(0, 3),
        negative: part.readIntLE(0, 2), float: Buffer.from('41460000', 'hex').readFloatBE(0), is: Buffer.isBuffer(part),
        joined: Buffer.concat([b, part]).length, plain: b, wide: 2n ** 40n, none: 0 / 0,
      };
    }"""
    assert decode(source) == {
        "hex": "0102ff",
        "base64": "AQL/",
        "again": "0102ff",
        "from_hex": [1, 2, 255],
        "text": "aé",
        "be": 0x0102,
        "le": 0x0201,
        "signed": -1,
        "part": 0x02FF,
        "three": 0x0102FF,
        "negative": -254,
        "float": 12.375,
        "is": True,
        "joined": 5,
        "plain": [1, 2, 255],
        "wide": 2**40,
        "none": None,
    }


def request(source: str | None, key: bytes = b"k") -> Request:
    return Request(key, source, 2, FRAME, AT_MS)


def test_the_source_is_needed_once() -> None:
    engine = Engine()
    assert engine.answer(request(None)).outcome == "unknown"
    assert engine.answer(request(UPLINK)).outcome == "decoded"
    assert engine.answer(request(None)) == Response("decoded", '{"data":{"n":3,"port":2}}')


def test_a_codec_that_met_a_limit_is_loaded_anew() -> None:
    engine = Engine()
    hungry = "let a = []; function decodeUplink(i) { for (;;) a.push(new Array(10000).fill(1)); }"
    assert engine.answer(request(hungry)).outcome == "failed"
    assert engine.answer(request(None)).outcome == "unknown"


def test_a_codec_that_refuses_a_frame_stays_loaded() -> None:
    engine = Engine()
    assert engine.answer(request("function decodeUplink() { throw new Error('no'); }")).outcome == "failed"
    assert engine.answer(request(None)) == Response("failed", "Error: no")


def test_codecs_do_not_see_each_other() -> None:
    engine = Engine()
    engine.answer(request("var mine = 1; Array.prototype.mine = 2;" + UPLINK, b"a"))
    answer = engine.answer(request("function decodeUplink() { return typeof mine + typeof [].mine; }", b"b"))
    assert answer.text == '"undefinedundefined"'


def test_the_codec_that_was_used_longest_ago_is_dropped() -> None:
    engine = Engine()
    keys = [number.to_bytes(2) for number in range(40)]
    for key in keys:
        engine.answer(request(UPLINK, key))
    known = [engine.answer(request(None, key)).outcome for key in keys]
    assert known == ["unknown"] * 8 + ["decoded"] * 32


def test_the_engine_ends_with_its_other_side() -> None:
    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=serve, args=(theirs,))
    thread.start()
    send(ours, request(UPLINK))
    assert msgspec.msgpack.decode(receive(ours), type=Response).outcome == "decoded"
    ours.close()
    thread.join(20)
    assert not thread.is_alive()
    theirs.close()


def test_a_message_that_claims_to_be_too_long_is_not_read() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall((MESSAGE_MAX_BYTES + 1).to_bytes(4))
        with pytest.raises(OSError, match="bytes"):
            receive(ours)
