// What a codec finds besides the language: the part of Node that network servers offer, and nothing that reaches a file
// or the network.
"use strict";
(() => {
  const ignore = () => {};
  const module = { exports: {} };

  const signed = (value, length) => (value >= 2 ** (8 * length - 1) ? value - 2 ** (8 * length) : value);

  // The reading half of Node's Buffer.
  class Buffer extends Uint8Array {
    static isBuffer(value) {
      return value instanceof Buffer;
    }

    static alloc(length) {
      return new Buffer(length);
    }

    static from(value, encoding) {
      if (typeof value !== "string") return super.from(value);
      if (encoding === "hex") return super.from(value.match(/[0-9a-f]{2}/gi) || [], (pair) => parseInt(pair, 16));
      const text = encoding === "base64" ? atob(value) : unescape(encodeURIComponent(value));
      return super.from(text, (character) => character.charCodeAt(0));
    }

    static concat(parts) {
      return Buffer.from(parts.flatMap((part) => Array.from(part)));
    }

    slice(start, end) {
      return this.subarray(start, end);
    }

    toString(encoding) {
      if (encoding === "hex") return Array.from(this, (byte) => byte.toString(16).padStart(2, "0")).join("");
      const text = Array.from(this, (byte) => String.fromCharCode(byte)).join("");
      if (encoding === "base64") return btoa(text);
      return ["ascii", "latin1", "binary"].includes(encoding) ? text : decodeURIComponent(escape(text));
    }

    readUIntBE(offset, length) {
      return this.subarray(offset, offset + length).reduce((value, byte) => value * 256 + byte, 0);
    }

    readUIntLE(offset, length) {
      return this.subarray(offset, offset + length).reduceRight((value, byte) => value * 256 + byte, 0);
    }

    readIntBE(offset, length) {
      return signed(this.readUIntBE(offset, length), length);
    }

    readIntLE(offset, length) {
      return signed(this.readUIntLE(offset, length), length);
    }
  }

  const addReader = (name, method, little) => {
    const read = function (offset = 0) {
      return new DataView(this.buffer, this.byteOffset, this.length)[method](offset, little);
    };
    Buffer.prototype[`read${name}`] = read;
    Buffer.prototype[`read${name.replace("UInt", "Uint")}`] = read;
  };
  addReader("Int8", "getInt8");
  addReader("UInt8", "getUint8");
  for (const [order, little] of [["BE", false], ["LE", true]]) {
    for (const type of ["Int16", "UInt16", "Int32", "UInt32"]) {
      addReader(type + order, `get${type.replace("UInt", "Uint")}`, little);
    }
    addReader(`Float${order}`, "getFloat32", little);
    addReader(`Double${order}`, "getFloat64", little);
  }

  const console = { log: ignore, info: ignore, warn: ignore, error: ignore, debug: ignore };
  Object.assign(globalThis, { Buffer, console, module, exports: module.exports });
})();
