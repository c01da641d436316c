// New events on top of the list, as the server renders them; at most MOST lines stay.
const MOST = 300;

export function startStream(list, { pause, state }) {
  let isPaused = false;
  let waiting = []; // what came while paused
  let missed = 0;

  const show = (news) => {
    document.getElementById("nothing")?.remove();
    if (news.is_cut) list.replaceChildren();
    list.insertAdjacentHTML("afterbegin", news.rows);
    while (list.rows.length > MOST) list.lastElementChild.remove();
  };
  const tell = () => {
    if (isPaused) state.textContent = missed ? `Paused · ${missed} new` : "Paused";
    else state.textContent = "Live";
  };

  const source = new EventSource(list.dataset.stream);
  source.addEventListener("open", tell);
  source.addEventListener("error", () => {
    state.textContent = "Not connected · trying again";
  });
  source.addEventListener("message", (message) => {
    const news = JSON.parse(message.data);
    document.getElementById("good").textContent = news.good;
    document.getElementById("failed").textContent = news.failed;
    if (!news.count) return;
    if (!isPaused) {
      show(news);
      return;
    }
    missed += news.count;
    waiting = [...waiting, news].slice(-3); // of at most a hundred events each
    tell();
  });

  pause.hidden = false;
  pause.addEventListener("click", () => {
    isPaused = !isPaused;
    pause.textContent = isPaused ? "Go on" : "Pause";
    pause.setAttribute("aria-pressed", String(isPaused));
    if (!isPaused) {
      for (const news of waiting) show(news);
      waiting = [];
      missed = 0;
    }
    tell();
  });
  window.addEventListener("pagehide", () => source.close());
}
