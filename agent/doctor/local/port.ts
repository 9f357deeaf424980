// Local checks of the module's port: whether it is there, whether it may be opened, and who else has it.
import { constants } from "node:fs";
import { access, readdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { parseWanted, survey } from "../../../at-drivers/discovery/survey.ts";
import { usbTtys } from "../../../at-drivers/discovery/sysfs.ts";
import { portHolders, portLockers, portOpeners, portSuspects } from "../../../at-drivers/engine/channels/holders.ts";
import { type Check, fail, pass, skip, warn } from "../check.ts";
import { configOf, type LocalContext } from "./context.ts";

/** Where the module would be looked for. */
type Place =
  | { readonly kind: "device"; readonly paths: readonly string[]; readonly isPty: boolean }
  | { readonly kind: "search"; readonly address: string; readonly paths: readonly string[]; readonly passedOver: readonly string[] }
  | { readonly kind: "socket"; readonly address: string; readonly path: string | undefined };

async function placeOf(context: LocalContext): Promise<Place> {
  const { address } = (await configOf(context)).modem;
  if (address === "auto" || address.startsWith("usb:")) {
    const all = survey(await usbTtys(context.sysfs), parseWanted(address));
    const tried = all.filter(({ skipped }) => skipped === undefined);
    const passedOver = all.flatMap(({ tty, skipped }) => (skipped === undefined ? [] : [`${tty.device}: ${skipped}`]));
    return { kind: "search", address, paths: tried.map(({ tty }) => tty.device), passedOver };
  }
  if (address.startsWith("tcp:")) return { kind: "socket", address, path: undefined };
  if (address.startsWith("unix:"))
    return { kind: "socket", address, path: address.startsWith("unix:@") ? undefined : address.slice("unix:".length) };
  return { kind: "device", paths: [address.replace(/^(serial|pty):/, "").replace(/\?.*$/, "")], isPty: address.startsWith("pty:") };
}

/** Programs that open modules' ports by themselves. */
const managers: Readonly<Record<string, string>> = {
  ModemManager: "systemctl mask --now ModemManager",
  ofonod: "systemctl mask --now ofono",
  brltty: "systemctl mask --now brltty",
};

function stopCommand(name: string, pid: number): string {
  return managers[name] ?? `kill ${pid}; or set modem.address in the configuration to another port, see simward modem list`;
}

/** What modules are on the USB while their firmware does not run; product ids of the public list of USB ids. */
const bootLoaders: readonly { readonly id: string; readonly words: string }[] = [
  { id: "05c6:9008", words: "Qualcomm's emergency download" },
  { id: "05c6:900e", words: "Qualcomm's memory dump after a crash" },
];
const reload = "switch the module's power off and on; if it comes back so, load its firmware anew with its maker's tool";
/** Ports of a known module that are for something else. */
const otherPorts = /satellite receiver's|diagnosis port|no AT port of it/;

export const portChecks: readonly Check<LocalContext>[] = [
  {
    name: "module-port",
    section: "module",
    about: "Whether the port that modem.address names is there: the path, or a USB port that may be a module's.",
    reach: "nothing",
    needs: ["config"],
    isLocal: true,
    run: async (context) => {
      const now = context.port?.();
      if (now?.isReady === true) return pass(now.device);
      const place = await placeOf(context);
      if (place.kind === "search") {
        if (place.paths.length > 0) return pass(place.paths.join(", "));
        const loader = bootLoaders.find(({ id }) => place.passedOver.some((words) => words.includes(id)));
        if (loader !== undefined)
          return fail(`the module is in its boot loader (USB ${loader.id}, ${loader.words}): it has no firmware that runs`, reload);
        if (place.passedOver.length > 0 && place.passedOver.every((words) => otherPorts.test(words)))
          return fail(
            `a module is there for modem.address ${place.address}, and none of its AT ports: ${place.passedOver.join("; ")}`,
            "simward modem list --ask; dmesg | tail -n 50: its USB composition has no AT port, or no driver is bound to it; see docs/modules.md",
          );
        const seen = place.passedOver.length === 0 ? "no USB serial port is there" : place.passedOver.join("; ");
        return fail(
          `no module is found for modem.address ${place.address}: ${seen}`,
          "lsusb; simward modem list --ask; check the module's power and cable",
        );
      }
      const path = place.kind === "socket" ? place.path : place.paths[0];
      if (path === undefined) {
        if (
          now?.reason === undefined ||
          !/ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|PORT_OPEN|could not be opened/.test(now.reason)
        )
          return pass(place.kind === "socket" ? place.address : undefined);
        return fail(
          `nothing listens at ${place.kind === "socket" ? place.address : ""}: ${now.reason}`,
          "correct modem.address in the configuration, then simward config validate",
        );
      }
      const found = await stat(path).catch((error: NodeJS.ErrnoException) => error.code ?? "");
      if (typeof found !== "string") return pass(path);
      // Whether it is there is not this user's to see.
      if (found === "EACCES") return skip(`${path} cannot be seen by this user; sudo simward doctor can`);
      const others = (await readdir(dirname(path)).catch(() => [])).filter((name) => /^tty(USB|ACM)\d+$/.test(name));
      return fail(
        `${path} is not there${others.length === 0 ? "" : `; there are ${others.join(", ")}`}`,
        "simward modem list; then correct modem.address in the configuration, or check the module's power and cable",
      );
    },
  },
  {
    name: "port-permission",
    section: "module",
    about: "Whether the daemon's user may open the module's port.",
    reach: "nothing",
    needs: ["module-port"],
    isLocal: true,
    run: async (context) => {
      if (context.port?.().isReady === true) return pass();
      if (context.daemonProblem?.code === "API_FORBIDDEN") return skip("the daemon runs as another user than the one who asks");
      const place = await placeOf(context);
      const paths = place.kind === "socket" ? (place.path === undefined ? [] : [place.path]) : place.paths;
      for (const path of paths) {
        const refusal = await access(path, constants.R_OK | constants.W_OK).then(
          () => undefined,
          (error: NodeJS.ErrnoException) => error.code ?? error.message,
        );
        if (refusal === "EACCES" || refusal === "EPERM")
          return fail(`this user may not open ${path}`, `usermod -aG dialout simward; systemctl restart simwardd; ls -l ${path}`);
      }
      // Another user's rights are not this one's: a regular file's mode says enough.
      return paths.length === 0 ? skip("a network address has no permissions") : pass();
    },
  },
  {
    name: "port-contention",
    section: "module",
    about:
      "Whether another process has the module's port open or locked, by name and pid, and whether a program runs that takes modules' ports by itself, such as ModemManager.",
    reach: "nothing",
    needs: ["module-port"],
    isLocal: true,
    run: async (context) => {
      const now = context.port?.();
      const place = await placeOf(context);
      if (place.kind === "socket") return skip("a network address is nobody's device");
      const paths =
        now?.isReady === true && now.device !== undefined ? [now.device.replace(/^(serial|pty):/, "").replace(/\?.*$/, "")] : place.paths;
      const isOurs = (one: { readonly pid: number; readonly name: string }): boolean =>
        one.pid === process.pid || /^simwardd/.test(one.name);
      for (const path of paths) {
        const [holder] = (await (place.kind === "device" && place.isPty ? portLockers(path) : portHolders(path))).filter(
          (one) => !isOurs(one),
        );
        if (holder !== undefined && now?.isReady !== true)
          return fail(`${path} is held by ${holder.name} (pid ${holder.pid})`, stopCommand(holder.name, holder.pid), {
            data: { holder: holder.name, pid: holder.pid },
          });
        const [beside] = now?.isReady === true ? (await portOpeners(path)).filter((one) => !isOurs(one)) : [];
        if (beside !== undefined)
          return fail(
            `${path} is open in ${beside.name} (pid ${beside.pid}), too: of two that read a port each loses answers to the other`,
            stopCommand(beside.name, beside.pid),
            { data: { holder: beside.name, pid: beside.pid } },
          );
      }
      const [manager] = (await portSuspects()).filter(({ name }) => name in managers);
      if (manager === undefined)
        return now?.isReady === false && /PORT_BUSY|held by/.test(now.reason ?? "")
          ? fail(now.reason ?? "", `fuser -v ${paths[0] ?? "/dev/ttyUSB*"}`)
          : pass();
      return warn(
        `${manager.name} (pid ${manager.pid}) runs: it opens modules' ports by itself and sends commands of its own`,
        stopCommand(manager.name, manager.pid),
        { data: { holder: manager.name, pid: manager.pid } },
      );
    },
  },
];
