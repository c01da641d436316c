// A shop in JavaScript, with Snowplow's own tracker for Node: somebody looks at tea and buys some.
//
//     npm install
//     COLLECTOR=http://127.0.0.1:9090 node shop.cjs
const { buildPageView, buildStructEvent, newTracker } = require("@snowplow/node-tracker");

const isAnonymous = process.argv.includes("--anonymous");
const tracker = newTracker(
  { namespace: "shop", appId: "node-shop" },
  {
    endpoint: process.env.COLLECTOR ?? "http://127.0.0.1:9090",
    bufferSize: 10,
    serverAnonymization: isAnonymous,
  },
);
if (!isAnonymous) {
  tracker.setUserId("ada@example.com");
}

tracker.track(buildPageView({ pageUrl: "https://shop.example.com/tea", pageTitle: "Tea" }));
tracker.track(
  buildStructEvent({ category: "basket", action: "add", label: "Earl Grey", value: 12.5 }),
);
tracker.flush();
