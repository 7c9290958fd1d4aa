// Runs a Worker in real workerd through miniflare. Reads one line of JSON from standard input, prints one with the addresses, and ends when its input does.
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const { tools, instances, ...options } = JSON.parse((await lines.next()).value);
const { Log, LogLevel, Miniflare } = await import(
  pathToFileURL(`${tools}/node_modules/miniflare/dist/src/index.js`)
);

const running = [];
for (let n = 0; n < instances; n++) {
  running.push(
    new Miniflare({
      ...options,
      modules: true,
      modulesRoot: dirname(options.scriptPath),
      host: "127.0.0.1",
      port: 0,
      log: new Log(LogLevel.NONE),
      handleRuntimeStdio(stdout, stderr) {
        stdout.pipe(process.stderr, { end: false });
        stderr.pipe(process.stderr, { end: false });
      },
    }),
  );
}
const addresses = await Promise.all(running.map((instance) => instance.ready));
process.stdout.write(JSON.stringify(addresses.map((url) => url.origin)) + "\n");
while (!(await lines.next()).done);
await Promise.all(running.map((instance) => instance.dispose()));
