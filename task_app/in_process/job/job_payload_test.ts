import { assert, assertEquals } from "@std/assert";
import { jobRequest } from "./job_payload.ts";

const ACCESS = { "CF-Access-Client-Id": "id.access", "CF-Access-Client-Secret": "access-secret" };
const TARGET = { url: "https://app.example", apiKey: "key", accessHeaders: ACCESS };
const SETTINGS = { cf_access_client_id: "id.access", cf_access_client_secret: "access-secret" };

Deno.test("jobRequest tells a prompt-learning job how to get through its app's tunnel", () => {
  const config = { prompt_learning: { algorithm: "gepa" } };
  const { body } = jobRequest("prompt_learning", config, {}, TARGET);
  const { prompt_learning: settings } = Object(body["config_body"]);
  assertEquals({ ...settings, ...SETTINGS }, settings);
  assertEquals({ ...Object(body["overrides"]), ...SETTINGS }, body["overrides"]);
});

Deno.test("jobRequest tells an RL job how to get through its app's tunnel", () => {
  const { body } = jobRequest("rl", { model: { base: "m" } }, {}, TARGET);
  const { services } = Object(Object(body["data"]).config);
  assertEquals(services, { task_url: "https://app.example", ...SETTINGS });
});

Deno.test("jobRequest says nothing of Access where there is none", () => {
  for (const accessHeaders of [{}, { "X-Other": "header" }]) {
    const target = { url: "https://app.example", apiKey: null, accessHeaders };
    const { body } = jobRequest("rl", { model: { base: "m" } }, {}, target);
    assert(!JSON.stringify(body).includes("access"));
  }
});
