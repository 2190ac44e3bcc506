/** The page's data with typed arrays and ways to read one row. Pure. */

import { decodeCodes, decodeLayout } from "./decode.js";

/** Make the model from the payload that build.py writes (see `_payload` there). */
export function createModel(payload) {
  const layouts = {};
  for (const [dims, packed] of Object.entries(payload.layouts)) {
    layouts[dims] = decodeLayout(packed, Number(dims));
  }
  const columns = payload.columns.map((column) => {
    if (column.kind === "category") return { ...column, codes: decodeCodes(column.codes) };
    if (column.kind === "number") return { ...column, values: numbers(column.values) };
    return column;
  });
  return {
    ...payload,
    layouts,
    columns,
    clusterOf: decodeCodes(payload.clusterOf),
    neighbours: payload.neighbours && {
      each: payload.neighbours.each,
      rows: decodeCodes(payload.neighbours),
    },
  };
}

/** Numbers as a typed array; NaN stands for an empty cell. */
function numbers(values) {
  return Float64Array.from(values, (value) => value ?? NaN);
}

/** The dimensions that the page has a layout for, ascending. */
export function dimensions(model) {
  return Object.keys(model.layouts).map(Number).sort();
}

/** One cell: a string, a number, or null when it is empty. */
export function cell(column, row) {
  if (column.kind === "category") return column.values[column.codes[row]] ?? null;
  const value = column.values[row];
  return value === undefined || Number.isNaN(value) ? null : value;
}

/** The columns that lead a card: the chosen text fields, else the first few. */
export function leadColumns(model) {
  const chosen = model.columns.filter((column) => model.textFields.includes(column.name));
  return chosen.length ? chosen : model.columns.slice(0, 5);
}

/** What a row is called: its first filled lead text, else its id. */
export function labelOf(model, row) {
  for (const column of leadColumns(model)) {
    if (column.kind === "number") continue;
    const value = cell(column, row);
    if (value !== null) return value;
  }
  return model.ids[row];
}

/** Name of the cluster a row is in. */
export function clusterName(model, row) {
  return model.clusters[model.clusterOf[row]]?.name ?? "Unclustered";
}

/** Rows of the nearest neighbours in vector space, nearest first. */
export function neighboursOf(model, row) {
  if (!model.neighbours) return [];
  const { each, rows } = model.neighbours;
  return [...rows.subarray(row * each, (row + 1) * each)]
    .filter((code) => code > 0)
    .map((code) => code - 1);
}
