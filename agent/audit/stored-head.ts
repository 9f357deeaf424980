// The head of the trail as the state remembers it, for who verifies without the daemon: it tells of a trail whose end was cut off.
import type { Disk } from "../../base/disk.ts";
import { openAgentState } from "../state/agent-state.ts";
import type { AuditHead } from "./types.ts";

/** Undefined when the state remembers none. Only reads. Throws DISK_READ, STATE_CORRUPT, STATE_TOO_NEW. */
export async function storedHead(stateDisk: Disk): Promise<AuditHead | undefined> {
  const { auditHead } = (await openAgentState(stateDisk)).get();
  return auditHead.seq > 0 ? auditHead : undefined;
}
