/** The one state of the page, what is derived from it, and all that changes it. */

import { readAddress, writeAddress } from "./address.js";
import { dimensions } from "./model.js";
import { createThumbs } from "./thumbs.js";
import { createView } from "./view.js";

export const TABS = Object.freeze(["groups", "points", "item"]);

function defaultState(model) {
  return Object.freeze({
    dims: model.defaultDims,
    colour: "",
    query: "",
    theme: "auto",
    tab: "groups",
    tool: "pan",
    sort: "size",
    size: 1,
    filters: new Map(),
    selection: null,
    pinned: null,
    cameras: {},
    /** What the pointer is on in the side panel: the key of a group, and a row. Not in the address. */
    hovered: null,
    marked: null,
  });
}

/**
 * Make the app. `onChange` is called once per frame in which the state changed, `onCamera` for a
 * camera alone, which needs no new drawing.
 */
export function createApp(model, readSheets, { onChange, onCamera }) {
  const derive = createView(model);
  const defaults = defaultState(model);
  const known = knownTo(model, derive(defaults).groupingOf);
  let state = defaults;
  let version = 0;
  let frame = 0;
  const timers = {};

  function later(name, milliseconds, action) {
    clearTimeout(timers[name]);
    timers[name] = setTimeout(action, milliseconds);
  }

  function set(patch) {
    state = { ...state, ...patch };
    version += 1;
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(onChange);
  }

  function pointAt(name, value) {
    later(name, 120, () => {
      if (state[name] !== value) set({ [name]: value });
    });
  }

  return {
    model,
    thumbs: createThumbs(model.tiles, readSheets),
    state: () => state,
    derived: () => derive(state),
    /** Make ahead what the first search needs. */
    prepareSearch: derive.prepareSearch,
    /** Grows with every change: tells whether something was made for the state as it is now. */
    version: () => version,
    set,
    pin: (row) => set({ pinned: row, marked: null, tab: row === null ? "groups" : "item" }),
    select: (rows) => set(rows.length ? { selection: rows, tab: "points" } : { selection: null }),
    search: (query) =>
      later("search", 120, () => set({ query, tab: query.trim() ? "points" : state.tab })),
    hoverGroup: (key) => pointAt("hovered", key),
    mark: (row) => pointAt("marked", row),
    cameraMoved(dims, camera) {
      const cameras = { ...state.cameras, [dims]: camera };
      if (!camera) delete cameras[dims];
      state = { ...state, cameras };
      onCamera();
    },
    stepBack() {
      if (state.pinned !== null) set({ pinned: null, tab: "groups" });
      else if (state.selection) set({ selection: null });
      else if (state.query) set({ query: "" });
      else set({ filters: new Map(), tab: "groups" });
    },
    address: () => writeAddress(state, defaults, (row) => model.ids[row]),
    goTo: (address) => set(readAddress(address, defaults, known)),
  };
}

/** What an address may name. */
function knownTo(model, groupingOf) {
  return {
    dims: dimensions(model),
    tabs: TABS,
    groupKeys: (by) => {
      const grouping = groupingOf(by);
      return grouping && new Set(grouping.groups.map(({ key }) => key));
    },
    rowOf: (id) => {
      const row = model.ids.indexOf(id);
      return row < 0 ? null : row;
    },
  };
}
