// The page works without scripts; they add what comes while it is open, keys and the theme.
import { startStream } from "./stream.js";
import { startKeys } from "./keys.js";
import { startTheme } from "./theme.js";

startTheme(document.getElementById("theme"));
startKeys(document);
const events = document.getElementById("events");
if (events?.dataset.stream) {
  startStream(events, {
    pause: document.getElementById("pause"),
    state: document.getElementById("state"),
  });
}
