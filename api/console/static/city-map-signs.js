// How devices look on the map: signs drawn on one canvas, so that hundreds of them cost one page element.
"use strict";

(() => {
  const FILL = { low: "#15803d", mid: "#ea580c", high: "#b91c1c", none: "#6b7280" };
  const RING = { yellow: "#eab308", green: "#14532d", grey: "#4b5563" };
  const FULL_PCT = 85;
  const BUSY_PCT = 60;
  const MOVING_KMH = 3;
  const PALE = 0.45;

  const isSilent = (p) => p.connectivity === "offline" || p.connectivity === "unknown";

  function fillOf(p) {
    if (p.fill_pct === null) return "none";
    if (p.fill_pct > FULL_PCT) return "high";
    return p.fill_pct >= BUSY_PCT ? "mid" : "low";
  }

  function truckState(p) {
    if (p.state === "broken") return "broken";
    return !isSilent(p) && p.speed_kmh > MOVING_KMH ? "moving" : "parked";
  }

  // Signs grow with the zoom, so that the whole city at once is no heap of them.
  const scaleAt = (zoom) => Math.min(1.25, Math.max(0.55, (zoom - 9) / 5));

  // Fire and a driver's call for help have a sign of their own, which nothing else on the map has.
  const isUrgent = (p) => p.state === "fire" || p.state === "panic";
  const URGENT = { shape: "burst", radius: 17, color: "#fff", weight: 2, opacity: 1, fillColor: "#dc2626", fillOpacity: 1 };

  const STYLES = {
    bin(p) {
      const fill = fillOf(p);
      const pale = isSilent(p) ? PALE : 1;
      return {
        shape: "circle",
        // The two containers of a place stand side by side, also where the map is too small to part them.
        shift: p.waste_kind === "organic" ? -6 : 6,
        radius: { high: 8, mid: 6.5 }[fill] ?? 5.5,
        color: RING[p.color] ?? RING.grey,
        weight: 2.5,
        opacity: pale,
        fillColor: FILL[fill],
        fillOpacity: pale,
      };
    },
    truck(p) {
      const state = truckState(p);
      return {
        shape: "arrow",
        heading: p.heading_deg ?? 0,
        radius: state === "broken" ? 14 : 12,
        color: state === "broken" ? "#000" : "#fff",
        weight: 2,
        opacity: 1,
        fillColor: { moving: "#1d4ed8", broken: "#dc2626", parked: "#334155" }[state],
        fillOpacity: isSilent(p) ? PALE : 1,
      };
    },
    ap(p) {
      const down = p.connectivity === "offline";
      const unknown = p.connectivity === "unknown";
      return {
        shape: "diamond",
        radius: down ? 9 : 5 + Math.min(8, Math.sqrt(p.clients ?? 0)),
        color: "#fff",
        weight: 1.5,
        opacity: 1,
        fillColor: down ? "#111827" : unknown ? FILL.none : "#7c3aed",
        fillOpacity: unknown ? PALE : 0.9,
      };
    },
    camera(p) {
      return {
        shape: "square",
        radius: p.open_cases ? 10 : 7,
        color: p.open_cases ? "#facc15" : "#fff",
        weight: p.open_cases ? 3 : 1.5,
        opacity: 1,
        fillColor: p.open_cases ? "#b91c1c" : "#0f766e",
        fillOpacity: isSilent(p) ? PALE : 1,
      };
    },
  };

  const CORNERS = {
    diamond: [[0, -1], [1, 0], [0, 1], [-1, 0]],
    burst: Array.from({ length: 16 }, (_, i) => {
      const reach = i % 2 ? 0.55 : 1;
      return [reach * Math.sin((i * Math.PI) / 8), -reach * Math.cos((i * Math.PI) / 8)];
    }),
    square: [[-0.8, -0.8], [0.8, -0.8], [0.8, 0.8], [-0.8, 0.8]],
    arrow: [[0, -1.15], [0.8, 0.95], [0, 0.5], [-0.8, 0.95]],
  };

  const Sign = L.CircleMarker.extend({
    _project() {
      const scale = scaleAt(this._map.getZoom());
      this._radius = this.options.radius * scale;
      L.CircleMarker.prototype._project.call(this);
      if (this.options.shift) {
        this._point = this._point.add([this.options.shift * scale, 0]);
        this._updateBounds();
      }
    },
    _updatePath() {
      if (this.options.hidden) return;
      if (this.options.shape === "cluster") return void drawCluster(this._renderer, this);
      const corners = CORNERS[this.options.shape];
      if (corners) drawPolygon(this._renderer, this, corners);
      else this._renderer._updateCircle(this);
    },
    _containsPoint(point) {
      return !this.options.hidden && L.CircleMarker.prototype._containsPoint.call(this, point);
    },
  });

  function drawCluster(renderer, sign) {
    if (!renderer._drawing || sign._empty()) return;
    renderer._updateCircle(sign);
    const ctx = renderer._ctx;
    Object.assign(ctx, { fillStyle: "#fff", textAlign: "center", textBaseline: "middle", globalAlpha: 1 });
    ctx.font = `bold ${Math.round(sign._radius * 0.85)}px sans-serif`;
    ctx.fillText(sign.options.count, sign._point.x, sign._point.y + 1);
  }

  function drawPolygon(renderer, sign, corners) {
    if (!renderer._drawing || sign._empty()) return;
    const { heading = 0 } = sign.options;
    const radius = sign._radius;
    const angle = (heading * Math.PI) / 180;
    const ctx = renderer._ctx;
    ctx.beginPath();
    for (const [x, y] of corners) {
      ctx.lineTo(
        sign._point.x + radius * (x * Math.cos(angle) - y * Math.sin(angle)),
        sign._point.y + radius * (x * Math.sin(angle) + y * Math.cos(angle)),
      );
    }
    ctx.closePath();
    renderer._fillStroke(ctx, sign);
  }

  window.kotaSigns = {
    Sign,
    isUrgent,
    style: (properties) => (isUrgent(properties) ? { ...STYLES[properties.kind](properties), ...URGENT } : STYLES[properties.kind](properties)),
    count(kind, all) {
      // Nobody has heard of a device whose severity is -1.
      const isKnown = all.some((p) => p.severity >= 0), number = (test) => (isKnown ? all.filter(test).length : null);
      const cases = all.reduce((sum, p) => sum + p.open_cases, 0);
      return {
        bin: () => ({ full_bins: number((p) => p.state === "full") }),
        truck: () => ({
          moving_trucks: number((p) => truckState(p) === "moving"),
          broken_trucks: number((p) => p.state === "broken"),
        }),
        ap: () => ({ down_aps: number((p) => p.state === "down") }),
        camera: () => ({ open_cases: isKnown || cases ? cases : null }),
      }[kind]();
    },
  };
})();
