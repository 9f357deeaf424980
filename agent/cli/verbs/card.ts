// simward card info, certs, classify: what the card says of itself, and what can be done with it.
import type { CardCertificates, CardClassReport, CardInfo } from "../../api/card-types.ts";
import { exitCodes } from "../exit.ts";
import type { Output } from "../output.ts";
import type { Verb } from "../verb.ts";

/** The card may be at work. */
const timeoutSeconds = 60;

export const cardInfo: Verb = {
  name: "card info",
  summary: "EID, versions, capabilities and trusted CIs (EUICCInfo1 and EUICCInfo2), read from the eUICC now",
  example: "simward card info",
  timeoutSeconds,
  async run({ api, out }) {
    const info = await api("viewer").call<CardInfo>("GET", "/v1/card");
    out.result(info, () => rendered(info, out));
    return undefined;
  },
};

function rendered(info: CardInfo, out: Output): string {
  const row = (name: string, ...parts: readonly (string | undefined)[]): readonly [string, readonly string[]] => [
    out.paint("bold", name),
    parts.filter((part): part is string => part !== undefined && part !== ""),
  ];
  const iot = info.iotVersions.length === 0 ? undefined : `SGP.32 v${info.iotVersions.join(", v")}`;
  return out.fields([
    row("EID", info.eid ?? "none", info.class),
    row("Version", iot, `SGP.22 v${info.svn}`, info.highestSvn && `highest v${info.highestSvn}`, info.ipaMode && `ipaMode ${info.ipaMode}`),
    row(
      "Profiles",
      `package v${info.profileVersion}`,
      info.freeNvmBytes === undefined ? "" : `free ${Math.round(info.freeNvmBytes / 1024)} KiB`,
    ),
    row(
      "Firmware",
      info.firmware,
      info.category,
      info.javaCard && `Java Card ${info.javaCard}`,
      info.globalPlatform && `GP ${info.globalPlatform}`,
    ),
    row("Approval", info.sasAccreditation, `protection profile ${info.protectionProfile}`),
    row("SGP.32", info.fallbackSupported ? "fallback" : "no fallback", info.ecallSupported ? "emergency profile" : "no emergency profile"),
    row("UICC", info.uiccCapabilities.join(" ")),
    row("RSP", info.rspCapabilities.join(" ")),
    row("Forbidden", info.forbiddenPprs.join(" ")),
    ...info.ciVerification.map((id, i) => row(i === 0 ? "Trusts CI" : "", id, info.ciSigning.includes(id) ? "and signs for it" : "")),
  ]);
}

export const cardCerts: Verb = {
  name: "card certs",
  summary: "the certificates of the eUICC and of its maker; exits with 9 where one is not valid now",
  example: "simward card certs",
  timeoutSeconds,
  async run({ api, out }) {
    const report = await api("viewer").call<CardCertificates>("GET", "/v1/card/certs");
    out.result(report, () =>
      out.fields(
        report.certificates.flatMap((one) => [
          [
            out.paint("bold", one.name),
            [one.valid ? out.paint("green", "valid") : out.paint("red", "not valid now"), one.subject],
          ] as const,
          ["", [`by ${one.issuer}`, `${one.notBefore} to ${one.notAfter}`, `serial ${one.serial}`, `SHA-256 ${one.sha256}`]] as const,
        ]),
      ),
    );
    return report.certificates.every(({ valid }) => valid) ? undefined : exitCodes.card;
  },
};

export const cardClassify: Verb = {
  name: "card classify",
  summary: "whether the card is an SGP.32, SGP.22 or SGP.02 eUICC or none, what that is told by, and what is possible with it",
  example: "simward card classify",
  timeoutSeconds,
  async run({ api, out }) {
    const report = await api("viewer").call<CardClassReport>("GET", "/v1/card/class");
    out.result(report, () =>
      out.fields([
        [out.paint("bold", "Class"), [report.class, report.reason, ...(report.eid === undefined ? [] : [`EID ${report.eid}`])]],
        ...report.can.map((text, i) => [i === 0 ? out.paint("green", "Can") : "", [text]] as const),
        ...report.cannot.map((text, i) => [i === 0 ? out.paint("yellow", "Cannot") : "", [text]] as const),
      ]),
    );
    return undefined;
  },
};
