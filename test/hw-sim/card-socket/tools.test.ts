// Other people's programs: pcscd with the virtual reader vpcd, and OpenSC, as Debian has them, use our card.
// (Debian 12's vicc, the card of Virtual Smart Card, lacks its own Python modules; the module's side is tested octet by octet in sockets.test.ts.)
import { once } from "node:events";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { createCard } from "../../../hw-sim/card.ts";
import { atr } from "../../../hw-sim/card-socket/atr.ts";
import { need, program, run } from "../../support/programs.ts";
import { inDirectory } from "./fleet.ts";

const loopback = "127.0.0.1";
const driver = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so";
const commSocket = "/run/pcscd/pcscd.comm";
const pcscd = program("pcscd");
const openscTool = program("opensc-tool");
const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

/** Whether a pcscd serves this machine already: there can be one only. */
async function isServed(): Promise<boolean> {
  if (!existsSync(commSocket)) return false;
  const socket = connect(commSocket);
  const answered = await new Promise<boolean>((resolve) => {
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
  });
  socket.destroy();
  return answered;
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, loopback);
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" ? (address?.port ?? 0) : 0;
}

test("pcscd has our card in its virtual reader: OpenSC reads its ATR and selects the ISD-R", (context) =>
  inDirectory(async (dir) => {
    const daemon = need(context, pcscd);
    const tool = need(context, openscTool);
    if (!existsSync(driver)) context.skip(`left out: ${driver} (Debian: vsmartcard-vpcd) is not installed`);
    if (process.getuid?.() !== 0) context.skip("left out: only root may start pcscd");
    if (await isServed()) context.skip("left out: a pcscd is running already");
    const port = await freePort();
    const channel = `0x${port.toString(16)}`;
    mkdirSync(join(dir, "conf"));
    const reader = `FRIENDLYNAME "Virtual PCD"\nDEVICENAME /dev/null:${channel}\nLIBPATH ${driver}\nCHANNELID ${channel}\n`;
    writeFileSync(join(dir, "conf", "vpcd"), reader);
    const running = run(daemon, ["--foreground", "--debug", "--config", join(dir, "conf")]);
    // It takes its sockets away when it is asked to end.
    stops.push(async () => {
      running.child.kill("SIGTERM");
      await running.ended;
    });
    await running.printed("Virtual PCD 00 00");
    const card = await createCard({ services: [{ kind: "vpcd", host: loopback, port }] });
    stops.push(() => card.close());
    await running.printed(/Card ATR: 3B 9F/);
    const opensc = async (...args: string[]): Promise<string> => {
      const child = run(tool, ["--reader", "0", ...args]);
      await child.ended;
      return child.output();
    };
    const colons = Array.from(atr, (octet) => octet.toString(16).padStart(2, "0")).join(":");
    expect(await opensc("--atr")).toContain(colons);
    // SELECT by AID with Le, then GetEID.
    const seen = await opensc(
      ...["00A4040010A0000005591010FFFFFFFF890000010000", "80E2910006BF3E035C015A", "00C0000015"].flatMap((apdu) => ["--send-apdu", apdu]),
    );
    expect(octetsReceived(seen)).toEqual([expect.stringMatching(/^6F..8410A0000005591010FF/), "", `BF3E125A10${card.ready.eid}`]);
  }));

/** The data of each response that opensc-tool shows: sixteen octets a line, and beside them what they are in ASCII. */
function octetsReceived(shown: string): string[] {
  return shown
    .split("Received")
    .slice(1)
    .map((part) => part.split("Sending")[0] ?? "")
    .map((part) => (part.match(/^(?:[0-9A-F]{2} ){1,16}/gm) ?? []).join("").replaceAll(" ", ""));
}
