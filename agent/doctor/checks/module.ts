// Checks of the module: whether it answers, what it is, whether its radio is on, what it may use, and whether an assistant of its own is in the way.
import { familyOf } from "../../../at-drivers/families/table.ts";
import type { SimState } from "../../../at-drivers/modem.ts";
import { noHandover } from "../../connectivity/radio-plan.ts";
import { flawOf } from "../../imei-lock/imei.ts";
import { type Check, fail, pass, skip, warn } from "../check.ts";
import type { DoctorContext } from "../context.ts";
import { heardOn } from "../heard.ts";
import { causeOfRestarts, restartInTrail, windowMs } from "../restarts.ts";

/** Firmware of which something is known that a person should know, with its source in docs/modules.md. */
const advisories: readonly { readonly family: string; readonly revision: RegExp; readonly words: string }[] = [
  {
    family: "nordic-nrf91",
    revision: /mfw_nrf91\w*_(0\.|1\.[012]\.|1\.3\.0)/,
    words: "it gives no access to the card's channels before modem firmware 1.3.1",
  },
];

/** What suits a vehicle, the likelier first. */
const preferredRats = ["lte-m", "cat-1bis"] as const;

/** Times within an hour that no parking garage and no update explains. */
const unsteady = 3;
const veryUnsteady = 6;

/** How often, and how far apart, a radio that is off is looked at again. */
const radioLooks = 3;
const radioLookMs = 1_000;

/** Whoever starts with the daemon says so once, and once more when it was told to restart. */
const endlessStarts = 3;

/** What +CPIN says of a card that keeps a module from being used. */
const waits: Readonly<Record<SimState, string>> = {
  ready: "it is ready, and is slow to answer what it is asked",
  busy: "it is busy",
  absent: "it is not seen",
  failure: "it fails",
  pin: "it wants its PIN",
  puk: "it wants its PUK",
};

/** Until when a module that starts with the daemon may be silent. */
const firstProbeMs = 10_000;

export const moduleChecks: readonly Check<DoctorContext>[] = [
  {
    name: "module-answers",
    section: "module",
    about:
      "Whether the module answers AT commands on its port and could be identified; one that starts again and again, and one whose card keeps it waiting, are told apart.",
    reach: "module",
    needs: ["module-port", "port-permission", "port-contention"],
    run: async ({ modem, ipa, functionLevel, clock, mode, status }, signal) => {
      const { link, reason, port, identity, heard, sim, starts = 0 } = modem.status;
      const hook =
        "simward modem list --ask; check the module's power and cable, or set modem.power_hook so that its power can be switched";
      if (link === "ready") {
        const patienceMs = mode === "fast" ? 1_500 : 6_000;
        const level = await Promise.race([functionLevel().catch(() => undefined), clock.sleep(patienceMs, signal).then(() => undefined)]);
        if (level !== undefined) return pass(`${identity?.manufacturer ?? ""} ${identity?.model ?? ""} on ${port ?? modem.address}`.trim());
        const { cardBusyWith } = ipa();
        // An APDU may keep the port for minutes; one line at a time.
        if (cardBusyWith !== undefined)
          return warn(`the module is busy with the card (${cardBusyWith})`, "wait a minute, then simward doctor");
        return fail(`the module does not answer AT on ${port ?? modem.address}, where it did before`, hook, { data: { link } });
      }
      const speaks = heard === undefined ? undefined : heardOn(heard);
      if (speaks !== undefined)
        return fail(`no module answers AT on ${port ?? modem.address}: ${speaks.words}`, speaks.mend, { data: { link } });
      if (link === "probing" && starts >= endlessStarts)
        return fail(
          `the module starts again and again, before it can be asked anything: ${starts} times; ${reason}`,
          "measure its supply as it starts, check cable, fuse and reset line; then update or reload its firmware",
          { data: { link } },
        );
      const { uptimeMs } = await status();
      if (link === "probing" && uptimeMs < firstProbeMs)
        return fail(
          `the module has not answered AT yet, ${Math.round(uptimeMs / 1_000)} s after the start${reason === undefined ? "" : `: ${reason}`}`,
          "wait half a minute, then simward doctor",
          { data: { link } },
        );
      if (link === "probing" && sim !== undefined)
        return fail(
          `the module answers AT, and cannot be used while its card keeps it waiting (${waits[sim]})`,
          "wait a minute, then simward doctor; if it stays so: systemctl restart simwardd; then switch the power off, take the card out, clean and reseat it, or put another card in",
          { data: { link, sim } },
        );
      if (link === "probing" || (link === "opening" && reason === undefined))
        return fail(
          `the port ${port ?? modem.address} is open, and the module does not answer AT${reason === undefined ? "" : `: ${reason}`}`,
          hook,
          { data: { link } },
        );
      if (/told to restart/.test(reason ?? ""))
        return fail(
          `the module was told to restart and has not come back yet (${link})`,
          `wait half a minute, then simward doctor; if it stays so: ${hook}`,
          { data: { link } },
        );
      return fail(`the module does not answer (${link})${reason === undefined ? "" : `: ${reason}`}`, hook, { data: { link } });
    },
  },
  {
    name: "module-steady",
    section: "module",
    about:
      "How often the module went away or had to be recovered within the last hour, and what these times have in common: supply, USB, firmware, a watchdog.",
    reach: "nothing",
    run: async ({ restarts, records, clock, status }) => {
      const nowMs = clock.now();
      const startedMs = nowMs - (await status()).uptimeMs;
      const from = new Date(nowMs - windowMs).toISOString();
      const before = (await records({ event: "path.down", from })).flatMap(({ time, data }) => {
        const reason = restartInTrail.exec(String(data?.reason ?? ""))?.[1];
        return reason === undefined || Date.parse(time) >= startedMs ? [] : [{ reason, upMs: undefined, wasRegistered: true }];
      });
      const recoveries = await records({ event: "module.recovery", from });
      const all = [...before, ...restarts()];
      const count = Math.max(all.length, recoveries.length);
      const data = { restarts: all.length, recoveries: recoveries.length };
      if (count === 0) return pass("it has not gone away within the last hour", data);
      const last = all.at(-1)?.reason;
      const words = [
        `the module has gone away ${all.length} ${all.length === 1 ? "time" : "times"} within the last hour`,
        ...(last === undefined ? [] : [`the last time: ${last}`]),
        ...(recoveries.length === 0 ? [] : [`it was brought back by force ${recoveries.length} times`]),
      ].join("; ");
      if (count < unsteady) return pass(words, data);
      const cause = causeOfRestarts(all);
      return count >= veryUnsteady
        ? fail(`${words}: ${cause.words}`, cause.mend, { data })
        : warn(`${words}: ${cause.words}`, cause.mend, { data });
    },
  },
  {
    name: "module-family",
    section: "module",
    about: "Whether the module's family and firmware are known: a stranger is driven by what 3GPP TS 27.007 says alone.",
    reach: "nothing",
    needs: ["module-answers"],
    run: ({ modem, running }) => {
      const { identity, family } = modem.status;
      if (identity === undefined) return skip("the module has not told yet what it is");
      const name = `${identity.manufacturer} ${identity.model}`;
      const data = { ...identity, family: family ?? "unknown" };
      const own = familyOf(identity).id;
      if (running.modem.family !== undefined && own !== family)
        return warn(
          `${name} is driven as ${family}, as modem.family says, and says of itself that it is ${own === "generic-3gpp" ? "of no known family" : own}`,
          "remove modem.family from the configuration, then systemctl restart simwardd",
          { data },
        );
      const advisory = advisories.find((one) => one.family === family && one.revision.test(identity.revision));
      if (advisory !== undefined)
        return warn(`${name}, firmware ${identity.revision}: ${advisory.words}`, "update the module's firmware; see docs/modules.md", {
          data,
        });
      // Says enough for a person; the virtual module is such a one, too.
      if (family === undefined || family === "generic-3gpp")
        return pass(`${name}, firmware ${identity.revision}: of no known family, so it is driven by 3GPP TS 27.007 alone`, data);
      return pass(`${name}, firmware ${identity.revision}, as ${family}`, data);
    },
  },
  {
    name: "imei",
    section: "module",
    about:
      "Whether the module has an IMEI of its own: one of zeros, or with a wrong check digit, is refused by networks and cannot be paired.",
    reach: "nothing",
    needs: ["module-answers"],
    run: ({ modem, mode }) => {
      const { imei } = modem.status;
      if (imei === undefined) return skip("the module has not told its IMEI yet");
      const flaw = flawOf(imei);
      if (flaw === "none")
        return fail(
          `the module has no IMEI of its own (${imei}): it was lost, as after another firmware, or never written`,
          "have the module's maker write it anew, or put another module in: simward modem info",
        );
      if (flaw === undefined) return pass();
      const words = `the last digit of the module's IMEI is not its check digit: ${imei}`;
      const mend =
        "simward imei-lock show --show-ids; compare it with the module's label, and have the module's maker look into it where they differ";
      // On the road it may serve for years; what leaves the line with it cannot be paired.
      return mode === "factory" ? fail(words, mend) : warn(words, mend);
    },
  },
  {
    name: "own-lpa",
    section: "module",
    about: "Whether the module has an LPA of its own switched on, which would compete for the eUICC.",
    reach: "nothing",
    needs: ["module-answers"],
    run: ({ modem }) => {
      const { ownLpa } = modem.status;
      if (ownLpa === undefined || ownLpa.on === false) return pass();
      return fail(`the module has an LPA of its own: ${ownLpa.command} answers`, ownLpa.remedy);
    },
  },
  {
    name: "module-radio",
    section: "module",
    about: "Whether the module's radio is on (+CFUN 1). In flight mode it finds no network; a policy may want it so.",
    reach: "module",
    needs: ["module-answers"],
    run: async ({ functionLevel, modem, clock, mode }, signal) => {
      let level = await functionLevel();
      // Who writes an APN switches the radio off and on again: that is over in a moment.
      for (let left = mode === "fast" ? 1 : radioLooks; level !== 1 && left > 0; left--) {
        await clock.sleep(radioLookMs, signal);
        level = await modem.functionLevel(signal);
      }
      if (level === 1) return pass();
      const what = level === 4 ? "in flight mode" : level === 0 ? "switched off" : `at function level ${level}`;
      return fail(
        `the module's radio is ${what} (+CFUN: ${level})`,
        "simward modem reset; or systemctl restart simwardd; if it stays so, switch the module's power off and on",
        {
          data: { level },
          becauseOf: ["policy", "lifecycle"],
        },
      );
    },
  },
  {
    name: "rat",
    section: "module",
    about:
      "Which radio technologies the module may use and could use, against [radio] and what suits a vehicle: LTE-M or Cat 1 bis; NB-IoT has no handover; 2G and 3G are being switched off.",
    reach: "module",
    needs: ["module-answers"],
    run: async ({ net, running, status, mode }) => {
      const { rats, offered, policy, sunset } = (await net()).radio;
      const alarm = (await status()).alarms.find(({ code }) => code.startsWith("RADIO_"));
      const data = {
        ...(rats === undefined ? {} : { rats }),
        ...(policy === undefined ? {} : { policy }),
        offered: offered.map((one) => one.join("+")),
        sunset,
      };
      const { stationary } = running.radio;
      // Of those that this module has.
      const rat = preferredRats.find((one) => offered.some((rats) => rats.includes(one))) ?? "lte-m";
      const set = `set radio.rats = ["${rat}"], then systemctl restart simwardd; or now: simward modem rat set ${rat}`;
      // The alarm may be there before the module was asked again.
      const isOfNbIot = rats === undefined ? alarm?.code === "RADIO_UNFIT" : rats.includes("nb-iot");
      if (alarm !== undefined) return warn(alarm.message, isOfNbIot ? set : `${alarm.next}; then systemctl restart simwardd`, { data });
      if (rats === undefined) {
        const words = "the module does not tell which technologies it may use";
        // What the line was not shown has not been checked.
        return mode === "factory"
          ? warn(words, "simward modem info; check by its maker's data sheet that it has LTE-M or Cat 1 bis, and is not kept to NB-IoT", {
              data,
            })
          : pass(words, data);
      }
      if (rats.includes("nb-iot") && !stationary) return fail(`the module may use ${rats.join(", ")}: ${noHandover}`, set, { data });
      if (policy !== undefined && !rats.every((rat) => policy.includes(rat)))
        return warn(
          `the module may use ${rats.join(", ")}, and [radio] wants ${policy.join(", ")}`,
          "simward modem rat show; simward net status",
          { data },
        );
      if (rats.every((rat) => sunset.includes(rat)))
        return fail(`the module may use ${rats.join(", ")} only, whose networks are being switched off`, set, { data });
      if (sunset.length > 0) return pass(`${rats.join(", ")}; networks of ${sunset.join(", ")} are being switched off`, data);
      return pass(rats.join(", "), data);
    },
  },
];
