// Who is at the other end of a UNIX socket: SO_PEERCRED (unix(7)) through getsockopt of the C library.
import type { Socket } from "node:net";
import koffi from "koffi";

export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;

type GetSockOpt = (fd: number, level: number, name: number, value: Buffer, length: Uint32Array) => number;
let getsockopt: GetSockOpt | undefined;

/** Undefined where the system does not tell. */
export function peerCredentials(socket: Socket): PeerCredentials | undefined {
  const fd = descriptorOf(socket);
  if (fd === undefined || process.platform !== "linux") return undefined;
  getsockopt ??= koffi
    .load(null)
    .func("int getsockopt(int fd, int level, int name, _Out_ void *value, _Inout_ uint32_t *length)") as GetSockOpt;
  const value = Buffer.alloc(12);
  const length = Uint32Array.of(value.length);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, value, length) !== 0) return undefined;
  return { pid: value.readInt32LE(0), uid: value.readUInt32LE(4), gid: value.readUInt32LE(8) };
}

/** Node keeps the descriptor of a stream on its handle and offers no other way to it. */
function descriptorOf(socket: Socket): number | undefined {
  const handle = (socket as unknown as { readonly _handle?: { readonly fd?: unknown } })._handle;
  return typeof handle?.fd === "number" && handle.fd >= 0 ? handle.fd : undefined;
}
