// simward profile fallback …, emergency …, immediate …: changes of profile that are ordered on the vehicle itself.
import type { ProfileSwitchReport } from "../../api/types.ts";
import type { Output } from "../output.ts";
import { textOption, type Verb } from "../verb.ts";

/** The module's change of profile has its own deadline, eim.online_timeout_seconds. */
const timeoutSeconds = 600;

function switching(name: string, summary: string, path: string, body: object): Verb {
  return {
    name,
    summary,
    example: `simward ${name}`,
    timeoutSeconds,
    async run({ api, out }) {
      show(await api("engineer").call<ProfileSwitchReport>("POST", path, body), out);
      return undefined;
    },
  };
}

export const profileFallbackExec = switching(
  "profile fallback exec",
  "enable the fallback profile now (ES10b.ExecuteFallbackMechanism)",
  "/v1/fallback",
  { action: "execute" },
);

export const profileFallbackReturn = switching(
  "profile fallback return",
  "go back from the fallback profile to the one before (ES10b.ReturnFromFallback)",
  "/v1/fallback",
  { action: "return" },
);

export const profileEmergencyOn = switching(
  "profile emergency on",
  "enable the emergency profile, which is an emergency for as long as it is enabled (ES10b.EnableEmergencyProfile)",
  "/v1/emergency/profile",
  { enabled: true },
);

export const profileEmergencyOff = switching(
  "profile emergency off",
  "disable the emergency profile and go back to the one before (ES10b.DisableEmergencyProfile)",
  "/v1/emergency/profile",
  { enabled: false },
);

const smdpOptions = [
  { flags: "--smdp-address <host>", help: "only profiles of this SM-DP+" },
  { flags: "--smdp-oid <oid>", help: "only profiles of the SM-DP+ with this object identifier" },
];

export const profileImmediateOn: Verb = {
  name: "profile immediate on",
  summary:
    "enable profiles as soon as they are installed; possible only before an eIM is associated (ES10b.ConfigureImmediateProfileEnabling)",
  example: "simward profile immediate on --smdp-address dp.example.com",
  options: smdpOptions,
  async run({ api, out }, input) {
    const smdpAddress = textOption(input, "smdpAddress");
    const smdpOid = textOption(input, "smdpOid");
    const body = { enabled: true, ...(smdpAddress === undefined ? {} : { smdpAddress }), ...(smdpOid === undefined ? {} : { smdpOid }) };
    const report = await api("admin").call<{ readonly enabled: boolean }>("POST", "/v1/immediate-enable", body);
    out.result(report, () => out.fields([["Immediate enabling", [out.paint("green", "on")]]]));
    return undefined;
  },
};

export const profileImmediateOff: Verb = {
  name: "profile immediate off",
  summary: "enable profiles only when ordered; possible only before an eIM is associated",
  example: "simward profile immediate off",
  async run({ api, out }) {
    const report = await api("admin").call<{ readonly enabled: boolean }>("POST", "/v1/immediate-enable", { enabled: false });
    out.result(report, () => out.fields([["Immediate enabling", ["off"]]]));
    return undefined;
  },
};

function show(report: ProfileSwitchReport, out: Output): void {
  const { outcome, iccid, online } = report;
  out.result(report, () =>
    out.fields([
      [
        out.paint("bold", "Profile"),
        [
          iccid ?? "none enabled",
          outcome === "already" ? "was so already" : "switched",
          online === undefined ? "" : online ? out.paint("green", "online") : out.paint("yellow", "no data path yet"),
        ].filter((part) => part !== ""),
      ],
    ]),
  );
}
