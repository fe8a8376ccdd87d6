// Unknown devices: ignoring and adopting are calls of the API, which checks the role and the input.
"use strict";

(() => {
  let map, marker;

  async function post(path, body) {
    return fetch(`/api/v1/strangers/${path}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body ?? {}),
    }).catch(() => null);
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-unknown-device]");
    if (!button || button.disabled) return;
    button.disabled = true;
    const answer = await post(button.dataset.unknownDevice);
    if (answer?.ok) kotaLive.everything();
    else button.disabled = false;
  });

  function form() {
    return document.querySelector("form.new-device-form");
  }

  function config() {
    return JSON.parse(form().dataset.config);
  }

  // The kind follows from the profile; an id that is there already needs nothing but its profile.
  function follow() {
    const asked = form(), { kinds, next_ids, devices } = config();
    const kind = kinds[asked.profile.value] ?? "";
    if (!asked.id.dataset.typed && kind) asked.id.value = next_ids[kind];
    const attached = Boolean(devices[asked.id.value]) && devices[asked.id.value] === kind;
    for (const fields of asked.querySelectorAll("fieldset")) {
      const used = fields.dataset.kind === kind && !attached;
      fields.hidden = fields.disabled = !used;
    }
    asked.querySelector(".attached").hidden = !attached;
    asked.querySelector(".place").hidden = asked.querySelector(".place-hint").hidden = attached || kind === "truck";
    document.querySelector(".place-map")?.classList.toggle("unused", attached || kind === "truck");
    preview();
  }

  async function preview() {
    const asked = form(), { unknown_device: id, texts, units } = config(), box = asked.querySelector(".preview");
    if (!asked.profile.value) return void box.replaceChildren(line(texts.no_preview));
    const container = asked.querySelector("fieldset:not([hidden]) [name=model]")?.value ?? "";
    const query = new URLSearchParams({ profile: asked.profile.value });
    if (asked.querySelector("fieldset[data-kind=bin]:not([hidden])")) query.set("container", container);
    // What is shown stays until the answer: a button that moves under a pressed pointer gets no click.
    const answer = await fetch(`/api/v1/strangers/${id}/preview?${query}`).catch(() => null);
    const found = answer?.ok ? await answer.json() : { records: [], problems: [] };
    box.replaceChildren();
    const list = document.createElement("dl");
    list.className = "facts";
    for (const record of found.records) {
      for (const [name, value] of Object.entries(record.values ?? {})) {
        const term = document.createElement("dt"), said = document.createElement("dd");
        term.textContent = texts[name] ?? name;
        said.textContent = written(value, units[name], texts);
        list.append(term, said);
      }
    }
    box.append(list.childElementCount ? list : line(texts.nothing_stored));
    for (const problem of found.problems ?? []) box.append(line(`${texts.not_stored}: ${problem}`, "warn"));
  }

  function written(value, unit, texts) {
    if (typeof value === "boolean") return value ? texts.yes : texts.no;
    return `${typeof value === "number" ? (+value.toFixed(4)).toLocaleString(document.documentElement.lang) : value} ${unit ?? ""}`.trim();
  }

  function line(words, name = "") {
    const found = document.createElement("p");
    found.textContent = words;
    found.className = name;
    return found;
  }

  async function submit(event) {
    event.preventDefault();
    const asked = form(), { unknown_device: id, texts } = config();
    const order = Object.fromEntries([...new FormData(asked)].filter(([, value]) => value !== ""));
    for (const name of ["lat_deg", "lon_deg", "capacity_kg"]) if (name in order) order[name] = Number(order[name]);
    const faults = asked.querySelector(".faults"), state = asked.querySelector(".save-state");
    faults.replaceChildren();
    const answer = await post(`${id}/adopt`, order);
    const said = await answer?.json().catch(() => null);
    state.textContent = answer?.ok ? texts.adopted : texts.not_adopted;
    if (answer?.ok) return void setTimeout(() => { location.href = `/device/${said.device}`; }, 2500);
    for (const error of said?.errors ?? [{ field: "", detail: said?.detail ?? "" }]) {
      const fault = document.createElement("li");
      fault.textContent = [texts[error.field] ?? error.field, error.detail].filter(Boolean).join(": ");
      faults.append(fault);
    }
  }

  function mark(lat, lon) {
    marker?.remove();
    marker = L.circleMarker([lat, lon], { radius: 10, color: "#14532d", fillOpacity: 0.8 }).addTo(map);
  }

  async function place(box, asked) {
    map = L.map(box, { zoomSnap: 0.25 }).setView([box.dataset.lat, box.dataset.lon], 12);
    map.createPane("streets").style.zIndex = 250;
    kotaStreets.layer("streets").then((layer) => layer?.addTo(map)).catch(() => {});
    map.on("click", ({ latlng }) => {
      asked.lat_deg.value = latlng.lat.toFixed(5);
      asked.lon_deg.value = latlng.lng.toFixed(5);
      mark(latlng.lat, latlng.lng);
    });
    if (asked.lat_deg.value && asked.lon_deg.value) mark(+asked.lat_deg.value, +asked.lon_deg.value);
    const answer = await fetch("/api/v1/map/places.geojson").catch(() => null);
    if (!answer?.ok) return;
    const places = L.geoJSON(await answer.json(), {
      style: { color: "#64748b", weight: 1, fillOpacity: 0.08 },
      pointToLayer: (feature, at) => L.circleMarker(at, { radius: 3, color: "#64748b" }),
      onEachFeature: (feature, layer) => layer.bindTooltip(feature.properties.name),
    }).addTo(map);
    map.fitBounds(places.getBounds());
  }

  function start() {
    const asked = form();
    if (!asked) return;
    asked.id.addEventListener("input", () => { asked.id.dataset.typed = "yes"; });
    asked.addEventListener("change", follow);
    asked.addEventListener("submit", submit);
    place(document.querySelector(".place-map"), asked);
    follow();
  }

  start();
})();
