// Addresses, and the channels behind them: exclusive, closed once, and nothing written that is not wanted any more.
import { closeSync, constants, mkdtempSync, openSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import koffi from "koffi";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openChannel, parsePortAddress } from "../../../at-drivers/engine/channel.ts";
import type { ByteChannel } from "../../../at-drivers/engine/types.ts";
import { SystemClock, VirtualClock } from "../../../base/clock.ts";
import { openPty } from "../../support/pty.ts";
import { Peer } from "./peer.ts";

const clock = new SystemClock();
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "simward-channel-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

/** What arrives, until it ends as wanted. */
function received(channel: ByteChannel, end: string): Promise<string> {
  let text = "";
  return new Promise((resolve) => {
    channel.onData((octets) => {
      text += Buffer.from(octets).toString("latin1");
      if (text.endsWith(end)) resolve(text);
    });
  });
}

function listen(server: Server, where: object): Promise<void> {
  return new Promise((resolve) => server.listen(where, resolve));
}

/** Echoes what it gets, and says who is connected. */
function echoServer(): { readonly server: Server; readonly sockets: Socket[] } {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined);
    socket.pipe(socket);
  });
  return { server, sockets };
}

const ioctl = koffi.load(null).func("int ioctl(int fd, unsigned long request, ...)");
const tiocgexcl = 0x80045440;

/** Whether the kernel refuses further opens; root may open all the same, and asks. */
function isExclusive(path: string): boolean {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EBUSY") return true;
    throw error;
  }
  const exclusive = [0];
  ioctl(fd, tiocgexcl, "_Out_ int *", exclusive);
  closeSync(fd);
  return exclusive[0] !== 0;
}

describe("addresses", () => {
  test.each([
    "serial:/dev/ttyUSB2",
    "serial:/dev/serial/by-id/usb-X_Y-if02-port0?baud=921600",
    "pty:/tmp/x",
    "tcp:127.0.0.1:5000",
    "tcp:[::1]:5000",
    "tcp:gateway.local:5000",
    "unix:/run/x",
    "unix:@module",
    "/dev/serial/by-id/usb-X_Y-if02-port0",
    "/dev/ttyUSB2?baud=921600",
    "auto",
    "usb:2c7c:0125",
    "usb:2c7c:0125:02",
  ])("%s", (address) => expect(parsePortAddress(address)).toBeTypeOf("function"));

  test.each([
    "",
    "ttyUSB2",
    "automatic",
    "auto:1",
    "usb",
    "usb:1",
    "/dev/ttyUSB2?speed=1",
    "serial:ttyUSB2",
    "serial:/dev/ttyUSB2?speed=1",
    "serial:/dev/x?baud=fast",
    "pty:x",
    "tcp:host",
    "tcp:host:0",
    "tcp:host:70000",
    "tcp:::1:5",
    "unix:x",
    "unix:@",
  ])("%j is refused", (address) => expect(() => parsePortAddress(address)).toThrow(expect.objectContaining({ code: "PORT_ADDRESS" })));
});

describe("tcp: and unix:", () => {
  test.each(["tcp", "unix", "abstract"])("%s carries octets both ways and ends with its peer", async (kind) => {
    const { server, sockets } = echoServer();
    const path = kind === "abstract" ? `\0${join(dir, "s")}` : join(dir, "s");
    await listen(server, kind === "tcp" ? { port: 0, host: "127.0.0.1" } : { path });
    const address =
      kind === "tcp"
        ? `tcp:127.0.0.1:${(server.address() as AddressInfo).port}`
        : kind === "unix"
          ? `unix:${path}`
          : `unix:@${path.slice(1)}`;
    const channel = await openChannel(address, { clock });
    const echoed = received(channel, "AT\r");
    await channel.write(Buffer.from("AT\r"));
    expect(await echoed).toBe("AT\r");
    for (const socket of sockets) socket.destroy();
    expect(await channel.closed).toEqual({ kind: "hang-up" });
    await expect(channel.write(Buffer.from("AT\r"))).rejects.toMatchObject({ code: "PORT_CLOSED" });
    await new Promise((resolve) => server.close(resolve));
  });

  test("close ends it at once, whatever is unsent", async () => {
    const sockets: Socket[] = [];
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.pause();
    });
    await listen(server, { path: join(dir, "s") });
    const channel = await openChannel(`unix:${join(dir, "s")}`, { clock });
    const stuck = channel.write(Buffer.alloc(20_000_000)).catch((error: unknown) => error);
    await channel.close();
    expect(await channel.closed).toEqual({ kind: "closed" });
    expect(await stuck).toMatchObject({ code: "PORT_CLOSED" });
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  test("nobody there", async () => {
    await expect(openChannel(`unix:${join(dir, "nobody")}`, { clock })).rejects.toMatchObject({
      code: "PORT_OPEN",
      detail: expect.stringContaining("ENOENT"),
    });
    const { server } = echoServer();
    await listen(server, { port: 0, host: "127.0.0.1" });
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    await expect(openChannel(`tcp:127.0.0.1:${port}`, { clock })).rejects.toMatchObject({
      code: "PORT_OPEN",
      detail: expect.stringContaining("ECONNREFUSED"),
    });
  });

  test("a host that does not answer ends at the deadline", async () => {
    const virtual = new VirtualClock();
    // Reserved for documentation: no host has it, and no packet to it is answered (RFC 5737).
    const opening = openChannel("tcp:192.0.2.1:5000", { clock: virtual }).catch((error: unknown) => error);
    await virtual.advance(5_000);
    expect(await opening).toMatchObject({ code: "PORT_OPEN" });
  });
});

test("a serial port is closed to programs that do not lock too, and open to them again after", async () => {
  const pty = openPty();
  const channel = await openChannel(`serial:${pty.path}`, { clock });
  expect(isExclusive(pty.path)).toBe(true);
  await channel.close();
  expect(isExclusive(pty.path)).toBe(false);
  const virtual = await openChannel(`pty:${pty.path}`, { clock });
  expect(isExclusive(pty.path)).toBe(false);
  await virtual.close();
  pty.hangUp();
});

describe.each(["pty", "serial"])("%s:", (scheme) => {
  test("carries octets both ways, unchanged, by the path or a link to it", async () => {
    const pty = openPty();
    symlinkSync(pty.path, join(dir, "link"));
    const channel = await openChannel(`${scheme}:${join(dir, "link")}`, { clock });
    const all = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
    const here = received(channel, "\xff");
    pty.write(all);
    expect(Buffer.from(await here, "latin1").equals(all)).toBe(true);
    const there = new Promise<string>((resolve) => {
      let text = "";
      pty.onData((octets) => {
        text += octets.toString("latin1");
        if (text.endsWith("\xff")) resolve(text);
      });
    });
    await channel.write(all);
    expect(Buffer.from(await there, "latin1").equals(all)).toBe(true);
    await channel.close();
    pty.hangUp();
  });

  test("a second opening is refused, and names who holds the port; after the close it is free", async () => {
    const pty = openPty();
    const first = await openChannel(`${scheme}:${pty.path}`, { clock });
    await expect(openChannel(`${scheme}:${pty.path}`, { clock })).rejects.toMatchObject({
      code: "PORT_BUSY",
      detail: expect.stringContaining(`pid ${process.pid}, this process`),
    });
    // The refused one has taken nothing of the first one's octets with it.
    const here = received(first, "OK\r\n");
    pty.write("\r\nOK\r\n");
    expect(await here).toBe("\r\nOK\r\n");
    await first.close();
    const again = await openChannel(`${scheme}:${pty.path}`, { clock });
    await again.close();
    pty.hangUp();
  });

  test("another process that holds it is named, and when it is killed the port is free", async () => {
    const pty = openPty();
    const peer = new Peer();
    expect(await peer.order(`lock ${pty.path}`)).toBe("0");
    await expect(openChannel(`${scheme}:${pty.path}`, { clock })).rejects.toMatchObject({
      code: "PORT_BUSY",
      detail: expect.stringContaining(`(pid ${peer.pid})`),
    });
    await peer.end("SIGKILL");
    const channel = await openChannel(`${scheme}:${pty.path}`, { clock });
    await channel.close();
    pty.hangUp();
  });

  test("what is no terminal, or not there", async () => {
    writeFileSync(join(dir, "file"), "");
    await expect(openChannel(`${scheme}:${join(dir, "file")}`, { clock })).rejects.toMatchObject({ code: "PORT_OPEN" });
    await expect(openChannel(`${scheme}:${join(dir, "nothing")}`, { clock })).rejects.toMatchObject({
      code: "PORT_OPEN",
      detail: expect.stringContaining("ENOENT"),
    });
  });

  test("close may be called twice, and while a write waits", async () => {
    const pty = openPty();
    const channel = await openChannel(`${scheme}:${pty.path}`, { clock });
    await Promise.all([channel.close(), channel.close()]);
    await channel.close();
    await expect(channel.write(Buffer.from("AT\r"))).rejects.toMatchObject({ code: "PORT_CLOSED" });
    pty.hangUp();
  });
});
