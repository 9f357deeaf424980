// The command line of simward-sim, and what it asks for.
import { Command, CommanderError } from "commander";
import { SimwardError } from "../base/errors.ts";
import { version } from "../base/version.ts";
import type { ExternalCardOption } from "./card-socket/external.ts";
import type { CardServiceOption } from "./card-socket/serve.ts";
import { vpcdPort } from "./card-socket/vpcd-frames.ts";
import { type EsipaVersion, esipaVersions } from "./eim/version-1.0.ts";
import { type CardRoleName, cardRoleNames, cardRoles } from "./euicc/roles.ts";
import { type FaultName, type FaultSetting, faultSetting, faultTable, parseFault } from "./faults.ts";
import { type GatewayCommand, gatewayCommand } from "./gateway/command.ts";
import { type QuirkName, quirkNames, quirks } from "./modem/personalities/quirks.ts";
import { personalities } from "./modem/personalities/table.ts";
import { type DataLinkOption, parseDataLink } from "./network/data-link.ts";
import type { Curve } from "./pki/pki.ts";
import { type ProfileFile, parseProfileFile } from "./profile-files.ts";
import { readScenarioFile } from "./scenarios/file.ts";
import type { Scenario } from "./scenarios/scenario.ts";
import { defaultScenario, scenarios } from "./scenarios/table.ts";

/** One way to the module's AT ports; where it is left open, the vehicle chooses. */
export type ModemPortOption =
  | { readonly kind: "pty"; readonly path: string | undefined }
  | { readonly kind: "tcp"; readonly port: number }
  | { readonly kind: "unix"; readonly path: string | undefined };

/** What concerns the built-in eUICC, with a module around it or without. */
export interface CardOptions {
  readonly pkiDir: string | undefined;
  readonly identityDir: string | undefined;
  readonly curve: Curve | undefined;
  /** undefined: sgp32. */
  readonly cardRole: CardRoleName | undefined;
  /** undefined: nothing is kept. */
  readonly stateDir: string | undefined;
  readonly scenario: Scenario;
  readonly eid: string | undefined;
  /** Ways in which it serves other programs. */
  readonly services: readonly CardServiceOption[];
  readonly logLevel: "debug" | "info" | "warn" | "error" | "silent";
}

export interface RunOptions extends CardOptions {
  readonly modem: readonly ModemPortOption[];
  readonly personality: string;
  /** On top of it: see modem/personalities/quirks.ts. */
  readonly quirks: readonly QuirkName[];
  /** undefined: the built-in one. */
  readonly card: ExternalCardOption | undefined;
  /** Offered by the SM-DP+ on top of the scenario's. */
  readonly profiles: readonly ProfileFile[];
  /** 0: the system chooses. */
  readonly eimPort: number;
  readonly apiPort: number;
  readonly eimFqdn: string;
  readonly smdpFqdn: string;
  readonly indirectDownload: boolean;
  readonly esipaVersion: EsipaVersion;
  readonly imei: string | undefined;
  readonly seed: number | undefined;
  readonly driveSpeed: number;
  readonly dataLink: DataLinkOption | undefined;
  readonly faults: readonly FaultSetting[];
}

/** What the command line asks for: to run, or text to print and end. */
export type CommandLine =
  | { readonly kind: "run"; readonly options: RunOptions }
  | { readonly kind: "card"; readonly options: CardOptions }
  | { readonly kind: "gateway"; readonly command: GatewayCommand }
  | { readonly kind: "text"; readonly text: string };

export const verbs = ["run", "card", "gateway"] as const;

/** As SGP.26 calls them. */
const curves = { nist: "prime256v1", brainpool: "brainpoolP256r1" } as const;
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

/** A name or an IPv4 address, as it stands in certificates, URLs and activation codes. */
function hostName(option: string, text: string): string {
  const isOne = text.length <= 253 && /^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$/.test(text);
  return isOne ? text : refuse(option, `${JSON.stringify(text)} is no host name or IPv4 address`);
}

function modemPort(text: string): ModemPortOption {
  const [, kind = "", rest] = /^([^:]*)(?::(.*))?$/.exec(text) ?? [];
  const known = oneOf("--modem", kind, ["pty", "tcp", "unix"]);
  if (known === "tcp") return { kind: known, port: rest === undefined ? 0 : port("--modem tcp", rest) };
  return { kind: known, path: rest === "" ? undefined : rest };
}

const loopback = "127.0.0.1";

/** "35963", "host:35963", "[::1]:35963" */
function hostAndPort(option: string, text: string, defaultPort: number): { readonly host: string; readonly port: number } {
  const [, bracketed, plain, number] =
    /^(?:(?:\[([^\]]+)\]|([^:]+)):)?(\d*)$/.exec(text) ?? refuse(option, `${JSON.stringify(text)} is not [host:]port`);
  return { host: bracketed ?? plain ?? loopback, port: number === "" || number === undefined ? defaultPort : port(option, number) };
}

function roleOf(text: string): CardRoleName | undefined {
  return cardRoleNames.find((name) => name === text);
}

/** undefined: the built-in one. Throws SIM_OPTION. */
function externalCard(text: string): ExternalCardOption | undefined {
  if (text === "builtin" || roleOf(text) !== undefined) return undefined;
  if (/^https?:\/\//.test(text)) {
    if (!URL.canParse(text)) return refuse("--card", `${JSON.stringify(text)} is no URL`);
    return { kind: "http", url: text };
  }
  const [, rest] =
    /^vpcd(?::(.*))?$/.exec(text) ??
    refuse("--card", `${JSON.stringify(text)} is none of builtin, ${cardRoleNames.join(", ")}, vpcd[:[HOST:]PORT], http://HOST:PORT/apdu`);
  return { kind: "vpcd", ...hostAndPort("--card vpcd", rest ?? "", vpcdPort) };
}

function cardService(text: string): CardServiceOption {
  const [, kind = "", rest = ""] = /^([^:]*)(?::(.*))?$/.exec(text) ?? [];
  const known = oneOf("--serve-card", kind, ["vpcd", "tcp", "http"]);
  return { kind: known, ...hostAndPort(`--serve-card ${known}`, rest, known === "vpcd" ? vpcdPort : 0) };
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

function personalityHelp(): string {
  const rows = (heading: string, entries: readonly (readonly [string, string])[]): string[] => {
    const width = Math.max(...entries.map(([name]) => name.length));
    return ["", heading, ...entries.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`)];
  };
  return [
    ...rows(
      "Personalities:",
      Object.values(personalities).map(({ id, makes }) => [id, makes]),
    ),
    ...rows(
      "Quirks:",
      quirkNames.map((name) => [name, quirks[name].text]),
    ),
  ].join("\n");
}

function roleHelp(): string {
  return ["", "Built-in cards:", ...cardRoleNames.map((name) => `  ${name.padEnd(12)}  ${cardRoles[name].text}`)].join("\n");
}

const collect = (value: string, before: readonly string[] | undefined): readonly string[] => [...(before ?? []), value];

/** Throws SIM_OPTION, naming the option and what it may be. */
export function parseCommandLine(args: readonly string[]): CommandLine {
  let text = "";
  let asked: CommandLine | undefined;
  const program = new Command("simward-sim")
    .description("A virtual vehicle: cellular module, eUICC, radio world, eIM and SM-DP+, for simward and for other people's tools.")
    .version(version, "-V, --version", "the version")
    .exitOverride()
    .enablePositionalOptions()
    .configureOutput({ writeOut: (part) => (text += part), writeErr: () => {} });
  const run = program
    .command("run")
    .description("Starts it all and prints one line of JSON on stdout: where everything is. Ends on SIGINT or SIGTERM.")
    .option("--modem <kind...>", "AT ports: pty[:PATH], tcp[:PORT], unix[:PATH|:@NAME]; all three by default")
    .option("--personality <id>", "make of the module: one of those below", "generic")
    .option("--quirk <name>", "what single firmwares do otherwise: one of those below; may be repeated", collect)
    .option(
      "--card <card>",
      "in the module's slot: builtin or one of the roles below, vpcd[:[HOST:]PORT] (listens there), http://HOST:PORT/apdu",
      "builtin",
    )
    .option("--serve-card <how>", "the built-in eUICC for other programs too: vpcd:[HOST:]PORT, tcp:[HOST:]PORT, http:[HOST:]PORT", collect)
    .option(
      "--profile <file.der[,key=value]>",
      "one more profile at the SM-DP+: an unprotected profile package; matchingId, name, spn",
      collect,
    )
    .option("--eim-port <port>", "of the eIM as the vehicle sees it, for coaps and https alike", "0")
    .option("--api-port <port>", "of the order API", "0")
    .option("--eim-fqdn <host>", "host name of the eIM in the eUICC's configuration and in its certificate", "localhost")
    .option("--smdp-fqdn <host>", "host name of the SM-DP+ in activation codes", "localhost")
    .option("--no-indirect-download", "the eIM does not say that it relays downloads: an IPA that can goes to the SM-DP+ itself")
    .option("--esipa-version <version>", `of SGP.32 at the eIM: ${esipaVersions.join(", ")}`, "1.2")
    .option("--imei <digits>", "15 digits")
    .option("--data-link <interface@namespace[@operator]>", "the module's network interface in network namespaces; needs root")
    .option("--drive-speed <factor>", "how many times as fast the scenario's route is driven", "1")
    .option("--seed <number>", "the same seed gives the same losses")
    .option("--fault <name=value>", "one of those below", collect)
    .addHelpText("after", roleHelp())
    .addHelpText("after", scenarioHelp())
    .addHelpText("after", personalityHelp())
    .addHelpText("after", faultHelp())
    .action((raw: Readonly<Record<string, unknown>>) => {
      asked = { kind: "run", options: readRunOptions(raw) };
    });
  const card = program
    .command("card")
    .description("The eUICC alone, for other people's readers and modules. Prints one line of JSON on stdout when it can be used.")
    .option(
      "--vpcd <[host:]port>",
      `inserts it into a reader that listens there: pcscd's vpcd (${vpcdPort}), or simward-sim run --card vpcd`,
    )
    .option("--tcp <[host:]port>", "serves JSON lines there")
    .option("--http <[host:]port>", "serves POST /apdu there")
    .option("--card <role>", "what it is: one of those below", "sgp32")
    .addHelpText("after", roleHelp())
    .addHelpText("after", scenarioHelp())
    .action((raw: Readonly<Record<string, unknown>>) => {
      asked = {
        kind: "card",
        options: readCardOptions(raw, serviceOptions(raw), oneOf("--card", textIn(raw, "card") ?? "", cardRoleNames)),
      };
    });
  gatewayCommand(program, (command) => {
    asked = { kind: "gateway", command };
  });
  for (const command of [run, card]) {
    command
      .option("--pki <dir>", "keys and certificates, made there when it is empty")
      .option("--identity <dir>", "certificates and keys of the eUICC, by file: see docs/hw-sim.md")
      .option("--curve <name>", `of certificates that are made: ${Object.keys(curves).join(", ")}`)
      .option("--state <dir>", "keeps the eUICC from one run to the next")
      .option("--scenario <name|file.json>", "one of those below, or a file: see docs/hw-sim.md", defaultScenario.name)
      .option("--eid <digits>", "32 digits")
      .option("--log-level <level>", `on stderr: ${logLevels.join(", ")}`, "info");
  }
  for (const { flag, text: help } of faultOptions) run.option(flag, help);
  try {
    program.parse([...args], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0 || text !== "") return { kind: "text", text };
    if (error.code === "commander.help") throw noCommand(program, args[0]);
    throw new SimwardError("SIM_OPTION", { detail: error.message.replace(/^error: /, "") });
  }
  return asked ?? refuse("simward-sim", "no command");
}

/** What may stand where nothing does. */
function noCommand(program: Command, verb: string | undefined): SimwardError {
  const parent = program.commands.find((command) => command.name() === verb) ?? program;
  const path = parent === program ? program.name() : `${program.name()} ${parent.name()}`;
  const known = parent.createHelp().visibleCommands(parent);
  const named = known.map((command) => `${path} ${command.name()}`).filter((text) => !text.endsWith(" help"));
  return new SimwardError("SIM_OPTION", { detail: `no command: ${named.join(", ")}` });
}

type Raw = Readonly<Record<string, unknown>>;

const textIn = (raw: Raw, name: string): string | undefined => (typeof raw[name] === "string" ? raw[name] : undefined);

function serviceOptions(raw: Raw): readonly CardServiceOption[] {
  const services = (["vpcd", "tcp", "http"] as const).flatMap((kind) => {
    const text = textIn(raw, kind);
    return text === undefined ? [] : [{ kind, ...hostAndPort(`--${kind}`, text, 0) }];
  });
  return services.length > 0 ? services : refuse("card", "one of --vpcd, --tcp, --http at least");
}

/** Throws SIM_OPTION. */
function scenarioOf(text: string): Scenario {
  if (text.endsWith(".json")) return readScenarioFile(text);
  return (
    scenarios[text] ?? refuse("--scenario", `${JSON.stringify(text)} is none of ${Object.keys(scenarios).join(", ")}, and no file.json`)
  );
}

function readCardOptions(raw: Raw, services: readonly CardServiceOption[], cardRole: CardRoleName | undefined): CardOptions {
  const eid = textIn(raw, "eid");
  const curve = textIn(raw, "curve");
  return {
    pkiDir: textIn(raw, "pki"),
    identityDir: textIn(raw, "identity"),
    curve: curve === undefined ? undefined : curves[oneOf("--curve", curve, ["nist", "brainpool"])],
    cardRole,
    stateDir: textIn(raw, "state"),
    scenario: scenarioOf(textIn(raw, "scenario") ?? ""),
    eid: eid === undefined ? undefined : digits("--eid", eid, 32),
    services,
    logLevel: oneOf("--log-level", textIn(raw, "logLevel") ?? "", logLevels),
  };
}

function readRunOptions(raw: Raw): RunOptions {
  const text = (name: string): string | undefined => textIn(raw, name);
  const listed = (name: string): readonly string[] => (Array.isArray(raw[name]) ? raw[name].map(String) : []);
  const seed = text("seed");
  if (seed !== undefined && !/^\d{1,9}$/.test(seed)) refuse("--seed", `${JSON.stringify(seed)} is no whole number`);
  const modem = listed("modem").map(modemPort);
  if (new Set(modem.map(({ kind }) => kind)).size < modem.length) refuse("--modem", "each kind once");
  const imei = text("imei");
  const dataLink = text("dataLink");
  const card = externalCard(text("card") ?? "builtin");
  const services = listed("serveCard").map(cardService);
  for (const [option, given] of [
    ["--serve-card", services.length > 0],
    ["--identity", text("identity") !== undefined],
    ["--eid", text("eid") !== undefined],
  ] as const)
    if (card !== undefined && given) refuse(option, "is for the built-in eUICC, and --card names another");
  return {
    ...readCardOptions(raw, services, roleOf(text("card") ?? "")),
    card,
    profiles: listed("profile").map(parseProfileFile),
    smdpFqdn: hostName("--smdp-fqdn", text("smdpFqdn") ?? "localhost"),
    indirectDownload: raw.indirectDownload !== false,
    esipaVersion: oneOf("--esipa-version", text("esipaVersion") ?? "", esipaVersions),
    modem: modem.length > 0 ? modem : [modemPort("pty"), modemPort("tcp"), modemPort("unix")],
    personality: oneOf("--personality", text("personality") ?? "", Object.keys(personalities)),
    quirks: listed("quirk").map((name) => oneOf("--quirk", name, quirkNames)),
    eimPort: port("--eim-port", text("eimPort") ?? "0"),
    apiPort: port("--api-port", text("apiPort") ?? "0"),
    eimFqdn: hostName("--eim-fqdn", text("eimFqdn") ?? "localhost"),
    imei: imei === undefined ? undefined : digits("--imei", imei, 15),
    seed: seed === undefined ? undefined : Number(seed),
    dataLink: dataLink === undefined ? undefined : parseDataLink(dataLink),
    driveSpeed: speed(text("driveSpeed") ?? "1"),
    faults: [...faultsOfOptions(raw), ...listed("fault").map(parseFault)],
  };
}

function speed(text: string): number {
  const value = /^\d{1,5}(\.\d{1,3})?$/.test(text) ? Number(text) : 0;
  return value > 0 ? value : refuse("--drive-speed", `${JSON.stringify(text)} is no number above 0`);
}

function faultsOfOptions(raw: Readonly<Record<string, unknown>>): FaultSetting[] {
  // commander takes the "no-" of --no-coverage for a negation and calls its value "coverage".
  const keyOf: Readonly<Record<string, string>> = { loss: "loss", "rtt-ms": "rtt", "no-coverage": "coverage" };
  return faultOptions.flatMap(({ fault }) => {
    const value = raw[keyOf[fault] ?? ""];
    return typeof value === "string" ? [faultSetting(fault, value)] : [];
  });
}
