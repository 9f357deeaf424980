// The program simward-netd: the small privileged helper. Root-owned, CAP_NET_ADMIN, socket-activated; knows the verbs of verbs.ts.
import { unlink } from "node:fs/promises";
import { parseArgs } from "node:util";
import { asSimwardError, SimwardError } from "../../base/errors.ts";
import { version } from "../../base/version.ts";
import { createNetd } from "./server.ts";
import { interfaceName, verbNames } from "./verbs.ts";

const usage = `simward-netd ${version}
usage: simward-netd --interface NAME [--interface NAME …] --uid UID [--socket PATH]
       Without --socket it serves the socket that systemd passes (LISTEN_FDS).
       Verbs: ${verbNames().join(", ")}; see docs/netd.md.
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      interface: { type: "string", multiple: true },
      uid: { type: "string" },
      socket: { type: "string" },
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
  if (values.uid === undefined || !/^\d+$/.test(values.uid))
    throw new SimwardError("USAGE", { detail: "give --uid, the number of simwardd's user" });
  const server = createNetd({ interfaces, allowedUid: Number(values.uid) });
  const { socket } = values;
  if (socket !== undefined) {
    await unlink(socket).catch(() => {});
    server.listen(socket);
  } else if (process.env.LISTEN_FDS === "1" && process.env.LISTEN_PID === String(process.pid)) server.listen({ fd: 3 });
  else throw new SimwardError("USAGE", { detail: "give --socket, or let systemd pass one" });
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => server.close(() => process.exit(0)));
}

main().catch((error: unknown) => {
  const e = error instanceof TypeError ? new SimwardError("USAGE", { detail: error.message }) : asSimwardError(error);
  process.stderr.write(`error ${e.code}: ${e.message}\n${usage}`);
  process.exit(2);
});
