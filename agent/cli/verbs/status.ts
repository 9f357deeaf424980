// simward status: one screen of where the vehicle stands.
import { SimwardError } from "../../../base/errors.ts";
import type { CardStatus, DataStatus, RoamingStanding, Status } from "../../api/types.ts";
import type { UsageSummary } from "../../api/usage-types.ts";
import { bytesText } from "../../usage/words.ts";
import { duration } from "../layout.ts";
import type { Output } from "../output.ts";
import type { Verb } from "../verb.ts";

export const status: Verb = {
  name: "status",
  summary: "one screen: card, profile, network, eIM, what is under way, alarms",
  example: "simward status --json",
  options: [{ flags: "--watch", help: "the same, kept true on the whole terminal; with --jsonl a line whenever something has happened" }],
  async run({ api, out, signal, clock, screen, outputAt }, { options }) {
    if (options.watch === true) {
      const { watchStatus, followStatus } = await import("../watch-status.ts");
      const watching = { api: api("viewer"), clock, signal };
      if (out.json) await followStatus({ ...watching, tell: (report) => out.line(report, () => undefined) });
      else if (screen === undefined)
        throw new SimwardError("USAGE", { detail: "--watch needs a terminal; a program takes --jsonl --watch" });
      else await watchStatus({ ...watching, screen, outputAt, render: renderStatus });
      return undefined;
    }
    const report = await api("viewer").call<Status>("GET", "/v1/status");
    out.result(report, () => renderStatus(report, out));
    return undefined;
  },
};

export function renderStatus(report: Status, out: Output): string {
  const rows: (readonly [string, readonly string[]])[] = [];
  const add = (name: string, ...parts: readonly (string | undefined | false)[]): void => {
    rows.push([out.paint("bold", name), parts.filter((part): part is string => typeof part === "string" && part !== "")]);
  };
  const { card, network } = report;
  const sim = network.sim && out.paint("red", simWords[network.sim] ?? network.sim);
  if (card === undefined) add("Card", sim, out.paint("yellow", "not read yet"));
  else {
    add(
      "Card",
      sim,
      card.eid !== undefined && `EID ${card.eid}`,
      cardText(card),
      card.toolkit && `over the air: SMS ${card.toolkit.sms}, BIP ${card.toolkit.bip}`,
      card.class === "sgp32-ipae" && out.paint("yellow", "simward stays passive"),
      card.freeNvmBytes !== undefined && `free ${Math.round(card.freeNvmBytes / 1024)} KiB`,
    );
  }
  for (const [i, profile] of report.profiles.entries()) {
    const state = profile.state === "enabled" ? out.paint("green", "enabled") : "disabled";
    add(
      i === 0 ? "Profile" : "",
      profile.iccid,
      `"${profile.nickname ?? profile.name ?? ""}"`,
      profile.serviceProvider,
      state,
      profile.profileClass !== "operational" && profile.profileClass,
      profile.fallbackAttribute === true && "fallback",
    );
  }
  if (network.link !== "ready") add("Module", out.paint("yellow", network.link), network.reason);
  else
    add(
      "Module",
      network.module && `${network.module.manufacturer} ${network.module.model}`,
      network.module?.revision,
      network.imei && `IMEI ${network.imei}${lockText(report.imeiLock, out)}`,
    );
  const online = network.address !== undefined;
  add(
    "Network",
    network.rat?.toUpperCase(),
    network.plmn && `${network.plmn.slice(0, 3)} ${network.plmn.slice(3)}`,
    network.registration,
    network.refused !== undefined && out.paint("yellow", network.refused),
    network.rsrpDbm !== undefined && `RSRP ${network.rsrpDbm}`,
    network.sinrDb !== undefined && `SINR ${network.sinrDb}`,
    network.apn !== undefined && `APN ${network.apn === "" ? "(network's own)" : network.apn}`,
    online
      ? out.paint("green", `online ${network.address}${network.interface === undefined ? "" : ` on ${network.interface}`}`)
      : out.paint("yellow", "no data path"),
    network.roundTripMs !== undefined && `probe ${network.roundTripMs} ms`,
    network.probe === "doubtful" && out.paint("yellow", "nothing seems to pass"),
    network.psm !== undefined && `PSM ${network.psm}`,
    network.edrx !== undefined && `eDRX ${network.edrx}`,
    !online && network.link === "ready" && network.reason,
  );
  for (const eim of report.eims) {
    const last =
      eim.lastContact === undefined
        ? "no contact yet"
        : lastContact(Date.parse(report.time) - Date.parse(eim.lastContact), eim.lastContact);
    add(
      "eIM",
      eim.eimId,
      `${eim.binding}://${eim.host}:${eim.port}`,
      last,
      eim.nextPollInMs !== undefined && `next poll in ${duration(eim.nextPollInMs)}`,
      eim.lastError && out.paint("yellow", eim.lastError.code),
    );
  }
  if (report.emergency !== undefined) {
    const { sources, remainingMs } = report.emergency;
    add(
      out.paint("red", "Emergency"),
      sources.join(", "),
      remainingMs !== undefined && `for ${duration(remainingMs)} more`,
      "all else waits",
    );
  }
  if (report.fallback !== undefined) {
    const { phase, failedReturns, nextInMs } = report.fallback;
    const next = phase === "away" ? "return" : "trial over";
    add(
      "Fallback",
      out.paint("yellow", phase),
      failedReturns > 0 && count(failedReturns, "failed return"),
      nextInMs !== undefined && `${next} in ${duration(nextInMs)}`,
    );
  }
  if (report.tunnel !== undefined)
    add("Tunnel", out.paint(report.tunnel.phase === "up" ? "green" : "yellow", report.tunnel.phase), report.tunnel.required && "required");
  if (report.stage !== undefined && report.stage !== "operational") add("Stage", out.paint("yellow", report.stage));
  // A warning is an alarm too, and said there.
  if (report.data?.verdict === "throttle" || report.data?.verdict === "refuse") add("Data", ...dataParts(report.data, out));
  if (report.usage !== undefined) add("Usage", usageText(report.usage, out));
  if (report.roaming !== undefined) {
    const { country, home, tightest } = report.roaming;
    add(
      "Roaming",
      home === country ? `${country}, local` : `${country}, profile of ${home ?? "no known country"}`,
      tightest && roamingText(tightest, out),
    );
  }
  const { underWay } = report;
  if (underWay !== undefined) {
    const { work, phase, elapsedMs, limitMs } = underWay;
    add("Now", `simward ${work}`, phase, `${duration(elapsedMs)} of at most ${duration(limitMs)}`);
  }
  if (report.operation) add("Now", report.operation.kind, report.operation.step, report.operation.eimId && `for ${report.operation.eimId}`);
  const { notifications, packageResults } = report.pending;
  if (notifications + packageResults > 0)
    add("Queue", count(notifications, "notification"), count(packageResults, "package result"), "to be delivered");
  add("Audit", `${report.audit.seq} records`, `head ${report.audit.hash.slice(0, 12)}`);
  for (const alarm of report.alarms) add(out.paint("red", "Alarm"), `${alarm.code}: ${alarm.message}`, `-> ${alarm.next}`);
  return out.fields(rows);
}

function lockText(state: Status["imeiLock"], out: Output): string {
  if (state === undefined || state === "unpaired") return "";
  return state === "match" ? ", paired" : `, ${out.paint(state === "unlocked" ? "yellow" : "red", `pairing: ${state}`)}`;
}

const dataWords = { allow: "passes", warn: "passes", throttle: "the fleet's is slowed down", refuse: "the fleet's is held back" } as const;
const carriedOut = {
  firewall: "by the firewall",
  module: "by keeping the data session down",
  waiting: "the firewall is not set yet",
  nobody: "nothing on this vehicle carries it out",
} as const;

function dataParts({ verdict, reason, carriedOut: by, until, next }: DataStatus, out: Output): readonly string[] {
  const parts = [reason, by && carriedOut[by], until && `until ${until.replace(/\.\d+Z$/, "Z")}`, next && `-> ${next}`];
  const told = parts.filter((part): part is string => part !== undefined && part !== "");
  return [out.paint(verdict === "refuse" ? "red" : "yellow", dataWords[verdict]), ...told];
}

/** "312 MB of 500 MB this month (resets 2026-07-01)" */
function usageText({ usedBytes, limitBytes, state, words }: UsageSummary, out: Output): string {
  const text = `${bytesText(usedBytes)}${limitBytes === undefined ? "" : ` of ${bytesText(limitBytes)}`} ${words}`;
  if (state === "ok") return text;
  const told = state === "warn" ? text : `${text}, ${state === "block" ? "blocked" : "throttled"}`;
  return out.paint(state === "block" ? "red" : "yellow", told);
}

/** "12 days left (tr-90-in-120)" */
function roamingText({ level, daysLeft, rule, uncertain }: RoamingStanding, out: Output): string {
  const text = `${daysLeft} days left (${rule}${uncertain ? ", days uncertain" : ""})`;
  return level === "ok" ? text : out.paint(level === "warn" ? "yellow" : "red", text);
}

const simWords: Readonly<Record<string, string>> = {
  absent: "not in its slot, or not seen",
  pin: "wants its PIN",
  puk: "blocked: wants its PUK",
  busy: "busy",
  failure: "no profile of it can be used",
};

/** Its class, and the version that it tells. */
function cardText({ class: kind, classReason, sgp32Version, sgp22Version, ipaMode }: CardStatus): string {
  if (kind === "uicc") return `no eUICC: ${classReason ?? ""}`;
  if (kind === "sgp02") return `M2M eUICC (SGP.02), managed over the air: ${classReason ?? ""}`;
  if (kind === "sgp22") return `consumer eUICC (SGP.22 v${sgp22Version ?? "?"})`;
  const version = sgp32Version !== undefined ? `SGP.32 v${sgp32Version}` : `SGP.22 v${sgp22Version ?? "?"}`;
  return ipaMode === undefined ? version : `${version} (${ipaMode === "ipad" ? "IPAd" : "IPAe"})`;
}

function count(number: number, thing: string): string | undefined {
  return number === 0 ? undefined : `${number} ${thing}${number === 1 ? "" : "s"}`;
}

/** A clock that was ahead and has been set right has left times that are still to come. */
function lastContact(agoMs: number, at: string): string {
  return agoMs < 0 ? `last contact at ${at} by a clock that has gone back since` : `last contact ${duration(agoMs)} ago`;
}
