// Adding a passkey: the API gives a challenge, the browser makes the key, the API checks and keeps it.
"use strict";

const askForPasskey = (path, body) =>
  fetch(`/api/v1/me/passkeys${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  }).catch(() => null);

const makePasskey = async (options) => {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  return (await navigator.credentials.create({ publicKey })).toJSON();
};

// The text of what went wrong; none if the passkey is there.
const addPasskey = async (form, texts) => {
  if (!window.PublicKeyCredential?.parseCreationOptionsFromJSON) return texts.passkey_old_browser;
  const refusal = async (answer) => {
    const detail = answer ? (await answer.json().catch(() => ({}))).detail ?? "" : "";
    return texts[`refused_${detail.replaceAll(" ", "_")}`] ?? texts.not_done;
  };
  const begun = await askForPasskey("/options", { password: form.elements.password?.value ?? "" });
  if (!begun?.ok) return refusal(begun);
  const made = await makePasskey((await begun.json()).options).catch((error) => error);
  if (made instanceof Error) {
    return made.name === "InvalidStateError" ? texts.refused_passkey_taken : texts.passkey_not_made;
  }
  const kept = await askForPasskey("", { name: form.elements.name.value, credential: made });
  return kept?.ok ? "" : refusal(kept);
};

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("form.passkey-add");
  if (!form) return;
  event.preventDefault();
  const button = event.submitter, failure = form.querySelector(".failure");
  const texts = JSON.parse(document.querySelector("[data-access-texts]").dataset.accessTexts);
  failure.hidden = button.disabled = true;
  failure.textContent = await addPasskey(form, texts);
  button.disabled = false;
  failure.hidden = !failure.textContent;
  if (failure.hidden) location.reload();
});
