// A profile made from messages: keys and proposals come from the API, which also tries and saves the mapping.
"use strict";

(() => {
  const PREVIEW_AFTER_MS = 250, SHOWN_MAX = 20;
  let form, config, draft, previewTimer, asked = 0;

  const element = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) if (value !== undefined) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };
  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (whole, key) => values[key] ?? whole);
  const part = (name) => form.querySelector(name);

  async function call(path, body) {
    const options = body && {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    };
    const answer = await fetch(`/api/v1/${path}`, options).catch(() => null);
    return { status: answer?.status ?? 0, ok: Boolean(answer?.ok), said: await answer?.json().catch(() => null) };
  }

  async function load(kind, codec = "") {
    const number = ++asked;
    const chosen = Object.entries({ kind, codec }).filter(([, value]) => value);
    const query = chosen.length ? `?${new URLSearchParams(chosen)}` : "";
    const { ok, said } = await call(`strangers/${config.unknown_device}/draft${query}`);
    if (number !== asked) return;
    if (!ok) return void part(".draft-keys").replaceChildren(line(config.texts.draft_no_answer, "warn"));
    draft = said;
    form.kind.value = draft.kind;
    if (!form.title.value) form.title.value = draft.title;
    showCodecs();
    show();
    preview();
  }

  function show() {
    const { texts } = config, box = part(".draft-keys");
    const known = draft.keys.filter((key) => key.proposals.length), others = draft.keys.filter((key) => !key.proposals.length);
    box.replaceChildren();
    if (!draft.keys.length) box.append(line(draft.raw_frames_only ? texts.draft_raw_frames : texts.draft_empty, "warn"));
    const reader = knownReader();
    if (reader) box.append(line(fill(texts.draft_known, { word: reader }), "good"));
    if (known.length) box.append(table(known));
    if (others.length) box.append(otherKeys(others, !known.length));
    if (draft.left_out) box.append(line(kotaPlural.form(texts.draft_left_out, draft.left_out, config.lang), "intro"));
  }

  function showCodecs() {
    part(".draft-codec").hidden = !draft.has_frames;
    const known = draft.codecs.map((codec) => element("option", { value: codec }, codec));
    form.codec.replaceChildren(element("option", { value: "" }, config.texts.draft_codec_none), ...known);
    form.codec.value = draft.codec;
  }

  async function addCodec() {
    const { texts } = config, state = part(".codec-state"), [file] = form.codec_file.files;
    state.textContent = "";
    if (!file) return;
    const name = idOf(file.name.replace(/\.js$/i, "")) || "codec";
    const { ok, status, said } = await call("codecs", { name, source: await file.text() });
    form.codec_file.value = "";
    if (ok) return void load("", name);
    const reason = said?.errors?.[0]?.detail ?? said?.detail ?? texts.draft_no_answer;
    state.textContent = status === 409 ? texts.draft_codec_taken : fill(texts.draft_codec_bad, { reason });
  }

  // The existing profile that reads all that is filled in, where there is one: no other needs to be made.
  function knownReader() {
    const used = draft.mapping.map((entry) => draft.keys.find((key) => key.key === entry.key)?.proposals[0]);
    const first = used[0]?.reason === "profile" && used.length > 1 ? used[0].word : "";
    return used.every((proposal) => proposal?.reason === "profile" && proposal.word === first) ? first : "";
  }

  // Keys without a proposal: their table is made when somebody looks at it.
  function otherKeys(keys, isOpen) {
    const words = kotaPlural.form(config.texts.draft_others, keys.length, config.lang);
    const box = element("details", {}, element("summary", {}, words));
    box.addEventListener("toggle", () => { if (box.open && !box.querySelector("table")) box.append(table(keys)); });
    box.open = isOpen;
    return box;
  }

  function table(keys) {
    const { texts } = config;
    const names = ["key", "values", "field", "why"].map((name) => texts[`draft_${name}`]);
    const head = element("thead", {}, element("tr", {}, ...names.map((name) => element("th", { scope: "col" }, name))));
    return element("table", { class: "lines" }, head, element("tbody", {}, ...keys.map((key) => row(key, names))));
  }

  function row(key, names) {
    const { texts } = config;
    const mapped = draft.mapping.find((entry) => entry.key === key.key);
    const field = element("select", { "data-part": "field", "aria-label": `${texts.draft_field}: ${key.key}` });
    field.append(element("option", { value: "" }, texts.draft_unused), ...fieldGroups(key));
    field.value = mapped?.field ?? "";
    const unit = element("select", { "data-part": "unit", "aria-label": `${texts.draft_unit}: ${key.key}` });
    const meaning = element("div", { class: "draft-meaning" }, field, unit, element("div", { class: "draft-offers" }));
    const cells = [element("code", {}, key.key), overTime(key), meaning, element("div", { class: "draft-reason" })];
    const made = element("tr", {}, ...cells.map((cell, place) => element("td", { "data-label": names[place] }, cell)));
    made.kotaKey = key;
    offerUnits(made, mapped?.unit ?? "");
    return made;
  }

  function overTime(key) {
    const [newest = "-", ...before] = key.values.map(({ value }) => shorten(value || "-"));
    const shown = element("div", { class: "draft-over-time" }, element("strong", {}, newest));
    const different = before.some((value) => value !== newest);
    if (before.length && different) shown.append(element("small", {}, fill(config.texts.draft_before, { values: before.join(", ") })));
    return shown;
  }

  const shorten = (text) => (text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text);

  function fieldGroups(key) {
    const { texts } = config;
    const possible = [...new Set(key.proposals.map((proposal) => proposal.field))];
    const rest = draft.fields.map((choice) => choice.field).filter((field) => !possible.includes(field));
    const group = (label, fields) =>
      element("optgroup", { label }, ...fields.map((field) => element("option", { value: field }, fieldName(field))));
    return possible.length ? [group(texts.draft_possible, possible), group(texts.draft_other, rest)] : [group(texts.draft_other, rest)];
  }

  const fieldName = (field) => (field === "time" ? config.texts.draft_time : config.fields[field] ?? field);

  function unitName(choice, field) {
    const { texts, units } = config;
    if (choice === "not") return texts.draft_opposite;
    if (!choice) return texts.draft_as_sent;
    const free = choice.endsWith("-empty"), [unit, factor] = choice.replace(/-empty$/, "").split("*");
    const scaled = factor ? `${units[unit] ?? unit} × ${Number(factor)}` : units[unit] ?? unit;
    return free ? fill(texts.draft_counts_free, { unit: scaled }) : scaled;
  }

  const selectOf = (made, name) => made.querySelector(`select[data-part=${name}]`);

  function offerUnits(made, chosen) {
    const field = selectOf(made, "field").value, unit = selectOf(made, "unit");
    const known = draft.fields.find((choice) => choice.field === field)?.units ?? [];
    const choices = chosen && !known.includes(chosen) ? [...known, chosen] : known;
    unit.replaceChildren(...choices.map((choice) => element("option", { value: choice }, unitName(choice, field))));
    const proposed = made.kotaKey.proposals.find((proposal) => proposal.field === field)?.unit;
    const best = choices.includes(chosen) && chosen ? chosen : choices.includes(proposed) ? proposed : choices[0];
    if (best !== undefined) unit.value = best;
    unit.hidden = choices.length < 2;
    explain(made);
  }

  // What is filled in has its reason; what is not has buttons for what it may be.
  function explain(made) {
    const { texts, reasons } = config, box = made.querySelector(".draft-reason");
    const field = selectOf(made, "field").value, unit = selectOf(made, "unit").value, { proposals } = made.kotaKey;
    const offers = made.querySelector(".draft-offers");
    box.replaceChildren();
    offers.replaceChildren(...(field ? [] : proposals.map((proposal) => offer(made, proposal))));
    const used = proposals.find((proposal) => proposal.field === field && (proposal.unit === unit || proposals.length === 1));
    made.classList.toggle("undecided", !field && proposals.length > 0);
    if (field && !used) return;
    const first = used ?? proposals[0];
    if (!first) return;
    if (!field) box.append(element("strong", {}, texts.draft_guess), " ");
    else if (first.confidence !== "guess") box.append(element("strong", {}, texts[`draft_${first.confidence}`]), " ");
    box.append(fill(reasons[first.reason] ?? first.text, { word: first.word }));
  }

  function offer(made, proposal) {
    const words = proposal.unit ? `${fieldName(proposal.field)}: ${unitName(proposal.unit)}` : fieldName(proposal.field);
    const button = element("button", { type: "button", class: "plain" }, words);
    button.addEventListener("click", () => {
      selectOf(made, "field").value = proposal.field;
      choose(made, proposal.unit);
      selectOf(made, "field").focus();
    });
    return button;
  }

  // A field has one key: where another row has it, that row no longer does.
  function choose(made, unit = "") {
    const field = selectOf(made, "field").value;
    for (const other of form.querySelectorAll("tbody tr")) {
      if (other === made || !field || selectOf(other, "field").value !== field) continue;
      selectOf(other, "field").value = "";
      offerUnits(other, "");
    }
    offerUnits(made, unit);
    preview();
  }

  function mapping() {
    const rows = [...form.querySelectorAll("tbody tr")].filter((made) => selectOf(made, "field").value);
    return rows.map((made) => ({
      key: made.kotaKey.key, field: selectOf(made, "field").value, unit: selectOf(made, "unit").value,
    }));
  }

  const adoption = () => document.querySelector("form.new-device-form");

  function preview() {
    clearTimeout(previewTimer);
    previewTimer = setTimeout(tryMapping, PREVIEW_AFTER_MS);
  }

  async function tryMapping() {
    const number = ++asked, kind = form.kind.value;
    const container = kind === "bin" ? adoption()?.querySelector("[name=model]")?.value ?? "" : "";
    const { ok, said } = await call(`strangers/${config.unknown_device}/draft`, {
      kind, mapping: mapping(), container, codec: form.codec.value,
    });
    if (number !== asked) return;
    const box = part(".draft-readings");
    if (!ok) return void box.replaceChildren(line(said?.detail ?? config.texts.draft_no_answer, "warn"));
    showReadings(box, said.results);
  }

  function showReadings(box, results) {
    const { texts, symbols } = config, readings = new Map();
    results.forEach((result, place) => {
      for (const record of result.records) {
        for (const [field, value] of Object.entries(record.values ?? {})) {
          if (!readings.has(field)) readings.set(field, []);
          readings.get(field)[place] ??= written(value, symbols[field]);
        }
      }
    });
    const list = element("dl", { class: "facts" });
    for (const [field, values] of readings) {
      const [newest = "-", ...before] = [...values].map((value) => value ?? "-");
      const shown = element("dd", {}, element("strong", {}, newest));
      if (before.length) shown.append(element("small", {}, fill(texts.draft_before, { values: before.join(", ") })));
      list.append(element("dt", {}, fieldName(field)), shown);
    }
    const problems = new Set(results.flatMap((result) => result.problems ?? []));
    box.replaceChildren(readings.size ? list : line(texts.nothing_stored));
    if (mapping().length) for (const problem of problems) box.append(line(`${texts.not_stored}: ${problem}`, "warn"));
  }

  function written(value, symbol) {
    if (typeof value === "boolean") return value ? config.texts.yes : config.texts.no;
    return `${typeof value === "number" ? (+value.toFixed(4)).toLocaleString(config.lang) : value} ${symbol ?? ""}`.trim();
  }

  function line(words, name = "") {
    return element("p", { class: name }, words);
  }

  const idOf = (title) =>
    title.toLowerCase().normalize("NFKD").replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 60).replace(/-+$/, "");

  async function save(event) {
    event.preventDefault();
    const { texts } = config, title = form.title.value.trim(), state = part(".save-state"), faults = part(".faults");
    const button = part("button[type=submit]");
    faults.replaceChildren();
    button.disabled = true;
    const order = {
      name: idOf(title) || draft.name, title, kind: form.kind.value, unknown_device: config.unknown_device, mapping: mapping(),
      codec: form.codec.value,
    };
    const { ok, status, said } = await call("profiles", order);
    button.disabled = false;
    state.textContent = ok ? texts.draft_saved : texts.draft_not_saved;
    if (ok) return void chooseProfile(said);
    const details = said?.errors?.map((error) => error.detail) ?? [said?.detail ?? texts.draft_no_answer];
    for (const detail of status === 409 ? [texts.draft_taken] : details) faults.append(element("li", {}, detail));
    if (status === 409) form.title.focus();
  }

  // The adoption form of the page gets the new profile, chosen, as if it had always had it.
  function chooseProfile(profile) {
    const other = adoption();
    if (!other) return;
    const known = JSON.parse(other.dataset.config);
    known.kinds[profile.id] = profile.kind;
    other.dataset.config = JSON.stringify(known);
    other.profile.append(element("option", { value: profile.id }, `${profile.name} (${config.kinds[profile.kind]})`));
    other.profile.value = profile.id;
    other.profile.dispatchEvent(new Event("change", { bubbles: true }));
    other.querySelector(".intro").textContent = config.texts.draft_saved;
    other.scrollIntoView({ block: "start" });
    other.id.focus({ preventScroll: true });
  }

  function start() {
    const shown = document.querySelector("form.draft-form");
    if (!shown) return;
    form = shown;
    config = JSON.parse(form.dataset.config);
    form.addEventListener("change", ({ target }) => {
      if (target === form.kind) load(form.kind.value, form.codec.value);
      else if (target === form.codec) load("", form.codec.value);
      else if (target === form.codec_file) addCodec();
      else if (target.dataset.part === "field") choose(target.closest("tr"));
      else if (target.dataset.part === "unit") { explain(target.closest("tr")); preview(); }
    });
    form.addEventListener("submit", save);
    adoption()?.addEventListener("change", ({ target }) => { if (target.name === "model") preview(); });
    const section = form.closest("details");
    if (section.open) load();
    else section.addEventListener("toggle", () => { if (section.open && !draft) load(); });
  }

  start();
})();
