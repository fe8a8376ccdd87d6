// The picture of the zone editor: polygons, points and persons as SVG, moved by mouse, finger or keys.
"use strict";

const zoneDraw = {
  WIDTH: 1000,
  GRAB_PX: 22,
  STEP: 0.005,
  grabbed: null,

  start(editor, svg) {
    zoneDraw.editor = editor;
    zoneDraw.svg = svg;
    svg.addEventListener("pointerdown", zoneDraw.down);
    svg.addEventListener("pointermove", zoneDraw.move);
    for (const name of ["pointerup", "pointercancel"]) svg.addEventListener(name, zoneDraw.up);
    svg.addEventListener("keydown", zoneDraw.key);
    svg.addEventListener("focusin", (event) => zoneDraw.focused(event.target));
    new ResizeObserver(() => zoneDraw.show()).observe(svg);
  },

  get height() {
    const box = zoneDraw.svg.getBoundingClientRect();
    return box.width ? (zoneDraw.WIDTH * box.height) / box.width : 562;
  },

  // How long a screen's pixel is in the drawing.
  get pixel() {
    return zoneDraw.WIDTH / (zoneDraw.svg.getBoundingClientRect().width || zoneDraw.WIDTH);
  },

  at([x, y]) {
    return [x * zoneDraw.WIDTH, y * zoneDraw.height];
  },

  point(event) {
    const box = zoneDraw.svg.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height].map(zoneDraw.cut);
  },

  cut: (value) => Math.round(Math.min(1, Math.max(0, value)) * 10000) / 10000,

  tag(name, attributes, text) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text) made.textContent = text;
    return made;
  },

  show() {
    const { svg, editor } = zoneDraw, state = editor.state;
    const focus = document.activeElement?.dataset?.key;
    svg.setAttribute("viewBox", `0 0 ${zoneDraw.WIDTH} ${zoneDraw.height}`);
    svg.classList.toggle("drawing-now", Boolean(state.drawing));
    const parts = state.suggestions.map((one) => zoneDraw.outline(one.polygon, "#b91c1c", "suggested"));
    state.zones.forEach((zone, index) => parts.push(...zoneDraw.zone(zone, index)));
    if (state.drawing) parts.push(...zoneDraw.unfinished(state.drawing));
    state.persons.forEach((pair, index) => parts.push(...zoneDraw.person(pair, index)));
    svg.replaceChildren(...parts);
    if (focus) svg.querySelector(`[data-key="${focus}"]`)?.focus({ preventScroll: true });
  },

  outline(polygon, colour, kind) {
    const points = polygon.map((point) => zoneDraw.at(point).join(",")).join(" ");
    const width = 2.5 * zoneDraw.pixel;
    return zoneDraw.tag("polygon", { points, stroke: colour, fill: colour, class: kind, "stroke-width": width });
  },

  zone(zone, index) {
    const chosen = index === zoneDraw.editor.state.selected;
    const classes = `zone ${zone.kind}${chosen ? " chosen" : ""}`;
    const shape = zoneDraw.outline(zone.polygon, zoneDraw.editor.colour(zone.kind), classes);
    shape.dataset.zone = index;
    const [x, y] = zoneDraw.at(zone.polygon.reduce((top, one) => (one[1] < top[1] ? one : top), [0, 2]));
    const size = 15 * zoneDraw.pixel;
    const left = Math.min(x, zoneDraw.WIDTH - 8 * size), base = Math.max(y + 1.2 * size, size);
    const name = zoneDraw.tag("text", { x: left, y: base, "font-size": size }, zone.name);
    return chosen ? [shape, name, ...zoneDraw.handles(zone, index)] : [shape, name];
  },

  handles(zone, index) {
    const made = [];
    zone.polygon.forEach((point, corner) => {
      const next = zone.polygon[(corner + 1) % zone.polygon.length];
      const middle = [(point[0] + next[0]) / 2, (point[1] + next[1]) / 2];
      made.push(zoneDraw.handle(middle, { zone: index, after: corner }, "between", 5));
    });
    zone.polygon.forEach((point, corner) => {
      const label = zoneDraw.editor.text("point_of", { n: corner + 1, zone: zone.name });
      made.push(zoneDraw.handle(point, { zone: index, corner, key: `p${index}-${corner}` }, "corner", 9, label));
    });
    return made;
  },

  handle(point, data, kind, radius, label) {
    const [cx, cy] = zoneDraw.at(point);
    const { pixel } = zoneDraw;
    const seen = { cx, cy, r: radius * pixel, class: `handle ${kind}`, "stroke-width": 3 * pixel };
    const made = zoneDraw.tag("circle", label ? { ...seen, tabindex: 0, role: "button", "aria-label": label } : seen);
    Object.assign(made.dataset, data);
    return made;
  },

  unfinished(points) {
    const line = points.map((point) => zoneDraw.at(point).join(",")).join(" ");
    const made = [zoneDraw.tag("polyline", { points: line, class: "unfinished", "stroke-width": 3 * zoneDraw.pixel })];
    return [...made, ...points.map((point, corner) => zoneDraw.handle(point, {}, corner ? "between" : "corner", 9))];
  },

  // Two lines as tall as a person: far to the left, near to the right.
  person([row, tall], index) {
    const x = index ? 0.72 : 0.28;
    const [feet, head] = [zoneDraw.at([x, row]), zoneDraw.at([x, row - tall])];
    const from = { x1: feet[0], y1: feet[1], x2: head[0], y2: head[1] };
    const line = zoneDraw.tag("line", { ...from, class: "person", "stroke-width": 4 * zoneDraw.pixel });
    const ends = [["feet", row], ["head", row - tall]].map(([end, y]) => {
      const label = zoneDraw.editor.text(end, { n: index + 1 });
      return zoneDraw.handle([x, y], { person: index, end, key: `${end}${index}` }, "person-end", 10, label);
    });
    return [line, ...ends];
  },

  // The handle next to a place on the screen: fingers are wider than what they mean.
  near(event) {
    let best = null, distance = zoneDraw.GRAB_PX;
    for (const one of zoneDraw.svg.querySelectorAll(".handle")) {
      const box = one.getBoundingClientRect();
      const found = Math.hypot(event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2);
      if (found < distance - (one.classList.contains("between") ? 8 : 0)) [best, distance] = [one, found];
    }
    return best;
  },

  down(event) {
    const { editor } = zoneDraw, state = editor.state;
    const handle = zoneDraw.near(event), point = zoneDraw.point(event);
    if (state.drawing) {
      const closes = state.drawing.length > 2 && handle?.classList.contains("corner");
      closes ? editor.finish() : editor.change(() => state.drawing.push(point));
    } else if (handle) {
      editor.keep();
      zoneDraw.grab(handle.dataset, point);
      (handle.hasAttribute("tabindex") ? handle : zoneDraw.svg).focus?.({ preventScroll: true });
    } else {
      const shape = event.target.closest("polygon.zone");
      editor.select(shape ? Number(shape.dataset.zone) : -1);
      if (shape) {
        editor.keep();
        zoneDraw.grabbed = { zone: Number(shape.dataset.zone), from: point };
      }
    }
    if (zoneDraw.grabbed) zoneDraw.svg.setPointerCapture(event.pointerId);
    event.preventDefault();
  },

  grab(data, point) {
    if (data.person !== undefined) zoneDraw.grabbed = { person: Number(data.person), end: data.end };
    else {
      let corner = Number(data.corner);
      if (data.after !== undefined) {
        corner = Number(data.after) + 1;
        zoneDraw.editor.state.zones[data.zone].polygon.splice(corner, 0, point);
      }
      zoneDraw.grabbed = { zone: Number(data.zone), corner };
    }
  },

  move(event) {
    const held = zoneDraw.grabbed;
    if (!held) return;
    const point = zoneDraw.point(event);
    if (held.person !== undefined) zoneDraw.drag(held, point[1]);
    else if (held.corner !== undefined) zoneDraw.editor.state.zones[held.zone].polygon[held.corner] = point;
    else {
      zoneDraw.shift(zoneDraw.editor.state.zones[held.zone], point[0] - held.from[0], point[1] - held.from[1]);
      held.from = point;
    }
    zoneDraw.editor.changed();
  },

  up() {
    zoneDraw.grabbed = null;
  },

  drag({ person, end }, y) {
    const pair = zoneDraw.editor.state.persons[person];
    const least = 0.01;
    if (end === "head") pair[1] = Math.max(least, pair[0] - y);
    else pair[0] = Math.min(1, Math.max(pair[1], y));
    pair.forEach((value, at) => { pair[at] = zoneDraw.cut(value); });
  },

  shift(zone, dx, dy) {
    const xs = zone.polygon.map((one) => one[0]), ys = zone.polygon.map((one) => one[1]);
    const right = Math.max(-Math.min(...xs), Math.min(dx, 1 - Math.max(...xs)));
    const down = Math.max(-Math.min(...ys), Math.min(dy, 1 - Math.max(...ys)));
    zone.polygon = zone.polygon.map(([x, y]) => [x + right, y + down].map(zoneDraw.cut));
  },

  focused(target) {
    if (target.dataset.corner !== undefined) zoneDraw.editor.state.corner = Number(target.dataset.corner);
  },

  key(event) {
    const { editor } = zoneDraw, { zone, corner, person, end } = event.target.dataset;
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const step = zoneDraw.STEP * (event.shiftKey ? 4 : 1);
    if (event.key === "Delete" && corner !== undefined) editor.deletePoint();
    else if (way && corner !== undefined) {
      const point = editor.state.zones[zone].polygon[corner];
      const moved = point.map((value, at) => zoneDraw.cut(value + way[at] * step));
      editor.change(() => { editor.state.zones[zone].polygon[corner] = moved; });
    } else if (way && person !== undefined) {
      const [row, tall] = editor.state.persons[person];
      editor.change(() => zoneDraw.drag({ person, end }, (end === "head" ? row - tall : row) + way[1] * step));
    } else return;
    event.preventDefault();
  },
};
