// Administration: a form is checked while it is filled in, and each button is one call of the API.
"use strict";

const adminTexts = JSON.parse(document.querySelector("[data-admin-texts]").dataset.adminTexts);
const CHECK_AFTER_MS = 400;

const element = (name, text, attributes = {}) => Object.assign(document.createElement(name), { textContent: text, ...attributes });

// "17:00-05:00, 12:00-13:00" are windows, "-" is none of them, "all_day" the whole day, and nothing says nothing.
const windowsOf = (text) => {
  const written = text.trim();
  if (written === "" || written === "all_day") return written || null;
  return written === "-" ? [] : written.split(",").map((part) => part.trim()).filter(Boolean);
};

const readers = {
  text: (field) => field.value.trim() || null,
  number: (field) => (field.value.trim() === "" ? null : Number(field.value)),
  bool: (field) => (field.value === "" ? null : field.value === "true"),
  windows: (field) => windowsOf(field.value),
  list: (field) => [...field.querySelectorAll("input:checked")].map((box) => box.value),
  exceptions: (field) => {
    const rows = [...field.querySelectorAll(".exception")].map((row) => [row.querySelector("[data-date]").value, windowsOf(row.querySelector("[data-windows]").value)]);
    return Object.fromEntries(rows.filter(([day, windows]) => day && windows !== null));
  },
};

const fieldsOf = (form) => {
  const fields = JSON.parse(form.dataset.kept);
  for (const field of form.querySelectorAll("[data-field]")) {
    if (field.dataset.field === "id") continue;
    const value = readers[field.dataset.type](field);
    const isShipped = field.dataset.default !== undefined && JSON.stringify(value) === JSON.stringify(JSON.parse(field.dataset.default));
    fields[field.dataset.field] = isShipped ? null : value;
  }
  return fields;
};

const call = (to, method, body) =>
  fetch(to, {
    method,
    headers: { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  }).then(async (answer) => ({ status: answer.status, content: await answer.json().catch(() => ({})) })).catch(() => ({ status: 0, content: {} }));

const put = (form, isDryRun) => {
  const id = form.querySelector("[data-field=id]")?.value.trim() ?? "";
  const body = { fields: fieldsOf(form), version: form.dataset.version, is_new: form.dataset.new !== undefined };
  return call(`${form.dataset.to}${encodeURIComponent(id)}?dry_run=${isDryRun}`, "PUT", body);
};

const differenceOf = ({ before, after }) => [...before.map((line) => `- ${line}`), ...after.map((line) => `+ ${line}`)].join("\n");

const showFaults = (form, errors) => {
  for (const place of form.querySelectorAll(".fault")) {
    const input = place.parentElement.querySelector("[data-field]");
    const mine = errors.filter((error) => error.field && error.field === input.dataset.field);
    place.textContent = mine.map((error) => error.detail).join("; ");
    place.hidden = mine.length === 0;
    input.setAttribute("aria-invalid", String(mine.length > 0));
  }
};

// The result of a check, or why a call was refused.
const showResult = (form, { status, content }) => {
  const place = form.querySelector(".check"), errors = content.errors ?? [];
  showFaults(form, status === 422 ? errors : []);
  if (status === 200) {
    const isSame = content.before.length + content.after.length === 0;
    place.replaceChildren(element("p", isSame ? adminTexts.admin_no_change : adminTexts.admin_check_ok));
    if (!isSame) place.append(element("code", `${content.file}:${content.line}`), element("pre", differenceOf(content), { className: "diff", tabIndex: 0 }));
  } else if (status === 422 && errors.length) {
    const items = errors.map((error) => element("li", [error.where, error.field, error.detail].filter(Boolean).join(": ")));
    const list = element("ul", "");
    list.append(...items);
    place.replaceChildren(element("p", adminTexts.admin_check_bad, { className: "warn" }), list);
  } else {
    const why = status === 409 ? adminTexts.admin_conflict : adminTexts.not_done;
    place.replaceChildren(element("p", `${why} ${content.detail ?? ""}`.trim(), { className: "warn" }));
  }
};

const rounds = new WeakMap();
const check = async (form) => {
  const round = (rounds.get(form) ?? 0) + 1;
  rounds.set(form, round);
  await new Promise((resolve) => setTimeout(resolve, CHECK_AFTER_MS));
  if (rounds.get(form) !== round || !form.checkValidity()) return;
  const result = await put(form, true);
  if (rounds.get(form) === round) showResult(form, result);
};

const isDone = (result) => {
  if (result.status === 200) location.assign("/admin/changes");
  return result.status === 200;
};

document.addEventListener("input", (event) => {
  const form = event.target.closest("form.entry");
  if (form) check(form);
});

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("form.entry, form.admin-call");
  if (!form) return;
  event.preventDefault();
  rounds.set(form, (rounds.get(form) ?? 0) + 1);
  const button = event.submitter ?? form.querySelector("button");
  button.disabled = true;
  try {
    if (form.matches(".admin-call")) {
      if (!confirm(form.dataset.sure)) return;
      const body = form.dataset.body === undefined ? undefined : JSON.parse(form.dataset.body);
      const result = await call(form.dataset.to, form.dataset.method, body);
      if (!isDone(result)) showResult(form, result);
      return;
    }
    const checked = await put(form, true);
    showResult(form, checked);
    if (checked.status !== 200 || checked.content.before.length + checked.content.after.length === 0) return;
    if (!confirm(`${adminTexts.admin_save_sure}\n\n${checked.content.file}:${checked.content.line}\n${differenceOf(checked.content)}`)) return;
    const result = await put(form, false);
    if (!isDone(result)) showResult(form, result);
  } finally {
    button.disabled = false;
  }
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-remove]");
  if (!button || !confirm(button.dataset.sure)) return;
  const form = button.closest("form"), version = encodeURIComponent(form.dataset.version);
  const result = await call(`${form.dataset.to}?version=${version}`, "DELETE");
  if (!isDone(result)) showResult(form, result);
});
