// The call of a codec, evaluated after it: an expression whose value is a function of the frame, or null if the script
// defines no decoder. Its answer is JSON.
(() => {
  const exported = Object.assign({}, module.exports?.default, module.exports);
  const uplink = typeof decodeUplink === "function" ? decodeUplink : exported.decodeUplink;
  const byPort = typeof Decode === "function" ? Decode : exported.Decode;
  const byBytes = typeof Decoder === "function" ? Decoder : exported.Decoder;
  const decode =
    typeof uplink === "function"
      ? (bytes, port, at) => uplink({ bytes, fPort: port, recvTime: at, variables: {} })
      : typeof byPort === "function"
        ? (bytes, port) => ({ data: byPort(port, bytes, {}) })
        : typeof byBytes === "function"
          ? (bytes, port) => ({ data: byBytes(bytes, port) })
          : null;
  if (decode === null) return null;

  const plain = (_key, value) =>
    typeof value === "bigint" ? Number(value) : ArrayBuffer.isView(value) ? Array.from(value) : value;
  const { parse, stringify } = JSON;
  return (bytes, port, atMs) => stringify(decode(parse(bytes), port, new Date(atMs)), plain);
})();
