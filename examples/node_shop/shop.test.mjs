// The shop's tests, in JavaScript: they ask the pipeline what came, over Micro's API.
//
//     npm install
//     whiteout up &                         # or the fixture whiteout_micro, in a test run of pytest
//     COLLECTOR=http://127.0.0.1:9090 npm test
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const COLLECTOR = process.env.COLLECTOR ?? "http://127.0.0.1:9090";
const SHOP = fileURLToPath(new URL("shop.cjs", import.meta.url));
const NOBODY = "00000000-0000-0000-0000-000000000000";

/** Run the shop until it ends: by then its events are answered, and so they are there. */
const visit = (...options) =>
  promisify(execFile)(process.execPath, [SHOP, ...options], {
    env: { ...process.env, COLLECTOR },
  });

async function ask(path, wanted) {
  const question = wanted && { method: "POST", body: JSON.stringify(wanted) };
  const answer = await fetch(COLLECTOR + path, question);
  assert.equal(answer.status, 200);
  return answer.json();
}

beforeEach(async () => {
  assert.deepEqual(await ask("/micro/reset"), { total: 0, good: 0, bad: 0 });
});

test("what goes into the basket is tracked", async () => {
  await visit();

  const [added] = await ask("/micro/good", { event_type: "struct" });
  assert.equal(added.event.app_id, "node-shop");
  assert.equal(added.event.se_label, "Earl Grey");
  assert.equal(added.event.se_value, 12.5);
  assert.equal(added.event.user_id, "ada@example.com");
  assert.deepEqual(await ask("/micro/bad"), []);
});

test("visitors who want it stay anonymous", async () => {
  await visit("--anonymous");

  const events = await ask("/micro/good");
  assert.equal(events.length, 2);
  for (const { event } of events) {
    assert.equal(event.user_id, null);
    assert.equal(event.network_userid, NOBODY);
    assert.equal(event.user_ipaddress, null);
  }
});
