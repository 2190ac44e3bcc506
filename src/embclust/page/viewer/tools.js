/** The buttons on the map: what dragging does, the whole map, the size of the points. */

import { h } from "./dom.js";
import { LARGEST, SMALLEST } from "./styles.js";

const TOOLS = [
  ["pan", "Move"],
  ["box", "Box"],
  ["lasso", "Lasso"],
];

/** `app` as main.js makes it; `reset` shows the whole map. Returns { element, update }. */
export function createTools(app, reset) {
  const choices = TOOLS.map(([tool, label]) =>
    h("button", { type: "button", "data-tool": tool, onclick: () => app.set({ tool }) }, label),
  );
  const group = h(
    "div",
    { class: "switch", role: "group", "aria-label": "What dragging does" },
    choices,
  );
  const size = h("input", {
    type: "range",
    min: SMALLEST,
    max: LARGEST,
    step: 0.1,
    "aria-label": "Point size",
    title: "Point size",
    oninput: () => app.set({ size: Number(size.value) }),
  });
  const hint = h("span", { class: "quiet hint" });
  const element = h(
    "div",
    { class: "tools over" },
    group,
    h("button", { type: "button", onclick: reset }, "Whole map"),
    h(
      "label",
      { class: "size" },
      h("span", { class: "dot small" }),
      size,
      h("span", { class: "dot" }),
    ),
    hint,
  );

  function update(state) {
    group.hidden = state.dims === 3;
    size.value = String(state.size);
    hint.textContent = {
      turn: "Drag to turn, scroll to zoom, click a point to pin it",
      pan: "",
      box: "Drag a box around points",
      lasso: "Draw a line around points",
    }[state.dims === 3 ? "turn" : state.tool];
    for (const choice of choices) {
      choice.setAttribute("aria-pressed", String(choice.dataset.tool === state.tool));
    }
  }

  return { element, update };
}
