// The number of waiting alarms in the title and the menu of every page, and a sound for new ones, which can be muted.
"use strict";

const MUTED = "kota_alarm_muted", HEARD = "kota_alarm_heard";
const pageTitle = document.title.replace(/^\(\d+\) /, "");
let audio;

const beep = (loud) => {
  audio ??= new AudioContext();
  [0, 0.35, 0.7].slice(0, loud ? 3 : 1).forEach((at) => {
    const tone = audio.createOscillator(), volume = audio.createGain();
    tone.frequency.value = loud ? 880 : 520;
    volume.gain.value = 0.3;
    tone.connect(volume).connect(audio.destination);
    tone.start(audio.currentTime + at);
    tone.stop(audio.currentTime + at + 0.22);
  });
};

const isMuted = () => localStorage.getItem(MUTED) === "1";
// A browser plays nothing on a page that nobody has touched yet: the button says so.
const isTouched = () => navigator.userActivation?.hasBeenActive ?? true;

const showSignal = () => {
  const signal = document.querySelector("[data-alarms]");
  if (!signal) return;
  const waiting = Number(signal.dataset.alarms), newest = Number(signal.dataset.newest);
  document.title = waiting ? `(${waiting}) ${pageTitle}` : pageTitle;
  document.querySelectorAll('.top a[href="/alarms"]').forEach((link) => { link.dataset.waiting = waiting || ""; });
  const button = document.querySelector("[data-sound]");
  if (button) {
    const words = isTouched() ? signal.dataset.soundOn : signal.dataset.soundClick;
    button.textContent = isMuted() ? signal.dataset.soundOff : words;
    button.classList.toggle("waits", !isMuted() && !isTouched() && waiting > 0);
    button.setAttribute("aria-pressed", String(!isMuted()));
  }
  if (newest > Number(localStorage.getItem(HEARD) ?? 0)) {
    if (isMuted() || isTouched()) localStorage.setItem(HEARD, newest);
    if (!isMuted() && isTouched()) beep(signal.dataset.loud !== undefined);
  }
};

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-sound]")) return;
  const began = event.target.closest("[data-sound]").classList.contains("waits");
  if (!began) localStorage.setItem(MUTED, isMuted() ? "0" : "1");
  if (!isMuted()) beep(false);
  showSignal();
});
setInterval(showSignal, 1000);
document.addEventListener("DOMContentLoaded", showSignal);
