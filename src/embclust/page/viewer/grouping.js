/**
 * Points sorted into groups, by cluster or by a column: the groups are the legend, the colours of
 * the map, and what can be filtered by. Pure.
 */

import { cell } from "./model.js";
import { colourOf, DISTINCT, NOISE, OTHER, ramp } from "./palette.js";

/** The key that stands for "by cluster" beside the columns' names. */
export const BY_CLUSTER = "";

const BINS = 12;

/** The columns worth colouring and filtering by: not those of one value, nor one that is the id. */
export function groupable(model) {
  const isId = (column) => model.ids.every((id, row) => id === String(column.values[row]));
  return model.columns.filter(
    (column) =>
      (column.kind === "category" && column.values.length > 1) ||
      (column.kind === "number" && varies(column.values) && !isId(column)),
  );
}

function varies(values) {
  const first = values.find((value) => !Number.isNaN(value));
  return values.some((value) => !Number.isNaN(value) && value !== first);
}

/**
 * Group all points: `{ by, title, groups: [{ key, label, colour, count, number? }], of }`, where
 * `of[row]` is the index of the row's group. Null for a column that does not exist.
 */
export function groupPoints(model, by) {
  if (by === BY_CLUSTER) return byCluster(model);
  const column = model.columns.find(({ name }) => name === by);
  if (!column || column.kind === "text") return null;
  return column.kind === "number" ? byNumber(column, model.count) : byCategory(column, model.count);
}

function byCluster(model) {
  const groups = model.clusters.map((cluster, index) => ({
    key: String(cluster.number),
    label: cluster.name,
    colour: colourOf(cluster.number),
    cluster: index,
  }));
  groups.push({ key: "-1", label: "Unclustered", colour: NOISE });
  return finish(BY_CLUSTER, "Clusters", groups, model.clusterOf);
}

function byCategory(column, count) {
  const groups = column.values.map((value, index) => ({
    key: `=${value}`,
    label: value,
    colour: index < DISTINCT ? colourOf(index) : OTHER,
  }));
  groups.push({ key: "", label: "(empty)", colour: NOISE });
  return finish(column.name, column.name, groups, column.codes.subarray(0, count));
}

function byNumber(column, count) {
  const distinct = [...new Set(column.values)]
    .filter((value) => !Number.isNaN(value))
    .sort((a, b) => a - b);
  const edges = distinct.length <= BINS ? distinct : equalEdges(distinct);
  const binned = edges !== distinct;
  const groups = (binned ? edges.slice(0, -1) : edges).map((edge, index, all) => ({
    key: `=${edge}`,
    label: binned ? `${short(edge)} to ${short(edges[index + 1])}` : String(edge),
    colour: ramp(all.length > 1 ? index / (all.length - 1) : 0),
  }));
  const empty = groups.length;
  groups.push({ key: "", label: "(empty)", colour: NOISE });
  const of = new Uint16Array(count);
  for (let row = 0; row < count; row += 1) {
    const value = cell(column, row);
    of[row] = value === null ? empty : lastAtMost(edges, value, empty - 1);
  }
  return finish(column.name, column.name, groups, of);
}

function equalEdges(distinct) {
  const [low, high] = [distinct[0], distinct[distinct.length - 1]];
  return Array.from({ length: BINS + 1 }, (_, i) => low + ((high - low) * i) / BINS);
}

function lastAtMost(edges, value, last) {
  let index = 0;
  while (index < last && edges[index + 1] <= value) index += 1;
  return index;
}

function short(value) {
  return Number(value.toPrecision(4)).toLocaleString("en", {
    maximumSignificantDigits: 4,
    useGrouping: false,
  });
}

/** Count, and drop the last group (noise, empty) when nothing is in it. */
function finish(by, title, groups, of) {
  for (const group of groups) group.count = 0;
  for (const index of of) groups[index].count += 1;
  if (groups[groups.length - 1].count === 0) groups.pop();
  return { by, title, groups, of };
}
