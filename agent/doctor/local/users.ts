// Users and groups of this machine by name: /etc/passwd and /etc/group, as far as they say.
import { readFile } from "node:fs/promises";

const table = async (file: string): Promise<readonly (readonly string[])[]> =>
  (await readFile(file, "utf8").catch(() => "")).split("\n").map((line) => line.split(":"));

export async function userName(uid: number): Promise<string> {
  return (await table("/etc/passwd")).find((fields) => fields[2] === String(uid))?.[0] ?? `uid ${uid}`;
}

export async function userId(name: string): Promise<number | undefined> {
  const found = (await table("/etc/passwd")).find((fields) => fields[0] === name)?.[2];
  return found === undefined ? undefined : Number(found);
}

export async function groupName(gid: number): Promise<string> {
  return (await table("/etc/group")).find((fields) => fields[2] === String(gid))?.[0] ?? `gid ${gid}`;
}
