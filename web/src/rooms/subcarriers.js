// @ts-check
// The subcarrier map: which number of a frame is which subcarrier, what it is good for, and a
// mask that can be changed by hand.
import { button, colourOf, h } from "../ui/dom.js";
import { signed } from "../ui/format.js";
import { pixelRatio } from "../ui/plot.js";

const ROLE = /** @type {Record<string, string>} */ ({ data: "data", pilot: "pilot", null: "null", dc: "middle (DC)", garbage: "not measured" });

/**
 * @param {HTMLElement} root @param {import("../main.js").Ctx} ctx
 * @param {() => import("../lab.js").Subcarrier[]} list
 * @returns {() => void} draws the map anew
 */
export function mountSubcarrierMap(root, { lab, store, signal, fail, journal }, list) {
  const canvas = h("canvas", { "aria-hidden": "true" });
  const slider = h("div", { role: "slider", tabindex: 0, "aria-label": "Subcarrier: arrows choose, Enter uses or leaves it out", "aria-valuemin": 0, "aria-valuemax": 0, "aria-valuenow": 0 });
  const text = h("p", null);
  const rule = h("p", { class: "rule" });
  const automatic = button("Mask: automatic", () => void mask(null), { class: "button small quiet", hidden: true });
  const legend = ["data", "pilot", "null", "garbage"].map((role) => h("span", { class: "legend" }, h("i", { data: { role } }), ROLE[role]));
  root.className = "sub-map";
  const title = h("h3", null, "Subcarriers");
  root.append(h("header", null, title, text, h("span", { class: "spring" }), automatic, rule, ...legend), h("div", { class: "sub-strip" }, canvas, slider));

  /** @param {Uint16Array | null} pairs */
  async function mask(pairs) {
    try {
      const recording = await lab.setMask(pairs);
      automatic.hidden = pairs === null;
      store.update({ recording, pipeline: await lab.pipeline(), revision: store.state.revision + 1 });
      journal.add("info", pairs ? `mask: ${pairs.length} subcarriers are used` : "mask: automatic");
    } catch (error) { fail(error); }
  }
  /** @param {number} pair */
  function toggle(pair) {
    const chosen = list().filter((s) => (s.pair === pair ? !s.useful : s.useful));
    chosen.sort((a, b) => (a.k ?? a.pair) - (b.k ?? b.pair));
    if (chosen.length > 0) void mask(Uint16Array.from(chosen, (s) => s.pair));
  }

  function draw() {
    const subcarriers = list();
    const { pair, recording } = store.state;
    const s = subcarriers[pair];
    const context = canvas.getContext("2d");
    if (!recording || !s || !context || canvas.clientWidth === 0) return;
    const used = subcarriers.filter((each) => each.useful).length;
    const features = recording.order === "features";
    title.textContent = features ? "Features" : "Subcarriers";
    const field = s.field === "none" ? "" : `, ${s.field.toUpperCase()}`;
    const name = s.k === null ? `${features ? "feature" : "position"} ${s.pair}` : `${signed(s.k)}, position ${s.pair}${field}`;
    text.textContent = `${used} of ${subcarriers.length} used · chosen: ${name}, ${features ? "" : `${ROLE[s.role] ?? s.role}, `}${s.useful ? "used" : "left out"}`;
    legend.forEach((each) => { each.hidden = features; });
    text.title = text.textContent;
    rule.textContent = features ? "computed on the node" : `order: ${recording.order}, ${recording.orderDecidedBy}`;
    rule.title = rule.textContent;
    slider.setAttribute("aria-valuemax", String(subcarriers.length - 1));
    slider.setAttribute("aria-valuenow", String(pair));
    slider.setAttribute("aria-valuetext", text.textContent);
    paint(context, subcarriers, pair);
  }

  /** @param {CanvasRenderingContext2D} context @param {import("../lab.js").Subcarrier[]} subcarriers @param {number} pair */
  function paint(context, subcarriers, pair) {
    const ratio = pixelRatio();
    const width = (canvas.width = Math.round(canvas.clientWidth * ratio));
    const height = (canvas.height = Math.round(canvas.clientHeight * ratio));
    const [text, ok, accent, error, hairline] = ["text", "ok", "accent", "error", "hairline"].map(colourOf);
    const colours = { text, ok, accent, error, hairline };
    const step = width / subcarriers.length;
    const inner = Math.max(1, step - (step > 4 ? ratio : 0));
    subcarriers.forEach(({ role, useful }, i) => {
      const x = i * step;
      const top = 4 * ratio;
      const tall = height - 8 * ratio;
      context.globalAlpha = 1;
      if (role === "data" || role === "pilot") {
        context.fillStyle = role === "pilot" ? colours.ok : colours.accent;
        context.globalAlpha = useful ? 1 : 0.25;
        context.fillRect(x, useful ? top : top + tall * 0.6, inner, useful ? tall : tall * 0.4);
      } else if (role === "garbage") {
        context.fillStyle = colours.error;
        context.globalAlpha = useful ? 1 : 0.55;
        for (let y = top; y < top + tall; y += 4 * ratio) context.fillRect(x, y, inner, 2 * ratio);
      } else {
        context.fillStyle = useful ? colours.accent : colours.hairline;
        context.fillRect(x, useful ? top : top + tall - 3 * ratio, inner, useful ? tall : 3 * ratio);
      }
      context.globalAlpha = 1;
      if (i > 0 && subcarriers[i].field !== subcarriers[i - 1].field) {
        context.fillStyle = colours.text;
        context.fillRect(x - ratio, 0, ratio, height);
      }
    });
    context.strokeStyle = colours.text;
    context.lineWidth = 1.5 * ratio;
    context.strokeRect(pair * step - ratio, ratio, inner + 2 * ratio, height - 2 * ratio);
  }

  slider.addEventListener("click", (event) => {
    const count = list().length;
    const pair = Math.min(count - 1, Math.floor((event.offsetX / slider.clientWidth) * count));
    // The first click chooses, a click on the chosen one changes the mask.
    if (pair === store.state.pair) toggle(pair);
    else store.update({ pair });
  }, { signal });
  slider.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
    if (step !== undefined) store.update({ pair: Math.max(0, Math.min(list().length - 1, store.state.pair + step)) });
    else if (event.key === "Enter") toggle(store.state.pair);
    else return;
    event.preventDefault();
  }, { signal });
  // Whatever is opened anew starts with the automatic mask.
  store.watch(["loads"], () => { automatic.hidden = true; }, signal);
  const sizes = new ResizeObserver(draw);
  sizes.observe(canvas);
  signal.addEventListener("abort", () => sizes.disconnect(), { once: true });
  return draw;
}
