// Dark or light: what the system says, until the button says otherwise. Kept in this browser.
import { keep, read } from "./kept.js";

const KEY = "whiteout-theme";

export function startTheme(button) {
  const root = document.documentElement;
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const theme = () => root.dataset.theme ?? (system.matches ? "dark" : "light");
  const label = () => {
    button.textContent = theme() === "dark" ? "Light" : "Dark";
  };

  const kept = read(KEY);
  if (kept === "dark" || kept === "light") root.dataset.theme = kept;
  system.addEventListener("change", label);
  button.addEventListener("click", () => {
    root.dataset.theme = theme() === "dark" ? "light" : "dark";
    keep(KEY, root.dataset.theme);
    label();
  });
  button.hidden = false;
  label();
}
