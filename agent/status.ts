// Puts the status document together from what the parts of the daemon know at this moment.
import type { Modem, ModemStatus } from "../at-drivers/modem.ts";
import type { SignalQuality } from "../at-drivers/types.ts";
import { swappedBcdToDigits, toHexUpper } from "../base/bytes.ts";
import type { Clock } from "../base/clock.ts";
import type { ErrorReport } from "../base/errors.ts";
import { errorReport, SimwardError } from "../base/errors.ts";
import { version } from "../base/version.ts";
import type { Infer } from "../ipa/asn1/schema.ts";
import type { Ipa } from "../ipa/ipa.ts";
import type { EUICCInfo2 } from "../ipa/messages/euicc-info.ts";
import type { ProfileInfo } from "../ipa/messages/profile-info.ts";
import type { CardStatus, EimStatus, NetworkStatus, ProfileStatus, Status } from "./api/types.ts";
import type { AuditHead } from "./audit/types.ts";
import { refusalText } from "./connectivity/causes.ts";
import type { FallbackKeeper } from "./connectivity/fallback.ts";
import type { PathState } from "./connectivity/keeper.ts";
import type { HealthState } from "./connectivity/path-health.ts";
import type { RadioStatus } from "./connectivity/radio.ts";
import type { DataPathStatus } from "./data-path/data-path.ts";
import { type DataVerdictParts, dataStatusOf } from "./data-verdict.ts";
import type { Emergency } from "./emergency.ts";
import type { Stage } from "./policy/types.ts";

export interface StatusParts {
  readonly clock: Clock;
  readonly startedMs: number;
  readonly modem: Modem;
  readonly path: PathState;
  readonly ipa: Ipa;
  readonly card: CardStatus | undefined;
  readonly nextPollInMs: number | undefined;
  readonly underWay?: Status["underWay"];
  readonly lastErrors: ReadonlyMap<string, ErrorReport>;
  readonly audit: AuditHead;
  readonly alarms: readonly ErrorReport[];
  readonly signal: SignalQuality | undefined;
  readonly health: HealthState;
  readonly radio: RadioStatus | undefined;
  readonly dataPath: DataPathStatus | undefined;
  readonly emergency: Pick<Emergency, "status">;
  readonly fallback: Pick<FallbackKeeper, "state" | "nextInMs">;
  readonly travel: { status(): Pick<Status, "roaming"> };
  readonly stage: Stage;
  readonly tunnel: Status["tunnel"];
  readonly dataVerdict: DataVerdictParts;
  readonly usage: Status["usage"];
  readonly imeiLock: NonNullable<Status["imeiLock"]>;
}

const operations = {
  euiccPackage: "eUICC Package",
  ipaEuiccData: "IPA eUICC Data",
  profileDownload: "Profile Download",
  profileOrder: "Local Command",
} as const;

export function statusOf(parts: StatusParts): Status {
  const { clock, ipa } = parts;
  const ipaStatus = ipa.status();
  const wall = clock.wall();
  return compact<Status>({
    schema: "simward/status/1",
    version,
    time: new Date(wall.ms).toISOString(),
    timeSource: wall.source,
    uptimeMs: Math.round(clock.monotonicMs() - parts.startedMs),
    card: parts.card,
    underWay: parts.underWay,
    profiles: ipaStatus.profiles.map((profile) =>
      compact<ProfileStatus>({
        iccid: profile.iccid,
        state: profile.enabled ? "enabled" : "disabled",
        name: profile.profileName,
        serviceProvider: profile.serviceProviderName,
        profileClass: profile.profileClass === undefined ? undefined : String(profile.profileClass),
        fallbackAttribute: profile.fallbackAttribute,
      }),
    ),
    network: networkOf(parts),
    eims: ipaStatus.eims.map((eim) =>
      compact<EimStatus>({
        eimId: eim.eimId,
        host: eim.host ?? "",
        port: eim.port ?? 0,
        binding: eim.binding ?? "none",
        lastContact: eim.lastContactMs === undefined ? undefined : new Date(eim.lastContactMs).toISOString(),
        lastError: eim.error === undefined ? parts.lastErrors.get(eim.eimId) : errorReport(eim.error),
        nextPollInMs: ipaStatus.card?.kind === "sgp32-ipae" ? undefined : parts.nextPollInMs,
      }),
    ),
    operation:
      ipaStatus.operation === undefined
        ? undefined
        : { kind: operations[ipaStatus.operation.kind], step: ipaStatus.operation.phase, eimId: ipaStatus.operation.eimId },
    stage: parts.stage,
    tunnel: parts.tunnel,
    data: dataStatusOf(parts.dataVerdict),
    usage: parts.usage,
    imeiLock: parts.imeiLock,
    emergency: emergencyOf(parts.emergency),
    fallback: fallbackOf(parts.fallback),
    ...parts.travel.status(),
    pending: { notifications: ipaStatus.pendingNotifications, packageResults: ipaStatus.pendingResults },
    audit: parts.audit,
    alarms: [...parts.alarms, ...moduleAlarms(parts.modem.status)],
  });
}

/** What is wrong with the module itself, and needs a person. */
export function moduleAlarms({ ownLpa }: Pick<ModemStatus, "ownLpa">): readonly ErrorReport[] {
  if (ownLpa === undefined || ownLpa.on === false) return [];
  return [errorReport(new SimwardError("MODEM_OWN_LPA", { detail: `${ownLpa.command} answers: ${ownLpa.remedy}` }))];
}

function emergencyOf(emergency: StatusParts["emergency"]): Status["emergency"] {
  const { active, sources, remainingMs } = emergency.status();
  return active ? { sources, ...(remainingMs === undefined ? {} : { remainingMs }) } : undefined;
}

function fallbackOf({ state, nextInMs }: StatusParts["fallback"]): Status["fallback"] {
  const { phase, failedReturns } = state;
  if (phase === "lost" || (phase === "home" && !state.onTrial)) return undefined;
  return { phase, failedReturns, ...(nextInMs === undefined ? {} : { nextInMs }) };
}

function networkOf({ modem, path, signal, health, radio, dataPath }: StatusParts): NetworkStatus {
  const { link, port, reason, family, identity, imei, sim, registration } = modem.status;
  return compact<NetworkStatus>({
    link,
    reason: link === "ready" ? path.reason : reason,
    module:
      identity === undefined
        ? undefined
        : { manufacturer: identity.manufacturer, model: identity.model, revision: identity.revision, family: family ?? "unknown" },
    imei,
    sim: sim === "ready" ? undefined : sim,
    registration: registration.status,
    rat: registration.rat,
    plmn: registration.plmn,
    roaming: registration.status === "roaming",
    tac: registration.tac,
    cellId: registration.cellId,
    refused: registration.rejectCause === undefined ? undefined : refusalText(registration.rejectCause),
    rsrpDbm: signal?.rsrpDbm,
    rsrqDb: signal?.rsrqDb,
    sinrDb: signal?.sinrDb,
    apn: path.apn,
    address: path.up ? path.session?.address : undefined,
    port,
    interface: dataPath?.interface,
    probe: path.up ? health.verdict : undefined,
    roundTripMs: path.up && health.roundTripMs !== undefined ? Math.round(health.roundTripMs) : undefined,
    rats: radio?.rats,
    psm: powerSavingOf(radio),
    edrx: edrxOf(radio),
  });
}

function powerSavingOf(radio: RadioStatus | undefined): string | undefined {
  if (radio?.psm === undefined || !radio.psm.enabled) return undefined;
  const { granted } = radio.psm;
  return granted === undefined ? "refused" : `granted ${granted.periodicTauSeconds ?? "?"}/${granted.activeSeconds ?? "?"} s`;
}

function edrxOf(radio: RadioStatus | undefined): string | undefined {
  if (radio?.edrx === undefined || radio.edrx.requested.length === 0) return undefined;
  const cycleSeconds = radio.edrx.granted?.cycleSeconds;
  return cycleSeconds === undefined ? "refused" : `granted ${cycleSeconds} s`;
}

/** EUICCInfo2 and EID as the status shows them (SGP.22 §5.7.8, SGP.32 §4.2). */
export function cardStatusOf(eid: string, info: Infer<typeof EUICCInfo2>): CardStatus {
  const highest = info.iotSpecificInfo?.iotVersion.map(versionText).sort(compareVersions).at(-1);
  return compact<CardStatus>({
    eid,
    sgp32Version: highest,
    sgp22Version: versionText(info.svn),
    ipaMode: info.ipaMode === "ipad" || info.ipaMode === "ipae" ? info.ipaMode : undefined,
    freeNvmBytes: freeNvmBytes(info.extCardResource),
  });
}

export function profileStatusOf(info: Infer<typeof ProfileInfo>): ProfileStatus {
  return compact<ProfileStatus>({
    iccid: info.iccid === undefined ? "" : swappedBcdToDigits(info.iccid),
    state: info.profileState === "enabled" ? "enabled" : "disabled",
    isdpAid: info.isdpAid === undefined ? undefined : toHexUpper(info.isdpAid),
    name: info.profileName,
    serviceProvider: info.serviceProviderName,
    nickname: info.profileNickname,
    profileClass: info.profileClass === undefined ? undefined : String(info.profileClass),
    fallbackAttribute: info.fallbackAttribute,
  });
}

export function versionText(version: Uint8Array): string {
  return [...version].join(".");
}

function compareVersions(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}

/** Free non-volatile memory out of the extended card resources: tag 82 (ETSI TS 102 226 §8.2.1.7.2). */
function freeNvmBytes(resources: Uint8Array): number | undefined {
  for (let at = 0; at + 1 < resources.length; at += 2 + (resources[at + 1] ?? 0)) {
    const length = resources[at + 1] ?? 0;
    if (resources[at] === 0x82 && at + 2 + length <= resources.length && length <= 6)
      return Buffer.from(resources.subarray(at + 2, at + 2 + length)).readUIntBE(0, length);
  }
  return undefined;
}

/** Drops what is undefined, so that a document holds only what is known. */
export function compact<T>(value: { readonly [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as T;
}
