/** The map with everything that lies on it: tools, labels, card, outline. */

import { radiusOf } from "./camera.js";
import { createCard } from "./card.js";
import { fill, h } from "./dom.js";
import { listen } from "./gestures.js";
import { createLabels } from "./labels.js";
import { createMap, hasWebGL } from "./map.js";
import { neighboursOf } from "./model.js";
import { rowAt, rowsInside } from "./projection.js";
import { buildTraces, pointSize } from "./traces.js";

const TOOLS = [
  ["pan", "Move"],
  ["box", "Box"],
  ["lasso", "Lasso"],
];

/** `app` as main.js makes it. Returns { element, update, resetCamera, restoreCameras }. */
export function createMapView(app, chips) {
  const { model } = app;
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "outline");
  const outline = document.createElementNS(svg.namespaceURI, "polygon");
  svg.append(outline);
  const tools = toolbar(app, () => map.setCamera(null));
  const labelHost = h("div", { class: "labels", "aria-hidden": "true" });
  const element = h(
    "main",
    {
      class: "map",
      tabindex: "0",
      role: "application",
      "aria-label": "Map of the points. Arrow keys move it, plus and minus zoom.",
    },
    svg,
    labelHost,
    chips,
    tools.element,
  );
  if (!hasWebGL()) {
    fill(element, [chips, noWebGL()]);
    return { element, update() {}, resetCamera() {}, restoreCameras() {} };
  }
  const map = createMap(element, radiusOf(model.layouts[3] ?? model.layouts[2]), app.cameraMoved);
  const labels = model.layouts[2] ? createLabels(labelHost, model) : null;
  const card = createCard(element, model, app.thumbs);
  let lit = new Uint8Array(model.count).fill(1);
  let labelled = "";

  const mode = () => (app.state().dims === 3 ? "turn" : app.state().tool);
  const shortSide = () => Math.min(...Object.values(map.size()));
  const layout = () => model.layouts[app.state().dims];
  function at(pixel, reach) {
    const matrix = map.matrix();
    if (!matrix || !pixel) return -1;
    const radius = pointSize(model.count, app.state().dims, shortSide()) / 2;
    return rowAt(matrix, map.size(), layout(), lit, pixel, radius, reach);
  }

  listen(element, map, mode, {
    hover(pixel) {
      const row = at(pixel, 12);
      element.classList.toggle("on-point", row >= 0);
      if (row < 0) card.hide();
      else card.show(row, pixel, app.derived().grouping);
    },
    pick(pixel, touch) {
      const row = at(pixel, touch ? 24 : 12);
      if (row >= 0) app.pin(row);
    },
    outline(polygon) {
      outline.setAttribute(
        "points",
        (polygon ?? []).map(({ left, top }) => `${left},${top}`).join(" "),
      );
    },
    select(polygon) {
      const matrix = map.matrix();
      if (matrix) app.select(rowsInside(matrix, map.size(), layout(), lit, polygon));
    },
  });

  /** Labels follow the camera: they are placed again whenever the drawn matrix has changed. */
  function follow() {
    if (labels && app.state().dims === 2) {
      const matrix = map.matrix();
      const size = map.size();
      const key = matrix && `${matrix.join()} ${size.width} ${size.height} ${app.version()}`;
      if (matrix && key !== labelled) {
        labelled = key;
        labels.place(matrix, size, lit);
      }
    } else if (labelled) {
      labelled = "";
      labels?.hide();
    }
    requestAnimationFrame(follow);
  }
  labels?.hide();
  requestAnimationFrame(follow);

  const redraw = oneAtATime(async (state, derived) => {
    const { dims, hovered, marked, pinned } = state;
    const style = getComputedStyle(element);
    const ink = {
      unlit: style.getPropertyValue("--unlit").trim(),
      mark: style.getPropertyValue("--mark").trim(),
    };
    const version = app.version();
    lit = derived.shown;
    const index = derived.grouping.groups.findIndex(({ key }) => key === hovered);
    if (index >= 0) {
      lit = lit.map((bit, row) => Number(bit && derived.grouping.of[row] === index));
    }
    const ringed = pinned === null ? [] : [pinned, ...neighboursOf(model, pinned)];
    const marks = marked === null ? ringed : [marked, ...ringed.slice(1)];
    const { grouping } = derived;
    const parts = {
      layout: model.layouts[dims],
      dims,
      grouping,
      lit,
      marks,
      ink,
      side: shortSide(),
    };
    await map.draw(buildTraces(parts), dims);
    element.dataset.drawn = String(version);
  });

  function update(state, derived) {
    tools.update(state);
    element.dataset.mode = mode();
    card.hide();
    redraw(state, derived);
  }

  return {
    element,
    update,
    resetCamera: () => map.setCamera(null),
    restoreCameras: map.restore,
  };
}

function toolbar(app, reset) {
  const choices = TOOLS.map(([tool, label]) =>
    h("button", { type: "button", "data-tool": tool, onclick: () => app.set({ tool }) }, label),
  );
  const group = h(
    "div",
    { class: "switch", role: "group", "aria-label": "What dragging does" },
    choices,
  );
  const hint = h("span", { class: "quiet" });
  const element = h(
    "div",
    { class: "tools over" },
    group,
    h("button", { type: "button", onclick: reset }, "Whole map"),
    hint,
  );
  const update = (state) => {
    group.hidden = state.dims === 3;
    hint.textContent =
      state.dims === 3 ? "Drag to turn, scroll to zoom, click a point to pin it" : "";
    for (const choice of choices) {
      choice.setAttribute("aria-pressed", String(choice.dataset.tool === state.tool));
    }
  };
  return { element, update };
}

function noWebGL() {
  return h(
    "div",
    { class: "notice", role: "alert" },
    h("h2", {}, "The map cannot be drawn"),
    h(
      "p",
      {},
      "This browser offers no WebGL, which the map needs. Try another browser, or turn on hardware acceleration in this one's settings. The list of clusters, the points and the search work without it.",
    ),
  );
}

/** Run one call at a time; of those that come meanwhile only the last is run. */
function oneAtATime(action) {
  let running = false;
  let next = null;
  return async function call(...args) {
    if (running) {
      next = args;
      return;
    }
    running = true;
    try {
      await action(...args);
    } finally {
      running = false;
    }
    if (next) {
      const waiting = next;
      next = null;
      call(...waiting);
    }
  };
}
