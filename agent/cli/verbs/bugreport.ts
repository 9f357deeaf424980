// simward bugreport: one redacted archive for whoever is to find a fault. What the daemon cannot tell, because it is down, is read from this machine.
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { utf8 } from "../../../base/bytes.ts";
import { SystemClock } from "../../../base/clock.ts";
import { realDisk } from "../../../base/disk.ts";
import { asSimwardError, isCode, reasonOf, SimwardError } from "../../../base/errors.ts";
import { maskValue } from "../../../base/mask.ts";
import { systemRandom } from "../../../base/random.ts";
import { redactText } from "../../../base/redact.ts";
import { tarOf } from "../../../base/tar.ts";
import { version } from "../../../base/version.ts";
import type { Bugreport, BugreportFile } from "../../api/bugreport-types.ts";
import { queryChain } from "../../audit/query.ts";
import { loadConfig } from "../../config/load.ts";
import { exitCodes } from "../exit.ts";
import { asTyped, type CliContext, textOption, type Verb } from "../verb.ts";

const journalLimitMs = 10_000;
const units = ["simwardd", "simward-netd", "ModemManager"];

export const bugreport: Verb = {
  name: "bugreport",
  summary: "one redacted archive to send to whoever is to find a fault; prints its id. Works in part without the daemon",
  example: "simward bugreport -o /tmp/fault.tgz",
  options: [
    { flags: "-o, --output <file>", help: "the archive; simward-<id>.tgz in this directory by default. It must not be there yet" },
    { flags: "--config <file>", help: "the configuration, where the daemon does not tell it", default: "/etc/simward/simward.toml" },
    { flags: "--reason <text>", help: "for the audit trail" },
  ],
  timeoutSeconds: 60,
  async run(context, input) {
    const { out, api } = context;
    const reason = textOption(input, "reason");
    const asked = await api("engineer")
      .call<Bugreport>("POST", "/v1/bugreport", reason === undefined ? {} : { reason })
      .catch((error: unknown) => {
        if (!isCode(error, "API_NOT_RUNNING", "API_GONE", "API_RESPONSE", "API_FORBIDDEN", "DEADLINE")) throw error;
        return asSimwardError(error);
      });
    const isWhole = !(asked instanceof SimwardError);
    const timeMs = new SystemClock().now();
    const id = isWhole ? asked.id : `bug-local-${Buffer.from(systemRandom.bytes(4)).toString("hex")}`;
    const own = await localFiles(context, textOption(input, "config") ?? "");
    if (!isWhole) {
      out.hint(`${asked.message}\nwithout the daemon the report holds its configuration, audit trail and journal only`);
      own.push({ name: "daemon.txt", text: `${asked.code}: ${asked.message}\n` });
    }
    const files = [
      ...(isWhole ? asked.files : []),
      // Once more, whatever the daemon's version.
      ...own.map(({ name, text }) => ({ name: `machine/${name}`, text })),
    ].map(({ name, text }) => ({ name: `${id}/${name}`, content: utf8(redactText(text)) }));
    const file = textOption(input, "output") ?? `simward-${id}.tgz`;
    const archive = gzipSync(tarOf(files, timeMs));
    await writeFile(file, archive, { mode: 0o600, flag: "wx" }).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === "EEXIST")
        throw new SimwardError("USAGE", { detail: `${file} is there already, and is not written over: name another with -o` });
      throw new SimwardError("DISK_WRITE", { detail: `${asTyped(file)}: ${reasonOf(error)}`, cause: error });
    });
    const report = { schema: "simward/bugreport-file/1", id, file, bytes: archive.length, files: files.length, complete: isWhole };
    out.result(
      report,
      () => `${id}\n${file}: ${files.length} files, ${Math.ceil(archive.length / 1024)} KiB${isWhole ? "" : ", not complete"}`,
    );
    return isWhole ? undefined : exitCodes.partial;
  },
};

/** What this user may read of it here. */
async function localFiles({ stateDir }: CliContext, configFile: string): Promise<BugreportFile[]> {
  const { node, openssl } = process.versions;
  const part = async (name: string, make: () => Promise<string>): Promise<BugreportFile> => ({
    name,
    text: await make().catch((error: unknown) => `not to be had: ${reasonOf(error)}\n`),
  });
  const config = loadConfig(configFile);
  return Promise.all([
    part("versions.txt", async () => `simward ${version}\nnode ${node}, openssl ${openssl}\n${await output("uname", ["-a"])}`),
    part("config.json", async () => `${JSON.stringify(maskValue(await config), null, 2)}\n`),
    part("audit.jsonl", async () => {
      const dir = await config.then(({ paths }) => paths.state).catch(() => stateDir);
      let text = "";
      for await (const record of queryChain(realDisk(join(dir, "audit")), { last: 500 })) text += `${JSON.stringify(maskValue(record))}\n`;
      return text;
    }),
    ...units.map((unit) =>
      part(`journal-${unit}.txt`, () => output("journalctl", ["-u", unit, "-n", "1000", "--no-pager", "-o", "short-iso"])),
    ),
    part("units.txt", () => output("systemctl", ["status", "--no-pager", "--lines=0", ...units])),
  ]);
}

/** What it prints; also where it ends with an error of its own, as systemctl does of a unit that is down. */
function output(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, [...args], { timeout: journalLimitMs, maxBuffer: 16 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (error !== null && stdout === "") reject(error);
      else resolve(`${stdout}${stderr}`);
    });
  });
}
