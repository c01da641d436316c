// j and k walk through the list, / searches, Esc leaves the search or goes back; Enter is the link's own.
// The letters can be switched off: who speaks to the computer says letters without meaning keys.
import { keep, read } from "./kept.js";

const KEY = "whiteout-keys";
const isTyping = (element) => element?.matches("input, select, textarea") ?? false;

function step(document, by) {
  const links = [...document.querySelectorAll("#events .type a, #sessions td.value a")];
  if (!links.length) return;
  const at = links.indexOf(document.activeElement);
  const next = at < 0 ? 0 : Math.min(Math.max(at + by, 0), links.length - 1);
  links[next].focus();
  links[next].scrollIntoView({ block: "nearest" });
}

function escape(document) {
  const active = document.activeElement;
  if (isTyping(active) || active?.matches("a, button")) {
    active.blur();
    return;
  }
  const back = document.querySelector("[data-back]");
  if (back) back.click();
}

function startSwitch(help) {
  const button = help.querySelector("button");
  let isOn = read(KEY) !== "off";
  const tell = () => {
    button.textContent = isOn ? "Switch keys off" : "Switch keys on";
    help.classList.toggle("off", !isOn);
  };
  button.addEventListener("click", () => {
    isOn = !isOn;
    keep(KEY, isOn ? "on" : "off");
    tell();
  });
  help.hidden = false;
  tell();
  return () => isOn;
}

export function startKeys(document) {
  const isOn = startSwitch(document.getElementById("keys"));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") {
      escape(document);
      return;
    }
    if (isTyping(event.target) || !isOn()) return;
    if (event.key === "/") {
      const search = document.getElementById("search");
      if (!search) return;
      event.preventDefault();
      search.focus();
      search.select();
    } else if (event.key === "j") {
      step(document, 1);
    } else if (event.key === "k") {
      step(document, -1);
    }
  });
}
