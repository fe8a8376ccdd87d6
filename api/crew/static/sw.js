// The service worker: the app opens without a network. What it answers is of one version; `VERSION` and `FILES` stand
// above, written by the server. Calls of `/crew/api/` are not its business: the page keeps what they say.

const CACHE = `kota-crew-${VERSION}`;

self.addEventListener("install", (event) => {
  const requests = FILES.map((path) => new Request(path, { cache: "reload" }));
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(requests)).then(() => self.skipWaiting()));
});

const dropOld = async () => {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith("kota-crew-") && name !== CACHE).map((name) => caches.delete(name)));
  await self.clients.claim();
};

self.addEventListener("activate", (event) => event.waitUntil(dropOld()));

self.addEventListener("fetch", (event) => {
  const { pathname, origin } = new URL(event.request.url);
  if (event.request.method !== "GET" || origin !== location.origin || !FILES.includes(pathname)) return;
  event.respondWith(caches.match(pathname, { cacheName: CACHE }).then((kept) => kept ?? fetch(event.request)));
});
