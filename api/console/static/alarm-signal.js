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

const showSignal = () => {
  const signal = document.querySelector("[data-alarms]");
  if (!signal) return;
  const waiting = Number(signal.dataset.alarms), newest = Number(signal.dataset.newest);
  document.title = waiting ? `(${waiting}) ${pageTitle}` : pageTitle;
  document.querySelectorAll('.top a[href="/alarms"]').forEach((link) => { link.dataset.waiting = waiting || ""; });
  const button = document.querySelector("[data-sound]");
  if (button) {
    button.textContent = isMuted() ? signal.dataset.soundOff : signal.dataset.soundOn;
    button.setAttribute("aria-pressed", String(!isMuted()));
  }
  if (newest > Number(localStorage.getItem(HEARD) ?? 0)) {
    localStorage.setItem(HEARD, newest);
    if (!isMuted()) beep(signal.dataset.loud !== undefined);
  }
};

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-sound]")) return;
  localStorage.setItem(MUTED, isMuted() ? "0" : "1");
  if (!isMuted()) beep(false);
  showSignal();
});
setInterval(showSignal, 1000);
document.addEventListener("DOMContentLoaded", showSignal);
