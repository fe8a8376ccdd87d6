// The small map of a device's page: the device, its site and the trucks nearby, moved as the live section says.
"use strict";

(() => {
  const COLOURS = { "-1": "#64748b", 0: "#15803d", 1: "#c2410c", 2: "#b91c1c" };
  const box = document.querySelector(".device-map"), section = document.getElementById("place");
  if (!box || !section) return;
  const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const map = L.map(box, { preferCanvas: true, zoomAnimation: !isStill, fadeAnimation: !isStill, scrollWheelZoom: false });
  map.attributionControl.setPrefix("Leaflet");
  for (const [name, z] of [["ground", 150], ["streets", 250], ["shapes", 300], ["signs", 450]]) map.createPane(name).style.zIndex = z;
  const canvas = L.canvas({ pane: "signs" }), signs = L.layerGroup().addTo(map);
  let last = "";

  function named(layer, name) {
    // A text, not HTML.
    layer.bindTooltip(Object.assign(document.createElement("span"), { textContent: name }), { permanent: true, direction: "right", offset: [8, 0] });
  }

  // Trucks that stand at one depot have one sign.
  function together(trucks) {
    const groups = new Map();
    for (const { at, name } of trucks) {
      const key = at.map((degrees) => (degrees * 500).toFixed(0)).join();
      groups.set(key, groups.has(key) ? { at, name: `${groups.get(key).name}, ${name}` } : { at, name });
    }
    return groups.values();
  }

  function draw() {
    const text = section.querySelector("[data-place]")?.dataset.place ?? "";
    box.hidden = !text;
    if (!text || text === last) return;
    const { here, site, trucks } = JSON.parse(text), isFirst = !last;
    last = text;
    signs.clearLayers();
    if (site) named(L.circleMarker(site.at, { renderer: canvas, radius: 6, color: "#334155", fillColor: "#fff", fillOpacity: 1, weight: 3 }).addTo(signs), site.name);
    for (const { at, name } of together(trucks)) named(L.circleMarker(at, { renderer: canvas, radius: 7, color: "#1d4ed8", fillColor: "#bfdbfe", fillOpacity: 1 }).addTo(signs), name);
    const colour = COLOURS[here.severity];
    named(L.circleMarker(here.at, { renderer: canvas, radius: 10, color: "#fff", weight: 2, fillColor: colour, fillOpacity: 1 }).addTo(signs), here.name);
    if (!isFirst) return;
    const places = [here.at, ...(site ? [site.at] : []), ...trucks.slice(0, 1).map(({ at }) => at)];
    map.fitBounds(L.latLngBounds(places).pad(0.2), { maxZoom: 16, animate: false });
  }

  async function outlines() {
    const answer = await fetch("/api/v1/map/places.geojson");
    if (!answer.ok) return;
    const styles = { city: { color: "#334155", weight: 2, fill: false }, kelurahan: { color: "#94a3b8", weight: 1, fill: false } };
    const lines = (await answer.json()).features.filter(({ properties }) => properties.kind in styles);
    L.geoJSON(lines, { interactive: false, pane: "ground", renderer: L.canvas({ pane: "ground" }), style: { stroke: false, fillColor: "#e7efe4", fillOpacity: 1 } }).addTo(map);
    L.geoJSON(lines, { interactive: false, pane: "shapes", renderer: L.canvas({ pane: "shapes" }), style: ({ properties }) => styles[properties.kind] }).addTo(map);
  }

  draw();
  if (!last) map.setView([0, 0], 2);
  outlines().catch(() => {});
  kotaStreets.layer("streets").then((layer) => layer?.addTo(map)).catch(() => {});
  new MutationObserver(draw).observe(section, { childList: true, subtree: true, attributes: true, attributeFilter: ["data-place"] });
})();
