// What an admin does with a reason typed in: the API checks role and reason, and keeps both in the custody log.
"use strict";

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("form.with-reason"), button = event.submitter;
  if (!form || !button?.dataset.to) return;
  event.preventDefault();
  if (button.dataset.sure && !confirm(button.dataset.sure)) return;
  button.disabled = true;
  const answer = await fetch(button.dataset.to, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ reason: form.reason.value }),
  }).catch(() => null);
  button.disabled = false;
  const failure = form.querySelector(".failure");
  failure.hidden = Boolean(answer?.ok);
  if (!answer?.ok) {
    failure.textContent = form.dataset.failed;
  } else if (button.dataset.name) {
    const address = URL.createObjectURL(await answer.blob());
    Object.assign(document.createElement("a"), { href: address, download: button.dataset.name }).click();
    URL.revokeObjectURL(address);
  } else {
    location.reload();
  }
});
