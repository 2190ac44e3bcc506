/** The map: Plotly's 3D scene, turned freely or seen from above. */

import { defaultCamera, fromPlotly, toPlotly } from "./camera.js";
import { h } from "./dom.js";
import { createPointsLayer, toClip } from "./points-layer.js";

/** No upload to Plotly's cloud, no logo, no button bar: the page has its own controls. */
const CONFIG = Object.freeze({
  displayModeBar: false,
  displaylogo: false,
  showSendToCloud: false,
  plotlyServerURL: "",
  showLink: false,
  showTips: false,
  doubleClick: false,
  scrollZoom: true,
});

const SPAN = 1.02;

/** Plotly sets a scene up only for a trace: this one holds its place, outside of what is shown. */
const PLACEHOLDER = Object.freeze({
  type: "scatter3d",
  mode: "markers",
  x: [9],
  y: [9],
  z: [9],
  hoverinfo: "skip",
  marker: { size: 1 },
});

/** Whether the browser can draw the map at all. */
export function hasWebGL() {
  try {
    const canvas = document.createElement("canvas");
    const context = canvas.getContext("webgl2") ?? canvas.getContext("webgl");
    context?.getExtension("WEBGL_lose_context")?.loseContext();
    return context !== null;
  } catch {
    return false;
  }
}

/**
 * Make the map in `host`; `reach` says how far the points lie from the middle (see camera.js), and
 * `onCamera(dims, camera)` hears of every move the user made, `onLost()` when the browser took the
 * graphics away, as it does after a driver's restart or with too many maps open.
 * Returns { draw, setCamera, camera, matrix, size, restore }.
 */
export function createMap(host, reach, onCamera, onLost) {
  const plot = h("div", { class: "plot" });
  host.prepend(plot);
  const cameras = {};
  let dims = 3;
  let wired = false;
  let layer = null;
  let drawnIn = null;

  const size = () => ({ width: host.clientWidth || 1, height: host.clientHeight || 1 });
  const camera = () => cameras[dims] ?? defaultCamera(dims, size(), reach);

  const scene = () => plot._fullLayout?.scene?._scene;

  /** Draw a view (see points-layer.js) in so many dimensions. */
  async function draw(view, nextDims) {
    const other = nextDims !== dims;
    dims = nextDims;
    if (!wired) await setUp();
    else if (other) await Plotly.relayout(plot, sceneLayout(dims, camera(), size()));
    const { glplot, dataScale } = scene();
    // Plotly makes a new WebGL scene when it must, and the layer goes with the old one.
    if (drawnIn !== glplot) {
      drawnIn = glplot;
      layer = createPointsLayer(glplot, dataScale);
    }
    layer.paint({ ...view, flat: dims === 2 });
  }

  async function setUp() {
    await Plotly.newPlot(plot, [PLACEHOLDER], sceneLayout(dims, camera(), size()), CONFIG);
    wired = true;
    plot.on("plotly_webglcontextlost", onLost);
    plot.on("plotly_relayout", (event) => {
      const next = event["scene.camera"];
      if (!next || dims === 2) return;
      cameras[3] = fromPlotly(next);
      onCamera(3, cameras[3]);
    });
    new ResizeObserver(() => Plotly.relayout(plot, size())).observe(host);
  }

  /** Move the camera of the shown dimension; null brings the default back. */
  function setCamera(next) {
    if (next) cameras[dims] = next;
    else delete cameras[dims];
    if (wired) Plotly.relayout(plot, { "scene.camera": toPlotly(camera()) });
    onCamera(dims, next);
  }

  /**
   * The matrix from the map's coordinates to clip space as last drawn, or null before that.
   * Plotly has no public way to ask; a browser test checks that these fields still exist.
   */
  function matrix() {
    const drawn = scene()?.glplot?.cameraParams;
    if (!drawn?.projection || !scene().dataScale) return null;
    return toClip(drawn, scene().dataScale);
  }

  /** Take cameras over, by dimension; they are used at the next drawing. */
  function restore(taken) {
    for (const known of Object.keys(cameras)) delete cameras[known];
    Object.assign(cameras, taken);
  }

  return { draw, setCamera, camera, matrix, size, restore };
}

function sceneLayout(dims, camera, { width, height }) {
  // A fixed range and a ratio as long as the range: scene coordinates are the map's coordinates,
  // and filtering moves nothing.
  const axis = {
    visible: false,
    showspikes: false,
    autorange: false,
    range: [-SPAN, SPAN],
  };
  return {
    width,
    height,
    margin: { l: 0, r: 0, t: 0, b: 0 },
    paper_bgcolor: "rgba(0,0,0,0)",
    showlegend: false,
    hovermode: false,
    scene: {
      xaxis: axis,
      yaxis: axis,
      zaxis: axis,
      bgcolor: "rgba(0,0,0,0)",
      aspectmode: "manual",
      aspectratio: { x: 2 * SPAN, y: 2 * SPAN, z: 2 * SPAN },
      dragmode: dims === 3 ? "turntable" : false,
      hovermode: false,
      camera: toPlotly(camera),
    },
  };
}
