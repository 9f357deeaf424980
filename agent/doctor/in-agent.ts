// doctor in its place: what it asks is taken from the agent's own services, so that it sees what the local API shows.
import type { Modem } from "../../at-drivers/modem.ts";
import type { Ipa } from "../../ipa/ipa.ts";
import type { ApiServices } from "../api/route.ts";
import type { LockFacts } from "../policy/types.ts";
import type { AgentPorts } from "../ports.ts";
import type { DoctorContext } from "./context.ts";
import { watchRestarts } from "./restarts.ts";
import { createDoctor, type DoctorActs } from "./service.ts";

export interface DoctorParts {
  readonly ports: Pick<AgentPorts, "config" | "configFile" | "clock" | "disk" | "peers" | "rsp" | "net" | "credential" | "bootMs">;
  readonly modem: Modem;
  readonly ipa: Ipa;
  readonly askCard: DoctorContext["askCard"];
  readonly lockFacts: () => LockFacts;
  readonly services: () => Pick<
    ApiServices,
    "status" | "net" | "trust" | "lifecycle" | "travel" | "policy" | "tunnel" | "verifyAudit" | "auditRecords"
  >;
  readonly signal: AbortSignal;
}

/** Of a file that comes and goes; as much as the smallest state. */
const triedBytes = 4_096;

export function doctorIn({ ports, modem, ipa, askCard, lockFacts, services, signal }: DoctorParts): DoctorActs {
  const { config, configFile, clock, disk, peers, rsp, net } = ports;
  const restarts = watchRestarts({ modem, clock });
  // What the network told goes on while the machine is asleep.
  const elapsedMs = ports.bootMs ?? (() => clock.monotonicMs());
  let told: { readonly utcMs: number; readonly atMs: number } | undefined;
  const unhear = modem.onEvent((event) => {
    if (event.kind === "time") told = { utcMs: event.utcMs, atMs: elapsedMs() };
  });
  signal.addEventListener("abort", unhear, { once: true });
  signal.addEventListener("abort", () => restarts.stop(), { once: true });
  return createDoctor({
    ...{ config, configFile, clock, modem, askCard, peers, lockFacts, signal },
    stateDir: config.paths.state,
    networkMs: () => (told === undefined ? undefined : told.utcMs + elapsedMs() - told.atMs),
    credential: ports.credential,
    ipa: () => ipa.status(),
    known: () => ipa.injectors,
    status: () => services().status(),
    net: () => services().net.netStatus(),
    probe: () => services().net.probe(),
    imeiLock: () => services().trust.imeiLock(),
    lifecycle: () => services().lifecycle.lifecycle(),
    roaming: () => services().travel.roaming(),
    policy: () => services().policy.explain(),
    market: () => services().travel.market(undefined),
    records: async (query) => (await services().auditRecords(query)).records,
    restarts: restarts.list,
    tunnel: () => services().tunnel(),
    resolve: net?.resolver?.resolve,
    ciCertificates: rsp?.ciCertificates ?? [],
    askNetd: net === undefined ? undefined : (verb, args) => Promise.resolve(net.netd.ask(verb, args)),
    port: () => ({ isReady: modem.status.link === "ready", reason: modem.status.reason, device: modem.status.port }),
    tryDisk: async () => {
      await disk.replace("doctor", new Uint8Array(triedBytes));
      await disk.remove("doctor");
    },
    verifyAudit: async () => {
      const { ok, records, problem } = await services().verifyAudit();
      return { ok, records, words: problem === undefined ? "" : `${problem.segment}, line ${problem.line}: ${problem.reason}` };
    },
  });
}
