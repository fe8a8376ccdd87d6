// The crew's app: what the phone knows, the screens, and the work behind their buttons.
//
// tap -> IndexedDB (`outbox.js`) -> server, when there is one (`sending.js`) -> receipt -> forgotten

import { Outbox } from "./outbox.js";
import { toPhoto } from "./photo.js";
import { alarmScreen, listScreen, messagesScreen, moreScreen, reasonsScreen, signInScreen, stopScreen } from "./screens.js";
import { ask, asJson, Sending } from "./sending.js";
import { el, Texts } from "./texts.js";
import { isRaised, viewMessages, viewStops } from "./tour.js";

const TOUR_EVERY_MS = 60_000;
const NOTE_MS = 3_000;
const WARNING_MS = 15_000;
const SILENT = ["message_read", "shift_begun"];
const TABS = [["list", "stops"], ["messages", "messages"], ["alarm", "emergency"], ["more", "more"]];
const SCREENS = { list: listScreen, messages: messagesScreen, alarm: alarmScreen, more: moreScreen, "sign-in": signInScreen };

class App {
  async start() {
    this.failure = "";
    this.drawn = "";
    this.texts = new Texts(await (await fetch("/crew/texts.json")).json(), "");
    this.outbox = await Outbox.open().catch(() => null);
    if (!this.outbox) return document.getElementById("screen").replaceChildren(this.t("no_storage"));
    this.texts.lang = (await this.outbox.kept("lang")) ?? this.texts.lang;
    await this.remember();
    this.sending = new Sending(this.outbox, (isNew) => this.sent(isNew));
    addEventListener("hashchange", () => this.show());
    addEventListener("offline", () => this.show());
    setInterval(() => this.refresh(), TOUR_EVERY_MS);
    if (!(await this.signInByCode())) this.show();
    this.sending.start();
    await this.refresh();
    return this.stayAwake();
  }

  t(key, values) { return this.texts.t(key, values); }
  time(iso) { return iso ? this.texts.time(iso, this.tour?.time_zone) : ""; }
  go(hash) { if (location.hash === hash) this.show(); else location.hash = hash; }
  refusal(why) { return this.t(`refused_${why}` in this.texts.all[this.texts.lang] ? `refused_${why}` : "refused_other"); }
  isRaised(kind) { return isRaised(kind, this.tour, this.alerts); }

  // Reads what is kept.
  async remember() {
    const { outbox } = this;
    [this.tour, this.alerts, this.read, this.tapped, this.waiting, this.refused] = await Promise.all([
      outbox.kept("tour"), outbox.kept("alerts"), outbox.kept("read"), outbox.tapped(), outbox.waiting(), outbox.refused(),
    ]);
    this.read = new Set(this.read);
    this.stops = viewStops(this.tour, this.tapped, this.waiting);
    this.messages = viewMessages(this.tour, this.read);
  }

  async sent(isNew) {
    await this.remember();
    this.show();
    if (isNew && !this.waiting.length) await this.refresh();
  }

  async signIn(secret) {
    const answer = await ask("/crew/api/sign-in", "", asJson({ code: secret, earlier: this.outbox.token })).catch(() => null);
    this.failure = this.whyNoSignIn(answer);
    if (this.failure) return false;
    try {
      await this.outbox.enter(await answer.json());
      if (!(await this.takeTour())) throw new Error("no tour");
    } catch {
      this.failure = this.t("server_away");
      return false;
    }
    navigator.storage?.persist?.();
    this.sending.state = "idle";
    await this.tap({ kind: "shift_begun" });
    this.go("#/list");
    return true;
  }

  whyNoSignIn(answer) {
    if (!answer) return this.t("no_network");
    if (answer.ok) return "";
    if (answer.status === 429) return this.t("wait", { n: Number(answer.headers.get("Retry-After") ?? 60) });
    return this.t(answer.status === 401 || answer.status === 422 ? "code_wrong" : "server_away");
  }

  // The address behind the QR code carries a key, which no server's log gets to see.
  async signInByCode() {
    const key = /^#k=([\w-]{8,100})$/.exec(location.hash)?.[1];
    if (!key) return false;
    history.replaceState(null, "", "/crew/");
    if (await this.signIn(key)) return true;
    this.go("#/sign-in");
    return false;
  }

  // Asks for the tour; what is kept stays without an answer.
  async refresh() {
    if (!this.tour || document.hidden) return;
    await this.takeTour().catch(() => null);
    this.show();
  }

  async takeTour() {
    const answer = await ask("/crew/api/tour", this.outbox.token);
    if (answer.status === 401) this.sending.state = "signed_out";
    if (answer.status === 410 && this.tour) await this.outbox.keep("tour", { ...this.tour, shift: { ...this.tour.shift, state: "closed" } });
    if (answer.ok) await this.keepTour(await answer.json());
    await this.remember();
    return answer.ok;
  }

  keepTour(tour) {
    return tour.shift.id === this.tour?.shift.id ? this.outbox.keep("tour", tour) : this.outbox.beginTour(tour);
  }

  async tap(event) {
    const { kind, stop = null, reason = "", detail = {}, photo = null } = event;
    const kept = await this.outbox.add({ kind, stop, reason, detail, photo }).catch(() => null);
    await this.remember();
    if (!kept) this.note(this.t("phone_full"), WARNING_MS);
    else if (!SILENT.includes(kind)) this.note(this.t("kept"));
    this.show();
    this.sending.soon();
    return kept;
  }

  async takePhoto(stop, file) {
    const photo = await toPhoto(file).catch(() => null);
    if (photo) await this.tap({ kind: "photo", stop: stop.id, photo });
    else this.note(this.t("no_photo"));
  }

  async alert(kind, state) {
    if (!(await this.tap({ kind, detail: { state } }))) return;
    await this.outbox.keep("alerts", { ...this.alerts, [kind]: state });
    await this.remember();
    this.show();
  }

  async endShift() {
    await this.tap({ kind: "shift_ended" });
    this.go("#/list");
  }

  // What is shown is read.
  async readMessages() {
    const unread = this.messages.filter((message) => message.unread);
    if (!unread.length) return;
    unread.forEach((message) => this.read.add(message.id));
    await this.outbox.keep("read", [...this.read]);
    for (const message of unread) await this.tap({ kind: "message_read", detail: { message: message.id } });
  }

  async speak(lang) {
    await this.outbox.keep("lang", lang);
    this.texts.lang = lang;
    this.show();
  }

  async dropRefused() {
    await this.outbox.dropRefused();
    await this.remember();
    this.show();
  }

  note(text, lastsMs = NOTE_MS) {
    const note = document.getElementById("note");
    note.textContent = text;
    clearTimeout(this.noteTimer);
    this.noteTimer = setTimeout(() => { note.textContent = ""; }, lastsMs);
  }

  // A screen that goes dark ends nothing; that it stays on is a favour that the phone may refuse.
  async stayAwake() {
    const keep = () => { if (!document.hidden) navigator.wakeLock?.request("screen").catch(() => null); };
    document.addEventListener("visibilitychange", keep);
    keep();
  }

  // Drawing

  place() {
    const [, name, id] = /^#\/([\w-]+)(?:\/(\d+))?$/.exec(location.hash) ?? [null, "list", null];
    return this.tour ? [name, Number(id)] : ["sign-in", 0];
  }

  show() {
    const [name, id] = this.place();
    document.documentElement.lang = this.texts.lang;
    document.title = `${this.t("app")} - Jaga Kota`;
    this.drawStatus();
    this.drawTabs(name);
    // What has not changed is not drawn again: a half typed code and an asked second tap stay.
    const known = JSON.stringify([name, id, this.texts.lang, this.stops, this.messages, this.alerts, this.tour?.raised, this.refused.length, name === "more" && this.tour]);
    if (known === this.drawn) return;
    const focused = document.activeElement?.id, hasMoved = this.drawn && JSON.parse(this.drawn).slice(0, 2).join() !== `${name},${id}`;
    this.drawn = known;
    const main = document.getElementById("screen");
    main.replaceChildren(...this.screen(name, id).filter(Boolean));
    if (hasMoved) { main.focus(); scrollTo(0, 0); } else if (focused) document.getElementById(focused)?.focus();
    if (name === "messages") this.readMessages();
  }

  screen(name, id) {
    if (name === "stop") return stopScreen(this, id);
    if (name === "reasons") return reasonsScreen(this, id);
    return (SCREENS[name] ?? listScreen)(this);
  }

  drawStatus() {
    const bar = document.getElementById("status");
    const isOut = this.sending?.state === "signed_out", n = this.waiting.length;
    const words = [n ? this.t("unsent", { n }) : this.t("all_sent")];
    const isBusy = navigator.onLine && this.sending?.status >= 400;
    if (!navigator.onLine || this.sending?.state === "waiting") words.unshift(this.t(isBusy ? "busy" : "offline"));
    bar.className = isOut || n ? "unsent" : "sent";
    bar.hidden = !this.tour && !n;
    bar.replaceChildren(el("span", { id: "sent" }, words.join(" · ")), isOut ? el("a", { href: "#/sign-in" }, this.t("sign_in_again")) : "");
  }

  drawTabs(active) {
    const tabs = document.getElementById("tabs");
    const unread = this.messages.filter((message) => message.unread).length;
    tabs.hidden = !this.tour;
    tabs.setAttribute("aria-label", this.t("menu"));
    tabs.replaceChildren(...TABS.map(([name, key]) =>
      el("a", { href: `#/${name}`, "aria-current": name === active ? "page" : null }, this.t(key), name === "messages" && unread ? el("b", {}, String(unread)) : null)));
  }
}

navigator.serviceWorker?.register("/crew/sw.js", { scope: "/crew/" });
new App().start();
