/** Full-text search over the rows. Pure. */

import { cell } from "./model.js";

/** Lower case without accents, so that "ete" finds "Été". */
export function fold(text) {
  // Most text is ASCII, and normalising it is most of the work of indexing 100,000 rows.
  if (/^\p{ASCII}*$/u.test(text)) return text.toLowerCase();
  return text
    .normalize("NFKD")
    .replace(/\p{M}+/gu, "")
    .toLowerCase();
}

/** One folded text per row: its id, its cluster-independent text fields, and no numbers. */
export function searchIndex(model) {
  const chosen = model.columns.filter(({ name }) => model.textFields.includes(name));
  const columns = chosen.length ? chosen : model.columns.filter(({ kind }) => kind !== "number");
  const read = columns.map(foldedCell);
  return model.ids.map((id, row) => {
    let text = fold(id);
    for (const folded of read) text += `\n${folded(row)}`;
    return text;
  });
}

/** From a row to its folded cell; the values of a category are folded once. */
function foldedCell(column) {
  if (column.kind !== "category") return (row) => fold(String(cell(column, row) ?? ""));
  const values = [...column.values.map(fold), ""];
  return (row) => values[column.codes[row]];
}

/** Rows whose text holds every word of the query; null when the query has no word. */
export function search(index, query) {
  const words = fold(query).split(/\s+/).filter(Boolean);
  if (!words.length) return null;
  const hits = [];
  for (let row = 0; row < index.length; row += 1) {
    if (words.every((word) => index[row].includes(word))) hits.push(row);
  }
  return hits;
}
