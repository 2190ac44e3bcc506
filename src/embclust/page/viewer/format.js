/** Numbers as people read them. Pure. */

/** 1500 -> "1,500". */
export function number(value) {
  return value.toLocaleString("en");
}

/** 0.0312 -> "3.1 %", 0.31 -> "31 %". */
export function percent(share) {
  return `${(share * 100).toFixed(share > 0 && share < 0.0995 ? 1 : 0)} %`;
}
