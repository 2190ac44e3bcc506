/** Pointer and keyboard on the map: hover, pick, and on the flat map pan, zoom, box and lasso. */

import { panned, turned, zoomed } from "./camera.js";

const STILL = 5;

/**
 * Listen on `host`. `on` has hover(pixel | null), pick(pixel, touch), outline(polygon | null) and
 * select(polygon); `mode()` gives "turn", "pan", "box" or "lasso".
 */
export function listen(host, map, mode, on) {
  const down = new Map();
  let start = null;
  let trail = [];
  let frame = 0;

  const pixelOf = (event) => {
    const box = host.getBoundingClientRect();
    return { left: event.clientX - box.left, top: event.clientY - box.top };
  };
  const onMap = (event) => !event.target.closest("button, a, input, select, .over");

  host.addEventListener("pointerdown", (event) => {
    if (!onMap(event) || event.button > 0) return;
    down.set(event.pointerId, pixelOf(event));
    start = down.size === 1 ? pixelOf(event) : null;
    trail = start ? [start] : [];
    on.hover(null);
    if (mode() !== "turn") host.setPointerCapture(event.pointerId);
  });

  host.addEventListener("pointermove", (event) => {
    const pixel = pixelOf(event);
    const before = down.get(event.pointerId);
    if (!before) {
      if (event.pointerType === "touch" || event.buttons) return;
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(() => on.hover(onMap(event) ? pixel : null));
      return;
    }
    if (mode() !== "turn") drag(event.pointerId, before, pixel);
    down.set(event.pointerId, pixel);
  });

  function drag(pointer, before, pixel) {
    if (down.size === 2) {
      const other = [...down].find(([id]) => id !== pointer)[1];
      const factor = span(pixel, other) / Math.max(1, span(before, other));
      map.setCamera(zoomed(map.camera(), factor, middle(pixel, other), map.size()));
    } else if (mode() === "pan") {
      const size = map.size();
      const [right, low] = [pixel.left - before.left, pixel.top - before.top];
      map.setCamera(panned(map.camera(), right, low, size.height));
    } else if (start) {
      trail = mode() === "box" ? corners(start, pixel) : [...trail, pixel];
      on.outline(trail);
    }
  }

  const up = (event) => {
    if (!down.delete(event.pointerId)) return;
    const pixel = pixelOf(event);
    const drawn = trail;
    const still = start && span(start, pixel) < STILL && drawn.every((p) => span(start, p) < STILL);
    on.outline(null);
    if (event.type === "pointercancel") start = null;
    if (still) on.pick(pixel, event.pointerType === "touch");
    else if (start && drawn.length > 2) on.select(drawn);
    start = null;
    trail = [];
  };
  // On the window: turning in 3D may end outside the map, and is not captured, for Plotly's sake.
  addEventListener("pointerup", up);
  addEventListener("pointercancel", up);
  host.addEventListener("pointerleave", () => {
    cancelAnimationFrame(frame);
    on.hover(null);
  });

  host.addEventListener(
    "wheel",
    (event) => {
      if (mode() === "turn" || event.target.closest(".over")) return;
      event.preventDefault();
      event.stopPropagation();
      const lines = event.deltaMode === 1 ? 16 : 1;
      const factor = Math.exp(-Math.max(-300, Math.min(300, event.deltaY * lines)) / 400);
      map.setCamera(zoomed(map.camera(), factor, pixelOf(event), map.size()));
    },
    { capture: true, passive: false },
  );

  host.addEventListener("keydown", (event) => {
    if (event.target !== host || event.ctrlKey || event.metaKey || event.altKey) return;
    const next = steered(event.key, map, mode() === "turn");
    if (!next) return;
    event.preventDefault();
    map.setCamera(next);
  });
}

/** The camera after a key: arrows turn or move, plus and minus zoom. */
function steered(key, map, turning) {
  const camera = map.camera();
  const size = map.size();
  const middleOf = { left: size.width / 2, top: size.height / 2 };
  const zoom = { "+": 1.2, "=": 1.2, "-": 1 / 1.2 }[key];
  if (zoom) return turning ? turned(camera, 0, 0, zoom) : zoomed(camera, zoom, middleOf, size);
  const [right, low] =
    { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key] ?? [];
  if (right === undefined) return null;
  if (turning) return turned(camera, right * 0.12, -low * 0.12, 1);
  return panned(camera, -right * 40, -low * 40, size.height);
}

function span(a, b) {
  return Math.hypot(a.left - b.left, a.top - b.top);
}

function middle(a, b) {
  return { left: (a.left + b.left) / 2, top: (a.top + b.top) / 2 };
}

function corners(a, b) {
  return [a, { left: b.left, top: a.top }, b, { left: a.left, top: b.top }];
}
