// simward-sim: the virtual vehicle as a program. One line of JSON on stdout when everything listens; the log goes to stderr.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { SystemClock } from "../base/clock.ts";
import { asSimwardError, isCode, type SimwardError } from "../base/errors.ts";
import { createLog } from "../base/log.ts";
import { personalities } from "./modem/personality.ts";
import { type CommandLine, parseCommandLine, type RunOptions } from "./options.ts";
import { scenarios } from "./scenarios/table.ts";
import { createVehicle, type Vehicle } from "./vehicle.ts";

/** As for every command line: 2 is a mistake of whoever wrote it, 1 of the machine. */
const exitCodes = { ok: 0, failed: 1, usage: 2 } as const;

async function main(args: readonly string[]): Promise<void> {
  let command: CommandLine;
  try {
    command = parseCommandLine(args);
  } catch (error) {
    complain(error);
    return;
  }
  if (command.kind === "text") {
    process.stdout.write(command.text);
    return;
  }
  const stopAsked = signalled();
  const { vehicle, cleanUp } = await start(command.options);
  if (vehicle !== undefined) {
    process.stdout.write(`${JSON.stringify(vehicle.ready)}\n`);
    await stopAsked;
    await vehicle.close();
  }
  await cleanUp();
}

/** The first SIGINT or SIGTERM; a second one ends the process at once, as nothing listens any more. */
function signalled(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
  });
}

async function start(options: RunOptions): Promise<{ vehicle: Vehicle | undefined; cleanUp: () => Promise<void> }> {
  const clock = new SystemClock();
  const log = createLog({ level: options.logLevel, clock, destination: { write: (line) => void process.stderr.write(line) } });
  const scenario = scenarios[options.scenario];
  const personality = personalities[options.personality];
  // Whoever reads the ready line wants to find certificates where it says, even of a vehicle that keeps nothing.
  const keptDir = options.pkiDir ?? (options.stateDir === undefined ? undefined : join(options.stateDir, "pki"));
  const temporaryDir = keptDir === undefined ? await mkdtemp(join(tmpdir(), "simward-sim-pki-")) : undefined;
  const cleanUp = async (): Promise<void> => {
    if (temporaryDir !== undefined) await rm(temporaryDir, { recursive: true, force: true });
  };
  try {
    const vehicle = await createVehicle({
      clock,
      log,
      modem: options.modem,
      faults: options.faults,
      pkiDir: resolve(keptDir ?? temporaryDir ?? ""),
      eimPort: options.eimPort,
      apiPort: options.apiPort,
      eimFqdn: options.eimFqdn,
      ...(scenario === undefined ? {} : { scenario }),
      ...(personality === undefined ? {} : { personality }),
      ...(options.stateDir === undefined ? {} : { stateDir: options.stateDir }),
      ...(options.eid === undefined ? {} : { eid: options.eid }),
      ...(options.imei === undefined ? {} : { imei: options.imei }),
      ...(options.seed === undefined ? {} : { seed: options.seed }),
    });
    return { vehicle, cleanUp };
  } catch (error) {
    complain(error);
    return { vehicle: undefined, cleanUp };
  }
}

/** Code, what, where, and what to do next: three lines for a person, on stderr. */
function complain(cause: unknown): void {
  const error: SimwardError = asSimwardError(cause);
  process.stderr.write(`simward-sim: ${error.message}\n  code: ${error.code}\n  next: ${error.next}\n`);
  process.exitCode = isCode(error, "SIM_OPTION", "SIM_PKI") ? exitCodes.usage : exitCodes.failed;
}

await main(process.argv.slice(2));
