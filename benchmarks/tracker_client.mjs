// The JavaScript peer of tracker_client.py: the same event, the same lines of JSON.
//
//     node tracker_client.mjs MODE PORT CALLS
import { randomUUID } from "node:crypto";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(import.meta.url);
const { buildSelfDescribingEvent, newTracker } = require("@snowplow/node-tracker");
const { newInMemoryEventStore } = require("@snowplow/tracker-core");

const DEVICE = {
  osType: "android",
  osVersion: "15",
  deviceManufacturer: "Google",
  deviceModel: "Pixel 9",
  carrier: "Example Mobile",
  networkType: "wifi",
  androidIdfa: "5f1d0dcb-d1d3-4c2b-b2a5-0e1f6e4a9d11",
  physicalMemory: 12_000_000_000,
  systemAvailableMemory: 5_000_000_000,
  batteryLevel: 73,
  batteryState: "unplugged",
  availableStorage: 91_000_000_000,
  totalStorage: 256_000_000_000,
  isPortrait: true,
  resolution: "1080x2424",
  scale: 2.625,
  language: "eng",
  appSetId: "3f8e7d52-3b05-4c6e-8a43-3a1c2c3b4d5e",
  appSetIdScope: "app",
};
const SESSION = {
  userId: "a7a1c6b5-0d2f-4a37-9b3e-1f0d6f2c8e90",
  sessionId: "0b0c2f0e-6a4d-4f0f-8a66-5d1f4c3b2a19",
  previousSessionId: null,
  sessionIndex: 1,
  eventIndex: 7,
  firstEventId: "c9f0f895-3f5d-4b6e-9d0f-7c2b1a0e8d47",
  firstEventTimestamp: "2026-11-23T10:00:00.000Z",
  storageMechanism: "LOCAL_STORAGE",
};
const PREFIX = "iglu:com.snowplowanalytics.snowplow/";

const [mode, port, callsText] = process.argv.slice(2);
const calls = Number(callsText);
const tracker = newTracker(
  { namespace: "bench", appId: "shop", encodeBase64: true },
  // In its favour, as with the other peers: its store of 1,000 events would lose the burst.
  {
    endpoint: `http://127.0.0.1:${port}`,
    eventStore: newInMemoryEventStore({ maxSize: 10_000_000 }),
  },
);

function track() {
  tracker.track(
    buildSelfDescribingEvent({
      event: {
        schema: "iglu:com.snowplowanalytics.mobile/screen_view/jsonschema/1-0-0",
        data: {
          name: "Checkout",
          id: randomUUID(),
          type: "form",
          transitionType: "push",
          previousName: "Basket",
          previousId: "1b4e28ba-2fa1-41d2-883f-0016d3cca427",
          previousType: "list",
        },
      },
    }),
    [
      { schema: `${PREFIX}mobile_context/jsonschema/1-0-3`, data: DEVICE },
      { schema: `${PREFIX}client_session/jsonschema/1-0-2`, data: SESSION },
    ],
  );
}

const sleep = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
const cpu = () => {
  const usage = process.cpuUsage();
  return usage.user + usage.system;
};

for (let n = 0; n < 20; n += 1) track();
tracker.flush();
await sleep(300);
const before = process.memoryUsage().rss / 1e6;
let peak = before;
const durations = [];
const startedAt = Date.now() / 1000;
const started = process.hrtime.bigint();
const startedCpu = cpu();
for (let n = 0; n < calls; n += 1) {
  const start = process.hrtime.bigint();
  track();
  durations.push(Number(process.hrtime.bigint() - start));
  if (mode === "paced") await sleep(4);
  else if (n % 1000 === 0) peak = Math.max(peak, process.memoryUsage().rss / 1e6);
}
const calledSeconds = Number(process.hrtime.bigint() - started) / 1e9;
console.log(JSON.stringify({ called_s: calledSeconds, started_at: startedAt }));
await tracker.flush();
console.log("flushed");
createInterface({ input: process.stdin }).once("line", () => {
  durations.sort((a, b) => a - b);
  peak = Math.max(peak, process.memoryUsage().rss / 1e6, process.resourceUsage().maxRSS / 1e3);
  console.log(
    JSON.stringify({
      cpu_us: (cpu() - startedCpu) / calls,
      p50_us: durations[Math.floor(calls / 2)] / 1e3,
      p99_us: durations[Math.floor((calls * 99) / 100)] / 1e3,
      mean_us: durations.reduce((a, b) => a + b, 0) / calls / 1e3,
      rss_before_mb: before,
      rss_peak_mb: peak,
    }),
  );
  process.exit(0);
});
