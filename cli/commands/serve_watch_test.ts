import { assertEquals } from "@std/assert";
import { watchFiles } from "./serve_watch.ts";

Deno.test("watchFiles gives a change that comes before anybody asks for one", async () => {
  const dir = await Deno.realPath(await Deno.makeTempDir());
  const end = new AbortController();
  const changes = watchFiles(dir, end.signal);
  await Deno.writeTextFile(`${dir}/app.ts`, "export default 1;\n");
  assertEquals(await changes.next(), { value: "app.ts", done: false });
  end.abort();
  assertEquals((await changes.next()).done, true);
  await Deno.remove(dir, { recursive: true });
});

Deno.test("watchFiles leaves nothing open when it ends before anybody asked", async () => {
  const dir = await Deno.makeTempDir();
  const end = new AbortController();
  watchFiles(dir, end.signal);
  end.abort();
  await Deno.remove(dir, { recursive: true });
});
