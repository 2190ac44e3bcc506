/** Start: read the data, build the parts, and keep them in step with the app's state. */

import { createApp } from "./app.js";
import { createChips } from "./chips.js";
import { fill, h } from "./dom.js";
import { createGroupsPanel } from "./groups-panel.js";
import { createHeader } from "./header.js";
import { createItemPanel } from "./item-panel.js";
import { createMapView } from "./map-view.js";
import { createModel, dimensions } from "./model.js";
import { createPointsPanel } from "./points-panel.js";
import { createTabs } from "./tabs.js";

function read(id) {
  return JSON.parse(document.getElementById(id).textContent);
}

function start(root) {
  const model = createModel(read("page-data"));
  const app = createApp(model, () => read("page-sheets"), {
    onChange: render,
    onCamera: keepAddress,
  });
  const chips = createChips(app);
  const header = createHeader(app);
  const map = createMapView(app, chips.element);
  const panels = {
    groups: createGroupsPanel(app),
    points: createPointsPanel(app),
    item: createItemPanel(app),
  };
  const tabs = createTabs(app, panels);
  const parts = [header, chips, tabs, ...Object.values(panels), map];
  const side = [
    tabs.element,
    Object.values(panels).map(({ element }) => element),
    model.credit ? h("footer", {}, model.credit) : null,
  ];
  fill(root, [
    header.element,
    model.warnings.length
      ? h("p", { class: "notes", role: "note" }, model.warnings.join(" "))
      : null,
    h("div", { class: "body" }, map.element, h("aside", { "aria-label": "Details" }, side)),
  ]);

  let written = null;
  let timer = 0;

  function render() {
    const state = app.state();
    document.documentElement.dataset.theme = state.theme;
    const derived = app.derived();
    for (const part of parts) part.update(state, derived);
    keepAddress();
  }

  /** Write the view into the address, when it has come to rest: browsers limit how often. */
  function keepAddress() {
    clearTimeout(timer);
    timer = setTimeout(() => {
      written = app.address();
      if (`#${written}` === (location.hash || "#")) return;
      try {
        history.replaceState(
          null,
          "",
          written ? `#${written}` : location.pathname + location.search,
        );
      } catch {
        // Some browsers refuse this for files; the page works without it.
      }
    }, 250);
  }

  function followAddress() {
    if (location.hash === `#${written}`) return;
    app.goTo(location.hash);
    map.restoreCameras(app.state().cameras);
  }

  addEventListener("hashchange", followAddress);
  addEventListener("keydown", (event) => shortcut(event, app, header, map));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => app.set({}));
  followAddress();
  setTimeout(app.prepareSearch, 1500);
}

/** Keys that work everywhere but in a field. */
function shortcut(event, app, header, map) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]"))
    return;
  const typing = event.target.closest?.("input, select, textarea");
  if (event.key === "Escape") app.stepBack();
  else if (typing) return;
  else if (event.key === "/") header.focusSearch();
  else if (event.key.toLowerCase() === "r") map.resetCamera();
  else if (dimensions(app.model).includes(Number(event.key))) app.set({ dims: Number(event.key) });
  else return;
  event.preventDefault();
}

const root = document.getElementById("app");
try {
  start(root);
} catch (error) {
  fill(root, [
    h("p", { class: "notice", role: "alert" }, `This page could not be shown: ${error.message}`),
  ]);
  throw error;
}
