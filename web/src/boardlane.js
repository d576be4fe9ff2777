// @ts-check
// A lane of the time line: what the board said of the recording, above what this page says.
import { colourOf, h } from "./ui/dom.js";
import { clock, count, integer } from "./ui/format.js";
import { beforeFrame, pixelRatio } from "./ui/plot.js";

/** @typedef {import("./lab.js").Followed} Followed */

const COLORS = /** @type {const} */ (["accent", "dense", "ok", "warning", "error", "secondary"]);
/** A pointer further from a classification than this means none. */
const NEAR_PX = 6;

/** The colour of a class, the same wherever classes are drawn. @param {number} index */
export const classColour = (index) => COLORS[index % COLORS.length];

/** @param {Followed} one @param {(index: number) => string} nameOf @returns {string} */
export const sentence = (one, nameOf) => `${clock(one.timeMicros / 1e6)}: the board says ${nameOf(one.class)}, this page says ${nameOf(one.ourClass)}; ${one.isIdentical ? "every bit of every logit is the same" : "their logits DIFFER"}`;

/** @param {HTMLElement} track @param {HTMLElement} captions @param {import("./main.js").Ctx} ctx */
export function mountBoardLane(track, captions, { store, player, signal }) {
  const canvas = h("canvas");
  const lane = h("div", { class: "line-board", role: "img", hidden: true, id: "board-lane" }, canvas);
  // What was said keeps its source, also when the board is gone.
  const caption = h("span", { class: "badge" });
  track.append(lane);
  const nameOf = (/** @type {number} */ index) => store.state.blob?.classNames[index] ?? `class ${index}`;

  function draw() {
    const { answers, source } = store.state.played;
    lane.hidden = answers.length === 0;
    track.classList.toggle("has-board", !lane.hidden);
    if (lane.hidden) return caption.remove();
    if (!caption.isConnected) captions.prepend(caption);
    caption.textContent = source;
    caption.dataset.source = source.split(" ", 1)[0];
    lane.setAttribute("aria-label", about(answers, source));
    const context = canvas.getContext("2d");
    const ratio = pixelRatio();
    const width = (canvas.width = Math.round(lane.clientWidth * ratio));
    const height = (canvas.height = Math.round(lane.clientHeight * ratio));
    const span = player.span() * 1e6;
    if (!context || width === 0 || span <= 0) return;
    const border = Math.round(height * 0.65);
    context.textBaseline = "middle";
    context.font = `${Math.round(9 * ratio)}px sans-serif`;
    for (const which of /** @type {const} */ (["class", "ourClass"])) {
      const [top, tall] = which === "class" ? [0, border - ratio] : [border, height - border];
      for (const { from, to, index } of runs(answers, which)) {
        const left = (from / span) * width;
        const wide = Math.max(2 * ratio, ((to - from) / span) * width);
        context.fillStyle = colourOf(classColour(index));
        context.fillRect(left, top, wide, tall);
        const name = nameOf(index);
        if (which === "ourClass" || context.measureText(name).width + 6 * ratio > wide) continue;
        context.fillStyle = colourOf("panel");
        context.fillText(name, left + 3 * ratio, top + tall / 2 + ratio / 2);
      }
    }
    context.fillStyle = colourOf("text");
    for (const one of answers) if (!one.isIdentical) context.fillRect((one.timeMicros / span) * width - ratio, 0, 2 * ratio, height);
  }

  /** @param {Followed[]} answers @param {string} source */
  function about(answers, source) {
    /** @type {Map<number, number>} */
    const each = new Map();
    for (const { class: index } of answers) each.set(index, (each.get(index) ?? 0) + 1);
    const same = answers.filter(({ isIdentical }) => isIdentical).length;
    const classes = [...each].sort(([a], [b]) => a - b).map(([index, times]) => `${nameOf(index)} ${integer(times)} times`);
    return `${source}: ${count(answers.length, "classification")}, ${classes.join(", ")}; ${integer(same)} of them the same as this page's, bit for bit`;
  }

  store.watch(["played", "times", "dark", "blob", "loads"], () => beforeFrame(draw), signal);
  const sizes = new ResizeObserver(() => beforeFrame(draw));
  sizes.observe(lane);
  signal.addEventListener("abort", () => sizes.disconnect(), { once: true });
  track.addEventListener("pointermove", ({ clientX }) => {
    const box = lane.getBoundingClientRect();
    const { answers } = store.state.played;
    const micros = ((clientX - box.left) / box.width) * player.span() * 1e6;
    const near = (NEAR_PX / Math.max(1, box.width)) * player.span() * 1e6;
    const one = answers.find(({ timeMicros, sinceMicros }) => micros >= sinceMicros - near && micros <= timeMicros + near);
    track.title = one ? `${sentence(one, nameOf)} (${store.state.played.source})` : "";
  }, { signal });
}

/** Neighbours of one class in one piece. @param {Followed[]} answers @param {"class" | "ourClass"} which */
function runs(answers, which) {
  /** @type {{from: number, to: number, index: number}[]} */
  const all = [];
  for (const one of answers) {
    const last = all.at(-1);
    if (last && last.index === one[which] && last.to === one.sinceMicros) last.to = one.timeMicros;
    else all.push({ from: one.sinceMicros, to: one.timeMicros, index: one[which] });
  }
  return all;
}
