// Every rule, in the order in which they are explained. Adding one is one file and one row here.
import type { Config } from "../../config/schema.ts";
import { type BoundRule, bind } from "../types.ts";
import { imeiLock } from "./imei-lock.ts";
import { lifecycle } from "./lifecycle.ts";
import { market } from "./market.ts";
import { noWayBack } from "./no-way-back.ts";
import { roaming } from "./roaming.ts";
import { tunnelRequired } from "./tunnel.ts";
import { usage } from "./usage.ts";

/** Of the configuration, what rules are bound to. */
export type RulesConfig = Pick<Config, "policy" | "market" | "tunnel">;

export function bindRules({ policy, market: markets, tunnel }: RulesConfig): readonly BoundRule[] {
  return [
    bind(noWayBack, policy.no_way_back),
    bind(imeiLock, policy.imei_lock),
    bind(lifecycle, undefined),
    bind(roaming, undefined),
    bind(market, markets),
    bind(usage, undefined),
    bind(tunnelRequired, tunnel?.required === true),
  ];
}
