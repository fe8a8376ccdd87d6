// The day's tours on the map: a line for each truck, and its stops coloured by their states and numbered.
"use strict";

(() => {
  const REFRESH_S = 5, NUMBERS_FROM_ZOOM = 14.5;
  const { state } = kotaMap, { map, texts } = state;
  const COLOURS = {
    verified: "#15803d", recovered: "#15803d", claimed: "#4d7c0f", contradicted: "#b91c1c", missed: "#9a3412",
    not_possible: "#6b21a8", under_way: "#1d4ed8", planned: "#475569", landfill: "#111827",
  };
  const group = L.layerGroup(), stops = new Map();
  let known = "";
  state.layers.tours = group.addTo(map);

  const words = (name, text) => Object.assign(document.createElement(name), { textContent: text });
  const named = (key) => texts[key === "landfill" ? "landfill_stop" : `stop_is_${key}`];

  function popup({ id, truck, number, name, state: what, planned_at: planned }) {
    const box = Object.assign(document.createElement("div"), { className: "popup" });
    const clock = new Date(planned).toLocaleTimeString(state.config.lang, { timeZone: state.config.zone, hour: "2-digit", minute: "2-digit" });
    box.append(words("strong", `${number}. ${name}`), words("b", named(what)), words("span", truck), words("span", `${texts.tour_planned}: ${clock}`));
    if (what !== "landfill") box.append(Object.assign(words("a", texts.details), { href: `/stop/${id}` }));
    return box;
  }

  function draw({ features }) {
    group.clearLayers();
    stops.clear();
    for (const { geometry, properties } of features) {
      if (properties.kind === "tour") {
        const line = geometry.coordinates.map(([lon, lat]) => [lat, lon]);
        L.polyline(line, { renderer: state.canvas, color: "#1e3a8a", weight: 2, opacity: 0.55, interactive: false }).addTo(group);
        continue;
      }
      const [lon, lat] = geometry.coordinates;
      const isWaiting = properties.state === "planned";
      const look = isWaiting ? { radius: 4, weight: 1 } : { radius: 7, weight: 2 };
      const style = { renderer: state.canvas, color: "#fff", fillColor: COLOURS[properties.state], fillOpacity: 1, ...look };
      const sign = L.circleMarker([lat, lon], style).bindPopup(() => popup(properties), { maxWidth: 280 }).addTo(group);
      stops.set(properties.id, { sign, properties });
    }
    raise();
    number();
  }

  // Stops to which somebody has come, or should have, lie above what else is there, but not above a fire or a call for help.
  function raise() {
    if (!map.hasLayer(group)) return;
    for (const { sign, properties } of stops.values()) if (properties.state !== "planned") sign.bringToFront();
    for (const signs of Object.values(state.signs)) {
      for (const sign of signs.values()) if (kotaSigns.isUrgent(sign.feature.properties) && sign._map) sign.bringToFront();
    }
  }

  // Numbers are elements: only those that can be seen are made.
  function number() {
    const isNear = map.getZoom() >= NUMBERS_FROM_ZOOM && map.hasLayer(group), bounds = map.getBounds();
    for (const { sign, properties } of stops.values()) {
      const isWanted = isNear && bounds.contains(sign.getLatLng());
      if (isWanted && !sign.getTooltip()) {
        sign.bindTooltip(String(properties.number), { permanent: true, direction: "top", offset: [0, -6], className: "place stop-number" });
      } else if (!isWanted && sign.getTooltip()) {
        sign.unbindTooltip();
      }
    }
  }

  async function refresh() {
    const answer = await fetch("/api/v1/map/tours.geojson", { signal: AbortSignal.timeout(15000) });
    if (!answer.ok) throw new Error(answer.statusText);
    const text = await answer.text();
    if (text !== known && !map.getPane("popupPane").querySelector(".popup a[href^='/stop/']")) {
      draw(JSON.parse(text));
      known = text;
    }
  }

  map.on("moveend kota:layers", number);
  map.on("kota:shown kota:layers", raise);
  kotaLive.on(["dispatch"], REFRESH_S, refresh).due = true;
  refresh().catch(() => {});
})();
