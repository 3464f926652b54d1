// jsforce against the simulated Salesforce: it was not written for it, and must believe it.
import assert from "node:assert/strict";
import jsforce from "jsforce";
import { known, step } from "./said.mjs";

const { url, credentials } = known("salesforce");
const oauth2 = {
  loginUrl: url,
  clientId: credentials.client_id,
  clientSecret: credentials.client_secret,
};
const conn = new jsforce.Connection({ loginUrl: url, version: "62.0" });

await step("sign in by user name, password and token (SOAP)", async () => {
  const user = await conn.login(credentials.username, credentials.password + credentials.security_token);
  assert.match(user.id, /^005/);
  assert.match(user.organizationId, /^00D/);
  assert.equal(new URL(conn.instanceUrl).origin, new URL(url).origin);
});

await step("sign in by client credentials and by refresh token, renewed when the session ends", async () => {
  const first = new jsforce.Connection({ oauth2, version: "62.0" });
  await first.authorize({ grant_type: "client_credentials" });
  assert.ok(first.accessToken);
  const later = new jsforce.Connection({
    oauth2,
    version: "62.0",
    instanceUrl: url,
    accessToken: "dead",
    refreshToken: credentials.refresh_token,
  });
  assert.equal((await later.query("SELECT Id FROM Lead LIMIT 1")).records.length, 1);
  assert.notEqual(later.accessToken, "dead");
});

await step("say who we are, and what is left of the day's calls", async () => {
  assert.equal((await conn.identity()).username, credentials.username);
  const limits = await conn.limits();
  assert.ok(limits.DailyApiRequests.Remaining > 0);
  assert.ok(conn.limitInfo.apiUsage.limit > 0);
});

await step("describe everything, and one object", async () => {
  const all = await conn.describeGlobal();
  assert.ok(all.sobjects.some((one) => one.name === "Lead"));
  const lead = await conn.sobject("Lead").describe();
  const status = lead.fields.find((field) => field.name === "Status");
  assert.ok(status.picklistValues.some((one) => one.value === "MQL"));
  assert.equal(lead.fields.find((field) => field.name === "City").compoundFieldName, "Address");
});

await step("query, page by page", async () => {
  const total = (await conn.query("SELECT COUNT() FROM Contact")).totalSize;
  assert.ok(total > 2000);
  const ids = new Set();
  let page = await conn.query("SELECT Id, Account.Name FROM Contact ORDER BY Id");
  assert.equal(page.records.length, 2000);
  for (;;) {
    page.records.forEach((row) => ids.add(row.Id));
    if (page.done) break;
    page = await conn.queryMore(page.nextRecordsUrl);
  }
  assert.equal(ids.size, total);
  const all = await conn.query("SELECT Id FROM Contact", { autoFetch: true, maxFetch: 10000 });
  assert.equal(all.records.length, total);
});

await step("query by conditions, and read with a nested query", async () => {
  const found = await conn
    .sobject("Lead")
    .find({ LastName: { $like: "%" }, CreatedDate: { $gte: jsforce.Date.LAST_N_DAYS(3650) } }, ["Id", "LastName"])
    .limit(3);
  assert.equal(found.length, 3);
  const accounts = await conn.query("SELECT Id, (SELECT Id FROM Contacts) FROM Account LIMIT 2");
  assert.ok("Contacts" in accounts.records[0]);
});

let made;
await step("create, read, change, upsert, delete; queryAll still shows it", async () => {
  made = await conn.sobject("Lead").create({ LastName: "Client", Company: "jsforce" });
  assert.ok(made.success);
  await conn.sobject("Lead").update({ Id: made.id, Status: "MQL" }, { headers: { "Sforce-Auto-Assign": "FALSE" } });
  assert.equal((await conn.sobject("Lead").retrieve(made.id)).Status, "MQL");
  const upserted = await conn
    .sobject("Lead")
    .upsert({ External_Id__c: "X-1", LastName: "Upsert", Company: "jsforce" }, "External_Id__c");
  assert.equal(upserted.created, true);
  assert.ok((await conn.sobject("Lead").destroy(made.id)).success);
  const seen = await conn.query(`SELECT Id, IsDeleted FROM Lead WHERE Id = '${made.id}'`, { scanAll: true });
  assert.equal(seen.records[0].IsDeleted, true);
  await assert.rejects(conn.sobject("Lead").retrieve(made.id), { name: "NOT_FOUND" });
});

await step("collections of two hundred, one of them refused", async () => {
  const rows = Array.from({ length: 200 }, (_, n) => ({ LastName: `C${n}`, Company: n === 7 ? "" : "jsforce" }));
  const results = await conn.sobject("Lead").create(rows, { allowRecursive: false });
  assert.deepEqual(
    results.map((one, n) => [n, one.success]).filter(([, good]) => !good),
    [[7, false]],
  );
  const ids = results.filter((one) => one.success).map((one) => one.id);
  const changed = await conn.sobject("Lead").update(ids.map((Id) => ({ Id, Title: "VP" })));
  assert.ok(changed.every((one) => one.success));
  const back = await conn.sobject("Lead").retrieve(ids.slice(0, 50));
  assert.ok(back.every((row) => row.Title === "VP"));
  const gone = await conn.sobject("Lead").destroy(ids);
  assert.ok(gone.every((one) => one.success));
});

await step("what was changed and what was deleted", async () => {
  const end = new Date(Date.now() + 60_000);
  const start = new Date(Date.now() - 3_600_000);
  const updated = await conn.sobject("Lead").updated(start, end);
  assert.ok(updated.latestDateCovered);
  const deleted = await conn.sobject("Lead").deleted(start, end);
  assert.ok(deleted.deletedRecords.some((one) => one.id === made.id));
});

await step("errors in Salesforce's words", async () => {
  await assert.rejects(conn.query("SELECT Nope FROM Lead"), { name: "INVALID_FIELD" });
  await assert.rejects(conn.query("SELECT Id FROM Nope"), { name: "INVALID_TYPE" });
  await assert.rejects(conn.query("SELECT FROM"), { name: "MALFORMED_QUERY" });
});

await step("Bulk 2.0: a query", async () => {
  conn.bulk2.pollInterval = 50;
  conn.bulk2.pollTimeout = 20_000;
  const rows = await (await conn.bulk2.query("SELECT Id, LastName FROM Contact")).toArray();
  assert.equal(rows.length, (await conn.query("SELECT COUNT() FROM Contact")).totalSize);
  assert.ok(rows.every((row) => row.Id.startsWith("003")));
});

await step("Bulk 2.0: an ingest job with one bad row", async () => {
  const input = [
    { LastName: "Bulk 1", Company: "jsforce" },
    { LastName: "Bulk 2", Company: "" },
  ];
  const results = await conn.bulk2.loadAndWaitForResults({
    object: "Lead",
    operation: "insert",
    input,
    pollInterval: 50,
    pollTimeout: 20_000,
  });
  assert.equal(results.successfulResults.length, 1);
  assert.match(results.successfulResults[0].sf__Id, /^00Q/);
  assert.match(results.failedResults[0].sf__Error, /REQUIRED_FIELD_MISSING/);
  assert.equal(results.unprocessedRecords.length, 0);
});
