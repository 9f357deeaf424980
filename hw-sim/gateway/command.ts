// The command line of `simward-sim gateway`: up (which stays), down, exec, status; and the parts that `up` starts in its namespaces.
import { spawn } from "node:child_process";
import { realpathSync } from "node:fs";
import { constants } from "node:os";
import type { Command } from "commander";
import { SystemClock } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import { countersOf, createGateway, type GatewayReady } from "./gateway.ts";
import { commandIn, gateways, ownerOf, sweep, takeDown } from "./namespaces.ts";
import { runPart } from "./part.ts";
import { checkedName, namespaceOf, type Place, places } from "./plan.ts";

/** What the command line asks for. */
export type GatewayCommand =
  | { readonly verb: "up"; readonly name: string; readonly vpn: boolean; readonly vehicle: readonly string[] }
  | { readonly verb: "down"; readonly name: string | undefined }
  | {
      readonly verb: "exec";
      readonly name: string;
      readonly place: Place;
      readonly uid: number | undefined;
      readonly command: readonly string[];
    }
  | { readonly verb: "status" }
  | { readonly verb: "part"; readonly kind: string };

const usualName = "simward";

/** Adds `gateway` to a program; `ask` hears what was asked for. */
export function gatewayCommand(program: Command, ask: (command: GatewayCommand) => void): void {
  const gateway = program
    .command("gateway")
    .description("A vehicle's gateway in network namespaces: control unit, operator, internet. Root.");
  gateway
    .command("up")
    .description("Makes it, prints one line of JSON, stays, and removes it on SIGINT or SIGTERM; also what killed runs left.")
    .option("--name <name>", "of namespaces NAME-gw, NAME-ecu, NAME-core, NAME-inet", usualName)
    .option("--vpn", "with the fleet's VPN gateway (strongSwan)", false)
    .argument("[options...]", "of `simward-sim run`, behind --")
    .action((vehicle: readonly string[], { name, vpn }: { readonly name: string; readonly vpn: boolean }) =>
      ask({ verb: "up", name: checkedName(name), vpn, vehicle }),
    );
  gateway
    .command("down")
    .description("Ends one and removes all of it; without a name, what killed runs left.")
    .argument("[name]")
    .action((name: string | undefined) => ask({ verb: "down", name: name === undefined ? undefined : checkedName(name) }));
  gateway
    .command("exec")
    .description(`Runs a command in one of its namespaces: ${places.join(", ")}.`)
    .option("--name <name>", "of the gateway", usualName)
    .option("--uid <number>", "as this user, without privileges")
    .argument("<place>")
    .argument("<command...>")
    .passThroughOptions()
    .action((where: string, command: readonly string[], options: { readonly name: string; readonly uid?: string }) => {
      const place = places.find((known) => known === where);
      if (place === undefined) throw new SimwardError("SIM_OPTION", { detail: `gateway exec: ${where} is none of ${places.join(", ")}` });
      if (options.uid !== undefined && !/^\d{1,9}$/.test(options.uid))
        throw new SimwardError("SIM_OPTION", { detail: `gateway exec: --uid ${options.uid}` });
      const uid = options.uid === undefined ? undefined : Number(options.uid);
      ask({ verb: "exec", name: checkedName(options.name), place, uid, command: command[0] === "--" ? command.slice(1) : command });
    });
  gateway
    .command("status")
    .description("Prints a line of JSON for each that is there: namespaces, process, and what passed the module's link.")
    .action(() => ask({ verb: "status" }));
  gateway
    .command("part <kind>", { hidden: true })
    .description("one of the processes that `up` starts")
    .action((kind: string) => ask({ verb: "part", kind }));
}

export interface RunningGateway {
  readonly ready: GatewayReady;
  close(): Promise<void>;
}

/** Carries it out; a gateway that runs is the answer to `up`, undefined to all else. Throws SIM_OPTION. */
export async function runGatewayCommand(command: GatewayCommand): Promise<RunningGateway | undefined> {
  switch (command.verb) {
    case "up":
      return createGateway({ ...command, program: [process.execPath, realpathSync(process.argv[1] ?? "")] });
    case "down": {
      if (command.name === undefined) {
        print({ removed: sweep() });
        return undefined;
      }
      const wasThere = await takeDown(command.name, new SystemClock());
      print({ removed: wasThere ? [command.name] : [] });
      return undefined;
    }
    case "exec":
      process.exitCode = await execute(command);
      return undefined;
    case "status":
      for (const name of gateways()) print({ schema: "simward-gateway/status/1", name, ...statusOf(name) });
      return undefined;
    case "part":
      await runPart(command.kind);
      return undefined;
  }
}

function statusOf(name: string): object {
  const pid = ownerOf(name);
  const namespaces = Object.fromEntries(places.map((place) => [place, namespaceOf(name, place)]));
  return pid === undefined ? { pid: null, namespaces } : { pid, namespaces, passed: countersOf(name) };
}

function execute({ name, place, uid, command }: Extract<GatewayCommand, { verb: "exec" }>): Promise<number> {
  if (!gateways().includes(name)) {
    const there = gateways().join(", ") || "none is up";
    throw new SimwardError("SIM_OPTION", { detail: `gateway exec: there is no gateway ${name} (${there})` });
  }
  const [program, args] = commandIn(name, place, command, uid);
  const child = spawn(program, [...args], { stdio: "inherit" });
  // Who interrupts the command interrupts the group; this process only passes on what it ended with.
  process.on("SIGINT", () => {});
  return new Promise((resolve, reject) => {
    child.once("error", (error) => reject(new SimwardError("SIM_OPTION", { detail: `gateway exec: ${error.message}`, cause: error })));
    child.once("close", (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });
}

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
