// Every rule, in the order in which they are explained. Adding one is one file and one row here.
import type { Config } from "../../config/schema.ts";
import { type BoundRule, bind } from "../types.ts";
import { imeiLock } from "./imei-lock.ts";
import { noWayBack } from "./no-way-back.ts";

/** Of the configuration, what rules are bound to. */
export type RulesConfig = Pick<Config, "policy">;

export function bindRules({ policy }: RulesConfig): readonly BoundRule[] {
  return [bind(noWayBack, policy.no_way_back), bind(imeiLock, policy.imei_lock)];
}
