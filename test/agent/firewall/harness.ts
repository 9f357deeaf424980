// A daemon that does nothing but keep the firewall, as a process that can be killed: the fleet is refused throughout, while all else that makes the rules
// other ones changes every few milliseconds. It tells each reading.
import { createNetdClient } from "../../../agent/data-path/netd-client.ts";
import { SystemClock } from "../../../base/clock.ts";
import { PolicyStub, refuse } from "./policy-stub.ts";

const clock = new SystemClock();
const netd = createNetdClient({ path: process.argv[2] ?? "", clock });
const policy = new PolicyStub(netd, clock, refuse);
policy.firewall.start();
for (let round = 0; ; round++) {
  policy.tunnel = { tunnel: round % 2 === 0 ? "none" : "required", tunnelInterface: round % 3 === 0 ? undefined : "ipsec0" };
  await policy.firewall.changed();
  const reading = await policy.firewall.read().catch(() => undefined);
  if (reading !== undefined) process.stdout.write(`${JSON.stringify(reading)}\n`);
  await clock.sleep(5);
}
