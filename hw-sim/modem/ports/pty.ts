// A pseudo-terminal as AT port, behind a symbolic link that stays the same when the terminal behind it changes.
import { closeSync, constants, openSync } from "node:fs";
import { readlink, rename, rm, symlink } from "node:fs/promises";
import { ReadStream } from "node:tty";
import type { Clock, Disposer } from "../../../base/clock.ts";
import { reasonOf, SimwardError } from "../../../base/errors.ts";
import type { VirtualModem } from "../module.ts";
import type { AtPort } from "../port.ts";
import { claimLink } from "./claim.ts";
import { loadPtyCalls, type PtyCalls } from "./libc.ts";
import type { PortServer } from "./types.ts";

export interface PtyOptions {
  /** Where hosts find the terminal. */
  readonly linkPath: string;
  readonly clock: Clock;
  /** After a hang-up: how long until there is a terminal again, as a USB module needs to enumerate; 1,000 by default. */
  readonly reopenMs?: number;
}

/** A host that does not read loses what goes beyond this, as it would from a UART. */
const maxUnsentBytes = 65_536;

interface Terminal {
  readonly stream: ReadStream;
  /** Held open, so that a host may close and open its side at will. */
  readonly slave: number;
  readonly port: AtPort;
}

/** Throws SIM_OPTION when the system gives no pseudo-terminal or the link cannot be made. */
export async function servePty(modem: VirtualModem, options: PtyOptions): Promise<PortServer> {
  const calls = loadPtyCalls();
  const { linkPath, clock, reopenMs = 1_000 } = options;
  const release = await claimLink(linkPath);
  let terminal: Terminal | undefined;
  let pointedTo = "";
  let stopReopening: Disposer = () => {};
  let closed = false;

  const open = async (): Promise<void> => {
    const { made, slavePath } = openTerminal(calls, modem, () => {
      shut();
      stopReopening = clock.after(reopenMs, () => void open());
    });
    terminal = made;
    await pointTo(linkPath, slavePath);
    pointedTo = slavePath;
    // The server may have been closed while the link was written.
    if (closed) shut();
  };
  const shut = (): void => {
    if (terminal === undefined) return;
    const { stream, slave, port } = terminal;
    terminal = undefined;
    modem.closePort(port);
    // Closing the master hangs the host's side up at once, whatever it has not read yet.
    stream.destroy();
    closeSync(slave);
  };
  try {
    await open();
  } catch (error) {
    shut();
    await release();
    throw error;
  }
  return {
    address: linkPath,
    async close() {
      closed = true;
      stopReopening();
      shut();
      // Somebody may have put something else there meanwhile.
      if ((await readlink(linkPath).catch(() => undefined)) === pointedTo) await rm(linkPath, { force: true });
      await release();
    },
  };
}

function openTerminal(calls: PtyCalls, modem: VirtualModem, onHangUp: () => void): { made: Terminal; slavePath: string } {
  const { master, slavePath } = calls.open();
  const slave = openSync(slavePath, constants.O_RDWR | constants.O_NOCTTY);
  calls.makeRaw(slave);
  const stream = new ReadStream(master);
  const port = modem.openPort({
    write: (bytes) => {
      if (!stream.destroyed && stream.writableLength < maxUnsentBytes) stream.write(bytes);
    },
    hangUp: onHangUp,
    hold: (held) => {
      if (held) stream.pause();
      else stream.resume();
    },
  });
  stream.on("data", (bytes: Buffer) => port.receive(bytes));
  // EIO: the other side is gone. With the slave held open it comes only while closing.
  stream.on("error", () => stream.destroy());
  return { made: { stream, slave, port }, slavePath };
}

async function pointTo(linkPath: string, target: string): Promise<void> {
  const next = `${linkPath}.${process.pid}`;
  try {
    await symlink(target, next);
    await rename(next, linkPath);
  } catch (error) {
    throw new SimwardError("SIM_OPTION", { detail: `modem pty: the link ${linkPath} cannot be made: ${reasonOf(error)}`, cause: error });
  }
}
