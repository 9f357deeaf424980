// The groups that [api] gives its sockets to: whether this machine has them. Without one simwardd does not start.
import { readFile } from "node:fs/promises";
import type { Config } from "./schema.ts";

/** Settings that name a group this machine does not have; empty where its groups cannot be read. */
export async function missingGroups({
  api,
}: Pick<Config, "api">): Promise<readonly { readonly setting: string; readonly group: string }[]> {
  const text = await readFile("/etc/group", "utf8").catch(() => undefined);
  if (text === undefined) return [];
  const names = new Set(text.split("\n").map((line) => line.split(":")[0]));
  return (["viewer_group", "engineer_group", "admin_group"] as const).flatMap((key) => {
    const group = api[key];
    return group === undefined || names.has(group) ? [] : [{ setting: `api.${key}`, group }];
  });
}
