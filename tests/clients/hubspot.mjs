// @hubspot/api-client against the simulated HubSpot: what people do with it, asserted. Sees it through $SANDBOX.
import assert from "node:assert/strict";
import { Client } from "@hubspot/api-client";

const told = JSON.parse(process.env.SANDBOX);
const known = told.credentials.hubspot;
const basePath = told.hubspot_url;
const client = new Client({ accessToken: known.access_token, basePath, numberOfApiCallRetries: 3 });
const contacts = client.crm.contacts;
const PROPERTIES = ["email", "firstname", "city", "lifecyclestage"];
const PEOPLE = 250;

async function step(name, act) {
  await act();
  console.log(`ok   @hubspot/api-client: ${name}`);
}

let ids = [];

await step("create, read, update, read by address", async () => {
  const made = await contacts.basicApi.create({ properties: { email: "one@acme.example", firstname: "One" } });
  assert.equal(made.properties.email, "one@acme.example");
  const changed = await contacts.basicApi.update(made.id, { properties: { city: "Bonn" } });
  assert.equal(changed.properties.city, "Bonn");
  const byAddress = await contacts.basicApi.getById("one@acme.example", PROPERTIES, undefined, undefined, false, "email");
  assert.equal(byAddress.id, made.id);
  assert.ok(byAddress.createdAt instanceof Date);
  const twice = contacts.basicApi.create({ properties: { email: "one@acme.example" } });
  await assert.rejects(twice, (error) => error.code === 409);
});

await step("batch create, read, update, upsert", async () => {
  for (let start = 0; start < PEOPLE; start += 100) {
    const size = Math.min(100, PEOPLE - start);
    const inputs = Array.from({ length: size }, (_, n) => ({
      properties: { email: `many${start + n}@acme.example`, firstname: `Many ${start + n}` },
    }));
    const made = await contacts.batchApi.create({ inputs });
    assert.equal(made.status, "COMPLETE");
    ids.push(...made.results.map((one) => one.id));
  }
  assert.equal(new Set(ids).size, PEOPLE);
  const some = ids.slice(0, 100).map((id) => ({ id }));
  const read = await contacts.batchApi.read({ inputs: some, properties: PROPERTIES, propertiesWithHistory: [] });
  assert.equal(read.results.length, 100);
  const inputs = some.map(({ id }) => ({ id, properties: { city: "Berlin" } }));
  const changed = await contacts.batchApi.update({ inputs });
  assert.ok(changed.results.every((one) => one.properties.city === "Berlin"));
  const upserted = await contacts.batchApi.upsert({
    inputs: [{ id: "many0@acme.example", idProperty: "email", properties: { city: "Köln" } }],
  });
  assert.equal(upserted.results[0].id, ids[0]);
  const partly = await contacts.batchApi.read({
    inputs: [{ id: ids[1] }, { id: "999999999" }], properties: PROPERTIES, propertiesWithHistory: [],
  });
  assert.equal(partly.results.length, 1);
  assert.equal(partly.numErrors, 1);
});

await step("list with paging", async () => {
  const first = await contacts.basicApi.getPage(100, undefined, PROPERTIES);
  assert.equal(first.results.length, 100);
  assert.ok(first.paging.next.after);
  const all = await contacts.getAll(100, undefined, PROPERTIES);
  const listed = new Set(all.map((one) => one.id));
  assert.equal(listed.size, all.length);
  assert.ok(ids.every((id) => listed.has(id)));
});

await step("search with filters, sorting and paging", async () => {
  const ask = (after) => contacts.searchApi.doSearch({
    filterGroups: [{ filters: [{ propertyName: "firstname", operator: "CONTAINS_TOKEN", value: "Many" }] }],
    sorts: ["hs_object_id"], properties: PROPERTIES, limit: 100, after,
  });
  const found = [];
  let after;
  do {
    const page = await ask(after);
    assert.equal(page.total, PEOPLE);
    found.push(...page.results.map((one) => one.id));
    after = page.paging?.next?.after;
  } while (after !== undefined);
  assert.deepEqual([...found].sort(), [...ids].sort());
  const berlin = await contacts.searchApi.doSearch({
    filterGroups: [{ filters: [
      { propertyName: "city", operator: "EQ", value: "Berlin" },
      { propertyName: "email", operator: "HAS_PROPERTY" },
      { propertyName: "firstname", operator: "CONTAINS_TOKEN", value: "Many" },
    ] }], properties: [], limit: 200,
  });
  assert.equal(berlin.total, 99);
});

await step("associations", async () => {
  const company = await client.crm.companies.basicApi.create({ properties: { name: "Acme", domain: "acme.example" } });
  const { associations } = client.crm;
  await associations.v4.basicApi.createDefault("contacts", ids[0], "companies", company.id);
  await associations.v4.basicApi.createDefault("contacts", ids[1], "companies", company.id);
  const page = await associations.v4.basicApi.getPage("contacts", ids[0], "companies", undefined, 500);
  assert.equal(String(page.results[0].toObjectId), company.id);
  assert.ok(page.results[0].associationTypes.length > 0);
  const batch = await associations.v4.batchApi.getPage("contacts", "companies", {
    inputs: [{ id: ids[0] }, { id: ids[1] }, { id: ids[2] }],
  });
  assert.equal(batch.results.length, 2);
  const back = await associations.v4.basicApi.getPage("companies", company.id, "contacts", undefined, 500);
  assert.equal(back.results.length, 2);
});

await step("owners, properties, pipelines", async () => {
  const owners = await client.crm.owners.ownersApi.getPage(undefined, undefined, 100, false);
  assert.ok(owners.results.length > 0);
  const one = await client.crm.owners.ownersApi.getById(Number(owners.results[0].id));
  assert.equal(one.email, owners.results[0].email);
  const properties = await client.crm.properties.coreApi.getAll("contacts");
  const stage = properties.results.find((property) => property.name === "lifecyclestage");
  assert.ok(stage.options.some((option) => option.value === "marketingqualifiedlead"));
  const pipelines = await client.crm.pipelines.pipelinesApi.getAll("deals");
  assert.ok(pipelines.results[0].stages.length > 0);
});

await step("archive, and the archived listing", async () => {
  await contacts.basicApi.archive(ids[5]);
  await contacts.batchApi.archive({ inputs: [{ id: ids[6] }, { id: ids[7] }] });
  await assert.rejects(contacts.basicApi.getById(ids[5]), (error) => error.code === 404);
  const gone = await contacts.basicApi.getPage(100, undefined, PROPERTIES, undefined, undefined, true);
  for (const id of [ids[5], ids[6], ids[7]]) {
    assert.ok(gone.results.find((row) => row.id === id).archivedAt instanceof Date);
  }
});

await step("merge: both old ids lead to the survivor", async () => {
  const merged = await contacts.basicApi.merge({ primaryObjectId: ids[10], objectIdToMerge: ids[11] });
  for (const id of [ids[10], ids[11]]) {
    assert.equal((await contacts.basicApi.getById(id)).id, merged.id);
  }
});

await step("OAuth refresh, and a wrong token", async () => {
  const granted = await new Client({ basePath }).oauth.tokensApi.create(
    "refresh_token", undefined, undefined, known.client_id, known.client_secret, known.refresh_token,
  );
  const other = new Client({ accessToken: granted.accessToken, basePath });
  assert.ok((await other.crm.contacts.basicApi.getPage(1)).results.length === 1);
  const wrong = new Client({ accessToken: "wrong", basePath });
  await assert.rejects(wrong.crm.contacts.basicApi.getPage(1), (error) => error.code === 401);
});
