/** Colours. Pure. */

/**
 * The first six are Okabe and Ito's and the next two Tol's; the others were picked one by one from
 * a grid over sRGB, each as far as possible (in OKLab) from all before it and from grey, the
 * nearest of three views counting: normal vision, deuteranopia and protanopia (Machado, Oliveira,
 * Fernandes 2009). Lightness is kept to what reads on light and dark.
 */
const BASE = Object.freeze([
  "#0072b2",
  "#e69f00",
  "#009e73",
  "#cc79a7",
  "#d55e00",
  "#56b4e9",
  "#882255",
  "#999933",
  "#4a3aa7",
  "#695a00",
  "#5ad296",
  "#8778f0",
  "#b43c96",
  "#693ca5",
  "#a54b4b",
  "#007869",
  "#f087e1",
  "#c3c369",
  "#5a5ad2",
  "#ff6987",
  "#a5784b",
  "#e1a5c3",
  "#5a87c3",
  "#784b78",
]);

export const NOISE = "#a8a8a8";
export const OTHER = "#b9b0a6";

/** The same number has the same colour on every page; the first 24 are picked to stay apart. */
export function colourOf(number) {
  return number < BASE.length ? BASE[number] : generated(number - BASE.length);
}

/** How many colours `colourOf` keeps well apart. */
export const DISTINCT = BASE.length;

/** Hues a golden angle apart, in three lightnesses. */
function generated(index) {
  const hue = (index * 137.508 + 20) % 360;
  return oklch([0.6, 0.74, 0.5][index % 3], 0.13, hue);
}

const RAMP = Object.freeze(["#3b3486", "#31688e", "#21918c", "#52b95e", "#b5cf2c", "#f2c12e"]);

/** A colour for a fraction from 0 to 1: dark to light, in the manner of viridis. */
export function ramp(fraction) {
  const place = Math.min(1, Math.max(0, fraction)) * (RAMP.length - 1);
  const index = Math.min(RAMP.length - 2, Math.floor(place));
  const [from, to] = [channels(RAMP[index]), channels(RAMP[index + 1])];
  return hex(from.map((value, i) => value + (to[i] - value) * (place - index)));
}

/** [red, green, blue], 0 to 255, of "#rrggbb". */
export function channels(colour) {
  return [1, 3, 5].map((start) => Number.parseInt(colour.slice(start, start + 2), 16));
}

function hex(values) {
  const byte = (value) => Math.round(Math.min(255, Math.max(0, value)));
  return `#${values.map((value) => byte(value).toString(16).padStart(2, "0")).join("")}`;
}

/** OKLCH to "#rrggbb" (Björn Ottosson's matrices), clipped to sRGB. */
function oklch(lightness, chroma, hue) {
  const a = chroma * Math.cos((hue * Math.PI) / 180);
  const b = chroma * Math.sin((hue * Math.PI) / 180);
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const linear = [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
  return hex(
    linear.map(
      (value) =>
        255 *
        (value <= 0.0031308 ? 12.92 * value : 1.055 * Math.max(0, value) ** (1 / 2.4) - 0.055),
    ),
  );
}
