// @ts-check
// A plot whose cells are an image: axes on one canvas, the cells on a second one above it.
import { h } from "./dom.js";
import { beforeFrame, createPlot, pixelRatio, place } from "./plot.js";

/** @typedef {import("../lab.js").Raster} Raster */
/**
 * @typedef {object} RasterOptions
 * @property {import("../lab.js").Wasm} wasm
 * @property {() => Raster | null} raster
 * @property {() => {xLabel: string, yLabel: string, xMin: number, xMax: number, yMin: number, yMax: number, yTicksAt?: number[], yReversed?: boolean}} axes
 * @property {() => {map: "cividis" | "twilight" | "vik" | "magma", min: number, max: number, label: string, log?: boolean} | null} bar
 * @property {(context: CanvasRenderingContext2D, image: CanvasImageSource, raster: Raster) => void} [paint]  puts the image on the canvas; without it, it fills the canvas
 * @property {boolean} [square]
 */

/** Makes the image of a raster once; later drawings scale it. @returns {(raster: Raster) => HTMLCanvasElement} */
function imageMaker() {
  const image = document.createElement("canvas");
  /** @type {Raster | null} */
  let made = null;
  return (raster) => {
    if (raster !== made) {
      image.width = Math.max(1, raster.width);
      image.height = Math.max(1, raster.height);
      const pixels = new Uint8ClampedArray(raster.rgba);
      if (raster.width > 0 && raster.height > 0) image.getContext("2d")?.putImageData(new ImageData(pixels, raster.width, raster.height), 0, 0);
      made = raster;
    }
    return image;
  };
}

/**
 * @param {Omit<import("./plot.js").PlotOptions, "draw" | "empty"> & RasterOptions & {empty?: () => string | null}} options
 * @param {import("../main.js").Ctx} ctx
 */
export function createRasterPlot(options, ctx) {
  const { wasm } = options;
  const cells = h("canvas", { class: "raster", "aria-hidden": "true" });
  const imageOf = imageMaker();

  const plot = createPlot({
    ...options,
    empty: () => options.empty?.() ?? (options.raster() ? null : "Computing…"),
    draw(canvas, ratio, dark) {
      const area = wasm.drawAxes(canvas, ratio, dark, options.axes());
      place(cells, area);
      paint(ratio, area);
      if (options.square) makeSquare(area);
      drawBar();
      return area;
    },
  }, ctx);
  plot.canvas.after(cells);

  const barCanvas = h("canvas", { "aria-hidden": "true" });
  plot.root.append(h("div", { class: "colorbar" }, barCanvas));
  let barDrawn = "";
  function drawBar() {
    const spec = options.bar();
    const ratio = pixelRatio();
    const width = Math.round(barCanvas.clientWidth * ratio);
    const height = Math.round(barCanvas.clientHeight * ratio);
    const key = JSON.stringify([spec, width, height, ctx.store.state.dark]);
    if (!spec || width < 40 || key === barDrawn) return;
    barCanvas.width = width;
    barCanvas.height = height;
    wasm.colorBar(barCanvas, ratio, ctx.store.state.dark, spec);
    barDrawn = key;
  }

  /** @param {number} ratio @param {import("../lab.js").PlotArea} area */
  function paint(ratio, area) {
    const raster = options.raster();
    const context = cells.getContext("2d");
    if (!raster || !context) return;
    const width = Math.max(1, Math.round(area.width * ratio));
    const height = Math.max(1, Math.round(area.height * ratio));
    if (cells.width !== width) cells.width = width;
    if (cells.height !== height) cells.height = height;
    context.imageSmoothingEnabled = false;
    context.clearRect(0, 0, width, height);
    const image = imageOf(raster);
    if (options.paint) options.paint(context, image, raster);
    else context.drawImage(image, 0, 0, width, height);
  }

  /** Gives the body the height that makes the drawn part a square. @param {import("../lab.js").PlotArea} area */
  function makeSquare(area) {
    const body = plot.body;
    const height = Math.round(body.clientWidth - area.width + (area.width + (body.clientHeight - area.height) - (body.clientWidth - area.width)));
    if (Math.abs(height - body.clientHeight) > 1) {
      body.style.flex = "none";
      body.style.height = `${height}px`;
      beforeFrame(plot.redraw);
    }
  }
  return plot;
}
