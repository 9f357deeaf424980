// The gateway's namespaces as the kernel has them: made, entered, and removed with whatever still runs in them.
import { execFileSync, type SpawnSyncReturns } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import { addresses, coreTables, linkSettings, modemSteps, namespaceOf, type Place, places, settings, steps, vehicleNat } from "./plan.ts";

/** Everything of a gateway that is a file is in DIR/NAME. */
export const runDir = "/run/simward-gateway";
export const dirOf = (name: string): string => join(runDir, name);

/** Throws SIM_OPTION with the program's words. */
export function system(program: string, args: readonly string[], input?: string): string {
  try {
    return execFileSync(program, [...args], { encoding: "utf8", input: input ?? "", stdio: ["pipe", "pipe", "pipe"] });
  } catch (error) {
    const { stderr, message } = error as SpawnSyncReturns<string> & Error;
    throw new SimwardError("SIM_OPTION", { detail: `gateway: ${program} ${args.join(" ")}: ${stderr?.trim() || message}`, cause: error });
  }
}

/** In a namespace, with the operator's name servers; `uid`: not as root. What is not of the vehicle keeps the machine's name servers. */
export function commandIn(name: string, place: Place, command: readonly string[], uid?: number): readonly [string, readonly string[]] {
  const as = uid === undefined ? [] : ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups", "--no-new-privs"];
  const here = ["netns", "exec", namespaceOf(name, place)];
  if (place === "core" || place === "inet") return ["ip", [...here, ...as, ...command]];
  // ip-netns(8) gives the command a mount namespace of its own: the bind mount is seen by it alone.
  const bind = ["sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', join(dirOf(name), "resolv.conf")];
  return ["ip", [...here, ...bind, ...as, ...command]];
}

/** Namespaces, links, addresses, routes, tables. Throws SIM_OPTION; what was made is then removed. */
export function makeNamespaces(name: string): void {
  mkdirSync(dirOf(name), { recursive: true, mode: 0o755 });
  writeFileSync(join(dirOf(name), "owner"), `${process.pid} ${startOf(process.pid)}`);
  writeFileSync(join(dirOf(name), "resolv.conf"), addresses.dns.map((server) => `nameserver ${server}\n`).join(""));
  try {
    for (const place of places) {
      system("ip", ["netns", "add", namespaceOf(name, place)]);
      write(name, place, settings[place]);
    }
    for (const { at, args } of steps(name)) system("ip", ["-n", namespaceOf(name, at), ...args]);
    const nft = (place: Place, text: string): string => system("ip", ["netns", "exec", namespaceOf(name, place), "nft", "-f", "-"], text);
    nft("gw", vehicleNat);
    nft("core", coreTables);
  } catch (error) {
    removeNamespaces(name);
    throw error;
  }
}

function write(name: string, place: Place, values: Readonly<Record<string, string>>): void {
  // What is under /proc/sys/net is that of the namespace which asks.
  const lines = Object.entries(values).map(([key, value]) => `echo ${value} > /proc/sys/net/${key}\n`);
  system("ip", ["netns", "exec", namespaceOf(name, place), "sh", "-e"], lines.join(""));
}

/** When the module's link is there. Throws SIM_OPTION. */
export function prepareLink(name: string): void {
  for (const { at, args } of modemSteps()) system("ip", ["-n", namespaceOf(name, at), ...args]);
  for (const place of places) write(name, place, linkSettings[place] ?? {});
}

/** All of it, and what runs in it. Nothing that is there no more is missed. */
export function removeNamespaces(name: string): void {
  const there = new Set(namespaces());
  const ours = places.map((place) => namespaceOf(name, place)).filter((namespace) => there.has(namespace));
  for (const namespace of ours)
    for (const pid of system("ip", ["netns", "pids", namespace]).split("\n").filter(Boolean)) kill(Number(pid), "SIGKILL");
  for (const namespace of ours) system("ip", ["netns", "delete", namespace]);
  rmSync(dirOf(name), { recursive: true, force: true });
}

function namespaces(): string[] {
  return system("ip", ["netns", "list"])
    .split("\n")
    .map((line) => line.split(" ")[0] ?? "");
}

/** Who started it, while that process lives. */
export function ownerOf(name: string): number | undefined {
  try {
    const [pid, start] = readFileSync(join(dirOf(name), "owner"), "utf8").split(" ");
    return start !== "" && startOf(Number(pid)) === start ? Number(pid) : undefined;
  } catch {
    return undefined;
  }
}

export function gateways(): string[] {
  return existsSync(runDir) ? readdirSync(runDir) : [];
}

/** What runs left that were killed. Answers their names. */
export function sweep(): string[] {
  const left = gateways().filter((name) => ownerOf(name) === undefined);
  for (const name of left) removeNamespaces(name);
  return left;
}

/** Ends the process that keeps a gateway, which removes it; removes what it leaves. Answers whether there was one. */
export async function takeDown(name: string, clock: Clock): Promise<boolean> {
  const known = gateways().includes(name);
  const owner = ownerOf(name);
  if (owner !== undefined && owner !== process.pid) {
    kill(owner, "SIGTERM");
    for (let left = 100; left > 0 && ownerOf(name) !== undefined; left--) await clock.sleep(100);
  }
  removeNamespaces(name);
  return known;
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended by itself.
  }
}

/** Since boot, in ticks (proc(5)): a number that was given again has another. */
function startOf(pid: number): string {
  try {
    return (
      readFileSync(`/proc/${pid}/stat`, "utf8")
        .replace(/^.*\) /s, "")
        .split(" ")[19] ?? ""
    );
  } catch {
    return "";
  }
}
