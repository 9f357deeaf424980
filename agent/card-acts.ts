// What a person beside the vehicle asks of the card: who it is, its certificates and eIMs, a notification to be dropped, a package to be loaded.
import { createHash, X509Certificate } from "node:crypto";
import { fromHex, toHexUpper } from "../base/bytes.ts";
import type { Clock } from "../base/clock.ts";
import { SimwardError } from "../base/errors.ts";
import { type Rehearsal, rehearsal } from "../base/rehearsal.ts";
import { decode } from "../ipa/asn1/schema.ts";
import { contentOf, readTlv, writeTlv } from "../ipa/asn1/tlv.ts";
import {
  type Es10,
  getCerts,
  getEimConfigurationData,
  getEuiccInfo1,
  getEuiccInfo2,
  loadEuiccPackage,
  removeNotificationFromList,
} from "../ipa/euicc/es10.ts";
import type { Ipa } from "../ipa/ipa.ts";
import type { EimConfigurationData } from "../ipa/messages/eim-config.ts";
import { TransferEimPackageResponse } from "../ipa/messages/esipa.ts";
import { type CardKind, passiveError } from "../ipa/procedures/card-class.ts";
import type {
  CardCertificate,
  CardCertificates,
  CardClassReport,
  CardInfo,
  EimConfiguration,
  EimConfigurations,
  NotificationDropped,
  PackageLoaded,
} from "./api/card-types.ts";
import type { Asker } from "./local-profiles.ts";
import { cardStatusOf, compact, versionText } from "./status.ts";

export interface CardActs {
  /** Throws CARD_NOT_EUICC, CARD_NOT_SGP32, BUSY. */
  cardInfo(): Promise<CardInfo>;
  certificates(): Promise<CardCertificates>;
  cardClass(): Promise<CardClassReport>;
  eims(): Promise<EimConfigurations>;
  /** Takes it from the eUICC undelivered. Throws NOT_FOUND, ES10_REFUSED. */
  dropNotification(by: Asker, order: { readonly seqNumber: number; readonly reason: string }): Promise<NotificationDropped>;
  /** Gives the card a package as it stands, octet for octet; the eIM's signature is the eUICC's to check. Throws PACKAGE_FORMAT. */
  loadPackage(by: Asker, order: { readonly package: string; readonly reason: string }): Promise<PackageLoaded>;
}

export interface CardActsParts {
  readonly ipa: Pick<Ipa, "status" | "local" | "transferEimPackage">;
  readonly askCard: <T>(why: string, use: (es10: Es10) => Promise<T>) => Promise<T>;
  readonly audit: (act: string, by: Asker, data: Readonly<Record<string, string | null>>) => Promise<void>;
  readonly changed: () => Promise<void>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** In words, for people; by the specifications that each class knows. */
const abilities: Readonly<Record<CardKind, { readonly can: readonly string[]; readonly cannot: readonly string[] }>> = {
  "sgp32-ipad": {
    can: [
      "obey its eIMs through simward",
      "download by an eIM's trigger",
      "fall back and roll back",
      "local orders while no eIM is associated",
    ],
    cannot: ["local enabling once an eIM is associated"],
  },
  "sgp32-ipae": { can: ["obey its eIMs through its own assistant"], cannot: ["be driven by simward, which stays passive"] },
  sgp22: {
    can: ["download, enable, disable and delete on the vehicle", "obey an eIM where eim.on_consumer_euicc = true"],
    cannot: ["verify an eIM's signature itself"],
  },
  sgp02: { can: ["be managed by its SM-SR over SMS or BIP"], cannot: ["SGP.22 or SGP.32 orders from a terminal"] },
  uicc: { can: ["serve as a plain SIM"], cannot: ["change of profile"] },
};

const transferEimPackage = 0xbf4e;

export function createCardActs({ ipa, askCard, audit, changed, clock, signal }: CardActsParts): CardActs {
  const euiccOnly = (): void => {
    const found = ipa.status().card;
    if (found?.kind === "sgp02" || found?.kind === "uicc") throw passiveError(found);
  };
  /** On the card it is one function and the package itself; on a consumer eUICC, and of other packages, it depends. Throws ASN1_… as the card's reader would. */
  function rehearsedLoad(given: Uint8Array, going: Rehearsal): never {
    const bare = given[0] === 0xbf && given[1] === 0x4e ? contentOf(readTlv(given)) : given;
    if (ipa.status().card?.kind === "sgp32-ipad" && bare[0] === 0xbf && bare[1] === 0x51) {
      decode(loadEuiccPackage.request, bare, { name: "EuiccPackageRequest" });
      going.note({ interface: "es10", name: loadEuiccPackage.name, section: loadEuiccPackage.section, command: bare });
    }
    going.end();
  }
  return {
    async cardInfo() {
      euiccOnly();
      const { eid, card } = ipa.status();
      const [info1, info2] = await askCard("card info", async (es10) => [
        await es10.call(getEuiccInfo1, {}),
        await es10.call(getEuiccInfo2, {}),
      ]);
      const hex = (list: readonly Uint8Array[]): readonly string[] => list.map(toHexUpper);
      const version = (value: Uint8Array | undefined): string | undefined => (value === undefined ? undefined : versionText(value));
      return compact<CardInfo>({
        schema: "simward/card/1",
        class: card?.kind,
        eid,
        svn: versionText(info2.svn),
        highestSvn: version(info2.highestSvn),
        iotVersions: (info2.iotSpecificInfo?.iotVersion ?? []).map(versionText),
        ecallSupported: info2.iotSpecificInfo?.ecallSupported !== undefined,
        fallbackSupported: info2.iotSpecificInfo?.fallbackSupported !== undefined,
        ipaMode: info2.ipaMode === undefined ? undefined : String(info2.ipaMode),
        profileVersion: versionText(info2.profileVersion),
        firmware: versionText(info2.euiccFirmwareVer),
        globalPlatform: version(info2.globalplatformVersion),
        javaCard: version(info2.ts102241Version),
        category: info2.euiccCategory === undefined ? undefined : String(info2.euiccCategory),
        protectionProfile: versionText(info2.ppVersion),
        sasAccreditation: info2.sasAcreditationNumber,
        freeNvmBytes: cardStatusOf(eid ?? "", info2).freeNvmBytes,
        uiccCapabilities: [...info2.uiccCapability].map(String),
        rspCapabilities: [...info2.rspCapability].map(String),
        forbiddenPprs: [...(info2.forbiddenProfilePolicyRules ?? [])].map(String),
        ciVerification: hex(info1.euiccCiPKIdListForVerification),
        ciSigning: hex(info1.euiccCiPKIdListForSigning),
      });
    },
    async certificates() {
      euiccOnly();
      const found = await askCard("card certificates", (es10) => es10.carryOut(getCerts, {}));
      if (found.kind !== "certs") throw new SimwardError("ES10_REFUSED", { detail: `GetCerts: ${found.value}` });
      const nowMs = clock.wall().ms;
      const { eumCertificate, euiccCertificate } = found.value;
      return {
        schema: "simward/card-certs/1",
        certificates: [certificateOf("EUM", eumCertificate, nowMs), certificateOf("eUICC", euiccCertificate, nowMs)],
      };
    },
    async cardClass() {
      const { card } = ipa.status();
      if (card === undefined) throw new SimwardError("NOT_FOUND", { detail: "no card has been read yet" });
      return compact<CardClassReport>({
        schema: "simward/card-class/1",
        class: card.kind,
        reason: card.why,
        eid: card.eid ?? ipa.status().eid,
        ...abilities[card.kind],
      });
    },
    async eims() {
      euiccOnly();
      const { eimConfigurationDataList } = await askCard("eIM configuration", (es10) => es10.call(getEimConfigurationData, {}));
      return { schema: "simward/eims/1", eims: eimConfigurationDataList.map(eimOf) };
    },
    async dropNotification(by, { seqNumber, reason }) {
      const waiting = await ipa.local.notifications(signal);
      const found = waiting.find((one) => one.seqNumber === seqNumber);
      if (found === undefined) throw new SimwardError("NOT_FOUND", { detail: `no notification ${seqNumber} waits on the eUICC` });
      const { event, receiver } = found;
      await audit("notification.dropAsked", by, { seqNumber: String(seqNumber), event, receiver, reason });
      await askCard("notification drop", (es10) => es10.carryOut(removeNotificationFromList, { seqNumber })).finally(changed);
      const remaining = (await ipa.local.notifications(signal)).length;
      return { schema: "simward/notification-dropped/1", seqNumber, event, receiver, remaining };
    },
    async loadPackage(by, order) {
      const given = fromHex(order.package);
      const sha256 = createHash("sha256").update(given).digest("hex");
      await audit("package.loadAsked", by, { sha256, octets: String(given.length), reason: order.reason });
      const going = rehearsal();
      if (going !== undefined) return rehearsedLoad(given, going);
      // What is signed stays as it came: a bare package is only put into the envelope that an injecting eIM would have used.
      const message = given[0] === 0xbf && given[1] === 0x4e ? given : writeTlv(transferEimPackage, given);
      const source = { scheme: "local", peer: `${by.role}:${by.peer?.uid ?? "unknown"}`, eimIds: [], gone: signal } as const;
      const answer = await ipa.transferEimPackage(message, source).finally(changed);
      const { kind, value } = decode(TransferEimPackageResponse, answer, { name: "TransferEimPackageResponse" });
      return compact<PackageLoaded>({
        schema: "simward/package-loaded/1",
        sha256,
        octets: given.length,
        outcome: kind,
        error: kind === "eimPackageError" ? String(value) : undefined,
        answer: toHexUpper(answer),
      });
    },
  };
}

function certificateOf(name: CardCertificate["name"], der: Uint8Array, nowMs: number): CardCertificate {
  const certificate = new X509Certificate(der);
  const [notBefore, notAfter] = [certificate.validFrom, certificate.validTo].map((text) => new Date(text));
  const oneLine = (text: string): string => text.split("\n").join(", ");
  return {
    name,
    subject: oneLine(certificate.subject),
    issuer: oneLine(certificate.issuer),
    serial: certificate.serialNumber,
    notBefore: notBefore?.toISOString() ?? "",
    notAfter: notAfter?.toISOString() ?? "",
    valid: notBefore !== undefined && notAfter !== undefined && notBefore.getTime() <= nowMs && nowMs <= notAfter.getTime(),
    sha256: createHash("sha256").update(der).digest("hex"),
  };
}

const numberOf = (value: number | bigint | undefined): number | undefined => (value === undefined ? undefined : Number(value));
const fingerprint = (der: Uint8Array): string => createHash("sha256").update(der).digest("hex");

function eimOf(eim: EimConfigurationData): EimConfiguration {
  const { eimPublicKeyData: key, trustedPublicKeyDataTls: tls } = eim;
  return compact<EimConfiguration>({
    eimId: eim.eimId,
    fqdn: eim.eimFqdn,
    idType: eim.eimIdType === undefined ? undefined : String(eim.eimIdType),
    counter: numberOf(eim.counterValue),
    associationToken: numberOf(eim.associationToken),
    protocols: [...(eim.eimSupportedProtocol ?? [])].map(String),
    keyFingerprint: key === undefined ? undefined : fingerprint(key.value),
    tlsTrust: tls === undefined ? undefined : tls.kind === "trustedEimPkTls" ? "publicKey" : "certificate",
    tlsFingerprint: tls === undefined ? undefined : fingerprint(tls.value),
    indirectDownload: eim.indirectProfileDownload !== undefined,
  });
}
