/* Zooms and moves one picture at a time. Scale and place stay when another picture of the
   same size comes, so that pictures can be compared. */
(function () {
  "use strict";
  const stage = document.getElementById("stage");
  const figures = [...stage.querySelectorAll("figure")];
  const links = [...document.querySelectorAll(".viewer-strip a")];
  const output = document.getElementById("viewer-state");
  const STEP = 1.25; // a zoom step
  const MOVE = 40; // pixels that an arrow key moves
  const LEAST = 0.02;
  const MOST = 40;
  const view = { scale: 1, x: 0, y: 0, number: -1, size: "" };

  const image = () => figures[view.number].querySelector("img");

  function draw() {
    const { scale, x, y } = view;
    image().style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
    const place = figures.length > 1 ? `${view.number + 1} / ${figures.length} · ` : "";
    output.textContent = `${place}${image().alt} · ${Math.round(scale * 100)} %`;
  }

  /* Zoom so that the point (x, y) of the stage stays where it is. */
  function zoom(factor, x = stage.clientWidth / 2, y = stage.clientHeight / 2) {
    const scale = Math.min(MOST, Math.max(LEAST, view.scale * factor));
    view.x = x - ((x - view.x) * scale) / view.scale;
    view.y = y - ((y - view.y) * scale) / view.scale;
    view.scale = scale;
    draw();
  }

  function fit(scale) {
    const { naturalWidth: width, naturalHeight: height } = image();
    const fitting = Math.min(stage.clientWidth / width, stage.clientHeight / height, 1);
    view.scale = scale || fitting || 1;
    view.x = (stage.clientWidth - width * view.scale) / 2;
    view.y = (stage.clientHeight - height * view.scale) / 2;
    draw();
  }

  function move(x, y) {
    view.x += x;
    view.y += y;
    draw();
  }

  function show(number) {
    view.number = (number + figures.length) % figures.length;
    figures.forEach((figure, i) => figure.classList.toggle("shown", i === view.number));
    links.forEach((link, i) => {
      i === view.number
        ? link.setAttribute("aria-current", "true")
        : link.removeAttribute("aria-current");
    });
    if (image().complete) {
      settle();
    }
  }

  function settle() {
    const shown = image();
    if (!shown.naturalWidth) {
      explain(figures[view.number], shown);
      return;
    }
    const size = `${shown.naturalWidth}x${shown.naturalHeight}`;
    size === view.size ? draw() : fit();
    view.size = size;
  }

  /* Say why a picture cannot be shown: what the server answers. */
  async function explain(figure, shown) {
    if (figure.querySelector(".viewer-error")) {
      return;
    }
    const text = document.createElement("p");
    text.className = "viewer-error";
    text.setAttribute("role", "alert");
    figure.append(text);
    shown.hidden = true;
    output.textContent = shown.alt;
    const answer = await fetch(shown.src).catch(() => null);
    const told = answer && (await answer.json().catch(() => null));
    text.textContent = `${shown.alt}: ${told?.message || "The picture cannot be shown."}`;
  }

  const actions = {
    previous: () => show(view.number - 1),
    next: () => show(view.number + 1),
    in: () => zoom(STEP),
    out: () => zoom(1 / STEP),
    fit: () => fit(),
    whole: () => fit(1),
  };
  const keys = {
    "+": actions.in,
    "=": actions.in,
    "-": actions.out,
    0: actions.fit,
    1: actions.whole,
    PageUp: actions.previous,
    PageDown: actions.next,
    ArrowLeft: () => move(MOVE, 0),
    ArrowRight: () => move(-MOVE, 0),
    ArrowUp: () => move(0, MOVE),
    ArrowDown: () => move(0, -MOVE),
  };

  function onKey(event) {
    const action = keys[event.key];
    if (action && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      action();
    }
  }

  function onWheel(event) {
    event.preventDefault();
    const box = stage.getBoundingClientRect();
    const factor = Math.exp(-Math.sign(event.deltaY) * 0.15);
    zoom(factor, event.clientX - box.left, event.clientY - box.top);
  }

  function onPointerMove(event) {
    if (stage.hasPointerCapture(event.pointerId)) {
      move(event.movementX, event.movementY);
    }
  }

  stage.classList.add("live");
  stage.tabIndex = 0;
  document.querySelector(".viewer-bar").hidden = false;
  document.getElementById("viewer-help").hidden = false;
  for (const button of document.querySelectorAll("[data-do]")) {
    const isStep = /previous|next/.test(button.dataset.do);
    button.hidden = isStep && figures.length < 2;
    button.addEventListener("click", actions[button.dataset.do]);
  }
  links.forEach((link, number) => {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      show(number);
    });
  });
  figures.forEach((figure, number) => {
    const settled = () => number === view.number && settle();
    figure.querySelector("img").addEventListener("load", settled);
    figure.querySelector("img").addEventListener("error", settled);
  });
  stage.addEventListener("keydown", onKey);
  stage.addEventListener("wheel", onWheel, { passive: false });
  stage.addEventListener("pointerdown", (event) => stage.setPointerCapture(event.pointerId));
  stage.addEventListener("pointermove", onPointerMove);
  show(0);
})();
