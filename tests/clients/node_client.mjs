// Sends one event of each kind that Snowplow's tracker for Node can build; prints how many.
//
//     node node_client.mjs ENDPOINT PACKAGES ANONYMOUS
import { createRequire } from "node:module";
import { join } from "node:path";

const [endpoint, packages, anonymous] = process.argv.slice(2);
const require = createRequire(join(packages, "node_modules", "x.js"));
const snowplow = require("@snowplow/node-tracker");

const failures = [];
const tracker = snowplow.newTracker(
  { namespace: "node", appId: "official-node" },
  {
    endpoint,
    bufferSize: 1,
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
const field = { name: "qty", value: "1", nodeName: "INPUT", type: "number" };

const events = {
  buildPageView: { pageUrl: "https://shop.example/", pageTitle: "Shop" },
  buildPagePing: { pageUrl: "https://shop.example/", maxYOffset: 300 },
  buildStructEvent: { category: "basket", action: "add", label: "kettle", value: 24.9 },
  buildScreenView: { name: "Checkout", id: "screen-7" },
  buildLinkClick: { targetUrl: "https://shop.example/kettle", elementId: "link-1" },
  buildAdImpression: ad,
  buildAdClick: { ...ad, clickId: "k1" },
  buildAdConversion: { conversionId: "v1", costModel: "cpa", cost: 1, category: "order",
    action: "paid", initialValue: 24.9, advertiserId: "a1", campaignId: "c1" },
  buildSocialInteraction: { action: "like", network: "example", target: "kettle" },
  buildAddToCart: goods,
  buildRemoveFromCart: goods,
  buildFormFocusOrChange: { schema: "change_form", formId: "order", elementId: "qty",
    nodeName: "INPUT", type: "number", value: "1" },
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
for (const [build, argument] of Object.entries(events)) {
  const made = snowplow[build](argument);
  if (made.event) tracker.track(made.event, made.context);
  else tracker.track(made);
}
await tracker.flush();
if (failures.length) throw new Error(`the collector refused: ${failures.join(", ")}`);
console.log(Object.keys(events).length);
