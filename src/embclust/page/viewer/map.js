/** The map: Plotly's 3D scene, turned freely or seen from above. */

/* global Plotly */
import { defaultCamera, fromPlotly, toPlotly } from "./camera.js";
import { h } from "./dom.js";
import { multiply } from "./projection.js";

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
 * Make the map in `host`; all points of the 3D layout lie within `radius`. `onCamera(dims, camera)` hears of every move the user made.
 * Returns { draw, setCamera, camera, matrix, size, restore }.
 */
export function createMap(host, radius, onCamera) {
  const plot = h("div", { class: "plot" });
  host.prepend(plot);
  const cameras = {};
  let dims = 3;
  let wired = false;

  const size = () => ({ width: host.clientWidth || 1, height: host.clientHeight || 1 });
  const camera = () => cameras[dims] ?? defaultCamera(dims, size().width / size().height, radius);

  async function draw(traces, nextDims) {
    dims = nextDims;
    await Plotly.react(plot, traces, sceneLayout(dims, camera(), size()), CONFIG);
    if (wired) return;
    wired = true;
    const moved = (event) => {
      const next = event["scene.camera"];
      if (!next || dims === 2) return;
      cameras[3] = fromPlotly(next);
      onCamera(3, cameras[3]);
    };
    plot.on("plotly_relayout", moved);
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
    const scene = plot._fullLayout?.scene?._scene;
    const drawn = scene?.glplot?.cameraParams;
    if (!drawn?.projection || !scene.dataScale) return null;
    const scale = new Float64Array(16);
    for (let axis = 0; axis < 3; axis += 1) scale[axis * 5] = scene.dataScale[axis];
    scale[15] = 1;
    const model = multiply(drawn.model, scale);
    return multiply(drawn.projection, multiply(drawn.view, model));
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
