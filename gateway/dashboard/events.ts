/** `GET /dashboard/events`: the sections that have changed, as server-sent events. @module */
import { SynthError } from "@synth/core";
import { SseWriter } from "@synth/core/sse";
import type { RequestContext } from "../http/request_context.ts";
import type { Services } from "../services.ts";
import { STREAM_HEADERS } from "../turn/turn_stream.ts";
import { sectionsFor, signedInBrowser } from "./dashboard_page.tsx";
import { LIVE_EDGE_MS, LIVE_MS } from "./org_view.ts";
import { notSignedIn } from "./sign_in.ts";
import type { SignIn } from "./sign_ins.ts";

/** Milliseconds after which a silent feed carries a comment: proxies close what is silent. */
const HEARTBEAT_MS = 15_000;
/** Milliseconds after which a feed ends and the page opens another. */
const LIFE_MS = 10 * 60_000;
/** In Workers every read counts against what one request may ask for. */
const LIFE_EDGE_MS = 45_000;
/** Milliseconds that the browser waits before it connects again. */
const RETRY_MS = 2000;

/** One feed for each page. Ends when the browser goes, when its time is up, when the sign-in ends and when the gateway drains. */
export async function dashboardEvents(
  context: RequestContext,
  services: Services,
): Promise<Response> {
  context.fields["quiet"] = true;
  const signedIn = await signedInBrowser(context, services);
  if (signedIn === null) throw notSignedIn();
  const headers = { ...STREAM_HEADERS, "cache-control": "no-store", "x-frame-options": "DENY" };
  // A page asks so why its feed was refused: that is nothing to be counted as one.
  if (context.request.method === "HEAD") return new Response(null, { headers });
  return new Response(new Feed(context, services, signedIn).body(), { headers });
}

class Feed {
  readonly #context: RequestContext;
  readonly #services: Services;
  readonly #token: string;
  readonly #everyMs: number;
  readonly #writer: SseWriter = new SseWriter();
  /** What the page has of each section. */
  readonly #sent: Map<string, string> = new Map();
  readonly #until: number;
  readonly #countOut: () => void;
  #controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | null = null;
  #stopTimer: () => void = () => {};
  #lastSent: number;
  #problem: string | null = null;
  #over = false;

  constructor(context: RequestContext, services: Services, { principal, token }: SignIn) {
    const { shared, feeds } = services.dashboard;
    const now = context.clock.monotonic();
    this.#context = context;
    this.#services = services;
    this.#token = token;
    this.#everyMs = shared ? LIVE_MS : LIVE_EDGE_MS;
    this.#until = now + (shared ? LIFE_MS : LIFE_EDGE_MS);
    this.#lastSent = now;
    this.#countOut = feeds.add(principal.org, token, () => this.#end());
  }

  body(): ReadableStream<Uint8Array<ArrayBuffer>> {
    const { signal } = this.#context;
    this.#context.streaming = true;
    signal.addEventListener("abort", () => this.#end(), { once: true });
    return new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => {
        this.#controller = controller;
        controller.enqueue(new TextEncoder().encode(`retry: ${RETRY_MS}\n\n`));
        if (signal.aborted) this.#end();
        else void this.#tick();
      },
      cancel: () => this.#end(),
    });
  }

  async #tick(): Promise<void> {
    // What the browser has not taken is not added to.
    if ((this.#controller?.desiredSize ?? 0) > -8) await this.#update();
    if (this.#over) return;
    if (this.#context.clock.monotonic() >= this.#until) return this.#end();
    this.#stopTimer = this.#context.clock.after(this.#everyMs, () => void this.#tick());
  }

  async #update(): Promise<void> {
    const { clock } = this.#context;
    let goesOn = true;
    try {
      goesOn = await this.#addChanges();
    } catch (error) {
      this.#addProblem(error);
    }
    if (this.#over) return;
    if (clock.monotonic() - this.#lastSent >= HEARTBEAT_MS) this.#writer.comment("still here");
    const bytes = this.#writer.take();
    if (bytes !== null) {
      this.#lastSent = clock.monotonic();
      this.#controller?.enqueue(bytes);
    }
    if (!goesOn) this.#end();
  }

  /** Whether the browser is still signed in. */
  async #addChanges(): Promise<boolean> {
    const signedIn = await this.#services.dashboard.signIns.find(this.#token);
    if (signedIn === null) {
      this.#writer.event("signed_out", {});
      return false;
    }
    const sections = await sectionsFor(this.#context, this.#services, signedIn);
    const changed = [...sections].filter(([name, html]) => this.#sent.get(name) !== html);
    for (const [name, html] of changed) this.#sent.set(name, html);
    if (changed.length > 0 || this.#problem !== null) {
      this.#writer.event("sections", Object.fromEntries(changed));
    }
    this.#problem = null;
    return true;
  }

  /** Says once what is wrong; the page keeps what it has. */
  #addProblem(error: unknown): void {
    const known = error instanceof SynthError;
    if (!known && error instanceof Error) this.#context.error = error;
    const text = known ? error.message : "The gateway failed";
    if (this.#problem === text) return;
    this.#problem = text;
    this.#writer.event("problem", { text });
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#stopTimer();
    this.#countOut();
    try {
      this.#controller?.close();
    } catch {
      // The browser has gone.
    }
    this.#context.finish();
  }
}
