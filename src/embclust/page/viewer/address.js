/** The view, written into the address after "#" and read back. Pure. */

import { LARGEST, SMALLEST } from "./styles.js";

const FILTER = "f.";

/** State -> "dims=2&colour=gender&f.gender=%3DWomen"; what is at its default is left out. */
export function writeAddress(state, defaults, idOf) {
  const params = new URLSearchParams();
  for (const name of ["dims", "colour", "query", "theme", "tab", "size"]) {
    if (state[name] !== defaults[name]) params.set(name, String(state[name]));
  }
  for (const [by, keys] of state.filters) {
    for (const key of [...keys].sort()) params.append(FILTER + by, key);
  }
  if (state.pinned !== null) params.set("pin", idOf(state.pinned));
  const camera = state.cameras[state.dims];
  if (camera) params.set("camera", camera.map((value) => Number(value.toFixed(3))).join(","));
  return params.toString();
}

/**
 * "dims=2&…" -> a whole state, built on the defaults. Anything that the page does not have (a
 * dimension, a column, a group, an id) is ignored: addresses come from anywhere.
 */
export function readAddress(text, defaults, known) {
  const params = new URLSearchParams(text.replace(/^#/, ""));
  const state = { ...defaults, filters: new Map(), cameras: {}, pinned: null };
  const dims = Number(params.get("dims"));
  if (known.dims.includes(dims)) state.dims = dims;
  if (known.groupKeys(params.get("colour") ?? "")) state.colour = params.get("colour") ?? "";
  state.query = (params.get("query") ?? defaults.query).slice(0, 200);
  if (["auto", "light", "dark"].includes(params.get("theme"))) state.theme = params.get("theme");
  if (known.tabs.includes(params.get("tab"))) state.tab = params.get("tab");
  for (const name of new Set([...params.keys()].filter((key) => key.startsWith(FILTER)))) {
    const by = name.slice(FILTER.length);
    const keys = params.getAll(name).filter((key) => known.groupKeys(by)?.has(key));
    if (keys.length) state.filters.set(by, new Set(keys));
  }
  if (params.has("pin")) state.pinned = known.rowOf(params.get("pin"));
  const size = Number(params.get("size"));
  if (size >= SMALLEST && size <= LARGEST) state.size = size;
  const camera = (params.get("camera") ?? "").split(",").map(Number);
  if (
    camera.length === 9 &&
    camera.every((value) => Number.isFinite(value) && Math.abs(value) < 100)
  ) {
    state.cameras = { [state.dims]: camera };
  }
  return state;
}
