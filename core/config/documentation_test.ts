import { assertEquals } from "@std/assert";
import { knownKeys } from "./issues.ts";

Deno.test("docs/configuration.md names every section and key", async () => {
  const text = await Deno.readTextFile(new URL("../../docs/configuration.md", import.meta.url));
  const missing: string[] = [];
  for (const section of knownKeys([]) ?? []) {
    if (!text.includes(`[${section}`)) missing.push(section);
    for (const path of [[section], [section, "name"], [section, "name", "price"]]) {
      for (const key of knownKeys(path) ?? []) {
        const written = [`\`${key}\``, `\`${section}.${key}\``].some((form) => text.includes(form));
        if (!written) missing.push([...path, key].join("."));
      }
    }
  }
  assertEquals(missing, []);
});
