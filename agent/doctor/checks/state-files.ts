// Check of what the daemon keeps: files of the state that were damaged when it started, and what is lost with each.
import { type Check, fail, pass, warn } from "../check.ts";
import type { DoctorContext } from "../context.ts";

/** What each loss means; the daemon goes on with all of them. */
const losses: readonly { readonly fits: RegExp; readonly words: string; readonly mend: string }[] = [
  {
    fits: /^LIFECYCLE_LOST$/,
    words: "the stage of the vehicle's life (it is taken from the audit trail)",
    mend: "simward lifecycle status",
  },
  { fits: /^ROAMING_LOST$/, words: "the roaming days counted so far", mend: "simward roaming history" },
  { fits: /^USAGE_LOST$/, words: "the counts of usage", mend: "simward usage show" },
  { fits: /^CONSUMER_MEMORY$/, words: "the eIMs and counters of a consumer eUICC", mend: "restore consumer.*.json of the state directory" },
  {
    fits: /^STATE_CORRUPT$/,
    words: "what was under way, or the keys and the pairing",
    mend: "simward status; simward imei-lock show; simward keys list",
  },
];

export const stateFileChecks: readonly Check<DoctorContext>[] = [
  {
    name: "state-files",
    section: "storage",
    about:
      "Whether files of the state were damaged when the daemon started, and what was lost with them: days, counts, the stage, the pairing.",
    reach: "nothing",
    needs: ["state-directory"],
    run: async ({ status, stateDir }) => {
      const { alarms } = await status();
      const found = alarms.flatMap(({ code, message }) => {
        const loss = losses.find((one) => one.fits.test(code));
        return loss === undefined ? [] : [{ code, message, ...loss }];
      });
      if (found.length === 0) return pass();
      const data = { codes: found.map(({ code }) => code) };
      const lost = found.map(({ words }) => words).join("; ");
      const mends = [...new Set(found.map(({ mend }) => mend))].join("; ");
      const flash = `dmesg | tail -n 50; look for errors of the flash under ${stateDir}`;
      // One file may be an accident of its own; several at once are the medium's, or somebody's hand.
      if (found.length > 1)
        return fail(
          `${found.length} files of the state were damaged when the daemon started, and are begun anew; lost: ${lost}`,
          `${flash}; ${mends}`,
          { data },
        );
      return warn(`a file of the state was damaged when the daemon started; lost: ${lost}: ${found[0]?.message}`, `${mends}; ${flash}`, {
        data,
      });
    },
  },
];
