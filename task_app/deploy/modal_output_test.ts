import { assertEquals } from "@std/assert";
import { isModalStateUp, readModalOutput, readModalState } from "./modal_output.ts";

Deno.test("readModalOutput finds addresses behind colours, links and frames", () => {
  const text = "✓ Created objects.\n" +
    "└── \x1b[32m🔨 Created web function task_app\x1b[0m\n" +
    "    └── \x1b]8;id=1;https://Me--app.modal.run\x1b\\\x1b[2;4mhttps://Me--app.modal.run\x1b[0m\x1b]8;;\x1b\\ (unauthenticated)\n" +
    "View Deployment: https://modal.com/apps/me/main/deployed/my.app_1\n";
  assertEquals(readModalOutput(text), {
    urls: ["https://me--app.modal.run"],
    appId: null,
    deployedName: "my.app_1",
  });
  const served = "View run at https://modal.com/apps/me/main/ap-0123456789abcdefABCDEF\n" +
    "https://me--a-dev.modal.run => https://me--b-dev.modal.run.";
  assertEquals(readModalOutput(served), {
    urls: ["https://me--a-dev.modal.run", "https://me--b-dev.modal.run"],
    appId: "ap-0123456789abcdefABCDEF",
    deployedName: null,
  });
});

Deno.test("readModalOutput takes nothing that only looks like Modal", () => {
  for (
    const text of [
      "https://me.modal.run.evil.example",
      "http://me.modal.run",
      "https://modal.run",
      "https://me.modal.running.example",
      "https://evil.example/.modal.run",
    ]
  ) assertEquals(readModalOutput(text).urls, [], text);
});

Deno.test("readModalOutput takes time in proportion to the text", () => {
  const text = "https://a-".repeat(100_000) + "\x1b]8;".repeat(100_000);
  assertEquals(readModalOutput(text).urls, []);
});

Deno.test("readModalState reads the list by id, description and either spelling of its columns", () => {
  const list = JSON.stringify([
    { "App ID": "ap-1", Description: "one", State: "stopped" },
    { app_id: "ap-2", description: "one", state: "deployed" },
    { app_id: "ap-3", description: "two", state: "ephemeral (detached)" },
    null,
    { app_id: "ap-4" },
  ]);
  assertEquals(readModalState(list, "one"), "deployed");
  assertEquals(readModalState(list, "ap-1"), "stopped");
  assertEquals(readModalState(list, "ap-4"), null);
  assertEquals(readModalState("Error", "one"), undefined);
  assertEquals(readModalState("{}", "one"), undefined);
  assertEquals(
    ["deployed", "ephemeral", "ephemeral (detached)", "stopped", "stopping..."]
      .map(isModalStateUp),
    [true, true, true, false, false],
  );
});
