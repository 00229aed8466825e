// HubSpot's own client does what the plugin does, and says what came of it.
import { Client } from "@hubspot/api-client";

const [basePath, accessToken] = process.argv.slice(2);
const client = new Client({ basePath, accessToken, numberOfApiCallRetries: 0 });

async function say(name, what) {
  try {
    const got = await what();
    console.log(name, JSON.stringify(got === undefined ? null : got));
  } catch (error) {
    console.log(name, "error", error.code, error.body?.category ?? error.message);
  }
}

const { contacts, deals } = client.crm;
const ana = "9007199254740993";
let deal;
await say("read", async () => (await contacts.basicApi.getById("ana@acme.example", ["email"], undefined, undefined, false, "email")).id);
await say("create", async () => {
  deal = (await deals.basicApi.create({ properties: { dealname: "Site" }, associations: [] })).id;
  return deal;
});
await say("update", async () => (await deals.basicApi.update(deal, { properties: { dealname: "Site novo" } })).properties.dealname);
await say("list", async () => (await contacts.basicApi.getPage(1)).results.length);
await say("search", async () => (await deals.searchApi.doSearch({ filterGroups: [{ filters: [{ propertyName: "dealname", operator: "EQ", value: "Site novo" }] }], properties: ["dealname"], limit: 10 })).total);
await say("batchCreate", async () => (await contacts.batchApi.create({ inputs: [{ properties: { email: "bia@acme.example" } }] })).results.length);
await say("batchRead", async () => (await contacts.batchApi.read({ inputs: [{ id: ana }], properties: ["email"], propertiesWithHistory: [] })).results[0].id);
await say("batchUpdate", async () => (await contacts.batchApi.update({ inputs: [{ id: ana, properties: { city: "Recife" } }] })).status);
await say("batchUpsert", async () => (await contacts.batchApi.upsert({ inputs: [{ id: "rui@acme.example", idProperty: "email", properties: { city: "Natal" } }] })).results[0]._new);
await say("associate", async () => (await client.crm.associations.v4.basicApi.createDefault("contacts", ana, "deals", deal)).status);
await say("associations", async () => (await client.crm.associations.v4.basicApi.getPage("contacts", ana, "deals")).results.length);
await say("dissociate", () => client.crm.associations.v4.basicApi.archive("contacts", ana, "deals", deal));
await say("owners", async () => (await client.crm.owners.ownersApi.getPage("bia@acme.example")).results[0].firstName);
await say("pipelines", async () => (await client.crm.pipelines.pipelinesApi.getAll("deals")).results[0].id);
await say("stages", async () => (await client.crm.pipelines.pipelineStagesApi.getAll("deals", "default")).results.length);
await say("batchArchive", () => contacts.batchApi.archive({ inputs: [{ id: "1" }] }));
await say("archive", () => deals.basicApi.archive(deal));
await say("complete", () => client.automation.actions.callbacksApi.complete("ap-102670506-56777914962-11-0", { outputFields: { hs_execution_state: "SUCCESS" } }));
await say("conflict", () => contacts.basicApi.create({ properties: { email: "ana@acme.example" }, associations: [] }));
