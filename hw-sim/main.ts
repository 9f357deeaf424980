// simward-sim: the virtual vehicle as a program. One line of JSON on stdout when everything listens; the log goes to stderr.
import { rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { SystemClock } from "../base/clock.ts";
import { asSimwardError, isCode, type SimwardError } from "../base/errors.ts";
import { createLog, type Log } from "../base/log.ts";
import { createCard } from "./card.ts";
import { type GatewayCommand, runGatewayCommand } from "./gateway/command.ts";
import { withQuirks } from "./modem/personalities/quirks.ts";
import { personalities } from "./modem/personalities/table.ts";
import { type CardOptions, type CommandLine, parseCommandLine, type RunOptions, verbs } from "./options.ts";
import { makeTemporary } from "./temporary.ts";
import { createVehicle } from "./vehicle.ts";

/** As for every command line: 2 is a mistake of whoever wrote it, 1 of the machine. */
const exitCodes = { ok: 0, failed: 1, usage: 2 } as const;

async function main(args: readonly string[]): Promise<void> {
  // Whoever read the ready line or the log may have gone (`… | head -1`): the vehicle stays, and still removes what it made.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  let command: CommandLine;
  try {
    command = parseCommandLine(args);
  } catch (error) {
    complain(error, helpFor(args[0]));
    return;
  }
  if (command.kind === "text") {
    process.stdout.write(command.text);
    return;
  }
  if (command.kind === "gateway") {
    await gateway(command.command);
    return;
  }
  const stopAsked = signalled();
  const { running, cleanUp } = await (command.kind === "run" ? guarded(command.options, vehicle) : guarded(command.options, card));
  if (running !== undefined) {
    process.stdout.write(`${JSON.stringify(running.ready)}\n`);
    await stopAsked;
    await running.close();
  }
  await cleanUp();
}

/** What is not `up` is done when it answers. */
async function gateway(command: GatewayCommand): Promise<void> {
  const stopAsked = command.verb === "up" ? signalled() : undefined;
  try {
    const running = await runGatewayCommand(command);
    if (running === undefined) return;
    process.stdout.write(`${JSON.stringify(running.ready)}\n`);
    await stopAsked;
    await running.close();
  } catch (error) {
    complain(error, helpFor("gateway"));
    // What a part had begun to serve would keep it alive.
    if (command.verb === "part") process.exit();
  }
}

interface Running {
  readonly ready: object;
  close(): Promise<void>;
}

interface Place {
  readonly clock: SystemClock;
  readonly log: Log;
  readonly pkiDir: string;
}

/** The first SIGINT or SIGTERM; a second one ends the process at once, as nothing listens any more. */
function signalled(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
  });
}

async function guarded<O extends CardOptions>(
  options: O,
  start: (options: O, place: Place) => Promise<Running>,
): Promise<{ running: Running | undefined; cleanUp: () => Promise<void> }> {
  const clock = new SystemClock();
  const log = createLog({ level: options.logLevel, clock, destination: { write: (line) => void process.stderr.write(line) } });
  // Whoever reads the ready line wants to find certificates where it says, even of a vehicle that keeps nothing.
  const keptDir = options.pkiDir ?? (options.stateDir === undefined ? undefined : join(options.stateDir, "pki"));
  let temporaryDir: string | undefined;
  const cleanUp = async (): Promise<void> => {
    if (temporaryDir !== undefined) await rm(temporaryDir, { recursive: true, force: true });
  };
  try {
    if (keptDir === undefined) temporaryDir = await makeTemporary("simward-sim-pki-");
    return { running: await start(options, { clock, log, pkiDir: resolve(keptDir ?? temporaryDir ?? "") }), cleanUp };
  } catch (error) {
    complain(error, helpFor(start === card ? "card" : "run"));
    return { running: undefined, cleanUp };
  }
}

function vehicle(options: RunOptions, place: Place): Promise<Running> {
  const personality = personalities[options.personality];
  return createVehicle({
    ...place,
    ...common(options),
    modem: options.modem,
    faults: options.faults,
    services: options.services,
    profiles: options.profiles,
    driveSpeed: options.driveSpeed,
    dataLink: options.dataLink,
    eimPort: options.eimPort,
    apiPort: options.apiPort,
    eimFqdn: options.eimFqdn,
    smdpFqdn: options.smdpFqdn,
    indirectDownload: options.indirectDownload,
    esipaVersion: options.esipaVersion,
    ...(options.card === undefined ? {} : { card: options.card }),
    ...(personality === undefined ? {} : { personality: withQuirks(personality, options.quirks) }),
    ...(options.imei === undefined ? {} : { imei: options.imei }),
    ...(options.seed === undefined ? {} : { seed: options.seed }),
  });
}

function card(options: CardOptions, place: Place): Promise<Running> {
  return createCard({ ...place, ...common(options), services: options.services });
}

function common(options: CardOptions) {
  return {
    scenario: options.scenario,
    ...(options.cardRole === undefined ? {} : { cardRole: options.cardRole }),
    ...(options.identityDir === undefined ? {} : { identityDir: options.identityDir }),
    ...(options.curve === undefined ? {} : { curve: options.curve }),
    ...(options.stateDir === undefined ? {} : { stateDir: options.stateDir }),
    ...(options.eid === undefined ? {} : { eid: options.eid }),
  };
}

/** Code, what, where, and what to do next: three lines for a person, on stderr. */
function complain(cause: unknown, help?: string): void {
  const error: SimwardError = asSimwardError(cause);
  const next = isCode(error, "SIM_OPTION") && help !== undefined ? help : error.next;
  process.stderr.write(`simward-sim: ${error.message}\n  code: ${error.code}\n  next: ${next}\n`);
  process.exitCode = isCode(error, "SIM_OPTION", "SIM_PKI") ? exitCodes.usage : exitCodes.failed;
}

/** Where it is said how the command is written. */
function helpFor(verb: string | undefined): string {
  return ["simward-sim", ...verbs.filter((known) => known === verb), "--help"].join(" ");
}

await main(process.argv.slice(2));
