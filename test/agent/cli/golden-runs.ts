// What is run of each verb for its golden file, vehicle by vehicle: some verbs need another card or module, and some leave a vehicle that is of no more use.
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { LeavingSample } from "../../../agent/samples/types.ts";
import { createLogTail } from "../../../agent/trace/log-tail.ts";
import { digitsToBcd, toHexUpper } from "../../../base/bytes.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { createLog } from "../../../base/log.ts";
import { encode } from "../../../ipa/asn1/schema.ts";
import { contentOf, readTlv } from "../../../ipa/asn1/tlv.ts";
import { GetEimPackageRequest } from "../../../ipa/messages/esipa.ts";
import { bootstrap, fleet, type Given, second, type World } from "../../support/e2e.ts";
import { keyRing, roamingRules, rootKeys, type Signed, token } from "./golden-keys.ts";

export interface GoldenRun {
  readonly verb: string;
  readonly args: readonly string[];
  /** Once, before the first look at it. */
  readonly before?: (world: World) => Promise<unknown>;
  /** Before each look at it. */
  readonly each?: () => Promise<unknown>;
  /** What is given in place of `args`, where only the vehicle knows it. */
  readonly given?: (world: World) => Promise<readonly string[]>;
  /** Only so many lines of it are the same each time. */
  readonly lines?: number;
  /** The vehicle does it once: at 40 columns and as JSON the same answers and events are shown again. */
  readonly once?: boolean;
}

export interface GoldenVehicle {
  readonly name: string;
  readonly given: Omit<Given, "run">;
  readonly runs: readonly GoldenRun[];
}

/** Verbs that never succeed, and why there is such a verb. */
export const neverDone: Readonly<Record<string, string>> = {
  "policy set": "policies are the configuration's; it says where to edit",
  "profile rollback": "ES10b has it only within a package; it says what can be done",
  "profile fallback set": "an order that the eIM signs; it says so",
  "profile fallback unset": "an order that the eIM signs; it says so",
};

const reason = ["--reason", "ticket 123"];
const meant = ["--yes", ...reason];

const run = (verb: string, ...args: readonly string[]): GoldenRun => ({ verb, args });
const once = (verb: string, ...args: readonly string[]): GoldenRun => ({ verb, args, once: true });
const rehearse = (verb: string, ...args: readonly string[]): GoldenRun => run(verb, ...args, "--dry-run");
/** A module that is busy is not waited for, so the status has it once it was measured. */
const signal = ({ until, status }: World): Promise<unknown> => until(status, ({ network }) => network.rsrpDbm !== undefined);

/** A module with counters of its own is asked for them once it has a session. */
const isCounted = ({ until, agent }: World): Promise<unknown> =>
  until(
    () => agent.lifecycle.lifecycle(),
    ({ usedBytes }) => usedBytes !== undefined,
  );

const after = (before: NonNullable<GoldenRun["before"]>, one: GoldenRun): GoldenRun => ({ ...one, before });

export function goldenVehicles(dir: string): readonly GoldenVehicle[] {
  return [fleetVehicle(dir), freshCard(dir), otherModule(dir), waysBack(dir), soldVehicle(dir)];
}

const stateIn = (dir: string): string => `[paths]\nstate = "${dir}/state"\n`;

/** An IoT eUICC under an eIM, keys of a fleet, a cap on usage: what most verbs are about. */
function fleetVehicle(dir: string): GoldenVehicle {
  const tail = createLogTail();
  /** What else is logged beside, and when, is as it happens. */
  const onLine = (line: string): void => {
    if (line.includes('"event":"started"')) tail.take(line);
  };
  const log = createLog({ level: "info", clock: new VirtualClock(), destination: { write: () => undefined }, onLine });
  const file = (name: string): string => join(dir, name);
  const put = async (name: string, { text, signature }: Signed): Promise<void> => {
    await writeFile(file(name), text);
    await writeFile(file(`${name}.sig`), signature);
  };
  const exchangeModule = async ({ vehicle, agent }: World, imei: string): Promise<void> => {
    Object.assign(vehicle.modem, { imei });
    await agent.module.reset({ role: "engineer", peer: undefined }, "module exchanged");
  };
  const unlockToken = async ({ agent }: World, act: "unlock" | "repair"): Promise<void> =>
    writeFile(file("token"), token("unlock", (await agent.trust.imeiLock()).signs?.[act] ?? ""));
  return {
    name: "fleet",
    given: {
      installed: [second],
      cardRole: "sgp32",
      seed: 7,
      log,
      ports: {
        rootKeys,
        programLog: {
          tail,
          get level() {
            return log.level;
          },
          set level(level) {
            log.level = level;
          },
        },
      },
      config: `${stateIn(dir)}[[policy.usage.cap]]\nbytes = 500000000\n`,
    },
    runs: [
      after(signal, run("status")),
      run("profile list"),
      run("profile show"),
      run("profile rollback"),
      run("profile fallback set"),
      run("profile fallback unset"),
      run("card info"),
      run("card certs"),
      run("card classify"),
      run("eim list"),
      run("eim show"),
      run("emergency status"),
      run("net status"),
      run("net sessions"),
      run("net operators"),
      run("net fplmn show"),
      run("net tunnel"),
      run("modem rat show"),
      run("modem info"),
      run("modem probe"),
      run("modem capture"),
      run("modem apn get"),
      run("modem apn set", "iot.example"),
      run("modem psm"),
      run("modem edrx"),
      run("modem at", "AT+CGMM", ...reason),
      run("modem list", "--sys", dir, "--dev", dir),
      run("modem port-owner", file("code")),
      run("notif list"),
      run("policy show"),
      run("policy explain"),
      run("policy simulate"),
      after(
        async ({ agent }) =>
          writeFile(
            file("facts.json"),
            JSON.stringify({ ...agent.policy.explain().facts, lock: { state: "mismatch", differs: ["imei"] } }),
          ),
        run("policy simulate", "--facts", file("facts.json")),
      ),
      run("policy set", "usage.throttle_kbps", "64"),
      run("policy market show"),
      run("roaming status"),
      run("roaming days"),
      run("roaming history"),
      run("roaming export"),
      run("roaming rules show"),
      run("usage show"),
      run("usage export"),
      run("imei-lock show"),
      run("keys list"),
      run("lifecycle status"),
      run("lifecycle test-trigger", "--stage", "shipping"),
      run("package last"),
      run("package show"),
      run("package decode", "BF4F03020101"),
      run("trace status"),
      rehearse("trace keep", "always", ...reason),
      run("trace at", "--id", "none"),
      run("log tail", "-n", "1"),
      run("log level"),
      run("log level", "debug", ...reason),
      run("audit tail", "-n", "1", "--event", "daemon.started"),
      run("audit query", "--event", "daemon.started"),
      run("audit export", "--event", "daemon.started"),
      run("audit key"),
      run("audit verify", file("none")),
      after(({ disk }) => copyTrail(disk, file("trail")), run("audit verify", file("trail"))),
      { ...run("events", "--after", "0"), lines: 1 },
      run("ui", "--port", "99999"),
      run("ui"),
      run("config validate", file("simward.toml")),
      run("config show", file("simward.toml")),
      run("config schema", "radio."),
      run("completion", "ksh"),
      { ...run("completion", "bash"), lines: 12 },
      run("doctor", "--fast"),
      once("doctor"),
      rehearse("eim test"),
      once("eim test"),
      rehearse("bugreport", "-o", file("bug.tgz")),
      run("bugreport", "-o", file("rules.json")),
      { ...run("bugreport", "-o", file("bug.tgz")), each: () => rm(file("bug.tgz"), { force: true }) },
      rehearse("net probe"),
      once("net probe"),
      run("notif deliver"),
      run("notif drop", "7", "--force", ...meant),
      rehearse("usage limit", "600MB", ...reason),
      run("usage limit", "600MB", ...reason),
      rehearse("usage reset", ...reason),
      run("usage reset", ...reason),
      run("emergency on", "--for", "60"),
      run("emergency off"),
      run("eim add-initial", "BF5700", ...reason),
      run("profile nickname", second.iccid, "Fleet Nord"),
      run("profile enable", second.iccid, "--quiet"),
      run("profile disable", second.iccid),
      run("profile delete", second.iccid, ...meant),
      run("profile download", "--ac", file("nothing"), "--quiet"),

      run("trace keep", "always", ...reason),
      run("eim poll", "--quiet"),
      after(async ({ order }) => order({ kind: "euiccPackage", psmos: [{ listProfileInfo: {} }] }), once("eim poll")),
      run("package last"),
      run("package show", "5eed5eed"),
      ...["at", "apdu", "es10", "esipa", "coap", "dtls", "all"].map((layer) => ({
        ...run(`trace ${layer}`, "--id", "t-1"),
        given: async ({ audit }: World) => ["--id", String((await audit.data("package.received")).traceId)],
        lines: 6,
      })),

      run("package load", file("package"), ...reason),
      after(
        async ({ order, eim, vehicle }) => {
          order({ kind: "euiccPackage", psmos: [{ listProfileInfo: {} }] });
          const { body } = (await eim.handle(encode(GetEimPackageRequest, { eidValue: digitsToBcd(vehicle.euicc.eid) }))) as {
            readonly body: Uint8Array;
          };
          await writeFile(file("signed"), toHexUpper(contentOf(readTlv(body))));
        },
        once("package load", file("signed"), ...reason),
      ),

      run("keys install", file("none.json"), ...reason),
      run("roaming rules install", file("rules.json"), ...reason),
      after(() => put("ring.json", keyRing()), once("keys install", file("ring.json"), ...reason)),
      run("keys list"),
      after(() => put("new-rules.json", roamingRules()), once("roaming rules install", file("new-rules.json"), ...reason)),

      run("imei-lock unlock", "--token", file("none"), ...reason),
      rehearse("imei-lock pair", ...reason),
      once("imei-lock pair", "--vin", "WVWZZZ1JZXW000001", ...reason),
      run("imei-lock show"),
      after(async (world) => {
        await exchangeModule(world, "490154203237518");
        await unlockToken(world, "unlock");
      }, run("imei-lock show")),
      once("imei-lock unlock", "--token", file("token"), ...reason),
      run("imei-lock unlock", "--token", file("token"), ...reason),
      after((world) => unlockToken(world, "repair"), once("imei-lock repair", "--token", file("token"), ...reason)),

      rehearse("lifecycle set", "suspended", ...reason),
      run("lifecycle set", "suspended", ...reason),
      once("lifecycle set", "suspended", "--admin", ...reason),
      run("policy show"),
      after(signal, run("status")),
      after(
        async ({ agent }) => writeFile(file("token"), token("commands", (await agent.lifecycle.lifecycle()).signs?.operational ?? "")),
        once("lifecycle set", "operational", "--token", file("token"), ...reason),
      ),
    ],
  };
}

/** A consumer eUICC: what a local assistant does, downloads from the SM-DP+ itself. */
function freshCard(dir: string): GoldenVehicle {
  const file = (name: string): string => join(dir, name);
  return {
    name: "consumer",
    given: { cardRole: "sgp22", direct: true, seed: 7, config: `${stateIn(dir)}[eim]\non_consumer_euicc = true\n` },
    runs: [
      after(signal, run("status")),
      rehearse("profile download", "--ac", file("code"), "--quiet"),
      after(
        ({ vehicle }) => writeFile(file("code"), `${vehicle.activationCode(fleet.matchingId)}\n`),
        once("profile download", "--ac", file("code")),
      ),
      run("profile list"),
      once("profile enable", fleet.iccid),
      run("profile enable", fleet.iccid, "--quiet"),
      once("profile disable", fleet.iccid, "--i-know-it-goes-dark", ...reason),
      once("profile enable", bootstrap.iccid, "--quiet"),
      run("profile nickname", fleet.iccid, "Fleet Rhine"),
      run("notif list"),
      {
        ...once("notif drop", "7", "--force", ...meant),
        given: async ({ agent }) => [String((await agent.local.notifications()).notifications.at(-1)?.seqNumber), "--force", ...meant],
      },
      once("notif deliver"),
      rehearse("profile delete", fleet.iccid, ...meant),
      once("profile delete", fleet.iccid, ...meant),
      once("profile delete", fleet.iccid, "--admin", ...meant),
      rehearse("card memory-reset", "--operational", ...meant),
      once("card memory-reset", "--default-smdp", ...meant),
      after(
        ({ eim }) => writeFile(file("eim"), eim.configurationData({ indirectProfileDownload: false, associationToken: -1 })),
        once("eim add-initial", file("eim"), ...reason),
      ),
    ],
  };
}

/** The APN on which the vehicle was online: with another one it is refused. */
const registeredHome = async ({ agent, status, until }: World): Promise<unknown> => {
  await agent.module.setApn({ role: "engineer", peer: undefined }, { name: "bootstrap.iot", type: "IPV4V6" });
  return until(status, ({ network }) => network.address !== undefined);
};

/** A module whose technologies, power saving and APN may be chosen, and a configuration that leaves it to the engineer. */
function otherModule(dir: string): GoldenVehicle {
  return {
    name: "module",
    given: { cardRole: "sgp32", personality: "quectel-bg95", seed: 7, apns: "", config: stateIn(dir) },
    runs: [
      run("modem info"),
      run("modem rat show"),
      after(isCounted, once("doctor")),
      rehearse("modem rat set", "lte-m"),
      once("modem rat set", "lte-m"),
      once("modem psm", "on", "--tau", "3600", "--active", "60"),
      run("modem psm"),
      once("modem edrx", "20"),
      run("modem edrx"),
      rehearse("net scan"),
      once("net scan"),
      run("net operators"),
      run("net register", "99"),
      once("net register", "26299"),
      once("net register", "auto"),
      rehearse("net fplmn clear", ...meant),
      once("net fplmn clear", ...meant),
      rehearse("net apn test", "iot.example"),
      once("net apn test", "iot.example"),
      run("modem apn get"),
      once("net apn test", "bootstrap.iot"),
      once("modem apn set", "iot.example"),
      run("modem apn get"),
      run("usage show"),
      after(
        ({ agent, until }) =>
          until(
            () => agent.usage.usage(),
            ({ amounts }) => amounts.length > 0,
          ),
        run("usage export"),
      ),
      rehearse("modem reset", ...meant),
      after(registeredHome, once("modem reset", ...meant)),
    ],
  };
}

/** The last one: those of the start differ from run to run. */
const sampledOnline = ({ agent, until }: World): Promise<unknown> => {
  const last = async () => {
    let found: LeavingSample | undefined;
    for await (const one of agent.samples.leaving()) found = one;
    return found;
  };
  return until(last, (sample) => sample?.online === true && sample.signal !== undefined);
};

/** A fallback profile and an emergency profile on the card. */
function waysBack(dir: string): GoldenVehicle {
  const spare = { ...second, fallbackAllowed: true };
  const ecall = { ...fleet, ecallIndication: true };
  return {
    name: "ways back",
    given: {
      cardRole: "sgp32",
      installed: [spare, ecall],
      seed: 7,
      speed: 120,
      config: `${stateIn(dir)}[samples]\ninterval_seconds = 10\n`,
    },
    runs: [
      after(sampledOnline, run("samples export", "--last", "1")),
      rehearse("profile fallback exec"),
      after(async ({ order, poll }) => {
        order({ kind: "euiccPackage", psmos: [{ setFallbackAttribute: { iccid: spare.iccid } }] });
        await poll();
      }, once("profile fallback exec")),
      rehearse("profile fallback return"),
      once("profile fallback return"),
      rehearse("profile emergency on"),
      once("profile emergency on"),
      rehearse("profile emergency off"),
      once("profile emergency off"),
      once("profile immediate on"),
      once("card memory-reset", "--eims", ...meant),
      rehearse("profile immediate on"),
      once("profile immediate on"),
      rehearse("profile immediate off"),
      once("profile immediate off"),
    ],
  };
}

/** Its provisioning profile stays with its next owner, until it is scrapped. */
function soldVehicle(dir: string): GoldenVehicle {
  return {
    name: "sold",
    given: { cardRole: "sgp32", bootstrapClass: "provisioning", installed: [second], seed: 7, config: stateIn(dir) },
    runs: [
      rehearse("lifecycle transfer", ...meant),
      once("lifecycle transfer", ...meant),
      after(
        ({ agent, until }) =>
          until(
            () => agent.lifecycle.lifecycle(),
            ({ wipe }) => wipe?.phase === "done",
          ),
        run("lifecycle status"),
      ),
      rehearse("lifecycle retire", ...meant),
      once("lifecycle retire", ...meant),
      after(
        ({ agent, until }) =>
          until(
            () => agent.lifecycle.lifecycle(),
            ({ wipe }) => wipe?.kind === "retire" && wipe.phase === "done",
          ),
        run("lifecycle status"),
      ),
    ],
  };
}

async function copyTrail(disk: World["disk"], to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const name of await disk.list("audit")) {
    const content = await disk.read(`audit/${name}`);
    if (content !== undefined) await writeFile(join(to, name), content);
  }
}
