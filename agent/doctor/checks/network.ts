// Checks of the radio network: signal, registration with its cause in words and what to do, forbidden networks, power saving.

import type { Bands } from "../../../at-drivers/family.ts";
import type { Rat } from "../../../at-drivers/types.ts";
import { esmFailure, refusalText } from "../../connectivity/causes.ts";
import { choiceOfRat } from "../../connectivity/radio-plan.ts";
import { type Check, fail, pass, skip, warn } from "../check.ts";
import type { DoctorContext } from "../context.ts";

const antenna = "check the antenna, its cable and connector; move the vehicle into the open; then simward net scan";
const weakDbm = -115;
const uselessDbm = -124;
/** As long as a first search takes. */
const searchMs = 30_000;

/** What a person can do about an EMM cause (3GPP TS 24.301 §9.9.3.9). The session's own refusal (19) is the APN's affair. */
const mends: readonly { readonly causes: readonly number[]; readonly mend: string }[] = [
  {
    causes: [2, 3, 8],
    mend: "have the operator activate the subscription (its ICCID: simward profile list --show-ids); then simward net scan",
  },
  { causes: [5, 6], mend: "have the operator, or the country's authority, admit the IMEI (simward imei-lock show --show-ids)" },
  { causes: [7, 14], mend: "have the operator give the subscription packet service; or simward net scan for another network" },
  {
    causes: [11, 12, 13, 15, 35],
    mend: "simward net scan; use a profile that may roam here (simward policy market show, simward profile list), or have the operator open roaming",
  },
  { causes: [9, 10, 17, 22, 42], mend: "wait: the network's own fault is tried again by itself; simward net scan shows the others" },
];

export const mendOf = (rejectCause: number): string =>
  mends.find(({ causes }) => causes.includes(rejectCause))?.mend ??
  "ask the operator what this cause means for the subscription; simward net scan shows other networks";

export const networkChecks: readonly Check<DoctorContext>[] = [
  {
    name: "signal",
    section: "network",
    about: "How strong the cell is received (RSRP): below -115 dBm it is poor, below -124 dBm useless. An antenna that is off shows here.",
    reach: "module",
    needs: ["sim", "module-radio"],
    run: async ({ net, modem }) => {
      const { rsrpDbm, rsrqDb, sinrDb } = (await net()).signal;
      const { status } = modem.status.registration;
      const isOn = status === "home" || status === "roaming";
      if (rsrpDbm === undefined) return skip(isOn ? "the module does not tell the signal" : "no cell to measure");
      const words = `RSRP ${rsrpDbm} dBm${rsrqDb === undefined ? "" : `, RSRQ ${rsrqDb} dB`}${sinrDb === undefined ? "" : `, SINR ${sinrDb} dB`}`;
      const data = { rsrpDbm, ...(rsrqDb === undefined ? {} : { rsrqDb }), ...(sinrDb === undefined ? {} : { sinrDb }) };
      if (rsrpDbm < uselessDbm) return fail(`the cell is hardly received: ${words}`, antenna, { data });
      if (rsrpDbm < weakDbm) return warn(`the cell is received poorly: ${words}`, antenna, { data });
      return pass(words, data);
    },
  },
  {
    name: "registration",
    section: "network",
    about:
      "Whether a network has taken the vehicle in; if one refused, its cause by 3GPP TS 24.301 in words, and what can be done about it.",
    reach: "nothing",
    needs: ["sim", "module-radio", "profile-enabled"],
    run: async ({ modem, net, records, status: document }, signal) => {
      const { status, plmn, rat, rejectCause, isToldToLeave = false } = modem.status.registration;
      const where = [plmn, rat].filter((one) => one !== undefined).join(" ");
      const data = {
        status,
        ...(plmn === undefined ? {} : { plmn }),
        ...(rat === undefined ? {} : { rat }),
        ...(rejectCause === undefined ? {} : { rejectCause }),
      };
      if (status === "home" || status === "roaming") return pass(`${status} on ${where}`, data);
      const { path } = await net();
      // Between two attempts the refusal is not told by the module any more.
      if (rejectCause === esmFailure || (rejectCause === undefined && /\(ESM cause \d+\)/.test(path.reason ?? "")))
        return warn("the network takes no attachment, since it refuses the data session that comes with it", "simward net status", {
          data,
          becauseOf: ["apn", "data-session"],
        });
      const refused = rejectCause ?? causeIn((await net()).registration.refused);
      if (refused !== undefined)
        return fail(`the network${plmn === undefined ? "" : ` ${plmn}`} refuses the vehicle: ${refusalText(refused)}`, mendOf(refused), {
          data,
          becauseOf: ["imei-pairing"],
        });
      const becauseOf = ["signal", "rat", "policy", "lifecycle", "forbidden-networks"];
      if (status === "denied") return fail("the network refuses the vehicle and does not say why", mendOf(0), { data, becauseOf });
      if (isToldToLeave)
        return fail(
          "the module was told to leave the network and to look for none (+COPS: 2), by somebody else's hand",
          "simward modem at AT+COPS=0 --answer-within 180 --reason WHY; or simward modem reset",
          { data, becauseOf: ["policy", "lifecycle"] },
        );
      const locked = lockedBands(await modem.radio.bands(signal).catch(() => undefined));
      if (locked !== undefined)
        return fail(
          `no network is found (${status}), and the module looks for it on few bands only: ${locked}`,
          "set radio.bands to those that networks use here, such as { lte_m = [3, 8, 20], cat_1bis = [3, 8, 20] }, then systemctl restart simwardd; simward net scan; if nothing is found then either, check the antenna",
          { data, becauseOf: ["signal", "rat", "policy", "lifecycle"] },
        );
      // A module that has just been started hears nothing yet.
      const { uptimeMs } = await document();
      if (uptimeMs < searchMs)
        return warn(
          `no network is found yet (${status}), ${Math.round(uptimeMs / 1_000)} s after the start: no coverage here, or no antenna, if that stays so`,
          `wait half a minute, then simward doctor; if it stays so, ${antenna}`,
          { data, becauseOf },
        );
      // The profile that is enabled now has found none since: its operator's coverage is likelier at fault than the antenna.
      const [change] = await records({ event: "profile.", last: 1 });
      if (change?.event === "profile.offline")
        return fail(
          `no network is found (${status}), since the profile ${String(change.data?.iccid ?? "")} was enabled: it found none from the beginning, ${change.time}`,
          `simward net scan; simward profile list; where another profile has coverage here: simward profile fallback exec, or simward package load FILE --reason WHY, with a package of the eIM's that enables it; else ${antenna}`,
          { data, becauseOf },
        );
      return fail(`no network is found (${status}): no coverage here, or no antenna`, antenna, { data, becauseOf });
    },
  },
  {
    name: "forbidden-networks",
    section: "network",
    about:
      "Whether the card has a list of networks that once refused it (EF.FPLMN): a module passes them over until the list is cleared, which simward does by itself when nothing else is found.",
    reach: "module",
    needs: ["sim", "module-radio"],
    run: async ({ modem, net }, signal) => {
      const { status, rejectCause } = modem.status.registration;
      const plmns = await modem.radio.forbiddenOperators(signal).catch(() => undefined);
      if (plmns === undefined) return skip("the module does not show the list");
      if (plmns.length === 0) return pass("none");
      const words = `${plmns.join(", ")} ${plmns.length === 1 ? "has" : "have"} refused the card before, and the module passes ${plmns.length === 1 ? "it" : "them"} over`;
      if (status === "home" || status === "roaming") return pass(words, { plmns });
      // Of a refusal that is still told the list is the trace; of one that is not told any more it is all that is left.
      const isTold = (rejectCause ?? causeIn((await net()).registration.refused)) !== undefined;
      return warn(words, "simward net fplmn clear; simward net scan", { data: { plmns }, becauseOf: isTold ? ["registration"] : [] });
    },
  },
  {
    name: "power-saving",
    section: "network",
    about:
      "Whether the network grants the PSM or eDRX that [radio] asks for: many refuse both to roamers, and then the module stays awake.",
    reach: "nothing",
    needs: ["registration"],
    run: async ({ net, modem }) => {
      const { radio } = await net();
      const asked = [...(radio.psm?.enabled === true ? ["PSM"] : []), ...((radio.edrx?.requested.length ?? 0) > 0 ? ["eDRX"] : [])];
      if (asked.length === 0) return skip("none is asked for");
      if (!radio.powerSavingRefused) return pass(`${asked.join(" and ")} granted`);
      const roaming = modem.status.registration.status === "roaming" ? " while roaming" : "";
      return warn(
        `the network refuses ${asked.join(" and ")}${roaming}: the module stays awake and takes more power`,
        "simward modem psm; ask the operator for it, or set radio.psm and radio.edrx_seconds to off",
      );
    },
  },
];

/** Bands of an operator's network are more than that: who looks on so few has been told to. */
const fewBands = 2;

/** In words, where each technology has few; undefined where there is one that has more, or nothing is told. */
function lockedBands(bands: Bands | undefined): string | undefined {
  const told = Object.entries(bands ?? {}).filter(([, list]) => list !== undefined && list.length > 0);
  if (told.length === 0 || !told.some(([, list]) => list.length <= fewBands)) return undefined;
  return told
    .map(([rat, list]) => `${choiceOfRat(rat as Rat)} ${list.length <= fewBands ? list.join(", ") : `${list.length} bands`}`)
    .join("; ");
}

function causeIn(text: string | undefined): number | undefined {
  const found = /reject cause (\d+)/.exec(text ?? "")?.[1];
  return found === undefined || Number(found) === esmFailure ? undefined : Number(found);
}
