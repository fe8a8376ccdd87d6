// Sends events until the server has given a receipt for each: at once, when the network is back, and on a timer.

const BATCH = 50;
const AGAIN_MS = 20_000;
const WAIT_FIRST_MS = 2_000;
const WAIT_MAX_MS = 120_000;
const TIMEOUT_MS = 60_000;
const LOCK = "kota-crew-sending";

// A request of the phone. It ends: a bad network may keep a connection open without an answer.
export const ask = async (path, token, options = {}) => {
  const control = new AbortController();
  const timer = setTimeout(() => control.abort(), TIMEOUT_MS);
  try {
    const headers = { ...options.headers, ...(token && { Authorization: `Bearer ${token}` }) };
    return await fetch(path, { credentials: "omit", cache: "no-store", ...options, headers, signal: control.signal });
  } finally {
    clearTimeout(timer);
  }
};

export const asJson = (body) => ({ method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

class SendingError extends Error {
  constructor(answer) {
    super(`status ${answer.status}`);
    this.status = answer.status;
    this.afterMs = 1000 * Number(answer.headers.get("Retry-After") ?? 0);
  }
}

export class Sending {
  // `changed` is called after each attempt. `state`: idle, sending, waiting (no receipt) or signed_out; `status`: that of
  // the last refusal, 0 without an answer.
  constructor(outbox, changed) {
    this.outbox = outbox;
    this.changed = changed;
    this.state = "idle";
    this.status = 0;
    this.failures = 0;
    this.busy = null;
    this.timer = 0;
  }

  start() {
    addEventListener("online", () => this.soon());
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.soon(); });
    setInterval(() => { if (!this.timer) this.now(); }, AGAIN_MS);
    return this.now();
  }

  // Something is new: earlier failures do not count any more.
  soon() {
    this.failures = 0;
    return this.now();
  }

  now() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.busy ??= this.locked(() => this.sendAll()).finally(() => { this.busy = null; });
    return this.busy;
  }

  // Two open pages of the app do not send the same events at once; nothing breaks if they do.
  locked(work) {
    return navigator.locks ? navigator.locks.request(LOCK, work) : work();
  }

  async sendAll() {
    const before = this.state;
    try {
      for (let events = await this.outbox.waiting(); events.length; events = await this.outbox.waiting()) {
        this.state = "sending";
        const sent = await this.sendSome(events);
        await this.changed(sent);
      }
      this.failures = 0;
      this.state = before === "signed_out" ? before : "idle";
    } catch (error) {
      this.fail(error);
    }
    await this.changed(false);
  }

  async sendSome(events) {
    const [first] = events;
    if (first.photo) return this.sendPhoto(first);
    const until = events.findIndex((event) => event.photo);
    const batch = (until < 0 ? events : events.slice(0, until)).slice(0, BATCH);
    const plain = batch.map(({ n: _n, photo: _photo, ...event }) => event);
    const answer = await ask("/crew/api/events", this.outbox.token, asJson({ events: plain }));
    if (!answer.ok) throw new SendingError(answer);
    const { receipts } = await answer.json();
    if (!receipts.length) throw new Error("no receipt");
    await this.outbox.settle(batch, receipts);
    return true;
  }

  async sendPhoto(event) {
    const { phone, boot, seq, at, stop } = event;
    const query = new URLSearchParams({ phone, boot, seq, at, stop });
    const headers = { "Content-Type": "image/jpeg" };
    const answer = await ask(`/crew/api/photos?${query}`, this.outbox.token, { method: "POST", headers, body: event.photo });
    if (answer.status === 413) {
      await this.outbox.settle([event], [{ boot, seq, outcome: "refused", reason: "photo_wrong" }]);
      return true;
    }
    if (!answer.ok) throw new SendingError(answer);
    await this.outbox.settle([event], (await answer.json()).receipts);
    return true;
  }

  fail(error) {
    this.failures += 1;
    this.status = error.status ?? 0;
    this.state = error.status === 401 ? "signed_out" : "waiting";
    const wait = Math.min(WAIT_MAX_MS, WAIT_FIRST_MS * 2 ** (this.failures - 1)) * (0.5 + Math.random());
    this.timer = setTimeout(() => this.now(), Math.max(error.afterMs ?? 0, wait));
  }
}
