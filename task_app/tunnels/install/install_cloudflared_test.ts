import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { SynthError } from "@synth/core";
import { gzipSync } from "node:zlib";
import { createTar } from "nanotar";
import { findChecksum, sha256 } from "./checksum.ts";
import { installCloudflared, type InstallOptions } from "./install_cloudflared.ts";
import { checksumOfRelease, releaseFile, releaseInfoUrl, releaseUrl } from "./release.ts";
import { unpack } from "./unpack.ts";

const PROGRAM = new TextEncoder().encode('#!/bin/sh\necho "cloudflared version 2026.8.0"\n');

/** A directory, and a server that gives files out. */
class Room implements AsyncDisposable {
  readonly path: string;
  readonly files = new Map<string, () => Response>();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor() {
    this.path = Deno.makeTempDirSync({ prefix: "synth-install-" });
    const on = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
    this.#server = Deno.serve(
      on,
      (request) =>
        this.files.get(new URL(request.url).pathname)?.() ?? new Response(null, { status: 404 }),
    );
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  async install(options: Omit<InstallOptions, "home">): ReturnType<typeof installCloudflared> {
    return await installCloudflared({ home: `${this.path}/home`, ...options });
  }

  async fails(options: Omit<InstallOptions, "home">): Promise<string> {
    return (await assertRejects(() => this.install(options), SynthError)).code;
  }

  /** What lies beside the program. */
  async left(): Promise<string[]> {
    try {
      return (await Array.fromAsync(Deno.readDir(`${this.path}/home/bin`))).map(({ name }) => name);
    } catch {
      return [];
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
    await Deno.remove(this.path, { recursive: true });
  }
}

Deno.test("installCloudflared installs a file whose checksum fits, executable, and tries it first", async () => {
  await using room = new Room();
  const from = `${room.path}/cloudflared-linux-amd64`;
  await Deno.writeFile(from, PROGRAM);
  const digest = await sha256(PROGRAM);
  const result = await room.install({ from, sha256: `SHA256:${digest.toUpperCase()}` });
  assertEquals(result, {
    path: `${room.path}/home/bin/cloudflared`,
    version: "cloudflared version 2026.8.0",
    sha256: digest,
    from,
    vouched_by: "--sha256",
  });
  assertEquals(((await Deno.stat(result.path)).mode ?? 0) & 0o777, 0o755);
  assertEquals(await room.left(), ["cloudflared"]);
});

Deno.test("installCloudflared takes nothing that nobody vouches for, and keeps what was there", async () => {
  await using room = new Room();
  const from = `${room.path}/cloudflared`;
  await Deno.writeFile(from, PROGRAM);
  await room.install({ from, sha256: await sha256(PROGRAM) });
  await Deno.writeTextFile(from, "#!/bin/sh\necho changed\n");
  let asked = 0;
  room.files.set("/cloudflared", () => {
    asked++;
    return new Response(PROGRAM);
  });
  assertEquals(await room.fails({ from: `${room.url}/cloudflared` }), "install_checksum_needed");
  assertEquals(asked, 0);
  const digest = await sha256(PROGRAM);
  assertEquals(await room.fails({ from, sha256: digest }), "install_checksum_mismatch");
  assertEquals(await room.fails({ from, sha256: "abc" }), "install_checksum_invalid");
  assertEquals(
    await room.fails({ from, sha256: digest, checksums: from }),
    "install_checksum_twice",
  );
  assertEquals(await room.fails({ release: "../x", sha256: digest }), "install_release_invalid");
  const broken = new TextEncoder().encode("#!/bin/sh\nexit 3\n");
  await Deno.writeFile(from, broken);
  assertEquals(await room.fails({ from, sha256: await sha256(broken) }), "cloudflared_broken");
  assertEquals(await room.left(), ["cloudflared"]);
  assertEquals(await Deno.readFile(`${room.path}/home/bin/cloudflared`), PROGRAM);
});

Deno.test("installCloudflared downloads a .tgz by a list of checksums, through redirects on known paths", async () => {
  await using room = new Room();
  const archive = gzipSync(createTar([
    { name: "LICENSE", data: "text" },
    { name: "dist/cloudflared", data: PROGRAM },
  ]));
  room.files.set("/real", () => new Response(new Uint8Array(archive)));
  room.files.set(
    "/cloudflared.tgz",
    () => new Response(null, { status: 302, headers: { location: "/real" } }),
  );
  const list = `${await sha256(archive)}  cloudflared.tgz\n${"0".repeat(64)}  other.tgz\n`;
  room.files.set("/SHA256SUMS", () => new Response(list));
  const checksums = `${room.url}/SHA256SUMS`;
  const result = await room.install({ from: `${room.url}/cloudflared.tgz`, checksums });
  assertEquals([result.version, result.vouched_by], ["cloudflared version 2026.8.0", checksums]);
  assertEquals(
    await room.fails({ from: `${room.url}/gone.tgz`, checksums }),
    "install_checksum_missing",
  );
  const sha = { sha256: "0".repeat(64) };
  room.files.set("/away", () => Response.redirect("http://files.example/x"));
  for (const path of ["/away", "/nothing"]) {
    assertEquals(await room.fails({ from: room.url + path, ...sha }), "install_source_unusable");
  }
  assertEquals(
    await room.fails({ from: "http://files.example/x", ...sha }),
    "install_source_unusable",
  );
  assertEquals(await room.fails({ from: room.path, ...sha }), "install_source_unusable");
});

Deno.test("installCloudflared refuses a download without end", async () => {
  await using room = new Room();
  const chunk = new Uint8Array(8 * 1024 * 1024);
  let sent = 0;
  room.files.set("/endless", () =>
    new Response(
      new ReadableStream({
        pull: (controller) => {
          sent += chunk.length;
          controller.enqueue(chunk);
        },
      }),
    ));
  const options = { from: `${room.url}/endless`, sha256: "0".repeat(64) };
  assertEquals(await room.fails(options), "body_too_large");
  assert(sent < 400 * 1024 * 1024, `${sent} bytes`);
});

Deno.test("unpack gives the one program of an archive, and writes nowhere", () => {
  const tgz = (files: { name: string; data: Uint8Array }[]) =>
    new Uint8Array(gzipSync(createTar(files)));
  const data = PROGRAM;
  assertEquals(unpack(PROGRAM, "cloudflared"), PROGRAM);
  assertEquals(unpack(new Uint8Array(gzipSync(PROGRAM)), "cloudflared"), PROGRAM);
  assertEquals(unpack(tgz([{ name: "cloudflared", data }]), "cloudflared"), PROGRAM);
  // Where it would lie is nobody's business.
  assertEquals(unpack(tgz([{ name: "../../etc/cloudflared", data }]), "cloudflared"), PROGRAM);
  const refused = [
    tgz([{ name: "a/cloudflared", data }, { name: "b/cloudflared", data }]),
    tgz([{ name: "other", data }]),
    new Uint8Array([0x1f, 0x8b, 1, 2, 3]),
    new Uint8Array([0x50, 0x4b, 3, 4]),
  ];
  for (const bytes of refused) {
    const error = assertThrows(() => unpack(bytes, "cloudflared"), SynthError) as SynthError;
    assertEquals(error.code, "install_archive_invalid");
  }
});

Deno.test("findChecksum reads lists and release notes, and takes no other file's", () => {
  const [a, b] = ["a".repeat(64), "b".repeat(64)];
  const list = `${a}  cloudflared-linux-amd64\n${b} *cloudflared-linux-amd64.deb\n`;
  assertEquals(findChecksum(list, "cloudflared-linux-amd64"), a);
  assertEquals(findChecksum(list, "cloudflared-linux-amd64.deb"), b);
  const notes = "### SHA256 Checksums:\n```\ncloudflared-linux-amd64: " + a + "\n```\n";
  assertEquals(findChecksum(notes, "cloudflared-linux-amd64"), a);
  for (
    const text of [
      "",
      `${a} other`,
      `${list}${b} cloudflared-linux-amd64`,
      "x cloudflared-linux-amd64",
    ]
  ) {
    assertThrows(() => findChecksum(text, "cloudflared-linux-amd64"), SynthError);
  }
});

Deno.test("checksumOfRelease prefers GitHub's own digest", () => {
  const [a, b] = ["a".repeat(64), "b".repeat(64)];
  const body = `cloudflared-linux-amd64: ${b}`;
  const assets = [{ name: "cloudflared-linux-amd64", digest: `sha256:${a}` }];
  const read = (info: unknown) =>
    checksumOfRelease(JSON.stringify(info), "cloudflared-linux-amd64");
  assertEquals(read({ assets, body }), a);
  assertEquals(read({ assets: [{ ...assets[0], digest: null }], body }), b);
  assertThrows(() => read({ assets: [] }), SynthError);
});

Deno.test("a release has a file for each machine, at one place", () => {
  assertEquals(releaseFile("linux", "x86_64"), "cloudflared-linux-amd64");
  assertEquals(releaseFile("darwin", "aarch64"), "cloudflared-darwin-arm64.tgz");
  assertThrows(() => releaseFile("freebsd", "x86_64"), SynthError);
  assertEquals(
    new URL(releaseUrl("2026.8.0", "f")).pathname,
    "/cloudflare/cloudflared/releases/download/2026.8.0/f",
  );
  assertEquals(
    new URL(releaseUrl("latest", "f")).pathname,
    "/cloudflare/cloudflared/releases/latest/download/f",
  );
  assertEquals(
    new URL(releaseInfoUrl("2026.8.0")).pathname,
    "/repos/cloudflare/cloudflared/releases/tags/2026.8.0",
  );
});
