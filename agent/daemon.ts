// The program simwardd: configuration, ports and sockets of a real gateway around the agent; tells systemd when it is ready, ends cleanly when asked.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { uptime } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { dialData } from "../at-drivers/dial.ts";
import { openModem } from "../at-drivers/driver.ts";
import { type Clock, type Disposer, SystemClock } from "../base/clock.ts";
import { realDisk, subDisk } from "../base/disk.ts";
import { asSimwardError, reasonOf, SimwardError } from "../base/errors.ts";
import { createLog, type Log } from "../base/log.ts";
import { systemRandom } from "../base/random.ts";
import { readSmallFile } from "../base/small-file.ts";
import { createTraceBus } from "../base/trace.ts";
import { version } from "../base/version.ts";
import { serveApi } from "./api/server.ts";
import { type ConfigInForce, configInForce, formerConfig, isConfigError, keepConfig } from "./config/in-force.ts";
import { loadConfig } from "./config/load.ts";
import { kernelView } from "./data-path/kernel.ts";
import { createNetdClient } from "./data-path/netd-client.ts";
import { createOwnResolver } from "./data-path/resolver.ts";
import { readInitialEims } from "./initial-eims.ts";
import { createAgent } from "./main.ts";
import { peersOf } from "./peers.ts";
import type { Agent } from "./ports.ts";
import { rspOf } from "./rsp.ts";
import { lockDirectory } from "./state/lock.ts";
import { openNatMemory } from "./state/nat-memory.ts";
import { forgetStartFailure, keepStartFailure } from "./state/start-failure.ts";
import { openTlsSessions } from "./state/tls-sessions.ts";
import { createLogTail } from "./trace/log-tail.ts";
import { atTrace } from "./trace/ports.ts";
import { createTransports } from "./transports.ts";
import { uplinkPostOf } from "./uplink/post.ts";

const usage = `simwardd ${version}
usage: simwardd [--config FILE]      FILE is /etc/simward/simward.toml by default
       simwardd --version
The field engineer's command is simward; see simward --help.
`;

/** Below TimeoutStopSec of the unit. */
const stopLimitMs = 20_000;
const crashAuditMs = 1_000;

/** systemd credentials (systemd.exec(5)). */
async function credential(name: string): Promise<string> {
  const dir = process.env.CREDENTIALS_DIRECTORY;
  if (dir === undefined)
    throw new SimwardError("CONFIG_READ", {
      detail: `the credential ${name}: there is no CREDENTIALS_DIRECTORY; use LoadCredential= in the unit`,
    });
  try {
    return (await readSmallFile(join(dir, name))).replace(/\n$/, "");
  } catch (error) {
    throw new SimwardError("CONFIG_READ", { detail: `the credential ${name}: ${reasonOf(error)}`, cause: error });
  }
}

/** sd_notify(3) by its program, since Node has no datagram UNIX sockets; nothing happens outside systemd. */
function notifySystemd(state: string, log: Log): void {
  if (process.env.NOTIFY_SOCKET === undefined) return;
  execFile("systemd-notify", [state], { timeout: 5_000 }, (error) => {
    if (error !== null) log.warn("systemd-notify", { error });
  });
}

/** A file that cannot be read leaves the vehicle without the fleet's keys, not without its network. */
async function rootKeysOf(path: string, log: Log): Promise<string> {
  try {
    return await readSmallFile(path);
  } catch (error) {
    log.error("keys.root", { path, reason: reasonOf(error) });
    return "";
  }
}

interface Options {
  readonly config: string;
  readonly version: boolean;
  readonly help: boolean;
}

function optionsOf(args: readonly string[]): Options {
  try {
    return parseArgs({
      args: [...args],
      options: {
        config: { type: "string", default: "/etc/simward/simward.toml" },
        version: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    throw new SimwardError("USAGE", { detail: error instanceof Error ? error.message : String(error), cause: error });
  }
}

/** Aborts when systemd or a terminal asks for the end. Who asks twice does not want to wait. */
function stopSignal(): AbortSignal {
  const asked = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const)
    process.on(name, () => {
      if (asked.signal.aborted) process.exit(1);
      asked.abort(name);
    });
  return asked.signal;
}

/** What nobody caught: told, and ended with, so that the daemon is started anew. The state is such that it may end at any moment. */
function endOnCrash(log: Log, clock: Clock, audit: () => Promise<void>): Disposer {
  const onCrash = (error: unknown, origin: string): void => {
    log.error("crash", { origin, error: asSimwardError(error), stack: error instanceof Error ? error.stack : undefined });
    const end = (): void => process.exit(1);
    clock.after(crashAuditMs, end);
    audit().then(end, end);
  };
  process.on("uncaughtException", onCrash);
  return () => process.off("uncaughtException", onCrash);
}

async function run(): Promise<number> {
  const options = optionsOf(process.argv.slice(2));
  if (options.help || options.version) {
    process.stdout.write(options.help ? usage : `${version}\n`);
    return 0;
  }
  const given = await configInForce(options.config, realDisk);
  // Before this, nothing is open that would want an orderly end.
  const stop = stopSignal();
  try {
    return await started(options.config, given, stop);
  } catch (error) {
    // It parses, and names what is not there: a file, a group.
    if (!isConfigError(error) || given.problem !== undefined) throw error;
    const former = await formerConfig(options.config, realDisk(given.config.paths.state));
    if (former === undefined || former.text === given.text) throw error;
    return await started(options.config, { ...former, problem: error }, stop);
  }
}

/** Why it did not start is kept for whoever asks without it. */
async function started(configPath: string, given: ConfigInForce, stop: AbortSignal): Promise<number> {
  try {
    return await serve(configPath, given, stop);
  } catch (error) {
    await keepStartFailure(realDisk(given.config.paths.state), asSimwardError(error), new SystemClock().now());
    throw error;
  }
}

async function serve(configPath: string, { config, text, problem }: ConfigInForce, stop: AbortSignal): Promise<number> {
  const clock = new SystemClock({ isSynchronised: () => existsSync(config.clock.synchronised_file) });
  const tail = createLogTail();
  const log = createLog({ level: config.log.level, clock, journald: process.env.JOURNAL_STREAM !== undefined, onLine: tail.take });
  const trace = createTraceBus({ clock, random: systemRandom });
  let agent: Agent | undefined;
  /** What has been opened, to be closed in the opposite order. */
  const opened: (() => unknown)[] = [endOnCrash(log, clock, async () => agent?.crashed())];
  try {
    const lock = await lockDirectory(config.paths.state);
    opened.push(() => lock.release());
    const disk = realDisk(config.paths.state);
    const netd = createNetdClient({ path: config.net.netd_socket, clock });
    opened.push(() => netd.close());
    const modem = openModem({
      address: config.modem.address,
      clock,
      mayDisturb: () => agent?.mayDisturb(),
      ...(config.modem.power_hook ? { powerCycle: async () => void (await netd.ask("modem-power", { action: "cycle" })) } : {}),
      random: systemRandom,
      log: log.child({ part: "modem" }),
      trace: atTrace(trace),
      ...(config.modem.family === undefined ? {} : { family: config.modem.family }),
    });
    opened.push(() => modem.close());
    modem.onEvent((event) => {
      if (event.kind !== "time") return;
      if (clock.nitz(event.utcMs)) log.info("time from the network", { utc: new Date(clock.now()).toISOString() });
      else log.warn("time from the network is not believed", { utc: new Date(event.utcMs).toISOString() });
    });
    const sessions = await openTlsSessions(subDisk(disk, "tls"), log);
    const resolver = createOwnResolver({ clock, isPlatforms: config.net.mode === "none" });
    const transports = createTransports({
      config,
      resolve: resolver.resolve,
      clock,
      random: systemRandom,
      sessions,
      natMemory: await openNatMemory(disk, log),
      trace,
      onNoConnectionId: () => log.warn("this OpenSSL has no room for DTLS Connection ID; going on without"),
    });
    opened.push(() => transports.close());
    agent = await createAgent({
      config,
      configProblem: problem,
      configFile: { path: configPath, read: () => loadConfig(configPath) },
      clock,
      random: systemRandom,
      log,
      disk,
      modem,
      transports: transports.all,
      peers: await peersOf(config.eim.peer),
      rsp: await rspOf(config.rsp, transports.es9, credential, (error) => log.warn("no direct downloads", { error })),
      initialEims: await readInitialEims(config.eim.consumer_initial_eim),
      uplink: await uplinkPostOf(config.uplink, transports.https, credential),
      net: { netd, kernel: kernelView(), dial: dialData, resolver },
      bootMs: () => uptime() * 1_000,
      trace,
      programLog: {
        tail,
        get level() {
          return log.level;
        },
        set level(level) {
          log.level = level;
        },
      },
      credential,
      rootKeys: config.keys.root === undefined ? undefined : await rootKeysOf(config.keys.root, log),
    });
    const running = agent;
    const api = await serveApi(config.api, running, log.child({ part: "api" }));
    opened.push(() => api.close());
    if (!stop.aborted) {
      opened.push(() => running.stop());
      await running.start();
      if (problem === undefined)
        await keepConfig(configPath, text, disk).catch((error: unknown) => log.warn("config", { error: asSimwardError(error) }));
      await forgetStartFailure(disk);
      notifySystemd("--ready", log);
      log.info("simwardd is ready", { version, module: config.modem.address, api: config.api.dir });
    }
    await new Promise<void>((resolve) => {
      if (stop.aborted) resolve();
      else stop.addEventListener("abort", () => resolve(), { once: true });
    });
    log.info("stopping", { signal: stop.reason });
    notifySystemd("--stopping", log);
    return 0;
  } finally {
    const cancel = clock.after(stopLimitMs, () => {
      log.error("stopping took too long", { limitMs: stopLimitMs });
      process.exit(1);
    });
    for (const close of opened.reverse()) {
      try {
        await close();
      } catch (error) {
        log.error("stopping", { error: asSimwardError(error) });
      }
    }
    cancel();
  }
}

run().then(
  (code) => process.exit(code),
  (error: unknown) => {
    const e = asSimwardError(error);
    process.stderr.write(`error ${e.code}: ${e.message}\n  next: ${e.next}\n${e.code === "USAGE" ? usage : ""}`);
    process.exit(e.code === "USAGE" || e.code.startsWith("CONFIG_") ? 2 : 1);
  },
);
