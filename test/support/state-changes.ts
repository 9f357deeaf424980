// What a virtual eIM was told of changes: the causes that came with notifyStateChange, in order (SGP.32 §5.14.5).
import type { Eim } from "../../hw-sim/eim/eim.ts";
import { decode } from "../../ipa/asn1/schema.ts";
import { GetEimPackageRequest } from "../../ipa/messages/esipa.ts";

/** Grows while the eIM runs. */
export function stateChangesOf(eim: Eim): readonly (string | number | bigint)[] {
  const told: (string | number | bigint)[] = [];
  eim.onEvent((event) => {
    if (event.type !== "esipa" || event.function !== "getEimPackage" || typeof event.request !== "string") return;
    const { notifyStateChange, stateChangeCause } = decode(GetEimPackageRequest, Buffer.from(event.request, "hex"), { name: "BF4F" });
    if (notifyStateChange !== undefined) told.push(stateChangeCause ?? "none");
  });
  return told;
}
