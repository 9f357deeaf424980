// The private APN: while the tunnel is required and not up, the fleet's traffic is refused; management passes, and brings the tunnel back.
import { boolean, parse } from "valibot";
import { type PolicyRule, pending, silent } from "../types.ts";

const id = "tunnel_required";

export const tunnelRequired: PolicyRule<boolean> = {
  id,
  config: { parse: (value) => parse(boolean(), value) },
  decide({ tunnel }, isRequired) {
    if (!isRequired) return silent("no tunnel is required");
    const refused = (reason: string) => ({ data: { kind: "refuse", rule: id, reason, retryAt: undefined } }) as const;
    // Until the first word of it the safe side holds.
    if (tunnel === undefined)
      return { ...pending("nothing is known of the tunnel yet"), gates: refused("nothing is known of the tunnel yet") };
    if (tunnel.phase === "up") return silent("the tunnel is up");
    const why = tunnel.reason === undefined ? "" : `: ${tunnel.reason}`;
    const reason = `the tunnel is required and not up${why}; simward net tunnel`;
    return { gates: refused(reason), actions: [], explain: reason };
  },
};
