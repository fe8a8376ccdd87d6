// What the phone keeps in IndexedDB: its name, the tour, and every event until the server has given a receipt for it.
//
// An event is identified by (phone, boot, seq). `boot` is new each time the app starts, so that no number comes twice,
// even if the phone's disk has lost the last events after a failure of its battery.

const NAME = "kota-crew";
const VERSION = 1;
const STRICT = { durability: "strict" };

const randomId = () => Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");

const done = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

const finished = (transaction) =>
  new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
  });

const openDatabase = () =>
  new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => {
      const database = request.result;
      database.createObjectStore("kept");
      database.createObjectStore("events", { keyPath: "n", autoIncrement: true });
      database.createObjectStore("refused", { keyPath: "n", autoIncrement: true });
      database.createObjectStore("done", { keyPath: "stop" });
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

// What the phone itself knows of a stop: the last word on it, and how many photos were taken.
const noteTap = (store, { kind, stop, reason, at, detail }) => {
  const request = store.get(stop);
  request.onsuccess = () => {
    const known = request.result ?? { stop, photos: 0 };
    const said = { kind, reason, at: kind === known.kind ? known.at : at, level: detail?.fill_pct ?? null };
    store.put(kind === "photo" ? { ...known, photos: known.photos + 1 } : { ...known, ...said });
  };
};

export class Outbox {
  static async open() {
    const outbox = new Outbox(await openDatabase());
    Object.assign(outbox, (await outbox.kept("session")) ?? { phone: "", token: "" });
    return outbox;
  }

  constructor(database) {
    this.database = database;
    this.boot = randomId();
    this.seq = 0;
  }

  // A value that outlives the page: `session`, `lang`, `tour`, `alerts` or `read`.
  kept(key) {
    return done(this.database.transaction("kept").objectStore("kept").get(key));
  }

  async keep(key, value) {
    const transaction = this.database.transaction("kept", "readwrite", STRICT);
    transaction.objectStore("kept").put(value, key);
    await finished(transaction);
  }

  // The name that the server has given this phone, and the token by which it delivers. Both have the events' fate.
  async enter({ phone, token }) {
    Object.assign(this, { phone, token });
    await this.keep("session", { phone, token });
  }

  // Keeps an event, and what it says of its stop, before anybody sees that it was tapped.
  async add(event) {
    const kept = { ...event, phone: this.phone, boot: this.boot, seq: this.seq, at: new Date().toISOString() };
    this.seq += 1;
    const transaction = this.database.transaction(["events", "done"], "readwrite", STRICT);
    transaction.objectStore("events").add(kept);
    if (event.stop) noteTap(transaction.objectStore("done"), kept);
    await finished(transaction);
    return kept;
  }

  // Events without a receipt, in the order of their taps.
  waiting() {
    return done(this.database.transaction("events").objectStore("events").getAll());
  }

  refused() {
    return done(this.database.transaction("refused").objectStore("refused").getAll());
  }

  // What was tapped on this phone, by stop.
  async tapped() {
    const rows = await done(this.database.transaction("done").objectStore("done").getAll());
    return new Map(rows.map((row) => [row.stop, row]));
  }

  // Forgets events that have a receipt, and sets aside those that the server will never take.
  async settle(events, receipts) {
    const outcomes = new Map(receipts.map((receipt) => [`${receipt.boot} ${receipt.seq}`, receipt]));
    const transaction = this.database.transaction(["events", "refused"], "readwrite", STRICT);
    for (const event of events) {
      const receipt = outcomes.get(`${event.boot} ${event.seq}`);
      if (!receipt) continue;
      if (receipt.outcome === "refused") {
        const { n: _n, ...rest } = event;
        transaction.objectStore("refused").add({ ...rest, why: receipt.reason });
      }
      transaction.objectStore("events").delete(event.n);
    }
    await finished(transaction);
  }

  async dropRefused() {
    const transaction = this.database.transaction("refused", "readwrite");
    transaction.objectStore("refused").clear();
    await finished(transaction);
  }

  // A new tour: what was tapped on an earlier one is of no use any more. Its events stay until they have receipts.
  async beginTour(tour) {
    const transaction = this.database.transaction(["kept", "done"], "readwrite");
    transaction.objectStore("kept").put(tour, "tour");
    transaction.objectStore("kept").delete("alerts");
    transaction.objectStore("done").clear();
    await finished(transaction);
  }
}
