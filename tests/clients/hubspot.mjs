// @hubspot/api-client against the simulated HubSpot: it was not written for it, and must believe it.
import assert from "node:assert/strict";
import { Client } from "@hubspot/api-client";
import { known, step } from "./said.mjs";

const { url, credentials } = known("hubspot");
const client = new Client({ accessToken: credentials.access_token, basePath: url, numberOfApiCallRetries: 3 });
const { contacts, companies } = client.crm;

let listed = [];
await step("list page by page", async () => {
  let after;
  do {
    const page = await contacts.basicApi.getPage(100, after, ["email", "lastname"]);
    listed.push(...page.results);
    after = page.paging?.next?.after;
  } while (after !== undefined);
  assert.ok(listed.length > 200);
  assert.equal(new Set(listed.map((one) => one.id)).size, listed.length);
  assert.equal((await contacts.getAll(100)).length, listed.length);
});

await step("search by filters, sorted, with paging", async () => {
  const asked = {
    filterGroups: [{ filters: [{ propertyName: "email", operator: "HAS_PROPERTY" }] }],
    sorts: ["hs_object_id"],
    properties: ["email"],
    limit: 100,
  };
  const first = await contacts.searchApi.doSearch(asked);
  assert.equal(first.results.length, 100);
  assert.ok(first.total > 100);
  const second = await contacts.searchApi.doSearch({ ...asked, after: first.paging.next.after });
  assert.notEqual(second.results[0].id, first.results[0].id);
  const exact = [{ propertyName: "email", operator: "EQ", value: first.results[0].properties.email }];
  const found = await contacts.searchApi.doSearch({ filterGroups: [{ filters: exact }], limit: 5 });
  assert.ok(found.results.some((one) => one.id === first.results[0].id));
});

let made;
await step("create, read, change, archive", async () => {
  made = await contacts.basicApi.create({ properties: { email: "client@example.org", lastname: "Client" } });
  assert.match(made.id, /^\d+$/);
  await contacts.basicApi.update(made.id, { properties: { lastname: "Changed" } });
  const read = await contacts.basicApi.getById(made.id, ["lastname"], ["lastname"]);
  assert.equal(read.properties.lastname, "Changed");
  assert.deepEqual(
    read.propertiesWithHistory.lastname.map((one) => one.value),
    ["Changed", "Client"],
  );
  const again = { properties: { email: "client@example.org" } };
  await assert.rejects(contacts.basicApi.create(again), { code: 409 });
});

await step("batches: create, read, update, archive, one of them unknown", async () => {
  const inputs = Array.from({ length: 20 }, (_, n) => ({ properties: { email: `batch${n}@example.org` } }));
  const created = await contacts.batchApi.create({ inputs });
  assert.equal(created.results.length, 20);
  const ids = created.results.map((one) => ({ id: one.id }));
  const wanted = { inputs: [...ids, { id: "999999999" }], properties: ["email"], propertiesWithHistory: [] };
  const read = await contacts.batchApi.read(wanted);
  assert.equal(read.results.length, 20);
  const changes = ids.map((one) => ({ ...one, properties: { lastname: "Batch" } }));
  const updated = await contacts.batchApi.update({ inputs: changes });
  assert.ok(updated.results.every((one) => one.properties.lastname === "Batch"));
  await contacts.batchApi.archive({ inputs: ids });
  const left = await contacts.batchApi.read({ ...wanted, inputs: ids });
  assert.equal(left.results.length, 0);
});

await step("associations, version 4, one by one and in a batch", async () => {
  const page = await companies.basicApi.getPage(1);
  const company = page.results[0].id;
  await client.crm.associations.v4.basicApi.createDefault("contacts", made.id, "companies", company);
  const one = await client.crm.associations.v4.basicApi.getPage("contacts", made.id, "companies");
  assert.deepEqual(
    one.results.map((found) => String(found.toObjectId)),
    [company],
  );
  const body = { inputs: [{ id: made.id }] };
  const many = await client.crm.associations.v4.batchApi.getPage("contacts", "companies", body);
  assert.equal(String(many.results[0].to[0].toObjectId), company);
});

await step("owners, properties, pipelines", async () => {
  const owners = await client.crm.owners.ownersApi.getPage();
  assert.ok(owners.results.length > 0);
  const status = await client.crm.properties.coreApi.getByName("contacts", "hs_lead_status");
  assert.ok(status.options.length > 0);
  assert.ok((await client.crm.pipelines.pipelinesApi.getAll("deals")).results.length > 0);
});

await step("archived records are a listing of their own", async () => {
  await contacts.basicApi.archive(made.id);
  await assert.rejects(contacts.basicApi.getById(made.id), { code: 404 });
  const page = await contacts.basicApi.getPage(100, undefined, ["email"], undefined, undefined, true);
  assert.ok(page.results.some((one) => one.id === made.id && one.archived));
});

await step("merge: both old ids lead to the survivor", async () => {
  const [first, second] = await Promise.all(
    ["first", "second"].map((name) =>
      client.crm.contacts.basicApi.create({ properties: { email: `merge-${name}@outside.example` } }),
    ),
  );
  const pair = { primaryObjectId: first.id, objectIdToMerge: second.id };
  const merged = await client.crm.contacts.basicApi.merge(pair);
  for (const id of [first.id, second.id]) {
    assert.equal((await client.crm.contacts.basicApi.getById(id)).id, merged.id);
  }
});

await step("sign in by refresh token; a wrong token is refused", async () => {
  const { client_id, client_secret, refresh_token } = credentials;
  const tokens = new Client({ basePath: url }).oauth.tokensApi;
  const grant = ["refresh_token", undefined, undefined, client_id, client_secret, refresh_token];
  const { accessToken } = await tokens.create(...grant);
  const renewed = new Client({ accessToken, basePath: url });
  assert.equal((await renewed.crm.contacts.basicApi.getPage(1)).results.length, 1);
  const wrong = new Client({ accessToken: "wrong", basePath: url });
  await assert.rejects(wrong.crm.contacts.basicApi.getPage(1), (error) => error.code === 401);
});
