// @ts-check
// Theme: as the system, light, or dark. Remembered in this browser only.

const KEY = "csi-lab.theme";
const NEXT = /** @type {const} */ ({ system: "light", light: "dark", dark: "system" });
const SIGN = { system: "◐", light: "○", dark: "●" };

/** Reads a remembered value; a browser that forbids storage remembers nothing. @param {string} key */
export function recall(key) {
  try { return localStorage.getItem(key); } catch { return null; }
}
/** @param {string} key @param {string} value */
export function remember(key, value) {
  try { localStorage.setItem(key, value); } catch { /* private mode: the choice lasts as long as the page */ }
}

/** @param {import("./store.js").Store} store @param {HTMLElement} button @param {AbortSignal} signal */
export function startTheme(store, button, signal) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const saved = recall(KEY);
  const apply = (/** @type {"system" | "light" | "dark"} */ theme) => {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.textContent = SIGN[theme];
    button.title = `Theme: ${theme}`;
    button.setAttribute("aria-label", `Theme: ${theme}`);
    store.update({ theme, dark: theme === "dark" || (theme === "system" && system.matches) });
  };
  const next = () => {
    const theme = NEXT[store.state.theme];
    remember(KEY, theme);
    apply(theme);
  };
  system.addEventListener("change", () => apply(store.state.theme), { signal });
  button.addEventListener("click", next, { signal });
  apply(saved === "light" || saved === "dark" ? saved : "system");
  return next;
}
