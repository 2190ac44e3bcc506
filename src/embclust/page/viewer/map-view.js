/** The map with everything that lies on it: tools, labels, card, outline. */

import { extentOf, radiusOf } from "./camera.js";
import { createCard } from "./card.js";
import { fill, h } from "./dom.js";
import { rowsOf } from "./filter.js";
import { listen } from "./gestures.js";
import { createLabels } from "./labels.js";
import { createMap, hasWebGL } from "./map.js";
import { neighboursOf } from "./model.js";
import { channels } from "./palette.js";
import { referenceOf } from "./points-layer.js";
import { rowAt, rowsInside } from "./projection.js";
import { buildStyles, litSize, pointSize } from "./styles.js";
import { createTools } from "./tools.js";

/** `app` as main.js makes it. Returns { element, update, resetCamera, restoreCameras }. */
export function createMapView(app, chips) {
  const { model } = app;
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "outline");
  const outline = document.createElementNS(svg.namespaceURI, "polygon");
  svg.append(outline);
  const tools = createTools(app, () => map.setCamera(null));
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
  const reach = {
    radius: radiusOf(model.layouts[3] ?? model.layouts[2]),
    extent: extentOf(model.layouts[2] ?? model.layouts[3]),
  };
  const map = createMap(element, reach, app.cameraMoved, () => element.append(lost()));
  const labels = model.layouts[2] ? createLabels(labelHost, model) : null;
  const card = createCard(element, model, app.thumbs);
  let lit = new Uint8Array(model.count).fill(1);
  let labelled = "";

  const mode = () => (app.state().dims === 3 ? "turn" : app.state().tool);
  const shortSide = () => Math.min(...Object.values(map.size()));
  const sizes = () => {
    const { dims, size } = app.state();
    const { length } = app.derived().shownRows;
    const all = pointSize(model.count, dims, shortSide(), size);
    return { size: litSize(model.count, length, dims, shortSide(), size), faint: 0.6 * all };
  };
  const layout = () => model.layouts[app.state().dims];
  function at(pixel, reach) {
    const matrix = map.matrix();
    if (!matrix || !pixel) return -1;
    const reference = app.state().dims === 3 ? referenceOf(matrix) : 0;
    return rowAt(matrix, map.size(), layout(), lit, pixel, sizes().size / 2, reach, reference);
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
        labels.place(matrix, size, app.derived().shown);
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
    const version = app.version();
    const { grouping, shown } = derived;
    lit = shown;
    const index = grouping.groups.findIndex(({ key }) => key === hovered);
    if (index >= 0) lit = shown.map((bit, row) => Number(bit && grouping.of[row] === index));
    const ringed = pinned === null ? [] : [pinned, ...neighboursOf(model, pinned)];
    await map.draw(
      {
        layout: model.layouts[dims],
        styles: buildStyles(grouping, lit, style.getPropertyValue("--unlit").trim()),
        marks: marked === null ? ringed : [marked, ...ringed.slice(1)],
        ink: channels(style.getPropertyValue("--mark").trim()),
        ...sizes(),
      },
      dims,
    );
    element.dataset.lit = String(rowsOf(lit).length);
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

function lost() {
  return h(
    "div",
    { class: "notice over", role: "alert" },
    h("h2", {}, "The browser stopped drawing the map"),
    h("p", {}, "Load the page again: the address keeps this view."),
    h("button", { type: "button", onclick: () => location.reload() }, "Load again"),
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
