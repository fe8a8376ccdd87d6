// Signing in with a passkey: the browser signs a challenge, and the form carries what it has signed.
"use strict";

(() => {
  const form = document.querySelector("form.passkey");
  const isAble = window.PublicKeyCredential?.parseRequestOptionsFromJSON && location.origin === form?.dataset.origin;
  if (!isAble) return;
  form.hidden = false;

  const sign = async () => {
    const answer = await fetch("/login/passkey/options", { method: "POST" });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(await answer.json());
    return (await navigator.credentials.get({ publicKey })).toJSON();
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button"), failure = form.querySelector(".wrong");
    failure.hidden = button.disabled = true;
    const signed = await sign().catch(() => null);
    button.disabled = false;
    failure.hidden = Boolean(signed);
    if (!signed) return;
    form.elements.credential.value = JSON.stringify(signed);
    form.submit();
  });
})();
