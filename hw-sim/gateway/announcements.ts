// Router advertisements (RFC 4861 §4.2) on the module's link: from them the vehicle has its IPv6 address and route, as on a real bearer.
// Node has no raw sockets; the C library's are taken through koffi.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Clock, Disposer } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import { sixteen } from "./dns.ts";
import { addresses, coreModemInterface, mtuBytes, sessionSteps } from "./plan.ts";

const everyMs = 500;
const inet6 = 10;
const rawSocket = 3;
const icmpv6 = 58;
const levelIpv6 = 41;
const multicastIf = 17;
const multicastHops = 18;

/** One prefix to make addresses of, not on-link (the bearer has no neighbours), and the MTU. The kernel adds the checksum. */
export function advertisement(prefix: string, mtu: number): Buffer {
  const out = Buffer.alloc(16 + 32 + 8);
  out[0] = 134;
  out[4] = 64;
  out.writeUInt16BE(1_800, 6);
  out[16] = 3;
  out[17] = 4;
  out[18] = 64;
  out[19] = 0x40;
  out.writeUInt32BE(86_400, 20);
  out.writeUInt32BE(86_400, 24);
  sixteen(prefix).copy(out, 32);
  out[48] = 5;
  out[49] = 1;
  out.writeUInt32BE(mtu, 52);
  return out;
}

/** While the link has a session. Throws SIM_OPTION without the right to raw sockets. */
export function announce(clock: Clock): Disposer {
  const { load } = createRequire(import.meta.url)("koffi") as typeof import("koffi");
  const libc = load(null);
  const socket = libc.func("int socket(int domain, int type, int protocol)");
  const setsockopt = libc.func("int setsockopt(int fd, int level, int name, const void *value, uint32_t length)");
  const sendto = libc.func("long sendto(int fd, const void *data, size_t length, int flags, const void *to, uint32_t toLength)");
  const fd: number = socket(inet6, rawSocket, icmpv6);
  if (fd < 0) throw new SimwardError("SIM_OPTION", { detail: "gateway: no raw socket for router advertisements" });
  const integer = (value: number): Buffer => Buffer.from(Int32Array.of(value).buffer);
  setsockopt(fd, levelIpv6, multicastHops, integer(255), 4);
  let known: number | undefined;
  return clock.every(everyMs, () => {
    const index = indexOfUp();
    if (index !== undefined && index !== known)
      for (const args of sessionSteps) {
        try {
          execFileSync("ip", args, { stdio: "ignore" });
        } catch {
          // The link went again meanwhile: the next session does it.
          return;
        }
      }
    known = index;
    if (index === undefined) return;
    const to = Buffer.alloc(28);
    to.writeUInt16LE(inet6, 0);
    sixteen("ff02::1").copy(to, 8);
    to.writeUInt32LE(index, 24);
    setsockopt(fd, levelIpv6, multicastIf, integer(index), 4);
    const octets = advertisement(addresses.modemPrefix, mtuBytes);
    sendto(fd, octets, octets.length, 0, to, to.length);
  });
}

function indexOfUp(): number | undefined {
  const read = (file: string): string => readFileSync(`/sys/class/net/${coreModemInterface}/${file}`, "utf8").trim();
  try {
    return read("carrier") === "1" ? Number(read("ifindex")) : undefined;
  } catch {
    // No link yet, or one that is down: then it has no carrier to read.
    return undefined;
  }
}
