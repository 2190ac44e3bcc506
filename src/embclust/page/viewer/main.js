/** Start: read the data, build the parts, and keep them in step with one state. */

import { readAddress, writeAddress } from "./address.js";
import { createChips } from "./chips.js";
import { fill, h } from "./dom.js";
import { createGroupsPanel } from "./groups-panel.js";
import { createHeader } from "./header.js";
import { createItemPanel } from "./item-panel.js";
import { createMapView } from "./map-view.js";
import { createModel, dimensions } from "./model.js";
import { createPointsPanel } from "./points-panel.js";
import { createThumbs } from "./thumbs.js";
import { createView } from "./view.js";

const TABS = ["groups", "points", "item"];
/** Up to so many points, hovering a group redraws the map at once. */
const LIVE = 20_000;

function read(id) {
  return JSON.parse(document.getElementById(id).textContent);
}

function start(root) {
  const model = createModel(read("page-data"));
  const derive = createView(model);
  const dims = dimensions(model);
  const defaults = Object.freeze({
    dims: dims[dims.length - 1],
    colour: "",
    query: "",
    theme: "auto",
    tab: "groups",
    tool: "pan",
    sort: "size",
    filters: new Map(),
    selection: null,
    pinned: null,
    cameras: {},
  });
  const known = {
    dims,
    tabs: TABS,
    groupKeys: (by) => {
      const grouping = derive({ ...defaults }).groupingOf(by);
      return grouping && new Set(grouping.groups.map(({ key }) => key));
    },
    rowOf: (id) => {
      const row = model.ids.indexOf(id);
      return row < 0 ? null : row;
    },
  };

  let state = readAddress(location.hash, defaults, known);
  let version = 0;
  let frame = 0;
  let hovered = null;
  let marked = null;
  let written = location.hash;
  const timers = {};

  function later(name, milliseconds, action) {
    clearTimeout(timers[name]);
    timers[name] = setTimeout(action, milliseconds);
  }

  function refresh() {
    version += 1;
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(render);
    later("address", 200, writeBack);
  }

  const app = {
    model,
    thumbs: createThumbs(model.tiles, () => read("page-sheets")),
    state: () => state,
    version: () => version,
    derived: () => derive(state),
    set(patch) {
      state = { ...state, ...patch };
      refresh();
    },
    pin(row) {
      app.set({ pinned: row, tab: row === null ? "groups" : "item" });
    },
    select(rows) {
      app.set(rows.length ? { selection: rows, tab: "points" } : { selection: null });
    },
    search(query) {
      later("search", 120, () => app.set({ query, tab: query.trim() ? "points" : state.tab }));
    },
    hoverGroup(key) {
      if (model.count > LIVE) return;
      later("hover", 120, () => {
        if (hovered === key) return;
        hovered = key;
        refresh();
      });
    },
    mark(row) {
      if (model.count > LIVE) return;
      later("mark", 120, () => {
        if (marked === row) return;
        marked = row;
        refresh();
      });
    },
    cameraMoved(moved, camera) {
      const cameras = { ...state.cameras };
      if (camera) cameras[moved] = camera;
      else delete cameras[moved];
      state = { ...state, cameras };
      later("address", 300, writeBack);
    },
  };

  const chips = createChips(app);
  const header = createHeader(app);
  const map = createMapView(app, chips.element);
  const panels = { groups: createGroupsPanel(app), points: createPointsPanel(app), item: createItemPanel(app) };
  const tabs = tabList(app, panels);
  fill(root, [
    header.element,
    notes(model),
    h("div", { class: "body" }, map.element, h("aside", { "aria-label": "Details" }, tabs.element, Object.values(panels).map(({ element }) => element))),
  ]);

  function render() {
    const derived = derive(state);
    document.documentElement.dataset.theme = state.theme;
    header.update(state);
    chips.update(state, derived);
    tabs.update(state, derived);
    for (const panel of Object.values(panels)) panel.update(state, derived);
    map.update(state, derived, hovered, marked);
  }

  function writeBack() {
    const text = writeAddress(state, defaults, (row) => model.ids[row]);
    written = text ? `#${text}` : "";
    if (written === location.hash) return;
    try {
      history.replaceState(null, "", written || location.pathname + location.search);
    } catch {
      // Some browsers refuse this for files; the page works without it.
    }
  }

  function restore() {
    for (const [each, camera] of Object.entries(state.cameras)) map.restoreCamera(Number(each), camera);
  }

  addEventListener("hashchange", () => {
    if (location.hash === written) return;
    state = readAddress(location.hash, defaults, known);
    restore();
    refresh();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", refresh);
  addEventListener("keydown", (event) => shortcut(event, app, header, map, dims));
  restore();
  render();
}

/** Keys that work everywhere but in a field. */
function shortcut(event, app, header, map, dims) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const typing = event.target.closest?.("input, select, textarea");
  if (event.key === "Escape") {
    stepBack(app);
  } else if (typing) {
    return;
  } else if (event.key === "/") {
    header.focusSearch();
  } else if (dims.includes(Number(event.key))) {
    app.set({ dims: Number(event.key) });
  } else if (event.key === "r" || event.key === "R") {
    map.resetCamera();
  } else {
    return;
  }
  event.preventDefault();
}

function stepBack(app) {
  const state = app.state();
  if (state.pinned !== null) app.pin(null);
  else if (state.selection) app.set({ selection: null });
  else if (state.query) app.search("");
  else app.set({ filters: new Map(), tab: "groups" });
}

function tabList(app, panels) {
  const names = { groups: "Clusters", points: "Points", item: "Pinned" };
  const tabs = TABS.map((tab) =>
    h("button", { type: "button", role: "tab", id: `tab-${tab}`, "aria-controls": `panel-${tab}`, onclick: () => app.set({ tab }) }),
  );
  const element = h("div", { class: "tabs", role: "tablist", onkeydown: move }, tabs);
  TABS.forEach((tab) => {
    const panel = panels[tab].element;
    panel.id = `panel-${tab}`;
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", `tab-${tab}`);
  });

  function move(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    const next = (TABS.indexOf(app.state().tab) + step + TABS.length) % TABS.length;
    app.set({ tab: TABS[next] });
    tabs[next].focus();
    event.stopPropagation();
  }

  function update(state, derived) {
    TABS.forEach((tab, index) => {
      const on = state.tab === tab;
      tabs[index].setAttribute("aria-selected", String(on));
      tabs[index].tabIndex = on ? 0 : -1;
      panels[tab].element.hidden = !on;
    });
    const { length } = derived.shownRows;
    tabs[0].textContent = state.colour === "" ? names.groups : "Colours";
    tabs[1].textContent = length === app.model.count ? names.points : `${names.points} (${length.toLocaleString("en")})`;
    tabs[2].textContent = names.item;
  }

  return { element, update };
}

/** What a reader must know at once: points left out, pictures made smaller. */
function notes(model) {
  return model.warnings.length ? h("p", { class: "notes", role: "note" }, model.warnings.join(" ")) : null;
}

const root = document.getElementById("app");
try {
  start(root);
} catch (error) {
  fill(root, [h("p", { class: "notice", role: "alert" }, `This page could not be shown: ${error.message}`)]);
  throw error;
}
