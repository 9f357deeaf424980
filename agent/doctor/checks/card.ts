// Checks of the card: whether there is one that can be used, what it is, whom it believes, whether a profile is enabled, and in whose vehicle it is.
import { X509Certificate } from "node:crypto";
import type { SimState } from "../../../at-drivers/modem.ts";
import { toHexUpper } from "../../../base/bytes.ts";
import { getCerts, getEuiccInfo1 } from "../../../ipa/euicc/es10.ts";
import type { ImeiLockReport } from "../../api/types.ts";
import type { LockFacts } from "../../policy/types.ts";
import { cardMend } from "../card-mends.ts";
import { type Check, fail, pass, type Said, skip, warn } from "../check.ts";
import type { DoctorContext } from "../context.ts";

/** How long module and card may take to say who they are, before what was judged last is told. */
const lockPatienceMs = 4_000;

const seat = "switch the power off, take the card out, clean and reseat it (an MFF2 chip: have it seen to), then simward doctor";

const simTexts: Readonly<Record<Exclude<SimState, "ready" | "failure">, Said>> = {
  absent: fail("there is no card in the module's slot, or it is not seen", seat),
  pin: fail(
    "the SIM wants its PIN, and a vehicle has nobody to enter it",
    "have the operator deliver SIMs without PIN, or switch the PIN off with the SIM in a telephone; then simward doctor",
  ),
  puk: fail(
    "the SIM is blocked and wants its PUK: a wrong PIN was entered too often",
    "ask the operator for the PUK, unblock the SIM in a telephone, switch its PIN off; then simward doctor",
  ),
  busy: fail(
    "the SIM is busy and stays so: it answers no command",
    `simward status; if it stays so: systemctl restart simwardd; then ${seat}`,
  ),
};

/** Of CIs whose keys are public knowledge: who they are, and whether they are meant for the field. */
const knownCis: Readonly<Record<string, { readonly name: string; readonly isTest: boolean }>> = {
  "81370F5125D0B1D408D4C3B232E6D25E795BEBFB": { name: "GSM Association - RSP2 Root CI1", isTest: false },
  F54172BDF98A95D65CBEB88A38A1C11D800A85C3: { name: "the test CI of SGP.26, NIST P-256", isTest: true },
  C0BC70BA36929D43B467FF57570530E57AB8FCD8: { name: "the test CI of SGP.26, brainpool", isTest: true },
};

const dayMs = 86_400_000;
const isEuicc = (kind: string | undefined): boolean => kind === "sgp32-ipad" || kind === "sgp22";

export const cardChecks: readonly Check<DoctorContext>[] = [
  {
    name: "sim",
    section: "card",
    about: "Whether a card is in the slot and ready: absent, busy for good, locked by PIN or PUK.",
    reach: "module",
    needs: ["module-answers"],
    run: async ({ modem, mode, ipa }, signal) => {
      const state = (mode === "fast" ? modem.status.sim : undefined) ?? (await modem.simState(signal));
      if (state === "ready") return pass();
      // What modules say of an eUICC without an enabled profile, too.
      if (state === "failure")
        return ipa().card === undefined
          ? fail("the module reports a failure of the SIM", seat)
          : pass("the module can use no profile of it");
      return simTexts[state];
    },
  },
  {
    name: "card-class",
    section: "card",
    about:
      "What the card is (SGP.02, SGP.22, SGP.32 with the IPA in the device or in the card, no eUICC at all), and whether simward can manage it.",
    reach: "nothing",
    needs: ["sim", "own-lpa"],
    run: async ({ ipa, status, running }) => {
      const { card, eid } = ipa();
      if (card === undefined) {
        const { alarms } = await status();
        const start = alarms.find(({ code }) => code.startsWith("CARD_") || code.startsWith("APDU_") || code.startsWith("ES10_"));
        if (start?.code === "APDU_ACCESS")
          return fail(
            `the card cannot be managed through this module: ${start.message}`,
            "update the module's firmware to one that has +CCHO, or +CSIM on every channel (simward modem info; docs/modules.md), or put another module in",
            { becauseOf: ["module-family"] },
          );
        if (start !== undefined) return fail(`the card could not be read: ${start.message}`, cardMend(start.code) ?? start.next);
        return warn("the card has not been read yet", "simward status; then simward doctor");
      }
      const data = { class: card.kind, ...(eid === undefined ? {} : { eid }) };
      switch (card.kind) {
        case "sgp32-ipad":
          return pass(`an IoT eUICC (SGP.32): ${card.why}`, data);
        case "sgp32-ipae":
          return warn(
            `the eUICC runs its own IPA (IPAe), so simward stays passive: ${card.why}`,
            "simward status; where it is to be managed by simward, have the eUICC's maker switch its IPAe off",
            { data },
          );
        case "sgp22":
          return running.eim.on_consumer_euicc
            ? pass(`a consumer eUICC (SGP.22), on which eIMs are obeyed: ${card.why}`, data)
            : warn(
                `a consumer eUICC (SGP.22), which no eIM manages: ${card.why}`,
                "simward profile download --ac FILE; or set eim.on_consumer_euicc = true and systemctl restart simwardd",
                { data },
              );
        case "sgp02":
          return warn(
            `an M2M eUICC (SGP.02), managed over the air by its SM-SR and not by simward: ${card.why}`,
            "simward status; for an eIM put an IoT eUICC (SGP.32) into the slot",
            { data },
          );
        default:
          return fail(
            `the card is no eUICC: ${card.why}`,
            "put an eUICC into the module's slot, or switch the module to the slot that holds it",
            { data },
          );
      }
    },
  },
  {
    name: "imei-pairing",
    section: "card",
    about: "Whether device and card are those that were paired: an unexpected IMEI or card means that one of them is in another vehicle.",
    reach: "module",
    needs: ["module-answers", "sim"],
    run: async ({ imeiLock, lockFacts, lifecycle, running, mode, clock }, signal) => {
      const judged = (): Promise<LockFacts> => clock.sleep(lockPatienceMs, signal).then(() => lockFacts());
      // A card that is being changed, or has no profile, answers late: what was judged last is still true of it.
      const lock: Pick<ImeiLockReport, "state" | "differs" | "found" | "pairing"> =
        mode === "fast" ? lockFacts() : await Promise.race([imeiLock(), judged()]);
      const data = { state: lock.state, differs: lock.differs };
      if (lock.state === "match") return pass("device and card are those that were paired", data);
      if (lock.state === "unlocked")
        return warn(
          `another ${lock.differs.join(" and ")} than paired, and allowed by a token`,
          `simward imei-lock repair --token FILE --reason "another ${lock.differs.join(" and ")}"`,
          { data },
        );
      if (lock.state === "mismatch") {
        const { found, pairing } = lock;
        const facts = lock.differs.map((what) =>
          found === undefined
            ? what
            : what === "imei"
              ? `IMEI ${found?.imei ?? "unknown"}, paired was ${pairing?.imei ?? "none"}`
              : what === "eid"
                ? `EID ${found?.eid ?? "none"}, paired was ${pairing?.eid ?? "none"}`
                : `ICCID ${found?.iccid ?? "none"}, which is not paired`,
        );
        const mend =
          "simward imei-lock show; put the card back into its own vehicle, or have the fleet sign a token: simward imei-lock repair --token FILE --reason WHY";
        const words = `the card is in another device than the one it was paired with: ${facts.join("; ")}`;
        return running.policy.imei_lock === "refuse" ? fail(words, mend, { data }) : warn(words, mend, { data });
      }
      const { stage } = await lifecycle();
      const mend = 'simward imei-lock pair --reason "production line"';
      if (stage === "factory_test" || mode === "factory") return warn("device and card are not paired yet", mend, { data });
      return pass("device and card are not paired", data);
    },
  },
  {
    name: "profile-enabled",
    section: "card",
    about: "Whether a profile is enabled on the eUICC: without one there is no network.",
    reach: "nothing",
    needs: ["card-class"],
    run: async ({ ipa, status, records }) => {
      const { started, card, profiles, enabledIccid, eims } = ipa();
      if (!isEuicc(card?.kind)) return skip("the profiles are not simward's to see");
      if (!started && profiles.length === 0) return skip("the eUICC's profiles have not been read yet");
      const { stage } = await status();
      if (enabledIccid !== undefined) {
        const one = profiles.find(({ iccid }) => iccid === enabledIccid);
        return pass(`${enabledIccid}${one?.profileName === undefined ? "" : ` ${JSON.stringify(one.profileName)}`}`, {
          iccid: enabledIccid,
        });
      }
      if (stage === "retired") return pass("none, as it is to be after retirement");
      if (profiles.length === 0)
        return fail(
          "there is no profile on the eUICC",
          eims.length > 0
            ? "have the eIM order a download; simward eim poll"
            : "simward profile download --ac FILE, with its activation code",
        );
      const [done] = await records({ event: "profile.disabled", last: 1 });
      const by = done === undefined ? "" : `: ${done.cause.replace(/^eim:/, "eIM ")} disabled ${String(done.data?.iccid)} at ${done.time}`;
      return fail(
        `none of the ${profiles.length} profiles on the eUICC is enabled${by}`,
        eims.length > 0
          ? "simward profile fallback exec; or have the eIM enable one over another bearer"
          : `simward profile enable ${profiles[0]?.iccid ?? "ICCID"}`,
        { data: { profiles: profiles.map(({ iccid }) => iccid) } },
      );
    },
  },
  {
    name: "euicc-certificates",
    section: "card",
    about:
      "Which CIs the eUICC believes (SGP.22 §5.7.8), whether rsp.ci_dir has them, and until when its own certificates are valid (SGP.32 §5.9.10).",
    reach: "card",
    needs: ["card-class"],
    run: async ({ ipa, askCard, ciCertificates, clock }) => {
      if (!isEuicc(ipa().card?.kind)) return skip("the card answers no ES10");
      const info = await askCard("doctor: certificates", (es10) => es10.call(getEuiccInfo1, {}));
      const believed = info.euiccCiPKIdListForVerification.map(toHexUpper);
      const names = believed.map((id) => knownCis[id]?.name ?? `CI ${id.slice(0, 8)}…`);
      const ends = await askCard("doctor: certificates", (es10) => es10.call(getCerts, {})).then(
        (certs) => (certs.kind === "certs" ? expiries(certs.value) : []),
        () => [],
      );
      const data = { ciPkIds: believed, ...(ends.length === 0 ? {} : { validUntil: new Date(Math.min(...ends)).toISOString() }) };
      if (believed.length === 0)
        return fail("the eUICC believes no CI: no profile can be downloaded to it", "have the eUICC's maker replace it", { data });
      const configured = ciCertificates.flatMap((der) => subjectKeyIdOf(der) ?? []);
      const end = ends.length === 0 ? undefined : Math.min(...ends);
      const time = clock.wall();
      if (end !== undefined && time.source !== "none" && end < time.ms)
        return fail(`a certificate of the eUICC has expired on ${day(end)}`, "another eUICC is needed", { data, becauseOf: ["clock"] });
      if (configured.length > 0 && !configured.some((id) => believed.includes(id)))
        return fail(
          `rsp.ci_dir has no CI that the eUICC believes (${names.join(", ")}): no direct download can succeed`,
          "put that CI's certificate into rsp.ci_dir; systemctl restart simwardd",
          { data },
        );
      if (believed.every((id) => knownCis[id]?.isTest === true))
        return warn(
          `the eUICC believes test CIs only: ${names.join(", ")}`,
          "a card for tests: an eUICC with a CI of the field is needed in a vehicle",
          { data },
        );
      if (end !== undefined && end - time.ms < 180 * dayMs)
        return warn(`a certificate of the eUICC expires on ${day(end)}`, "plan for another eUICC", { data });
      return pass(`believes ${names.join(", ")}${end === undefined ? "" : `; its own are valid until ${day(end)}`}`, data);
    },
  },
  {
    name: "bip",
    section: "card",
    about:
      "Whether the module announces to the card what management over the air needs (SMS-PP, bearer independent protocol, REFRESH): a must with an M2M eUICC (SGP.02).",
    reach: "module",
    needs: ["module-answers", "sim"],
    run: async ({ modem, ipa }, signal) => {
      const kit = await modem.toolkit(signal);
      const isM2m = ipa().card?.kind === "sgp02";
      const data = { sms: kit.sms, bip: kit.bip, missing: kit.missing };
      const words = `SMS ${kit.sms}, BIP ${kit.bip}${kit.missing.length === 0 ? "" : `; not announced: ${kit.missing.join(", ")}`}`;
      if (!isM2m) return pass(`${words}; the card needs none of it`, data);
      if (kit.isSwitchedOn === false)
        return fail(
          `the module's toolkit is switched off: the SM-SR cannot reach the card (${words})`,
          "switch it on as docs/modules.md says for the family, then restart the module",
          { data },
        );
      if (kit.sms === "missing" && kit.bip === "missing")
        return fail(
          `the SM-SR cannot reach the card: ${words}`,
          "switch the module's toolkit on as docs/modules.md says for the family, or use another module",
          { data },
        );
      if (kit.sms === "missing" || kit.bip === "missing")
        return warn(
          `only one of the ways to the card is there: ${words}`,
          "see docs/modules.md for the family; ask the operator which of them its SM-SR uses",
          { data },
        );
      if (kit.sms === "unknown" && kit.bip === "unknown")
        return warn(`the module does not tell what it announces: ${words}`, "ask the module's maker for its TERMINAL PROFILE", { data });
      return pass(words, data);
    },
  },
];

function expiries(certificates: Readonly<Record<string, Uint8Array>>): number[] {
  return Object.values(certificates).flatMap((der) => {
    try {
      return [Date.parse(new X509Certificate(der).validTo)];
    } catch {
      return [];
    }
  });
}

/** RFC 5280 §4.2.1.2, as the last octets of the extension; undefined where there is none. */
function subjectKeyIdOf(der: Uint8Array): string | undefined {
  // OID 2.5.29.14, OCTET STRING around an OCTET STRING of twenty.
  const at = Buffer.from(der).indexOf(Buffer.from("0603551d0e04160414", "hex"));
  return at < 0 ? undefined : toHexUpper(der.subarray(at + 9, at + 29));
}

function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
