// PDP contexts: defined as wanted without touching what is so already, brought up, described.
import type { Clock } from "../base/clock.ts";
import { SimwardError } from "../base/errors.ts";
import type { AtPort } from "./engine/types.ts";
import type { ModemOps } from "./family.ts";
import type { DataSession, PdpAuth } from "./modem.ts";
import { isRefusal } from "./retry.ts";
import type { PdpContext } from "./types.ts";

const addressLimitMs = 15_000;
const addressSpacingMs = 500;

/**
 * Answers whether something was written. A definition in use is taken down first: the network learns of it at the next activation only.
 * `auth`: "none" takes away what the module may still hold, which a session that is up needs not wait for; undefined leaves it as it is.
 * `onAir` switches the radio on again; it must not be something that a signal can stop.
 */
export async function ensureContext(
  ops: ModemOps,
  port: AtPort,
  wanted: PdpContext,
  auth: PdpAuth | "none" | undefined,
  onAir: () => Promise<void>,
): Promise<boolean> {
  const isSo = same(await definition(ops, port, wanted.cid), wanted);
  if (isSo && auth === "none") await ops.dropCredentials(port, wanted.cid);
  if (isSo && (auth === undefined || auth === "none")) return false;
  const write = async (): Promise<void> => {
    if (!isSo) await ops.defineContext(port, wanted);
    if (auth === "none") await ops.dropCredentials(port, wanted.cid);
    else if (auth !== undefined) await ops.authenticate(port, wanted.cid, auth);
  };
  if (isSo || (await isFree(ops, port, wanted.cid))) await write();
  else await offTheAir(ops, port, write, onAir);
  const readBack = await definition(ops, port, wanted.cid);
  if (!same(readBack, wanted))
    throw new SimwardError("AT_REPLY", {
      detail: `context ${wanted.cid} reads back as ${readBack === undefined ? "undefined" : `${readBack.type} ${JSON.stringify(readBack.apn)}`}`,
    });
  return true;
}

/** Attaches and activates as far as that is not so, and waits for the address. Throws what the network refused with, or DEADLINE. */
export async function connect(ops: ModemOps, port: AtPort, cid: number, clock: Clock, signal?: AbortSignal): Promise<DataSession> {
  if (!(await ops.isActive(port, cid))) {
    if (!(await ops.isAttached(port))) await ops.attach(port, true);
    // On LTE the attachment brings its context up by itself.
    if (!(await ops.isActive(port, cid))) await activate(ops, port, cid);
  }
  const endMs = clock.monotonicMs() + addressLimitMs;
  for (;;) {
    const session = await ops.session(port, cid);
    if (session !== undefined) return session;
    if (clock.monotonicMs() >= endMs)
      throw new SimwardError("DEADLINE", { detail: `context ${cid} got no address within ${addressLimitMs / 1_000} s` });
    await clock.sleep(addressSpacingMs, signal);
  }
}

async function activate(ops: ModemOps, port: AtPort, cid: number): Promise<void> {
  try {
    await ops.activate(port, cid, true);
  } catch (error) {
    // A bare ERROR may mean that it is active; what it is now decides.
    if (!isRefusal(error) || !(await ops.isActive(port, cid))) throw error;
  }
}

/** Attaches if that is not so. A refusal is no error here: whether the network takes the vehicle is seen in the registration. */
export async function attachAgain(ops: ModemOps, port: AtPort): Promise<void> {
  try {
    if (!(await ops.isAttached(port))) await ops.attach(port, true);
  } catch (error) {
    if (!isRefusal(error)) throw error;
  }
}

/** Whether the context can be written where it stands: nothing uses it, and the module is not trying to attach with what it holds. */
async function isFree(ops: ModemOps, port: AtPort, cid: number): Promise<boolean> {
  if (!(await ops.isActive(port, cid))) return ops.isAttached(port);
  try {
    await ops.activate(port, cid, false);
    return true;
  } catch (error) {
    // The last context of an LTE attachment cannot be taken down alone.
    if (!isRefusal(error)) throw error;
    return false;
  }
}

/** In flight mode the attachment is gone, and coming back attaches at once with what was written; AT+CGATT would hold the port for minutes. */
async function offTheAir(ops: ModemOps, port: AtPort, write: () => Promise<void>, onAir: () => Promise<void>): Promise<void> {
  try {
    await ops.setFunction(port, 4);
    await write();
  } finally {
    await onAir();
  }
}

async function definition(ops: ModemOps, port: AtPort, cid: number): Promise<PdpContext | undefined> {
  return (await ops.contexts(port)).find((context) => context.cid === cid);
}

/** APNs are names of DNS: their case does not count. */
function same(found: PdpContext | undefined, wanted: PdpContext): boolean {
  return found !== undefined && found.type === wanted.type && found.apn.toLowerCase() === wanted.apn.toLowerCase();
}
