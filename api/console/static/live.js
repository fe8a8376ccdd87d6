// Live sections: after a change on the event stream, a section is fetched again and put into the page in place.
"use strict";

window.kotaLive = (() => {
  const FALLBACK_S = 30, RETRY_S = 3, SILENT_S = 20, LOST_AFTER_S = 1.5;
  const listeners = [];
  let seenAt = new Date(), heardAt = performance.now(), isLost = false, failingSince = null, source;

  // ---- The event stream: one for all pages of a browser where it can share a worker, else one for each page.

  function connect() {
    if (window.SharedWorker) {
      const { port } = new SharedWorker(document.currentScript.src.replace("live.js", "live-worker.js"), "kota-live");
      port.onmessage = ({ data }) => heard(data);
      addEventListener("pagehide", () => port.postMessage("leave"));
      addEventListener("pageshow", (event) => { if (event.persisted) port.postMessage("join"); });
      return;
    }
    open();
  }

  function open() {
    source = new EventSource("/api/v1/changes");
    source.addEventListener("changed", ({ data }) => heard({ topics: data.split(" ").filter(Boolean) }));
    source.addEventListener("open", () => heard({ open: true }));
    source.addEventListener("error", () => {
      heard({ open: false });
      if (source.readyState === EventSource.CLOSED) setTimeout(open, RETRY_S * 1000);
    });
  }

  function heard({ topics, open: isOpen }) {
    heardAt = performance.now();
    // After an interruption everything may have changed. Whether the server answers shows when it is asked.
    if (isOpen !== undefined) everything();
    for (const topic of topics ?? []) {
      for (const listener of listeners) if (listener.topics.includes(topic)) listener.due = true;
    }
    run();
  }

  function everything() {
    for (const listener of listeners) listener.due = true;
    run();
  }

  // ---- What is due: each listener at most every so many seconds, one call at a time, and only while it can be seen.

  function on(topics, everyS, call, { hidden = false } = {}) {
    const listener = { topics, everyS, call, hidden, due: false, busy: false, at: performance.now() };
    listeners.push(listener);
    return listener;
  }

  function run() {
    const now = performance.now();
    for (const listener of listeners) {
      const age = (now - listener.at) / 1000;
      const isDue = (listener.due && age >= listener.everyS) || age >= FALLBACK_S;
      if (isDue && !listener.busy && (listener.hidden || !document.hidden)) start(listener);
    }
  }

  async function start(listener) {
    Object.assign(listener, { due: false, busy: true });
    try {
      await listener.call();
      found();
    } catch {
      listener.due = true;
      failed();
    }
    Object.assign(listener, { busy: false, at: performance.now() });
  }

  // ---- A lost connection is said on the page, with the time of what is seen, and unsaid by itself.

  const texts = () => JSON.parse(document.getElementById("live-texts").textContent);

  function notice(id, words) {
    let line = document.getElementById(id);
    if (!words) return void line?.remove();
    if (!line) {
      line = Object.assign(document.createElement("p"), { id, className: "banner notice" });
      line.setAttribute("role", "status");
      document.querySelector("header.top").after(line);
    }
    if (line.textContent !== words) line.textContent = words;
  }

  // One answer that fails is no lost connection yet: servers close connections that browsers are about to use again.
  function failed() {
    failingSince ??= performance.now();
    isLost ||= performance.now() - failingSince > LOST_AFTER_S * 1000;
    tell();
  }

  function found() {
    seenAt = new Date();
    isLost = false;
    failingSince = null;
    tell();
  }

  function tell() {
    const { connection_lost: words, live_seen_at: seen } = texts();
    const clock = seenAt.toTimeString().slice(0, 8);
    notice("connection-lost", isLost ? `${words} ${seen.replace("{time}", clock)}` : "");
  }

  // A page that was left open over an update works on, and offers the new version.
  function compare(version) {
    const { version: own, new_version: words, reload } = texts();
    if (!version || version === own || document.getElementById("new-version")) return;
    notice("new-version", `${words} `);
    const again = Object.assign(document.createElement("a"), { href: location.href, textContent: reload });
    document.getElementById("new-version").append(again);
  }

  // ---- Sections: only what differs between two answers of the server is changed in the page. What scripts and people
  // have made of the rest stays: open details, typed texts, focus, places of scrolling.

  const shown = new WeakMap();
  const links = new WeakMap();

  function link(before, live) {
    links.set(before, live);
    before.childNodes.forEach((child, at) => link(child, live.childNodes[at]));
  }

  function adopt(node) {
    const live = document.importNode(node, true);
    link(node, live);
    return live;
  }

  // A page may have kept what the server had left out meanwhile.
  function adoptInto(live, node) {
    const made = adopt(node), kept = node.id && [...live.children].find((child) => child.id === node.id);
    if (kept) {
      made.classList.toggle("current", kept.classList.contains("current"));
      kept.remove();
    }
    return made;
  }

  const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.id || node.dataset?.key || "" : "");
  const nameOf = (node) => `${node.nodeName} ${keyOf(node)}`;

  function patch(live, before, after) {
    links.set(after, live);
    if (before.nodeType !== Node.ELEMENT_NODE) {
      if (before.data !== after.data) live.data = after.data;
      return;
    }
    for (const name of new Set([...before.getAttributeNames(), ...after.getAttributeNames()])) {
      const value = after.getAttribute(name);
      if (before.getAttribute(name) === value) continue;
      if (value === null) live.removeAttribute(name);
      else live.setAttribute(name, value);
    }
    patchChildren(live, before, after);
  }

  const isLeaf = (node) => ![...node.childNodes].some((child) => child.nodeType === Node.ELEMENT_NODE);

  function patchChildren(live, before, after) {
    if (isLeaf(before) && isLeaf(after)) {
      if (before.textContent !== after.textContent) live.textContent = after.textContent;
      return;
    }
    const old = new Map();
    for (const child of before.childNodes) old.set(nameOf(child), [...(old.get(nameOf(child)) ?? []), child]);
    const wanted = [...after.childNodes].map((child) => {
      const match = old.get(nameOf(child))?.shift(), place = match && links.get(match);
      if (!place || place.parentNode !== live) return adoptInto(live, child);
      patch(place, match, child);
      return place;
    });
    for (const child of [...old.values()].flat()) {
      const place = links.get(child);
      if (place?.parentNode === live && !place.matches?.("[data-kept]")) place.remove();
    }
    let last = null;
    for (const node of wanted) {
      const next = last ? last.nextSibling : live.firstChild;
      if (node !== next && !isInOrder(node, next)) live.insertBefore(node, next);
      last = node;
    }
  }

  // What the server does not know stays between what it knows.
  function isInOrder(node, next) {
    let at = next;
    while (at && at !== node && at.matches?.("[data-kept]")) at = at.nextSibling;
    return at === node;
  }

  function replace(section, html) {
    const after = document.createElement("template");
    after.innerHTML = html;
    const focused = document.activeElement;
    patchChildren(section, shown.get(section), after.content);
    shown.set(section, after.content);
    if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
    section.dispatchEvent(new CustomEvent("kota:shown", { bubbles: true }));
  }

  async function refresh(section) {
    const address = new URL(location.href);
    address.searchParams.set("part", section.id);
    const answer = await fetch(address, {
      headers: section.kotaTag ? { "If-None-Match": section.kotaTag } : {},
      redirect: "manual",
      cache: "no-store",
      signal: AbortSignal.timeout(20_000),
    });
    // The session is over, or what the page is about is gone: the server says so on the page itself.
    if (answer.type === "opaqueredirect" || answer.status === 404) return void location.reload();
    compare(answer.headers.get("Kota-Version"));
    if (answer.status === 304) return;
    if (!answer.ok) throw new Error(answer.statusText);
    replace(section, await answer.text());
    section.kotaTag = answer.headers.get("ETag");
  }

  function begin() {
    for (const section of document.querySelectorAll("[data-live]")) {
      const before = document.createElement("template");
      before.innerHTML = section.innerHTML;
      link(before.content, section);
      shown.set(section, before.content);
      const { live, every } = section.dataset;
      on(live.split(" "), Number(every), () => refresh(section), { hidden: section.id === "warnings" });
    }
    setInterval(() => {
      if (performance.now() - heardAt > SILENT_S * 1000) heard({ open: false });
      run();
    }, 1000);
    document.addEventListener("visibilitychange", run);
  }

  connect();
  begin();
  return { on, everything };
})();
