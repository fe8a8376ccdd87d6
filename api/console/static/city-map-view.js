// What a person looks at: the place of the map in the address, a list of what is in view, places by name, full screen.
"use strict";

(() => {
  const LISTED_MAX = 30, LIST_AFTER_MS = 400, SITE_ZOOM = 16;
  const { state } = kotaMap, { map } = state;
  const boxes = [...document.querySelectorAll("input[data-layer]")];
  let timer;

  // ---- The address: zoom, centre and layers, so that a reload or a copied address shows the same.

  function write() {
    const { lat, lng } = map.getCenter(), on = boxes.filter((box) => box.checked).map((box) => box.dataset.layer);
    history.replaceState(null, "", `#${map.getZoom()}/${lat.toFixed(5)}/${lng.toFixed(5)}/${on.join(",")}`);
    for (const link of document.querySelectorAll(".languages a, .map-tools a")) link.hash = location.hash;
  }

  function read() {
    const [zoom, lat, lng, layers] = location.hash.slice(1).split("/");
    if (![zoom, lat, lng].every((text) => text && Number.isFinite(Number(text)))) return false;
    state.isPlaced = true;
    map.setView([Number(lat), Number(lng)], Number(zoom), { animate: false });
    const on = (layers ?? "").split(",");
    for (const box of boxes) {
      if (box.checked === on.includes(box.dataset.layer)) continue;
      box.checked = !box.checked;
      box.dispatchEvent(new Event("change"));
    }
    return true;
  }

  // ---- The list of what is in view: links and buttons for those who use no pointer, the worst first.

  function list() {
    clearTimeout(timer);
    timer = setTimeout(fill, LIST_AFTER_MS);
  }

  function fill() {
    const bounds = map.getBounds(), kinds = Object.keys(state.signs).filter((kind) => map.hasLayer(state.layers[kind]));
    const signs = kinds.flatMap((kind) => [...state.signs[kind].values()]).filter((sign) => bounds.contains(sign.getLatLng()));
    const name = (sign) => sign.feature.properties.name, isUrgent = (sign) => kotaSigns.isUrgent(sign.feature.properties);
    signs.sort((a, b) => isUrgent(b) - isUrgent(a) || b.feature.properties.severity - a.feature.properties.severity || name(a).localeCompare(name(b)));
    document.getElementById("in-view-count").textContent = `(${signs.length})`;
    const box = document.getElementById("in-view"), focused = document.activeElement?.dataset?.sign;
    box.replaceChildren(...signs.slice(0, LISTED_MAX).map(row));
    if (signs.length > LISTED_MAX) {
      const words = state.texts.in_view_more.replace("{n}", signs.length - LISTED_MAX);
      box.append(Object.assign(document.createElement("li"), { textContent: words }));
    }
    if (focused) box.querySelector(`[data-sign="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }

  function row(sign) {
    const { id, name, kind, state: condition, severity } = sign.feature.properties;
    const item = document.createElement("li"), { texts } = state;
    const button = Object.assign(document.createElement("button"), { type: "button", className: "plain", textContent: name });
    Object.assign(button.dataset, { sign: id });
    button.title = texts.show_on_map;
    button.addEventListener("click", () => {
      map.setView(sign.getLatLng(), Math.max(map.getZoom(), SITE_ZOOM), { animate: false });
      sign.openPopup();
      map.getPane("popupPane").querySelector(".popup :is(a, button)")?.focus({ preventScroll: true });
    });
    const words = Object.assign(document.createElement("span"), {
      className: `state severity-${severity}`, textContent: texts[`is_${condition}`] ?? condition,
    });
    item.append(button, ` ${texts[kind]} `, words);
    return item;
  }

  // ---- A place by its name: a kelurahan is shown whole, a site close.

  function find(wanted) {
    const text = wanted.trim().toLowerCase(), layers = state.layers.places?.getLayers() ?? [];
    const names = ({ feature: { properties } }) => [properties.id, properties.name].map((known) => String(known).toLowerCase());
    return layers.find((layer) => names(layer).includes(text)) ?? layers.find((layer) => names(layer)[1].startsWith(text));
  }

  function go(wanted) {
    const layer = wanted.trim() && find(wanted);
    document.getElementById("no-place").hidden = Boolean(layer) || !wanted.trim();
    if (!layer) return;
    if (layer.getBounds) map.fitBounds(layer.getBounds(), { padding: [16, 16] });
    else map.setView(layer.getLatLng(), SITE_ZOOM);
    state.isPlaced = true;
  }

  const box = document.querySelector(".find-place");
  box.addEventListener("change", () => go(box.value));
  box.addEventListener("keydown", (event) => { if (event.key === "Enter") go(box.value); });

  // ---- Full screen.

  const page = document.querySelector(".map-page");
  document.querySelector("[data-full]").addEventListener("click", () => {
    if (document.fullscreenElement) document.exitFullscreen();
    else page.requestFullscreen?.();
  });
  new ResizeObserver(() => map.invalidateSize()).observe(map.getContainer());

  const isPlaced = read(), { to } = state.config;
  map.on("kota:places", () => { if (to && !isPlaced) go(to); });
  map.on("moveend kota:layers", () => { write(); list(); });
  map.on("kota:shown", list);
  if (isPlaced) write();
  addEventListener("hashchange", read);
})();
