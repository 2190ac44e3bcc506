/** CSV that spreadsheets open without running anything. Pure. */

import { cell, clusterName } from "./model.js";

/**
 * One cell. Text that a spreadsheet would take for a formula gets a leading apostrophe (OWASP,
 * "CSV injection"); numbers stay numbers.
 */
export function csvCell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: spreadsheets skip a NUL before "=".
  const text = /^[\s\u0000]*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20]|^[\t\r\n]/u.test(value)
    ? `'${value}`
    : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** The rows as CSV: id, cluster, name and every column (RFC 4180, with a byte order mark). */
export function toCsv(model, rows) {
  const header = ["id", "cluster", "cluster_name", ...model.columns.map(({ name }) => name)];
  const lines = [header.map(csvCell).join(",")];
  for (const row of rows) {
    const number = model.clusters[model.clusterOf[row]]?.number ?? -1;
    const cells = model.columns.map((column) => cell(column, row));
    lines.push([model.ids[row], number, clusterName(model, row), ...cells].map(csvCell).join(","));
  }
  // Without the mark, Excel takes UTF-8 for the system's own encoding.
  return `\uFEFF${lines.join("\r\n")}\r\n`;
}
