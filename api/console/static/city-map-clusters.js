// Containers and access points that would lie on each other: one sign with their number, coloured by the worst of them.
"use strict";

window.kotaClusters = (() => {
  const CELL_PX = 44, LEAST = 3, UNTIL_ZOOM = 14.5;
  const KINDS = ["bin", "ap"];
  const COLOURS = { 2: "#b91c1c", 1: "#9a3412", 0: "#15803d", "-1": "#6b7280" };
  let group;

  // What calls for action by itself stays a sign of its own, however far away the city is.
  const isAlone = (sign) => kotaSigns.isUrgent(sign.feature.properties);

  function cellsOf(map, signs) {
    const cells = new Map();
    for (const sign of signs) {
      const point = map.project(sign.getLatLng());
      const key = `${Math.floor(point.x / CELL_PX)} ${Math.floor(point.y / CELL_PX)}`;
      if (!cells.has(key)) cells.set(key, []);
      cells.get(key).push(sign);
    }
    return [...cells.values()];
  }

  function clusterOf(signs, renderer) {
    const bounds = L.latLngBounds(signs.map((sign) => sign.getLatLng()));
    const severity = Math.max(...signs.map((sign) => sign.feature.properties.severity));
    const cluster = new kotaSigns.Sign(bounds.getCenter(), {
      shape: "cluster", count: signs.length, radius: 15 + Math.min(9, signs.length / 4), renderer,
      color: "#fff", weight: 2, opacity: 1, fillColor: COLOURS[severity], fillOpacity: 0.92,
    });
    cluster.on("click", ({ target }) => target._map.fitBounds(bounds.pad(0.2), { maxZoom: 17 }));
    return cluster;
  }

  function show(state) {
    group?.remove();
    const { map, signs, layers, canvas } = state, isFar = map.getZoom() < UNTIL_ZOOM;
    const shown = KINDS.filter((kind) => map.hasLayer(layers[kind])).flatMap((kind) => [...signs[kind].values()]);
    const clusters = [];
    for (const sign of shown) sign.options.hidden = false;
    const cells = isFar ? cellsOf(map, shown.filter((sign) => !isAlone(sign))) : [];
    for (const cell of cells.filter((found) => found.length >= LEAST)) {
      for (const sign of cell) sign.options.hidden = true;
      clusters.push(clusterOf(cell, canvas));
    }
    group = L.layerGroup(clusters).addTo(map);
    for (const sign of shown) if (sign._map) sign.redraw();
  }

  return { show };
})();
