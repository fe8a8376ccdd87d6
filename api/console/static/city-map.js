// The city's map: loads GeoJSON layers from our API, moves the signs that changed, counts, and shows popups.
"use strict";

window.kotaMap = (() => {
  const TILES = "https://tile.openstreetmap.org/{z}/{x}/{y}.png";
  const ORDER = ["bin", "ap", "truck", "camera"];
  const NAMES_FROM_ZOOM = 13;
  const SITES_FROM_ZOOM = 14.5;
  const state = { layers: {}, signs: {}, loaded: {} };

  function start(map, config) {
    Object.assign(state, { map, texts: config.texts, config, layers: {}, signs: {}, loaded: {} });
    map.attributionControl?.setPrefix("Leaflet");
    for (const name of ["ground", "streets", "shapes", "labels", "signs"]) map.createPane(name);
    // The city's area lies below streets and tiles, its outline above.
    map.getPane("ground").style.zIndex = 150;
    map.getPane("streets").style.zIndex = 250;
    map.getPane("shapes").style.zIndex = 300;
    map.getPane("shapes").style.pointerEvents = "none";
    map.getPane("labels").style.zIndex = 420;
    map.getPane("labels").style.pointerEvents = "none";
    map.getPane("signs").style.zIndex = 450;
    // One canvas for all kinds: a canvas above another would swallow the clicks meant for the lower one.
    state.canvas = L.canvas({ pane: "signs", padding: 0.3, tolerance: 6 });
    for (const kind of Object.keys(config.refresh_s)) addLayer(kind);
    loadPlaces();
    listenToggles();
    loadStreets();
    map.on("zoomend", () => { kotaClusters.show(state); raiseWorst(); });
  }

  function addLayer(kind) {
    state.signs[kind] = new Map();
    state.layers[kind] = L.geoJSON(null, {
      pointToLayer: (feature, at) => new kotaSigns.Sign(at, { ...kotaSigns.style(feature.properties), renderer: state.canvas }),
      onEachFeature: (feature, sign) => {
        state.signs[kind].set(feature.properties.id, sign);
        sign.bindPopup(() => popupAt(sign), { maxWidth: 280 });
      },
    }).addTo(state.map);
    keepFresh(kind);
  }

  function keepFresh(kind) {
    const topics = kind === "camera" ? [kind, "cases", "events"] : [kind, "events"];
    kotaLive.on(topics, state.config.refresh_s[kind], () => refresh(kind)).due = true;
    refresh(kind).catch(() => {});
  }

  async function refresh(kind) {
    const old = document.getElementById("map-old");
    try {
      const answer = await fetch(`/api/v1/map/${kind}.geojson`, { signal: AbortSignal.timeout(15000) });
      if (answer.status === 401) location.reload();
      if (!answer.ok) throw new Error(answer.statusText);
      apply(kind, (await answer.json()).features);
      state.loaded[kind] = true;
    } catch (error) {
      state.loaded[kind] = false;
      throw error;
    } finally {
      old.hidden = !Object.values(state.loaded).includes(false);
    }
  }

  function apply(kind, features) {
    const gone = new Set(state.signs[kind].keys());
    const known = gone.size;
    for (const feature of features) {
      gone.delete(feature.properties.id);
      const sign = state.signs[kind].get(feature.properties.id);
      if (sign) update(sign, feature);
      else state.layers[kind].addData(feature);
    }
    for (const id of gone) {
      state.layers[kind].removeLayer(state.signs[kind].get(id));
      state.signs[kind].delete(id);
    }
    // Whatever came last lies on top; what calls for action should.
    if (state.signs[kind].size > known) for (const above of ORDER) state.layers[above].bringToFront();
    kotaClusters.show(state);
    raiseWorst();
    state.map.fire("kota:shown");
    show(kotaSigns.count(kind, features.map((feature) => feature.properties)));
  }

  // What calls for action lies above the rest, whatever its kind is; fire and calls for help above all.
  function raiseWorst() {
    const signs = ORDER.flatMap((kind) => [...(state.signs[kind]?.values() ?? [])]);
    const worst = signs.filter((sign) => sign.feature.properties.severity === 2 && sign._map);
    const isUrgent = (sign) => kotaSigns.isUrgent(sign.feature.properties);
    for (const sign of [...worst.filter((sign) => !isUrgent(sign)), ...worst.filter(isUrgent)]) sign.bringToFront();
  }

  function update(sign, feature) {
    const changed = JSON.stringify(sign.feature) !== JSON.stringify(feature);
    if (!changed) return;
    sign.feature = feature;
    const [lon, lat] = feature.geometry.coordinates;
    sign.setStyle(kotaSigns.style(feature.properties)).setLatLng([lat, lon]);
    if (sign.isPopupOpen()) sign.getPopup().setLatLng([lat, lon]).update();
  }

  function show(counts) {
    for (const [name, count] of Object.entries(counts)) {
      const element = document.getElementById(`count-${name}`);
      if (!element) continue;
      // Where nothing is known of any device, none is counted.
      element.textContent = count ?? "–";
      element.closest("li").classList.toggle("some", count > 0);
    }
  }

  function popup(p) {
    const box = document.createElement("div");
    box.className = "popup";
    const line = (name, text) => box.append(Object.assign(document.createElement(name), { textContent: text }));
    line("strong", p.name);
    line("b", state.texts[`is_${p.state}`] ?? p.state);
    for (const text of described(p)) line("span", text);
    const to = p.open_cases ? "/dumping?show=open" : `/device/${encodeURIComponent(p.id)}`;
    box.append(Object.assign(document.createElement("a"), { href: to, textContent: state.texts.details }));
    return box;
  }

  const NEAR_PX = 14;

  // What lies on each other: a list, from which each opens.
  function popupAt(sign) {
    const shown = ORDER.filter((kind) => state.map.hasLayer(state.layers[kind])).flatMap((kind) => [...state.signs[kind].values()]);
    const near = shown.filter((other) => other._point && !other.options.hidden && other._point.distanceTo(sign._point) < NEAR_PX);
    if (near.length < 2) return popup(sign.feature.properties);
    const box = Object.assign(document.createElement("div"), { className: "popup" });
    box.append(Object.assign(document.createElement("strong"), { textContent: `${state.texts.things_here}: ${near.length}` }));
    near.sort((a, b) => b.feature.properties.severity - a.feature.properties.severity);
    for (const other of near) {
      const { name, kind, state: condition } = other.feature.properties;
      const words = `${name} · ${state.texts[kind]} · ${state.texts[`is_${condition}`] ?? condition}`;
      const button = Object.assign(document.createElement("button"), { type: "button", className: "quiet", textContent: words });
      button.addEventListener("click", () => sign.getPopup().setContent(popup(other.feature.properties)));
      box.append(button);
    }
    return box;
  }

  function described(p) {
    const t = state.texts;
    const measure = (key, unit) => (p[key] === null ? `${t[key]}: ${t.none}` : `${t[key]}: ${Math.round(p[key])} ${unit}`.trim());
    return {
      bin: () => [measure("fill_pct", "%"), `${t.waste_kind}: ${t[p.waste_kind]}`, state.config.kelurahan[p.kelurahan] ?? p.kelurahan],
      truck: () => [measure("speed_kmh", "km/h"), measure("load_kg", "kg")],
      ap: () => [measure("clients", ""), p.ssids.join(", ")],
      camera: () => (p.open_cases ? [`${t.open_cases}: ${p.open_cases}`] : []),
    }[p.kind]();
  }

  async function loadPlaces() {
    const answer = await fetch("/api/v1/map/places.geojson");
    if (!answer.ok) return;
    const places = await answer.json(), canvas = L.canvas({ pane: "shapes", padding: 0.3 });
    const styles = {
      city: { color: "#334155", weight: 3, fill: false },
      kelurahan: { color: "#94a3b8", weight: 1, fill: false },
      site: { radius: 3.5, color: "#475569", weight: 1.5, fillColor: "#fff", fillOpacity: 1 },
    };
    const labels = [];
    state.layers.places = L.geoJSON(places, {
      interactive: false,
      renderer: canvas,
      style: (feature) => styles[feature.properties.kind],
      pointToLayer: (_, at) => L.circleMarker(at, { renderer: canvas, interactive: false }),
      onEachFeature: (feature, layer) => isNamed(feature.properties) && labels.push({ feature, layer }),
    });
    state.layers.places.addTo(state.map);
    const ground = L.geoJSON(places, {
      interactive: false,
      pane: "ground",
      renderer: L.canvas({ pane: "ground", padding: 0.3 }),
      style: { stroke: false, fillColor: "#e7efe4", fillOpacity: 1 },
      filter: (feature) => feature.geometry.type !== "Point",
    });
    ground.addTo(state.map);
    if (ground.getLayers().length && !state.isPlaced) state.map.fitBounds(ground.getBounds(), { padding: [8, 8] });
    state.map.fire("kota:places");
    state.map.on("zoomend", () => label(labels));
    label(labels);
  }

  // The office of a kelurahan bears its name, which stands there already.
  const isNamed = ({ kind, site_kind }) => kind !== "city" && site_kind !== "office";

  function label(labels) {
    for (const { feature, layer } of labels) {
      const { kind, name } = feature.properties;
      const wanted = state.map.getZoom() >= (kind === "site" ? SITES_FROM_ZOOM : NAMES_FROM_ZOOM);
      if (wanted && !layer.getTooltip()) {
        const box = document.createElement("span");
        box.textContent = name;
        layer.bindTooltip(box, {
          permanent: true,
          pane: "labels",
          direction: kind === "site" ? "right" : "center",
          offset: kind === "site" ? [12, 0] : [0, 0],
          className: `place ${kind}`,
        });
      } else if (!wanted && layer.getTooltip()) {
        layer.unbindTooltip();
      }
    }
  }

  async function loadStreets() {
    if (!state.config.streets) return;
    const note = document.getElementById("streets-failed");
    try {
      const layer = await kotaStreets.layer("streets");
      layer?.on("tileerror", () => { note.hidden = false; }).on("tileload remove", () => { note.hidden = true; });
      state.layers.streets = layer;
      if (document.querySelector("input[data-layer=streets]")?.checked) layer?.addTo(state.map);
    } catch {
      note.hidden = false;
    }
  }

  function tiles() {
    // OpenStreetMap answers only those who say which site they come from.
    if (state.layers.tiles) return state.layers.tiles;
    state.layers.tiles = L.tileLayer(TILES, {
      maxZoom: 19,
      referrerPolicy: "strict-origin-when-cross-origin",
      attribution: "© OpenStreetMap contributors",
    }).on("tileerror", () => { document.getElementById("tiles-failed").hidden = false; })
      .on("tileload remove", () => { document.getElementById("tiles-failed").hidden = true; });
    return state.layers.tiles;
  }

  function listenToggles() {
    for (const box of document.querySelectorAll("input[data-layer]")) {
      box.addEventListener("change", () => {
        const layer = box.dataset.layer === "tiles" ? tiles() : state.layers[box.dataset.layer];
        if (box.checked) layer?.addTo(state.map);
        else layer?.remove();
        kotaClusters.show(state);
        state.map.fire("kota:layers");
      });
    }
  }

  function begin(box) {
    const config = JSON.parse(box.dataset.config);
    const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const motion = Object.fromEntries(["zoomAnimation", "fadeAnimation", "markerZoomAnimation", "inertia"].map((name) => [name, !isStill]));
    const options = { preferCanvas: true, zoomSnap: 0.25, attributionControl: true, ...motion };
    start(L.map(box, options).setView(config.centre, 12), config);
  }

  const box = document.querySelector(".city-map");
  if (box) begin(box);
  return { state };
})();
