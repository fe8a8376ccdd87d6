// The bar that takes an action back: it counts down and goes away when the time is over. Menus close when left.
"use strict";

(() => {
  const rows = [...document.querySelectorAll(".undo-row")];
  const started = performance.now();

  const tick = () => {
    for (const row of rows) {
      const left = Math.ceil(Number(row.dataset.undoS) - (performance.now() - started) / 1000);
      const count = row.querySelector(".undo-left");
      count.textContent = count.dataset.left.replace("{n}", Math.max(left, 0));
      if (left <= 0) row.remove();
    }
    const bar = document.querySelector(".undo-bar");
    if (bar && !bar.querySelector(".undo-row")) bar.remove();
    if (document.querySelector(".undo-row")) setTimeout(tick, 250);
  };
  if (rows.length) tick();

  const groups = document.querySelectorAll("details.group");
  document.addEventListener("click", (event) => {
    for (const group of groups) if (!group.contains(event.target)) group.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const group of groups) {
      if (!group.open) continue;
      group.open = false;
      group.querySelector("summary").focus();
    }
  });
})();
