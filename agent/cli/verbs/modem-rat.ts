// simward modem rat …: which technologies the module may use, and others on trial.
import type { EdrxReport, PsmReport, RadioReport } from "../../api/net-types.ts";
import type { Output } from "../output.ts";
import type { Verb } from "../verb.ts";

export const modemRatShow: Verb = {
  name: "modem rat show",
  summary: "technologies in use and on offer, PSM and eDRX as asked for and as granted",
  example: "simward modem rat show",
  async run({ api, out }) {
    show(await api("viewer").call<RadioReport>("GET", "/v1/radio"), out);
    return undefined;
  },
};

export const modemRatSet: Verb = {
  name: "modem rat set",
  summary: "technologies until module or daemon start again; verified by a data path, and undone without one",
  example: "simward modem rat set lte-m",
  args: [{ name: "rats", help: "most preferred first, with commas: lte-m, cat-1bis, nb-iot, utran, gsm" }],
  timeoutSeconds: 600,
  async run({ api, out }, { args: [rats = ""] }) {
    show(await api("engineer").call<RadioReport>("PUT", "/v1/radio/rats", { rats: rats.split(",").map((one) => one.trim()) }), out);
    return undefined;
  },
};

function show(report: RadioReport, out: Output): void {
  const { rats, policy, offered, psm, edrx, powerSavingRefused, sunset } = report;
  const bold = (name: string): string => out.paint("bold", name);
  out.result(report, () =>
    out.fields([
      [bold("In use"), [rats?.join(", ") ?? "the module does not tell"]],
      [bold("Policy"), [policy?.join(", ") ?? "none: the module's own setting stays"]],
      [bold("On offer"), [offered.map((mode) => mode.join(", ")).join(" | ") || "no command is known by which they are chosen"]],
      ...(psm === undefined
        ? []
        : [
            [
              bold("PSM"),
              psm.enabled ? [`asked for ${psmText(psm.requested)}`, granted(psm.granted && psmText(psm.granted), out)] : ["off"],
            ] as const,
          ]),
      ...(edrx === undefined
        ? []
        : [
            [
              bold("eDRX"),
              edrx.requested.length === 0
                ? ["off"]
                : [`asked for ${edrx.requested.map(edrxText).join(", ")}`, granted(edrx.granted && edrxText(edrx.granted), out)],
            ] as const,
          ]),
      ...(sunset.length > 0
        ? [[bold("Sunset"), [out.paint("yellow", `${sunset.join(", ")}: networks are being switched off`)]] as const]
        : []),
      ...(powerSavingRefused ? [[bold("Network"), [out.paint("yellow", "grants no power saving here")]] as const] : []),
    ]),
  );
}

function granted(text: string | undefined, out: Output): string {
  return text === undefined ? out.paint("yellow", "not granted") : `granted ${text}`;
}

function psmText({ periodicTauSeconds, activeSeconds }: PsmReport): string {
  return `periodic TAU ${periodicTauSeconds ?? "off"} s, active ${activeSeconds ?? "off"} s`;
}

function edrxText({ rat, cycleSeconds, pagingWindowSeconds }: EdrxReport): string {
  return `${rat} ${cycleSeconds ?? "none"} s${pagingWindowSeconds === undefined ? "" : `, window ${pagingWindowSeconds} s`}`;
}
