// jsforce against the simulated Salesforce: what people do with it, asserted. Sees the sandbox through $SANDBOX.
import assert from "node:assert/strict";
import jsforce from "jsforce";

const told = JSON.parse(process.env.SANDBOX);
const known = told.credentials.salesforce;
const loginUrl = told.salesforce_url;
const oauth2 = { loginUrl, clientId: known.client_id, clientSecret: known.client_secret };
const PEOPLE = 5000;

async function step(name, act) {
  await act();
  console.log(`ok   jsforce: ${name}`);
}

let conn;

await step("login by client credentials", async () => {
  conn = new jsforce.Connection({ loginUrl, instanceUrl: loginUrl, oauth2, version: "64.0" });
  await conn.authorize({ grant_type: "client_credentials" });
  const me = await conn.identity();
  assert.match(me.user_id, /^005/);
});

await step("login by password, through OAuth and through SOAP", async () => {
  const password = known.password + known.security_token;
  const byOauth = new jsforce.Connection({ loginUrl, oauth2, version: "64.0" });
  assert.match((await byOauth.login(known.username, password)).id, /^005/);
  const bySoap = new jsforce.Connection({ loginUrl, version: "64.0" });
  assert.match((await bySoap.login(known.username, password)).id, /^005/);
  assert.equal((await bySoap.query("SELECT Id FROM User LIMIT 1")).totalSize, 1);
});

await step("a wrong password is refused", async () => {
  const other = new jsforce.Connection({ loginUrl, version: "64.0" });
  await assert.rejects(other.login(known.username, "wrong"), /INVALID_LOGIN/);
});

await step("describe, of all objects and of one", async () => {
  const all = await conn.describeGlobal();
  assert.ok(all.sobjects.some((one) => one.name === "Lead"));
  const lead = await conn.sobject("Lead").describe();
  const status = lead.fields.find((field) => field.name === "Status");
  assert.equal(status.type, "picklist");
  assert.ok(status.picklistValues.some((one) => one.value === "Open - Not Contacted"));
});

let leadId;

await step("create, read, update, delete", async () => {
  const leads = conn.sobject("Lead");
  const made = await leads.create({ LastName: "Doe", Company: "Acme, \"Inc\"", Email: "doe@acme.example" });
  assert.equal(made.success, true);
  leadId = made.id;
  assert.equal((await leads.retrieve(leadId)).Company, 'Acme, "Inc"');
  assert.equal((await leads.update({ Id: leadId, Title: "CEO" })).success, true);
  const found = await leads.findOne({ Email: "doe@acme.example" }, ["Id", "Title"]);
  assert.equal(found.Title, "CEO");
  assert.equal((await leads.destroy(leadId)).success, true);
  await assert.rejects(leads.retrieve(leadId), /NOT_FOUND|ENTITY_IS_DELETED/);
  const gone = await conn.query(`SELECT Id, IsDeleted FROM Lead WHERE Id = '${leadId}'`, { scanAll: true });
  assert.equal(gone.records[0].IsDeleted, true);
});

await step("collections of 200, one of them refused", async () => {
  const rows = Array.from({ length: 200 }, (_, n) => ({ LastName: `Collected ${n}`, Company: "Many" }));
  rows[7] = { Company: "Nobody" };
  const made = await conn.sobject("Lead").create(rows, { allOrNone: false });
  assert.equal(made.filter((one) => one.success).length, 199);
  assert.equal(made[7].errors[0].statusCode ?? made[7].errors[0].errorCode, "REQUIRED_FIELD_MISSING");
  const ids = made.filter((one) => one.success).map((one) => one.id);
  const changed = await conn.sobject("Lead").update(ids.map((Id) => ({ Id, Title: "CTO" })));
  assert.ok(changed.every((one) => one.success));
  const read = await conn.sobject("Lead").retrieve(ids);
  assert.ok(read.every((one) => one.Title === "CTO"));
  const removed = await conn.sobject("Lead").destroy(ids);
  assert.ok(removed.every((one) => one.success));
});

await step("Bulk 2.0 ingest", async () => {
  conn.bulk2.pollInterval = 100;
  conn.bulk2.pollTimeout = 60_000;
  const input = Array.from({ length: PEOPLE }, (_, n) => ({
    LastName: `Bulk ${n}`, Company: n === 3 ? "" : "Two\nlines, \"quoted\"", Email: `bulk${n}@bulk.example`,
  }));
  const done = await conn.bulk2.loadAndWaitForResults({ object: "Lead", operation: "insert", input });
  assert.equal(done.successfulResults.length, PEOPLE - 1);
  assert.equal(done.failedResults.length, 1);
  assert.match(done.failedResults[0].sf__Error, /REQUIRED_FIELD_MISSING/);
});

await step("query with paging", async () => {
  const soql = "SELECT Id, LastName, Owner.Name FROM Lead WHERE Company LIKE 'Two%' ORDER BY Id";
  const first = await conn.query(soql);
  assert.equal(first.done, false);
  assert.equal(first.totalSize, PEOPLE - 1);
  const second = await conn.queryMore(first.nextRecordsUrl);
  assert.ok(second.records[0].Id > first.records.at(-1).Id);
  const all = await conn.query(soql, { autoFetch: true, maxFetch: PEOPLE });
  assert.equal(new Set(all.records.map((one) => one.Id)).size, PEOPLE - 1);
  assert.equal(typeof all.records[0].Owner.Name, "string");
  const count = await conn.query("SELECT COUNT() FROM Lead WHERE Company LIKE 'Two%'");
  assert.equal(count.totalSize, PEOPLE - 1);
});

await step("Bulk 2.0 query", async () => {
  const stream = await conn.bulk2.query("SELECT Id, Company, Email FROM Lead WHERE Company LIKE 'Two%'");
  const rows = await stream.toArray();
  assert.equal(rows.length, PEOPLE - 1);
  assert.equal(rows[0].Company, "Two\nlines, \"quoted\"");
  const one = conn.bulk2.job("query", { id: (await opened()).id });
  assert.equal((await one.check()).operation, "query");
});

async function opened() {
  return conn.request({
    method: "POST",
    url: "/jobs/query",
    body: JSON.stringify({ operation: "query", query: "SELECT Id FROM Lead" }),
    headers: { "content-type": "application/json" },
  });
}

await step("deleted and updated rows, limits", async () => {
  const now = new Date();
  const from = new Date(now.getTime() - 3_600_000);
  const to = new Date(now.getTime() + 60_000);
  const gone = await conn.sobject("Lead").deleted(from, to);
  assert.ok(gone.deletedRecords.some((one) => one.id === leadId));
  assert.ok((await conn.sobject("Lead").updated(from, to)).ids.length > 0);
  assert.ok(conn.limitInfo.apiUsage.used > 0);
  const limits = await conn.request("/limits");
  assert.ok(limits.DailyApiRequests.Remaining > 0);
});

await step("errors have Salesforce's words", async () => {
  await assert.rejects(conn.query("SELECT Nothing FROM Lead"), (error) => error.errorCode === "INVALID_FIELD");
  await assert.rejects(conn.query("SELECT Id FROM Leed"), (error) => error.errorCode === "INVALID_TYPE");
  await assert.rejects(conn.query("SELECT FROM"), (error) => error.errorCode === "MALFORMED_QUERY");
});
