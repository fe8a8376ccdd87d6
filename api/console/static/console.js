// Every page: printing, and replaying dead letters, a call of the API, so that role and origin are checked there.
"use strict";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-replay]");
  if (!button || button.disabled) return;
  button.disabled = true;
  const answer = await fetch("/api/v1/dead-letters/replay", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ ids: button.dataset.replay.split(",").map(Number) }),
  }).catch(() => null);
  button.textContent = answer?.ok ? button.dataset.done : button.dataset.failed;
  if (!answer?.ok) setTimeout(() => { button.disabled = false; }, 3000);
});

document.addEventListener("click", (event) => { if (event.target.closest("button[data-print]")) print(); });
