// The command line of simward-sim, and what it asks for.
import { Command, CommanderError } from "commander";
import { SimwardError } from "../base/errors.ts";
import { type FaultName, type FaultSetting, faultSetting, faultTable, parseFault } from "./faults.ts";
import { personalities } from "./modem/personality.ts";
import { defaultScenario, scenarios } from "./scenarios/table.ts";

/** One way to the module's AT ports; where it is left open, the vehicle chooses. */
export type ModemPortOption =
  | { readonly kind: "pty"; readonly path: string | undefined }
  | { readonly kind: "tcp"; readonly port: number }
  | { readonly kind: "unix"; readonly path: string | undefined };

export interface RunOptions {
  readonly modem: readonly ModemPortOption[];
  readonly personality: string;
  readonly pkiDir: string | undefined;
  /** undefined: nothing is kept. */
  readonly stateDir: string | undefined;
  readonly scenario: string;
  /** 0: the system chooses. */
  readonly eimPort: number;
  readonly apiPort: number;
  readonly eimFqdn: string;
  readonly eid: string | undefined;
  readonly imei: string | undefined;
  readonly seed: number | undefined;
  readonly faults: readonly FaultSetting[];
  readonly logLevel: "debug" | "info" | "warn" | "error" | "silent";
}

/** What the command line asks for: to run, or text to print and end. */
export type CommandLine = { readonly kind: "run"; readonly options: RunOptions } | { readonly kind: "text"; readonly text: string };

const logLevels = ["debug", "info", "warn", "error", "silent"] as const;

function refuse(option: string, reason: string): never {
  throw new SimwardError("SIM_OPTION", { detail: `${option}: ${reason}` });
}

function oneOf<T extends string>(option: string, text: string, known: readonly T[]): T {
  return known.find((name) => name === text) ?? refuse(option, `${JSON.stringify(text)} is none of ${known.join(", ")}`);
}

function port(option: string, text: string): number {
  const value = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  return value <= 65_535 ? value : refuse(option, `${JSON.stringify(text)} is no port`);
}

function digits(option: string, text: string, length: number): string {
  return new RegExp(`^\\d{${length}}$`).test(text) ? text : refuse(option, `${JSON.stringify(text)} is not ${length} digits`);
}

function modemPort(text: string): ModemPortOption {
  const [, kind = "", rest] = /^([^:]*)(?::(.*))?$/.exec(text) ?? [];
  const known = oneOf("--modem", kind, ["pty", "tcp", "unix"]);
  if (known === "tcp") return { kind: known, port: rest === undefined ? 0 : port("--modem tcp", rest) };
  return { kind: known, path: rest === "" ? undefined : rest };
}

/** Faults that have an option of their own, for those who do not know the table. */
const faultOptions: readonly { readonly flag: string; readonly fault: FaultName; readonly text: string }[] = [
  { flag: "--loss <share>", fault: "loss", text: "share of datagrams lost, each way: 0 to 1" },
  { flag: "--rtt <ms>", fault: "rtt-ms", text: "round trip added to the path" },
  { flag: "--no-coverage <digits>", fault: "no-coverage", text: "no cell for the IMSI or ICCID that begins so" },
];

function faultHelp(): string {
  const width = Math.max(...Object.entries(faultTable).map(([name, { value }]) => name.length + value.length + 1));
  const rows = Object.entries(faultTable).map(([name, { value, text }]) => `  ${`${name}=${value}`.padEnd(width)}  ${text}`);
  return ["", "Faults (more than one --fault may be given):", ...rows].join("\n");
}

function scenarioHelp(): string {
  return ["", "Scenarios:", ...Object.values(scenarios).map(({ name, text }) => `  ${name.padEnd(12)}  ${text}`)].join("\n");
}

const collect = (value: string, before: readonly string[] | undefined): readonly string[] => [...(before ?? []), value];

/** Throws SIM_OPTION, naming the option and what it may be. */
export function parseCommandLine(args: readonly string[]): CommandLine {
  let text = "";
  let options: RunOptions | undefined;
  const program = new Command("simward-sim")
    .description("A virtual vehicle: cellular module, eUICC, radio world, eIM and SM-DP+, for simward and for other people's tools.")
    .exitOverride()
    .configureOutput({ writeOut: (part) => (text += part), writeErr: () => {} });
  const run = program
    .command("run")
    .description("Starts it all and prints one line of JSON on stdout: where everything is. Ends on SIGINT or SIGTERM.")
    .option("--modem <kind...>", "AT ports: pty[:PATH], tcp[:PORT], unix[:PATH]; all three by default")
    .option("--personality <id>", `make of the module: ${Object.keys(personalities).join(", ")}`, "generic")
    .option("--pki <dir>", "keys and certificates, made there when it is empty")
    .option("--state <dir>", "keeps the eUICC from one run to the next")
    .option("--scenario <name>", "one of those below", defaultScenario.name)
    .option("--eim-port <port>", "of the eIM as the vehicle sees it, for coaps and https alike", "0")
    .option("--api-port <port>", "of the order API", "0")
    .option("--eim-fqdn <host>", "host name of the eIM in the eUICC's configuration and in its certificate", "localhost")
    .option("--eid <digits>", "32 digits")
    .option("--imei <digits>", "15 digits")
    .option("--seed <number>", "the same seed gives the same losses")
    .option("--fault <name=value>", "one of those below", collect)
    .option("--log-level <level>", `on stderr: ${logLevels.join(", ")}`, "info")
    .addHelpText("after", scenarioHelp())
    .addHelpText("after", faultHelp())
    .action((raw: Readonly<Record<string, unknown>>) => {
      options = readOptions(raw);
    });
  for (const { flag, text: help } of faultOptions) run.option(flag, help);
  try {
    program.parse([...args], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0 || text !== "") return { kind: "text", text };
    throw new SimwardError("SIM_OPTION", { detail: error.message.replace(/^error: /, "") });
  }
  if (options === undefined) throw new SimwardError("SIM_OPTION", { detail: "no command: simward-sim run" });
  return { kind: "run", options };
}

function readOptions(raw: Readonly<Record<string, unknown>>): RunOptions {
  const text = (name: string): string | undefined => (typeof raw[name] === "string" ? raw[name] : undefined);
  const listed = (name: string): readonly string[] => (Array.isArray(raw[name]) ? raw[name].map(String) : []);
  const seed = text("seed");
  if (seed !== undefined && !/^\d{1,9}$/.test(seed)) refuse("--seed", `${JSON.stringify(seed)} is no whole number`);
  const modem = listed("modem").map(modemPort);
  if (new Set(modem.map(({ kind }) => kind)).size < modem.length) refuse("--modem", "each kind once");
  const eid = text("eid");
  const imei = text("imei");
  return {
    modem: modem.length > 0 ? modem : [modemPort("pty"), modemPort("tcp"), modemPort("unix")],
    personality: oneOf("--personality", text("personality") ?? "", Object.keys(personalities)),
    pkiDir: text("pki"),
    stateDir: text("state"),
    scenario: oneOf("--scenario", text("scenario") ?? "", Object.keys(scenarios)),
    eimPort: port("--eim-port", text("eimPort") ?? "0"),
    apiPort: port("--api-port", text("apiPort") ?? "0"),
    eimFqdn: text("eimFqdn") ?? "localhost",
    eid: eid === undefined ? undefined : digits("--eid", eid, 32),
    imei: imei === undefined ? undefined : digits("--imei", imei, 15),
    seed: seed === undefined ? undefined : Number(seed),
    faults: [...faultsOfOptions(raw), ...listed("fault").map(parseFault)],
    logLevel: oneOf("--log-level", text("logLevel") ?? "", logLevels),
  };
}

function faultsOfOptions(raw: Readonly<Record<string, unknown>>): FaultSetting[] {
  // commander takes the "no-" of --no-coverage for a negation and calls its value "coverage".
  const keyOf: Readonly<Record<string, string>> = { loss: "loss", "rtt-ms": "rtt", "no-coverage": "coverage" };
  return faultOptions.flatMap(({ fault }) => {
    const value = raw[keyOf[fault] ?? ""];
    return typeof value === "string" ? [faultSetting(fault, value)] : [];
  });
}
