// The zone editor: what is drawn, undone, listed and saved. How it looks and is dragged is in zones-draw.js.
"use strict";

const zoneEditor = {
  state: { zones: [], persons: [], drawing: null, selected: -1, corner: -1, suggestions: [], version: "" },
  past: [],
  PAST_MAX: 100,

  text(key, values = {}) {
    const text = zoneEditor.config.texts[key], fill = (filled, [name, value]) => filled.replaceAll(`{${name}}`, value);
    return Object.entries(values).reduce(fill, Array.isArray(text) ? kotaPlural.form(text, values.n) : text);
  },

  colour: (kind) => zoneEditor.config.kinds.find((one) => one.kind === kind).colour,
  find: (selector) => zoneEditor.root.querySelector(selector),

  start(root) {
    zoneEditor.root = root;
    zoneEditor.config = JSON.parse(root.dataset.config);
    zoneDraw.start(zoneEditor, zoneEditor.find("svg"));
    zoneEditor.find(".tools").addEventListener("click", (event) => zoneEditor.tools[event.target.dataset.tool]?.());
    zoneEditor.find(".persons").addEventListener("change", (event) => zoneEditor.usePersons(event.target.checked));
    zoneEditor.find(".save").addEventListener("click", zoneEditor.save);
    root.addEventListener("keydown", zoneEditor.key);
    window.addEventListener("beforeunload", (event) => { if (zoneEditor.unsaved) event.preventDefault(); });
    zoneEditor.load();
  },

  async load() {
    const answer = await fetch(zoneEditor.address).catch(() => null);
    if (answer?.ok) zoneEditor.take(await answer.json());
    else zoneEditor.tell("save_failed");
  },

  get address() {
    return `/api/v1/cameras/${encodeURIComponent(zoneEditor.config.camera)}/zones`;
  },

  take(plan) {
    const { zones, person_height: persons, version, suggestions } = plan;
    Object.assign(zoneEditor.state, { zones, persons, version, suggestions });
    zoneEditor.past = [];
    zoneEditor.unsaved = false;
    zoneEditor.root.dataset.ready = "yes";
    zoneEditor.show();
  },

  // Every change goes through here, so that each can be taken back.
  change(how) {
    zoneEditor.keep();
    how();
    zoneEditor.changed();
    zoneEditor.list();
  },

  keep() {
    const { zones, persons, drawing } = zoneEditor.state;
    zoneEditor.past.push(JSON.stringify({ zones, persons, drawing }));
    if (zoneEditor.past.length > zoneEditor.PAST_MAX) zoneEditor.past.shift();
  },

  changed() {
    zoneEditor.unsaved = true;
    zoneEditor.tell("not_saved");
    zoneDraw.show();
    zoneEditor.buttons();
  },

  show() {
    zoneDraw.show();
    zoneEditor.list();
    zoneEditor.suggest();
    zoneEditor.buttons();
    zoneEditor.find(".persons").checked = zoneEditor.state.persons.length > 0;
  },

  buttons() {
    const { drawing, selected, zones } = zoneEditor.state;
    const may = {
      draw: !drawing,
      box: !drawing,
      finish: drawing?.length > 2,
      undo: zoneEditor.past.length > 0,
      "delete-point": !drawing && zones[selected]?.polygon.length > zoneEditor.config.corners[0],
      "delete-zone": !drawing && selected >= 0,
    };
    for (const [tool, can] of Object.entries(may)) zoneEditor.find(`[data-tool="${tool}"]`).disabled = !can;
  },

  tools: {
    draw: () => { zoneEditor.select(-1); zoneEditor.change(() => { zoneEditor.state.drawing = []; }); },
    box: () => zoneEditor.add([[0.4, 0.4], [0.6, 0.4], [0.6, 0.6], [0.4, 0.6]], "watch"),
    finish: () => zoneEditor.finish(),
    undo: () => zoneEditor.undo(),
    "delete-point": () => zoneEditor.deletePoint(),
    "delete-zone": () => zoneEditor.remove(zoneEditor.state.selected),
  },

  finish() {
    const polygon = zoneEditor.state.drawing;
    if (polygon?.length > 2) zoneEditor.add(polygon, "watch");
  },

  add(polygon, kind) {
    zoneEditor.change(() => {
      const { zones } = zoneEditor.state, taken = new Set(zones.map((zone) => zone.name));
      let n = zones.length + 1;
      while (taken.has(zoneEditor.text("new_name", { n }))) n += 1;
      zones.push({ kind, name: zoneEditor.text("new_name", { n }), polygon });
      Object.assign(zoneEditor.state, { drawing: null, selected: zones.length - 1, corner: -1 });
    });
  },

  undo() {
    const before = zoneEditor.past.pop();
    if (!before) return;
    Object.assign(zoneEditor.state, JSON.parse(before), { selected: -1, corner: -1 });
    zoneEditor.changed();
    zoneEditor.show();
  },

  select(index) {
    Object.assign(zoneEditor.state, { selected: index, corner: -1 });
    zoneEditor.show();
  },

  remove(index) {
    zoneEditor.change(() => {
      zoneEditor.state.zones.splice(index, 1);
      zoneEditor.state.selected = -1;
    });
  },

  // The point that was used last, or the last one that was drawn.
  deletePoint() {
    const { zones, selected, corner } = zoneEditor.state, polygon = zones[selected]?.polygon;
    if (polygon?.length > zoneEditor.config.corners[0]) {
      zoneEditor.change(() => polygon.splice(corner in polygon ? corner : polygon.length - 1, 1));
    }
  },

  usePersons(wanted) {
    zoneEditor.change(() => { zoneEditor.state.persons = wanted ? [[0.5, 0.2], [0.95, 0.45]] : []; });
  },

  key(event) {
    if (event.target.closest("input, select")) return;
    if ((event.ctrlKey || event.metaKey) && event.key === "z") zoneEditor.undo();
    else if (!zoneEditor.state.drawing) return;
    else if (event.key === "Escape") zoneEditor.change(() => { zoneEditor.state.drawing = null; });
    else if (event.key === "Enter" && !event.target.closest("button")) zoneEditor.finish();
    else return;
    event.preventDefault();
  },

  list() {
    const { zones, selected } = zoneEditor.state, list = zoneEditor.find(".zone-list");
    list.replaceChildren(...zones.map(zoneEditor.row));
    list.children[selected]?.classList.add("chosen");
    const textContent = zoneEditor.text("no_zones");
    if (!zones.length) list.append(zoneEditor.tag("li", { className: "empty", textContent }));
  },

  tag: (name, given = {}) => Object.assign(document.createElement(name), given),

  row(zone, index) {
    const row = zoneEditor.tag("li");
    row.style.borderColor = zoneEditor.colour(zone.kind);
    const name = zoneEditor.tag("input", { value: zone.name, maxLength: zoneEditor.config.name_max });
    name.ariaLabel = zoneEditor.text("zone_name");
    name.addEventListener("focus", () => zoneEditor.choose(index));
    name.addEventListener("change", () => zoneEditor.change(() => { zone.name = name.value; }));
    const kind = zoneEditor.tag("select", { ariaLabel: zoneEditor.text("zone_kind") });
    kind.append(...zoneEditor.config.kinds.map((one) => new Option(zoneEditor.text(`zone_${one.kind}`), one.kind)));
    kind.value = zone.kind;
    kind.addEventListener("focus", () => zoneEditor.choose(index));
    kind.addEventListener("change", () => zoneEditor.change(() => { zone.kind = kind.value; }));
    const words = zoneEditor.text("delete_zone");
    const gone = zoneEditor.tag("button", { type: "button", className: "quiet", textContent: words });
    gone.addEventListener("click", () => zoneEditor.remove(index));
    row.append(name, kind, gone);
    return row;
  },

  // Selecting from the list must not make the list anew: the field would lose its focus.
  choose(index) {
    Object.assign(zoneEditor.state, { selected: index, corner: -1, drawing: null });
    [...zoneEditor.find(".zone-list").children].forEach((row, at) => row.classList.toggle("chosen", at === index));
    zoneDraw.show();
    zoneEditor.buttons();
  },

  suggest() {
    const box = zoneEditor.find(".suggestions");
    box.hidden = zoneEditor.state.suggestions.length === 0;
    box.querySelector("ul").replaceChildren(...zoneEditor.state.suggestions.map(zoneEditor.suggestion));
  },

  suggestion(one) {
    const row = zoneEditor.tag("li");
    const reasons = Object.entries(one.reasons).map(([why, n]) => `${zoneEditor.text(`reason_${why}`)} (${n})`);
    row.append(zoneEditor.text("suggestion", { n: one.rejects, reasons: reasons.join(", ") }), " ");
    const accept = zoneEditor.tag("button", { type: "button", textContent: zoneEditor.text("accept") });
    accept.addEventListener("click", () => {
      zoneEditor.state.suggestions = zoneEditor.state.suggestions.filter((other) => other !== one);
      zoneEditor.add(one.polygon, "ignore");
      zoneEditor.suggest();
    });
    row.append(accept);
    return row;
  },

  tell(key) {
    zoneEditor.find(".save-state").textContent = zoneEditor.text(key);
    zoneEditor.find(".save-state").dataset.state = key;
  },

  async save() {
    const { zones, persons, version } = zoneEditor.state;
    const body = JSON.stringify({ zones, person_height: persons, version });
    const headers = { "Content-Type": "application/json" };
    const answer = await fetch(zoneEditor.address, { method: "PUT", headers, body }).catch(() => null);
    const found = await answer?.json().catch(() => null);
    zoneEditor.faults(found?.errors ?? []);
    if (answer?.ok) {
      zoneEditor.take(found);
      zoneEditor.tell("saved");
    } else zoneEditor.tell({ 409: "save_conflict", 422: "not_saved" }[answer?.status] ?? "save_failed");
  },

  faults(errors) {
    const lines = errors.map((error) => {
      const line = zoneEditor.tag("li"), zone = zoneEditor.state.zones[error.zone];
      const words = zoneEditor.config.texts[`fault_${error.code}`] ?? error.detail;
      line.textContent = zone ? `${zone.name || error.zone + 1}: ${words}` : words;
      return line;
    });
    zoneEditor.find(".faults").replaceChildren(...lines);
  },
};

{
  const root = document.querySelector(".zone-editor");
  if (root) zoneEditor.start(root);
}
