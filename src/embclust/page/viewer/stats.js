/** What sets a group of points apart. Pure. */

/**
 * Values that are over-represented among `rows`: `[{ by, key, label, lift, share }]`, the most
 * telling first. `lift` is the value's share here over its share everywhere. Chance is ruled out by
 * the z-score of the log odds against all other points, smoothed by half a count (Monroe, Colaresi,
 * Quinn 2008); ranked by share times log lift, the value's part in the divergence. A value is a
 * group of one of the `groupings`; numbers come in their steps.
 */
export function overRepresented(groupings, rows, limit) {
  const found = [];
  for (const { by, groups, of } of groupings) {
    const here = new Uint32Array(groups.length);
    for (const row of rows) here[of[row]] += 1;
    groups.forEach(({ key, label, count: all }, index) => {
      const count = here[index];
      if (key === "" || count < 3 || count < rows.length * 0.05) return;
      const lift = count / rows.length / (all / of.length);
      const z = logOddsZ(count, rows.length, all - count, of.length - rows.length);
      if (lift >= 1.2 && z >= 3) found.push({ by, key, label, lift, share: count / rows.length });
    });
  }
  const weight = ({ share, lift }) => share * Math.log(lift);
  return found.sort((a, b) => weight(b) - weight(a)).slice(0, limit);
}

function logOddsZ(hereHits, hereAll, restHits, restAll) {
  const cells = [hereHits, hereAll - hereHits, restHits, restAll - restHits].map((x) => x + 0.5);
  const logOdds = Math.log((cells[0] * cells[3]) / (cells[1] * cells[2]));
  return logOdds / Math.sqrt(cells.reduce((sum, x) => sum + 1 / x, 0));
}
