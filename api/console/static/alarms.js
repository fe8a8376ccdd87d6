// Alarms: each button is one call of the API, so that rights are checked there; what was acknowledged can be taken back.
"use strict";

const UNDO_S = 10;
const alarmTexts = () => JSON.parse(document.querySelector("[data-alarm-texts]").dataset.alarmTexts);

const say = (words, undo) => {
  const message = document.getElementById("alarm-message");
  message.replaceChildren(words);
  if (undo) {
    const button = Object.assign(document.createElement("button"), { textContent: alarmTexts().alarm_undo });
    button.addEventListener("click", () => { message.hidden = true; undo(); });
    message.append(" ", button);
    setTimeout(() => { message.hidden = true; }, UNDO_S * 1000);
  }
  message.hidden = false;
};

const callAlarm = async (path, body) => {
  const answer = await fetch(`/api/v1/alarms/${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: body ? JSON.stringify(body) : undefined,
  }).catch(() => null);
  if (answer?.ok) return true;
  const detail = answer ? (await answer.json().catch(() => ({}))).detail ?? "" : "";
  say(alarmTexts()[`refused_${detail.replaceAll(" ", "_")}`] ?? alarmTexts().not_done);
  return false;
};

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-acknowledge], button[data-shelve], button[data-unshelve]");
  if (!button) return;
  if (button.dataset.shelve) {
    const dialog = document.getElementById("shelve");
    dialog.dataset.alarm = button.dataset.shelve;
    dialog.showModal();
    return;
  }
  button.disabled = true;
  if (button.dataset.unshelve) await callAlarm(`${button.dataset.unshelve}/unshelve`);
  else {
    const ids = JSON.parse(button.dataset.acknowledge);
    const done = await callAlarm("acknowledge", { ids });
    if (done) say(button.textContent, () => ids.forEach((id) => callAlarm(`${id}/undo`)));
  }
  button.disabled = false;
});

// The event does not bubble: it is taken on its way down.
document.addEventListener("close", (event) => {
  const dialog = event.target, hours = Number(dialog.returnValue);
  if (dialog.id !== "shelve" || !hours) return;
  const until = new Date(Date.now() + hours * 3_600_000).toISOString();
  callAlarm(`${dialog.dataset.alarm}/shelve`, { until, reason: dialog.querySelector("[name=reason]").value });
  dialog.returnValue = "";
  dialog.querySelector("form").reset();
}, true);
