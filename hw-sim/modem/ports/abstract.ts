// Abstract UNIX sockets: names that are no files. Node pads them to the full length, as few others do; so it is bound by its exact name too.
import { createRequire } from "node:module";
import { SimwardError } from "../../../base/errors.ts";

/** <sys/socket.h> of Linux. */
const afUnix = 1;
const sockStream = 1;
const closeOnExec = 0o2000000;
const maxNameBytes = 107;
const backlog = 16;

/** A listening descriptor under this name, without its "@". Throws SIM_OPTION. */
export function listenAbstract(name: string): number {
  const bytes = Buffer.from(name);
  const refuse = (reason: string): never => {
    throw new SimwardError("SIM_OPTION", { detail: `modem unix: @${name}: ${reason}` });
  };
  if (process.platform !== "linux") refuse("abstract names are Linux's");
  if (bytes.length === 0 || bytes.length > maxNameBytes || bytes.includes(0))
    refuse(`the name is 1 to ${maxNameBytes} octets without a zero`);
  const { load, errno } = createRequire(import.meta.url)("koffi") as typeof import("koffi");
  const libc = load(null);
  const socket = libc.func("int socket(int domain, int type, int protocol)");
  const bind = libc.func("int bind(int fd, const uint8_t *address, uint32_t length)");
  const listen = libc.func("int listen(int fd, int backlog)");
  const close = libc.func("int close(int fd)");
  const fd: number = socket(afUnix, sockStream | closeOnExec, 0);
  if (fd < 0) refuse(`socket failed (errno ${errno()})`);
  const address = Buffer.alloc(3 + bytes.length);
  // sa_family_t in the machine's own order, then a zero and the name.
  new Uint16Array(address.buffer, address.byteOffset, 1)[0] = afUnix;
  bytes.copy(address, 3);
  if (bind(fd, address, address.length) !== 0 || listen(fd, backlog) !== 0) {
    const number = errno();
    close(fd);
    refuse(`it cannot be listened on (errno ${number})`);
  }
  return fd;
}
