// Processes of the gateway that live in one of its namespaces. Each is this program again, asked over its standard input and output, a line of JSON
// each way, and ends when that input does.
import { type ChildProcess, spawn } from "node:child_process";
import { connect, createServer } from "node:net";
import { createInterface } from "node:readline";
import { type Clock, SystemClock } from "../../base/clock.ts";
import { asSimwardError, SimwardError } from "../../base/errors.ts";
import { announce } from "./announcements.ts";
import { dnsModes, serveDns } from "./dns.ts";
import { commandIn } from "./namespaces.ts";
import { addresses, names, type Place, records } from "./plan.ts";
import { type Flow, flowOptions, serveFleet, startFlow } from "./traffic.ts";
import { startVpn, type VpnFiles } from "./vpn.ts";

type Args = Readonly<Record<string, unknown>>;
type Acts = Readonly<Record<string, (args: Args) => unknown>>;

const text = (args: Args, name: string): string => {
  const value = args[name];
  if (typeof value === "string") return value;
  throw new SimwardError("SIM_OPTION", { detail: `gateway: ${name}: ${JSON.stringify(value)}` });
};

/** What a part can be asked for, by kind. */
const kinds = {
  /** The operator's name servers and announcements. */
  core: async (clock: Clock): Promise<Acts> => {
    const dns = await serveDns(records, addresses.dns);
    announce(clock);
    return {
      dns: (args) => {
        const mode = dnsModes.find((known) => known === args.mode);
        if (mode === undefined) throw new SimwardError("SIM_OPTION", { detail: `dns: ${dnsModes.join(", ")}` });
        dns.set(mode);
      },
      queries: () => dns.queries(),
    };
  },
  /** The fleet's server, on public addresses and behind the tunnel; the order API for who is outside. */
  inet: async (clock: Clock): Promise<Acts> => {
    const fleet = await serveFleet(clock, [addresses.fleet.v4, addresses.fleet.v6, addresses.inside]);
    await serveDns({ [names.inside]: [addresses.inside] }, [addresses.inside]);
    return {
      arrived: () => fleet.arrived(),
      fault: (args) => fleet.fault(text(args, "name"), args.value === undefined ? undefined : text(args, "value")),
      bridge: (args) => bridge(text(args, "path"), Number(text(args, "port"))),
    };
  },
  /** Keeps flows of the fleet's going. */
  sender: async (clock: Clock): Promise<Acts> => {
    const flows = new Map<string, Flow>();
    return {
      start: (args) => {
        const options = flowOptions(args);
        flows.get(options.tag)?.stop();
        flows.set(options.tag, startFlow(clock, options));
      },
      stop: () => {
        for (const flow of flows.values()) flow.stop();
        flows.clear();
      },
      sent: () => Object.fromEntries([...flows].map(([tag, flow]) => [tag, flow.sent()])),
    };
  },
  /** The fleet's VPN gateway. */
  vpn: async (clock: Clock): Promise<Acts> => {
    let vpn: Awaited<ReturnType<typeof startVpn>> | undefined;
    return {
      start: async (args) => {
        vpn ??= await startVpn(text(args, "dir"), clock);
        return vpn.files satisfies VpnFiles;
      },
      stop: async () => {
        await vpn?.stop();
        vpn = undefined;
      },
      list: () => vpn?.list() ?? "",
    };
  },
} as const;
export type PartKind = keyof typeof kinds;

/** A UNIX socket that leads to a port of this namespace's loopback. */
function bridge(path: string, port: number): Promise<void> {
  const server = createServer((outside) => {
    const inside = connect(port, "127.0.0.1");
    for (const [one, other] of [
      [outside, inside],
      [inside, outside],
    ] as const) {
      one.on("error", () => other.destroy());
      one.pipe(other);
    }
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
}

/** The program of a part: never ends by itself but with its input. Throws SIM_OPTION. */
export async function runPart(kind: string): Promise<void> {
  const make = Object.entries(kinds).find(([known]) => known === kind)?.[1];
  if (make === undefined) throw new SimwardError("SIM_OPTION", { detail: `gateway part ${kind}` });
  const acts: Acts = await make(new SystemClock());
  const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
  const input = createInterface({ input: process.stdin });
  input.on("close", () => {
    void Promise.resolve(kind === "vpn" ? acts.stop?.({}) : undefined).finally(() => process.exit(0));
  });
  input.on("line", (line) => {
    const { id, act, args } = JSON.parse(line) as { readonly id: number; readonly act: string; readonly args: Args };
    void (async () => {
      try {
        const perform = acts[act];
        if (perform === undefined) throw new SimwardError("SIM_OPTION", { detail: `gateway part ${kind}: ${act}` });
        say({ id, answer: (await perform(args)) ?? null });
      } catch (error) {
        const { detail, message } = asSimwardError(error);
        say({ id, error: detail ?? message });
      }
    })();
  });
  say({ ready: kind });
  await new Promise(() => {});
}

/** A part from outside. */
export interface Part {
  readonly child: ChildProcess;
  /** Throws SIM_OPTION with the part's words, or when it has ended. */
  ask(act: string, args?: Args): Promise<unknown>;
  stop(): Promise<void>;
}

export interface PartPlace {
  /** How simward-sim is run: node and the bundle. */
  readonly program: readonly string[];
  readonly name: string;
  readonly place: Place;
  readonly uid?: number | undefined;
}

export async function startPart(kind: PartKind, { program, name, place, uid }: PartPlace): Promise<Part> {
  const [command, args] = commandIn(name, place, [...program, "gateway", "part", kind], uid);
  const child = spawn(command, [...args], { stdio: ["pipe", "pipe", "pipe"] });
  const waiting = new Map<number, { readonly resolve: (answer: unknown) => void; readonly reject: (error: unknown) => void }>();
  let said = "";
  let isOver = false;
  let next = 1;
  const gone = (): SimwardError => new SimwardError("SIM_OPTION", { detail: `gateway: ${kind} at ${place} has ended: ${said.trim()}` });
  child.stderr.on("data", (octets: Buffer) => (said = (said + octets.toString("utf8")).slice(-2_000)));
  child.stdin.on("error", () => {});
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const ready = new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    void ended.then(() => {
      isOver = true;
      reject(gone());
      for (const one of waiting.values()) one.reject(gone());
      waiting.clear();
    });
    createInterface({ input: child.stdout }).on("line", (line) => {
      const { id, answer, error } = JSON.parse(line) as { readonly id?: number; readonly answer?: unknown; readonly error?: string };
      if (id === undefined) return resolve();
      const asked = waiting.get(id);
      waiting.delete(id);
      if (error === undefined) asked?.resolve(answer);
      else asked?.reject(new SimwardError("SIM_OPTION", { detail: error }));
    });
  });
  await ready;
  return {
    child,
    ask(act, given = {}) {
      if (isOver) return Promise.reject(gone());
      const id = next++;
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve, reject });
        child.stdin.write(`${JSON.stringify({ id, act, args: given })}\n`);
      });
    },
    async stop() {
      child.stdin.end();
      await ended;
    },
  };
}
