// Answers what an order would send: its own route runs, as a rehearsal, on the services that may be rehearsed; any other ends it.
import { toHexUpper } from "../base/bytes.ts";
import { SimwardError } from "../base/errors.ts";
import { barred, inRehearsal, Rehearsal, type RehearsedCommand } from "../base/rehearsal.ts";
import { storeDataBlocks } from "../ipa/euicc/store-data.ts";
import type { DryRunCommand, DryRunReport } from "./api/dry-run-types.ts";
import { findRoute } from "./api/handler.ts";
import type { ApiServices } from "./api/route.ts";
import { parseInput } from "./api/routes.ts";
import type { Asker } from "./local-profiles.ts";

export interface DryRunOrder {
  readonly method: "POST" | "PUT";
  readonly path: string;
  readonly body: unknown;
}

export interface DryRunActs {
  /** Throws what the order itself would be refused with. */
  dryRun(by: Asker, order: DryRunOrder): Promise<DryRunReport>;
}

export function createDryRun(parts: {
  readonly services: () => ApiServices;
  /** Data octets of one APDU, as the module takes them. */
  readonly blockBytes: () => number;
}): DryRunActs {
  const { services, blockBytes } = parts;
  return {
    async dryRun(by, { method, path, body }) {
      const route = findRoute(method, path, by.role);
      const { run } = route;
      if (run === undefined || path === "/v1/dry-run")
        throw new SimwardError("API_INPUT", { detail: `path: ${path} is not to be rehearsed` });
      const input = parseInput(route.input, body);
      const going = new Rehearsal();
      const rehearsed = { ...by, services: rehearsedServices(services(), going) };
      let isWhole = false;
      try {
        await inRehearsal(going, () => run(rehearsed, input));
        isWhole = !going.signal.aborted;
      } catch (error) {
        if (!going.signal.aborted) throw error;
      } finally {
        going.over();
      }
      const isKnown = going.commands.length > 0 || isWhole;
      return {
        schema: "simward/rehearsal/1",
        outcome: going.commands.length > 0 ? "commands" : isKnown ? "nothing" : "unknown",
        commands: going.commands.map((command) => shown(command, blockBytes())),
      };
    },
  };
}

/** Only whose every way to card and module looks for a rehearsal is let in. */
function rehearsedServices(all: ApiServices, going: Rehearsal): ApiServices {
  const bar = barred<() => never>(going);
  const { local, card, module, net, auditAdminAct, setEmergencyProfile, setImmediateEnable, fallback, usageAccess } = all;
  const open: Partial<ApiServices> = {
    ...{ auditAdminAct, setEmergencyProfile, setImmediateEnable, fallback, usageAccess },
    local,
    card,
    module: { ...module, survey: bar },
    net: { ...net, probe: bar },
  };
  return new Proxy(barred<ApiServices>(going), {
    get: (others, name) => Reflect.get(name in open ? open : others, name),
  });
}

function shown(command: RehearsedCommand, blockBytes: number): DryRunCommand {
  if (command.interface === "at") return command;
  const { name, section } = command;
  return { interface: "es10", name, section, apdus: storeDataBlocks(command.command, blockBytes).map(toHexUpper) };
}
