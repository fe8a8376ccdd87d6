// Accounts, sessions and tokens: each form or button is one call of the API, so that rights are checked there.
"use strict";

const valueOf = (form, name) => {
  const fields = [...form.elements].filter((field) => field.name === name);
  if (fields[0].type === "checkbox") return fields.filter((field) => field.checked).map((field) => field.value);
  if (fields[0].dataset.lines !== undefined) return fields[0].value.split("\n").map((line) => line.trim()).filter(Boolean);
  return fields[0].type === "number" ? Number(fields[0].value) : fields[0].value;
};

const bodyOf = (form) => {
  const names = new Set([...form.elements].map((field) => field.name).filter(Boolean));
  return Object.fromEntries([...names].map((name) => [name, valueOf(form, name)]));
};

const showFailure = async (place, answer, texts) => {
  const detail = answer ? (await answer.json().catch(() => ({}))).detail ?? "" : "";
  place.textContent = texts[`refused_${detail.replaceAll(" ", "_")}`] ?? texts.not_done;
  place.hidden = false;
};

// What is shown once: a link for somebody else, a token, or a user with a password.
const showSecret = (form, made, texts) => {
  const secret = made.link ? new URL(made.link, location.href).href : made.token ?? `${made.user} / ${made.password}`;
  const output = form.querySelector("output");
  output.replaceChildren(texts.shown_once, document.createElement("br"));
  output.append(Object.assign(document.createElement("code"), { textContent: secret }));
  output.hidden = false;
};

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("form.call");
  if (!form) return;
  event.preventDefault();
  const button = event.submitter, texts = JSON.parse(document.querySelector("[data-access-texts]").dataset.accessTexts);
  if (button.dataset.sure && !confirm(button.dataset.sure)) return;
  const failure = form.querySelector(".failure");
  failure.hidden = true;
  button.disabled = true;
  const body = bodyOf(form);
  const answer = await fetch(button.dataset.to, {
    method: button.dataset.method ?? "POST",
    headers: { "Content-Type": "application/json" },
    body: button.dataset.empty === undefined ? JSON.stringify(body) : undefined,
  }).catch(() => null);
  button.disabled = false;
  if (!answer?.ok) return showFailure(failure, answer, texts);
  const made = await answer.json();
  if (made.link || made.token || made.password) return showSecret(form, made, texts);
  location.reload();
});
