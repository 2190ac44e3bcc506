/** What sets a group of points apart. Pure. */

/**
 * Column values that are over-represented among `rows`: `[{ column, value, lift, share }]`, the
 * most telling first. `lift` is the value's share here over its share everywhere. Chance is ruled
 * out by the z-score of the log odds against all other points, smoothed by half a count (Monroe,
 * Colaresi, Quinn 2008); ranked by count times log lift, the value's part in the divergence.
 */
export function overRepresented(columns, rows, limit) {
  const found = [];
  for (const column of columns) {
    if (column.kind !== "category") continue;
    const all = tally(column, null);
    const here = tally(column, rows);
    const total = column.codes.length;
    here.forEach((count, code) => {
      if (code >= column.values.length || count < 3 || count < rows.length * 0.05) return;
      const lift = count / rows.length / (all[code] / total);
      const z = logOddsZ(count, rows.length, all[code] - count, total - rows.length);
      if (lift >= 1.2 && z >= 3) {
        found.push({
          column: column.name,
          value: column.values[code],
          lift,
          share: count / rows.length,
        });
      }
    });
  }
  const weight = ({ share, lift }) => share * Math.log(lift);
  return found.sort((a, b) => weight(b) - weight(a)).slice(0, limit);
}

function tally(column, rows) {
  const counts = new Array(column.values.length + 1).fill(0);
  if (rows) for (const row of rows) counts[column.codes[row]] += 1;
  else for (const code of column.codes) counts[code] += 1;
  return counts;
}

function logOddsZ(hereHits, hereAll, restHits, restAll) {
  const cells = [hereHits, hereAll - hereHits, restHits, restAll - restHits].map((x) => x + 0.5);
  const logOdds = Math.log((cells[0] * cells[3]) / (cells[1] * cells[2]));
  return logOdds / Math.sqrt(cells.reduce((sum, x) => sum + 1 / x, 0));
}
