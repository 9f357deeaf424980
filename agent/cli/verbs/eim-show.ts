// simward eim list, show: the eIMs associated with the eUICC, as it holds them, and how each is reached.
import { SimwardError } from "../../../base/errors.ts";
import type { EimConfiguration, EimConfigurations } from "../../api/card-types.ts";
import type { EimStatus, Status } from "../../api/types.ts";
import type { Output } from "../output.ts";
import { asTyped, type Verb } from "../verb.ts";

export const eimList: Verb = {
  name: "eim list",
  summary: "the eIMs associated with the eUICC, how each is reached, and when it was last heard",
  example: "simward eim list",
  async run({ api, out }) {
    const { eims } = await api("viewer").call<Status>("GET", "/v1/status");
    out.result({ schema: "simward/eim-list/1", eims }, () => {
      if (eims.length === 0) return "no eIM is associated; simward eim add-initial associates the first";
      const heads = ["EIM", "REACHED BY", "LAST CONTACT", "LAST ERROR"].map((head) => out.paint("bold", head));
      return out.table([heads, ...eims.map((one) => [one.eimId, wayOf(one), one.lastContact ?? "none yet", one.lastError?.code ?? ""])]);
    });
    return undefined;
  },
};

const wayOf = ({ binding, host, port }: EimStatus): string => `${binding}://${host}:${port}`;

export const eimShow: Verb = {
  name: "eim show",
  summary: "what the eUICC holds of an eIM: address, counter, key and TLS trust as fingerprints; read from it now",
  example: "simward eim show",
  args: [{ name: "eimId", help: "or a beginning that only one has; all by default", optional: true }],
  timeoutSeconds: 60,
  async run({ api, out }, { args: [wanted] }) {
    const all = await api("viewer").call<EimConfigurations>("GET", "/v1/eims");
    const eims = wanted === undefined ? all.eims : [chosen(all.eims, wanted)];
    out.result({ ...all, eims }, () => (eims.length === 0 ? "no eIM is associated" : out.fields(eims.flatMap((eim) => rows(eim, out)))));
    return undefined;
  },
};

/** Throws NOT_FOUND; USAGE, naming each, when it fits several. */
function chosen(eims: readonly EimConfiguration[], wanted: string): EimConfiguration {
  const whole = eims.filter(({ eimId }) => eimId === wanted);
  const [found, ...others] = whole.length > 0 ? whole : eims.filter(({ eimId }) => eimId.startsWith(wanted));
  if (found === undefined)
    throw new SimwardError("NOT_FOUND", { detail: `no eIM is or begins with ${asTyped(wanted)}`, next: "simward eim list" });
  if (others.length > 0)
    throw new SimwardError("USAGE", {
      detail: `${wanted} fits ${[found, ...others].map(({ eimId }) => eimId).join(" and ")}; type more of it`,
    });
  return found;
}

function rows(eim: EimConfiguration, out: Output): readonly (readonly [string, readonly string[]])[] {
  const token = eim.associationToken === undefined ? [] : [`association token ${eim.associationToken}`];
  return [
    [out.paint("bold", eim.eimId), [eim.fqdn ?? "no address", eim.idType ?? "", eim.protocols.join(" ")].filter((part) => part !== "")],
    ["", [`counter ${eim.counter ?? "none"}`, ...token, eim.indirectDownload ? "relays downloads" : "downloads go to the SM-DP+"]],
    ["", [`key SHA-256 ${eim.keyFingerprint ?? "none"}`]],
    [
      "",
      [
        eim.tlsTrust === undefined
          ? "no TLS trust: [[eim.peer]] must name one"
          : `TLS ${eim.tlsTrust} SHA-256 ${eim.tlsFingerprint ?? "?"}`,
      ],
    ],
  ];
}
