// Caps on what passes: says how much is left, slows the fleet's traffic down, and refuses it where a cap says so. Management traffic is never held back.
import { parse, undefined_ } from "valibot";
import type { Verdict } from "../../../ipa/ports.ts";
import type { CapStanding } from "../../usage/caps.ts";
import { bytesText } from "../../usage/words.ts";
import { type Action, type Decision, type PolicyRule, pending, silent } from "../types.ts";

const id = "usage";
const strictness = { ok: 0, warn: 1, throttle: 2, block: 3 } as const;

export const usage: PolicyRule<undefined> = {
  id,
  // Caps and what is done are in the standings already: agent/usage/caps.ts.
  config: { parse: (value) => parse(undefined_(), value) },
  decide({ usage: facts, download, profileMetadata }) {
    if (facts === undefined) return pending("usage has not been looked at yet");
    const { caps, management, reserveEnd } = facts;
    if (caps.length === 0 && management.reserveBytes === 0) return silent("there is no cap on usage");
    if (!facts.isCounted) {
      const reason = "nothing here counts the traffic, so that no cap on it can be kept";
      const verdict: Verdict = { kind: "warn", rule: id, reason, retryAt: undefined };
      return { gates: { data: verdict }, actions: [{ kind: "alarm", reason, about: "uncounted" }], explain: reason };
    }
    const worst = [...caps].sort((a, b) => strictness[b.state] - strictness[a.state] || b.stepPercent - a.stepPercent)[0];
    const lines = caps.map(wordsOf);
    if (management.reserveBytes > 0)
      lines.push(`management: ${bytesText(management.usedBytes)} of its reserve of ${bytesText(management.reserveBytes)} used`);
    const explain = lines.join("; ");

    const gates: Record<string, Verdict> = {};
    const actions: Action[] = [];
    if (worst !== undefined && worst.state !== "ok") {
      const kind = worst.state === "block" ? "refuse" : worst.state;
      gates.data = { kind, rule: id, reason: wordsOf(worst), retryAt: worst.retryAtMs };
      actions.push({
        kind: "alarm",
        code: worst.stepPercent === 100 ? "USAGE_CAP" : "USAGE_WARNING",
        reason: wordsOf(worst),
        about: `${worst.id} ${worst.stepPercent}`,
      });
    }
    if (management.isUsedUp) {
      const reason = `management has used up its reserve of ${bytesText(management.reserveBytes)}`;
      actions.push({ kind: "alarm", code: "USAGE_RESERVE", reason, about: "reserve" });
    }
    if (!management.fitsDownload && (download !== undefined || profileMetadata !== undefined)) {
      const reason = `a download has no room left in the reserve of ${bytesText(management.reserveBytes)} for management`;
      const verdict: Verdict = { kind: reserveEnd === "alarm" ? "warn" : "refuse", rule: id, reason, retryAt: facts.periodEndMs };
      if (download !== undefined) gates.download = verdict;
      if (profileMetadata !== undefined) gates.profileMetadata = verdict;
    }
    return { gates, actions, explain } satisfies Decision;
  },
};

/** "all: 312 MB of 500 MB used (block)" */
export function wordsOf({ id: name, usedBytes, limitBytes, state, action, retryAtMs, isOrdered }: CapStanding): string {
  const then = state === "ok" || state === "warn" ? `then ${action}` : state;
  const again = retryAtMs === undefined ? "" : ` until ${new Date(retryAtMs).toISOString()}`;
  return `${name}: ${bytesText(usedBytes)} of ${bytesText(limitBytes)} used${isOrdered ? ", by an order" : ""}, ${then}${again}`;
}
