// The program simward-netd: the small privileged helper. Root-owned, CAP_NET_ADMIN, socket-activated; knows the verbs of verbs.ts.
import { unlink } from "node:fs/promises";
import { parseArgs } from "node:util";
import { SystemClock } from "../../base/clock.ts";
import { asSimwardError, SimwardError } from "../../base/errors.ts";
import { version } from "../../base/version.ts";
import { interfaceName } from "./arguments.ts";
import { createNetd, usualPlaces } from "./server.ts";
import { verbNames } from "./verbs.ts";

const usage = `simward-netd ${version}
usage: simward-netd --interface NAME [--interface NAME …] --uid UID [--socket PATH]
                    [--ip PATH] [--nft PATH] [--tc PATH] [--vici PATH] [--pppd PATH] [--resolv PATH] [--power-hook PATH]
                    [--pseudo-terminals]   pppd may be put on /dev/pts too, for virtual modules
       Without --socket it serves the socket that systemd passes (LISTEN_FDS).
       Places: ${Object.values(usualPlaces).join(", ")}.
       Verbs: ${verbNames().join(", ")}; see docs/netd.md.
`;
/** sd_listen_fds(3): the first descriptor that systemd passes. */
const firstPassed = 3;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      interface: { type: "string", multiple: true },
      uid: { type: "string" },
      socket: { type: "string" },
      ip: { type: "string", default: usualPlaces.ip },
      nft: { type: "string", default: usualPlaces.nft },
      tc: { type: "string", default: usualPlaces.tc },
      vici: { type: "string", default: usualPlaces.vici },
      pppd: { type: "string", default: usualPlaces.pppd },
      resolv: { type: "string", default: usualPlaces.resolv },
      "power-hook": { type: "string", default: usualPlaces.powerHook },
      "pseudo-terminals": { type: "boolean", default: false },
      help: { type: "boolean", default: false },
      version: { type: "boolean", default: false },
    },
  });
  if (values.help || values.version) {
    process.stdout.write(values.help ? usage : `${version}\n`);
    return;
  }
  const interfaces = (values.interface ?? []).map(interfaceName);
  if (interfaces.length === 0) throw new SimwardError("USAGE", { detail: "give at least one --interface" });
  if (values.uid === undefined || !/^\d{1,10}$/.test(values.uid))
    throw new SimwardError("USAGE", { detail: "give --uid, the number of simwardd's user" });
  const { ip, nft, tc, vici, pppd, resolv, "power-hook": powerHook } = values;
  const places = { ip, nft, tc, vici, pppd, resolv, powerHook };
  for (const [name, path] of Object.entries(places))
    if (!path.startsWith("/")) throw new SimwardError("USAGE", { detail: `${name}: ${path} must be an absolute path` });
  const netd = createNetd({
    interfaces,
    pseudoTerminals: values["pseudo-terminals"],
    allowedUid: Number(values.uid),
    places,
    clock: new SystemClock(),
    log: (line) => process.stdout.write(`${line}\n`),
  });
  const { server } = netd;
  const { socket } = values;
  if (socket !== undefined) {
    await unlink(socket).catch(() => {});
    server.listen(socket);
  } else if (process.env.LISTEN_FDS === "1" && process.env.LISTEN_PID === String(process.pid)) server.listen({ fd: firstPassed });
  else throw new SimwardError("USAGE", { detail: "give --socket, or let systemd pass one" });
  for (const signal of ["SIGTERM", "SIGINT"] as const)
    process.once(signal, () => {
      void netd.close().finally(() => process.exit(0));
    });
}

main().catch((error: unknown) => {
  const e = error instanceof TypeError ? new SimwardError("USAGE", { detail: error.message }) : asSimwardError(error);
  process.stderr.write(`error ${e.code}: ${e.message}\n${usage}`);
  process.exit(2);
});
