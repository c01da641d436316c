// New events on top of the list, as the server renders them; at most MOST lines stay. What came
// before a restart or a reset is gone: the server says so, and the list is emptied.
const MOST = 300;
const RETRY_MS = 2000;

export function startStream(list, { pause, state }) {
  const nothing = document.getElementById("nothing");
  let isPaused = false;
  let waiting = []; // what came while paused
  let missed = 0;

  const show = (news) => {
    nothing.hidden = true;
    if (news.is_cut) list.replaceChildren();
    list.insertAdjacentHTML("afterbegin", news.rows);
    while (list.rows.length > MOST) list.lastElementChild.remove();
  };
  const empty = () => {
    list.replaceChildren();
    nothing.hidden = false;
    waiting = [];
    missed = 0;
    tell();
  };
  const hold = (news) => {
    missed += news.count;
    waiting.push(news);
    // What would not stay in the list need not wait for it.
    let held = waiting.reduce((sum, one) => sum + one.count, 0);
    while (held - waiting[0].count >= MOST) held -= waiting.shift().count;
    tell();
  };
  const tell = () => {
    if (isPaused) state.textContent = missed ? `Paused · ${missed} new` : "Paused";
    else state.textContent = "Live";
  };

  let source;
  let last = ""; // the number that the latest message ended with
  const connect = () => {
    const address = new URL(list.dataset.stream, location.href);
    if (last) address.searchParams.set("after", last);
    source = new EventSource(address);
    source.addEventListener("open", tell);
    source.addEventListener("error", () => {
      state.textContent = "Not connected · trying again";
      // By itself the browser tries again where nobody answers, but not where the answer is a
      // refusal: too many pages are open, or the pipeline is starting.
      if (source.readyState === EventSource.CLOSED) setTimeout(connect, RETRY_MS);
    });
    source.addEventListener("message", (message) => {
      last = message.lastEventId;
      const news = JSON.parse(message.data);
      document.getElementById("good").textContent = news.good;
      document.getElementById("failed").textContent = news.failed;
      if (news.is_emptied) empty();
      if (!news.count) return;
      if (isPaused) hold(news);
      else show(news);
    });
  };
  connect();

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
