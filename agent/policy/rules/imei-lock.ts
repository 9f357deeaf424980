// A card in another device than the one it was paired with: the fleet's traffic is refused, management passes, and the eIM hears of it at once.
import { parse, picklist } from "valibot";
import { type PolicyRule, pending, silent } from "../types.ts";

const config = picklist(["refuse", "warn", "off"]);
const rule = "imei_lock";

export const imeiLock: PolicyRule<"refuse" | "warn" | "off"> = {
  id: rule,
  config: { parse: (value) => parse(config, value) },
  decide({ lock }, mode) {
    if (mode === "off") return silent("switched off by the configuration");
    if (lock === undefined) return pending("device and card have not been compared yet");
    if (lock.state === "unpaired") return silent("device and card have not been paired");
    if (lock.state === "match") return silent("device and card are the ones paired");
    const names = lock.differs.map((one) => one.toUpperCase()).join(" and ");
    if (lock.state === "unlocked") return silent(`${names} of another pairing, allowed by a token`);
    const reason = `${names} of another pairing; simward imei-lock show`;
    return {
      gates: { data: { kind: mode, rule, reason, retryAt: undefined } },
      actions: [
        { kind: "alarm", reason, code: "IMEI_LOCK_MISMATCH" },
        { kind: "pollEim", reason, notifyStateChange: true },
      ],
      explain: reason,
    };
  },
};
