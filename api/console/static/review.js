// Judging cases: calls of the API, so that role and origin are checked there; what it answers is shown at once.
"use strict";

const review = {
  cards: () => [...document.querySelectorAll("article.case")],

  current() {
    return document.querySelector("article.case.current");
  },

  go(card) {
    if (!card) return;
    review.current()?.classList.remove("current");
    card.classList.add("current");
    card.focus({ preventScroll: true });
    card.scrollIntoView({ block: "start", behavior: "auto" });
  },

  step(by) {
    const cards = review.cards(), at = cards.indexOf(review.current());
    review.go(cards[at < 0 ? 0 : Math.min(cards.length - 1, Math.max(0, at + by))]);
  },

  open(card, name) {
    for (const panel of card.querySelectorAll("[data-panel]")) {
      panel.hidden = panel.dataset.panel !== name || !panel.hidden;
      card.querySelector(`[data-open="${panel.dataset.panel}"]`)?.setAttribute("aria-expanded", String(!panel.hidden));
      if (!panel.hidden) panel.scrollIntoView({ block: "nearest" });
    }
  },

  async submit(card, button) {
    if (card.dataset.busy) return;
    card.dataset.busy = "yes";
    const { submit: verdict, reason, into } = button.dataset;
    const note = verdict === "reopened" ? "" : card.querySelector(".note")?.value ?? "";
    const answer = await fetch(`/api/v1/dumping/cases/${encodeURIComponent(card.id)}/review`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ verdict, note, ...(reason && { reason }), ...(into && { into }) }),
    }).catch(() => null);
    delete card.dataset.busy;
    const failure = card.querySelector(".failure");
    failure.hidden = Boolean(answer?.ok);
    if (!answer?.ok) {
      failure.textContent = card.parentElement.dataset.failed;
      return;
    }
    review.shown(card, await answer.json());
    review.last = verdict === "reopened" ? null : card;
    if (verdict !== "reopened" && card === review.current()) review.step(1);
  },

  shown(card, found) {
    const words = JSON.parse(card.parentElement.dataset.words);
    card.dataset.verdict = found.verdict;
    // A case that was judged here stays, so that the verdict can be taken back, until the page is left.
    card.dataset.kept = "";
    const why = found.reason ? ` (${words[found.reason]})` : "";
    card.querySelector(".verdict-words").textContent = words[found.verdict] + why;
    card.querySelectorAll(".verdict-line > :is(a, q)").forEach((old) => old.remove());
    review.open(card, "");
    // What is no case any more is nothing to merge with.
    for (const offer of document.querySelectorAll(`[data-into="${card.id}"]`)) {
      offer.hidden = ["rejected", "merged"].includes(found.verdict);
    }
    kotaLive.everything();
  },

  play(card) {
    const clip = card.querySelector("video");
    if (clip?.paused) clip.play().catch(() => {});
    else clip?.pause();
  },

  press(key) {
    const card = review.current();
    if (key === "?") {
      const keys = document.querySelector("details.keys");
      if (keys) keys.open = !keys.open;
      if (keys?.open) keys.scrollIntoView({ block: "nearest" });
    } else if (key === "j" || key === "ArrowDown") review.step(1);
    else if (key === "k" || key === "ArrowUp") review.step(-1);
    else if (key === "u") review.undo(card);
    else if (!card) return false;
    else if (key === "p") review.play(card);
    else if (review.keys[key]) review.shownOne(card, review.keys[key])?.click();
    else if (key >= "1" && key <= "9") review.choices(card)[key - 1]?.click();
    else return false;
    return true;
  },

  // The cursor moves on after a verdict: undo takes back the one of this case, else the one just given.
  undo(card) {
    const { u } = review.keys, last = review.last?.isConnected ? review.last : null;
    const judged = card && review.shownOne(card, u) ? card : last;
    const button = judged && review.shownOne(judged, u);
    if (!button) return;
    if (judged !== card) review.go(judged);
    button.click();
  },

  choices: (card) => [...card.querySelectorAll("[data-panel]:not([hidden]) [data-submit]:not([hidden])")],

  keys: {
    c: '[data-submit="confirmed"]',
    u: '[data-submit="reopened"]',
    r: '[data-open="reasons"]',
    m: '[data-open="offers"]',
  },

  // What is not to be seen just now is not pressed by its key either.
  shownOne(card, selector) {
    return [...card.querySelectorAll(selector)].find((one) => one.offsetParent);
  },
};

document.addEventListener("click", (event) => {
  const card = event.target.closest("article.case");
  if (!card) return;
  if (card !== review.current()) {
    review.current()?.classList.remove("current");
    card.classList.add("current");
  }
  const button = event.target.closest("button");
  if (button?.dataset.open) review.open(card, button.dataset.open);
  else if (button?.dataset.submit) review.submit(card, button);
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest("input, select, textarea, video")) return;
  if (review.press(event.key)) event.preventDefault();
});
