// Sends events of each kind that Snowplow's tracker for Node can build. Prints how many, and which
// functions that build one were not called.
//
//     node client.mjs ENDPOINT PACKAGES METHOD ANONYMOUS
import { createRequire } from "node:module";
import { join } from "node:path";

const [endpoint, packages, eventMethod, anonymous] = process.argv.slice(2);
const require = createRequire(join(packages, "node_modules", "x.js"));
const snowplow = require("@snowplow/node-tracker");

const failures = [];
const tracker = snowplow.newTracker(
  { namespace: "node", appId: "official-node" },
  {
    endpoint,
    eventMethod,
    bufferSize: 1,
    customHeaders: { Cookie: "other=canary-cookie" },
    serverAnonymization: anonymous === "true",
    onRequestFailure: (failure) => failures.push(failure.status ?? failure.message),
  },
);
tracker.setUserId("canary-user-id");
tracker.setDomainUserId("canary-domain-user-id");
tracker.setNetworkUserId("c0ffee00-0000-4000-8000-00000000000a");
tracker.setIpAddress("203.0.113.199");
tracker.setUseragent("Mozilla/5.0 (X11; Linux x86_64) Shop/1.0");
tracker.setScreenResolution(1920, 1080);

const ad = { impressionId: "i1", costModel: "cpc", cost: 2.5, bannerId: "b1", zoneId: "z1",
  advertiserId: "a1", campaignId: "c1", targetUrl: "https://shop.example/" };
const consent = { id: "doc-1", version: "1", name: "terms", description: "of use" };
const goods = { sku: "kettle-1", name: "Kettle", category: "Kitchen", unitPrice: 24.9, quantity: 1,
  currency: "EUR" };
const change = { formId: "order", elementId: "qty", nodeName: "INPUT", type: "number", value: "1" };
const field = { name: "qty", value: "1", nodeName: "INPUT", type: "number" };

const page = "https://shop.example/?_sp=canary-linked-user.1700000000000";

const events = {
  buildPageView: { pageUrl: page, pageTitle: "Shop" },
  buildPagePing: { pageUrl: page, maxYOffset: 300 },
  buildStructEvent: { category: "basket", action: "add", label: "kettle", value: 24.9 },
  buildScreenView: { name: "Checkout", id: "screen-7" },
  buildLinkClick: { targetUrl: "https://shop.example/kettle", elementId: "link-1" },
  buildAdImpression: ad,
  buildAdClick: { ...ad, clickId: "canary-click-id" },
  buildAdConversion: { conversionId: "v1", costModel: "cpa", cost: 1, category: "order",
    action: "paid", initialValue: 24.9, advertiserId: "a1", campaignId: "c1" },
  buildSocialInteraction: { action: "like", network: "example", target: "kettle" },
  buildAddToCart: goods,
  buildRemoveFromCart: goods,
  buildFormFocusOrChange: [
    { ...change, schema: "change_form" },
    { ...change, schema: "focus_form" },
  ],
  buildFormSubmission: { formId: "order", elements: [field] },
  buildSiteSearch: { terms: ["kettle"], filters: { colour: "red" }, totalResults: 3,
    pageResults: 1 },
  buildEcommerceTransaction: { orderId: "o1", total: 24.9, currency: "EUR" },
  buildEcommerceTransactionItem: { orderId: "o1", sku: "kettle-1", price: 24.9, quantity: 1 },
  buildSelfDescribingEvent: { event: {
    schema: "iglu:com.snowplowanalytics.snowplow/site_search/jsonschema/1-0-0",
    data: { terms: ["pot"] } } },
  buildConsentGranted: { ...consent, expiry: "2027-01-01T00:00:00Z" },
  buildConsentWithdrawn: { ...consent, all: false },
};
let sent = 0;
for (const [build, given] of Object.entries(events)) {
  for (const argument of [given].flat()) {
    const made = snowplow[build](argument);
    if (made.event) tracker.track(made.event, made.context);
    else tracker.track(made);
    sent += 1;
  }
}
await tracker.flush();
if (failures.length) throw new Error(`the collector refused: ${failures.join(", ")}`);
const unused = Object.keys(snowplow).filter((name) => name.startsWith("build") && !(name in events));
console.log(JSON.stringify({ events: sent, unused }));
