// @ts-check
// Elements without a framework.

/**
 * Makes an element. Props: `class`, `data` (dataset), `on` (listeners), everything else is an
 * attribute (`true` sets it empty, `false` and `null` leave it out).
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, any> | null} [props]
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "on") for (const [type, listener] of Object.entries(value)) element.addEventListener(type, listener);
    else if (key === "data") Object.assign(element.dataset, value);
    else element.setAttribute(key, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Finds an element that the page's HTML holds. @param {string} id @returns {HTMLElement} */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page lacks #${id}`);
  return element;
}

const probe = document.createElement("i");
/** Returns a colour token as a canvas understands it, for the theme in use. @param {string} token */
export function colourOf(token) {
  if (!probe.isConnected) document.documentElement.append(probe);
  probe.hidden = true;
  probe.style.color = `var(--${token})`;
  return getComputedStyle(probe).color;
}

/** Makes an icon from the path data of a 24 x 24 drawing. @param {string} path */
export function icon(path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("fill", "none");
  svg.setAttribute("stroke", "currentColor");
  svg.setAttribute("stroke-width", "1.6");
  svg.setAttribute("aria-hidden", "true");
  const shape = document.createElementNS("http://www.w3.org/2000/svg", "path");
  shape.setAttribute("d", path);
  svg.append(shape);
  return svg;
}

/** @param {string} label @param {() => void} run @param {Record<string, any>} [props] */
export function button(label, run, props) {
  return h("button", { type: "button", class: "button", ...props, on: { click: run } }, label);
}

/**
 * Makes a row of buttons of which one is chosen.
 * @template {string} V
 * @param {string} name @param {[V, string][]} options @param {V} value @param {(value: V) => void} choose
 */
export function segmented(name, options, value, choose) {
  const buttons = options.map(([option, label]) => button(label, () => { set(option); choose(option); }, { class: "button small" }));
  /** @param {V} chosen */
  function set(chosen) {
    options.forEach(([option], i) => buttons[i].setAttribute("aria-pressed", String(option === chosen)));
  }
  set(value);
  return { root: h("div", { class: "segmented", role: "group", "aria-label": name }, ...buttons), set };
}

/** @param {string} label @param {boolean} on @param {(on: boolean) => void} choose */
export function check(label, on, choose) {
  const input = h("input", { type: "checkbox", on: { change: () => choose(input.checked) } });
  input.checked = on;
  return { root: h("label", { class: "check" }, input, label), input };
}

/**
 * Makes a labelled slider with its value shown; the slider runs over the given steps.
 * @param {string} label @param {number[]} steps @param {number} value @param {(value: number) => void} choose
 */
export function slider(label, steps, value, choose) {
  const input = h("input", { type: "range", min: 0, max: steps.length - 1, step: 1, "aria-label": label });
  const output = h("output");
  /** @param {number} wanted */
  function set(wanted) {
    const nearest = steps.reduce((best, step, i) => (Math.abs(step - wanted) < Math.abs(steps[best] - wanted) ? i : best), 0);
    input.value = String(nearest);
    show();
  }
  function show() {
    output.value = String(steps[Number(input.value)]);
    input.setAttribute("aria-valuetext", output.value);
  }
  input.addEventListener("input", () => { show(); choose(steps[Number(input.value)]); });
  set(value);
  return { root: h("div", { class: "field" }, h("span", null, label), output, input), input, set };
}

/** Makes a foldable part of the inspector. @param {string} title @param {...(Node | string)} children */
export function group(title, ...children) {
  const inside = h("div", { class: "inside" }, ...children);
  return { root: h("details", { class: "group", open: true }, h("summary", null, title), inside), inside };
}

/** Makes a table. Cells that are numbers are set in columns of digits.
 *  @param {string} caption @param {string[]} columns @param {(string | number | Node)[][]} rows @param {(value: number, column: number) => string} [format] */
export function table(caption, columns, rows, format = String) {
  return h("table", { "aria-label": caption },
    h("thead", null, h("tr", null, ...columns.map((name, i) => h("th", { scope: "col", class: typeof rows[0]?.[i] === "number" ? "number" : null }, name)))),
    h("tbody", null, ...rows.map((row) => h("tr", null, ...row.map((cell, i) =>
      typeof cell === "number" ? h("td", { class: "number" }, format(cell, i)) : h("td", null, cell))))));
}

/** @param {[string, string | Node | null | undefined][]} entries */
export function facts(entries) {
  return h("dl", { class: "facts" }, ...entries.filter(([, value]) => value !== null && value !== undefined)
    .flatMap(([name, value]) => [h("dt", null, name), h("dd", null, /** @type {string | Node} */ (value))]));
}
