// Charts: the value below the pointer, or, by the arrow keys, one value after the other.
"use strict";

(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const pointsOf = (svg) => JSON.parse(svg.dataset.chart);
  const readOf = (svg) => svg.closest("figure").querySelector(".read");

  function show(svg, index) {
    const points = pointsOf(svg), [x, y, words] = points[Math.max(0, Math.min(index, points.length - 1))];
    let dot = svg.querySelector(".cursor");
    if (!dot) {
      dot = document.createElementNS(SVG, "circle");
      dot.setAttribute("class", "cursor");
      dot.setAttribute("r", 5);
      svg.append(dot);
    }
    dot.setAttribute("cx", x);
    dot.setAttribute("cy", y);
    svg.dataset.at = Math.max(0, Math.min(index, points.length - 1));
    readOf(svg).textContent = words;
  }

  function leave(svg) {
    svg.querySelector(".cursor")?.remove();
    delete svg.dataset.at;
    readOf(svg).textContent = pointsOf(svg).at(-1)[2];
  }

  const chartAt = (event) => event.target.closest?.("svg[data-chart]");

  document.addEventListener("pointermove", (event) => {
    const svg = chartAt(event);
    if (!svg) return;
    const box = svg.getBoundingClientRect(), place = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
    const points = pointsOf(svg);
    let best = 0;
    points.forEach(([x], index) => { if (Math.abs(x - place) < Math.abs(points[best][0] - place)) best = index; });
    show(svg, best);
  });
  document.addEventListener("pointerout", (event) => {
    const svg = chartAt(event);
    if (svg && !svg.contains(event.relatedTarget)) leave(svg);
  });
  document.addEventListener("focusout", (event) => { if (chartAt(event)) leave(chartAt(event)); });
  document.addEventListener("keydown", (event) => {
    const svg = chartAt(event), by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!svg || !by) return;
    event.preventDefault();
    show(svg, Number(svg.dataset.at ?? pointsOf(svg).length) + by);
  });
})();
