// One event stream for all pages of a browser, which allows a server few connections.
"use strict";

const RETRY_S = 3;
const ports = new Set();
let source;

const tell = (message) => ports.forEach((port) => port.postMessage(message));

function listen() {
  if (source) return;
  source = new EventSource("/api/v1/changes");
  source.addEventListener("open", () => tell({ open: true }));
  source.addEventListener("changed", ({ data }) => tell({ topics: data.split(" ").filter(Boolean) }));
  source.addEventListener("error", () => {
    tell({ open: false });
    if (source?.readyState !== EventSource.CLOSED) return;
    source = null;
    setTimeout(() => { if (ports.size) listen(); }, RETRY_S * 1000);
  });
}

function leave(port) {
  ports.delete(port);
  if (ports.size) return;
  source?.close();
  source = null;
}

addEventListener("connect", ({ ports: [port] }) => {
  ports.add(port);
  if (source?.readyState === EventSource.OPEN) port.postMessage({ open: true });
  port.onmessage = ({ data }) => {
    if (data === "leave") return leave(port);
    ports.add(port);
    listen();
  };
  listen();
});
