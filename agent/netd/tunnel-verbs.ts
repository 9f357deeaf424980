// The verbs of the private APN's tunnel. What they change is charon's memory and one routing rule.
import { SimwardError } from "../../base/errors.ts";
import { type TunnelWanted, tunnelArguments } from "./tunnel-arguments.ts";
import type { Verb } from "./verb.ts";

export const tunnelVerbs: Readonly<Record<string, Verb>> = {
  /** Makes it the tunnel that is wanted, and begins to bring it up; `tunnel-read` tells what comes of it. */
  tunnel: {
    args: tunnelArguments,
    hasInterface: false,
    actions(checked) {
      const wanted = checked as TunnelWanted;
      demandWhole(wanted);
      return [{ kind: "act", act: ({ ipsec }) => ipsec.up(wanted) }];
    },
  },
  "tunnel-down": { args: {}, hasInterface: false, actions: () => [{ kind: "act", act: ({ ipsec }) => ipsec.down() }] },
  "tunnel-read": { args: {}, hasInterface: false, actions: () => [{ kind: "act", act: ({ ipsec }) => ipsec.read() }] },
};

/** Throws NETD_ARGUMENT. */
function demandWhole({ auth, certificates, key, eapIdentity, secret }: TunnelWanted): void {
  const isCert = auth === "cert";
  const hasCert = certificates.length > 0 && key !== undefined;
  const hasEap = eapIdentity !== undefined && secret !== undefined;
  const isMixed = isCert ? eapIdentity !== undefined || secret !== undefined : certificates.length > 0 || key !== undefined;
  if (isMixed || !(isCert ? hasCert : hasEap))
    throw new SimwardError("NETD_ARGUMENT", {
      detail: "tunnel: cert needs certificates and key, eap needs eapIdentity and secret; never both",
    });
}
