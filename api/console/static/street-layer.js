// The imported streets: tiles that are drawn on canvas, with names at close zooms. `kotaStreets.layer` gives the layer.
"use strict";

window.kotaStreets = (() => {
  const EXTENT = 1024;
  const CASING = "#9aa8b3", PATH = "#a8937a", INK = "#1f2937";
  const FILLS = ["#fcd9a0", "#fdf0c4", "#fff", "#fff", "#fff", ""];
  // Widths in pixels, by class, at the zoom of the tile.
  const WIDTHS = { 11: [2.2, 1.4], 12: [2.6, 1.8, 1.2], 13: [3.4, 2.6, 1.8], 14: [4.5, 3.6, 2.8, 1.6], 15: [6, 5, 4, 3, 1.8], 16: [8, 7, 6, 5, 3, 1.4] };

  const Layer = L.GridLayer.extend({
    createTile(coords, done) {
      const size = this.getTileSize(), ratio = devicePixelRatio || 1, tile = document.createElement("canvas");
      Object.assign(tile, { width: size.x * ratio, height: size.y * ratio });
      load(this.options.version, coords).then((streets) => {
        draw(tile.getContext("2d"), streets, coords.z, size.x * ratio, ratio);
        done(null, tile);
      }).catch((error) => done(error, tile));
      return tile;
    },
  });

  async function load(version, { x, y, z }) {
    const answer = await fetch(`/api/v1/map/streets/${z}/${x}/${y}.json?v=${version}`, { signal: AbortSignal.timeout(15000) });
    if (!answer.ok) throw new Error(answer.statusText);
    return answer.json();
  }

  function draw(ctx, { streets, labels }, zoom, pixels, ratio) {
    const scale = pixels / EXTENT, enlarged = pixels / (256 * ratio), widths = WIDTHS[zoom] ?? [];
    const width = (kind) => (widths[kind] ?? 1) * ratio * Math.sqrt(enlarged);
    Object.assign(ctx, { lineJoin: "round", lineCap: "round" });
    for (const isCasing of [true, false]) {
      for (const { class: kind, steps } of streets) {
        const isPath = !FILLS[kind];
        if (isPath && isCasing) continue;
        ctx.strokeStyle = isPath ? PATH : isCasing ? CASING : FILLS[kind];
        ctx.lineWidth = width(kind) + (isCasing ? 1.6 * ratio : 0);
        ctx.setLineDash(isPath ? [3 * ratio, 3 * ratio] : []);
        trace(ctx, steps, scale);
      }
    }
    ctx.setLineDash([]);
    Object.assign(ctx, { font: `${12 * ratio}px sans-serif`, textAlign: "center", textBaseline: "middle", fillStyle: INK, strokeStyle: "#fff", lineWidth: 3 * ratio });
    for (const { name, x, y, angle_deg: angle } of labels) {
      ctx.save();
      ctx.translate(x * scale, y * scale);
      ctx.rotate((angle * Math.PI) / 180);
      ctx.strokeText(name, 0, 0);
      ctx.fillText(name, 0, 0);
      ctx.restore();
    }
  }

  function trace(ctx, steps, scale) {
    let x = 0, y = 0;
    ctx.beginPath();
    for (let index = 0; index < steps.length; index += 2) {
      x += steps[index];
      y += steps[index + 1];
      ctx.lineTo(x * scale, y * scale);
    }
    ctx.stroke();
  }

  // The layer of what was imported; null without streets.
  async function layer(pane) {
    const answer = await fetch("/api/v1/map/streets.json");
    if (!answer.ok) throw new Error(answer.statusText);
    const { streets, version } = await answer.json();
    if (!streets) return null;
    const [minNativeZoom, maxNativeZoom] = streets.zooms;
    return new Layer({ pane, version, minNativeZoom, maxNativeZoom, minZoom: minNativeZoom - 0.5, attribution: "© OpenStreetMap contributors", updateWhenZooming: false });
  }

  return { layer };
})();
