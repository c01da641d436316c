// What Snowplow's WebView tracker calls in a page, with every argument: for the tests of the bridge.
function trackEverything(window) {
  var entities = JSON.stringify([
    { schema: "iglu:com.acme/user/jsonschema/1-0-0", data: { plan: "free" } }
  ]);
  var id = "0b7c2f66-3c5e-4a2e-8a63-5b0e6a9d5f01";
  var v1 = window.SnowplowWebInterface;
  v1.trackSelfDescribingEvent(
    "iglu:com.acme/order/jsonschema/1-0-0", JSON.stringify({ total: 7 }), entities, ["shop"]
  );
  v1.trackStructEvent("category", "action", "label", "property", 1.5, null, null);
  v1.trackScreenView("Cart", id, "list", "Home", id, "feed", "push", entities, null);
  v1.trackPageView("https://shop.example/", "Grüße \u2028", "https://a.example/", null, null);
  window.SnowplowWebInterfaceV2.trackWebViewEvent(
    JSON.stringify({ eventName: "pp", pageUrl: "https://shop.example/", pingYOffsetMax: 400 }),
    null, entities, ["shop", "private"]
  );
  window.SnowplowWebInterfaceV2.trackWebViewEvent(
    JSON.stringify({ eventName: "ue" }),
    JSON.stringify({ schema: "iglu:com.acme/order/jsonschema/1-0-0", data: { total: 8 } }),
    null, null
  );
}
