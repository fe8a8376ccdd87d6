// The tour as the crew sees it: the server's word, and on top of it what was tapped here and the server may not know.

const COLLECTED = ["claimed", "verified", "recovered"];
const OPEN = ["planned", "under_way"];

// `state`: open, collected, not_possible, missed or contradicted; `unsent`: how many events of it wait.
export const viewStop = (stop, tapped, waiting) => {
  const tap = tapped.get(stop.id);
  const unsent = waiting.filter((event) => event.stop === stop.id).length;
  const isNewer = tap?.kind && (unsent || OPEN.includes(stop.state) || tap.at > stop.state_at);
  const said = isNewer ? tap.kind : stop.state;
  const state = COLLECTED.includes(said) ? "collected" : OPEN.includes(said) ? "open" : said;
  const reason = isNewer ? tap.reason : stop.reason;
  return { ...stop, state, reason, at: isNewer ? tap.at : stop.state_at, unsent, photos: tap?.photos ?? 0, level: tap?.level ?? null };
};

export const viewStops = (tour, tapped, waiting) => (tour?.stops ?? []).map((stop) => viewStop(stop, tapped, waiting));

// The stop to go to after another one: a landfill too where it comes next, but never back to one.
export const nextOpen = (stops, after) => {
  const place = stops.findIndex((stop) => stop.id === after);
  const isOpen = (stop) => stop.state === "open" && stop.id !== after;
  return stops.slice(place + 1).find(isOpen) ?? stops.find((stop) => isOpen(stop) && stop.kind !== "landfill");
};

// Stops at which something is collected.
export const collections = (stops) => stops.filter((stop) => stop.kind !== "landfill");

// Whether an alert of the truck stands: as tapped here, or else as the server knows.
export const isRaised = (kind, tour, alerts) => (alerts?.[kind] ? alerts[kind] === "raised" : Boolean(tour?.raised?.includes(kind)));

// Messages with what was read here.
export const viewMessages = (tour, read) =>
  (tour?.messages ?? []).map((message) => ({ ...message, unread: !message.read_at && !read.has(message.id) }));

// The phone's own map is asked by a `geo:` address.
export const mapAddress = (stop) => {
  const place = `${stop.lat_deg},${stop.lon_deg}`;
  return `geo:${place}?q=${place}(${encodeURIComponent(stop.name)})`;
};
