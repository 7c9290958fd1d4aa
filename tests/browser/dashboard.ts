/** The dashboard in the real Chromium, in front of a real `synth up`. Run by `deno task test:browser`. */
import { assert, assertEquals, assertFalse, assertStringIncludes } from "@std/assert";
import { SynthClient } from "@synth/core/api";
import type { Page } from "playwright-core";
import { startHeldUpstream } from "./support/held_upstream.ts";
import { startSynth, type SynthProcess, temporaryDirectory } from "../support/synth_process.ts";
import { openBrowser } from "./support/chromium.ts";

const HOSTILE = `<img src=x onerror="document.title='pwned'">'"&`;

interface Gateway extends AsyncDisposable {
  readonly url: string;
  readonly key: string;
  readonly client: SynthClient;
  readonly synth: SynthProcess;
}

async function startGateway(config = ""): Promise<Gateway> {
  await using stack = new AsyncDisposableStack();
  const home = stack.use(await temporaryDirectory());
  const file = `${home.path}/synth.toml`;
  await Deno.writeTextFile(file, config);
  const synth = stack.use(
    startSynth(["up", "--port", "0", "--config", file], {
      env: { SYNTH_HOME: `${home.path}/home` },
    }),
  );
  const url = await synth.firstLine();
  const key = /^ {2}(sk_synth_[A-Za-z0-9_-]{43})$/m.exec(await synth.saysOnStderr("curl http"))
    ?.[1];
  assert(key !== undefined);
  const kept = stack.move();
  return {
    url,
    key,
    synth,
    client: new SynthClient({ baseUrl: url, apiKey: key }),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function signIn(page: Page, { url, key }: Gateway): Promise<void> {
  await page.goto(`${url}/dashboard`);
  await page.getByLabel("API key").fill(key);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Dashboard" }).waitFor();
}

Deno.test("the dashboard in Chromium", async (t) => {
  await using gateway = await startGateway();
  await using browser = await openBrowser();
  const { client, url, key } = gateway;
  const limited = await client.sessions.create({
    make_active: false,
    metadata: { title: HOSTILE },
    limits: [{ limit_type: "hard", metric_type: "tokens", limit_value: 400_000 }],
  });
  const { page, complaints } = await browser.open({ viewport: { width: 1280, height: 900 } });

  await t.step("signs in", async () => {
    await signIn(page, gateway);
    await page.getByRole("status").filter({ hasText: "Live" }).waitFor();
    assertEquals(await page.title(), "local - synth");
    assertFalse((await page.content()).includes(key));
    // Scripts of the page cannot see the cookie.
    assertEquals(await page.evaluate("document.cookie"), "");
  });

  await t.step("bars move while a request runs through the gateway, without a reload", async () => {
    await page.evaluate("window.stillHere = true");
    const meter = page.locator(`tr[data-key="${limited.session_id}"]`).getByRole("meter");
    assertEquals(await meter.getAttribute("aria-valuenow"), "0");
    const before = (await meter.locator(".bar-used").boundingBox())?.width ?? 0;
    const response = await fetch(`${url}/v1/responses`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${key}`,
        "content-type": "application/json",
        "x-synth-session-id": limited.session_id,
      },
      body: JSON.stringify({ model: "synth-demo", input: "tell me ".repeat(40_000), stream: true }),
    });
    await response.text();
    assertEquals(response.status, 200);
    const row = page.locator(`tr[data-key="${limited.session_id}"]`);
    await row.locator('[role=meter]:not([aria-valuenow="0"])').waitFor();
    let width = before;
    for (let frame = 0; frame < 1200 && width < before + 10; frame++) {
      await page.evaluate("new Promise(requestAnimationFrame)");
      width = (await meter.locator(".bar-used").boundingBox())?.width ?? 0;
    }
    assert(width >= before + 10, `the bar went from ${before} to ${width} pixels`);
    assertStringIncludes(await meter.getAttribute("aria-valuetext") ?? "", "of 400,000");
    assertEquals(await page.evaluate("window.stillHere"), true);
    await page.getByRole("rowheader", { name: "synth-demo" }).waitFor();
  });

  await t.step("hostile names stay text", async () => {
    await page.getByText(HOSTILE).first().waitFor();
    assertEquals(await page.locator("main img").count(), 0);
    assertEquals(await page.title(), "local - synth");
  });

  await t.step("has the roles and names that screen readers go by", async () => {
    for (const role of ["banner", "main", "contentinfo"] as const) {
      assertEquals(await page.getByRole(role).count(), 1, role);
    }
    const headings = await page.getByRole("heading").allTextContents();
    assertEquals(headings[0], "Dashboard");
    for (const name of ["Sessions", "Running calls", "Spend", "Keys", "Task apps", "Experiments"]) {
      assertEquals(await page.getByRole("region", { name }).count(), 1, name);
    }
    const snapshot = await page.getByRole("region", { name: "Sessions" }).ariaSnapshot();
    for (
      const part of ["table", "caption", 'columnheader "Limits"', "rowheader", 'meter "Tokens"']
    ) {
      assertStringIncludes(snapshot, part);
    }
    // Nothing that moves by itself is announced.
    assertEquals(
      await page.locator(":is([aria-live], [role=status], [role=alert]) :is(table, [role=meter])")
        .count(),
      0,
    );
  });

  await t.step("can be walked and used by keyboard alone", async () => {
    await page.reload();
    await page.getByRole("status").filter({ hasText: "Live" }).waitFor();
    await page.keyboard.press("Tab");
    const skip = page.getByRole("link", { name: "Skip to the content" });
    assertEquals(await page.evaluate("document.activeElement.className"), "skip");
    assert(((await skip.boundingBox())?.y ?? -1) >= 0, "the link is seen when it has the focus");
    const outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle");
    assertEquals(outline, "solid");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Tab");
    const name = await page.evaluate("document.activeElement.textContent");
    assertStringIncludes(String(name), `End session`);
    await page.keyboard.press("Enter");
    // Several updates go by: the box stays open, and the focus where it is.
    const meter = page.locator(`tr[data-key="${limited.session_id}"]`).getByRole("meter");
    const said = await meter.getAttribute("aria-valuetext") ?? "";
    await client.sessions.recordUsage(limited.session_id, { tokens: 1000 });
    await page.locator(`tr[data-key="${limited.session_id}"]`)
      .locator(`[role=meter]:not([aria-valuetext="${said}"])`).waitFor();
    assertEquals(await page.evaluate("document.activeElement.nodeName"), "SUMMARY");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.getByText("was ended").waitFor();
    assertEquals((await client.sessions.get(limited.session_id)).status, "ended");
    assertEquals(new URL(page.url()).search, "");
  });

  await t.step("keeps the focus where it is when rows above it go elsewhere", async () => {
    await page.getByRole("status").filter({ hasText: "Live" }).waitFor();
    const sessions = [];
    for (let i = 0; i < 3; i++) sessions.push(await client.sessions.create({ make_active: false }));
    const [oldest, kept, newest] = sessions.map(({ session_id: id }) => ({
      id,
      row: page.locator(`tr[data-key="${id}"]`),
    }));
    assert(oldest !== undefined && kept !== undefined && newest !== undefined);
    await newest.row.waitFor();
    await kept.row.locator("summary").focus();
    await client.sessions.end(newest.id);
    await newest.row.getByText("Ended").waitFor();
    const order = await page.locator("#sessions tr[data-key]").evaluateAll((rows) =>
      rows.map((row) => row.getAttribute("data-key"))
    );
    assert(order.indexOf(kept.id) < order.indexOf(oldest.id), "the newest come first");
    assert(order.indexOf(oldest.id) < order.indexOf(newest.id), "those that are over come last");
    assertStringIncludes(
      String(await page.evaluate("document.activeElement.textContent")),
      kept.id,
    );
  });

  await t.step("says aloud that a session has reached its limit", async () => {
    await page.getByRole("status").filter({ hasText: "Live" }).waitFor();
    const full = await client.sessions.create({
      make_active: false,
      limits: [{ limit_type: "hard", metric_type: "tokens", limit_value: 10 }],
    });
    await page.locator(`tr[data-key="${full.session_id}"]`).waitFor();
    await client.sessions.recordUsage(full.session_id, { tokens: 11 });
    await page.getByRole("status").filter({ hasText: "A session has reached its limit" }).waitFor({
      state: "attached",
    });
  });

  await t.step("is dark where that is wished, with contrast enough in both", async () => {
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      const ground = await page.evaluate("getComputedStyle(document.body).backgroundColor");
      assertEquals(ground, colorScheme === "dark" ? "rgb(15, 18, 24)" : "rgb(244, 245, 248)");
      const worst = await page.evaluate(WORST_CONTRAST) as { ratio: number; text: string };
      assert(worst.ratio >= 4.5, `${colorScheme}: ${worst.ratio} ${worst.text}`);
      const motion = await page.evaluate(
        "getComputedStyle(document.querySelector('.bar-used')).transitionProperty",
      );
      assertEquals(motion, "none");
    }
  });

  await t.step("has the system's own colours where those are forced", async () => {
    const fills = (): Promise<unknown> =>
      page.evaluate(
        `new Set([...document.querySelectorAll("#sessions .bar-used")].map((bar) => getComputedStyle(bar).fill)).size`,
      );
    assert(Number(await fills()) > 1, "a limit that is reached looks like any other");
    await page.emulateMedia({ forcedColors: "active" });
    assertEquals(await fills(), 1);
    await page.emulateMedia({ forcedColors: "none" });
  });

  await t.step("fits 320 pixels, and a zoom of 200 %, without scrolling sideways", async () => {
    for (const width of [320, 640, 800]) {
      await page.setViewportSize({ width, height: 800 });
      assertEquals(await page.evaluate("document.documentElement.scrollWidth"), width);
    }
    const snapshot = await page.getByRole("region", { name: "Sessions" }).ariaSnapshot();
    for (const part of ["table", "rowheader", "cell"]) assertStringIncludes(snapshot, part);
  });

  await t.step("comes back by itself when the feed breaks", async () => {
    await page.context().setOffline(true);
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))");
    await page.context().setOffline(false);
    const later = await client.sessions.create({ make_active: false });
    await page.locator(`tr[data-key="${later.session_id}"]`).waitFor();
  });

  await t.step("has no complaint of the browser, nor of the page's policy", () => {
    assertEquals(complaints, []);
  });

  await t.step("shows the form when it was signed out elsewhere", async () => {
    const other = await page.context().newPage();
    await other.goto(`${url}/dashboard`);
    await other.getByRole("button", { name: "Sign out" }).click();
    await other.getByLabel("API key").waitFor();
    await page.getByLabel("API key").waitFor();
  });

  await t.step("shows the form when it was signed out while nobody looked at it", async () => {
    await signIn(page, gateway);
    await page.getByRole("status").filter({ hasText: "Live" }).waitFor();
    const look = (hidden: boolean): Promise<unknown> =>
      page.evaluate(
        `Object.defineProperty(document, "hidden", { value: ${hidden}, configurable: true }); ` +
          `document.dispatchEvent(new Event("visibilitychange"))`,
      );
    await look(true);
    const other = await page.context().newPage();
    await other.goto(`${url}/dashboard`);
    await other.getByRole("button", { name: "Sign out" }).click();
    await other.getByLabel("API key").waitFor();
    await look(false);
    await page.getByLabel("API key").waitFor();
  });
});

Deno.test("the dashboard in Chromium without JavaScript", async () => {
  await using gateway = await startGateway();
  await using browser = await openBrowser();
  const { client } = gateway;
  const session = await client.sessions.create({ metadata: { title: "by hand" } });
  const { page, complaints } = await browser.open({ javaScriptEnabled: false });
  await signIn(page, gateway);
  await page.getByRole("rowheader", { name: "by hand" }).waitFor();
  await client.sessions.recordUsage(session.session_id, { cost_usd: 5 });
  // Figures are shared by all pages for two seconds.
  for (let i = 0; i < 500 && !await page.getByText("$5.00 / $20.00").isVisible(); i++) {
    await page.getByRole("link", { name: "Load it again" }).click();
  }
  await page.getByText("$5.00 / $20.00").waitFor();
  await page.getByText("End", { exact: false }).and(page.locator("summary")).click();
  await page.locator("button.danger").click();
  await page.getByText("was ended").waitFor();
  assertEquals((await client.sessions.get(session.session_id)).status, "ended");
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("API key").waitFor();
  assertEquals(complaints, []);
});

Deno.test("a running stream is on the dashboard in Chromium, and gone when it has ended", async () => {
  await using upstream = startHeldUpstream();
  await using gateway = await startGateway(`
[upstreams.held]
base_url = "${upstream.baseUrl}"
[models."held-model"]
upstream = "held"
price = "free"
`);
  await using browser = await openBrowser();
  const { page, complaints } = await browser.open();
  await signIn(page, gateway);
  const answer = fetch(`${gateway.url}/v1/responses`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${gateway.key}`,
      "content-type": "application/json",
      "x-no-session": "true",
    },
    body: JSON.stringify({ model: "held-model", input: "Hi", stream: true }),
  });
  const row = page.getByRole("region", { name: "Running calls" }).getByRole("row", {
    name: /held-model stream owner/,
  });
  await row.waitFor();
  upstream.release();
  assertStringIncludes(await (await answer).text(), "response.completed");
  await row.waitFor({ state: "detached" });
  await page.getByText("Nothing runs at the moment").waitFor();
  assertEquals(complaints, []);
});

/** The least contrast of any text on the page to what is behind it, as WCAG counts it. */
const WORST_CONTRAST = `(() => {
  const parse = (text) => text.match(/[0-9.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((part) => part / 255)
    .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, i) => sum + part * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => {
    for (let one = node; one !== null; one = one.parentElement) {
      const color = parse(getComputedStyle(one).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  let worst = { ratio: 99, text: "" };
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.nodeValue.trim());
    if (!own || node.closest("noscript, .unseen, script") || node.getClientRects().length === 0) continue;
    const [a, b] = [light(parse(getComputedStyle(node).color)), light(behind(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < worst.ratio) worst = { ratio, text: node.textContent.slice(0, 60) };
  }
  return worst;
})()`;
