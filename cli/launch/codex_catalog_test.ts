import { assert, assertEquals } from "@std/assert";
import { catalogText, readTemplate } from "./codex_catalog.ts";

const TEMPLATE = {
  slug: "gpt-9",
  visibility: "list",
  base_instructions: "You are Codex, a coding agent based on GPT-9.1. Be kind.",
  a_field_of_tomorrow: { kept: true },
  upgrade: { model: "gpt-10" },
  context_window: 1,
};

const MODEL = {
  id: 'odd"name',
  object: "model",
  created: 0,
  owned_by: "groq",
  context_window: 131_072,
  max_output_tokens: null,
} as const;

Deno.test("readTemplate takes the first plain model that is listed", () => {
  const models = [
    { ...TEMPLATE, slug: "lite", use_responses_lite: true },
    { ...TEMPLATE, slug: "hidden", visibility: "hide" },
    TEMPLATE,
  ];
  assertEquals(readTemplate(JSON.stringify({ models }))?.slug, "gpt-9");
  for (const text of ["", "{", "[]", "null", '{"models":1}', '{"models":[null,1,{}]}']) {
    assertEquals(readTemplate(text), null, text);
  }
});

Deno.test("catalogText describes our models, keeps what it does not know and lies about no name", () => {
  const { models } = JSON.parse(catalogText(TEMPLATE, [MODEL, { ...MODEL, context_window: null }]));
  const [one, two] = models;
  assertEquals([one.slug, one.display_name, one.context_window], ['odd"name', 'odd"name', 131_072]);
  assertEquals([one.a_field_of_tomorrow.kept, one.upgrade, one.service_tiers], [true, null, []]);
  assertEquals(one.base_instructions, "You are Codex, a coding agent. Be kind.");
  assert(!JSON.stringify(models).includes("GPT-9"));
  assertEquals(two.context_window, 1);
});
