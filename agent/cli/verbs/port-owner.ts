// simward modem port-owner: which processes hold the module's port, and which are known to take ports. Needs no daemon; root sees those of everybody.
import { existsSync } from "node:fs";
import { portHolders, portSuspects } from "../../../at-drivers/engine/channels/holders.ts";
import { isCode, SimwardError } from "../../../base/errors.ts";
import type { Status } from "../../api/types.ts";
import { asTyped, type CliContext, type Verb } from "../verb.ts";

interface Owners {
  readonly schema: "simward/port-owner/1";
  /** Absent: no port is known. */
  readonly port?: string;
  readonly holders: readonly { readonly pid: number; readonly name: string }[];
  /** They run, and are known to take modules' ports. */
  readonly suspects: readonly { readonly pid: number; readonly name: string }[];
}

export const modemPortOwner: Verb = {
  name: "modem port-owner",
  summary: "which processes hold the module's port; needs no daemon where a port is named",
  example: "simward modem port-owner /dev/ttyUSB2",
  args: [{ name: "port", help: "a device; that of the daemon by default", optional: true }],
  async run(context, { args: [given] }) {
    const { out } = context;
    if (given !== undefined && !existsSync(given))
      throw new SimwardError("NOT_FOUND", { detail: `the device ${asTyped(given)}`, next: "simward modem list" });
    const port = given ?? (await portOfDaemon(context));
    const holders = port === undefined || !port.startsWith("/") ? [] : await portHolders(port);
    const suspects = (await portSuspects()).filter(({ pid }) => !holders.some((one) => one.pid === pid));
    const owners: Owners = { schema: "simward/port-owner/1", ...(port === undefined ? {} : { port }), holders, suspects };
    const names = (list: Owners["holders"]): readonly string[] => list.map(({ name, pid }) => `${name} (pid ${pid})`);
    out.result(owners, () =>
      out.fields([
        [out.paint("bold", "Port"), [port ?? "none is known; name one, or see simward modem list"]],
        [out.paint("bold", "Held by"), holders.length === 0 ? ["nobody that this user may see"] : names(holders)],
        ...(suspects.length === 0
          ? []
          : [[out.paint("yellow", "Runs too"), [...names(suspects), "known to take modules' ports"]] as const]),
      ]),
    );
    return undefined;
  },
};

/** A daemon that is away has no port. */
async function portOfDaemon({ api, out }: CliContext): Promise<string | undefined> {
  try {
    const { network } = await api("viewer").call<Status>("GET", "/v1/status");
    return network.port?.replace(/^(serial|pty|unix):/, "").replace(/\?.*$/, "");
  } catch (error) {
    if (!isCode(error, "API_NOT_RUNNING")) throw error;
    out.hint("simwardd is not running: name a port to have it looked at");
    return undefined;
  }
}
