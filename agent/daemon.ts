// The program simwardd: configuration, ports and sockets of a real gateway around the agent; tells systemd when it is ready, ends cleanly when asked.
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openModem } from "../at-drivers/driver.ts";
import { SystemClock } from "../base/clock.ts";
import { realDisk, subDisk } from "../base/disk.ts";
import { asSimwardError, SimwardError } from "../base/errors.ts";
import { createLog, type Log } from "../base/log.ts";
import { systemRandom } from "../base/random.ts";
import { version } from "../base/version.ts";
import { serveApi } from "./api/server.ts";
import { loadConfig } from "./config/load.ts";
import { createAgent } from "./main.ts";
import { peersOf } from "./peers.ts";
import { rspOf } from "./rsp.ts";
import { openNatMemory } from "./state/nat-memory.ts";
import { openTlsSessions } from "./state/tls-sessions.ts";
import { createTransports } from "./transports.ts";

const usage = `simwardd ${version}
usage: simwardd [--config FILE]      FILE is /etc/simward/simward.toml by default
       simwardd --version
The field engineer's command is simward; see simward --help.
`;

/** systemd credentials (systemd.exec(5)). */
async function credential(name: string): Promise<string> {
  const dir = process.env.CREDENTIALS_DIRECTORY;
  if (dir === undefined)
    throw new SimwardError("CONFIG_READ", {
      detail: `the credential ${name}: there is no CREDENTIALS_DIRECTORY; use LoadCredential= in the unit`,
    });
  try {
    return (await readFile(join(dir, name), "utf8")).replace(/\n$/, "");
  } catch (error) {
    throw new SimwardError("CONFIG_READ", { detail: `the credential ${name}`, cause: error });
  }
}

/** sd_notify(3) by its program, since Node has no datagram UNIX sockets; nothing happens outside systemd. */
function notifySystemd(state: string, log: Log): void {
  if (process.env.NOTIFY_SOCKET === undefined) return;
  execFile("systemd-notify", [state], (error) => {
    if (error !== null) log.warn("systemd-notify", { error });
  });
}

async function run(): Promise<number> {
  let options: { readonly config: string; readonly version: boolean; readonly help: boolean };
  try {
    options = parseArgs({
      options: {
        config: { type: "string", default: "/etc/simward/simward.toml" },
        version: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    process.stderr.write(`error USAGE: ${error instanceof Error ? error.message : error}\n${usage}`);
    return 2;
  }
  if (options.help || options.version) {
    process.stdout.write(options.help ? usage : `${version}\n`);
    return 0;
  }

  const config = await loadConfig(options.config);
  const clock = new SystemClock();
  const log = createLog({ level: config.log.level, clock, journald: process.env.JOURNAL_STREAM !== undefined });
  const disk = realDisk(config.paths.state);
  const sessions = await openTlsSessions(subDisk(disk, "tls"), log);
  const modem = openModem({
    address: config.modem.address,
    clock,
    random: systemRandom,
    log: log.child({ part: "modem" }),
    ...(config.modem.family === undefined ? {} : { family: config.modem.family }),
  });
  modem.onEvent((event) => {
    if (event.kind === "time" && clock.nitz(event.utcMs)) log.info("time from the network", { utc: new Date(clock.now()).toISOString() });
  });
  const transports = createTransports({
    config,
    clock,
    random: systemRandom,
    sessions,
    natMemory: await openNatMemory(disk, log),
    onNoConnectionId: () => log.warn("this OpenSSL has no room for DTLS Connection ID; going on without"),
  });
  const agent = await createAgent({
    config,
    clock,
    random: systemRandom,
    log,
    disk,
    modem,
    transports: transports.all,
    peers: await peersOf(config.eim.peer),
    rsp: await rspOf(config.rsp, transports.es9, credential, (error) => log.warn("no direct downloads", { error })),
    credential,
  });
  const api = await serveApi(config.api, agent, log.child({ part: "api" }));
  await agent.start();
  notifySystemd("--ready", log);
  log.info("simwardd is ready", { version, module: config.modem.address, api: config.api.dir });

  const signal = await new Promise<string>((resolve) => {
    for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => resolve(name));
  });
  log.info("stopping", { signal });
  notifySystemd("--stopping", log);
  await api.close();
  await agent.stop();
  await modem.close();
  transports.close();
  return 0;
}

run().then(
  (code) => process.exit(code),
  (error: unknown) => {
    const e = asSimwardError(error);
    process.stderr.write(`error ${e.code}: ${e.message}\n  next: ${e.next}\n`);
    process.exit(e.code.startsWith("CONFIG_") ? 2 : 1);
  },
);
