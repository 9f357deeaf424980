// Contexts, their credentials by the family's ways in turn, the session as described, and the interface by which the host gets at it.
import { isCode, SimwardError } from "../../../base/errors.ts";
import * as data from "../../commands/data.ts";
import type { AtPort } from "../../engine/types.ts";
import type { AuthWay, DataCounters, DataInterfaceKind, DataInterfaceWay, ModemOps, ModemQuirks } from "../../family.ts";
import type { PdpAuth } from "../../modem.ts";
import { isRefusal } from "../../retry.ts";
import type { PdpContext } from "../../types.ts";
import { orUndefined } from "./common.ts";
import { expectReading, unchanged, underTerms } from "./radio.ts";

type DataOps = Pick<
  ModemOps,
  | "contexts"
  | "defineContext"
  | "authenticate"
  | "dropCredentials"
  | "attach"
  | "isAttached"
  | "activate"
  | "isActive"
  | "session"
  | "dataInterface"
  | "setDataInterface"
  | "startDataInterface"
  | "stopDataInterface"
  | "dataCounters"
>;

const defineTries = 3;

export function dataOps(quirks: ModemQuirks): DataOps {
  return {
    contexts,
    dataCounters: (port, cid) => dataCounters(port, quirks, cid),
    async defineContext(port, { cid, type, apn }) {
      // A module that has just started refuses the first ones.
      for (let left = defineTries - 1; ; left--) {
        try {
          await port.send(data.setCgdcont, cid, type, apn);
          return;
        } catch (error) {
          if (left <= 0 || !isRefusal(error)) throw error;
        }
      }
    },
    async authenticate(port, cid, auth) {
      let refusal: unknown;
      for (const way of quirks.auth) {
        try {
          await authWays[way](port, cid, auth);
          return;
        } catch (error) {
          if (!isRefusal(error)) throw error;
          refusal ??= error;
        }
      }
      throw refusal ?? new SimwardError("MODEM_UNABLE", { detail: "credentials of a context" });
    },
    async dropCredentials(port, cid) {
      const held = await credentialsHeld(port);
      if (held !== undefined && !held.some((one) => one.cid === cid && one.protocol !== 0)) return;
      for (const way of quirks.auth) {
        try {
          await dropWays[way](port, cid);
          return;
        } catch (error) {
          if (!isRefusal(error)) throw error;
        }
      }
    },
    attach: (port, attached) => port.send(data.setCgatt, attached ? 1 : 0),
    isAttached: async (port) => (await port.send(data.readCgatt)).state === 1,
    activate: (port, cid, active) => port.send(data.setCgact, active ? 1 : 0, cid),
    isActive: async (port, cid) => (await port.send(data.readCgact)).some((context) => context.cid === cid && context.state === 1),
    async session(port, cid) {
      const [address] = await port.send(data.cgpaddr, cid);
      if (address === undefined) return undefined;
      // Not every module knows +CGCONTRDP, and some cut its tail.
      const described = (await orUndefined(port.send(data.cgcontrdp, cid)))?.filter((line) => line.cid === cid) ?? [];
      const [first] = described;
      return {
        cid,
        apn: first?.apn,
        address,
        gateway: first?.gateway,
        dns: [...new Set(described.flatMap(({ dns }) => dns))],
        mtuBytes: first?.mtuBytes,
      };
    },
    async dataInterface(port) {
      for (const { kind, composition } of quirks.dataInterfaces) {
        if (composition === undefined) continue;
        if ((await orUndefined(port.send(composition.setting.read))) === composition.value) return kind;
      }
      return undefined;
    },
    async setDataInterface(port, kind, radio) {
      const { composition } = wayOf(quirks, kind);
      if (composition === undefined) return unchanged;
      const { setting, value, terms } = composition;
      const present = await orUndefined(port.send(setting.read));
      if (present === value) return unchanged;
      return underTerms(terms, radio, async () => {
        await port.send(setting.write, value);
        // A module that cannot be asked, or is restarting, is believed.
        if (present !== undefined && terms.holds !== "restarts") await expectReading(port, setting, value);
      });
    },
    async startDataInterface(port, kind, cid) {
      const { start } = wayOf(quirks, kind);
      if (start !== undefined) await port.send(start, cid);
    },
    async stopDataInterface(port, kind, cid) {
      const { stop } = wayOf(quirks, kind);
      if (stop !== undefined) await port.send(stop, cid);
    },
  };
}

/** Lines that name no context are of the module as a whole, or of contexts that are numbered otherwise: they are taken together. */
async function dataCounters(port: AtPort, { counters }: ModemQuirks, cid: number): Promise<DataCounters | undefined> {
  if (counters === undefined) return undefined;
  const lines = (await orUndefined(port.send(counters.read)))?.filter((line) => line.cid === undefined || line.cid === cid);
  if (lines === undefined || lines.length === 0) return undefined;
  const sum = (of: "sentBytes" | "receivedBytes"): number => lines.reduce((total, line) => total + line[of], 0);
  return {
    sentBytes: sum("sentBytes"),
    receivedBytes: sum("receivedBytes"),
    stepBytes: counters.stepBytes,
    afterStart: counters.afterStart,
  };
}

async function contexts(port: AtPort): Promise<readonly PdpContext[]> {
  const found = await port.send(data.readCgdcont);
  return found.flatMap(({ cid, type, apn }) => (isPdpType(type) ? [{ cid, type, apn: apn ?? "" }] : []));
}

const authWays: Readonly<Record<AuthWay, (port: AtPort, cid: number, auth: PdpAuth) => Promise<void>>> = {
  cgauth: (port, cid, auth) => port.send(data.setCgauth, cid, protocolOf(auth), auth.user, auth.password),
  async "cgauth-password-first"(port, cid, auth) {
    try {
      await port.send(data.setCgauthPasswordFirst, cid, protocolOf(auth), auth.password, auth.user);
    } catch (error) {
      if (auth.protocol !== "chap" || !isRefusal(error)) throw error;
      await port.send(data.setCgauthPasswordFirst, cid, protocolOf(auth), auth.password, undefined);
    }
  },
  qicsgp: async (port, cid, auth) =>
    port.send(data.setQicsgp, cid, await definition(port, cid), protocolOf(auth), auth.user, auth.password),
  uauthreq: (port, cid, auth) => port.send(data.setUauthreq, cid, protocolOf(auth), auth.user, auth.password),
  "uauthreq-password-first": (port, cid, auth) => port.send(data.setUauthreq, cid, protocolOf(auth), auth.password, auth.user),
  pdpauth: (port, cid, auth) => port.send(data.setPdpauth, cid, protocolOf(auth), auth.user, auth.password),
};

/** Undefined where the module does not tell, in whichever way it does not. */
async function credentialsHeld(port: AtPort): Promise<readonly { readonly cid: number; readonly protocol: number }[] | undefined> {
  try {
    return await port.send(data.readCgauth);
  } catch (error) {
    if (!isRefusal(error) && !isCode(error, "AT_REPLY", "AT_TIMEOUT")) throw error;
    return undefined;
  }
}

const dropWays: Readonly<Record<AuthWay, (port: AtPort, cid: number) => Promise<void>>> = {
  cgauth: (port, cid) => port.send(data.setCgauth, cid, 0, "", ""),
  "cgauth-password-first": (port, cid) => port.send(data.setCgauth, cid, 0, "", ""),
  qicsgp: async (port, cid) => port.send(data.setQicsgp, cid, await definition(port, cid), 0, "", ""),
  uauthreq: (port, cid) => port.send(data.setUauthreq, cid, 0, "", ""),
  "uauthreq-password-first": (port, cid) => port.send(data.setUauthreq, cid, 0, "", ""),
  pdpauth: (port, cid) => port.send(data.setPdpauth, cid, 0, "", ""),
};

async function definition(port: AtPort, cid: number): Promise<PdpContext> {
  return (await contexts(port)).find((one) => one.cid === cid) ?? { cid, type: "IPV4V6", apn: "" };
}

function protocolOf({ protocol }: PdpAuth): 1 | 2 {
  return protocol === "pap" ? 1 : 2;
}

function wayOf(quirks: ModemQuirks, kind: DataInterfaceKind): DataInterfaceWay {
  const way = quirks.dataInterfaces.find((one) => one.kind === kind);
  if (way !== undefined) return way;
  const has = quirks.dataInterfaces.map((one) => one.kind).join(", ") || "none";
  throw new SimwardError("MODEM_UNABLE", { detail: `${kind}: its interfaces are ${has}` });
}

function isPdpType(type: string): type is PdpContext["type"] {
  return type === "IP" || type === "IPV6" || type === "IPV4V6";
}
