/** The real Codex and the real opencode on models that never stop by themselves: every turn ends, and says why. @module */
import { assert, assertEquals, assertFalse, assertStringIncludes } from "@std/assert";
import {
  call,
  finish,
  frame,
  role,
  say,
  sse,
  stream,
  text,
  usage,
} from "../support/chat_replies.ts";
import { type Answers, type ClientRoom, openClientRoom } from "../support/client_room.ts";
import { codexHome } from "../support/codex.ts";
import { scriptedConfig } from "../support/gateway_process.ts";
import { opencodeHome } from "../support/opencode.ts";
import type { RawReply } from "../support/raw_http.ts";
import { isRecord, type Rec } from "../support/response_shape.ts";
import type { RecordedRequest } from "../support/scripted_upstream.ts";
import type { Exchange } from "../support/tap.ts";

const ROUNDS = 6;
const IDENTICAL = 3;
const STOP = "__internal_stop";
/** What the gateway says for a model that has nothing to say. */
const STOPPED = "called tools again and again";

type Mode = "off" | "offer" | "force";

interface Agent {
  readonly name: "codex" | "opencode";
  /** The tool that runs a shell command, and its argument. */
  readonly tool: readonly [string, string];
  turn(room: ClientRoom): Promise<{ code: number; said: string }>;
}

const AGENTS: readonly Agent[] = [
  {
    name: "codex",
    tool: ["exec_command", "cmd"],
    async turn({ tap, gateway }) {
      await using home = await codexHome(tap.origin, gateway.apiKey);
      const result = await home.exec("synth-small", "go on for ever");
      return { code: result.code, said: result.messages.join("\n") + (result.error ?? "") };
    },
  },
  {
    name: "opencode",
    tool: ["bash", "command"],
    async turn({ tap, gateway }) {
      await using home = await opencodeHome(tap.origin, gateway.apiKey);
      const result = await home.run("go on for ever");
      return { code: result.code, said: result.stdout };
    },
  },
];

interface Played {
  readonly code: number;
  readonly said: string;
  /** Requests with the agent's conversation; opencode asks for a title beside them. */
  readonly main: readonly RecordedRequest[];
  readonly exchanges: readonly Exchange[];
  /** All that the client was sent. */
  readonly told: string;
  /** The gateway's log of those requests. */
  readonly log: readonly Rec[];
}

/** One turn of an agent, whose model answers its n-th request like this. */
async function play(
  agent: Agent,
  mode: Mode,
  limits: readonly [number, number],
  model: (n: number, request: RecordedRequest) => RawReply,
): Promise<Played> {
  let n = 0;
  const main: RecordedRequest[] = [];
  const answers: Answers = (request) => {
    if (isTitle(request)) return say("A title");
    main.push(request);
    return model(n++, request);
  };
  await using room = await openClientRoom(answers, (baseUrl) => {
    const gateway = `loop_max_rounds = ${limits[0]}\nloop_max_identical = ${limits[1]}`;
    return `${scriptedConfig(baseUrl, gateway)}stop_tool = "${mode}"\n`;
  });
  const { code, said } = await agent.turn(room);
  assertEquals(await room.tap.problems(), []);
  const exchanges = room.tap.exchanges.filter(({ method }) => method === "POST");
  const bodies = await Promise.all(exchanges.map(({ answer }) => answer.catch(() => "")));
  const log = room.gateway.output().split("\n").filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Rec);
  return { code, said, main, exchanges, told: bodies.join("\n"), log };
}

/** opencode names its sessions by the model: those requests have no system prompt for tools, and never call any. */
function isTitle({ body }: RecordedRequest): boolean {
  return JSON.stringify(body.messages ?? []).includes("Generate a title for this conversation");
}

function shell(agent: Agent, command: string, n: number): RawReply {
  const [name, argument] = agent.tool;
  const args = JSON.stringify({ [argument]: command, description: "run it" });
  return stream(role(), call(0, args, `call_${n}`, name), finish("tool_calls"), usage());
}

function stop(args: Rec, ...before: Rec[]): RawReply {
  const json = JSON.stringify(args);
  return stream(
    role(),
    ...before,
    call(0, "", "call_stop", STOP),
    call(0, json.slice(0, 9)),
    call(0, json.slice(9)),
    finish("tool_calls"),
    usage(),
  );
}

function toolNames(request: RecordedRequest | undefined): string[] {
  const tools = request?.body.tools;
  return Array.isArray(tools) ? tools.map((tool) => String(tool?.function?.name)) : [];
}

/** The one answer that the guard made, where the header and the log name the same reason. */
function assertGuarded(played: Played, rounds: number, reason: string): void {
  const told = played.exchanges.map(({ answerHeaders }) => answerHeaders.get("x-synth-loop-guard"))
    .filter((value) => value !== null);
  assertEquals(told, [`rounds=${rounds};reason=${reason}`]);
  const lines = played.log.filter((line) => line.loop_guard !== undefined);
  assertEquals(lines.map((line) => [line.loop_guard, line.loop_rounds]), [[reason, rounds]]);
  // So many rounds, and the one in which the tools are gone.
  assertEquals(played.main.length, rounds + 1);
  const last = played.main.at(-1)!.body;
  assertEquals([last.tools, last.tool_choice], [undefined, undefined]);
}

for (const agent of AGENTS) {
  const { name } = agent;

  Deno.test(`${name}: a model that calls for ever is ended after max_rounds`, async () => {
    const played = await play(agent, "offer", [ROUNDS, 0], (n) => shell(agent, `echo ${n}`, n));
    assertEquals(played.code, 0, played.said);
    assertStringIncludes(played.said, STOPPED);
    assertGuarded(played, ROUNDS, "max_rounds");
    assertFalse(played.told.includes(STOP));
  });

  Deno.test(`${name}: a model that repeats its call is ended, in its own words`, async () => {
    const played = await play(agent, "off", [200, IDENTICAL], (n, { body }) => {
      return body.tools === undefined ? say("I give up.") : shell(agent, "echo same", n);
    });
    assertEquals(played.code, 0, played.said);
    assertStringIncludes(played.said, "I give up.");
    assertGuarded(played, IDENTICAL, "max_identical");
  });

  Deno.test(`${name}: a model that alternates two calls is ended`, async () => {
    const played = await play(agent, "off", [200, IDENTICAL], (n) => {
      return shell(agent, n % 2 === 0 ? "echo tick" : "echo tock", n);
    });
    assertEquals(played.code, 0, played.said);
    assertStringIncludes(played.said, STOPPED);
    assertGuarded(played, 2 * IDENTICAL, "max_identical");
  });

  Deno.test(`${name}: a model that talks for ever is cut at what was granted`, async () => {
    const words = frame(text("and on and on ".repeat(4000)));
    const endless = sse([...Array<string>(40).fill(words), { fault: "stall" }]);
    const played = await play(agent, "offer", [ROUNDS, IDENTICAL], () => endless);
    // Codex fails a turn that is too long for its model; opencode keeps what there is.
    assertEquals(played.code, name === "codex" ? 1 : 0, played.said);
    assertStringIncludes(played.said, name === "codex" ? "max_output_tokens" : "and on and on");
    assertEquals(played.main.length, 1);
    assertStringIncludes(played.told, "response.incomplete");
  });

  for (const mode of ["offer", "force"] as const) {
    Deno.test(`${name}: a model that calls the stop tool ends cleanly (${mode})`, async () => {
      const played = await play(agent, mode, [200, 5], (n) => {
        return n === 0 ? shell(agent, "echo one", n) : stop({ final_message: "All done, é." });
      });
      assertEquals(played.code, 0, played.said);
      assertStringIncludes(played.said, "All done, é.");
      assertEquals(played.main.length, 2);
      for (const request of played.main) {
        assert(toolNames(request).includes(STOP));
        assertEquals(request.body.tool_choice, mode === "force" ? "required" : "auto");
      }
      assertFalse(played.told.includes(STOP));
      assertFalse(played.exchanges.some(({ body }) => body.includes(STOP)), "it went back");
      assertEquals(
        played.exchanges.every(({ answerHeaders }) => {
          return answerHeaders.get("x-synth-loop-guard") === null;
        }),
        true,
      );
    });
  }

  Deno.test(`${name}: a forced model that stops beside its words shows the words once`, async () => {
    const played = await play(agent, "force", [200, 5], () => {
      return stop({ final_message: "Unused." }, text("It is finished."));
    });
    assertEquals(played.code, 0, played.said);
    assertStringIncludes(played.said, "It is finished.");
    assertFalse(played.said.includes("Unused."));
    assertEquals(played.main.length, 1);
    assertFalse(played.told.includes(STOP));
  });

  Deno.test(`${name}: switched off, nothing is added and nothing is ended`, async () => {
    const played = await play(agent, "off", [0, 0], (n) => {
      return n < 8 ? shell(agent, "echo same", n) : say("By myself.");
    });
    assertEquals(played.code, 0, played.said);
    assertStringIncludes(played.said, "By myself.");
    assertEquals(played.main.length, 9);
    assert(played.main.every((request) => !toolNames(request).includes(STOP)));
    assert(played.exchanges.every(({ answerHeaders }) => {
      return answerHeaders.get("x-synth-loop-guard") === null;
    }));
    assert(played.log.every((line) => isRecord(line) && line.loop_guard === undefined));
  });
}
