// One event of the daemon as a line for a field engineer. Events nobody beside the vehicle needs are left out.
import type { ErrorReport } from "../../base/errors.ts";
import type { ApiEvent } from "../api/types.ts";
import { duration, progressBar } from "./layout.ts";
import type { Output } from "./output.ts";

type Fields = Readonly<Record<string, unknown>>;
type Render = (event: Fields, out: Output, count: string) => string | undefined;

const text = (value: unknown): string => (value === undefined || value === null ? "?" : String(value));
const failure = (event: Fields): string => {
  const error = event.error as ErrorReport | undefined;
  return error === undefined ? "" : `${error.code}: ${error.message}`;
};
const bytes = (value: unknown): string => `${text(value)} B`;

const renderers: Readonly<Record<string, Render>> = {
  step: (e, out, count) => {
    const figures = [`${bytes(e.sentBytes)} out`, `${bytes(e.receivedBytes)} in`, duration(Number(e.durationMs))];
    const failed = e.error === undefined ? "" : `  ${out.paint("red", text(e.error))}`;
    const head = `${count}${text(e.name)}`;
    if (out.width !== undefined && out.width < 80) return `${head}\n${" ".repeat(count.length + 2)}${figures.join("  ")}${failed}`;
    return `${head.padEnd(40)} ${figures.map((figure, i) => figure.padStart([12, 11, 8][i] ?? 0)).join(" ")}${failed}`;
  },
  segment: (e, out) => {
    const width = out.width === undefined ? 24 : Math.min(24, Math.max(6, out.width - 40));
    return `    segment ${progressBar(Number(e.number), Number(e.of), width)}  ${bytes(e.sentBytes)}`;
  },
  started: (e, out) => `${out.paint("bold", "IPA started")}  EID ${text(e.eid)}  profile ${text(e.enabledIccid)}`,
  recovered: (e, out) => out.paint("yellow", `going on with what was interrupted: ${text(e.operation)}, ${text(e.phase)}`),
  "package.received": (e, out) =>
    out.paint(
      "cyan",
      `package from ${text(e.eimId)}: ${text(e.packageKind)}, ${bytes(e.bytes)} ${(e.operations as readonly string[]).join(", ")}`,
    ),
  "package.malformed": (e, out) => out.paint("red", `package from ${text(e.eimId)} refused: ${text(e.code)} ${text(e.reason)}`),
  "package.executed": (e, out) => {
    const outcomes = e.outcomes as readonly { readonly name: string; readonly code: string | number }[];
    if (outcomes.length > 0) return `executed by the eUICC: ${outcomes.map(({ name, code }) => `${name} ${code}`).join(", ")}`;
    // Whose maker it cannot prove is given no reason.
    const reason = e.error ?? (e.result === "euiccPackageErrorUnsigned" ? "no reason given, as for a wrong signature" : "?");
    return out.paint("red", `refused by the eUICC: ${text(reason)}`);
  },
  "package.reported": (e, out) => {
    const kind = e.packageKind === "unknown" ? "" : `: ${text(e.packageKind)}`;
    const acknowledged = e.acknowledged as readonly number[];
    return out.paint(
      "green",
      `reported to ${text(e.eimId)}${kind}${acknowledged.length > 0 ? `, acknowledged ${acknowledged.join(", ")}` : ""}`,
    );
  },
  "package.unreported": (e, out) => out.paint("yellow", `not reported yet to ${text(e.eimId)}: ${failure(e)}`),
  "profile.enabled": (e, out) => out.paint("green", `profile enabled: ${text(e.iccid)} (was ${text(e.fromIccid)})`),
  "profile.disabled": (e, out) => out.paint("yellow", `profile disabled: ${text(e.iccid)}`),
  "profile.deleted": (e) => `profile deleted: ${text(e.iccid)}`,
  "profile.online": (e, out) => out.paint("green", `online with ${text(e.iccid)} after ${duration(Number(e.durationMs))}`),
  "profile.offline": (e, out) =>
    e.iccid === undefined
      ? out.paint("yellow", "no profile is enabled: no network")
      : out.paint("red", `no network with ${text(e.iccid)} after ${duration(Number(e.durationMs))}`),
  "profile.rolledBack": (e, out) => out.paint("yellow", `rolled back: ${text(e.fromIccid)} -> ${text(e.toIccid)}`),
  "profile.rollbackRefused": (e, out) => out.paint("red", `the eUICC refused the rollback: ${text(e.code)}`),
  "profile.fellBack": (e, out) => out.paint("yellow", `fell back: ${text(e.fromIccid)} -> ${text(e.toIccid)}`),
  "profile.returned": (e, out) => out.paint("green", `returned from fallback: ${text(e.fromIccid)} -> ${text(e.toIccid)}`),
  "profile.emergencyEnabled": (e, out) => out.paint("red", `emergency profile enabled: ${text(e.toIccid)}`),
  "profile.emergencyDisabled": (e, out) => out.paint("green", `emergency profile disabled, back to ${text(e.toIccid)}`),
  "profile.switchRefused": (e, out) => out.paint("yellow", `the eUICC refused ${text(e.function)}: ${text(e.code)}`),
  emergency: (e, out) =>
    e.active === true
      ? out.paint("red", `emergency: ${(e.sources as readonly string[]).join(", ")}`)
      : out.paint("green", "the emergency is over"),
  "emergency.deferred": (e, out) => out.paint("yellow", `waits for the end of the emergency: ${text(e.what)}`),
  "download.started": (e, out) =>
    out.paint("bold", `profile download from ${text(e.smdpAddress)}${e.way === "direct" ? "" : ` through ${text(e.eimId)}`}`),
  "download.metadata": (e) =>
    `  profile ${text(e.iccid)} "${text(e.profileName)}" of ${text(e.serviceProviderName)}, class ${text(e.profileClass)}`,
  "download.cancelled": (e, out) => out.paint("yellow", `download cancelled: ${text(e.reason)}`),
  "download.finished": (e, out) => out.paint("green", `profile installed: ${text(e.iccid)}, ${bytes(e.bytes)}`),
  "download.failed": (e, out) => out.paint("red", `download failed at ${text(e.step)}: ${failure(e)}`),
  "notification.delivered": (e) => `notification ${text(e.seqNumber)} (${text(e.event)}) delivered to ${text(e.receiver)}`,
  "notification.kept": (e, out) => out.paint("yellow", `notification ${text(e.seqNumber)} kept: ${failure(e)}`),
  "policy.refused": (e, out) => out.paint("red", `refused by policy ${text(e.rule)}: ${text(e.reason)}`),
  "policy.warned": (e, out) => out.paint("yellow", `warning of policy ${text(e.rule)}: ${text(e.reason)}`),
  "path.up": (e, out) => out.paint("green", `data path up: ${text(e.plmn)} APN ${text(e.apn)} ${text(e.address)}`),
  "path.down": (e, out) => out.paint("yellow", `data path down: ${text(e.reason)}`),
  phase: (e) =>
    `${text(e.work)}: ${text(e.phase)}${e.n === e.of ? ` after ${duration(Number(e.elapsedMs))}` : `, at most ${duration(Number(e.limitMs))}`}`,
  gap: (e, out) => out.paint("yellow", `what came behind event ${text(e.after)} is not remembered`),
  warning: (e, out) => out.paint("yellow", `${text(e.where)}: ${failure(e)}`),
  error: (e, out) => out.paint("red", `${text(e.where)}: ${failure(e)}`),
  interrupted: (e, out) => {
    const what = e.operation === undefined ? text(e.where) : `${text(e.where)}: ${text(e.operation)}, ${text(e.phase)}`;
    return out.paint("yellow", `interrupted: ${what} (${text(e.reason)})`);
  },
};

/** `count` stands before a step, where steps are counted. */
export function renderEvent(event: ApiEvent, out: Output, count = "  "): string | undefined {
  return renderers[event.kind]?.(event, out, count);
}
