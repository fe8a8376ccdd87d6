// The screens: each gives the elements of `main` for what is known now.

import { el } from "./texts.js";
import { collections, mapAddress, nextOpen } from "./tour.js";

const STREAMS = ["organic", "non_organic"];
const LEVELS_PCT = [25, 50, 75, 100];
const ASKING_MS = 6_000;
const ICONS = { open: "○", collected: "✓", not_possible: "✕", missed: "!", contradicted: "?" };

const streamName = (app, stop) => (STREAMS.includes(stop.stream) ? app.t(`stream_${stop.stream}`) : app.t(`kind_${stop.kind}`));
const streamClass = (stop) => (STREAMS.includes(stop.stream) ? stop.stream : "other");

const stateText = (app, stop) => {
  const time = app.time(stop.at);
  if (stop.kind === "landfill") return app.t("is_landfill");
  if (stop.state === "collected") return app.t("is_collected", { time });
  if (stop.state === "not_possible") return app.t("is_not_possible", { time, reason: app.t(`reason_${stop.reason || "other"}`) });
  return app.t(`is_${stop.state}`);
};

const button = (text, attributes, ...more) => el("button", { type: "button", ...attributes }, text, ...more);

// A button of which a second tap is needed: the first one asks, and is asking still if the screen is drawn again.
const confirmed = (app, text, attributes, act) => {
  const name = `${attributes.id} ${text}`;
  const isAsking = () => app.asking?.name === name && Date.now() < app.asking.until;
  const made = button("", { ...attributes, onclick: () => {
    const isSure = isAsking();
    app.asking = isSure ? null : { name, until: Date.now() + ASKING_MS };
    if (isSure) act();
    else setTimeout(draw, ASKING_MS + 1);
    draw();
  } });
  const draw = () => {
    made.textContent = isAsking() ? app.t("tap_again") : text;
    made.classList.toggle("armed", isAsking());
  };
  draw();
  if (isAsking()) setTimeout(draw, app.asking.until - Date.now() + 1);
  return made;
};

export const signInScreen = (app) => {
  const field = el("input", { id: "code", name: "code", inputmode: "numeric", autocomplete: "one-time-code", maxlength: 6, pattern: "[0-9]{6}", required: true, "aria-describedby": "sign-in-hint failure" });
  const failure = el("p", { id: "failure", class: "failure", role: "alert" }, app.failure);
  const form = el("form", {
    class: "sign-in",
    onsubmit: async (event) => {
      event.preventDefault();
      failure.textContent = "";
      await app.signIn(field.value.trim());
      failure.textContent = app.failure;
      if (app.failure) field.select();
    },
  }, el("label", { for: "code" }, app.t("code")), field, failure, el("button", { class: "big primary" }, app.t("sign_in")));
  return [el("h1", {}, app.t("sign_in")), el("p", { id: "sign-in-hint" }, app.t("sign_in_hint")), form, languages(app)];
};

const row = (app, stop) =>
  el("li", {}, el("a", { href: `#/stop/${stop.id}`, class: `row ${stop.state}` },
    el("span", { class: `number ${streamClass(stop)}` }, String(stop.number)),
    el("span", { class: "what" }, el("strong", {}, stop.name),
      el("span", { class: "detail" }, `${streamName(app, stop)} · ${app.time(stop.arrives_at)}`),
      el("span", { class: "detail" }, stateText(app, stop), stop.unsent ? ` · ${app.t("not_sent")}` : "")),
    el("span", { class: "sign", "aria-hidden": "true" }, ICONS[stop.state] ?? "○")));

export const listScreen = (app) => {
  const stops = collections(app.stops);
  const collected = stops.filter((stop) => stop.state === "collected").length;
  const next = stops.find((stop) => stop.state === "open");
  return [
    el("h1", {}, app.t("stops")),
    ["closed", "cancelled"].includes(app.tour.shift.state) ? el("p", { class: "state missed" }, app.t("shift_over"), " ", el("a", { class: "button", href: "#/sign-in" }, app.t("sign_in"))) : null,
    el("p", { class: "progress" }, app.t("progress", { done: collected, total: stops.length })),
    next ? el("a", { class: "button big primary", href: `#/stop/${next.id}` }, app.t("next_stop", { number: next.number, name: next.name })) : el("p", {}, app.t(stops.length ? "all_done" : "no_stops")),
    el("ol", { class: "rows" }, app.stops.map((stop) => row(app, stop))),
  ];
};

const photoButton = (app, stop) => {
  const input = el("input", { type: "file", accept: "image/*", capture: "environment", id: "photo", class: "unseen", onchange: () => { if (input.files[0]) app.takePhoto(stop, input.files[0]); } });
  return el("div", { class: "photo" }, input, el("label", { for: "photo", class: "button big second" }, app.t("photo"), stop.photos ? ` (${stop.photos})` : ""));
};

const nextLink = (app, id) => {
  const next = nextOpen(app.stops, id);
  if (!next) return el("a", { class: "button big primary", href: "#/list", id: "next" }, app.t("stops"));
  return el("a", { class: "button big primary", href: `#/stop/${next.id}`, id: "next" }, app.t("next_stop", { number: next.number, name: next.name }));
};

// How full it was: forecasts of containers without a sensor know nothing else.
const levelQuestion = (app, stop) =>
  el("fieldset", { class: "levels" }, el("legend", {}, app.t("how_full")),
    LEVELS_PCT.map((level) => button(app.t(`level_${level}`), { class: "level", "data-level": level, "aria-pressed": String(stop.level === level), onclick: () => app.tap({ kind: "collected", stop: stop.id, detail: { fill_pct: level } }) })));

export const stopScreen = (app, id) => {
  const { stops } = app;
  const stop = stops.find((candidate) => candidate.id === id);
  if (!stop) return [el("h1", {}, app.t("stops")), el("p", {}, app.t("stop_gone")), el("a", { class: "button big primary", href: "#/list" }, app.t("stops"))];
  const isDone = stop.state === "collected", isLandfill = stop.kind === "landfill";
  return [
    el("div", { class: `stream ${streamClass(stop)}` }, el("span", {}, streamName(app, stop)), el("span", {}, app.t("place_of", { number: stop.number, total: stops.length }))),
    el("h1", {}, stop.name),
    el("p", { class: "detail" }, `${stop.kelurahan ? `${stop.kelurahan} · ` : ""}${app.t("planned_at", { time: app.time(stop.arrives_at) })}`),
    el("p", { class: `state ${stop.state}`, id: "state" }, stateText(app, stop), stop.unsent ? ` · ${app.t("not_sent")}` : ""),
    isDone && stop.kind === "container" && levelQuestion(app, stop),
    el("div", { class: "actions" },
      (isDone || isLandfill) && nextLink(app, id),
      !isDone && !isLandfill && button(app.t("collected"), { class: "big primary", id: "collected", onclick: () => app.tap({ kind: "collected", stop: id }) }),
      !isLandfill && el("a", { class: "button big warn", href: `#/reasons/${id}`, id: "not-possible" }, app.t("not_possible")),
      !isLandfill && photoButton(app, stop)),
    el("p", { class: "links" }, el("a", { class: "button", href: mapAddress(stop) }, app.t("open_map")), el("a", { class: "button", href: "#/list" }, app.t("stops"))),
  ];
};

export const reasonsScreen = (app, id) => {
  const stop = app.stops.find((candidate) => candidate.id === id);
  if (!stop) return stopScreen(app, id);
  const say = async (reason) => {
    await app.tap({ kind: "not_possible", stop: stop.id, reason });
    app.go(`#/stop/${stop.id}`);
  };
  const reasons = app.texts.below("reason_").map(([reason, text]) => el("li", {}, button(text, { class: "big second", "data-reason": reason, onclick: () => say(reason) })));
  return [el("h1", {}, app.t("why_not")), el("p", {}, stop.name), el("ul", { class: "choices" }, reasons), el("a", { class: "button", href: `#/stop/${stop.id}` }, app.t("back"))];
};

export const messagesScreen = (app) => {
  const messages = [...app.messages].reverse();
  const item = (message) => el("li", { class: message.unread ? "unread" : "" }, el("p", { class: "text" }, message.text), el("p", { class: "detail" }, app.time(message.sent_at)));
  return [
    el("h1", {}, app.t("messages")),
    messages.length ? el("ul", { class: "messages" }, messages.map(item)) : el("p", {}, app.t("no_messages")),
  ];
};

const alert = (app, kind) => {
  const raised = app.isRaised(kind), state = raised ? "cleared" : "raised";
  return el("section", { class: `alert ${raised ? "raised" : ""}`, "aria-labelledby": `about-${kind}` },
    el("p", { id: `about-${kind}` }, app.t(raised ? `${kind}_stands` : `${kind}_hint`)),
    confirmed(app, app.t(raised ? `${kind}_over` : kind), { class: `big ${raised ? "second" : "danger"}`, id: kind }, () => app.alert(kind, state)));
};

export const alarmScreen = (app) => [el("h1", {}, app.t("emergency")), alert(app, "panic"), alert(app, "breakdown")];

const languages = (app) =>
  el("p", { class: "languages", role: "group", "aria-label": app.t("language") },
    Object.keys(app.texts.all).map((lang) => button(app.texts.all[lang].language_name, { lang, "aria-pressed": String(lang === app.texts.lang), onclick: () => app.speak(lang) })));

export const moreScreen = (app) => {
  const { tour } = app;
  const refused = app.refused.map((event) => el("li", {}, app.t("refused_event", { what: app.t(`did_${event.kind}`), time: app.time(event.at), why: app.refusal(event.why) })));
  return [
    el("h1", {}, app.t("more")),
    tour && el("dl", {}, el("dt", {}, app.t("truck")), el("dd", {}, [tour.shift.truck, tour.shift.plate].filter(Boolean).join(" · ")), el("dt", {}, app.t("shift")), el("dd", {}, `${app.time(tour.shift.starts_at)} – ${app.time(tour.shift.ends_at)}`), el("dt", {}, app.t("updated")), el("dd", {}, app.time(tour.asked_at))),
    refused.length ? el("section", { class: "refused" }, el("h2", {}, app.t("refused_title", { n: refused.length })), el("ul", {}, refused), button(app.t("hide"), { onclick: () => app.dropRefused() })) : null,
    languages(app),
    el("a", { class: "button", href: "#/sign-in" }, app.t("other_truck")),
    tour && confirmed(app, app.t("end_shift"), { class: "big second", id: "end" }, () => app.endShift()),
  ];
};
